//! `kmagent doctor`: looks at what the agent needs where it runs, says what is missing and how to
//! mend it.
//!
//! Only what the configuration uses is looked at: a check that concerns no component of it is
//! skipped. Nothing is changed but a file that is made and removed where the agent must write.

mod backend;
mod checks;
mod facts;
pub mod rights;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use serde::Serialize;

pub use facts::{Configuration, Facts, Host};

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nothing uses what it looks at.
    Skipped,
    Ok,
    /// Works, with less than could be.
    Warning,
    Failed,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub check: &'static str,
    pub status: Status,
    pub message: String,
    /// What to do about it; empty when there is nothing to do.
    pub fix: String,
}

impl Finding {
    fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, status: Status::Ok, message: message.into(), fix: String::new() }
    }
    fn skipped(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, status: Status::Skipped, message: message.into(), fix: String::new() }
    }
    fn warning(check: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, status: Status::Warning, message: message.into(), fix: fix.into() }
    }
    fn failed(check: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, status: Status::Failed, message: message.into(), fix: fix.into() }
    }
}

/// Runs every check, in order.
pub fn examine(facts: &Facts) -> Vec<Finding> {
    checks::ALL.iter().flat_map(|check| check(facts)).collect()
}

/// Whether nothing failed.
pub fn is_well(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.status != Status::Failed)
}

/// The findings for people.
pub fn to_text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { check, status, message, fix } in findings {
        let status = match status {
            Status::Skipped => "-",
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Failed => "FAILED",
        };
        // Writing to a string cannot fail.
        _ = writeln!(text, "{status:<8} {check:<13} {message}");
        for line in fix.lines() {
            _ = writeln!(text, "{:<22} > {line}", "");
        }
    }
    let count = |wanted| findings.iter().filter(|finding| finding.status == wanted).count();
    _ = writeln!(text, "\n{} failed, {} warnings", count(Status::Failed), count(Status::Warning));
    text
}

/// The findings for programs.
pub fn to_json(findings: &[Finding]) -> String {
    let report = serde_json::json!({ "ok": is_well(findings), "findings": findings });
    format!("{report:#}\n")
}
