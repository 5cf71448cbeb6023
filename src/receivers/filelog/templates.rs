//! The receiver's `attributes` and `resource`: texts that are the same for all records, and
//! templates that are filled in for each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::Issues;
use crate::otlp::{Attributes, KeyValue, Str};

use super::entry::Entry;
use super::operators::{Template, templates};

/// The attributes that depend on the record.
#[derive(Debug, Default)]
pub struct Templates {
    attributes: Vec<(Str, Arc<Template>)>,
    resource: Vec<(Str, Arc<Template>)>,
    /// Whether a template that failed was told of already.
    failed: AtomicBool,
}

impl Templates {
    /// Compiles both maps; returns the texts that are the same for all records too.
    pub fn compile(
        attributes: &BTreeMap<String, String>,
        resource: &BTreeMap<String, String>,
        issues: &mut Issues<'_>,
    ) -> Option<(Vec<KeyValue>, Vec<KeyValue>, Self)> {
        let attributes = templates(attributes, "attributes", issues).map(split);
        let resource = templates(resource, "resource", issues).map(split);
        let ((fixed, attributes), (fixed_resource, resource)) = (attributes?, resource?);
        Some((fixed, fixed_resource, Self { attributes, resource, failed: AtomicBool::new(false) }))
    }

    /// Fills the templates in for a record. One that fails leaves its attribute out.
    pub fn apply(&self, entry: &mut Entry) {
        for (key, template) in &self.attributes {
            match template.render(entry) {
                Ok(text) => entry.attributes.set(key.clone(), text),
                Err(error) => self.tell("attributes", key, &error),
            }
        }
        for (key, template) in &self.resource {
            match template.render(entry) {
                Ok(text) => entry.resource_mut().set(key.clone(), text),
                Err(error) => self.tell("resource", key, &error),
            }
        }
    }

    fn tell(&self, section: &str, key: &str, error: &dyn std::fmt::Display) {
        if !self.failed.swap(true, Ordering::Relaxed) {
            log::error!("{section} \"{key}\" is left out of records for which its expression fails: {error}");
        }
    }
}

type Keyed = (Str, Arc<Template>);

/// Parts the literal texts from the templates.
fn split(all: Vec<Keyed>) -> (Vec<KeyValue>, Vec<Keyed>) {
    let (mut fixed, mut templates) = (Vec::new(), Vec::new());
    for (key, template) in all {
        match template.as_literal() {
            Some(text) => fixed.set(key, text),
            None => templates.push((key, template)),
        }
    }
    (fixed, templates)
}
