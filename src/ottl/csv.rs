//! Lines of delimited text with quotes.

use super::EvalError;

/// What a double quote means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quotes {
    /// It encloses fields, doubled inside of them; anywhere else it is an error.
    Strict,
    /// It encloses fields; one in the middle stands for itself.
    Lazy,
    /// Nothing.
    Ignored,
}

/// The fields of a line. Line breaks are ordinary characters.
pub fn fields(line: &str, delimiter: char, quotes: Quotes) -> Result<Vec<String>, EvalError> {
    if quotes == Quotes::Ignored {
        return Ok(line.split(delimiter).map(str::to_owned).collect());
    }
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted_field(quoted, delimiter, quotes)?
        } else {
            let end = rest.find(delimiter).unwrap_or(rest.len());
            if quotes == Quotes::Strict && rest[..end].contains('"') {
                return Err(EvalError::fixed("a quote stands in a field that has none around it"));
            }
            (rest[..end].to_owned(), &rest[end..])
        };
        fields.push(field);
        match after.strip_prefix(delimiter) {
            Some(next) => rest = next,
            None => return Ok(fields),
        }
    }
}

/// A field after its opening quote, and what follows its closing one.
fn quoted_field(text: &str, delimiter: char, quotes: Quotes) -> Result<(String, &str), EvalError> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let Some(end) = rest.find('"') else {
            return match quotes {
                Quotes::Lazy => Ok((field + rest, "")),
                _ => Err(EvalError::fixed("a quoted field has no end")),
            };
        };
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        if let Some(after) = rest.strip_prefix('"') {
            field.push('"');
            rest = after;
        } else if rest.is_empty() || rest.starts_with(delimiter) {
            return Ok((field, rest));
        } else if quotes == Quotes::Lazy {
            field.push('"');
        } else {
            return Err(EvalError::fixed("text follows the closing quote of a field"));
        }
    }
}

/// Splits at `delimiter`, but not inside single or double quotes, which stay.
pub fn split_quoted<'t>(text: &'t str, delimiter: &str) -> Result<Vec<&'t str>, EvalError> {
    let mut parts = Vec::new();
    let mut quote = None;
    let (mut start, mut at) = (0, 0);
    while let Some(c) = text[at..].chars().next() {
        if quote.is_none() && text[at..].starts_with(delimiter) {
            parts.push(&text[start..at]);
            at += delimiter.len();
            start = at;
            continue;
        }
        quote = match quote {
            Some(open) if open == c => None,
            None if matches!(c, '"' | '\'') => Some(c),
            unchanged => unchanged,
        };
        at += c.len_utf8();
    }
    if quote.is_some() {
        return Err(EvalError::fixed("a quote has no end"));
    }
    parts.push(&text[start..]);
    Ok(parts)
}

/// The text inside quotes, if there are any around it.
pub fn unquoted(text: &str) -> &str {
    ['"', '\''].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(text)
}
