{{- define "fc.labels" -}}
app.kubernetes.io/name: fc-assets
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
{{- /* What selects the pods of every engine; with a colour, those of one. */}}
{{- define "fc.engine" -}}
app.kubernetes.io/name: fc-assets
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: engine
{{- end }}
{{- /* The paths that clients need. vLLM's key leaves others open, so nothing else is published. */}}
{{- define "fc.paths" -}}
{{- list "/v1/chat/completions" "/v1/completions" "/v1/models" "/health" | toJson -}}
{{- end }}
