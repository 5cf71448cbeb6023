//! `heroku`: the dyno's environment.

use super::{Detector, Found, Probe};
use crate::otlp::KeyValue;

pub static HEROKU: Detector = Detector {
    name: "heroku",
    attributes: &[
        ("cloud.provider", true),
        ("heroku.app.id", true),
        ("heroku.dyno.id", true),
        ("heroku.release.commit", true),
        ("heroku.release.creation_timestamp", true),
        ("service.instance.id", true),
        ("service.name", true),
        ("service.version", true),
    ],
    is_quick: |_| true,
    detect,
};

fn detect(probe: &Probe<'_>) -> Result<Vec<KeyValue>, String> {
    let Some(dyno) = probe.variable("HEROKU_DYNO_ID") else { return Ok(Vec::new()) };
    let mut found = Found::default();
    found.text("cloud.provider", "heroku");
    found.text("service.instance.id", &dyno);
    found.text("heroku.dyno.id", dyno);
    for (attribute, variable) in [
        ("heroku.app.id", "HEROKU_APP_ID"),
        ("service.name", "HEROKU_APP_NAME"),
        ("service.version", "HEROKU_RELEASE_VERSION"),
        ("heroku.release.creation_timestamp", "HEROKU_RELEASE_CREATED_AT"),
        ("heroku.release.commit", "HEROKU_SLUG_COMMIT"),
    ] {
        found.text(attribute, probe.variable(variable).unwrap_or_default());
    }
    Ok(found.0)
}
