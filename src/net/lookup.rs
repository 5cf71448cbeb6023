//! Names are looked up when a connection is opened. `ureq` asks before every request, in a thread made
//! for it when there is a timeout, and then mostly takes a connection that it has kept.

use std::net::{Ipv4Addr, SocketAddr};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::Duration;
use ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout, TcpConnector, Transport};

/// Leaves looking up to [`Dialer`].
#[derive(Debug, Default)]
pub struct Later(DefaultResolver);

impl Resolver for Later {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        // Such a proxy is told the address.
        if config.proxy().is_some_and(ureq::Proxy::resolve_target) {
            return self.0.resolve(uri, config, timeout);
        }
        // One address must be there; nobody connects to it.
        let mut none = self.empty();
        none.push(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        Ok(none)
    }
}

/// Looks the host up and connects to it, within the time for connecting.
#[derive(Debug)]
pub struct Dialer {
    names: Box<dyn Resolver>,
    tcp: TcpConnector,
}

impl Default for Dialer {
    fn default() -> Self {
        Self { names: Box::new(DefaultResolver::default()), tcp: TcpConnector::default() }
    }
}

impl<In: Transport> Connector<In> for Dialer {
    type Out = <TcpConnector as Connector<In>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        if chained.is_some() {
            return self.tcp.connect(details, chained);
        }
        let started = std::time::Instant::now();
        let addrs = self.names.resolve(details.uri, details.config, details.timeout)?;
        let after = match details.timeout.after {
            Duration::Exact(all) => Duration::Exact(all.saturating_sub(started.elapsed())),
            Duration::NotHappening => Duration::NotHappening,
        };
        if *after == std::time::Duration::ZERO {
            return Err(ureq::Error::Timeout(details.timeout.reason));
        }
        let found = ConnectionDetails {
            addrs,
            timeout: NextTimeout { after, ..details.timeout },
            uri: details.uri,
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: details.now,
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        self.tcp.connect(&found, chained)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Debug)]
    struct Counting(Arc<AtomicUsize>);

    impl Resolver for Counting {
        fn resolve(
            &self,
            uri: &Uri,
            config: &Config,
            timeout: NextTimeout,
        ) -> Result<ResolvedSocketAddrs, ureq::Error> {
            self.0.fetch_add(1, Ordering::Relaxed);
            DefaultResolver::default().resolve(uri, config, timeout)
        }
    }

    /// Answers so many requests on a connection, then closes it.
    fn answer(listener: &TcpListener, requests: usize) {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        for n in 1..=requests {
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                line.clear();
            }
            let keep = if n == requests { "close" } else { "keep-alive" };
            write!(&stream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: {keep}\r\n\r\n").unwrap();
        }
    }

    #[test]
    fn a_name_is_looked_up_for_a_connection_and_not_for_a_request() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || (0..2).for_each(|_| answer(&listener, 3)));
        let lookups = Arc::new(AtomicUsize::new(0));
        let names = Box::new(Counting(Arc::clone(&lookups)));
        let dialer = ().chain(Dialer { names, tcp: TcpConnector::default() });
        let settings = ureq::Agent::config_builder().timeout_global(Some(std::time::Duration::from_secs(10)));
        let agent = ureq::Agent::with_parts(settings.build(), dialer, Later::default());
        for wanted in [1, 1, 1, 2, 2, 2] {
            agent.get(&url).call().unwrap();
            assert_eq!(lookups.load(Ordering::Relaxed), wanted);
        }
        server.join().unwrap();
    }
}
