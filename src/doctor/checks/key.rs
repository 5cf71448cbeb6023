//! The backend takes the key.

use super::super::{Facts, Finding};

const NAME: &str = "key";

pub fn check(facts: &Facts) -> Vec<Finding> {
    let Some(probe) = facts.backend() else { return vec![Finding::skipped(NAME, "no backend")] };
    let Ok(answer) = &probe.answer else {
        return vec![Finding::skipped(NAME, "the backend cannot be reached")];
    };
    vec![match answer.status {
        401 | 403 => Finding::failed(
            NAME,
            format!(
                "the backend refuses {}: {}",
                if probe.has_key { "the key" } else { "requests without a key" },
                answer.text
            ),
            "put a valid key into the Secret that KM_API_KEY comes from, and restart the pods",
        ),
        200..300 if probe.has_key => Finding::ok(NAME, "accepted"),
        200..300 => Finding::ok(NAME, "none is sent, none is asked for"),
        status => Finding::skipped(NAME, format!("the backend's status {status} does not tell")),
    }]
}
