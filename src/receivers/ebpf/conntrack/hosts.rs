//! The addresses of this host, from the kernel.

use std::collections::HashSet;
use std::io;
use std::net::IpAddr;

use super::super::netlink::{Netlink, address, attributes};

const GET_ADDRESSES: u16 = 22;
const ADDRESS: u16 = 20;
/// `struct ifaddrmsg`.
const FIXED: usize = 8;

/// All addresses of the interfaces of the agent's network namespace.
pub fn addresses() -> io::Result<HashSet<IpAddr>> {
    let mut found = HashSet::new();
    Netlink::open(None)?.list(GET_ADDRESSES, &[0; FIXED], |kind, body| {
        if kind == ADDRESS {
            found.extend(own(body));
        }
    })?;
    Ok(found)
}

/// The address of the interface; on a link of two ends the other attribute is the far one.
fn own(body: &[u8]) -> Option<IpAddr> {
    const FAR: u16 = 1;
    const LOCAL: u16 = 2;
    let mut found = None;
    for (kind, value) in attributes(body.get(FIXED..)?) {
        match kind {
            LOCAL => return address(value),
            FAR => found = address(value),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_host_has_the_addresses_of_its_loopback() {
        let found = addresses().unwrap();
        assert!(found.contains(&IpAddr::from([127, 0, 0, 1])), "{found:?}");
    }

    proptest! {
        #[test]
        fn any_message_is_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = own(&bytes);
        }
    }
}
