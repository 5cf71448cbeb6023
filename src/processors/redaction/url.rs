//! Taking what is individual out of URLs: `/users/4711/posts?draft=1` becomes `/users/*/posts`.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;

use crate::otlp::trace::{Span, SpanKind};

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UrlConfig {
    enabled: bool,
    /// Keys of attributes that hold URLs.
    attributes: Vec<String>,
    /// Whether names of server and client spans are looked at.
    sanitize_span_name: Option<bool>,
    /// Whether log bodies that are a URL are looked at.
    sanitize_log_body: Option<bool>,
}

impl Default for UrlConfig {
    fn default() -> Self {
        Self { enabled: true, attributes: Vec::new(), sanitize_span_name: None, sanitize_log_body: None }
    }
}

pub struct UrlSanitizer {
    attributes: HashSet<String>,
    span_names: bool,
    log_bodies: bool,
}

/// Parts of a path beyond this many are cut off.
const MAX_SEGMENTS: usize = 10;
/// Longer words are no words.
const LONGEST_WORD: usize = 25;

impl UrlSanitizer {
    /// Nothing when it is off.
    pub fn new(config: &UrlConfig) -> Option<Self> {
        config.enabled.then(|| Self {
            attributes: config.attributes.iter().cloned().collect(),
            span_names: config.sanitize_span_name.unwrap_or(true),
            log_bodies: config.sanitize_log_body.unwrap_or(true),
        })
    }

    /// The value of an attribute without what is individual, if there was something.
    pub fn attribute(&self, key: &str, value: &str) -> Option<String> {
        if self.attributes.contains(key) { changed(value) } else { None }
    }

    /// Changes the paths in the name of a server or client span.
    pub fn span_name(&self, span: &mut Span) {
        let is_remote = [SpanKind::Server as i32, SpanKind::Client as i32].contains(&span.kind);
        if !self.span_names || !is_remote || !span.name.contains('/') {
            return;
        }
        let words: Vec<Cow<'_, str>> = span
            .name
            .split(' ')
            .map(|word| match changed(word) {
                Some(changed) if looks_like_url(word) => Cow::Owned(changed),
                _ => Cow::Borrowed(word),
            })
            .collect();
        span.name = words.join(" ");
    }

    /// The text of a log body, if it was a URL with something individual in it.
    pub fn log_body(&self, text: &str) -> Option<String> {
        if self.log_bodies && looks_like_url(text) { changed(text) } else { None }
    }
}

fn looks_like_url(text: &str) -> bool {
    (text.starts_with('/') || text.contains("://")) && !text.contains(char::is_whitespace)
}

fn changed(url: &str) -> Option<String> {
    let clean = sanitize(url);
    (clean != url).then_some(clean)
}

/// Scheme and host as they are, without user and password; the path with `*` for its individual
/// parts; no query, no fragment.
fn sanitize(url: &str) -> String {
    let (origin, path) = match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            (format!("{scheme}://{host}"), path)
        }
        None => (String::new(), url),
    };
    let path = &path[..path.find(['?', '#', '&']).unwrap_or(path.len())];
    let mut clean = origin;
    for (i, segment) in path.split('/').take(MAX_SEGMENTS + 1).enumerate() {
        if i > 0 {
            clean.push('/');
        }
        clean.push_str(if segment.is_empty() || is_word(segment) { segment } else { "*" });
    }
    clean
}

/// Whether part of a path says what is asked for, not for which one: letters that can be spoken, or
/// a version.
fn is_word(segment: &str) -> bool {
    let is_version = segment
        .strip_prefix('v')
        .is_some_and(|rest| (1..=2).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_digit()));
    is_version
        || segment.len() <= LONGEST_WORD
            && segment.chars().all(|c| c.is_alphabetic() || matches!(c, '-' | '_' | '.' | '{' | '}' | ':'))
            && segment.split(|c: char| !c.is_alphabetic()).all(can_be_spoken)
}

/// Not more than five consonants in a row, as random letters have them.
fn can_be_spoken(word: &str) -> bool {
    let is_vowel = |c: char| "aeiouyAEIOUY".contains(c) || !c.is_ascii();
    word.split(is_vowel).all(|consonants| consonants.len() <= 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_individual_in_a_path_becomes_a_star() {
        for (url, want) in [
            ("/api/users/123e4567-e89b-12d3-a456-426614174000", "/api/users/*"),
            ("/api/users/12345", "/api/users/*"),
            ("/api/v1/users/123/posts/456", "/api/v1/users/*/posts/*"),
            ("/api/users", "/api/users"),
            ("/api/users?id=123&name=john", "/api/users"),
            ("", ""),
            ("/", "/"),
            ("https://john:secret@shop.example:8443/cart/99/?x#y", "https://shop.example:8443/cart/*/"),
            ("https://shop.example", "https://shop.example"),
            ("/static/app.css", "/static/app.css"),
            ("/t/xkcdqwrtz", "/t/*"),
            ("/a/b/c/d/e/f/g/h/i/j/k/l", "/a/b/c/d/e/f/g/h/i/j"),
            ("/żółw/ß", "/żółw/ß"),
        ] {
            assert_eq!(sanitize(url), want, "{url}");
        }
    }
}
