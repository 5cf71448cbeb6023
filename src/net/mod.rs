//! What components that talk over the network share: TLS settings and content encodings.

pub mod compression;
pub mod connector;
pub mod pages;
pub mod tls;
