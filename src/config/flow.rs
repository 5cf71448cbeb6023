//! Flow collections whose lines start too far left for YAML 1.2 but not for Go's parser.
//!
//! ```yaml
//! exporters:
//!   nop: {
//!   }
//! ```
//!
//! Go ignores indentation between brackets, so users' files have this; the parser here insists on
//! it. [`deepen`] indents the lines between brackets, which changes nothing of what they mean.

/// Deeper than any block around it.
const INDENT: &str = "                                                                ";

/// The text with all lines that start inside a flow collection indented; `None` when there are none.
pub(super) fn deepen(text: &str) -> Option<String> {
    let mut scan = Scan::default();
    let mut out = String::with_capacity(text.len() + INDENT.len());
    let mut changed = false;
    for line in text.split_inclusive('\n') {
        if scan.depth > 0 && scan.quote.is_none() {
            out.push_str(INDENT);
            changed = true;
        }
        out.push_str(line);
        scan.line(line);
    }
    changed.then_some(out)
}

/// What a reader of the lines must know: brackets, quotes and block scalars that are open.
#[derive(Default)]
struct Scan {
    depth: usize,
    quote: Option<char>,
    /// Indentation of the line that opened a block scalar (`|`, `>`): deeper lines are text.
    block: Option<usize>,
}

impl Scan {
    fn line(&mut self, line: &str) {
        let indent = line.len() - line.trim_start_matches(' ').len();
        if let Some(block) = self.block {
            if indent > block || line.trim().is_empty() {
                return;
            }
            self.block = None;
        }
        let mut before = ' ';
        let mut code = 0;
        let mut chars = line.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            match (self.quote, c) {
                (Some('"'), '\\') => _ = chars.next(),
                (Some('\''), '\'') if chars.peek().is_some_and(|(_, next)| *next == '\'') => _ = chars.next(),
                (Some(quote), c) if c == quote => self.quote = None,
                (Some(_), _) => {}
                (None, '#') if before.is_whitespace() => break,
                // A quote or bracket means something at the start of a value only.
                (None, '"' | '\'') if " \t[{,:".contains(before) => self.quote = Some(c),
                (None, '[' | '{') if self.depth > 0 || " \t-:".contains(before) => self.depth += 1,
                (None, ']' | '}') => self.depth = self.depth.saturating_sub(1),
                (None, _) => {}
            }
            before = c;
            if !c.is_whitespace() {
                code = at + c.len_utf8();
            }
        }
        let header = line[..code].rsplit([' ', '\t']).next().unwrap_or_default();
        if self.depth == 0 && self.quote.is_none() && header.starts_with(['|', '>']) {
            self.block = Some(indent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_between_brackets_are_moved() {
        assert_eq!(deepen("a: [1, 2]\nb: '['\nc: |\n  [\n  x\nd: x[0]\n# [\n"), None);
        assert_eq!(deepen("a: {\n}\nb: 1\n").unwrap(), format!("a: {{\n{INDENT}}}\nb: 1\n"));
        assert_eq!(
            deepen("a: [\"]\",\n'it''s',\n]\nb: 1").unwrap(),
            format!("a: [\"]\",\n{INDENT}'it''s',\n{INDENT}]\nb: 1")
        );
    }
}
