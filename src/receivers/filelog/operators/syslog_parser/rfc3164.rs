//! BSD syslog: `Oct 11 22:14:15 host tag[pid]: message`.

use std::sync::LazyLock;

use jiff::Zoned;
use jiff::tz::TimeZone;

use crate::expr::gotime::Layout;

use super::super::Problem;
use super::super::time_parser::with_year;
use super::run::Message;

static STAMP: LazyLock<Layout> = LazyLock::new(|| Layout::new("Jan _2 15:04:05"));
static RFC3339: LazyLock<Layout> = LazyLock::new(|| Layout::new("2006-01-02T15:04:05.999999999Z07:00"));

pub fn parse(text: &str, zone: &TimeZone, message: &mut Message) -> Result<(), Problem> {
    let (time, rest) = time(text, zone)?;
    message.time = Some(time);
    let (host, rest) = rest.split_once(' ').ok_or("the message ends after the time")?;
    if host.is_empty() {
        return Err("the message has no host name".into());
    }
    message.put("hostname", Some(host));
    let (tag, pid, content) = tag(rest);
    message.put("appname", tag);
    message.put("proc_id", pid);
    message.put("message", Some(content).filter(|content| !content.is_empty()));
    Ok(())
}

/// The time in nanoseconds since the epoch, and what follows it.
fn time<'a>(text: &'a str, zone: &TimeZone) -> Result<(u64, &'a str), Problem> {
    const BAD: &str = "the message does not start with a time such as Oct 11 22:14:15";
    let (parsed, rest) = if text.starts_with(|c: char| c.is_ascii_digit()) {
        let (stamp, rest) = text.split_once(' ').ok_or(BAD)?;
        (RFC3339.parse(stamp).map_err(|_| BAD)?, rest)
    } else {
        let (stamp, rest) = text.split_at_checked(15).ok_or(BAD)?;
        let parsed = STAMP.parse(stamp).map_err(|_| BAD)?;
        let now = Zoned::now().with_time_zone(zone.clone());
        (with_year(&parsed, &now), rest.strip_prefix(' ').ok_or(BAD)?)
    };
    let moment = parsed.resolve(zone).ok_or(BAD)?;
    let nanos = u64::try_from(moment.timestamp().as_nanosecond()).map_err(|_| BAD)?;
    Ok((nanos, rest))
}

/// `tag[pid]: ` before the content; a content may come without.
fn tag(text: &str) -> (Option<&str>, Option<&str>, &str) {
    let end = text.find([':', '[', ' ']).unwrap_or(text.len());
    let (tag, rest) = text.split_at(end);
    let (pid, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((pid, rest)) => (Some(pid), rest),
        None => (None, rest),
    };
    match rest.strip_prefix(':') {
        Some(content) if !tag.is_empty() => (Some(tag), pid, content.strip_prefix(' ').unwrap_or(content)),
        _ => (None, None, text),
    }
}
