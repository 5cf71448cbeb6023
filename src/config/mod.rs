//! From the collector's YAML to typed configs; every error names its place in the file.

mod decode;
mod id;
mod node;
pub mod types;

pub use decode::{Decoder, Issues, from_yaml};
pub use id::{ComponentId, IdError};
pub use node::Node;
