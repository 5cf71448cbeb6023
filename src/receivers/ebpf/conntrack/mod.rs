//! The last resort for flows, where no program sees packets: the connections that the kernel's firewall
//! tracks, of the agent's own network namespace, also those that are forwarded to and from pods. Behind the
//! address of a service it knows who really answers.
//!
//! They are asked for over netlink, and where that is refused read from `/proc`. What the kernel has
//! counted of a connection is kept until the next look, and the difference is the flow's. A connection
//! stays in the list for a while after its last packet, so that few are missed.

mod entry;
mod hosts;
mod listing;
mod tracking;

pub use hosts::addresses;
pub use tracking::Conntrack;
