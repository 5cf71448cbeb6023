//! What detectors look at: files, environment variables, names, metadata services. Tests bring
//! their own.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::kube::{Access, ApiConfig, KubeError};

/// The surroundings of the agent.
pub struct Environment {
    /// Where `/proc`, `/sys`, `/etc` … are.
    pub root: PathBuf,
    pub variable: fn(&str) -> Option<String>,
    pub names: Box<dyn Names>,
    /// Base addresses of the metadata services.
    pub aws: String,
    pub azure: String,
    pub gcp: String,
    pub docker_socket: PathBuf,
    /// The way to the API server of Kubernetes.
    pub kube: KubeAccess,
}

pub type KubeAccess = Box<dyn Fn(&ApiConfig) -> Result<Access, KubeError> + Send + Sync>;

/// The names and addresses of this host.
pub trait Names: Send + Sync {
    /// The kernel's name for this host.
    fn kernel(&self) -> String;
    /// The canonical name that the resolver has for a host.
    fn canonical(&self, host: &str) -> Option<String>;
    fn addresses_of(&self, host: &str) -> Vec<IpAddr>;
    /// The name that belongs to an address.
    fn reverse(&self, address: IpAddr) -> Option<String>;
    /// Addresses of the network interfaces that are up, without loopback, in interface order.
    fn own_addresses(&self) -> Vec<IpAddr>;
}

impl Environment {
    pub fn of_this_host() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let gcp = variable("GCE_METADATA_HOST").unwrap_or_else(|| "metadata.google.internal".to_owned());
        Self {
            root: PathBuf::from("/"),
            variable,
            names: Box::new(Resolver),
            aws: variable("AWS_EC2_METADATA_SERVICE_ENDPOINT").map_or_else(
                || "http://169.254.169.254".to_owned(),
                |address| address.trim_end_matches('/').to_owned(),
            ),
            azure: "http://169.254.169.254".to_owned(),
            gcp: format!("http://{gcp}"),
            docker_socket: PathBuf::from("/var/run/docker.sock"),
            kube: Box::new(Access::new),
        }
    }
}

/// The system's resolver and interfaces.
struct Resolver;

impl Names for Resolver {
    fn kernel(&self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }

    fn canonical(&self, host: &str) -> Option<String> {
        /// `AI_CANONNAME` of Linux.
        const CANONICAL_NAME: i32 = 2;
        let hints = dns_lookup::AddrInfoHints { flags: CANONICAL_NAME, address: 0, socktype: 0, protocol: 0 };
        dns_lookup::getaddrinfo(Some(host), None, Some(hints)).ok()?.find_map(|entry| entry.ok()?.canonname)
    }

    fn addresses_of(&self, host: &str) -> Vec<IpAddr> {
        use std::net::ToSocketAddrs;
        (host, 0).to_socket_addrs().map(|all| all.map(|a: SocketAddr| a.ip()).collect()).unwrap_or_default()
    }

    fn reverse(&self, address: IpAddr) -> Option<String> {
        // Without a name the resolver answers with the address itself.
        dns_lookup::lookup_addr(&address).ok().filter(|name| name.parse::<IpAddr>().is_err())
    }

    fn own_addresses(&self) -> Vec<IpAddr> {
        let mut interfaces = if_addrs::get_if_addrs().unwrap_or_default();
        interfaces.retain(|interface| !interface.is_loopback() && interface.is_oper_up());
        interfaces.sort_by_key(|interface| interface.index);
        interfaces.iter().map(if_addrs::Interface::ip).collect()
    }
}
