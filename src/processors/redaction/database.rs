//! Taking what is individual out of database statements: literals become `?`.

use std::collections::HashSet;

use serde::Deserialize;

use super::sql;
use crate::otlp::KeyValue;
use crate::otlp::attributes::find;
use crate::otlp::trace::{Span, SpanKind};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseConfig {
    sql: SystemConfig,
    redis: SystemConfig,
    valkey: SystemConfig,
    memcached: SystemConfig,
    mongo: SystemConfig,
    opensearch: SystemConfig,
    es: SystemConfig,
    /// Whether names of client spans are looked at.
    sanitize_span_name: Option<bool>,
    /// Accepted: attributes without a system beside them are always looked at.
    #[serde(rename = "allow_fallback_without_system")]
    _allow_fallback_without_system: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SystemConfig {
    enabled: bool,
    /// Keys of attributes that hold statements.
    attributes: Vec<String>,
}

pub struct DatabaseSanitizer {
    dialects: Vec<(Dialect, HashSet<String>)>,
    span_names: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Sql,
    Redis,
    Valkey,
    Memcached,
    Mongo,
    OpenSearch,
    Elasticsearch,
}

impl DatabaseSanitizer {
    /// Nothing when all is off.
    pub fn new(config: &DatabaseConfig) -> Option<Self> {
        let dialects: Vec<_> = [
            (Dialect::Sql, &config.sql),
            (Dialect::Redis, &config.redis),
            (Dialect::Valkey, &config.valkey),
            (Dialect::Memcached, &config.memcached),
            (Dialect::Mongo, &config.mongo),
            (Dialect::OpenSearch, &config.opensearch),
            (Dialect::Elasticsearch, &config.es),
        ]
        .into_iter()
        .filter(|(_, of)| of.enabled)
        .map(|(dialect, of)| (dialect, of.attributes.iter().cloned().collect()))
        .collect();
        let span_names = config.sanitize_span_name.unwrap_or(true);
        (!dialects.is_empty()).then_some(Self { dialects, span_names })
    }

    /// The value of an attribute without literals, if there were some. `system` as [`system_of`]
    /// tells it; without one every dialect that looks at the attribute is taken.
    pub fn attribute(&self, key: &str, value: &str, system: Option<&str>) -> Option<String> {
        let mut clean = None;
        for (dialect, keys) in &self.dialects {
            if keys.contains(key) && system.is_none_or(|system| dialect.is_of(system)) {
                let text = clean.as_deref().unwrap_or(value);
                clean = Some(dialect.sanitize(text, system));
            }
        }
        clean.filter(|clean| clean != value)
    }

    pub fn span_name(&self, span: &mut Span) {
        if self.span_names
            && span.kind == SpanKind::Client as i32
            && let Some(clean) = self.statement(&span.name, &span.attributes)
        {
            span.name = clean;
        }
    }

    /// A statement that stands beside attributes that name its system.
    pub fn statement(&self, text: &str, attributes: &[KeyValue]) -> Option<String> {
        let system = system_of(attributes)?;
        let (dialect, _) = self.dialects.iter().find(|(dialect, _)| dialect.is_of(system))?;
        let clean = dialect.sanitize(text, Some(system));
        (clean != text).then_some(clean)
    }
}

/// The database system that attributes name.
pub fn system_of(attributes: &[KeyValue]) -> Option<&str> {
    ["db.system.name", "db.system"].into_iter().find_map(|key| find(attributes, key)?.as_str())
}

impl Dialect {
    fn is_of(self, system: &str) -> bool {
        let names: &[&str] = match self {
            Self::Sql => &["other_sql", "mysql", "postgresql", "mariadb", "sqlite"],
            Self::Redis => &["redis"],
            Self::Valkey => &["valkey"],
            Self::Memcached => &["memcached"],
            Self::Mongo => &["mongodb"],
            Self::OpenSearch => &["opensearch"],
            Self::Elasticsearch => &["elasticsearch"],
        };
        names.iter().any(|name| name.eq_ignore_ascii_case(system))
    }

    fn sanitize(self, text: &str, system: Option<&str>) -> String {
        match self {
            Self::Sql => sql::sanitize(text, system.is_some_and(quotes_texts_twice)),
            Self::Redis | Self::Valkey => text.lines().map(command).collect::<Vec<_>>().join("\n"),
            // What is stored follows the command on a line of its own.
            Self::Memcached => text.lines().next().unwrap_or_default().to_owned(),
            Self::Mongo | Self::OpenSearch | Self::Elasticsearch => json(text),
        }
    }
}

/// Whether `"…"` is a text, not a name.
fn quotes_texts_twice(system: &str) -> bool {
    ["mysql", "mariadb"].iter().any(|name| name.eq_ignore_ascii_case(system))
}

fn command(line: &str) -> String {
    match line.trim().split_once(char::is_whitespace) {
        Some((command, _)) => format!("{command} ?"),
        None => line.trim().to_owned(),
    }
}

/// JSON documents, one after the other, with `?` for every value that is no object or list.
fn json(text: &str) -> String {
    let documents: Result<Vec<serde_json::Value>, _> =
        serde_json::Deserializer::from_str(text).into_iter().collect();
    match documents {
        Ok(mut documents) if !documents.is_empty() => {
            documents.iter_mut().for_each(forget_values);
            documents.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        }
        // What cannot be read cannot be told apart.
        _ => "?".to_owned(),
    }
}

fn forget_values(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(entries) => entries.values_mut().for_each(forget_values),
        serde_json::Value::Array(items) => items.iter_mut().for_each(forget_values),
        leaf => *leaf = "?".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_loses_its_values() {
        for (dialect, text, want) in [
            (Dialect::Redis, "SET key value\nPING\n get x", "SET ?\nPING\nget ?"),
            (Dialect::Valkey, "AUTH secret", "AUTH ?"),
            (Dialect::Memcached, "set key 0 60 5\r\nvalue", "set key 0 60 5"),
            (
                Dialect::Mongo,
                r#"{"find":"users","filter":{"age":{"$gt":7},"tags":["a",null]}}"#,
                r#"{"filter":{"age":{"$gt":"?"},"tags":["?","?"]},"find":"?"}"#,
            ),
            (Dialect::Elasticsearch, "{\"index\":{}}\n{\"a\":1}", "{\"index\":{}}\n{\"a\":\"?\"}"),
            (Dialect::OpenSearch, "{not json", "?"),
            (Dialect::Sql, "SELECT 1", "SELECT ?"),
        ] {
            assert_eq!(dialect.sanitize(text, None), want, "{text}");
        }
    }
}
