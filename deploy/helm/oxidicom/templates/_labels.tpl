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
{{/* Short enough for the names of a StatefulSet's pods as labels: 63 characters with a revision behind it. */}}
{{- define "oxidicom.name" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $whole := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- default $whole .Values.fullnameOverride | trunc 47 | trimSuffix "-" }}
{{- end }}
