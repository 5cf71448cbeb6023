//! `/healthz` and `/readyz` of the updater: whether its rounds go on, and whether the first is over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use crate::extensions::health_check::{default_endpoint, listen};
use crate::net::pages::{Answer, Server};
use crate::time::rfc3339;

/// What the rounds tell, and the pages show.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<Rounds>>);

#[derive(Debug)]
struct Rounds {
    /// When the last round began or ended.
    moved: Instant,
    ended: Option<SystemTime>,
    /// What went wrong in the round that is under way, and in the one before.
    problems: Vec<String>,
    last_problems: Vec<String>,
}

/// Beyond the interval, a round may take this long: several requests with their time limits, and tries.
const LONGEST_ROUND: Duration = Duration::from_mins(10);
/// Problems of a round that are shown.
const MOST_PROBLEMS: usize = 20;

impl Default for Rounds {
    fn default() -> Self {
        Self { moved: Instant::now(), ended: None, problems: Vec::new(), last_problems: Vec::new() }
    }
}

impl Health {
    pub fn began(&self) {
        let mut rounds = self.lock();
        rounds.moved = Instant::now();
        rounds.problems.clear();
    }

    pub fn problem(&self, text: &str) {
        let mut rounds = self.lock();
        if rounds.problems.len() < MOST_PROBLEMS {
            rounds.problems.push(text.to_owned());
        }
    }

    pub fn ended(&self) {
        let mut rounds = self.lock();
        rounds.moved = Instant::now();
        rounds.ended = Some(SystemTime::now());
        rounds.last_problems = std::mem::take(&mut rounds.problems);
    }

    /// Serves the pages where the agent has its own. A port that is taken costs the pages and a warning.
    pub fn serve(&self, interval: Duration) -> Option<Server> {
        let endpoint = default_endpoint();
        let health = self.clone();
        let pages = Arc::new(move |target: &str| health.answer(target, interval, Instant::now()));
        let server = listen(&endpoint)
            .map_err(|error| error.to_string())
            .and_then(|listener| Server::start(listener, "health", pages).map_err(|error| error.to_string()));
        server.map_err(|error| log::warn!("there are no health pages: {error}")).ok()
    }

    fn answer(&self, target: &str, interval: Duration, now: Instant) -> Answer {
        let rounds = self.lock();
        let lives = now.saturating_duration_since(rounds.moved) < interval + LONGEST_ROUND;
        let good = match target.split(['?', '#']).next() {
            Some("/" | "/healthz" | "/livez") => lives,
            // A backend that is away is no reason to be replaced: the round is over either way.
            Some("/readyz") => lives && rounds.ended.is_some(),
            _ => return Answer::new(404, "text/plain", "404 page not found\n"),
        };
        let body = json!({
            "status": if good { "Updater available" } else { "Updater not available" },
            "lastRound": rounds.ended.map(rfc3339),
            "problems": rounds.last_problems,
        });
        Answer::new(if good { 200 } else { 503 }, "application/json", body.to_string())
    }

    fn lock(&self) -> MutexGuard<'_, Rounds> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    fn status(health: &Health, target: &str, after: Duration) -> u16 {
        health.answer(target, INTERVAL, Instant::now() + after).status
    }

    #[test]
    fn it_is_ready_after_its_first_round_and_alive_while_rounds_go_on() {
        let health = Health::default();
        let soon = Duration::ZERO;
        assert_eq!((status(&health, "/healthz", soon), status(&health, "/readyz", soon)), (200, 503));
        health.began();
        health.problem("the API is away");
        health.ended();
        let answer = health.answer("/readyz?verbose", INTERVAL, Instant::now());
        assert!(answer.status == 200 && answer.body.contains("the API is away"), "{}", answer.body);
        let stuck = INTERVAL + LONGEST_ROUND;
        assert_eq!((status(&health, "/healthz", stuck), status(&health, "/readyz", stuck)), (503, 503));
        assert_eq!(status(&health, "/debug", soon), 404);
        health.began();
        health.ended();
        assert!(!health.answer("/readyz", INTERVAL, Instant::now()).body.contains("away"));
    }
}
