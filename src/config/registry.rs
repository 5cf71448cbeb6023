//! The component types that a configuration can name.

use crate::component::{
    ComponentType, ConnectorType, ExporterType, ExtensionType, ProcessorType, ReceiverType,
};
use crate::{connectors, exporters, extensions, processors, receivers};

/// The tables of component types, one for each section of the document.
#[derive(Clone, Copy)]
pub struct Registry<'a> {
    pub receivers: &'a [&'static ReceiverType],
    pub processors: &'a [&'static ProcessorType],
    pub exporters: &'a [&'static ExporterType],
    pub connectors: &'a [&'static ConnectorType],
    pub extensions: &'a [&'static ExtensionType],
}

impl Registry<'static> {
    /// All types of this build.
    pub fn standard() -> Self {
        Self {
            receivers: receivers::TYPES,
            processors: processors::TYPES,
            exporters: exporters::TYPES,
            connectors: connectors::TYPES,
            extensions: extensions::TYPES,
        }
    }
}

impl<C: ?Sized, S> ComponentType<C, S> {
    /// Whether `name` is its name or one of its aliases.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }
}
