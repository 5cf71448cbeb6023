//! `protocols.grpc`: the three `Export` methods.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use super::intake::Intake;
use crate::net::event_loop::{Socket, Task};
use crate::net::grpc::message::Opened;
use crate::net::grpc::server::{self, Answer, Limits, Service};
use crate::net::grpc::{Code, Status};
use crate::pipeline::Signal;

/// Serves one connection.
pub(super) async fn serve(
    socket: Socket,
    peer: IpAddr,
    task: Rc<Task>,
    intake: Arc<Intake>,
    limits: Rc<Limits>,
) {
    let service = Rc::new(Exports { intake, task: task.clone() });
    server::serve(socket, peer, task, service, limits).await;
}

struct Exports {
    intake: Arc<Intake>,
    task: Rc<Task>,
}

fn signal_of(path: &str) -> Option<Signal> {
    match path {
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Some(Signal::Logs),
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Some(Signal::Metrics),
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Some(Signal::Traces),
        _ => None,
    }
}

impl Service for Exports {
    fn knows(&self, path: &str) -> bool {
        signal_of(path).is_some_and(|signal| self.intake.wants(signal))
    }

    fn reserve(&self, more: isize) -> bool {
        self.intake.reserve(more)
    }

    fn answer<'a>(&'a self, path: &'a str, message: Opened, peer: IpAddr) -> Answer<'a> {
        Box::pin(async move {
            let Some(signal) = signal_of(path) else {
                return Err(Status::new(Code::Unimplemented, "unknown method"));
            };
            let content = self.intake.opened(signal, message.into_body()).map_err(|error| {
                self.intake.note_malformed();
                Status::new(Code::InvalidArgument, error.to_string())
            })?;
            self.intake.take(content, peer, &self.task).await?;
            // An `Export…ServiceResponse` without partial success has no bytes.
            Ok(Vec::new())
        })
    }
}
