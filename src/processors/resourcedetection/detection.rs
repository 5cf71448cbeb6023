//! Running the detectors: quick ones at once, those that ask the network in threads of their own.

use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::ResourceDetectionConfig;
use super::detectors::{self, Detector, Probe};
use super::environment::Environment;
use super::http::Http;
use crate::otlp::{Attributes, KeyValue};
use crate::pipeline::{Stop, StopSource};
use crate::telemetry::Causes;

/// A detection that runs or has run. Dropping the last one ends its threads.
pub struct Detection {
    shared: Arc<Shared>,
    stop: StopSource,
}

struct Shared {
    config: ResourceDetectionConfig,
    environment: Environment,
    detectors: Vec<&'static Detector>,
    /// When the first batch waits no longer, and failing detectors are not tried again.
    deadline: Instant,
    state: Mutex<State>,
    changed: Condvar,
    warned: Causes<(usize, String)>,
}

struct State {
    /// What each detector found.
    found: Vec<Vec<KeyValue>>,
    /// Which detectors have made their first attempt.
    tried: Vec<bool>,
    merged: Arc<[KeyValue]>,
}

/// The detections in use, by their configuration.
static DETECTIONS: Mutex<Vec<(String, Weak<Detection>)>> = Mutex::new(Vec::new());

/// The detection of that configuration, started when it is asked for first: all pipelines share it.
pub fn shared(config: &ResourceDetectionConfig, environment: fn() -> Environment) -> Arc<Detection> {
    let key = format!("{config:?}");
    let mut detections = DETECTIONS.lock().unwrap_or_else(PoisonError::into_inner);
    detections.retain(|(_, detection)| detection.strong_count() > 0);
    let same =
        detections.iter().find(|(known, _)| *known == key).and_then(|(_, detection)| detection.upgrade());
    same.unwrap_or_else(|| {
        let detection = Arc::new(Detection::start(config.clone(), environment()));
        detections.push((key, Arc::downgrade(&detection)));
        detection
    })
}

impl Detection {
    pub fn start(config: ResourceDetectionConfig, environment: Environment) -> Self {
        let detectors: Vec<&'static Detector> =
            config.detectors.iter().filter_map(|name| detectors::find(name)).collect();
        let shared = Arc::new(Shared {
            deadline: Instant::now() + config.timeout,
            state: Mutex::new(State {
                found: vec![Vec::new(); detectors.len()],
                tried: vec![false; detectors.len()],
                merged: Arc::default(),
            }),
            changed: Condvar::new(),
            warned: Causes::new(),
            config,
            environment,
            detectors,
        });
        let stop = StopSource::new();
        for index in 0..shared.detectors.len() {
            let quick = shared.is_quick(index);
            if quick {
                shared.attempt(index);
            }
            if quick && shared.config.refresh_interval.is_zero() {
                continue;
            }
            let (worker, stop) = (Arc::clone(&shared), stop.stop());
            let name = format!("detect/{}", shared.detectors[index].name);
            let started =
                std::thread::Builder::new().name(name).spawn(move || worker.run(index, !quick, &stop));
            if let Err(error) = started {
                shared.finish(index, Err(format!("cannot start its thread: {error}")));
            }
        }
        Self { shared, stop }
    }

    /// What was detected. The first to ask waits until every detector has tried once, or its time is
    /// up, or the agent gives up waiting.
    pub fn wait(&self, abort: &Stop) -> Arc<[KeyValue]> {
        const ABORT_CHECK: Duration = Duration::from_millis(100);
        let mut state = self.shared.lock();
        while state.tried.contains(&false) && Instant::now() < self.shared.deadline && !abort.is_raised() {
            let left = self.shared.deadline.saturating_duration_since(Instant::now()).min(ABORT_CHECK);
            (state, _) =
                self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
        Arc::clone(&state.merged)
    }
}

impl Drop for Detection {
    fn drop(&mut self) {
        self.stop.raise();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of one detector's thread.
    fn run(&self, index: usize, first: bool, stop: &Stop) {
        if first {
            let mut pause = Duration::from_secs(1);
            while !self.attempt(index) && Instant::now() + pause < self.deadline {
                if stop.wait(pause) {
                    return;
                }
                pause *= 2;
            }
        }
        let interval = self.config.refresh_interval;
        while !interval.is_zero() && !stop.wait(interval) {
            self.attempt(index);
        }
    }

    /// Runs a detector once; one that fails keeps what it found before.
    fn attempt(&self, index: usize) -> bool {
        let detector = self.detectors[index];
        let probe = Probe {
            config: &self.config,
            environment: &self.environment,
            http: Http::new(self.config.timeout),
            timeout: self.config.timeout,
            detector,
        };
        let found = (detector.detect)(&probe).map(|mut found| {
            let allowed = &self.config.attributes;
            found.retain(|entry| {
                probe.wants(&entry.key)
                    && (allowed.is_empty() || allowed.iter().any(|name| entry.key == *name))
            });
            found
        });
        self.finish(index, found)
    }

    fn finish(&self, index: usize, found: Result<Vec<KeyValue>, String>) -> bool {
        let succeeded = found.is_ok();
        let mut state = self.lock();
        match found {
            Ok(found) => {
                state.found[index] = found;
                let mut merged = Vec::new();
                for entry in state.found.iter().flatten() {
                    merged.set_default(entry.key.clone(), entry.value.clone());
                }
                state.merged = merged.into();
            }
            Err(error) => {
                let name = self.detectors[index].name;
                if self.warned.is_new((index, error.clone())) {
                    log::warn!("detector {name}: {error}; its attributes are missing until it succeeds");
                }
            }
        }
        state.tried[index] = true;
        self.changed.notify_all();
        succeeded
    }

    fn is_quick(&self, index: usize) -> bool {
        (self.detectors[index].is_quick)(&self.config)
    }
}
