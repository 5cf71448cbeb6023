//! Checking `include` and `exclude`, and compiling their texts.

use super::{AttributeProperty, Filter, Matcher, Properties, Text, Texts, Wanted};
use crate::otlp::{AnyValue, Str};
use crate::pipeline::Signal;
use crate::processors::literal::Literal;
use crate::processors::pattern;

impl Filter {
    /// The message of an error is a fragment that begins with the key it is about.
    pub fn new(
        include: Option<&Properties>,
        exclude: Option<&Properties>,
        signal: Signal,
    ) -> Result<Self, String> {
        let compile = |name: &str, properties: Option<&Properties>| {
            properties
                .map(|properties| properties.compile(signal).map_err(|error| format!("{name}: {error}")))
                .transpose()
        };
        Ok(Self { include: compile("include", include)?, exclude: compile("exclude", exclude)? })
    }
}

impl Properties {
    fn compile(&self, signal: Signal) -> Result<Matcher, String> {
        self.check_signal(signal)?;
        let regexp = match self.match_type.as_str() {
            "strict" => false,
            "regexp" => true,
            "" => return Err("\"match_type\" is required: strict or regexp".to_owned()),
            other => return Err(format!("match_type \"{other}\" is not known: use strict or regexp")),
        };
        let text = |key: &str, text: &String| match regexp {
            true => pattern::compile(text).map(Text::Pattern).map_err(|error| format!("{key}: {error}")),
            false => Ok(Text::Exact(text.clone())),
        };
        let texts = |key: &str, list: &[String]| {
            Ok::<_, String>(Texts(list.iter().map(|entry| text(key, entry)).collect::<Result<_, _>>()?))
        };
        let attributes = |key: &str, list: &[AttributeProperty]| {
            list.iter()
                .map(|property| property.compile(regexp).map_err(|error| format!("{key}: {error}")))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Matcher {
            services: texts("services", &self.services)?,
            span_names: texts("span_names", &self.span_names)?,
            span_kinds: texts("span_kinds", &self.span_kinds)?,
            log_bodies: texts("log_bodies", &self.log_bodies)?,
            log_severity_texts: texts("log_severity_texts", &self.log_severity_texts)?,
            log_severity_number: self.log_severity_number,
            metric_names: texts("metric_names", &self.metric_names)?,
            attributes: attributes("attributes", &self.attributes)?,
            resources: attributes("resources", &self.resources)?,
            libraries: self
                .libraries
                .iter()
                .map(|library| {
                    let version = library.version.as_ref().map(|version| text("libraries", version));
                    Ok::<_, String>((text("libraries", &library.name)?, version.transpose()?))
                })
                .collect::<Result<_, _>>()?,
        })
    }

    /// A property that the signal does not have would match nothing, or everything, in silence.
    fn check_signal(&self, signal: Signal) -> Result<(), String> {
        use Signal::{Logs, Metrics, Traces};
        let given: Vec<(&str, &[Signal])> = [
            ("services", !self.services.is_empty(), &[Traces][..]),
            ("span_names", !self.span_names.is_empty(), &[Traces]),
            ("span_kinds", !self.span_kinds.is_empty(), &[Traces]),
            ("log_bodies", !self.log_bodies.is_empty(), &[Logs]),
            ("log_severity_texts", !self.log_severity_texts.is_empty(), &[Logs]),
            ("log_severity_number", self.log_severity_number.is_some(), &[Logs]),
            ("metric_names", !self.metric_names.is_empty(), &[Metrics]),
            ("attributes", !self.attributes.is_empty(), &[Logs, Traces]),
            ("resources", !self.resources.is_empty(), &Signal::ALL),
            ("libraries", !self.libraries.is_empty(), &[Logs, Traces]),
        ]
        .into_iter()
        .filter_map(|(name, given, signals)| given.then_some((name, signals)))
        .collect();
        if given.is_empty() {
            return Err(match signal {
                Logs => {
                    "at least one of \"log_bodies\", \"log_severity_texts\", \"log_severity_number\", \
                     \"attributes\", \"libraries\" or \"resources\" is required"
                }
                Metrics => "at least one of \"metric_names\" or \"resources\" is required",
                Traces => {
                    "at least one of \"services\", \"span_names\", \"span_kinds\", \"attributes\", \
                     \"libraries\" or \"resources\" is required"
                }
            }
            .to_owned());
        }
        match given.iter().find(|(_, signals)| !signals.contains(&signal)) {
            Some((name, _)) => Err(format!("\"{name}\" cannot be used in a pipeline of {signal}")),
            None => Ok(()),
        }
    }
}

impl AttributeProperty {
    fn compile(&self, regexp: bool) -> Result<(Str, Wanted), String> {
        if self.key.is_empty() {
            return Err("\"key\" must not be empty".to_owned());
        }
        let wanted = match &self.value {
            Literal::Absent | Literal::Null => Wanted::Present,
            Literal::Value(AnyValue::String(text)) if regexp => Wanted::Pattern(pattern::compile(text)?),
            Literal::Value(_) if regexp => {
                return Err(format!(
                    "the value of \"{}\" must be text with match_type regexp: write it in quotes",
                    self.key
                ));
            }
            Literal::Value(value) => Wanted::Equal(value.clone()),
        };
        Ok((self.key.as_str().into(), wanted))
    }
}
