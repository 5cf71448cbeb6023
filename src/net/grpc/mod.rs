//! gRPC over HTTP/2 without an async runtime: unary calls, served and made, with `h2` driven by
//! [loops](super::event_loop) or by the calling thread.

pub mod client;
mod keepalive;
pub mod message;
pub mod server;
pub mod status;

pub use status::{Code, Status};
