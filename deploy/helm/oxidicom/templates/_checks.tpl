{{/* Impossible values, and consequences of other values. */}}

{{- define "oxidicom.check" -}}
{{- $values := .Values }}
{{- if not (has $values.form (list "launcher" "sidecars")) }}
{{- fail "form is launcher or sidecars" }}
{{- end }}
{{- if and (or $values.autoscaling.enabled $values.serviceMonitor.enabled $values.prometheusRule.enabled) (not $values.httpPort) }}
{{- fail "autoscaling, serviceMonitor and prometheusRule read metrics, so they need httpPort" }}
{{- end }}
{{- if and $values.autoscaling.enabled (lt (int $values.autoscaling.maxReplicas) (int $values.replicas)) }}
{{- fail (printf "autoscaling.maxReplicas is %d; it must be at least replicas, %d" (int $values.autoscaling.maxReplicas) (int $values.replicas)) }}
{{- end }}
{{- if and $values.autoscaling.enabled $values.journal.enabled }}
{{- fail "journal.enabled must not be true with autoscaling: a replica that is scaled away would keep in its own volume what it has not registered yet" }}
{{- end }}
{{- if and (eq $values.image.repository "ghcr.io/fnndsc/oxidicom") (regexMatch "^v?[1-4]\\." $values.image.tag) }}
{{- fail (printf "image %s:%s is the Rust implementation: leave image out, or name this one's" $values.image.repository $values.image.tag) }}
{{- end }}
{{- if and (not $values.tls.plain) (not $values.tls.secret) }}
{{- fail "tls.plain=false needs tls.secret: else there is no port" }}
{{- end }}
{{- if and $values.nats.address $values.nats.secret }}
{{- fail "nats.address and nats.secret name two addresses: set one" }}
{{- end }}
{{- end }}

{{/* Each of these is "true" or empty. */}}
{{- define "oxidicom.ownJournal" -}}
{{- if kindIs "invalid" .Values.journal.enabled -}}
{{- if not .Values.autoscaling.enabled }}true{{ end -}}
{{- else if .Values.journal.enabled -}}true
{{- end -}}
{{- end }}

{{- define "oxidicom.native" -}}
{{- if eq .Values.form "sidecars" -}}
{{- if kindIs "invalid" .Values.nativeSidecars -}}
{{- if semverCompare ">=1.29.0-0" .Capabilities.KubeVersion.Version }}true{{ end -}}
{{- else if .Values.nativeSidecars -}}true
{{- end -}}
{{- end -}}
{{- end }}
