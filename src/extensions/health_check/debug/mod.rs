//! The status page: pipelines with their rates and queues, the last warnings, the configuration in force,
//! and samples of the data that passes a component.
//!
//! | path | answer |
//! | --- | --- |
//! | `/debug` | the page: one file that loads nothing but the following |
//! | `/debug/state.json` | what is drawn, asked for every second |
//! | `/debug/config.yaml` | the configuration in force, secrets masked |
//! | `/debug/tap.json?component=…` | the last records behind a component; holds its tap open for seconds |
//!
//! What is shown came from outside, down to names and messages: it leaves here as JSON or plain text
//! alone, the page sets it as text, and its policy lets nothing run but its own script.

mod state;

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use base64::prelude::{BASE64_STANDARD, Engine};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::net::pages::Answer;
use crate::telemetry::{StatusBoard, Telemetry, Usage};
use crate::time::rfc3339;

const PAGE: &str = include_str!("page.html");

/// What the page is made from.
pub struct Debug {
    telemetry: Telemetry,
    board: StatusBoard,
    started: Instant,
    usage: Mutex<Usage>,
    policy: String,
}

impl Debug {
    pub fn new(telemetry: &Telemetry, board: &StatusBoard) -> Self {
        board.draw();
        Self {
            telemetry: telemetry.clone(),
            board: board.clone(),
            started: Instant::now(),
            usage: Mutex::new(Usage::new()),
            policy: policy(),
        }
    }

    /// The answer to a request below `/debug`; none to others.
    pub fn answer(&self, target: &str) -> Option<Answer> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let answer = match path.strip_prefix("/debug")? {
            "" | "/" => Answer::new(200, "text/html; charset=utf-8", PAGE)
                .header("Content-Security-Policy", self.policy.clone()),
            "/state.json" => self.state(),
            "/config.yaml" => {
                Answer::new(200, "text/plain; charset=utf-8", self.board.layout().configuration.clone())
            }
            "/tap.json" => self.tap(query),
            rest if rest.starts_with('/') => Answer::new(404, "text/plain", "404 page not found\n"),
            _ => return None,
        };
        Some(
            answer
                .header("Cache-Control", "no-store")
                .header("X-Content-Type-Options", "nosniff")
                .header("Referrer-Policy", "no-referrer")
                .header("Cross-Origin-Resource-Policy", "same-origin"),
        )
    }

    fn state(&self) -> Answer {
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        usage.look();
        let state = state::State {
            telemetry: &self.telemetry,
            board: &self.board,
            cpu: usage.cpu.unwrap_or_default(),
            rss: usage.rss,
            uptime: self.started.elapsed(),
        };
        json_answer(200, &state.json())
    }

    fn tap(&self, query: &str) -> Answer {
        let wanted = query.split('&').find_map(|pair| pair.strip_prefix("component="));
        let component = wanted.map(decode).unwrap_or_default();
        let Some(samples) = self.telemetry.taps().open(&component) else {
            return json_answer(404, &json!({ "error": "no component of that name hands on data" }));
        };
        let samples: Vec<Value> = samples
            .iter()
            .map(|sample| {
                let data: Value = serde_json::from_slice(&sample.json).unwrap_or_default();
                json!({ "at": rfc3339(sample.at), "data": data })
            })
            .collect();
        json_answer(200, &json!({ "component": component, "samples": samples }))
    }
}

fn json_answer(status: u16, value: &Value) -> Answer {
    Answer::new(status, "application/json", value.to_string())
}

/// What the page may do: run its own script, in its own style, and ask its own origin.
fn policy() -> String {
    format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash_of("script"),
        hash_of("style")
    )
}

/// The hash of the page's only element of that name.
fn hash_of(element: &str) -> String {
    let begin = format!("<{element}>");
    let text = PAGE.split_once(&begin).and_then(|(_, rest)| rest.split_once(&format!("</{element}>")));
    let (text, _) = text.expect("the page has that element");
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text.as_bytes())))
}

/// A value of a query string.
fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_one_file_whose_policy_names_its_only_script_and_style() {
        assert_eq!((PAGE.matches("<script").count(), PAGE.matches("<style").count()), (1, 1));
        for loads in ["src=", "@import", "url(", "http://localhost", "https://", "<iframe", "<base"] {
            assert!(!PAGE.contains(loads), "{loads}");
        }
        // What was taken in never becomes markup or code.
        for risky in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("]
        {
            assert!(!PAGE.contains(risky), "{risky}");
        }
        let policy = policy();
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }

    #[test]
    fn only_paths_below_debug_are_answered() {
        let debug = Debug::new(&Telemetry::new(), &StatusBoard::default());
        let status = |target: &str| debug.answer(target).map(|answer| answer.status);
        assert_eq!(status("/debug"), Some(200));
        assert_eq!(status("/debug/?x=1"), Some(200));
        assert_eq!(status("/debug/state.json"), Some(200));
        assert_eq!(status("/debug/other"), Some(404));
        assert_eq!(status("/debug/tap.json?component=x"), Some(404));
        assert_eq!(status("/debugger"), None);
        assert_eq!(status("/readyz"), None);
    }

    #[test]
    fn names_in_a_query_are_decoded_and_broken_ones_do_no_harm() {
        assert_eq!(decode("processor%3Abatch+in%20logs%2Fx"), "processor:batch in logs/x");
        for broken in ["%", "%4", "%zz", "%é", "%ff%"] {
            decode(broken);
        }
    }
}
