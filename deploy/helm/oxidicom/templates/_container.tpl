{{/* Containers of both forms. Each takes (dict "root" $ "stage" STAGE), where STAGE is launcher, listener, writer or
notifier; writers have an "id", too. What a stage does not need it is not given: only the notifier, and the launcher for
it, know the broker's address, and the listener has no storage. */}}

{{- define "oxidicom.container" -}}
{{- $values := .root.Values }}
{{- $hears := has .stage (list "launcher" "listener") }}
{{- $tells := and $values.httpPort (has .stage (list "launcher" "notifier")) -}}
- name: {{ if eq .stage "launcher" }}oxidicom{{ else if eq .stage "writer" }}writer-{{ .id }}{{ else }}{{ .stage }}{{ end }}
  image: "{{ $values.image.repository }}:{{ $values.image.tag | default .root.Chart.AppVersion }}"
  imagePullPolicy: {{ $values.image.pullPolicy }}
  {{- if ne .stage "launcher" }}
  command: [oxidicom-{{ .stage }}]
  {{- end }}
  {{- if or $hears $tells }}
  ports:
    {{- if $hears }}
    - name: dicom
      containerPort: {{ $values.service.port }}
      {{- with $values.hostPort }}
      hostPort: {{ . }}
      {{- end }}
    {{- end }}
    {{- if $tells }}
    - name: http
      containerPort: {{ $values.httpPort }}
    {{- end }}
  {{- end }}
  env:
    {{- include "oxidicom.environment" . | nindent 4 }}
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities: {drop: [ALL]}
  resources: {{- toYaml (eq .stage "launcher" | ternary $values.resources (get $values.sidecarResources .stage)) | nindent 4 }}
  lifecycle:
    preStop:
      {{- if $hears }}
      # Until every node has taken the pod out of the Service, new associations are still served; then TERM drains.
      exec: {command: [sleep, "5"]}
      {{- else }}
      # Until the listener, which holds the lock as long as it lives, has ended.
      exec: {command: [flock, /run/oxidicom/listener.lock, "true"]}
      {{- end }}
  {{- if ne .stage "writer" }}
  {{- include "oxidicom.probes" . | nindent 2 }}
  {{- end }}
  volumeMounts:
    - {name: run, mountPath: /run/oxidicom}
    {{- if ne .stage "listener" }}
    - {name: files, mountPath: /data}
    {{- end }}
    {{- if and $values.journal.enabled (has .stage (list "launcher" "notifier")) }}
    - {name: state, mountPath: /state}
    {{- end }}
{{- end }}

{{- define "oxidicom.environment" -}}
{{- $values := .root.Values -}}
- {name: OXIDICOM_FILES_ROOT, value: /data}
- {name: OXIDICOM_RUN_DIR, value: /run/oxidicom}
{{- if eq .stage "writer" }}
- {name: OXIDICOM_WRITER_ID, value: {{ .id | toString | quote }}}
{{- end }}
{{- if has .stage (list "launcher" "listener") }}
- {name: OXIDICOM_LISTENER_PORT, value: {{ $values.service.port | toString | quote }}}
- {name: OXIDICOM_SCP_AET, value: {{ required "aet is required" $values.aet | quote }}}
{{- end }}
{{- if has .stage (list "launcher" "notifier") }}
- name: OXIDICOM_AMQP_ADDRESS
  valueFrom:
    secretKeyRef: {name: {{ $values.broker.secret | quote }}, key: {{ $values.broker.key | quote }}}
{{- with $values.nats.address }}
- {name: OXIDICOM_NATS_ADDRESS, value: {{ . | quote }}}
{{- end }}
{{- if $values.journal.enabled }}
- {name: OXIDICOM_STATE_DIR, value: /state}
{{- end }}
{{- with $values.httpPort }}
- {name: OXIDICOM_HTTP_PORT, value: {{ . | toString | quote }}}
- {name: OXIDICOM_HTTP_ADDRESS, value: 0.0.0.0}
{{- end }}
{{- end }}
{{- $names := dict "listenerThreads" "OXIDICOM_LISTENER_THREADS" "tokioThreads" "TOKIO_WORKER_THREADS" "writers" "OXIDICOM_WRITERS" "logging" "RUST_LOG" "strictPduLength" "OXIDICOM_SCP_STRICT" "uncompressedOnly" "OXIDICOM_SCP_UNCOMPRESSED_ONLY" "maxPduLength" "OXIDICOM_SCP_MAX_PDU_LENGTH" "promiscuous" "OXIDICOM_SCP_PROMISCUOUS" }}
{{- range $key, $value := $values.config }}
{{- if not (kindIs "invalid" $value) }}
- name: {{ required (printf "config.%s is unknown" $key) (get $names $key) }}
  value: {{ if kindIs "float64" $value }}{{ int64 $value | toString | quote }}{{ else }}{{ $value | toString | quote }}{{ end }}
{{- end }}
{{- end }}
{{- with $values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The listener by itself has nothing to be asked at but its port; a writer has none at all: the notifier is asked whether
there is one. */}}
{{- define "oxidicom.probes" -}}
{{- if eq .stage "listener" -}}
readinessProbe:
  tcpSocket: {port: dicom}
  timeoutSeconds: 10
livenessProbe:
  tcpSocket: {port: dicom}
  timeoutSeconds: 10
  periodSeconds: 20
  failureThreshold: 6
{{- else if .root.Values.httpPort -}}
# Until the journal is open. Storage that is not there yet is no reason to start the container again.
startupProbe:
  httpGet: {path: /livez, port: http}
  timeoutSeconds: 10
  failureThreshold: 60
  periodSeconds: 2
readinessProbe:
  httpGet: {path: /readyz, port: http}
  timeoutSeconds: 10
  periodSeconds: 5
livenessProbe:
  httpGet: {path: /livez, port: http}
  timeoutSeconds: 10
  periodSeconds: 20
  failureThreshold: 6
{{- else -}}
startupProbe:
  exec: {command: [oxidicom, status, --stages]}
  timeoutSeconds: 10
  failureThreshold: 60
  periodSeconds: 2
readinessProbe:
  exec: {command: [oxidicom, status, --stages]}
  timeoutSeconds: 10
{{- if eq .stage "launcher" }}
livenessProbe:
  tcpSocket: {port: dicom}
  timeoutSeconds: 10
  periodSeconds: 20
  failureThreshold: 6
{{- end }}
{{- end }}
{{- end }}
