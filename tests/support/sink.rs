//! A backend that answers as the test says and keeps what it accepted.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use kmagent::demo::sink::{Answer, Arrived, Sink};
use kmagent::otlp::export::{ExportResponse, PartialSuccess};
use kmagent::pipeline::Data;
use prost::Message;

/// One answer of a script.
#[derive(Clone, Debug)]
pub enum Reply {
    Accept,
    /// Refuses with this status.
    Status(u16),
    /// 503 with `Retry-After`.
    RetryAfter(String),
    /// Accepts and says that it threw items away.
    Partial(i64, &'static str),
    /// 413 when there are more items than this.
    AtMost(usize),
}

/// A scripted OTLP/HTTP backend on a loopback port.
pub struct TestSink {
    sink: Sink,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    script: VecDeque<Reply>,
    /// What is answered when the script is over.
    then: Option<Reply>,
    arrived: Vec<Arrived>,
    accepted: Vec<Data>,
}

impl TestSink {
    /// Answers with `script`, one a request, and accepts everything afterwards.
    pub fn scripted(script: impl IntoIterator<Item = Reply>) -> Self {
        Self::start(script.into_iter().collect(), None)
    }

    /// Answers every request like this.
    pub fn always(reply: Reply) -> Self {
        Self::start(VecDeque::new(), Some(reply))
    }

    pub fn new() -> Self {
        Self::scripted([])
    }

    fn start(script: VecDeque<Reply>, then: Option<Reply>) -> Self {
        let shared = Arc::new(Shared::default());
        *shared.state.lock().unwrap() = State { script, then, ..State::default() };
        let handler = shared.clone();
        let sink = Sink::start("127.0.0.1:0", move |arrived| handler.answer(arrived)).unwrap();
        Self { sink, shared }
    }

    pub fn url(&self) -> String {
        self.sink.url()
    }

    pub fn address(&self) -> std::net::SocketAddr {
        self.sink.address()
    }

    /// From now on every request is answered like this.
    pub fn then(&self, reply: Reply) {
        let mut state = self.shared.state.lock().unwrap();
        state.script.clear();
        state.then = Some(reply);
    }

    /// What was accepted, in order of arrival.
    pub fn accepted(&self) -> Vec<Data> {
        self.shared.state.lock().unwrap().accepted.clone()
    }

    /// The same without the first `from` requests.
    pub fn accepted_from(&self, from: usize) -> Vec<Data> {
        self.shared.state.lock().unwrap().accepted[from..].to_vec()
    }

    /// Looks at every request that arrived, accepted or not.
    pub fn arrived<T>(&self, look: impl Fn(&Arrived) -> T) -> Vec<T> {
        self.shared.state.lock().unwrap().arrived.iter().map(look).collect()
    }

    /// Waits until `enough` holds for what arrived; panics after ten seconds.
    pub fn wait_until(&self, enough: impl Fn(&[Arrived], &[Data]) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut state = self.shared.state.lock().unwrap();
        while !enough(&state.arrived, &state.accepted) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "only {} requests arrived", state.arrived.len());
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }
}

impl Shared {
    fn answer(&self, arrived: Arrived) -> Answer {
        let mut state = self.state.lock().unwrap();
        let reply = state.script.pop_front().or_else(|| state.then.clone()).unwrap_or(Reply::Accept);
        let data = arrived.data.clone();
        let items = data.as_ref().map_or(0, Data::items);
        state.arrived.push(arrived);
        self.changed.notify_all();
        let answer = match reply {
            Reply::Accept => Answer::success(),
            Reply::Status(status) => Answer::of(status),
            Reply::RetryAfter(time) => {
                let mut answer = Answer::of(503);
                answer.headers.push(("Retry-After", time));
                answer
            }
            Reply::Partial(rejected, message) => {
                let partial = PartialSuccess { rejected, error_message: message.to_owned() };
                let body = ExportResponse { partial_success: Some(partial) }.encode_to_vec();
                Answer { body, ..Answer::success() }
            }
            Reply::AtMost(most) if items > most => Answer::of(413),
            Reply::AtMost(_) => Answer::success(),
        };
        if answer.status == 200
            && let Ok(data) = data
        {
            state.accepted.push(data);
        }
        self.changed.notify_all();
        answer
    }
}
