//! Starts the sink and the agent, shows the summary until the end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::configuration;
use super::screen::Screen;
use super::sink::{Answer, Sink};
use super::summary::Summary;
use crate::agent::Agent;
use crate::agent::signals::Signal;
use crate::config::Loaded;
use crate::memory::{TIDY_EVERY, Tidying};
use crate::pipeline::Signal as Kind;
use crate::telemetry::Usage;

/// Between two collections, and two lines of output without a terminal.
pub const INTERVAL: Duration = Duration::from_secs(5);
/// `--once` needs two collections for the rates, soon after each other.
const ONCE_INTERVAL: Duration = Duration::from_millis(500);
/// `--once` shows what has come by then.
const ONCE_PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks at the screen.
const REDRAW: Duration = Duration::from_secs(1);

/// Why the demo could not run.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("cannot open a port for the demo's backend: {0}")]
    Sink(#[from] std::io::Error),
    #[error("the demo's own configuration is wrong, this is a bug: {0}")]
    Config(String),
    #[error("cannot start: {0}")]
    Start(#[from] crate::pipeline::StartError),
}

/// Runs until Ctrl-C, or for one round. `load` reads a configuration from YAML text.
pub fn run(
    once: bool,
    signals: &Receiver<Signal>,
    load: impl FnOnce(&str) -> Result<Loaded, String>,
) -> Result<(), DemoError> {
    let mut memory = Tidying::begin();
    let summary = Arc::new(Mutex::new(Summary::new()));
    let seen = summary.clone();
    let sink = Sink::start("127.0.0.1:0", move |request| match request.data {
        Ok(data) => {
            let mut summary = seen.lock().unwrap_or_else(PoisonError::into_inner);
            summary.observe(&data, request.wire_bytes, request.body.len());
            Answer::success()
        }
        Err(_) => Answer::of(400),
    })?;
    let endpoint = sink.url();
    let interval = if once { ONCE_INTERVAL } else { INTERVAL };
    let config = load(&configuration::yaml(&endpoint, interval)).map_err(DemoError::Config)?;
    let agent = Agent::start(&config)?;
    let screen = Screen::new(once);
    let show = |usage: &mut Usage| {
        usage.look();
        screen.draw(&summary.lock().unwrap_or_else(PoisonError::into_inner), usage, &endpoint);
    };
    let mut usage = Usage::new();
    if once {
        wait_for_one_round(&summary, signals);
        show(&mut usage);
    } else {
        let _guard = screen.take_over();
        let pause = if screen.is_live() { REDRAW } else { INTERVAL };
        let mut due = Instant::now() + pause;
        memory.tidy();
        while let Err(RecvTimeoutError::Timeout) = signals.recv_timeout(TIDY_EVERY) {
            memory.tidy();
            if Instant::now() >= due {
                due += pause;
                show(&mut usage);
            }
        }
    }
    agent.finish();
    Ok(())
}

/// Until the rates are known and the first log lines, where there are any, have come.
fn wait_for_one_round(summary: &Mutex<Summary>, signals: &Receiver<Signal>) {
    let started = Instant::now();
    while started.elapsed() < ONCE_PATIENCE {
        let pause = Duration::from_millis(50);
        if !matches!(signals.recv_timeout(pause), Err(RecvTimeoutError::Timeout)) {
            return;
        }
        let summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
        let logs = summary.signals.get(&Kind::Logs).is_some_and(|flow| flow.items > 0);
        let settled = logs || started.elapsed() > 3 * ONCE_INTERVAL;
        if summary.host.cpu.is_some() && summary.host.disk.per_second.is_some() && settled {
            return;
        }
    }
}
