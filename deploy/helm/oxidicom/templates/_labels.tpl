{{- define "oxidicom.selector" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/name: oxidicom
{{- end }}
{{- define "oxidicom.labels" -}}
{{ include "oxidicom.selector" . }}
app.kubernetes.io/part-of: chris
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
{{- define "oxidicom.name" -}}
{{ .Release.Name }}-oxidicom
{{- end }}
