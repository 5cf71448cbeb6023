//! The Kubernetes API: a small client on blocking HTTP, and stores that follow the cluster.
//!
//! From below: [`Access`] says where the API server is and who we are, a [`Client`] makes
//! [`Connection`]s to it, [`list_watch`] follows one resource over a connection, a [`Store`] keeps
//! the few fields that are used of every object, and an [`Informer`] is a store with the thread
//! that feeds it, shared by all components that want the same objects.

mod access;
mod backoff;
mod client;
mod credentials;
mod discovery;
mod election;
mod error;
pub mod image;
mod informer;
mod json;
mod keys;
mod kubeconfig;
pub mod list_watch;
mod namespaces;
pub mod objects;
pub mod quantity;
mod query;
mod store;
mod text;

pub use access::{Access, ApiConfig, AuthType};
pub use backoff::{Backoff, Pace, RealPace};
pub use client::{Client, Connection, Response, Timeouts};
pub use credentials::Credentials;
pub use discovery::{Discovery, Found, Wanted};
pub use election::{WhileLeading, while_leading};
pub use error::KubeError;
pub use informer::Informer;
pub use json::{ListMeta, Pieces, read_list};
pub use keys::{Kept, Keys, kept_value};
pub use namespaces::Namespaces;
pub use query::{Query, Resource};
pub use store::{Handler, Object, Parsed, Store, SyncState};
pub use text::{Interned, Pairs, Pool, Text, nullable};
