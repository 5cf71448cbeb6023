//! One round of questions to the health endpoints.

use std::sync::Arc;
use std::time::Duration;

use super::{ApiServerHealthConfig, HealthMetric as M};
use crate::kube::{Client, Connection, KubeError, Timeouts};
use crate::otlp::build::{Recorder, Table, resource_metrics};
use crate::otlp::{InstrumentationScope, KeyValue};
use crate::receivers::scraper::{Cause, Fault, Run, Scrape, Source};

const SCOPE: &str = "github.com/kloudmate/kmagent/receiver/k8s_apiserver_health";

/// The API server as a source of health.
pub struct HealthSource {
    connection: Arc<Connection>,
    server: String,
    endpoints: Vec<String>,
    recorder: Recorder<M>,
    scope: InstrumentationScope,
    guarded: bool,
}

impl HealthSource {
    pub(super) fn new(config: &ApiServerHealthConfig, client: &Arc<Client>, version: &str) -> Self {
        let timeout = if config.timeout.is_zero() { Duration::from_mins(1) } else { config.timeout };
        let timeouts = Timeouts { connect: timeout, response: timeout, idle: timeout };
        Self {
            connection: Arc::new(client.connect(timeouts)),
            server: client.server().to_owned(),
            endpoints: config.endpoints.clone(),
            recorder: Recorder::new(&config.metrics.resolve(M::INFOS)),
            scope: InstrumentationScope {
                name: SCOPE.to_owned(),
                version: version.to_owned(),
                ..InstrumentationScope::default()
            },
            guarded: false,
        }
    }

    fn collect(&mut self, run: &mut Run<'_>) -> Result<(), Fault> {
        if !self.guarded {
            self.connection
                .close_when(run.stop.clone())
                .map_err(|error| Fault::new("thread", format!("cannot start a thread: {error}")))?;
            self.guarded = true;
        }
        self.recorder.at(0, run.now());
        for at in 0..self.endpoints.len() {
            let endpoint = self.endpoints[at].clone();
            self.ask(&endpoint, run);
        }
        let metrics = self.recorder.take();
        if !metrics.is_empty() {
            let resource = vec![KeyValue::fixed("server.address", self.server.as_str())];
            run.push(resource_metrics(resource, &self.scope, "", metrics));
        }
        Ok(())
    }

    fn ask(&mut self, endpoint: &str, run: &mut Run<'_>) {
        let path = format!("/{endpoint}?verbose");
        let began = run.clock.monotonic();
        let answer = self.connection.probe(&path);
        let took = run.clock.monotonic().duration_since(began);
        let of = |endpoint: &str| KeyValue::fixed("endpoint", endpoint);
        let is_healthy = match answer {
            Ok((status @ (401 | 403), _)) => {
                run.fault(Cause::new("rights"), 1, || {
                    format!(
                        "/{endpoint} answers {status}: add {{nonResourceURLs: [\"/{endpoint}\"], verbs: [\"get\"]}} \
                         to the ClusterRole of the agent's service account"
                    )
                });
                return;
            }
            Ok((status, body)) => {
                for (check, passes) in checks(&String::from_utf8_lossy(&body)) {
                    let attributes = [KeyValue::fixed("check", check), of(endpoint)];
                    self.recorder.int(M::Check, attributes, u64::from(passes));
                }
                self.recorder.double(M::Duration, [of(endpoint)], took.as_secs_f64());
                status == 200
            }
            Err(KubeError::Interrupted) => return,
            Err(error) => {
                run.fault(Cause::new("request"), 0, || error.to_string());
                false
            }
        };
        self.recorder.int(M::Healthy, [of(endpoint)], u64::from(is_healthy));
    }
}

impl Source for HealthSource {
    fn scrape(&mut self, scrape: &mut Scrape<'_>) {
        scrape.run("k8s_apiserver_health", |run| self.collect(run));
    }
}

/// The checks in the answer: `[+]ping ok`, `[-]etcd failed: reason withheld`.
fn checks(text: &str) -> impl Iterator<Item = (&str, bool)> {
    text.lines().filter_map(|line| {
        let (passes, rest) = match (line.strip_prefix("[+]"), line.strip_prefix("[-]")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return None,
        };
        let name = rest.split(' ').next().filter(|name| !name.is_empty())?;
        Some((name, passes))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_checks_are_read_and_failing_ones_seen() {
        let recorded = include_str!("../../../tests/fixtures/kube/readyz-verbose.txt");
        let all: Vec<_> = checks(recorded).collect();
        assert!(all.len() > 20 && all.iter().all(|(_, passes)| *passes), "{all:?}");
        assert!(
            all.contains(&("ping", true))
                && all.contains(&("poststarthook/start-apiextensions-informers", true))
        );
        let failing = "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n[+]\n";
        assert_eq!(checks(failing).collect::<Vec<_>>(), [("ping", true), ("etcd", false)]);
    }
}
