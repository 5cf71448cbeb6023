//! The receiver at work: one thread that keeps time, a few that scrape, one that discovers.

mod pool;
mod reporting;
mod timetable;

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Sender, select, unbounded};

use self::pool::{Done, Pool};
use self::reporting::Reporting;
use self::timetable::Timetable;
use super::client::HttpClient;
use super::config::{Job, PrometheusConfig};
use super::discovery::{self, Found, Provider};
use super::scrape::Surroundings;
use crate::component::{BuildError, Context, Receiver, RunError};
use crate::pipeline::{Outputs, Stop};
use crate::telemetry::ComponentState;

/// A `prometheus` receiver that is ready to run.
pub struct PrometheusReceiver {
    jobs: Vec<Arc<RunningJob>>,
    context: Context,
    around: Surroundings,
}

/// A job with its connections.
pub struct RunningJob {
    pub job: Job,
    pub client: HttpClient,
    /// Where it is in the configuration.
    pub index: usize,
}

/// How often a stop is repeated to requests that began in the same moment.
const STOP_AGAIN: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl PrometheusReceiver {
    pub fn new(config: &PrometheusConfig, context: Context) -> Result<Self, BuildError> {
        let mut jobs = Vec::new();
        for (index, job) in config.resolved().into_iter().enumerate() {
            let client = HttpClient::new(&job.http)
                .map_err(|error| BuildError(format!("scrape config \"{}\": {error}", job.name)))?;
            jobs.push(Arc::new(RunningJob { job, client, index }));
        }
        let around = Surroundings { version: context.host.version(), trim: config.trim_metric_suffixes };
        Ok(Self { jobs, context, around })
    }
}

impl Receiver for PrometheusReceiver {
    fn run(self: Box<Self>, outputs: Outputs, stop: Stop) -> Result<(), RunError> {
        let Self { jobs, context, around } = *self;
        context.status.set(ComponentState::Running, "");
        let (found_sender, found) = unbounded();
        let discovering = discover(&jobs, &context, found_sender, &stop)?;
        let reporting = Arc::new(Reporting::new(&context));
        let mut timetable = Timetable::new(&jobs, reporting.clone());
        for job in &jobs {
            timetable.found(Found { job: job.index, provider: 0, targets: discovery::statics(&job.job) });
        }
        let mut pool = Pool::new(&context.id.to_string(), outputs, around, reporting, stop.clone());
        let result = loop {
            for task in timetable.due() {
                pool.give(task);
            }
            pool.grow().map_err(|error| RunError(format!("cannot start a thread: {error}")))?;
            select! {
                recv(stop.channel()) -> _ => break Ok(()),
                recv(found) -> found => if let Ok(found) = found { timetable.found(found); },
                recv(pool.done()) -> done => match done {
                    Ok(Done::Visited { key, failed, series }) => {
                        pool.finished();
                        timetable.visited(key, failed, series, &context);
                    }
                    Ok(Done::Left) => pool.left(),
                    Ok(Done::Panicked) | Err(_) => break Err(RunError("a scraper panicked".to_owned())),
                    Ok(Done::Stopped) => break Ok(()),
                },
                default(timetable.wait().min(LONGEST_WAIT)) => {}
            }
        };
        pool.close();
        while !pool.is_over() || discovering.as_ref().is_some_and(|thread| !thread.is_over()) {
            jobs.iter().for_each(|job| job.client.shutdown());
            if let Some(thread) = &discovering {
                thread.interrupt();
            }
            std::thread::sleep(STOP_AGAIN);
        }
        context.status.set(ComponentState::Stopped, "");
        result
    }
}

/// The thread that discovers.
struct Discovering {
    thread: std::thread::JoinHandle<()>,
    clients: Vec<Arc<HttpClient>>,
}

impl Discovering {
    fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    fn interrupt(&self) {
        self.clients.iter().for_each(|client| client.shutdown());
    }
}

/// Starts it, if any job needs it.
fn discover(
    jobs: &[Arc<RunningJob>],
    context: &Context,
    found: Sender<Found>,
    stop: &Stop,
) -> Result<Option<Discovering>, RunError> {
    let mut providers: Vec<(usize, Box<dyn Provider>)> = Vec::new();
    for job in jobs {
        let made = discovery::providers(&job.job)
            .map_err(|error| RunError(format!("scrape config \"{}\": {error}", job.job.name)))?;
        providers.extend(made.into_iter().map(|provider| (job.index, provider)));
    }
    if providers.is_empty() {
        return Ok(None);
    }
    let clients = providers.iter().filter_map(|(_, provider)| provider.client()).collect();
    let stop = stop.clone();
    let thread = std::thread::Builder::new()
        .name(format!("{}/sd", context.id))
        .spawn(move || discovery::run(providers, &found, &stop))
        .map_err(|error| RunError(format!("cannot start a thread: {error}")))?;
    Ok(Some(Discovering { thread, clients }))
}
