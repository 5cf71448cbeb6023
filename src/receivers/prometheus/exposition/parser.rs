//! One line: a sample, or what is said about a family.

use std::borrow::Cow;

use super::escape::unescape;
use super::number::{millis, number, seconds};
use super::scan::{Cursor, Span, Spans, Trouble};

/// Which of the two grammars a page is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `text/plain`, 0.0.4 and 1.0.0.
    Text,
    /// `application/openmetrics-text`.
    OpenMetrics,
}

/// The type of a family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Unknown,
    Counter,
    Gauge,
    Histogram,
    GaugeHistogram,
    Summary,
    Info,
    StateSet,
}

impl Kind {
    /// The word of OpenMetrics, which is what metadata calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "counter" => Self::Counter,
            "gauge" => Self::Gauge,
            "histogram" => Self::Histogram,
            "gaugehistogram" => Self::GaugeHistogram,
            "summary" => Self::Summary,
            "info" => Self::Info,
            "stateset" => Self::StateSet,
            "unknown" | "untyped" => Self::Unknown,
            _ => return None,
        })
    }
}

/// What a line says.
#[derive(Debug)]
pub enum Entry<'a> {
    Kind(Cow<'a, str>, Kind),
    Help(Cow<'a, str>, Cow<'a, str>),
    Unit(Cow<'a, str>, &'a str),
    Sample(Sample<'a>),
    /// The end of an OpenMetrics page.
    End,
}

/// A sample, borrowed from its line.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    pub line: &'a str,
    /// Name and labels as they were written: equal texts are the same series.
    pub series: &'a str,
    pub name: Span,
    pub labels: &'a [(Span, Span)],
    pub value: f64,
    /// Milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// The text of an exemplar, `{…} value timestamp`.
    pub exemplar: Option<&'a str>,
}

impl<'a> Sample<'a> {
    pub fn name(&self) -> Cow<'a, str> {
        text(self.line, self.name)
    }

    /// Names and values of the labels.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = (Cow<'a, str>, Cow<'a, str>)> + use<'a> {
        let line = self.line;
        self.labels.iter().map(move |(name, value)| (text(line, *name), text(line, *value)))
    }
}

fn text(line: &str, span: Span) -> Cow<'_, str> {
    if span.escaped { unescape(span.of(line)) } else { Cow::Borrowed(span.of(line)) }
}

/// What an observation of a histogram or counter was made of.
#[derive(Debug, PartialEq)]
pub struct Exemplar<'a> {
    pub labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub value: f64,
    /// Milliseconds since the epoch.
    pub timestamp: Option<i64>,
}

impl<'a> Exemplar<'a> {
    /// Reads the text that a sample names.
    pub fn parse(line: &'a str) -> Option<Self> {
        let mut cursor = Cursor::new(line, 0);
        let mut spans = Spans::new();
        cursor.labels(&mut spans).ok()?;
        cursor.skip_blanks();
        let value = number(cursor.word())?;
        cursor.skip_blanks();
        let timestamp = Some(cursor.word()).filter(|word| !word.is_empty()).map(seconds);
        Some(Self {
            labels: spans.iter().map(|(name, value)| (text(line, *name), text(line, *value))).collect(),
            value,
            timestamp: match timestamp {
                Some(None) => return None,
                timestamp => timestamp.flatten(),
            },
        })
    }
}

/// Reads lines; keeps the memory that one line needed for the next.
#[derive(Debug)]
pub struct Parser {
    dialect: Dialect,
    spans: Spans,
}

impl Parser {
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, spans: Spans::new() }
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// What the line says: nothing if it is empty or a comment; else where it makes no sense.
    pub fn parse<'a>(&'a mut self, line: &'a str) -> Result<Option<Entry<'a>>, Trouble> {
        let mut cursor = Cursor::new(line, 0);
        cursor.skip_blanks();
        match cursor.peek() {
            None => Ok(None),
            Some(b'#') => {
                cursor.at += 1;
                self.comment(cursor)
            }
            Some(_) => self.sample(cursor).map(|sample| Some(Entry::Sample(sample))),
        }
    }

    fn comment<'a>(&self, mut cursor: Cursor<'a>) -> Result<Option<Entry<'a>>, Trouble> {
        if self.dialect == Dialect::OpenMetrics && cursor.line == "# EOF" {
            return Ok(Some(Entry::End));
        }
        cursor.skip_blanks();
        let what = cursor.word();
        if !matches!(what, "TYPE" | "HELP" | "UNIT") {
            return Ok(None);
        }
        cursor.skip_blanks();
        let place = cursor.at;
        let span = if cursor.peek() == Some(b'"') { cursor.quoted()? } else { cursor.name(true) };
        if span.start == span.end || !matches!(cursor.peek(), None | Some(b' ' | b'\t')) {
            return Err(("a metric name is expected", place));
        }
        let name = text(cursor.line, span);
        cursor.skip_blanks();
        let rest = &cursor.line[cursor.at..];
        Ok(match what {
            "HELP" => Some(Entry::Help(name, unescape(rest))),
            "TYPE" => {
                let kind = Kind::named(rest.trim_end()).ok_or(("a metric type is expected", cursor.at))?;
                Some(Entry::Kind(name, kind))
            }
            // The classic format knows no units: a comment.
            _ if self.dialect == Dialect::Text => None,
            _ => Some(Entry::Unit(name, rest.trim_end())),
        })
    }

    fn sample<'a>(&'a mut self, mut cursor: Cursor<'a>) -> Result<Sample<'a>, Trouble> {
        let line = cursor.line;
        self.spans.clear();
        let start = cursor.at;
        let mut name = cursor.name(true);
        let mut end = cursor.at;
        cursor.skip_blanks();
        if cursor.peek() == Some(b'{') {
            let quoted = cursor.labels(&mut self.spans)?;
            end = cursor.at;
            match quoted {
                Some(quoted) if name.start == name.end => name = quoted,
                Some(_) => return Err(("\"=\" is expected", start)),
                None => {}
            }
        } else if cursor.at == end {
            return Err(("a metric name is expected", start));
        }
        if name.start == name.end {
            return Err(("a metric name is expected", start));
        }
        cursor.skip_blanks();
        let place = cursor.at;
        let value = number(cursor.word()).ok_or(("a number is expected", place))?;
        cursor.skip_blanks();
        let mut timestamp = None;
        if !matches!(cursor.peek(), None | Some(b'#')) {
            let place = cursor.at;
            let word = cursor.word();
            let read = if self.dialect == Dialect::Text { millis(word) } else { seconds(word) };
            timestamp = Some(read.ok_or(("a timestamp is expected", place))?);
            cursor.skip_blanks();
        }
        let exemplar = match cursor.peek() {
            None => None,
            Some(b'#') if self.dialect == Dialect::OpenMetrics => {
                cursor.at += 1;
                cursor.skip_blanks();
                if cursor.peek() != Some(b'{') {
                    return Err(("an exemplar is expected", cursor.at));
                }
                Some(&line[cursor.at..])
            }
            Some(_) => return Err(("the end of the line is expected", cursor.at)),
        };
        Ok(Sample { line, series: &line[start..end], name, labels: &self.spans, value, timestamp, exemplar })
    }
}
