{{/*
The configuration of a role: the default file, without the pipelines of features that are off and
what only they use, with the user's own merged over it. Call with (dict "root" $ "role" "daemonset").
*/}}
{{- define "kmagent.config" -}}
{{- $root := .root -}}
{{- $on := $root.Values.featuresEnabled -}}
{{- $config := $root.Files.Get (printf "config/agent-%s.yaml" .role) | fromYaml -}}
{{- if hasKey $config "Error" }}{{ fail (get $config "Error") }}{{ end -}}

{{/* A pipeline belongs to the feature of its name, else to that of its signal. */}}
{{- $otlp := or $on.traces $on.apm -}}
{{- $byName := dict "ebpf" $on.ebpf "host" $on.hostLogs "k8s_events" $on.events "otlp" $otlp -}}
{{- $bySignal := dict "metrics" $on.metrics "logs" $on.logs "traces" $otlp -}}
{{- $pipelines := dict -}}
{{- range $id, $pipeline := $config.service.pipelines -}}
  {{- $signal := splitList "/" $id | first -}}
  {{- $name := splitList "/" $id | last -}}
  {{- $wanted := get $bySignal $signal -}}
  {{- if hasKey $byName $name }}{{ $wanted = get $byName $name }}{{ end -}}
  {{- if $wanted }}{{ $_ := set $pipelines $id $pipeline }}{{ end -}}
{{- end -}}
{{- $_ := set $config.service "pipelines" $pipelines -}}

{{/* Paths: those of the monitored namespaces, without those the user excludes. */}}
{{- with get $config.receivers "filelog/containers" -}}
  {{- $excluded := include "kmagent.list" $root.Values.KM_XLOG_PATHS | fromJsonArray -}}
  {{- $_ := set . "exclude" (concat .exclude $excluded) -}}
  {{- with include "kmagent.namespaces" $root | fromJsonArray -}}
    {{- $paths := list -}}
    {{- range . }}{{ $paths = append $paths (printf "/var/log/pods/%s_*/*/*.log" .) }}{{ end -}}
    {{- $_ := set (get $config.receivers "filelog/containers") "include" $paths -}}
  {{- end -}}
{{- end -}}

{{/* Of several replicas one looks at the cluster. */}}
{{- if and (eq .role "deployment") (include "kmagent.elects" $root) -}}
  {{- $elector := "k8s_leader_elector" -}}
  {{- $lease := dict "lease_name" $root.Values.deploymentName "lease_namespace" $root.Release.Namespace -}}
  {{- $_ := set $config.extensions $elector $lease -}}
  {{- $_ := set $config.service "extensions" (append $config.service.extensions $elector) -}}
  {{- range $id := list "k8s_cluster" "k8s_events" "prometheus/apiserver" "k8s_apiserver_health" -}}
    {{- $_ := set (get $config.receivers $id) $elector $elector -}}
  {{- end -}}
{{- end -}}

{{- $config = mergeOverwrite $config (deepCopy .extra) -}}

{{/* What no pipeline uses goes. */}}
{{- range $section := list "receivers" "processors" "exporters" -}}
  {{- $used := list -}}
  {{- range $id, $pipeline := $config.service.pipelines -}}
    {{- $used = concat $used (get $pipeline $section | default list) -}}
  {{- end -}}
  {{- $kept := dict -}}
  {{- range $id, $component := get $config $section -}}
    {{- if has $id $used }}{{ $_ := set $kept $id $component }}{{ end -}}
  {{- end -}}
  {{- $_ := set $config $section $kept -}}
{{- end -}}
{{- if not $config.service.pipelines }}{{ fail (printf "no feature of the %s is on: set featuresEnabled, or %s.enabled to false" .role (ternary "node" "cluster" (eq .role "daemonset"))) }}{{ end -}}
{{ toYaml $config }}
{{- end }}
