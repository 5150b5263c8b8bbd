{{/* Containers of both forms. Each takes (dict "root" $ "stage" STAGE), where STAGE is launcher, listener, writer or
notifier; writers have an "id", too. What a stage does not need it is not given: only the notifier, and the launcher for
it, know the broker's address, and the listener has no storage. */}}

{{- define "oxidicom.container" -}}
{{- $values := .root.Values }}
{{- $hears := has .stage (list "launcher" "listener") }}
{{- $tells := and $values.httpPort (has .stage (list "launcher" "notifier")) }}
{{- $sidecar := and (include "oxidicom.native" .root) (ne .stage "listener") -}}
- name: {{ if eq .stage "launcher" }}oxidicom{{ else if eq .stage "writer" }}writer-{{ .id }}{{ else }}{{ .stage }}{{ end }}
  image: "{{ $values.image.repository }}:{{ $values.image.tag | default .root.Chart.AppVersion }}"
  imagePullPolicy: {{ $values.image.pullPolicy }}
  {{- if $sidecar }}
  # Started before the listener, ended after it.
  restartPolicy: Always
  {{- end }}
  {{- if ne .stage "launcher" }}
  command: [oxidicom-{{ .stage }}]
  {{- end }}
  {{- if or $hears $tells }}
  ports:
    {{- if and $hears $values.tls.plain }}
    - name: dicom
      containerPort: 11111
      {{- with $values.hostPort }}
      hostPort: {{ . }}
      {{- end }}
    {{- end }}
    {{- if and $hears $values.tls.secret }}
    - name: dicom-tls
      containerPort: 2762
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
  {{- if not $sidecar }}
  lifecycle:
    preStop:
      {{- if $hears }}
      # Until every node has taken the pod out of the Service, new associations are still served; then TERM drains.
      exec: {command: [sleep, "5"]}
      {{- else }}
      # Until the listener, which holds the lock as long as it lives, has ended.
      exec: {command: [flock, /run/oxidicom/listener.lock, "true"]}
      {{- end }}
  {{- end }}
  {{- if ne .stage "writer" }}
  {{- include "oxidicom.probes" . | nindent 2 }}
  {{- end }}
  volumeMounts:
    {{- include "oxidicom.mounts" . | nindent 4 }}
{{- end }}

{{/* The listener by itself has nothing to be asked at but its port; a writer has none at all: the notifier is asked whether
there is one. A container that hangs is killed, and its preStop, which may wait for the listener, is cut short. */}}
{{- define "oxidicom.probes" -}}
{{- $listens := dict "tcpSocket" (dict "port" (.root.Values.tls.plain | ternary "dicom" "dicom-tls")) | toJson -}}
{{- if eq .stage "listener" -}}
readinessProbe:
  {{- $listens | fromJson | toYaml | nindent 2 }}
  timeoutSeconds: 10
livenessProbe:
  {{- $listens | fromJson | toYaml | nindent 2 }}
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
  {{- include "oxidicom.haste" . }}
readinessProbe:
  httpGet: {path: /readyz, port: http}
  timeoutSeconds: 10
  periodSeconds: 5
livenessProbe:
  httpGet: {path: /livez, port: http}
  timeoutSeconds: 10
  periodSeconds: 20
  failureThreshold: 6
  {{- include "oxidicom.haste" . }}
{{- else -}}
{{- if eq .stage "launcher" }}
startupProbe:
  exec: {command: [oxidicom, status, --stages]}
  timeoutSeconds: 10
  failureThreshold: 60
  periodSeconds: 2
livenessProbe:
  {{- $listens | fromJson | toYaml | nindent 2 }}
  timeoutSeconds: 10
  periodSeconds: 20
  failureThreshold: 6
{{- else if not (include "oxidicom.native" .root) }}
startupProbe:
  exec: {command: [oxidicom, status, --stages]}
  timeoutSeconds: 10
  failureThreshold: 60
  periodSeconds: 2
  {{- include "oxidicom.haste" . }}
{{- end }}
readinessProbe:
  exec: {command: [oxidicom, status, --stages]}
  timeoutSeconds: 10
{{- end }}
{{- end }}

{{/* Of a notifier that hangs: the listener lives, and with it the lock that the preStop waits for. */}}
{{- define "oxidicom.haste" -}}
{{- if eq .stage "notifier" }}
  terminationGracePeriodSeconds: 5
{{- end }}
{{- end }}
