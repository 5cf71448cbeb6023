//! The agent's own log: one JSON object a line by default, so that a cluster's log pipeline reads
//! it without a parser; `service.telemetry.logs.encoding: console` for people.

use std::io::Write;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::SystemTime;

use env_logger::fmt::Formatter;
use log::{LevelFilter, Record};

use crate::telemetry;
use crate::time::rfc3339;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Encoding {
    Json = 0,
    /// Tab-separated: time, level, thread, message.
    Console = 1,
}

static ENCODING: AtomicU8 = AtomicU8::new(Encoding::Json as u8);

/// Sets the log up on stderr. Only the first call in a process has an effect.
pub fn init(level: LevelFilter, encoding: Encoding) {
    // The level is decided later by the configuration: `log::set_max_level` filters.
    let logger = env_logger::Builder::new().filter_level(LevelFilter::Trace).format(line).try_init();
    if logger.is_ok() {
        configure(level, encoding);
    }
}

/// Changes level and encoding of a log that is set up.
pub fn configure(level: LevelFilter, encoding: Encoding) {
    log::set_max_level(level);
    ENCODING.store(encoding as u8, Ordering::Relaxed);
}

/// The level of that name in the collector's words: `debug`, `info`, `warn`, `error`, `dpanic`,
/// `panic`, `fatal`; also `off`.
pub fn parse_level(name: &str) -> Option<LevelFilter> {
    match name.to_ascii_lowercase().as_str() {
        "dpanic" | "panic" | "fatal" => Some(LevelFilter::Error),
        "warning" => Some(LevelFilter::Warn),
        other => other.parse().ok(),
    }
}

fn line(out: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    // The noise of libraries is of no use to those who run the agent.
    if !record.target().starts_with("kmagent") && record.level() > log::Level::Warn {
        return Ok(());
    }
    let time = rfc3339(SystemTime::now());
    let level = record.level().as_str().to_ascii_lowercase();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("main");
    if record.level() <= log::Level::Warn {
        telemetry::note(record.level(), thread, &record.args().to_string());
    }
    if ENCODING.load(Ordering::Relaxed) == Encoding::Console as u8 {
        return writeln!(out, "{time}\t{level}\t{thread}\t{}", record.args());
    }
    let fields = serde_json::json!({
        "ts": time, "level": level, "thread": thread, "msg": record.args().to_string(),
    });
    writeln!(out, "{fields}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_the_collectors_names() {
        assert_eq!(parse_level("WARN"), Some(LevelFilter::Warn));
        assert_eq!(parse_level("dpanic"), Some(LevelFilter::Error));
        assert_eq!(parse_level("loud"), None);
    }
}
