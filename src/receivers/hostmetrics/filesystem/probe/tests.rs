use std::sync::{Condvar, Mutex};
use std::time::Instant;

use super::*;
use crate::pipeline::{Stop, StopSource};
use crate::receivers::scraper::{Schedule, Scrape, Scraping, Source, SystemClock};

/// A server that is gone, and comes back when it is told to.
struct Server {
    is_back: Mutex<bool>,
    changed: Condvar,
}

impl Server {
    const fn new() -> Self {
        Self { is_back: Mutex::new(false), changed: Condvar::new() }
    }
    fn wait(&self) {
        drop(self.changed.wait_while(self.is_back.lock().unwrap(), |is_back| !*is_back).unwrap());
    }
    fn come_back(&self) {
        *self.is_back.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

const SHORT: Duration = Duration::from_millis(50);

fn paths(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}

/// Calls `body` as a scraper is called.
fn within_a_scrape(stop: &Stop, body: impl FnMut(&mut Run<'_>) + Send + 'static) {
    struct Once<F>(F);
    impl<F: FnMut(&mut Run<'_>) + Send> Source for Once<F> {
        fn scrape(&mut self, scrape: &mut Scrape<'_>) {
            scrape.run("test", |run| {
                (self.0)(run);
                Ok(())
            });
        }
    }
    let context = crate::component::Context {
        id: "test".parse().unwrap(),
        pipeline: None,
        telemetry: crate::telemetry::Telemetry::new(),
        status: crate::telemetry::StatusBoard::default().handle("receiver:test"),
        abort: Stop::never(),
        host: std::sync::Arc::new(crate::component::NoHost),
    };
    Scraping::new(Schedule::DEFAULT, Once(body), std::sync::Arc::new(SystemClock), context).scrape(stop);
}

#[test]
fn a_hanging_mount_costs_its_own_points_until_it_answers_again() {
    static GONE: Server = Server::new();
    fn ask(path: &Path) -> io::Result<Usage> {
        if path == Path::new("/nfs") {
            GONE.wait();
        }
        Ok(Usage::default())
    }
    within_a_scrape(&Stop::never(), |run| {
        let mut prober = Prober::default();
        let all = || paths(&["/", "/nfs", "/data"]);
        let answers = prober.ask_with(all(), run, SHORT, ask);
        assert!(matches!(answers[..], [Answer::Usage(_), Answer::Hangs, Answer::Usage(_)]), "{answers:?}");

        let start = Instant::now();
        let answers = prober.ask_with(all(), run, Duration::from_secs(60), ask);
        assert!(matches!(answers[1], Answer::Hangs));
        assert!(start.elapsed() < Duration::from_secs(30), "it is not waited for twice");

        GONE.come_back();
        let stuck = prober.stuck.get(Path::new("/nfs")).unwrap();
        while !stuck.is_finished() {
            std::thread::yield_now();
        }
        let answers = prober.ask_with(all(), run, Duration::from_secs(60), ask);
        assert!(matches!(answers[1], Answer::Usage(_)), "{answers:?}");
    });
}

#[test]
fn many_hanging_mounts_hold_a_bounded_number_of_threads() {
    static GONE: Server = Server::new();
    fn ask(_: &Path) -> io::Result<Usage> {
        GONE.wait();
        Ok(Usage::default())
    }
    within_a_scrape(&Stop::never(), |run| {
        let mut prober = Prober::default();
        let all: Vec<PathBuf> = (0..30).map(|number| PathBuf::from(format!("/{number}"))).collect();
        for _ in 0..3 {
            let answers = prober.ask_with(all.clone(), run, Duration::from_millis(2), ask);
            let hanging = answers.iter().filter(|answer| matches!(answer, Answer::Hangs)).count();
            assert_eq!(hanging, MAX_STUCK);
            assert!(matches!(answers.last(), Some(Answer::NotAsked)));
        }
        GONE.come_back();
    });
}

#[test]
fn a_stop_ends_the_wait_for_a_hanging_mount_at_once() {
    static GONE: Server = Server::new();
    fn ask(_: &Path) -> io::Result<Usage> {
        GONE.wait();
        Ok(Usage::default())
    }
    let source = StopSource::new();
    let stop = source.stop();
    within_a_scrape(&stop, move |run| {
        source.raise();
        let answers = Prober::default().ask_with(paths(&["/a", "/b"]), run, Duration::from_secs(600), ask);
        assert!(matches!(answers[..], [Answer::NotAsked, Answer::NotAsked]), "{answers:?}");
        GONE.come_back();
    });
}

#[test]
fn errors_are_told_for_their_mount_alone() {
    within_a_scrape(&Stop::never(), |run| {
        let answers = Prober::default().ask(paths(&["/no/such/place", "/"]), run);
        assert!(matches!(answers[..], [Answer::Failed(_), Answer::Usage(_)]), "{answers:?}");
    });
}

#[test]
fn reserved_blocks_belong_to_neither_used_nor_free() {
    let usage = Usage { total: 100, used: 60, free: 20, ..Usage::default() };
    assert_eq!(usage.reserved(), 20);
    assert_eq!(usage.utilization(), 0.75);
    assert_eq!(Usage::default().utilization(), 0.0);
}
