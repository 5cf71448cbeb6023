//! The label set of a line, found without copying it.

use memchr::memchr2;

/// A piece of a line, as offsets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: u32,
    pub end: u32,
    /// There are escapes in it.
    pub escaped: bool,
}

impl Span {
    pub fn of<'a>(&self, line: &'a str) -> &'a str {
        &line[self.start as usize..self.end as usize]
    }
}

/// Name and value of each label, in the order of the line.
pub type Spans = Vec<(Span, Span)>;

/// What was expected where, as an offset.
pub type Trouble = (&'static str, usize);

/// A place in a line that moves forward.
pub struct Cursor<'a> {
    pub line: &'a str,
    pub at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(line: &'a str, at: usize) -> Self {
        Self { line, at }
    }

    pub fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    pub fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// The text up to the next blank or the end of the line.
    pub fn word(&mut self) -> &'a str {
        let rest = &self.line[self.at..];
        let len = memchr2(b' ', b'\t', rest.as_bytes()).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    /// A bare name; labels may have no colon in theirs.
    pub fn name(&mut self, colons: bool) -> Span {
        let start = self.at;
        while let Some(byte) = self.peek() {
            let fits = byte.is_ascii_alphabetic()
                || byte == b'_'
                || (colons && byte == b':')
                || (byte.is_ascii_digit() && self.at > start);
            if !fits {
                break;
            }
            self.at += 1;
        }
        span(start, self.at, false)
    }

    /// A text in quotes; the cursor is at the first quote.
    pub fn quoted(&mut self) -> Result<Span, Trouble> {
        let bytes = self.line.as_bytes();
        let start = self.at + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            let Some(found) = memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) else {
                return Err(("a quote that is not closed", self.at));
            };
            at += found;
            if bytes[at] == b'"' {
                self.at = at + 1;
                return Ok(span(start, at, escaped));
            }
            escaped = true;
            // What follows the backslash may be of several bytes: none of them is a quote.
            at += 2;
        }
    }

    /// `{a="b",c="d"}`, from the brace on; a quoted text alone is the name of the metric.
    pub fn labels(&mut self, spans: &mut Spans) -> Result<Option<Span>, Trouble> {
        let mut metric = None;
        self.at += 1;
        loop {
            self.skip_blanks();
            let place = self.at;
            let name = match self.peek() {
                Some(b'}') => {
                    self.at += 1;
                    return Ok(metric);
                }
                Some(b'"') => self.quoted()?,
                _ => self.name(false),
            };
            if name.start == name.end {
                return Err(("a label name is expected", place));
            }
            self.skip_blanks();
            match self.peek() {
                Some(b'=') => {
                    self.at += 1;
                    self.skip_blanks();
                    if self.peek() != Some(b'"') {
                        return Err(("a label value in quotes is expected", self.at));
                    }
                    let value = self.quoted()?;
                    spans.push((name, value));
                }
                _ if self.line.as_bytes()[place] == b'"' && metric.is_none() => metric = Some(name),
                _ => return Err(("\"=\" is expected", self.at)),
            }
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {}
                _ => return Err(("\",\" or \"}\" is expected", self.at)),
            }
        }
    }
}

fn span(start: usize, end: usize, escaped: bool) -> Span {
    // Lines are far shorter than 4 GiB.
    Span { start: start as u32, end: end as u32, escaped }
}
