//! Times as text and as OTLP numbers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The names of the months in English; the first three letters are the short ones.
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// The names of the days in English, from Sunday on.
pub const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Nanoseconds since the Unix epoch; 0 for times before it.
pub fn unix_nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// Now, in nanoseconds since the Unix epoch.
pub fn now_unix_nanos() -> u64 {
    unix_nanos(SystemTime::now())
}

/// RFC 3339 in UTC with nanoseconds: `2026-01-02T03:04:05.678Z`.
pub fn rfc3339(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| String::new(), |timestamp| timestamp.to_string())
}

/// A duration as Go prints it: `1h2m3.5s`, `49.01s`, `250ms`.
pub fn go_duration(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        return match duration.as_nanos() {
            0 => "0s".to_owned(),
            nanos if nanos < 1_000 => format!("{nanos}ns"),
            nanos if nanos < 1_000_000 => format!("{}µs", nanos as f64 / 1e3),
            nanos => format!("{}ms", nanos as f64 / 1e6),
        };
    }
    let (hours, minutes) = (duration.as_secs() / 3600, duration.as_secs() / 60 % 60);
    let seconds = (duration.as_secs() % 60) as f64 + f64::from(duration.subsec_nanos()) / 1e9;
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_go_writes_them() {
        for (nanos, want) in [
            (0, "0s"),
            (1_500, "1.5µs"),
            (250_000_000, "250ms"),
            (49_013_251_800, "49.0132518s"),
            (3_723_500_000_000, "1h2m3.5s"),
            (60_000_000_000, "1m0s"),
        ] {
            assert_eq!(go_duration(Duration::from_nanos(nanos)), want);
        }
    }
}
