//! What every node of the graph is made of, so that a new configuration restarts only what it must.

use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::Xxh3;

use crate::config::{ComponentId, Loaded, Node, Pipeline, PipelineId};
use crate::pipeline::Signal;
use crate::telemetry::{Layout, PipelineLayout, Placed};

/// The nodes of a graph by name, with a digest of all that goes into each: its own configuration,
/// that of the extensions it names, and what it is connected to. Nodes of the same name and digest
/// need no restart.
///
/// Pipelines, connectors and exporters are entered through a door that outlives them, so what sends
/// into a node does not depend on that node's configuration, only on its being there.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub nodes: BTreeMap<String, u64>,
}

pub(super) fn extension(id: &ComponentId) -> String {
    format!("extension:{id}")
}

pub(super) fn exporter(id: &ComponentId, signal: Signal) -> String {
    format!("exporter:{id}/{signal}")
}

pub(super) fn connector(id: &ComponentId) -> String {
    format!("connector:{id}")
}

pub(super) fn pipeline(id: &PipelineId) -> String {
    format!("pipeline:{id}")
}

pub(super) fn receiver(id: &ComponentId) -> String {
    format!("receiver:{id}")
}

pub(super) fn processor(id: &ComponentId, pipeline: &PipelineId) -> String {
    format!("processor:{id} in {pipeline}")
}

/// The configuration as it is drawn.
pub(super) fn layout(config: &Loaded) -> Layout {
    let placed =
        |id: &ComponentId, component: String, tap: String| Placed { id: id.to_string(), component, tap };
    let same = |id: &ComponentId, component: String| placed(id, component.clone(), component);
    let of_pipeline = |pipeline: &Pipeline| {
        let signal = pipeline.id.signal;
        let receivers = pipeline.receivers.iter().map(|id| match config.connectors.contains_key(id) {
            true => same(id, connector(id)),
            false => placed(id, receiver(id), format!("{}/{signal}", receiver(id))),
        });
        let exporters = pipeline.exporters.iter().map(|id| match config.connectors.contains_key(id) {
            true => same(id, connector(id)),
            false => same(id, exporter(id, signal)),
        });
        PipelineLayout {
            id: pipeline.id.to_string(),
            signal: signal.name(),
            items: signal.items(),
            receivers: receivers.collect(),
            processors: pipeline.processors.iter().map(|id| same(id, processor(id, &pipeline.id))).collect(),
            exporters: exporters.collect(),
        }
    };
    Layout {
        pipelines: config.pipelines.iter().map(of_pipeline).collect(),
        configuration: config.resolved.to_yaml(),
    }
}

/// The pipelines that receive from a receiver or connector.
pub(super) fn fed_by<'a>(config: &'a Loaded, id: &ComponentId) -> Vec<&'a Pipeline> {
    config.pipelines.iter().filter(|pipeline| pipeline.receivers.contains(id)).collect()
}

impl Plan {
    pub(super) fn of(config: &Loaded) -> Self {
        let parts = Parts::of(config);
        let mut nodes = BTreeMap::new();
        for id in &config.enabled_extensions {
            nodes.insert(extension(id), digest(&[parts.of_component("extensions", id)]));
        }
        for pipeline in &config.pipelines {
            for id in pipeline.exporters.iter().filter(|id| config.exporters.contains_key(id)) {
                let digest = digest(&[parts.of_component("exporters", id)]);
                nodes.insert(exporter(id, pipeline.id.signal), digest);
            }
            nodes.insert(self::pipeline(&pipeline.id), digest(&parts.of_pipeline(pipeline)));
        }
        let sources = [
            (
                "connectors",
                connector as fn(&ComponentId) -> String,
                config.connectors.keys().collect::<Vec<_>>(),
            ),
            ("receivers", receiver, config.receivers.keys().collect()),
        ];
        for (section, name, ids) in sources {
            for id in ids {
                let fed = fed_by(config, id);
                if !fed.is_empty() {
                    let mut made_of = vec![parts.of_component(section, id)];
                    made_of.extend(fed.iter().map(|pipeline| text(&pipeline.id.to_string())));
                    nodes.insert(name(id), digest(&made_of));
                }
            }
        }
        Self { nodes }
    }

    /// Whether the node of that name is the same in both.
    pub(super) fn agrees(&self, other: &Self, name: &str) -> bool {
        self.nodes.get(name) == other.nodes.get(name)
    }
}

/// The sections of the configuration, by component.
struct Parts<'a> {
    sections: BTreeMap<(&'static str, ComponentId), &'a Node>,
    /// The enabled extensions as others name them.
    extensions: BTreeMap<String, ComponentId>,
}

impl<'a> Parts<'a> {
    fn of(config: &'a Loaded) -> Self {
        let mut sections = BTreeMap::new();
        for section in ["receivers", "processors", "exporters", "connectors", "extensions"] {
            let entries = config.resolved.root.get(section).into_iter().flat_map(Node::entries);
            for (key, node) in entries {
                if let Ok(id) = key.parse() {
                    sections.insert((section, id), node);
                }
            }
        }
        let extensions = config.enabled_extensions.iter().map(|id| (id.to_string(), id.clone())).collect();
        Self { sections, extensions }
    }

    fn of_component(&self, section: &'static str, id: &ComponentId) -> u64 {
        let Some(node) = self.sections.get(&(section, id.clone())) else { return 0 };
        let mut made_of = vec![text(&id.to_string()), node.digest()];
        let mut named = BTreeSet::new();
        node.scalars(&mut |scalar| named.extend(self.extensions.get(scalar)));
        for extension in named {
            made_of.extend(self.sections.get(&("extensions", extension.clone())).map(|node| node.digest()));
        }
        digest(&made_of)
    }

    fn of_pipeline(&self, pipeline: &Pipeline) -> Vec<u64> {
        let processors = pipeline.processors.iter().map(|id| self.of_component("processors", id));
        let ends = pipeline.exporters.iter().map(|id| text(&id.to_string()));
        processors.chain([pipeline.processors.len() as u64]).chain(ends).collect()
    }
}

fn text(text: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}

fn digest(parts: &[u64]) -> u64 {
    let mut hasher = Xxh3::new();
    for part in parts {
        hasher.update(&part.to_le_bytes());
    }
    hasher.digest()
}
