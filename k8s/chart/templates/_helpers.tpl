{{/* Labels of every object. Call with (dict "root" $ "component" "node"). */}}
{{- define "kmagent.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: kmagent
{{ include "kmagent.selector" . }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What selects the pods of a component; without one, all pods of the release. */}}
{{- define "kmagent.selector" -}}
app.kubernetes.io/name: kmagent
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "kmagent.podMetadata" -}}
labels:
  {{- include "kmagent.labels" . | nindent 2 }}
  {{- with .root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .root.Values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Names of cluster-wide objects hold the namespace: two releases do not meet. */}}
{{- define "kmagent.clusterName" -}}
kmagent:{{ .root.Release.Namespace }}:{{ .component }}
{{- end }}

{{- define "kmagent.serviceAccount" -}}
{{- if .root.Values.autoCreateServiceAccount -}}
{{ .root.Values.serviceAccountName }}-{{ .component }}
{{- else -}}
{{ .root.Values.serviceAccountName }}
{{- end -}}
{{- end }}

{{- define "kmagent.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* A list, whether it was given as one, as text with commas, or not at all: as JSON. */}}
{{- define "kmagent.list" -}}
{{- $list := list -}}
{{- if kindIs "string" . -}}
{{- range splitList "," . }}{{ with trim . }}{{ $list = append $list . }}{{ end }}{{ end -}}
{{- else if . -}}
{{- $list = . -}}
{{- end -}}
{{ toJson ($list | uniq) }}
{{- end }}

{{- define "kmagent.namespaces" -}}
{{ include "kmagent.list" .Values.monitoredNamespaces }}
{{- end }}

{{- define "kmagent.secretName" -}}
{{- if .Values.existingSecret.name -}}
{{ .Values.existingSecret.name }}
{{- else -}}
{{ .Values.daemonsetName }}-api-key
{{- end -}}
{{- end }}

{{- define "kmagent.secretKey" -}}
{{- if .Values.existingSecret.name }}{{ .Values.existingSecret.key }}{{ else }}api-key{{ end -}}
{{- end }}

{{/* Variables of every container. */}}
{{- define "kmagent.env" -}}
- name: KM_API_KEY
  valueFrom:
    secretKeyRef:
      name: {{ include "kmagent.secretName" . }}
      key: {{ include "kmagent.secretKey" . }}
- name: KM_COLLECTOR_ENDPOINT
  value: {{ .Values.COLLECTOR_ENDPOINT | quote }}
- name: KM_CONFIG_CHECK_INTERVAL
  value: {{ .Values.KM_CONFIG_CHECK_INTERVAL | quote }}
- name: KM_CLUSTER_NAME
  value: {{ .Values.clusterName | quote }}
- name: KM_K8S_MONITORED_NAMESPACES
  value: {{ join "," (include "kmagent.namespaces" . | fromJsonArray) | quote }}
- name: KM_LOG_LEVEL
  value: {{ .Values.logLevel | quote }}
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: KM_NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
- name: KM_NODE_HOST_IP
  valueFrom:
    fieldRef:
      fieldPath: status.hostIP
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Liveness is the process, readiness its pipelines. */}}
{{- define "kmagent.probes" -}}
ports:
  - name: health
    containerPort: 13133
  - name: metrics
    containerPort: 8888
{{- end }}

{{- define "kmagent.healthChecks" -}}
startupProbe:
  httpGet:
    path: /healthz
    port: health
  periodSeconds: 2
  failureThreshold: 30
livenessProbe:
  httpGet:
    path: /healthz
    port: health
  periodSeconds: 20
  timeoutSeconds: 5
readinessProbe:
  httpGet:
    path: /readyz
    port: health
  periodSeconds: 10
  timeoutSeconds: 5
{{- end }}

{{/* Whether replicas of the cluster agent have something to agree on. */}}
{{- define "kmagent.elects" -}}
{{- $on := .Values.featuresEnabled -}}
{{- if and (gt (int .Values.cluster.replicas) 1) (or $on.metrics $on.events) }}true{{ end -}}
{{- end }}

{{/* What all pods have in common. The agent takes 10 s at most to deliver what it holds. */}}
{{- define "kmagent.podSpec" -}}
serviceAccountName: {{ include "kmagent.serviceAccount" . }}
automountServiceAccountToken: true
enableServiceLinks: false
terminationGracePeriodSeconds: 20
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "kmagent.priority" -}}
{{- $own := dig "priorityClassName" "" .values -}}
{{- if $own }}
priorityClassName: {{ $own }}
{{- else if .root.Values.priorityClass.create }}
priorityClassName: {{ .root.Values.priorityClass.name }}
{{- end }}
{{- end }}

{{/* A pod that needs no rights on its node. */}}
{{- define "kmagent.unprivilegedPod" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .Values.podSecurity.runAsUser }}
  runAsGroup: {{ .Values.podSecurity.runAsUser }}
  seccompProfile:
    {{- toYaml .Values.podSecurity.seccompProfile | nindent 4 }}
  {{- with .Values.podSecurity.appArmorProfile }}
  appArmorProfile:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "kmagent.unprivilegedContainer" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}
