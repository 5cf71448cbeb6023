//! The `otlp` receiver: OTLP over gRPC and over HTTP, on a few threads for all connections.
//!
//! A client hears OK when the batch is in the queue of every exporter (or further: delivered, where
//! there is no queue), or held back by a processor such as `batch`.

mod config;
mod cors;
mod grpc;
mod http;
mod intake;

use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use self::config::{OtlpConfig, Protocols};
use self::intake::Intake;
use crate::component::{
    BuildError, ComponentType, Context, Receiver, ReceiverConfig, ReceiverType, RunError, decode_receiver,
};
use crate::config::Issues;
use crate::net::event_loop::Loops;
use crate::net::listener::{Accepting, Connections, TlsSource, bind};
use crate::net::tls::ServerTls;
use crate::net::tls_reload::Reloading;
use crate::pipeline::{Outputs, Signal, Stop};

pub static TYPE: ReceiverType = ComponentType {
    name: "otlp",
    aliases: &[],
    signals: &Signal::ALL,
    decode: decode_receiver::<OtlpConfig>,
};

/// Most open connections of a receiver, where the limit of file descriptors allows as many.
const CONNECTIONS: usize = 4096;
/// Bytes of requests that all connections together hold: more are answered with "try again later".
const IN_FLIGHT: usize = 32 << 20;
/// How long requests under way may take when the agent stops.
const GRACE: Duration = Duration::from_millis(800);
/// Threads that poll connections.
const MOST_THREADS: usize = 4;

impl ReceiverConfig for OtlpConfig {
    fn validate(&self, issues: &mut Issues) {
        self.check(issues);
    }

    fn build(&self, context: Context) -> Result<Box<dyn Receiver>, BuildError> {
        let Protocols { grpc, http } = self.protocols.clone().unwrap_or_default();
        let grpc = match grpc {
            None => None,
            Some(config) => Some(Open {
                listener: listen(&config.endpoint)?,
                tls: secured(config.tls.as_ref(), b"h2")?,
                config,
            }),
        };
        let http = match http {
            None => None,
            Some(config) => Some(Open {
                listener: listen(&config.endpoint)?,
                tls: secured(config.tls.as_ref(), b"http/1.1")?,
                config,
            }),
        };
        Ok(Box::new(OtlpReceiver { context, grpc, http }))
    }
}

fn listen(endpoint: &str) -> Result<TcpListener, BuildError> {
    bind(endpoint).map_err(|error| BuildError(format!("cannot listen on {endpoint}: {error}")))
}

fn secured(tls: Option<&ServerTls>, alpn: &'static [u8]) -> Result<Option<TlsSource>, BuildError> {
    let Some(tls) = tls else { return Ok(None) };
    let reloading = Reloading::new(tls.clone(), alpn).map_err(|error| BuildError(format!("tls: {error}")))?;
    Ok(Some(Arc::new(move || reloading.current())))
}

struct OtlpReceiver {
    context: Context,
    grpc: Option<Open<config::GrpcConfig>>,
    http: Option<Open<config::HttpConfig>>,
}

/// A protocol whose port is open.
struct Open<C> {
    listener: TcpListener,
    tls: Option<TlsSource>,
    config: C,
}

impl Receiver for OtlpReceiver {
    fn run(self: Box<Self>, outputs: Outputs, stop: Stop) -> Result<(), RunError> {
        let id = self.context.id.to_string();
        let failed = |error: std::io::Error| RunError(format!("cannot serve: {error}"));
        let threads = std::thread::available_parallelism().map_or(2, usize::from).min(MOST_THREADS);
        let loops = Loops::start(&id, threads).map_err(failed)?;
        let refused =
            self.context.telemetry.counter("kmagent_receiver_refused_connections", &[("receiver", &id)]);
        let connections = Connections::new(CONNECTIONS, refused);
        let intake = Arc::new(Intake::new(outputs, IN_FLIGHT, &self.context.telemetry, &id));
        if let Some(Open { listener, tls, config }) = self.grpc {
            let (limits, intake) = (config.limits(), intake.clone());
            let serve = move |socket, peer, task| {
                grpc::serve(socket, peer, task, intake.clone(), Rc::new(limits.clone()))
            };
            let accepting = Accepting { listener, tls, connections: connections.clone(), serve };
            accepting.start(&loops.spawner()).map_err(failed)?;
        }
        if let Some(Open { listener, tls, config }) = self.http {
            let limits = config.limits();
            let routes = Arc::new(http::Routes::new(&config));
            let serve = move |socket, peer, task| {
                http::serve(socket, peer, task, intake.clone(), routes.clone(), Rc::new(limits.clone()))
            };
            let accepting = Accepting { listener, tls, connections, serve };
            accepting.start(&loops.spawner()).map_err(failed)?;
        }
        let failed = loops.wait(&stop);
        loops.stop(GRACE);
        if failed { Err(RunError("a thread that serves connections ended".to_owned())) } else { Ok(()) }
    }
}
