{{/* What a container is told and given, by stage: see _container.tpl. */}}

{{- define "oxidicom.environment" -}}
{{- $values := .root.Values }}
{{- $hears := has .stage (list "launcher" "listener") }}
{{- $tells := has .stage (list "launcher" "notifier") -}}
- {name: OXIDICOM_FILES_ROOT, value: /data}
- {name: OXIDICOM_RUN_DIR, value: /run/oxidicom}
{{- if eq .stage "writer" }}
- {name: OXIDICOM_WRITER_ID, value: {{ .id | toString | quote }}}
{{- end }}
{{- if $hears }}
- {name: OXIDICOM_LISTENER_PORT, value: "{{ $values.tls.plain | ternary 11111 0 }}"}
- {name: OXIDICOM_SCP_AET, value: {{ required "aet is required" $values.aet | quote }}}
{{- if $values.tls.secret }}
- {name: OXIDICOM_TLS_PORT, value: "2762"}
- {name: OXIDICOM_TLS_CERTIFICATE, value: /secrets/tls/tls.crt}
- {name: OXIDICOM_TLS_KEY, value: /secrets/tls/tls.key}
{{- with $values.tls.clientCa }}
- {name: OXIDICOM_TLS_CA, value: /secrets/tls/{{ . }}}
{{- end }}
{{- with $values.tls.aets }}
- {name: OXIDICOM_TLS_AETS, value: {{ join "," . | quote }}}
{{- end }}
{{- end }}
{{- end }}
{{- if has .stage (list "launcher" "writer") }}
{{- with $values.storage.maxObjectSize }}
- {name: OXIDICOM_MAX_OBJECT_SIZE, value: {{ . | quote }}}
{{- end }}
{{- with $values.storage.fileMode }}
- {name: OXIDICOM_FILE_MODE, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- if $tells }}
{{- include "oxidicom.outside" .root }}
{{- with $values.journal.maxSize }}
- {name: OXIDICOM_JOURNAL_SIZE, value: {{ . | quote }}}
{{- end }}
{{- with $values.journal.minFree }}
- {name: OXIDICOM_JOURNAL_MIN_FREE, value: {{ . | quote }}}
{{- end }}
{{- if include "oxidicom.ownJournal" .root }}
- {name: OXIDICOM_STATE_DIR, value: /state}
{{- end }}
{{- with $values.httpPort }}
- {name: OXIDICOM_HTTP_PORT, value: {{ . | toString | quote }}}
- {name: OXIDICOM_HTTP_ADDRESS, value: 0.0.0.0}
{{- with $values.httpHosts }}
- {name: OXIDICOM_HTTP_HOSTS, value: {{ join "," . | quote }}}
{{- end }}
{{- end }}
{{- end }}
{{- $names := dict "listenerThreads" "OXIDICOM_LISTENER_THREADS" "tokioThreads" "TOKIO_WORKER_THREADS" "writers" "OXIDICOM_WRITERS" "logging" "RUST_LOG" "strictPduLength" "OXIDICOM_SCP_STRICT" "uncompressedOnly" "OXIDICOM_SCP_UNCOMPRESSED_ONLY" "maxPduLength" "OXIDICOM_SCP_MAX_PDU_LENGTH" "promiscuous" "OXIDICOM_SCP_PROMISCUOUS" "seriesQuiet" "OXIDICOM_SERIES_QUIET" "abortQuiet" "OXIDICOM_ABORT_QUIET" }}
{{- range $key, $value := $values.config }}
{{- if not (kindIs "invalid" $value) }}
- name: {{ required (printf "config.%s is unknown" $key) (get $names $key) }}
  value: {{ if kindIs "float64" $value }}{{ int64 $value | toString | quote }}{{ else }}{{ $value | toString | quote }}{{ end }}
{{- end }}
{{- end }}
{{- with $values.env }}
{{ toYaml . }}
{{- end }}
{{- range $stage, $more := $values.stageEnv }}
{{- if and $more (has $.stage (list "launcher" $stage)) }}
{{ toYaml $more }}
{{- end }}
{{- end }}
{{- end }}

{{/* Broker, NATS and CUBE. */}}
{{- define "oxidicom.outside" -}}
{{- with .Values.broker }}
{{- if .asFile }}
- {name: OXIDICOM_AMQP_ADDRESS_FILE, value: /secrets/broker/{{ .key }}}
{{- else }}
- name: OXIDICOM_AMQP_ADDRESS
  valueFrom:
    secretKeyRef: {name: {{ .secret | quote }}, key: {{ .key | quote }}}
{{- end }}
{{- if .tlsSecret }}
- {name: OXIDICOM_BROKER_TLS_CA, value: /secrets/broker-tls/ca.crt}
{{- if .clientCertificate }}
- {name: OXIDICOM_BROKER_TLS_CERTIFICATE, value: /secrets/broker-tls/tls.crt}
- {name: OXIDICOM_BROKER_TLS_KEY, value: /secrets/broker-tls/tls.key}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.nats }}
{{- with .address }}
- {name: OXIDICOM_NATS_ADDRESS, value: {{ . | quote }}}
{{- end }}
{{- if .secret }}
- {name: OXIDICOM_NATS_ADDRESS_FILE, value: /secrets/nats/{{ .key }}}
{{- end }}
{{- if .credentialsSecret }}
- {name: OXIDICOM_NATS_CREDENTIALS, value: /secrets/nats-credentials/{{ .credentialsKey }}}
{{- end }}
{{- if .tlsSecret }}
- {name: OXIDICOM_NATS_CA, value: /secrets/nats-tls/ca.crt}
{{- end }}
{{- end }}
{{- with .Values.cube }}
{{- if .url }}
- {name: OXIDICOM_CUBE_URL, value: {{ .url | quote }}}
{{- $secret := .secret }}
{{- range $key, $name := dict "user" "OXIDICOM_CUBE_USER" "password" "OXIDICOM_CUBE_PASSWORD" "token" "OXIDICOM_CUBE_TOKEN" }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef: {name: {{ $secret | quote }}, key: {{ $key }}, optional: true}
{{- end }}
{{- if .tlsSecret }}
- {name: OXIDICOM_CUBE_CA, value: /secrets/cube-tls/ca.crt}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The secrets that are mounted, and the stage that each is for, as a list in JSON. */}}
{{- define "oxidicom.secrets" -}}
{{- $list := list }}
{{- with .Values.tls.secret }}
{{- $list = append $list (dict "name" "tls" "secret" . "stage" "listener") }}
{{- end }}
{{- if .Values.broker.asFile }}
{{- $list = append $list (dict "name" "broker" "secret" .Values.broker.secret "stage" "notifier") }}
{{- end }}
{{- with .Values.broker.tlsSecret }}
{{- $list = append $list (dict "name" "broker-tls" "secret" . "stage" "notifier") }}
{{- end }}
{{- with .Values.nats.secret }}
{{- $list = append $list (dict "name" "nats" "secret" . "stage" "notifier") }}
{{- end }}
{{- with .Values.nats.credentialsSecret }}
{{- $list = append $list (dict "name" "nats-credentials" "secret" . "stage" "notifier") }}
{{- end }}
{{- with .Values.nats.tlsSecret }}
{{- $list = append $list (dict "name" "nats-tls" "secret" . "stage" "notifier") }}
{{- end }}
{{- if and .Values.cube.url .Values.cube.tlsSecret }}
{{- $list = append $list (dict "name" "cube-tls" "secret" .Values.cube.tlsSecret "stage" "notifier") }}
{{- end }}
{{- toJson $list }}
{{- end }}

{{- define "oxidicom.mounts" -}}
- {name: run, mountPath: /run/oxidicom}
{{- if ne .stage "listener" }}
- {name: files, mountPath: /data}
{{- end }}
{{- if and (include "oxidicom.ownJournal" .root) (has .stage (list "launcher" "notifier")) }}
- {name: state, mountPath: /state}
{{- end }}
{{- range include "oxidicom.secrets" .root | fromJsonArray }}
{{- if has $.stage (list "launcher" .stage) }}
- {name: {{ .name }}, mountPath: /secrets/{{ .name }}, readOnly: true}
{{- end }}
{{- end }}
{{- range $stage, $more := .root.Values.extraVolumeMounts }}
{{- if and $more (has $.stage (list "launcher" $stage)) }}
{{ toYaml $more }}
{{- end }}
{{- end }}
{{- end }}

{{- define "oxidicom.volumes" -}}
- name: files
  persistentVolumeClaim: {claimName: {{ .Values.storage.claim | quote }}}
- name: run
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
{{- range include "oxidicom.secrets" . | fromJsonArray }}
- name: {{ .name }}
  secret: {secretName: {{ .secret | quote }}, defaultMode: 0440}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
