//! The `router` operator: the first expression that is true decides where an entry goes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::config::Issues;
use crate::expr::{Program, Template};
use crate::otlp::{Attributes, Str};

use super::super::entry::Entry;
use super::expression::{condition, templates};
use super::plan::OneOrMany;
use super::{Decoded, Emitter, Operator, OperatorType, Problem, Section, Verdict, operator_config};

pub static TYPE: OperatorType = OperatorType { name: "router", decode };

operator_config! {
    /// Keys of the `router` operator.
    pub struct Config {
        routes: Vec<RouteConfig> = Vec::new(),
        /// Where entries go that no route takes; without it they are dropped.
        default: Option<OneOrMany> = None,
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteConfig {
    expr: String,
    output: OneOrMany,
    /// Attributes that entries of this route get; values may hold `EXPR(…)`.
    attributes: BTreeMap<String, String>,
}

struct Route {
    program: Arc<Program>,
    attributes: Vec<(Str, Arc<Template>)>,
}

struct Router {
    routes: Arc<[Route]>,
    has_default: bool,
    /// Routes whose expression failed already.
    failed: Vec<bool>,
}

impl Operator for Router {
    fn process(&mut self, entry: &mut Entry, _: &mut Emitter<'_>) -> Result<Verdict, Problem> {
        for (at, route) in self.routes.iter().enumerate() {
            match route.program.test(entry) {
                Ok(true) => {
                    for (key, template) in &route.attributes {
                        let text = template.render(entry).map_err(|error| error.to_string())?;
                        entry.attributes.set(key.clone(), text);
                    }
                    return Ok(Verdict::Route(at));
                }
                Ok(false) => {}
                Err(error) => {
                    if !std::mem::replace(&mut self.failed[at], true) {
                        log::warn!(
                            "route \"{}\" takes no entry that it fails for: {error}",
                            route.program.source()
                        );
                    }
                }
            }
        }
        Ok(if self.has_default { Verdict::Route(self.routes.len()) } else { Verdict::Drop })
    }
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    if config.routes.is_empty() && config.default.is_none() {
        issues.error(section.path, "missing required parameter \"routes\"");
        return None;
    }
    let mut routes = Vec::new();
    let mut outputs = Vec::new();
    let mut sound = true;
    for (place, route) in config.routes.into_iter().enumerate() {
        let path = format!("{}::routes::{place}", section.path);
        if route.output.0.is_empty() {
            issues.error(&path, "missing required parameter \"output\": name an operator id");
            sound = false;
        }
        let program = condition(&route.expr, &format!("{path}::expr"), issues);
        let attributes = templates(&route.attributes, &format!("{path}::attributes"), issues);
        match (program, attributes) {
            (Some(program), Some(attributes)) => routes.push(Route { program, attributes }),
            _ => sound = false,
        }
        outputs.push(route.output.0);
    }
    let has_default = config.default.is_some();
    outputs.extend(config.default.map(|default| default.0));
    if !sound {
        return None;
    }
    let routes: Arc<[Route]> = routes.into();
    let mut decoded = Decoded::new(move || {
        let failed = vec![false; routes.len()];
        Box::new(Router { routes: Arc::clone(&routes), has_default, failed })
    });
    decoded.routes = outputs;
    Some(decoded)
}
