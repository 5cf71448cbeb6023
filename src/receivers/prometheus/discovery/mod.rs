//! Finding targets: from the configuration, files, a web service, the Kubernetes API.

mod files;
mod groups;
mod kubernetes;
mod service;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use self::groups::targets_of;
use super::client::HttpClient;
use super::config::Job;
use super::scrape::LabelSet;
use crate::pipeline::Stop;

/// What one provider of one job knows now, all of it.
pub struct Found {
    pub job: usize,
    pub provider: usize,
    pub targets: Vec<LabelSet>,
}

/// A source of targets.
pub trait Provider: Send {
    /// Looks again; nothing when all is as before, or cannot be told.
    fn look(&mut self, stop: &Stop) -> Option<Vec<LabelSet>>;

    /// How long to wait until the next look.
    fn pause(&self) -> Duration;

    /// The connections that a stop must cut off.
    fn client(&self) -> Option<Arc<HttpClient>> {
        None
    }
}

/// The targets that the configuration itself names.
pub fn statics(job: &Job) -> Vec<LabelSet> {
    let mut all = Vec::new();
    for group in &job.statics {
        let labels = group.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        targets_of(&group.targets, labels, &mut all);
    }
    all
}

/// The job's sources that have to be asked.
pub fn providers(job: &Job) -> Result<Vec<Box<dyn Provider>>, String> {
    let mut all: Vec<Box<dyn Provider>> = Vec::new();
    for config in &job.files {
        all.push(Box::new(files::Files::new(config)));
    }
    for config in &job.services {
        all.push(Box::new(service::Service::new(config)?));
    }
    for config in &job.kubernetes {
        all.push(Box::new(kubernetes::Kubernetes::new(config, &job.relabel)));
    }
    Ok(all)
}

/// Asks all of them, again and again, until the request to stop.
pub fn run(mut providers: Vec<(usize, Box<dyn Provider>)>, found: &Sender<Found>, stop: &Stop) {
    let mut due: Vec<Instant> = vec![Instant::now(); providers.len()];
    loop {
        for (n, (job, provider)) in providers.iter_mut().enumerate() {
            if due[n] > Instant::now() {
                continue;
            }
            if let Some(targets) = provider.look(stop) {
                // Provider 0 is the configuration itself.
                if found.send(Found { job: *job, provider: n + 1, targets }).is_err() {
                    return;
                }
            }
            if stop.is_raised() {
                return;
            }
            due[n] = Instant::now() + provider.pause();
        }
        let next = due.iter().min().copied().unwrap_or_else(Instant::now);
        if stop.wait(next.saturating_duration_since(Instant::now())) {
            return;
        }
    }
}
