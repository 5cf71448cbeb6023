{{/*
What each feature asks of the API, and no more. Each of these is called with the root and gives
rules; "cluster" ones are for objects outside of namespaces, "namespaced" ones for those within.
*/}}

{{- define "kmagent.rules.node.cluster" -}}
{{- if .Values.featuresEnabled.metrics }}
# The kubelet: its summary, cAdvisor, and the pods it runs.
- apiGroups: [""]
  resources: [nodes/stats, nodes/metrics, nodes/pods]
  verbs: [get]
{{- end }}
{{- if .Values.featuresEnabled.ebpf }}
# Zone and address of the node, with cluster_wide of all.
- apiGroups: [""]
  resources: [nodes]
  verbs: [list, watch]
{{- end }}
{{- end }}

{{- define "kmagent.rules.node.namespaced" -}}
{{- $on := .Values.featuresEnabled }}
{{- if or $on.metrics $on.logs $on.ebpf }}
# Names of pods, of this node's alone.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
{{- end }}
{{- if or $on.metrics $on.logs }}
# Their deployments, one by one.
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [get]
{{- end }}
{{- range $id, $receiver := .Values.node.extraConfig.receivers | default dict }}
{{- if and $on.ebpf (hasPrefix "ebpf" $id) (dig "attributes" "kubernetes" "cluster_wide" false ($receiver | default dict)) }}
# What the other ends of flows are.
- apiGroups: [""]
  resources: [services]
  verbs: [list, watch]
{{- end }}
{{- end }}
{{- end }}

{{/* Metrics that k8s_cluster tells only when extraConfig turns them on, or entity events about all. */}}
{{- define "kmagent.clusterMetrics" -}}
{{- $extra := .Values.cluster.extraConfig -}}
{{- $on := list -}}
{{- range $name, $metric := dig "receivers" "k8s_cluster" "metrics" dict $extra -}}
{{- if dig "enabled" false ($metric | default dict) }}{{ $on = append $on $name }}{{ end -}}
{{- end -}}
{{- range $id, $pipeline := dig "service" "pipelines" dict $extra -}}
{{- if and (hasPrefix "logs" $id) (has "k8s_cluster" (dig "receivers" list ($pipeline | default dict))) -}}
{{- $on = concat $on (list "k8s.service." "k8s.persistentvolume." "k8s.persistentvolumeclaim.") -}}
{{- end -}}
{{- end -}}
{{ join " " $on }}
{{- end }}

{{- define "kmagent.rules.cluster.cluster" -}}
{{- if .Values.featuresEnabled.metrics }}
{{- $more := include "kmagent.clusterMetrics" . }}
# k8s_cluster
- apiGroups: [""]
  resources: [nodes, namespaces{{ if contains "k8s.persistentvolume." $more }}, persistentvolumes{{ end }}]
  verbs: [list, watch]
{{- if eq "openshift" (dig "receivers" "k8s_cluster" "distribution" "" .Values.cluster.extraConfig) }}
- apiGroups: [quota.openshift.io]
  resources: [clusterresourcequotas]
  verbs: [list, watch]
{{- end }}
# Metrics of the API server, and its health.
- nonResourceURLs: [/metrics, /readyz]
  verbs: [get]
{{- end }}
{{- end }}

{{- define "kmagent.rules.cluster.namespaced" -}}
{{- $on := .Values.featuresEnabled }}
{{- if $on.metrics }}
{{- $more := include "kmagent.clusterMetrics" . }}
# k8s_cluster
- apiGroups: [""]
  resources: [pods, replicationcontrollers, resourcequotas{{ if contains "k8s.service." $more }}, services{{ end }}{{ if contains "k8s.persistentvolumeclaim." $more }}, persistentvolumeclaims{{ end }}]
  verbs: [list, watch]
{{- if contains "k8s.service.endpoint." $more }}
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
{{- end }}
- apiGroups: [apps]
  resources: [deployments, replicasets, statefulsets, daemonsets]
  verbs: [list, watch]
- apiGroups: [batch]
  resources: [jobs, cronjobs]
  verbs: [list, watch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch]
{{- else if or $on.traces $on.apm }}
# Names and owners of the pods that send.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list, watch]
{{- end }}
{{- if $on.events }}
# k8s_events
- apiGroups: [""]
  resources: [events]
  verbs: [list, watch]
{{- end }}
{{- end }}

{{- define "kmagent.rules.node.own" -}}
{{- end }}

{{/* The Lease by which replicas agree; a right to create cannot be limited to a name. */}}
{{- define "kmagent.rules.cluster.own" -}}
{{- if include "kmagent.elects" . }}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ .Values.deploymentName }}]
  verbs: [get, update]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
{{- end }}
{{- end }}

{{- define "kmagent.rules.updater.cluster" -}}
{{- end }}

{{- define "kmagent.rules.updater.namespaced" -}}
{{- if .Values.featuresEnabled.apm }}
# Annotations that ask for instrumentation.
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [get, list, patch]
{{- end }}
{{- end }}

{{/* In the release's own namespace, whatever is monitored. */}}
{{- define "kmagent.rules.updater.own" -}}
{{- $names := list }}
{{- if .Values.node.enabled }}{{ $names = append $names .Values.configMapDaemonsetName }}{{ end }}
{{- if .Values.cluster.enabled }}{{ $names = append $names .Values.configMapDeploymentName }}{{ end }}
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: {{ toJson $names }}
  verbs: [get, patch]
{{- if .Values.configUpdater.rolloutRestart }}
{{- if .Values.node.enabled }}
- apiGroups: [apps]
  resources: [daemonsets]
  resourceNames: [{{ .Values.daemonsetName }}]
  verbs: [patch]
{{- end }}
{{- if .Values.cluster.enabled }}
- apiGroups: [apps]
  resources: [deployments]
  resourceNames: [{{ .Values.deploymentName }}]
  verbs: [patch]
{{- end }}
{{- end }}
{{- end }}
