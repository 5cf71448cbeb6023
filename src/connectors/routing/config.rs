//! The section of the configuration.

use serde::Deserialize;

use crate::processors::transform::ErrorMode;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoutingConfig {
    /// Routes are tried in their order.
    pub table: Vec<RouteConfig>,
    /// Where goes what no route takes.
    pub default_pipelines: Vec<String>,
    pub error_mode: ErrorMode,
    /// When it is off an item goes to every route that matches; gone upstream, still in use.
    pub match_once: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteConfig {
    /// What the condition looks at; that of its paths, or `resource`, when it is left out.
    pub context: String,
    /// `route() where …`; either this or `condition`.
    pub statement: String,
    pub condition: String,
    pub action: Action,
    pub pipelines: Vec<String>,
}

/// What becomes of an item that matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// No further route sees it.
    #[default]
    Move,
    /// It stays for the routes that follow, and for the default pipelines.
    Copy,
}
