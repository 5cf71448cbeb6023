//! What components that talk over the network share: TLS settings, content encodings, and servers
//! whose few threads poll many connections.

pub mod compression;
pub mod connector;
pub mod event_loop;
pub mod grpc;
pub mod http;
pub mod listener;
mod lookup;
pub mod pages;
pub mod tls;
pub mod tls_reload;
