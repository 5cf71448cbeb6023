//! What the health endpoints answer.

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::debug::Debug;
use crate::net::pages::Answer;
use crate::telemetry::StatusBoard;
use crate::time::{go_duration, rfc3339};

/// The pages behind the port.
#[derive(Clone)]
pub struct Pages {
    pub board: StatusBoard,
    /// The configured path; `/` matches every path.
    pub path: String,
    /// `response_body`: the text when healthy and when not.
    pub fixed: Option<(String, String)>,
    /// The status page, where it is enabled.
    pub debug: Option<Arc<Debug>>,
}

impl Pages {
    /// The answer for a request target such as `/readyz?verbose`.
    pub fn answer(&self, target: &str) -> Answer {
        let path = target.split(['?', '#']).next().unwrap_or_default();
        if let Some(answer) = self.debug.as_ref().and_then(|debug| debug.answer(target)) {
            return answer;
        }
        match path {
            "/readyz" => self.health(self.board.ready_since().is_some()),
            "/healthz" | "/livez" => self.health(true),
            path if self.path == "/" || path == self.path => self.health(true),
            _ => Answer::new(404, "text/plain", "404 page not found\n"),
        }
    }

    fn health(&self, healthy: bool) -> Answer {
        let status = if healthy { 200 } else { 503 };
        match &self.fixed {
            Some((good, bad)) => {
                let body = if healthy { good } else { bad };
                Answer::new(status, "text/plain; charset=utf-8", body.clone())
            }
            None => Answer::new(status, "application/json", self.json(healthy).to_string()),
        }
    }

    fn json(&self, healthy: bool) -> Value {
        let since = self.board.ready_since();
        let uptime = since.and_then(|since| SystemTime::now().duration_since(since).ok());
        let components: Map<String, Value> = self
            .board
            .components()
            .into_iter()
            .map(|(component, entry)| {
                let mut line = json!({ "state": entry.state.name(), "since": rfc3339(entry.since) });
                if !entry.detail.is_empty() {
                    line["detail"] = entry.detail.into();
                }
                (component, line)
            })
            .collect();
        let in_force = self.board.configuration();
        let mut configuration = json!({ "since": rfc3339(in_force.since) });
        if let Some(error) = in_force.error {
            configuration["refused"] = error.into();
        }
        json!({
            "status": if healthy { "Server available" } else { "Server not available" },
            "ready": since.is_some(),
            "upSince": since.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), rfc3339),
            "uptime": uptime.map_or_else(String::new, go_duration),
            "configuration": configuration,
            "components": components,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::ComponentState;

    fn pages(path: &str) -> Pages {
        Pages { board: StatusBoard::default(), path: path.to_owned(), fixed: None, debug: None }
    }

    #[test]
    fn readiness_follows_the_pipelines_and_liveness_the_process() {
        let pages = pages("/");
        assert_eq!(pages.answer("/readyz").status, 503);
        assert_eq!(pages.answer("/healthz").status, 200);
        assert_eq!(pages.answer("/any/path").status, 200);
        pages.board.set_ready(true);
        assert_eq!(pages.answer("/readyz?verbose").status, 200);
        pages.board.set_ready(false);
        assert_eq!(pages.answer("/readyz").status, 503);
        assert_eq!(pages.answer("/livez").status, 200);
    }

    #[test]
    fn the_body_lists_every_component_with_its_state_and_since_when() {
        let pages = pages("/");
        let receiver = pages.board.handle("receiver:hostmetrics");
        receiver.set(ComponentState::Degraded, "no permission");
        let body: Value = serde_json::from_str(&pages.answer("/").body).unwrap();
        let line = &body["components"]["receiver:hostmetrics"];
        assert_eq!(line["state"], "degraded");
        assert_eq!(line["detail"], "no permission");
        assert!(line["since"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn a_path_of_its_own_answers_there_and_on_the_probes_alone() {
        let pages = pages("/health/status");
        assert_eq!(pages.answer("/health/status").status, 200);
        assert_eq!(pages.answer("/healthz").status, 200);
        assert_eq!(pages.answer("/").status, 404);
    }

    #[test]
    fn response_body_replaces_the_json() {
        let pages = Pages { fixed: Some(("fine".into(), "ill".into())), ..pages("/") };
        assert_eq!(pages.answer("/").body, "fine");
        assert_eq!(pages.answer("/readyz").body, "ill");
    }
}
