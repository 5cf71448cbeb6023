//! TLS for `ureq` with settings of our own: its built-in one has no minimum version, no server name
//! of one's choice, and panics on a bad client certificate.
//!
//! Uses `ureq::unversioned`, so `Cargo.toml` holds the minor version of `ureq`.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout,
    Transport, TransportAdapter,
};

use super::lookup::{Dialer, Later};
use super::tls::{ClientTls, TlsError};

/// How an agent secures its `https` connections.
#[derive(Clone, Debug)]
pub struct Tls {
    pub config: Arc<ClientConfig>,
    /// Asked for and checked instead of the host of the URL.
    pub server_name: Option<ServerName<'static>>,
}

/// An agent that connects over TCP, a CONNECT proxy when `config` has one, and `tls`.
pub fn agent(config: ureq::config::Config, tls: Tls) -> ureq::Agent {
    let connector = ().chain(ConnectProxyConnector::default()).chain(Dialer::default()).chain(tls);
    ureq::Agent::with_parts(config, connector, Later::default())
}

/// An agent for a request now and then: the proxy that the environment names, nothing kept open, no
/// redirect followed (it would take the credentials along).
pub fn occasional(timeout: Duration, tls: &ClientTls) -> Result<ureq::Agent, TlsError> {
    let settings = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(timeout))
        .proxy(ureq::Proxy::try_from_env())
        .user_agent(format!("kmagent/{}", env!("CARGO_PKG_VERSION")))
        .max_idle_connections(0)
        .build();
    Ok(agent(settings, tls.build(&[])?))
}

/// The connections of one component, made anew when the certificate files of its `tls` section
/// change and `reload_interval` says to look.
pub struct Connections {
    config: ureq::config::Config,
    tls: ClientTls,
    state: Mutex<State>,
}

struct State {
    agent: ureq::Agent,
    looked: Instant,
    /// When each file was written last.
    written: Vec<Option<SystemTime>>,
}

impl Connections {
    pub fn new(config: ureq::config::Config, tls: ClientTls) -> Result<Self, TlsError> {
        let written = written(&tls);
        let agent = agent(config.clone(), tls.build(&[])?);
        let state = Mutex::new(State { agent, looked: Instant::now(), written });
        Ok(Self { config, tls, state })
    }

    /// The agent to use now.
    pub fn agent(&self) -> ureq::Agent {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let interval = self.tls.reload_interval;
        if interval > Duration::ZERO && state.looked.elapsed() >= interval {
            state.looked = Instant::now();
            let written = written(&self.tls);
            if written != state.written {
                state.written = written;
                match self.tls.build(&[]) {
                    Ok(tls) => state.agent = agent(self.config.clone(), tls),
                    Err(error) => log::warn!("the changed certificates are not used: {error}"),
                }
            }
        }
        state.agent.clone()
    }
}

fn written(tls: &ClientTls) -> Vec<Option<SystemTime>> {
    tls.files().map(|file| std::fs::metadata(file).and_then(|file| file.modified()).ok()).collect()
}

impl<In: Transport> Connector<In> for Tls {
    type Out = Either<In, TlsTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else { return Ok(None) };
        if !details.needs_tls() || transport.is_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let name = if let Some(name) = &self.server_name {
            name.clone()
        } else {
            let host = details.uri.host().unwrap_or_default();
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            ServerName::try_from(bare.to_owned())
                .map_err(|_| ureq::Error::BadUri(format!("\"{host}\" is no host name or address")))?
        };
        let mut conn = ClientConnection::new(self.config.clone(), name)?;
        let mut sock = TransportAdapter::new(transport.boxed(), details.current_time.clone());
        sock.set_timeout(details.timeout);
        conn.complete_io(&mut sock)?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Either::B(TlsTransport { buffers, stream: StreamOwned { conn, sock } })))
    }
}

/// A TLS connection on top of another transport.
pub struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        self.stream.write_all(&self.buffers.output()[..amount])?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl std::fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsTransport").field("under", self.stream.sock.inner()).finish_non_exhaustive()
    }
}
