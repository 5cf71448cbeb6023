//! XML documents for the XML converters: a small tree, and the part of XPath that selects in it.

mod document;
mod xpath;

pub use document::{Document, Kind, NodeId};
pub use xpath::{Selected, XPath};
