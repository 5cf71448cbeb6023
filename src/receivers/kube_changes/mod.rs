//! Changes of Kubernetes objects as logs, each told once: through lists, versions that the server
//! has forgotten, connections that break, and, with a storage extension, restarts of the agent.
//!
//! A [`Teller`] stands at the end of a watch. What it tells carries an acknowledgement; when the
//! pipelines have taken everything up to a version, its [`Position`] keeps that version. `Known`
//! holds a fingerprint of every object, so that a list tells what is new in it.

mod known;
mod position;
mod teller;

pub use known::{Meta, Novelty};
pub use position::{Bookmarks, Position};
pub use teller::{Convert, Followed, Teller, connect, follow_all};
