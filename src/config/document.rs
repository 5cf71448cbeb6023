//! The whole configuration: sources → one tree → typed configs and pipelines.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::components::{Components, Section};
use super::decode::{Decoder, Issues};
use super::diagnostic::{Diagnostic, Severity};
use super::expand::{Expander, Variables};
use super::graph::{Pipeline, Sections, not_configured, pipelines};
use super::id::ComponentId;
use super::node::{Kind, Node};
use super::registry::Registry;
use super::role::Role;
use super::secrets;
use super::source::{Source, merge};
use super::telemetry::TelemetryConfig;
use crate::component::{ConnectorConfig, ExporterConfig, ExtensionConfig, ProcessorConfig, ReceiverConfig};
use crate::pipeline::Signal;

/// The sources as one tree, merged and expanded, nothing else checked.
#[derive(Debug)]
pub struct Resolved {
    pub root: Node,
    /// Warnings and notes.
    pub found: Vec<Diagnostic>,
    secrets: Vec<String>,
}

/// A valid configuration.
pub struct Loaded {
    pub receivers: Components<dyn ReceiverConfig>,
    pub processors: Components<dyn ProcessorConfig>,
    pub exporters: Components<dyn ExporterConfig>,
    pub connectors: Components<dyn ConnectorConfig, (Signal, Signal)>,
    pub extensions: Components<dyn ExtensionConfig>,
    /// In the order of the file; those that the role leaves without a receiver are not here.
    pub pipelines: Vec<Pipeline>,
    /// `service.extensions`: the extensions to start, in order.
    pub enabled_extensions: Vec<ComponentId>,
    pub telemetry: TelemetryConfig,
    /// What it was made from.
    pub resolved: Resolved,
    /// Warnings and notes, in the order of the file.
    pub found: Vec<Diagnostic>,
}

impl Resolved {
    /// The configuration as YAML, secrets masked: see [`Node::to_yaml`]. Values of secret
    /// variables are masked wherever they turn up.
    pub fn to_yaml(&self) -> String {
        self.mask(&self.root.to_yaml())
    }

    fn mask(&self, text: &str) -> String {
        // Shorter values are parts of other words; where they are used they are masked as a whole.
        const SHORTEST: usize = 4;
        let secrets = self.secrets.iter().filter(|secret| secret.len() >= SHORTEST);
        secrets.fold(text.to_owned(), |text, secret| secrets::mask(&text, secret))
    }

    /// Makes findings presentable: in the order of the file, without secrets.
    fn present(&self, mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
        found.sort_by(|a, b| a.place.cmp(&b.place));
        for diagnostic in &mut found {
            diagnostic.message = self.mask(&diagnostic.message);
            diagnostic.path = self.mask(&diagnostic.path);
        }
        found
    }
}

/// Reads, merges and expands the sources. Fails with all that is wrong, warnings included.
pub fn resolve(sources: &[Source], variables: &dyn Variables) -> Result<Resolved, Vec<Diagnostic>> {
    let mut expander = Expander::new(variables);
    let mut root = Node::default();
    let mut errors = Vec::new();
    if sources.is_empty() {
        errors.push(Diagnostic::error(
            super::Place::default(),
            "",
            "no configuration is given: name one with --config",
        ));
    }
    for source in sources {
        match source.read(&mut expander) {
            Ok(node) => merge(&mut root, node),
            Err(mut found) => errors.append(&mut found),
        }
    }
    if errors.is_empty() {
        expander.expand(&mut root);
    }
    errors.append(&mut expander.found);
    let mut resolved = Resolved { root, found: Vec::new(), secrets: expander.secrets };
    let found = resolved.present(errors);
    if found.iter().any(Diagnostic::is_error) {
        return Err(found);
    }
    resolved.found = found;
    Ok(resolved)
}

/// Loads a configuration: every component's config, used or not, and the pipelines. Fails with all
/// that is wrong, warnings included.
pub fn load(
    sources: &[Source],
    variables: &dyn Variables,
    registry: &Registry<'_>,
    role: Role,
) -> Result<Loaded, Vec<Diagnostic>> {
    let resolved = resolve(sources, variables)?;
    let mut found = resolved.found.clone();
    if resolved.root.map().is_empty() {
        found.push(Diagnostic::error(resolved.root.place().clone(), "", "the configuration is empty"));
        return Err(resolved.present(found));
    }
    let mut loaded = document(resolved, registry, role, &mut found);
    loaded.found = loaded.resolved.present(found);
    if loaded.found.iter().any(Diagnostic::is_error) { Err(loaded.found) } else { Ok(loaded) }
}

/// The top level of the document.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Document {
    receivers: BTreeMap<String, Node>,
    processors: BTreeMap<String, Node>,
    exporters: BTreeMap<String, Node>,
    connectors: BTreeMap<String, Node>,
    extensions: BTreeMap<String, Node>,
    service: ServiceSection,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ServiceSection {
    telemetry: TelemetryConfig,
    extensions: Vec<Node>,
    pipelines: BTreeMap<String, Node>,
}

/// Everything that can be made of the tree; what is wrong goes to `found`.
fn document(resolved: Resolved, registry: &Registry<'_>, role: Role, found: &mut Vec<Diagnostic>) -> Loaded {
    let empty = Node::default();
    let section =
        |name: &str| resolved.root.get(name).filter(|node| node.kind() == Kind::Map).unwrap_or(&empty);
    let receivers = Section::decode("receivers", section("receivers"), registry.receivers, found);
    let processors = Section::decode("processors", section("processors"), registry.processors, found);
    let exporters = Section::decode("exporters", section("exporters"), registry.exporters, found);
    let connectors = Section::decode("connectors", section("connectors"), registry.connectors, found);
    let extensions = Section::decode("extensions", section("extensions"), registry.extensions, found);

    let mut decoder = Decoder::new(&resolved.root);
    let document = decoder.decode::<Document>();
    let mut issues = decoder.issues();
    for (name, section) in [("receiver", section("receivers")), ("exporter", section("exporters"))] {
        if section.map().is_empty() {
            issues.error("", format!("no {name} is configured"));
        }
    }
    let telemetry = document.map(|document| document.service.telemetry).unwrap_or_default();
    telemetry.validate(&mut issues.within("service::telemetry"));
    let service = section("service");
    let enabled_extensions = enabled(service, &extensions, &mut issues);
    found.append(&mut decoder.into_found());

    let sections = Sections {
        receivers: &receivers,
        processors: &processors,
        exporters: &exporters,
        connectors: &connectors,
    };
    let written = service.get("pipelines").unwrap_or(&empty);
    let pipelines = pipelines(written, &sections, role, found);
    if pipelines.is_empty() && !found.iter().any(Diagnostic::is_error) {
        let message = if written.map().is_empty() {
            "must have at least one pipeline"
        } else {
            "no pipeline is left that can run in this role"
        };
        let place = resolved.root.nearest("service").place().clone();
        found.push(Diagnostic::error(place, "service", message));
    }
    Loaded {
        receivers: receivers.components,
        processors: processors.components,
        exporters: exporters.components,
        connectors: connectors.components,
        extensions: extensions.components,
        pipelines,
        enabled_extensions,
        telemetry,
        resolved,
        found: Vec::new(),
    }
}

/// `service.extensions`.
fn enabled(
    service: &Node,
    extensions: &Section<dyn ExtensionConfig>,
    issues: &mut Issues<'_>,
) -> Vec<ComponentId> {
    let mut enabled: Vec<ComponentId> = Vec::new();
    // What is no list was reported with the document.
    let items = service.get("extensions").and_then(|node| Decoder::new(node).decode::<Vec<Node>>());
    for (i, node) in items.iter().flatten().enumerate() {
        let path = format!("service::extensions::{i}");
        let Some(text) = node.as_str() else {
            issues.error(&path, format!("expected the id of an extension, found {}", node.kind()));
            continue;
        };
        match text.parse::<ComponentId>() {
            Err(reason) => issues.error(&path, format!("\"{text}\" is no id: {reason}")),
            Ok(id) if !extensions.declared.contains_key(&id) => {
                issues.error(&path, not_configured("extension", &id, extensions.declared.keys()));
            }
            Ok(id) if enabled.contains(&id) => {
                issues.warn(&path, format!("references extension \"{id}\" multiple times"));
            }
            Ok(id) => enabled.push(id),
        }
    }
    for (id, extension) in extensions.declared.iter().filter(|(id, _)| !enabled.contains(id)) {
        let message = "is not listed in service::extensions and stays unused";
        let path = format!("extensions::{id}");
        issues.found().push(Diagnostic::new(Severity::Warning, extension.place.clone(), path, message));
    }
    enabled
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
