//! The configuration is valid.

use super::super::{Facts, Finding};

const NAME: &str = "config";

pub fn check(facts: &Facts) -> Vec<Finding> {
    let found = &facts.configuration;
    let mut findings: Vec<Finding> = found
        .errors
        .iter()
        .map(|error| {
            Finding::failed(
                NAME,
                error,
                "correct the ConfigMap; the agent does not start with it, a running one keeps the last",
            )
        })
        .collect();
    if findings.is_empty() {
        findings.push(Finding::ok(NAME, format!("valid, {} receivers", facts.receivers().len())));
    }
    let warnings = found.warnings.iter().map(|warning| Finding::warning(NAME, warning, ""));
    findings.extend(warnings);
    findings
}
