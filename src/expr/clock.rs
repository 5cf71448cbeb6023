//! Moments in time: the values of `timestamp`, `now()` and `date()`, and their methods.

use std::cmp::Ordering;
use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::gotime::Layout;

/// A point in time and the offset it is shown in.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    timestamp: Timestamp,
    offset: Offset,
}

/// Time and duration order and equality: the offset is only for show.
impl PartialEq for Moment {
    fn eq(&self, other: &Self) -> bool {
        self.timestamp == other.timestamp
    }
}
impl Eq for Moment {}
impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Moment {
    fn cmp(&self, other: &Self) -> Ordering {
        self.timestamp.cmp(&other.timestamp)
    }
}

impl Moment {
    pub fn new(timestamp: Timestamp, offset: Offset) -> Self {
        Self { timestamp, offset }
    }

    /// Nanoseconds since the Unix epoch; 0 is the unset time, year 1.
    pub fn from_nanos(nanos: u64) -> Self {
        let timestamp = match nanos {
            0 => Timestamp::from_second(UNSET).unwrap_or(Timestamp::MIN),
            nanos => Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::MAX),
        };
        Self::new(timestamp, Offset::UTC)
    }

    pub fn at_offset(civil: DateTime, offset: Offset) -> Option<Self> {
        offset.to_timestamp(civil).ok().map(|timestamp| Self { timestamp, offset })
    }

    pub fn in_zone(civil: DateTime, zone: &TimeZone) -> Option<Self> {
        let timestamp = zone.to_timestamp(civil).ok()?;
        Some(Self { timestamp, offset: zone.to_offset(timestamp) })
    }

    pub fn timestamp(self) -> Timestamp {
        self.timestamp
    }

    pub(super) fn offset(self) -> Offset {
        self.offset
    }

    pub(super) fn civil(self) -> DateTime {
        self.offset.to_datetime(self.timestamp)
    }

    pub(super) fn with_zone(self, zone: &TimeZone) -> Self {
        Self { timestamp: self.timestamp, offset: zone.to_offset(self.timestamp) }
    }

    pub(super) fn add(self, duration: SignedDuration) -> Option<Self> {
        Some(Self { timestamp: self.timestamp.checked_add(duration).ok()?, offset: self.offset })
    }

    pub(super) fn since(self, earlier: Self) -> SignedDuration {
        self.timestamp.duration_since(earlier.timestamp)
    }

    pub(super) fn is_unset(self) -> bool {
        self.timestamp.as_second() == UNSET && self.timestamp.subsec_nanosecond() == 0
    }
}

/// 0001-01-01T00:00:00Z, Go's zero time.
const UNSET: i64 = -62_135_596_800;

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Layout::new("2006-01-02 15:04:05.999999999 -0700 MST").format(*self))
    }
}
