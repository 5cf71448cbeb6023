//! What a scrape says about itself: `up` and its companions.

use super::page::Page;
use crate::receivers::prometheus::convert::{Families, STALE};
use crate::receivers::prometheus::exposition::Kind;

/// Numbers of one scrape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Samples on the page.
    pub scraped: u64,
    /// Samples that rules and limits left.
    pub kept: u64,
    /// Series that were not there the last time.
    pub added: u64,
    /// Bytes of the page, unpacked.
    pub bytes: u64,
}

const FAMILIES: [(&str, &str, &str); 8] = [
    ("up", "The scraping was successful", ""),
    ("scrape_duration_seconds", "Duration of the scrape", "seconds"),
    ("scrape_samples_scraped", "The number of samples the target exposed", ""),
    (
        "scrape_samples_post_metric_relabeling",
        "The number of samples remaining after metric relabeling was applied",
        "",
    ),
    ("scrape_series_added", "The approximate number of new series in this scrape", ""),
    ("scrape_timeout_seconds", "The configured scrape timeout", "seconds"),
    ("scrape_sample_limit", "The configured sample limit", ""),
    ("scrape_body_size_bytes", "The uncompressed size of the page", "bytes"),
];
/// The ones after these are extra.
const ALWAYS: usize = 5;

/// Makes the report's families known.
pub fn describe(families: &mut Families) {
    for (name, help, unit) in FAMILIES {
        families.set_kind(name, Kind::Gauge);
        families.set_help(name, help);
        families.set_unit(name, unit);
    }
}

impl Page<'_> {
    /// Adds the report of the scrape, which took so many seconds.
    pub fn add_report(&mut self, up: bool, seconds: f64) {
        describe(self.families);
        self.conversion.metadata_changed();
        let Tally { scraped, kept, added, bytes } = self.tally;
        let values = [
            f64::from(u8::from(up)),
            seconds,
            scraped as f64,
            kept as f64,
            added as f64,
            self.target.timeout.as_secs_f64(),
            self.job.limits.samples as f64,
            if up { bytes as f64 } else { 0.0 },
        ];
        let wanted = if self.job.extra_metrics { FAMILIES.len() } else { ALWAYS };
        for ((name, _, _), value) in FAMILIES.iter().zip(values).take(wanted) {
            self.report(name, value);
        }
    }

    /// Says that there will be no more reports.
    pub fn end_report(&mut self) {
        describe(self.families);
        self.conversion.metadata_changed();
        let wanted = if self.job.extra_metrics { FAMILIES.len() } else { ALWAYS };
        for (name, _, _) in FAMILIES.iter().take(wanted) {
            self.report(name, STALE);
        }
    }
}
