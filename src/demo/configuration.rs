//! The configuration of the demo, as a user would write it.

use std::path::Path;
use std::time::Duration;

/// YAML that sends this machine's metrics and logs to `endpoint`.
pub fn yaml(endpoint: &str, interval: Duration) -> String {
    let pods = if Path::new(POD_LOGS).is_dir() { PODS } else { "" };
    let pod_receiver = if pods.is_empty() { "" } else { ", filelog/pods" };
    let (interval, milliseconds) = (interval.as_secs_f64(), interval.as_millis());
    format!(
        "\
receivers:
  hostmetrics:
    collection_interval: {milliseconds}ms # every {interval} s
    initial_delay: 0s
    scrapers:
      cpu: {{ metrics: {{ system.cpu.utilization: {{ enabled: true }} }} }}
      memory: {{ metrics: {{ system.memory.limit: {{ enabled: true }} }} }}
      load:
      disk:
      filesystem:
      network:
      paging:
      processes:
      process: {{ mute_process_all_errors: true }}
      system: {{ metrics: {{ system.uptime: {{ enabled: true }} }} }}
  filelog:
    include: [/var/log/**/*.log]
    exclude: [{POD_LOGS}/**, /var/log/containers/**]
    start_at: beginning
{pods}
processors:
  batch: {{ timeout: 200ms }}
exporters:
  otlphttp:
    endpoint: {endpoint}
    retry_on_failure: {{ max_elapsed_time: 0s }}
service:
  pipelines:
    metrics:
      receivers: [hostmetrics]
      exporters: [otlphttp]
    logs:
      receivers: [filelog{pod_receiver}]
      processors: [batch]
      exporters: [otlphttp]
"
    )
}

const POD_LOGS: &str = "/var/log/pods";

const PODS: &str = "\
  filelog/pods:
    include: [/var/log/pods/*/*/*.log]
    include_file_path: true
    start_at: beginning
    operators: [{ type: container }]
";
