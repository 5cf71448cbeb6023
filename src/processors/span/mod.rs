//! `span`: names spans after their attributes, takes attributes from names, sets statuses.

use regex::{Captures, Regex};
use serde::Deserialize;

use super::items::{Item, Subject};
use super::matching::{Filter, Properties};
use super::pattern;
use crate::component::{
    BuildError, Context, Next, Processor, ProcessorConfig, ProcessorType, decode_processor,
};
use crate::config::Issues;
use crate::otlp::attributes::attributes_of;
use crate::otlp::trace::{ResourceSpans, Span, Status, StatusCode};
use crate::otlp::{Attributes, Str};
use crate::ottl::text_of_any;
use crate::pipeline::{Batch, Data, Signal};

pub static TYPE: ProcessorType = ProcessorType {
    name: "span",
    aliases: &[],
    signals: &[Signal::Traces],
    decode: decode_processor::<SpanConfig>,
};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpanConfig {
    /// Only spans that match are changed.
    include: Option<Properties>,
    /// Spans that match are left alone; looked at after `include`.
    exclude: Option<Properties>,
    name: Name,
    status: Option<StatusConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Name {
    /// The new name is the values of these attributes; all must be there.
    from_attributes: Vec<String>,
    /// What stands between the values.
    separator: String,
    to_attributes: Option<ToAttributes>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ToAttributes {
    /// Regular expressions whose named groups become attributes; required.
    rules: Vec<String>,
    /// Whether the first rule that matches is the last that is tried.
    break_after_match: bool,
    /// Whether the name keeps the texts that became attributes.
    keep_original_name: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct StatusConfig {
    /// `Ok`, `Error` or `Unset`.
    code: String,
    /// For `Error` alone.
    description: String,
}

impl ProcessorConfig for SpanConfig {
    fn validate(&self, issues: &mut Issues) {
        if self.name.from_attributes.is_empty() && self.name.to_attributes.is_none() && self.status.is_none()
        {
            issues.error(
                "",
                "either \"from_attributes\" or \"to_attributes\" must be specified in \"name\", or \"status\"",
            );
        }
        if let Err((key, message)) = self.rules() {
            issues.error(&key, message);
        }
        if let Err((key, message)) = self.new_status() {
            issues.error(key, message);
        }
    }

    fn build(&self, _: Context, signal: Signal) -> Result<Box<dyn Processor>, BuildError> {
        let to_attributes = self.name.to_attributes.as_ref();
        Ok(Box::new(SpanProcessor {
            filter: Filter::new(self.include.as_ref(), self.exclude.as_ref(), signal).map_err(BuildError)?,
            from_attributes: self.name.from_attributes.clone(),
            separator: self.name.separator.clone(),
            rules: self.rules().map_err(|(_, message)| BuildError(message))?,
            break_after_match: to_attributes.is_some_and(|to| to.break_after_match),
            keep_name: to_attributes.is_some_and(|to| to.keep_original_name),
            status: self.new_status().map_err(|(_, message)| BuildError(message))?,
        }))
    }
}

impl SpanConfig {
    fn rules(&self) -> Result<Vec<Regex>, (String, String)> {
        let Some(to_attributes) = &self.name.to_attributes else { return Ok(Vec::new()) };
        if to_attributes.rules.is_empty() {
            return Err((
                "name::to_attributes::rules".to_owned(),
                "at least one rule is required".to_owned(),
            ));
        }
        let place = |index| format!("name::to_attributes::rules::{index}");
        let rules =
            pattern::compile_all(&to_attributes.rules).map_err(|(index, error)| (place(index), error))?;
        match rules.iter().position(|rule| rule.capture_names().flatten().next().is_none()) {
            Some(index) => {
                Err((place(index), "has no named group: write at least one (?P<name>…)".to_owned()))
            }
            None => Ok(rules),
        }
    }

    fn new_status(&self) -> Result<Option<Status>, (&'static str, String)> {
        let Some(status) = &self.status else { return Ok(None) };
        let code = match status.code.as_str() {
            "Ok" => StatusCode::Ok,
            "Error" => StatusCode::Error,
            "Unset" => StatusCode::Unset,
            other => {
                return Err(("status::code", format!("\"{other}\" is not known: use Ok, Error or Unset")));
            }
        };
        if code != StatusCode::Error && !status.description.is_empty() {
            return Err(("status::description", "can only be set with code Error".to_owned()));
        }
        Ok(Some(Status { message: status.description.clone(), code: code as i32 }))
    }
}

struct SpanProcessor {
    filter: Filter,
    from_attributes: Vec<String>,
    separator: String,
    rules: Vec<Regex>,
    break_after_match: bool,
    keep_name: bool,
    status: Option<Status>,
}

impl Processor for SpanProcessor {
    fn process(&mut self, mut batch: Batch, next: &mut dyn Next) {
        if let Data::Traces(all) = batch.data_mut() {
            all.iter_mut().for_each(|group| self.change_all(group));
        }
        next.send(batch);
    }
}

impl SpanProcessor {
    fn change_all(&self, group: &mut ResourceSpans) {
        let resource = attributes_of(group.resource.as_ref());
        for scoped in &mut group.scope_spans {
            let scope = scoped.scope.as_ref();
            for span in &mut scoped.spans {
                if self.filter.takes(&Subject { resource, scope, item: Item::Span(span) }) {
                    self.change(span);
                }
            }
        }
    }

    fn change(&self, span: &mut Span) {
        if !self.from_attributes.is_empty() {
            self.name_from_attributes(span);
        }
        for rule in &self.rules {
            if self.apply_rule(rule, span) && self.break_after_match {
                break;
            }
        }
        if let Some(status) = &self.status {
            span.status = Some(status.clone());
        }
    }

    fn name_from_attributes(&self, span: &mut Span) {
        let mut name = String::new();
        for (index, key) in self.from_attributes.iter().enumerate() {
            let Some(value) = span.attributes.get(key) else { return };
            if index > 0 {
                name.push_str(&self.separator);
            }
            let Ok(text) = text_of_any(value) else { return };
            name.push_str(&text);
        }
        span.name = name;
    }

    fn apply_rule(&self, rule: &Regex, span: &mut Span) -> bool {
        let Some(captures) = rule.captures(&span.name) else { return false };
        for name in rule.capture_names().flatten() {
            let value = captures.name(name).map_or("", |group| group.as_str());
            span.attributes.set(Str::from(name), value);
        }
        if !self.keep_name {
            span.name = without_groups(rule, &captures, &span.name);
        }
        true
    }
}

/// The text with `{group}` in the place of each named group.
fn without_groups(rule: &Regex, captures: &Captures<'_>, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for (name, group) in rule.capture_names().zip(captures.iter()).skip(1) {
        // A group inside another one is gone with it.
        if let (Some(name), Some(group)) = (name, group.filter(|group| group.start() >= end)) {
            out.push_str(&text[end..group.start()]);
            out.push('{');
            out.push_str(name);
            out.push('}');
            end = group.end();
        }
    }
    out.push_str(&text[end..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::AnyValue;
    use crate::processors::testing::{attributes, build, issues, spans};

    fn change(yaml: &str, name: &str, entries: &[(&'static str, AnyValue)]) -> Span {
        let mut group = spans(&[], &[name]);
        group.scope_spans[0].spans[0].attributes = attributes(entries);
        let mut bench = build::<SpanConfig>(yaml, Signal::Traces);
        let Data::Traces(mut all) = bench.one(Data::Traces(vec![group])) else { panic!("traces") };
        all.remove(0).scope_spans.remove(0).spans.remove(0)
    }

    #[test]
    fn names_are_made_of_attributes_when_all_are_there() {
        let yaml = "{name: {from_attributes: [db.svc, n, ok], separator: '::'}}";
        let entries = [("db.svc", AnyValue::from("loc")), ("n", 7.into()), ("ok", true.into())];
        assert_eq!(change(yaml, "old", &entries).name, "loc::7::true");
        assert_eq!(change(yaml, "old", &entries[..2]).name, "old");
    }

    #[test]
    fn groups_of_the_name_become_attributes() {
        let document = "'^/api/v1/document/(?P<documentId>.*)/update$'";
        for (settings, want_name) in [
            ("", "/api/v1/document/{documentId}/update"),
            (", keep_original_name: true", "/api/v1/document/12/update"),
        ] {
            let yaml = format!("{{name: {{to_attributes: {{rules: [{document}]{settings}}}}}}}");
            let span = change(&yaml, "/api/v1/document/12/update", &[]);
            assert_eq!(span.name, want_name);
            assert_eq!(span.attributes, attributes(&[("documentId", "12".into())]));
            assert_eq!(change(&yaml, "/other", &[]).name, "/other");
        }
        let two = |settings: &str| {
            change(
                &format!("{{name: {{to_attributes: {{rules: ['(?P<a>\\d)x', '(?P<b>\\d)y']{settings}}}}}}}"),
                "1x2y",
                &[],
            )
            .name
        };
        assert_eq!(two(""), "{a}x{b}y");
        assert_eq!(two(", break_after_match: true"), "{a}x2y");
    }

    #[test]
    fn statuses_are_set_on_the_spans_that_match() {
        let yaml =
            "{status: {code: Error, description: bad}, include: {match_type: strict, span_names: [a]}}";
        assert_eq!(change(yaml, "a", &[]).status, Some(Status { code: 2, message: "bad".into() }));
        assert_eq!(change(yaml, "b", &[]).status, None);
    }

    #[test]
    fn bad_settings_are_refused() {
        for (yaml, want) in [
            ("{}", "either \"from_attributes\" or \"to_attributes\""),
            ("{name: {to_attributes: {}}}", "at least one rule"),
            ("{name: {to_attributes: {rules: ['(']}}}", "rules::0: bad regular expression"),
            ("{name: {to_attributes: {rules: ['a(.)']}}}", "no named group"),
            ("{status: {code: Good}}", "\"Good\" is not known"),
            ("{status: {code: Ok, description: x}}", "only be set with code Error"),
        ] {
            let found = issues::<SpanConfig>(yaml);
            assert!(found.contains(want), "{yaml}: {found}");
        }
    }
}
