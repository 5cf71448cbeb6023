//! Go's regular expressions (RE2 syntax) on the `regex` crate.
//!
//! Both engines are linear and nearly share their syntax; the differences are rewritten here:
//! `\d`, `\w`, `\s` and `\b` are ASCII, `[` inside a class and `&&`, `--`, `~~` are plain text, a
//! `{` that counts nothing is plain text, `\Q…\E` quotes, `\0`, `\12` are octal, and any other
//! escaped punctuation stands for itself.

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Hir, HirKind};

/// Why a pattern is not taken. Prints as one lowercase line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad regular expression: {0}")]
pub struct PatternError(String);

/// Largest compiled pattern in bytes: some come with the data.
const SIZE_LIMIT: usize = 4 * 1024 * 1024;

/// Compiles a pattern with Go's meaning.
pub fn compile(pattern: &str) -> Result<Regex, PatternError> {
    build(&translate(pattern, None)?)
}

/// A pattern and its named groups: number and name as written, which may begin with a digit.
pub fn compile_named(pattern: &str) -> Result<(Regex, Vec<(usize, String)>), PatternError> {
    let mut names = Vec::new();
    let regex = build(&translate(pattern, Some(&mut names))?)?;
    let written = |name: &str| names.get(name.strip_prefix(MADE)?.parse::<usize>().ok()?).cloned();
    let named = regex.capture_names().enumerate().filter_map(|(number, name)| Some((number, name?)));
    let groups = named.map(|(number, name)| (number, written(name).unwrap_or_else(|| name.to_owned())));
    let groups = groups.collect();
    Ok((regex, groups))
}

fn build(translated: &str) -> Result<Regex, PatternError> {
    let built = RegexBuilder::new(translated).size_limit(SIZE_LIMIT).build();
    built.map_err(|error| PatternError(reason(&error)))
}

/// Compiles with `^` and `$` matching at line borders, as `(?m)` before the pattern does.
pub fn compile_multiline(pattern: &str) -> Result<Regex, PatternError> {
    compile(&format!("(?m){pattern}"))
}

/// Whether every match of this one named group is the whole match: nothing is around it but
/// anchors and word borders. Finding a match is much cheaper than finding its groups.
pub fn is_one_group(regex: &Regex) -> bool {
    fn spans(hir: &Hir) -> bool {
        match hir.kind() {
            HirKind::Capture(capture) => capture.name.is_some() && !has_groups(&capture.sub),
            HirKind::Concat(parts) => {
                let mut others = parts.iter().filter(|part| !matches!(part.kind(), HirKind::Look(_)));
                others.next().is_some_and(spans) && others.next().is_none()
            }
            _ => false,
        }
    }
    fn has_groups(hir: &Hir) -> bool {
        hir.properties().explicit_captures_len() > 0
    }
    regex_syntax::parse(regex.as_str()).is_ok_and(|hir| spans(&hir))
}

/// The last line of a syntax error says what is wrong; the rest is a drawing.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default().trim();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str = r"\t\n\x0c\r ";

/// What the library is told instead of a group's name, followed by its place in the list of names.
const MADE: &str = "kmagent_group_";

/// Rewrites a Go pattern for the `regex` crate; with `names` groups get names that the crate takes.
fn translate(pattern: &str, mut names: Option<&mut Vec<String>>) -> Result<String, PatternError> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut chars = Scanner { rest: pattern };
    while let Some(c) = chars.next() {
        match c {
            '\\' => escape(&mut chars, &mut out, false)?,
            '[' => class(&mut chars, &mut out)?,
            '(' => {
                out.push('(');
                flags(&chars)?;
                if let Some(names) = &mut names {
                    rename(&mut chars, &mut out, names)?;
                }
            }
            '{' if !chars.is_count() => out.push_str("\\{"),
            '{' => {
                out.push('{');
                while let Some(c) = chars.next() {
                    out.push(c);
                    if c == '}' {
                        break;
                    }
                }
            }
            '}' => out.push_str("\\}"),
            c => out.push(c),
        }
    }
    Ok(out)
}

struct Scanner<'a> {
    rest: &'a str,
}

impl Scanner<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn accept(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Whether `n}`, `n,}` or `n,m}` comes next.
    fn is_count(&self) -> bool {
        let Some((inner, _)) = self.rest.split_once('}') else { return false };
        let (low, high) = inner.split_once(',').unwrap_or((inner, ""));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        !low.is_empty() && digits(low) && digits(high)
    }
}

/// A group with a name: the one the crate is told goes out. A name that is not right is left to it.
fn rename(chars: &mut Scanner, out: &mut String, names: &mut Vec<String>) -> Result<(), PatternError> {
    for opening in ["?P<", "?<"] {
        if let Some(rest) = chars.rest.strip_prefix(opening)
            && let Some((name, rest)) = rest.split_once('>')
            && !name.is_empty()
            && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '@'))
        {
            if names.iter().any(|known| known == name) {
                return Err(PatternError(format!("duplicate group name \"{name}\"")));
            }
            out.extend(["?P<", MADE, &names.len().to_string(), ">"]);
            names.push(name.to_owned());
            chars.rest = rest;
            break;
        }
    }
    Ok(())
}

/// Go knows the flags `i`, `m`, `s` and `U`; others would mean something here.
fn flags(chars: &Scanner) -> Result<(), PatternError> {
    let Some(rest) = chars.rest.strip_prefix('?') else { return Ok(()) };
    if rest.starts_with("P<") || rest.starts_with('<') {
        return Ok(());
    }
    let letters = rest.split([':', ')']).next().unwrap_or(rest);
    match letters.chars().find(|c| !matches!(c, 'i' | 'm' | 's' | 'U' | '-')) {
        Some(c) => Err(PatternError(format!("\"(?{c}\" is not known: there are the flags i, m, s and U"))),
        None => Ok(()),
    }
}

/// What comes after a backslash, in or outside of a class.
fn escape(chars: &mut Scanner, out: &mut String, in_class: bool) -> Result<(), PatternError> {
    let Some(c) = chars.next() else { return Err(PatternError("it ends after a backslash".into())) };
    let set = |out: &mut String, negated: bool, inner: &str| match (in_class, negated) {
        (true, false) => out.push_str(inner),
        (_, true) => {
            out.push_str("[^");
            out.push_str(inner);
            out.push(']');
        }
        (false, false) => {
            out.push('[');
            out.push_str(inner);
            out.push(']');
        }
    };
    match c {
        'd' | 'D' => set(out, c == 'D', DIGIT),
        'w' | 'W' => set(out, c == 'W', WORD),
        's' | 'S' => set(out, c == 'S', SPACE),
        'b' if !in_class => out.push_str(r"(?-u:\b)"),
        // The ASCII form may split a character, which text cannot.
        'B' if !in_class => out.push_str(r"\B"),
        'Q' if !in_class => {
            let (quoted, rest) = chars.rest.split_once("\\E").unwrap_or((chars.rest, ""));
            out.push_str(&regex::escape(quoted));
            chars.rest = rest;
        }
        '0'..='7' => octal(c, chars, out)?,
        'A' | 'z' if !in_class => push_escaped(out, c),
        'a' | 'f' | 't' | 'n' | 'r' | 'v' => push_escaped(out, c),
        'x' | 'p' | 'P' => {
            push_escaped(out, c);
            // \x{1F600}, \p{Greek}: the braces are part of the escape.
            if let Some(end) = chars.rest.starts_with('{').then(|| chars.rest.find('}')).flatten() {
                out.push_str(&chars.rest[..=end]);
                chars.rest = &chars.rest[end + 1..];
            }
        }
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => literal(out, c),
        c => return Err(PatternError(format!("invalid escape sequence \"\\{c}\""))),
    }
    Ok(())
}

fn push_escaped(out: &mut String, c: char) {
    out.push('\\');
    out.push(c);
}

fn literal(out: &mut String, c: char) {
    if matches!(c, '<' | '>') {
        out.push(c);
    } else {
        push_escaped(out, c);
    }
}

/// `\0`, `\12`, `\123`; a single digit from 1 on would be a reference, which RE2 has not.
fn octal(first: char, chars: &mut Scanner, out: &mut String) -> Result<(), PatternError> {
    let more = chars.rest.bytes().take(2).take_while(|b| matches!(b, b'0'..=b'7')).count();
    if first != '0' && more == 0 {
        return Err(PatternError(format!(
            "\"\\{first}\" is a reference to a group, which RE2 does not have"
        )));
    }
    let digits = format!("{first}{}", &chars.rest[..more]);
    chars.rest = &chars.rest[more..];
    let code = u32::from_str_radix(&digits, 8).unwrap_or(0);
    out.push_str(&format!("\\x{{{code:x}}}"));
    Ok(())
}

/// A bracketed class; the opening bracket is passed.
fn class(chars: &mut Scanner, out: &mut String) -> Result<(), PatternError> {
    out.push('[');
    if chars.accept("^") {
        out.push('^');
    }
    let mut first = true;
    // Whether a dash here would start the right side of a range.
    let mut opens_range = false;
    while let Some(c) = chars.next() {
        if c == ']' && !first {
            out.push(']');
            return Ok(());
        }
        first = false;
        if c == '-' && opens_range && !chars.rest.starts_with(']') {
            out.push('-');
            if let Some(c) = chars.next() {
                class_item(c, chars, out)?;
            }
            opens_range = false;
        } else {
            opens_range = class_item(c, chars, out)?;
        }
    }
    Err(PatternError("a \"[\" has no \"]\"".into()))
}

/// One character or set of a class; whether it may begin a range.
fn class_item(c: char, chars: &mut Scanner, out: &mut String) -> Result<bool, PatternError> {
    match c {
        '\\' => escape(chars, out, true)?,
        '[' if chars.rest.starts_with(':') => match chars.rest.find(":]") {
            Some(end) => {
                out.push('[');
                out.push_str(&chars.rest[..end + 2]);
                chars.rest = &chars.rest[end + 2..];
                return Ok(false);
            }
            None => out.push_str("\\["),
        },
        '[' | ']' | '&' | '~' | '-' | '^' => push_escaped(out, c),
        c => out.push(c),
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        for (pattern, text, want) in [
            (r"^\d+$", "123", true),
            (r"^\d+$", "١٢٣", false),
            (r"^\w+$", "né", false),
            (r"^\W$", "é", true),
            (r"^\s$", "\u{a0}", false),
            (r"^\S$", "\u{a0}", true),
            (r"^[\d\-x]+$", "1-x", true),
            (r"^[^\W]+$", "abc_1", true),
            (r"^[\D]+$", "abc", true),
            (r"\bé", "é", false),
            (r"\berror\b", "an error: x", true),
            (r"^[[a]+$", "[a", true),
            (r"^[]a]+$", "]a", true),
            (r"^[a&&b]+$", "a&b", true),
            (r"^[+--]+$", "+,-", true),
            (r"^[a-c-]+$", "b-", true),
            (r"^[-a]+$", "-a", true),
            (r"^[^-a]+$", "b", true),
            (r"^[a^]+$", "^", true),
            (r"^[\w-]+$", "a-b", true),
            (r"^[[:alpha:]]+$", "abc", true),
            (r"^{$", "{", true),
            (r"^a{,2}$", "a{,2}", true),
            (r"^a{2}$", "aa", true),
            (r"^a{1,2}$", "aa", true),
            (r"^(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}|\{)", "{\"a\":1}", true),
            (r"^\Qa.b\E.$", "a.bc", true),
            (r"^\Qa.b", "a.b", true),
            (r"^\_\-\/\<\>\#$", "_-/<>#", true),
            (r"^\101\x41\x{1F600}$", "AA😀", true),
            (r"^.$", "\n", false),
            (r"(?s)^.$", "\n", true),
            (r"a$", "a\n", false),
            (r"(?i)STRASSE", "strasse", true),
            (r"(?P<a>x)(?<b>y)", "xy", true),
            (r"^\pL\p{Greek}$", "aα", true),
            (r"^}$", "}", true),
        ] {
            let regex = compile(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}"));
            assert_eq!(regex.is_match(text), want, "{pattern} on {text:?}: {}", regex.as_str());
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for pattern in
            [r"(", r"[a", r"\", r"a**b(", r"(?x)a", r"(?=a)", r"(?!a)", r"(?<=a)b", r"(a)\1", r"\y", r"*a"]
        {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn groups_keep_names_that_only_go_takes() {
        let names = |pattern: &str| compile_named(pattern).map(|(_, groups)| groups);
        let group = |number: usize, name: &str| (number, name.to_owned());
        assert_eq!(names(r"(?P<0>a)(b)(?<x.y>c)").unwrap(), [group(1, "0"), group(3, "x.y")]);
        assert_eq!(names(r"[(?P<a>]\(\?P<b>").unwrap(), []);
        assert!(names(r"(?P<a>x)(?P<a>y)").unwrap_err().to_string().contains("duplicate group name"));
        assert!(names(r"(?P<a b>x)").is_err() && names(r"(?P<>x)").is_err());
    }

    #[test]
    fn one_group_is_known_by_its_surroundings() {
        for (pattern, want) in [
            (r"(?i)\b(?P<level>trace|debug)\b", true),
            (r"^(?P<t>\d+(?:\.\d+)?)", true),
            (r"(?P<a>x)", true),
            (r"(?P<a>x(y))", false),
            (r"x(?P<a>y)", false),
            (r"(?P<a>x)?", false),
            (r"(?P<a>x)|y", false),
            (r"(x)", false),
        ] {
            assert_eq!(is_one_group(&compile(pattern).unwrap()), want, "{pattern}");
        }
    }

    #[test]
    fn an_error_is_one_line() {
        let error = compile("a(b").unwrap_err().to_string();
        assert_eq!(error, "bad regular expression: unclosed group");
    }

    proptest! {
        #[test]
        fn no_pattern_makes_it_panic(pattern in "[\\\\\\[\\](){}^$|*+?.a-z0-9&~<>:=!-]{0,20}") {
            let _ = compile(&pattern);
        }
    }
}
