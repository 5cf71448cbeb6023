//! The table, compiled.

use std::str::FromStr;

use super::config::{Action, RouteConfig, RoutingConfig};
use crate::config::PipelineId;
use crate::ottl::{Choice, ContextKind, infer};
use crate::pipeline::Signal;

/// Where telemetry can go, and by which conditions.
#[derive(Debug)]
pub struct Table {
    routes: Vec<Route>,
    /// The lists of pipelines that routes send to; routes with the same list share one. The last is
    /// the default.
    targets: Vec<Vec<(Signal, String)>>,
    pub match_once: bool,
}

#[derive(Debug)]
pub struct Route {
    pub context: ContextKind,
    pub choice: Choice,
    pub action: Action,
    /// Its place in the list of targets.
    pub target: usize,
}

/// Mistakes: where and what.
type Faults = Vec<(String, String)>;

/// The editors that a statement may use beside `route()`.
const EDITORS: &[&str] = &["delete_key", "delete_matching_keys"];

/// The contexts that a route can name.
const CONTEXTS: [ContextKind; 5] =
    [ContextKind::Resource, ContextKind::Log, ContextKind::Metric, ContextKind::DataPoint, ContextKind::Span];

impl Table {
    pub fn compile(config: &RoutingConfig) -> Result<Self, Faults> {
        let mut faults = Faults::new();
        if config.table.is_empty() {
            faults.push(("table".to_owned(), "invalid routing table: the routing table is empty".to_owned()));
        }
        let mut targets: Vec<Vec<(Signal, String)>> = Vec::new();
        let mut routes: Vec<Route> = Vec::new();
        for (i, route) in config.table.iter().enumerate() {
            let path = format!("table::{i}");
            let list = pipelines(&route.pipelines, &format!("{path}::pipelines"), &mut faults);
            if route.pipelines.is_empty() {
                faults.push((path.clone(), "invalid route: no pipelines defined".to_owned()));
            }
            match compile(route) {
                Err((key, message)) => faults.push((format!("{path}{key}"), message)),
                Ok((context, choice)) => {
                    let target = targets.iter().position(|known| *known == list).unwrap_or_else(|| {
                        targets.push(list);
                        targets.len() - 1
                    });
                    routes.push(Route { context, choice, action: route.action, target });
                }
            }
        }
        targets.push(pipelines(&config.default_pipelines, "default_pipelines", &mut faults));
        let match_once = config.match_once.unwrap_or(true);
        if faults.is_empty() { Ok(Self { routes, targets, match_once }) } else { Err(faults) }
    }

    /// The routes for telemetry of `signal`: those whose condition can look at it and that have a
    /// pipeline for it.
    pub fn routes(&self, signal: Signal) -> impl Iterator<Item = &Route> {
        self.routes.iter().filter(move |route| {
            ContextKind::of_signal(signal).contains(&route.context)
                && self.targets[route.target].iter().any(|(of, _)| *of == signal)
        })
    }

    pub fn targets(&self) -> usize {
        self.targets.len()
    }

    pub fn default_target(&self) -> usize {
        self.targets.len() - 1
    }

    /// The pipelines of a target that take `signal`.
    pub fn pipelines(&self, target: usize, signal: Signal) -> Vec<&str> {
        let of_signal = self.targets[target].iter().filter(|(of, _)| *of == signal);
        of_signal.map(|(_, pipeline)| pipeline.as_str()).collect()
    }
}

fn pipelines(names: &[String], path: &str, faults: &mut Faults) -> Vec<(Signal, String)> {
    let mut list = Vec::new();
    for (i, name) in names.iter().enumerate() {
        match PipelineId::from_str(name) {
            Ok(id) => list.push((id.signal, id.to_string())),
            Err(error) => faults.push((format!("{path}::{i}"), error.to_string())),
        }
    }
    list
}

fn compile(route: &RouteConfig) -> Result<(ContextKind, Choice), (&'static str, String)> {
    match (route.statement.is_empty(), route.condition.is_empty()) {
        (true, true) => {
            return Err(("", "invalid route: no condition or statement provided".to_owned()));
        }
        (false, false) => {
            return Err(("", "invalid route: both condition and statement provided, remove one".to_owned()));
        }
        _ => {}
    }
    let context = context(route).map_err(|message| ("::context", message))?;
    let (key, choice) = if route.condition.is_empty() {
        ("::statement", Choice::of_statement(&route.statement, context, EDITORS))
    } else {
        ("::condition", Choice::of_condition(&route.condition, context))
    };
    choice.map(|choice| (context, choice)).map_err(|error| (key, error.to_string()))
}

fn context(route: &RouteConfig) -> Result<ContextKind, String> {
    match route.context.as_str() {
        "" => Ok(inferred(route).unwrap_or(ContextKind::Resource)),
        "request" => Err(
            "\"request\" is not offered: headers of requests are not kept, route by an attribute of the resource"
                .to_owned(),
        ),
        name => CONTEXTS.into_iter().find(|context| context.name() == name).ok_or_else(|| {
            let names: Vec<&str> = CONTEXTS.iter().map(|context| context.name()).collect();
            format!("invalid context \"{name}\": use one of {}", names.join(", "))
        }),
    }
}

/// The context that the paths of a condition name.
fn inferred(route: &RouteConfig) -> Option<ContextKind> {
    let text = match route.statement.split_once(" where ") {
        _ if !route.condition.is_empty() => &route.condition,
        Some((_, condition)) => condition,
        None => return None,
    };
    let conditions = [text.to_owned()];
    Signal::ALL
        .into_iter()
        .find_map(|signal| infer(signal, &[], &conditions).ok())
        .filter(|context| CONTEXTS.contains(context))
}
