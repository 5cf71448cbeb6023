//! `service::pipelines`: which components take part, and whether they fit together.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::components::{Declared, Section};
use super::decode::{Decoder, Issues};
use super::diagnostic::{Diagnostic, Place, Severity};
use super::id::{ComponentId, PipelineId};
use super::node::{Entry, Node};
use super::role::Role;
use super::suggest;
use crate::component::{
    ComponentType, ConnectorConfig, ExporterConfig, ProcessorConfig, ReceiverConfig, ReceiverType,
};
use crate::pipeline::Signal;

/// A pipeline whose components are all configured. Receivers and exporters may be connectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    pub id: PipelineId,
    pub receivers: Vec<ComponentId>,
    /// In the order in which they run.
    pub processors: Vec<ComponentId>,
    pub exporters: Vec<ComponentId>,
}

/// The sections that pipelines refer to.
pub(super) struct Sections<'a> {
    pub receivers: &'a Section<dyn ReceiverConfig>,
    pub processors: &'a Section<dyn ProcessorConfig>,
    pub exporters: &'a Section<dyn ExporterConfig>,
    pub connectors: &'a Section<dyn ConnectorConfig, (Signal, Signal)>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PipelineSection {
    receivers: Vec<Node>,
    processors: Vec<Node>,
    exporters: Vec<Node>,
}

/// A use of a connector by a pipeline.
struct Use<'a> {
    pipeline: &'a PipelineId,
    connector: &'a ComponentId,
}

const PATH: &str = "service::pipelines";

/// Reads and checks all pipelines; all that is wrong goes to `found`.
pub(super) fn pipelines(
    node: &Node,
    sections: &Sections<'_>,
    role: Role,
    found: &mut Vec<Diagnostic>,
) -> Vec<Pipeline> {
    let mut places = BTreeMap::new();
    let mut pipelines: Vec<Pipeline> = Vec::new();
    for entry in node.map() {
        let id: PipelineId = match entry.key.parse() {
            Ok(id) => id,
            Err(reason) => {
                found.push(Diagnostic::error(entry.key_place.clone(), PATH, reason.to_string()));
                continue;
            }
        };
        if let Some(first) = places.get(&id) {
            let message = format!("duplicate name \"{id}\", first set at {first}");
            found.push(Diagnostic::error(entry.key_place.clone(), PATH, message));
            continue;
        }
        places.insert(id.clone(), entry.key_place.clone());
        pipelines.extend(pipeline(id, entry, sections, found));
    }
    connectors(&pipelines, sections, &places, found);
    unused(&pipelines, sections, found);
    for_role(pipelines, sections, role, &places, found)
}

fn pipeline(
    id: PipelineId,
    entry: &Entry,
    sections: &Sections<'_>,
    found: &mut Vec<Diagnostic>,
) -> Option<Pipeline> {
    let mut decoder = Decoder::at(&entry.value, format!("{PATH}::{id}"));
    let section = decoder.decode::<PipelineSection>();
    let mut issues = decoder.issues();
    let pipeline = section.map(|section| {
        let signal = id.signal;
        let takes = |signals: &[Signal]| signals.contains(&signal);
        let connectors = &sections.connectors.declared;
        let receivers = supporting(&sections.receivers.declared, takes)
            .chain(supporting(connectors, |pairs| pairs.iter().any(|(_, gives)| *gives == signal)))
            .collect();
        let processors = supporting(&sections.processors.declared, takes).collect();
        let exporters = supporting(&sections.exporters.declared, takes)
            .chain(supporting(connectors, |pairs| pairs.iter().any(|(takes, _)| *takes == signal)))
            .collect();
        Pipeline {
            receivers: members("receiver", &section.receivers, &receivers, signal, &mut issues),
            processors: members("processor", &section.processors, &processors, signal, &mut issues),
            exporters: members("exporter", &section.exporters, &exporters, signal, &mut issues),
            id,
        }
    });
    found.append(&mut decoder.into_found());
    pipeline
}

/// The ids that a pipeline can refer to, and whether each supports its signal.
type Known<'a> = BTreeMap<&'a ComponentId, bool>;

/// A component of unknown type is taken to support everything.
fn supporting<'a, C: ?Sized, S>(
    declared: &'a BTreeMap<ComponentId, Declared<&'static ComponentType<C, S>>>,
    fits: impl Fn(&[S]) -> bool,
) -> impl Iterator<Item = (&'a ComponentId, bool)> {
    declared.iter().map(move |(id, component)| (id, component.kind.is_none_or(|kind| fits(kind.signals))))
}

/// The components in one list of a pipeline.
fn members(
    what: &str,
    nodes: &[Node],
    known: &Known<'_>,
    signal: Signal,
    issues: &mut Issues<'_>,
) -> Vec<ComponentId> {
    if nodes.is_empty() && what != "processor" {
        issues.error("", format!("must have at least one {what}"));
    }
    let mut members = Vec::new();
    for (i, node) in nodes.iter().enumerate() {
        let path = format!("{what}s::{i}");
        let Some(text) = node.as_str() else {
            issues.error(&path, format!("expected the id of a {what}, found {}", node.kind()));
            continue;
        };
        let id = match text.parse::<ComponentId>() {
            Ok(id) => id,
            Err(reason) => {
                issues.error(&path, format!("\"{text}\" is no id: {reason}"));
                continue;
            }
        };
        match known.get(&id) {
            None => issues.error(&path, not_configured(what, &id, known.keys().copied())),
            Some(false) => issues.error(&path, format!("{what} \"{id}\" does not support {signal}")),
            Some(true) if !members.contains(&id) => members.push(id),
            Some(true) => {
                let message = format!("references {what} \"{id}\" multiple times");
                if what == "processor" {
                    issues.error(&path, message);
                } else {
                    issues.warn(&path, message);
                }
            }
        }
    }
    members
}

pub(super) fn not_configured<'a>(
    what: &str,
    id: &ComponentId,
    known: impl Iterator<Item = &'a ComponentId>,
) -> String {
    let known: Vec<String> = known.map(ToString::to_string).collect();
    let hint = suggest::hint(&id.to_string(), known.iter().map(String::as_str));
    format!("references {what} \"{id}\" which is not configured{hint}")
}

/// Connectors join pipelines: both ends are used, by signals it can join, without a circle.
fn connectors(
    pipelines: &[Pipeline],
    sections: &Sections<'_>,
    places: &BTreeMap<PipelineId, Place>,
    found: &mut Vec<Diagnostic>,
) {
    let declared = &sections.connectors.declared;
    for (id, connector) in declared {
        for (section, other) in [
            ("exporters", sections.exporters.declared.contains_key(id)),
            ("receivers", sections.receivers.declared.contains_key(id)),
        ] {
            if other {
                let message = format!("ambiguous id: \"{id}\" is also in {section}");
                found.push(Diagnostic::error(connector.place.clone(), format!("connectors::{id}"), message));
            }
        }
    }
    let is_connector = |id: &&ComponentId| declared.contains_key(*id);
    let uses = |ends: fn(&Pipeline) -> &Vec<ComponentId>| -> Vec<Use<'_>> {
        pipelines
            .iter()
            .flat_map(|pipeline| {
                let ids = ends(pipeline).iter().filter(is_connector);
                ids.map(|connector| Use { pipeline: &pipeline.id, connector })
            })
            .collect()
    };
    let (from, to) = (uses(|pipeline| &pipeline.exporters), uses(|pipeline| &pipeline.receivers));
    let joins = |from: &Use<'_>, to: &Use<'_>| {
        let pair = (from.pipeline.signal, to.pipeline.signal);
        let kind = declared.get(from.connector).and_then(|connector| connector.kind);
        from.connector == to.connector && kind.is_none_or(|kind| kind.signals.contains(&pair))
    };
    for (id, connector) in declared {
        let loose = |ends: &[Use<'_>], is_joined: &dyn Fn(&Use<'_>) -> bool| {
            let loose = ends.iter().filter(|end| end.connector == id && !is_joined(end));
            loose.map(|end| end.pipeline.to_string()).collect::<Vec<_>>()
        };
        let no_receiver = loose(&from, &|end| to.iter().any(|other| joins(end, other)));
        let no_exporter = loose(&to, &|end| from.iter().any(|other| joins(other, end)));
        for (one, other, ends) in
            [("exporter", "receiver", no_receiver), ("receiver", "exporter", no_exporter)]
        {
            if !ends.is_empty() {
                let message = format!(
                    "connector \"{id}\" used as {one} in [{}] pipeline but not used in any supported {other} pipeline",
                    ends.join(", ")
                );
                found.push(Diagnostic::error(connector.place.clone(), format!("connectors::{id}"), message));
            }
        }
    }
    named(&to, sections, found);
    let mut next: BTreeMap<&PipelineId, Vec<&Use<'_>>> = BTreeMap::new();
    for end in &from {
        next.entry(end.pipeline).or_default().extend(to.iter().filter(|other| joins(end, other)));
    }
    if let Some(cycle) = cycle(&next) {
        let place = cycle.first().and_then(|first| places.get(first)).cloned().unwrap_or_default();
        let names: Vec<String> = cycle.iter().map(|id| format!("\"{id}\"")).collect();
        let message = format!("cycle detected: pipelines {} feed each other", names.join(" -> "));
        found.push(Diagnostic::error(place, PATH, message));
    }
}

/// Pipelines that a connector sends to by name take from it. One that no pipeline uses is not asked.
fn named(to: &[Use<'_>], sections: &Sections<'_>, found: &mut Vec<Diagnostic>) {
    for (id, component) in &sections.connectors.components {
        let fed: Vec<String> =
            to.iter().filter(|end| end.connector == id).map(|end| end.pipeline.to_string()).collect();
        if fed.is_empty() {
            continue;
        }
        let Some(declared) = sections.connectors.declared.get(id) else { continue };
        let unknown: BTreeSet<&str> =
            component.config.pipelines().into_iter().filter(|name| !is_one_of(name, &fed)).collect();
        for name in unknown {
            let message = format!(
                "sends to pipeline \"{name}\", which does not name \"{id}\" among its receivers{}",
                suggest::hint(name, fed.iter().map(String::as_str))
            );
            found.push(Diagnostic::error(declared.place.clone(), format!("connectors::{id}"), message));
        }
    }
}

/// Ids that cannot be read are reported by their component.
fn is_one_of(name: &str, ids: &[String]) -> bool {
    name.parse::<PipelineId>().map_or(true, |id| ids.contains(&id.to_string()))
}

/// Pipelines that feed each other in a circle, the first one once more at the end.
fn cycle<'a>(next: &BTreeMap<&'a PipelineId, Vec<&Use<'a>>>) -> Option<Vec<&'a PipelineId>> {
    let mut done: BTreeSet<&PipelineId> = BTreeSet::new();
    for &start in next.keys() {
        // The way from the start, each step with the number of its successors already tried.
        let mut way: Vec<(&'a PipelineId, usize)> = vec![(start, 0)];
        while let Some((here, tried)) = way.last_mut() {
            let here = *here;
            let successor = next.get(here).and_then(|ends| ends.get(*tried)).map(|end| end.pipeline);
            *tried += 1;
            match successor {
                None => {
                    done.insert(here);
                    way.pop();
                }
                Some(id) if done.contains(id) => {}
                Some(id) => {
                    if let Some(first) = way.iter().position(|(known, _)| *known == id) {
                        let circle = way.iter().skip(first).map(|(id, _)| *id).chain([id]);
                        return Some(circle.collect());
                    }
                    way.push((id, 0));
                }
            }
        }
    }
    None
}

/// One warning for each component that no pipeline uses.
fn unused(pipelines: &[Pipeline], sections: &Sections<'_>, found: &mut Vec<Diagnostic>) {
    let all = |ids: fn(&Pipeline) -> &Vec<ComponentId>| -> BTreeSet<&ComponentId> {
        pipelines.iter().flat_map(ids).collect()
    };
    let (receivers, processors, exporters) = (
        all(|pipeline| &pipeline.receivers),
        all(|pipeline| &pipeline.processors),
        all(|pipeline| &pipeline.exporters),
    );
    let mut check = |section: &str, id: &ComponentId, place: &Place, is_used: bool| {
        if !is_used {
            let message = "is in no pipeline and stays unused";
            found.push(Diagnostic::new(
                Severity::Warning,
                place.clone(),
                format!("{section}::{id}"),
                message,
            ));
        }
    };
    for (id, component) in &sections.receivers.declared {
        check("receivers", id, &component.place, receivers.contains(id));
    }
    for (id, component) in &sections.processors.declared {
        check("processors", id, &component.place, processors.contains(id));
    }
    for (id, component) in &sections.exporters.declared {
        check("exporters", id, &component.place, exporters.contains(id));
    }
    for (id, component) in &sections.connectors.declared {
        check("connectors", id, &component.place, receivers.contains(id) || exporters.contains(id));
    }
}

/// Leaves out the receivers that make no sense in the role, then the pipelines that nothing feeds
/// any more.
fn for_role(
    mut pipelines: Vec<Pipeline>,
    sections: &Sections<'_>,
    role: Role,
    places: &BTreeMap<PipelineId, Place>,
    found: &mut Vec<Diagnostic>,
) -> Vec<Pipeline> {
    let mut gone: BTreeSet<ComponentId> = BTreeSet::new();
    for (id, receiver) in &sections.receivers.declared {
        let is_left_out = |kind: &ReceiverType| role.leaves_out().iter().any(|name| kind.is_called(name));
        let is_used = pipelines.iter().any(|pipeline| pipeline.receivers.contains(id));
        if is_used && receiver.kind.is_some_and(is_left_out) {
            let message = format!("does not run in the {role} role and is left out of the pipelines");
            let path = format!("receivers::{id}");
            found.push(Diagnostic::new(Severity::Warning, receiver.place.clone(), path, message));
            gone.insert(id.clone());
        }
    }
    while !gone.is_empty() {
        for pipeline in &mut pipelines {
            pipeline.receivers.retain(|id| !gone.contains(id));
        }
        gone.clear();
        let (left, empty): (Vec<_>, Vec<_>) =
            pipelines.into_iter().partition(|pipeline| !pipeline.receivers.is_empty());
        pipelines = left;
        for Pipeline { id, exporters, .. } in empty {
            let place = places.get(&id).cloned().unwrap_or_default();
            let message = "has no receiver left and does not run";
            found.push(Diagnostic::new(Severity::Warning, place, format!("{PATH}::{id}"), message));
            gone.extend(exporters.into_iter().filter(|id| {
                sections.connectors.declared.contains_key(id)
                    && !pipelines.iter().any(|pipeline| pipeline.exporters.contains(id))
            }));
        }
    }
    pipelines
}
