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
# Zone and address of the node; with cluster_wide also what the other ends of flows are.
- apiGroups: [""]
  resources: [nodes]
  verbs: [get, list, watch]
{{- range $id, $receiver := .Values.node.extraConfig.receivers | default dict }}
{{- if and (hasPrefix "ebpf" $id) (dig "attributes" "kubernetes" "cluster_wide" false ($receiver | default dict)) }}
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch]
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "kmagent.rules.node.namespaced" -}}
{{- $on := .Values.featuresEnabled }}
{{- if or $on.metrics $on.logs $on.ebpf }}
# Names of pods, of this node's alone.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
{{- end }}
{{- if or $on.metrics $on.logs }}
# Their deployments.
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [get, list, watch]
{{- end }}
{{- end }}

{{- define "kmagent.rules.cluster.cluster" -}}
{{- if .Values.featuresEnabled.metrics }}
# k8s_cluster
- apiGroups: [""]
  resources: [nodes, namespaces, persistentvolumes]
  verbs: [get, list, watch]
# Metrics of the API server.
- nonResourceURLs: [/metrics]
  verbs: [get]
{{- end }}
{{- end }}

{{- define "kmagent.rules.cluster.namespaced" -}}
{{- $on := .Values.featuresEnabled }}
{{- if $on.metrics }}
# k8s_cluster
- apiGroups: [""]
  resources: [pods, services, replicationcontrollers, resourcequotas, persistentvolumeclaims]
  verbs: [get, list, watch]
- apiGroups: [apps]
  resources: [deployments, replicasets, statefulsets, daemonsets]
  verbs: [get, list, watch]
- apiGroups: [batch]
  resources: [jobs, cronjobs]
  verbs: [get, list, watch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch]
{{- else if or $on.traces $on.apm }}
# Names and owners of the pods that send.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [get, list, watch]
{{- end }}
{{- if $on.events }}
# k8s_events
- apiGroups: [""]
  resources: [events]
  verbs: [get, list, watch]
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
  verbs: [get, patch]
{{- end }}
{{- if .Values.cluster.enabled }}
- apiGroups: [apps]
  resources: [deployments]
  resourceNames: [{{ .Values.deploymentName }}]
  verbs: [get, patch]
{{- end }}
{{- end }}
{{- end }}
