//! The clocks agree: data from the future or the past is refused or not found.

use super::super::{Facts, Finding};

const NAME: &str = "clock";
/// The backend's time is to the second, and the answer took a while.
const FINE: u64 = 10;
const BAD: u64 = 300;

pub fn check(facts: &Facts) -> Vec<Finding> {
    let ahead = facts.backend().and_then(|probe| probe.answer.as_ref().ok()?.ahead);
    let Some(ahead) = ahead else {
        return vec![Finding::skipped(NAME, "the backend does not tell its time")];
    };
    let off = ahead.unsigned_abs();
    let message =
        format!("this machine is {off} s {} the backend", if ahead > 0 { "behind" } else { "ahead of" });
    let fix = "let the node keep time: chrony or systemd-timesyncd";
    vec![if off <= FINE {
        Finding::ok(NAME, message)
    } else if off <= BAD {
        Finding::warning(NAME, message, fix)
    } else {
        Finding::failed(NAME, message, fix)
    }]
}
