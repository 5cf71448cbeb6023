//! Glob patterns with doublestar's semantics, one path component at a time, so that only
//! directories that can hold a match are ever listed.

use globset::{GlobBuilder, GlobMatcher};

/// Alternatives (`{a,b}`) of one pattern, at most.
const MAX_ALTERNATIVES: usize = 1024;

/// A pattern, taken apart at its slashes.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// It starts at the root of the file system.
    pub absolute: bool,
    pub parts: Vec<Part>,
}

#[derive(Clone, Debug)]
pub enum Part {
    /// `**`: any number of directories.
    AnyDepth,
    /// A name without wildcards.
    Literal(String),
    Wild(GlobMatcher),
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("a pattern must not be empty")]
    Empty,
    #[error("\"{0}\" is no valid glob: {1}")]
    Bad(String, String),
    #[error("\"{0}\" has too many alternatives in braces: write several patterns")]
    TooMany(String),
}

impl Part {
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::AnyDepth => true,
            Self::Literal(literal) => literal == name,
            Self::Wild(matcher) => matcher.is_match(name),
        }
    }
}

/// Parses a pattern; braces around slashes make several of it.
pub fn parse(text: &str) -> Result<Vec<Pattern>, PatternError> {
    if text.is_empty() {
        return Err(PatternError::Empty);
    }
    expand(text)?.iter().map(|text| parse_one(text)).collect()
}

fn parse_one(text: &str) -> Result<Pattern, PatternError> {
    let mut parts = Vec::new();
    for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
        parts.push(match part {
            // Twice the same changes nothing but the time it takes.
            "**" if matches!(parts.last(), Some(Part::AnyDepth)) => continue,
            "**" => Part::AnyDepth,
            part if !part.contains(['*', '?', '[', '{', '\\']) => Part::Literal(part.to_owned()),
            part => Part::Wild(matcher(part).map_err(|error| PatternError::Bad(text.to_owned(), error))?),
        });
    }
    Ok(Pattern { absolute: text.starts_with('/'), parts })
}

fn matcher(part: &str) -> Result<GlobMatcher, String> {
    // Inside a component a run of stars is one star.
    let mut simple = String::with_capacity(part.len());
    for c in part.chars() {
        if c != '*' || !simple.ends_with('*') || simple.ends_with("\\*") {
            simple.push(c);
        }
    }
    GlobBuilder::new(&simple)
        .literal_separator(true)
        .backslash_escape(true)
        .empty_alternates(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| error.kind().to_string())
}

/// Expands braces that hold a slash; others are left to the matcher.
fn expand(text: &str) -> Result<Vec<String>, PatternError> {
    let mut done = Vec::new();
    let mut open = vec![text.to_owned()];
    while let Some(text) = open.pop() {
        if done.len() + open.len() > MAX_ALTERNATIVES {
            return Err(PatternError::TooMany(text));
        }
        let Some((start, end)) = brace_with_slash(&text) else {
            done.push(text);
            continue;
        };
        let alternatives = split_top(&text[start + 1..end]);
        for alternative in alternatives.into_iter().rev() {
            open.push(format!("{}{alternative}{}", &text[..start], &text[end + 1..]));
        }
    }
    Ok(done)
}

/// The first outermost pair of braces with a slash inside.
fn brace_with_slash(text: &str) -> Option<(usize, usize)> {
    let (mut depth, mut start, mut slash, mut escaped) = (0_usize, 0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'{' => {
                if depth == 0 {
                    (start, slash) = (at, false);
                }
                depth += 1;
            }
            b'}' if depth > 0 => {
                depth -= 1;
                if depth == 0 && slash {
                    return Some((start, at));
                }
            }
            b'/' => slash = true,
            _ => {}
        }
    }
    None
}

/// Splits at the commas that are in no braces.
fn split_top(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0_usize, 0, Vec::new());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

/// Patterns that a whole path is compared with.
#[derive(Clone, Debug, Default)]
pub struct Excludes {
    patterns: Vec<Pattern>,
}

impl Excludes {
    pub fn new(texts: &[String]) -> Result<Self, (usize, PatternError)> {
        let mut patterns = Vec::new();
        for (place, text) in texts.iter().enumerate() {
            patterns.extend(parse(text).map_err(|error| (place, error))?);
        }
        Ok(Self { patterns })
    }

    pub fn matches(&self, path: &str) -> bool {
        if self.patterns.is_empty() {
            return false;
        }
        let absolute = path.starts_with('/');
        let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        self.patterns.iter().any(|p| p.absolute == absolute && matches_names(&p.parts, &names))
    }
}

fn matches_names(parts: &[Part], names: &[&str]) -> bool {
    // The states of a small automaton: how many parts may have been matched so far.
    let mut at = vec![false; parts.len() + 1];
    at[0] = true;
    skip_any_depth(parts, &mut at);
    for name in names {
        let mut next = vec![false; parts.len() + 1];
        for (place, part) in parts.iter().enumerate().filter(|(place, _)| at[*place]) {
            if matches!(part, Part::AnyDepth) {
                next[place] = true;
            } else if part.matches(name) {
                next[place + 1] = true;
            }
        }
        skip_any_depth(parts, &mut next);
        at = next;
    }
    at[parts.len()]
}

fn skip_any_depth(parts: &[Part], at: &mut [bool]) {
    for (place, part) in parts.iter().enumerate() {
        if at[place] && matches!(part, Part::AnyDepth) {
            at[place + 1] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Excludes::new(&[pattern.to_owned()]).unwrap().matches(path)
    }

    #[test]
    fn doublestar_semantics() {
        for (pattern, path, want) in [
            ("/var/log/*.log", "/var/log/a.log", true),
            ("/var/log/*.log", "/var/log/x/a.log", false),
            ("/var/**/*.log", "/var/a.log", true),
            ("/var/**/*.log", "/var/x/y/a.log", true),
            ("/**/*.gz", "/var/log/0.log.gz", true),
            ("/**/*.gz", "/var/log/0.log", false),
            ("/var/log/pods/km-agent_*/**/*.log", "/var/log/pods/km-agent_a_b/c/0.log", true),
            ("/___no_exclude___", "/var/log/a", false),
            ("/a/{b,c/d}/*.log", "/a/c/d/x.log", true),
            ("/a/{b,c/d}/*.log", "/a/b/x.log", true),
            ("/a/{b,c/d}/*.log", "/a/c/x.log", false),
            ("/a/{x,y}*.log", "/a/y1.log", true),
            ("/a/[!b]", "/a/b", false),
            ("/a/[^b]", "/a/c", true),
            ("/a/[a-c]?", "/a/bz", true),
            ("/a/\\*", "/a/*", true),
            ("/a/\\*", "/a/b", false),
            ("/a/**", "/a/b/c", true),
            ("**/.*", "/a/.b", false),
            ("**/.*", "a/.b", true),
            ("/**/.*", "/a/.b/c", false),
            ("a/*", "a/b", true),
            ("/a/b**c", "/a/bxc", true),
            ("/a/b**c", "/a/b/c", false),
        ] {
            assert_eq!(matches(pattern, path), want, "{pattern} {path}");
        }
    }

    #[test]
    fn bad_patterns_are_errors() {
        assert_eq!(parse("").unwrap_err(), PatternError::Empty);
        assert!(matches!(parse("/a/[b").unwrap_err(), PatternError::Bad(..)));
        let many = "{/a,/b}".repeat(20);
        assert!(matches!(parse(&many).unwrap_err(), PatternError::TooMany(_)));
    }
}
