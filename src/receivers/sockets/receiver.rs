//! The receiver: its checked settings, its port, its thread.

use std::fmt;
use std::sync::Arc;

use crate::component::{BuildError, Context, Receiver, ReceiverConfig, RunError};
use crate::net::tls::ServerTls;
use crate::pipeline::{Outputs, Stop};
use crate::telemetry::ComponentState;

use super::super::filelog::encoding::Encoding;
use super::super::filelog::plan::lane_of;
use super::super::filelog::split::Trim;
use super::super::records::{RetryOnFailure, Shaping};
use super::delivery::Delivery;
use super::framing::Framing;
use super::meters::Meters;
use super::records::Records;
use super::tcp::TcpServer;
use super::udp::UdpServer;

/// What the receiver needs to run.
pub struct Settings {
    pub address: String,
    pub is_udp: bool,
    pub tls: Option<ServerTls>,
    pub framing: Framing,
    pub trim: Trim,
    pub encoding: Encoding,
    /// Bytes of a record, at most.
    pub max: usize,
    pub add_attributes: bool,
    pub shaping: Shaping,
    pub retry: RetryOnFailure,
}

/// The checked config of a receiver.
pub struct Plan {
    settings: Arc<Settings>,
}

impl Plan {
    pub(super) fn of(settings: Settings) -> Self {
        Self { settings: Arc::new(settings) }
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("address", &self.settings.address)
            .field("framing", &self.settings.framing)
            .field("operators", &self.settings.shaping.operators)
            .finish_non_exhaustive()
    }
}

/// An open port.
pub enum Server {
    Tcp(TcpServer),
    Udp(UdpServer),
}

/// The receiver, built: it listens already.
pub struct SocketReceiver {
    settings: Arc<Settings>,
    pub server: Server,
    meters: Meters,
    context: Context,
}

impl Plan {
    pub fn listen(&self, context: Context) -> Result<SocketReceiver, BuildError> {
        let settings = Arc::clone(&self.settings);
        let transport = if settings.is_udp { "udp" } else { "tcp" };
        let meters = Meters::new(&context.telemetry, &context.id.to_string(), transport);
        let server = if settings.is_udp {
            Server::Udp(UdpServer::open(Arc::clone(&settings), meters.clone())?)
        } else {
            Server::Tcp(TcpServer::open(Arc::clone(&settings), meters.clone())?)
        };
        Ok(SocketReceiver { settings, server, meters, context })
    }
}

impl ReceiverConfig for Plan {
    fn build(&self, context: Context) -> Result<Box<dyn Receiver>, BuildError> {
        Ok(Box::new(self.listen(context)?))
    }
}

impl Receiver for SocketReceiver {
    fn counts_itself(&self) -> bool {
        true
    }

    fn run(self: Box<Self>, outputs: Outputs, stop: Stop) -> Result<(), RunError> {
        let Some(output) = outputs.logs else { return Ok(()) };
        let id = self.context.id.to_string();
        let lane = lane_of("socket", &self.context);
        let delivery = Delivery::new(output, lane, stop.clone(), self.settings.retry.clone(), self.meters);
        let chain = self.settings.shaping.operators.build();
        let telemetry = &self.context.telemetry;
        let mut records =
            Records::new(Arc::clone(&self.settings), chain, delivery, |chain| chain.count(telemetry, &id));
        self.context.status.set(ComponentState::Running, "");
        let ended = match self.server {
            Server::Tcp(server) => server.run(&mut records, &stop),
            Server::Udp(server) => server.run(&mut records, &stop),
        };
        ended.map_err(|error| RunError(format!("waiting for clients failed: {error}")))?;
        self.context.status.set(ComponentState::Stopped, "");
        Ok(())
    }
}
