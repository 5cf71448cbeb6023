//! The thread that gets the lease and holds on to it, and what it tells those who wait for it.
//!
//! Nobody leads longer than `renew_deadline` after the lease was last known to be held, whatever the
//! network does: a guard sees to that. Others wait for `lease_duration`, which is longer.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded, select, unbounded};

use super::Config;
use super::lease::{Lease, Tried};
use crate::component::{Context, Election, Lead};
use crate::kube::{Client, Connection, KubeError, Timeouts};
use crate::pipeline::{Stop, StopSource};
use crate::telemetry::Gauge;

/// The last request, which gives the lease back, may take this long.
const RELEASE: Duration = Duration::from_millis(700);

/// The elector at work; stops and gives the lease back when it is dropped.
pub struct Elector {
    shared: Arc<Shared>,
    stop: StopSource,
    connection: Arc<Connection>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// While we lead.
    lead: Option<Lead>,
    waiting: Vec<Sender<Lead>>,
}

impl Election for Shared {
    fn lead(&self, stop: &Stop) -> Option<Lead> {
        let receiver = {
            let mut state = self.lock();
            if let Some(lead) = state.lead.clone().filter(|lead| !lead.stop.is_raised()) {
                return (!stop.is_raised()).then_some(lead);
            }
            let (sender, receiver) = bounded(1);
            state.waiting.push(sender);
            receiver
        };
        select! {
            recv(stop.channel()) -> _ => None,
            recv(receiver) -> lead => lead.ok(),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, lead: &Lead) {
        let mut state = self.lock();
        state.lead = Some(lead.clone());
        for waiting in state.waiting.drain(..) {
            // Who has stopped waiting is not told.
            let _ = waiting.send(lead.clone());
        }
    }

    fn end(&self) {
        self.lock().lead = None;
    }
}

impl Elector {
    pub fn start(config: Config, client: Arc<Client>, context: Context) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let stop = StopSource::new();
        // No request may outlast the time between two tries by much.
        let patience = config.renew_deadline / 4;
        let timeouts = Timeouts { connect: patience, response: patience, idle: patience };
        let connection = Arc::new(client.connect(timeouts));
        let labels = [("lease", config.lease_name.as_str())];
        let run = Run {
            lease: Lease::new(&config, identity()),
            leading: context.telemetry.gauge("otelcol_extension_k8s_leader_elector_leading", &labels),
            config,
            shared: shared.clone(),
            connection: connection.clone(),
            client,
            context,
            stop: stop.stop(),
            last_cause: None,
        };
        let thread =
            std::thread::Builder::new().name("k8s_leader_elector".to_owned()).spawn(move || run.run())?;
        Ok(Self { shared, stop, connection, thread: Some(thread) })
    }

    pub fn election(&self) -> Arc<dyn Election> {
        self.shared.clone()
    }
}

impl Drop for Elector {
    fn drop(&mut self) {
        self.stop.raise();
        self.connection.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread of the leader election has panicked, this is a bug");
        }
    }
}

struct Run {
    config: Config,
    lease: Lease,
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    client: Arc<Client>,
    context: Context,
    stop: Stop,
    leading: Gauge,
    last_cause: Option<String>,
}

impl Run {
    fn run(mut self) {
        log::info!("{}: waiting for the lease {}", self.context.id, self.lease_name());
        while !self.stop.is_raised() {
            let asked = Instant::now();
            if self.try_hold() {
                self.lead(asked);
            } else if self.stop.wait(self.pause()) {
                break;
            }
        }
    }

    /// Leads from the request at `asked` on, until the lease is lost or the request to stop.
    fn lead(&mut self, asked: Instant) {
        let lead = StopSource::new();
        let (renewed, renewals) = unbounded();
        let deadline = self.config.renew_deadline;
        let guard = lead.clone();
        let spawned = std::thread::Builder::new().name("k8s_leader_guard".to_owned()).spawn(move || {
            let mut until: Instant = asked + deadline;
            loop {
                match renewals.recv_deadline(until) {
                    Ok(asked) => until = asked + deadline,
                    Err(RecvTimeoutError::Timeout) => return guard.raise(),
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        if let Err(error) = spawned {
            log::error!("{}: cannot lead without a guard: cannot start a thread: {error}", self.context.id);
            self.stop.wait(self.config.retry_period);
            return;
        }
        log::info!("{}: leading by the lease {}", self.context.id, self.lease_name());
        self.leading.set(1);
        self.shared.begin(&Lead { stop: lead.stop(), since: self.lease.since() });
        let ended = lead.stop();
        while !self.stop.wait(self.config.retry_period) && !ended.is_raised() {
            let asked = Instant::now();
            match self.lease.try_hold(&self.connection) {
                Ok(Tried::Held) => {
                    self.last_cause = None;
                    let _ = renewed.send(asked);
                }
                Ok(Tried::Taken) => break,
                Err(error) => self.complain(&error),
            }
        }
        self.shared.end();
        lead.raise();
        self.leading.set(0);
        if self.stop.is_raised() {
            self.release();
        } else {
            log::warn!(
                "{}: the lease {} is lost to \"{}\"; this replica waits",
                self.context.id,
                self.lease_name(),
                self.lease.holder()
            );
        }
    }

    fn try_hold(&mut self) -> bool {
        match self.lease.try_hold(&self.connection) {
            Ok(tried) => {
                self.last_cause = None;
                tried == Tried::Held
            }
            Err(error) => {
                self.complain(&error);
                false
            }
        }
    }

    fn release(&mut self) {
        let timeouts = Timeouts { connect: RELEASE, response: RELEASE, idle: RELEASE };
        match self.lease.release(&self.client.connect(timeouts)) {
            Ok(()) => log::info!("{}: gave back the lease {}", self.context.id, self.lease_name()),
            Err(error) => log::warn!(
                "{}: the lease could not be given back, another replica takes over in {} s: {error}",
                self.context.id,
                self.config.lease_duration.as_secs()
            ),
        }
    }

    /// Says once what goes wrong.
    fn complain(&mut self, error: &KubeError) {
        let cause = error.cause();
        if !matches!(error, KubeError::Interrupted) && self.last_cause.as_ref() != Some(&cause) {
            log::warn!("{}: {error}; trying again", self.context.id);
            self.last_cause = Some(cause);
        }
    }

    /// Until the next try: replicas that started together must not stay in step.
    fn pause(&self) -> Duration {
        self.config.retry_period.mul_f64(1.0 + 0.2 * fastrand::f64())
    }

    fn lease_name(&self) -> String {
        format!("{}/{}", self.config.lease_namespace, self.config.lease_name)
    }
}

/// Name of the pod or machine, and something that no other process has.
fn identity() -> String {
    let host = rustix::system::uname();
    format!("{}_{:016x}", host.nodename().to_string_lossy(), fastrand::u64(..))
}
