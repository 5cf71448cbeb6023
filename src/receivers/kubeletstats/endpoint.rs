//! Where the kubelet is and how to be let in.

use std::net::Ipv6Addr;

use super::KubeletStatsConfig;
use crate::kube::{Access, ApiConfig, AuthType, Credentials, KubeError};
use crate::net::tls::ClientTls;

const SECURE_PORT: u16 = 10250;
const READ_ONLY_PORT: u16 = 10255;

/// The kubelet, or with `kubeConfig` the API server that knows where it is.
pub fn access(config: &KubeletStatsConfig) -> Result<Access, KubeError> {
    let own = config.tls();
    match config.auth_type {
        // Where the node is is asked of the API server, see `of_node`.
        AuthType::KubeConfig => kubeconfig(config),
        AuthType::ServiceAccount => {
            let (account, credentials) = Access::service_account()?;
            let has_own_root = own.ca_file.is_some() || own.ca_pem.is_some();
            let root = if has_own_root { own.ca_file.clone() } else { account.ca_file };
            let tls = ClientTls { ca_file: root, include_system_ca_certs_pool: true, ..own };
            Ok(Access { server: server(&config.endpoint, "https", SECURE_PORT), tls, credentials })
        }
        AuthType::Tls => {
            let server = server(&config.endpoint, "https", SECURE_PORT);
            Ok(Access { server, tls: own, credentials: Credentials::None })
        }
        AuthType::None => {
            let server = server(&config.endpoint, "http", READ_ONLY_PORT);
            Ok(Access { server, tls: own, credentials: Credentials::None })
        }
    }
}

/// The name of the node, with `kubeConfig`.
pub fn node_name(config: &KubeletStatsConfig) -> String {
    if config.endpoint.is_empty() { host_name() } else { config.endpoint.clone() }
}

/// Access by the kubeconfig to the API server; what the user says of certificates is for the kubelet.
pub fn kubeconfig(config: &KubeletStatsConfig) -> Result<Access, KubeError> {
    Access::new(&ApiConfig { auth_type: AuthType::KubeConfig, context: config.context.clone() })
}

/// The kubelet of a node at that address, with the identity that `access` has at the API server: never
/// through the API server, whose `nodes/proxy` allows far more than reading.
pub fn of_node(config: &KubeletStatsConfig, access: Access, address: &str) -> Access {
    let own = config.tls();
    let mut tls = access.tls;
    tls.server_name_override.clear();
    tls.insecure_skip_verify |= own.insecure_skip_verify;
    if own.ca_file.is_some() || own.ca_pem.is_some() {
        (tls.ca_file, tls.ca_pem) = (own.ca_file, own.ca_pem);
        tls.include_system_ca_certs_pool = own.include_system_ca_certs_pool;
    }
    Access { server: format!("https://{address}"), tls, credentials: access.credentials }
}

/// The endpoint with what it lacks: a scheme, the port of an address, the brackets of an IPv6 one.
fn server(endpoint: &str, scheme: &str, port: u16) -> String {
    if endpoint.is_empty() {
        return format!("{scheme}://{}:{port}", host_name());
    }
    let (scheme, rest) = endpoint.split_once("://").unwrap_or((scheme, endpoint));
    let rest = rest.trim_end_matches('/');
    // A name or an IPv4 address has a port or means the scheme's own, as with any URL.
    if rest.starts_with('[') || rest.matches(':').count() < 2 {
        return format!("{scheme}://{rest}");
    }
    // `fd00::1:10250`, as `${env:K8S_NODE_IP}:10250` makes it: no part of an address has five digits.
    match rest.rsplit_once(':') {
        _ if rest.parse::<Ipv6Addr>().is_ok() => format!("{scheme}://[{rest}]:{port}"),
        Some((address, port)) if address.parse::<Ipv6Addr>().is_ok() => {
            format!("{scheme}://[{address}]:{port}")
        }
        _ => format!("{scheme}://{rest}"),
    }
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_completed() {
        for (endpoint, wanted) in [
            ("node-a:10250", "https://node-a:10250"),
            ("node-a", "https://node-a"),
            ("https://10.0.0.1:10250/", "https://10.0.0.1:10250"),
            ("http://10.0.0.1:10255", "http://10.0.0.1:10255"),
            ("[fd00::1]:10250", "https://[fd00::1]:10250"),
            ("fd00::1:10250", "https://[fd00::1]:10250"),
            ("https://fd00::1:10250", "https://[fd00::1]:10250"),
            ("fd00::a:b", "https://[fd00::a:b]:10250"),
            ("2001:db8:0:0:0:0:0:5:10250", "https://[2001:db8:0:0:0:0:0:5]:10250"),
        ] {
            assert_eq!(server(endpoint, "https", SECURE_PORT), wanted, "{endpoint}");
        }
        assert_eq!(server("", "http", READ_ONLY_PORT), format!("http://{}:10255", host_name()));
    }
}
