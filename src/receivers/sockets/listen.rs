//! Opening the port.

use std::net::{SocketAddr, ToSocketAddrs};

use crate::component::BuildError;

/// Addresses `host:port` stands for; without a host all of the machine, IPv6 and IPv4.
pub fn addresses(text: &str) -> Result<Vec<SocketAddr>, BuildError> {
    if let Some(port) = text.strip_prefix(':')
        && let Ok(port) = port.parse::<u16>()
    {
        return Ok(vec![([0_u16; 8], port).into(), ([0_u8; 4], port).into()]);
    }
    let found = text.to_socket_addrs().map(Iterator::collect::<Vec<_>>);
    found.map_err(|error| {
        BuildError::new(format!("listen_address: {text} is no address of this machine: {error}"))
    })
}

/// Says why the port could not be opened.
pub fn refused(text: &str, error: &std::io::Error) -> BuildError {
    BuildError::new(format!("listen_address: cannot listen on {text}: {error}: is the port taken?"))
}
