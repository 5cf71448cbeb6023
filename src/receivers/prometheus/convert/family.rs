//! What a target says about its metrics: type, help and unit of each family.

use std::collections::HashMap;

use crate::receivers::prometheus::exposition::Kind;

/// The metadata of a family.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meta {
    pub kind: Kind,
    pub help: Box<str>,
    pub unit: Box<str>,
    /// The scrape that named it last.
    scrape: u32,
}

/// What a sample is to its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Value,
    Bucket,
    Quantile,
    Sum,
    Count,
    /// When the family's numbers began.
    Created,
}

/// Families by name, as this and earlier scrapes told them.
#[derive(Debug, Default)]
pub struct Families {
    known: HashMap<Box<str>, Meta>,
    scrape: u32,
    /// Families that found no room.
    pub left_out: u64,
}

/// Families that a target may have; real ones have a few hundred.
const MOST: usize = 20_000;
/// Help texts are cut here.
const LONGEST_HELP: usize = 1024;

/// Suffixes of sample names, in the order they are tried.
const SUFFIXES: [&str; 6] = ["_bucket", "_count", "_sum", "_total", "_info", "_created"];

impl Families {
    /// A new scrape begins; families not named for two scrapes are forgotten.
    pub fn begin(&mut self) {
        self.scrape = self.scrape.wrapping_add(1);
        let now = self.scrape;
        self.known.retain(|_, meta| now.wrapping_sub(meta.scrape) <= 2);
    }

    pub fn set_kind(&mut self, name: &str, kind: Kind) {
        if let Some(meta) = self.meta(name) {
            meta.kind = kind;
        }
    }

    pub fn set_help(&mut self, name: &str, help: &str) {
        if let Some(meta) = self.meta(name)
            && *meta.help != *help
        {
            meta.help = match help.char_indices().nth(LONGEST_HELP) {
                Some((end, _)) => help[..end].into(),
                None => help.into(),
            };
        }
    }

    pub fn set_unit(&mut self, name: &str, unit: &str) {
        if let Some(meta) = self.meta(name) {
            meta.unit = unit.into();
        }
    }

    fn meta(&mut self, name: &str) -> Option<&mut Meta> {
        if !self.known.contains_key(name) {
            if self.known.len() >= MOST {
                self.left_out += 1;
                return None;
            }
            self.known.insert(name.into(), Meta::default());
        }
        let meta = self.known.get_mut(name)?;
        meta.scrape = self.scrape;
        Some(meta)
    }

    /// The family a sample of that name belongs to, and as what.
    pub fn resolve<'n>(&self, name: &'n str) -> (&'n str, Part, Option<&Meta>) {
        if let Some(meta) = self.known.get(name) {
            let part = if meta.kind == Kind::Summary { Part::Quantile } else { Part::Value };
            return (name, part, Some(meta));
        }
        for suffix in SUFFIXES {
            let Some(family) = name.strip_suffix(suffix) else { continue };
            let Some(meta) = self.known.get(family) else { continue };
            if let Some(part) = part(meta.kind, suffix) {
                return (family, part, Some(meta));
            }
        }
        (name, Part::Value, None)
    }
}

/// What the suffix means in a family of that type; nothing where it has no meaning.
fn part(kind: Kind, suffix: &str) -> Option<Part> {
    Some(match (kind, suffix) {
        (Kind::Histogram, "_bucket") => Part::Bucket,
        (Kind::Histogram | Kind::Summary, "_count") => Part::Count,
        (Kind::Histogram | Kind::Summary, "_sum") => Part::Sum,
        (Kind::Histogram | Kind::Summary | Kind::Counter, "_created") => Part::Created,
        (Kind::GaugeHistogram, "_bucket") | (Kind::Counter, "_total") | (Kind::Info, "_info") => Part::Value,
        _ => return None,
    })
}
