//! `statfs` that cannot hang the agent.
//!
//! A network filesystem whose server is gone makes `statfs` wait for ever, in the kernel, where no
//! signal reaches it. So a thread of its own asks. When it does not answer in time it is left
//! behind with the mount it is stuck in, and another takes over; the mount is passed over until
//! the stuck thread comes back. At most [`MAX_STUCK`] threads are ever stuck.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select, unbounded};

use crate::receivers::scraper::Run;

/// How long a filesystem may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
const MAX_STUCK: usize = 8;
/// `statfs` needs little stack.
const STACK: usize = 128 << 10;

/// How full a filesystem is, in bytes and inodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub total: u64,
    pub used: u64,
    /// What an unprivileged user may fill.
    pub free: u64,
    pub inodes_used: u64,
    pub inodes_free: u64,
}

#[derive(Debug)]
pub enum Answer {
    Usage(Usage),
    Failed(io::Error),
    Hangs,
    /// The scrape was over before, or too many filesystems hang already.
    NotAsked,
}

/// Asks filesystems how full they are.
#[derive(Default)]
pub struct Prober {
    worker: Option<Worker>,
    stuck: HashMap<PathBuf, JoinHandle<()>>,
}

struct Worker {
    questions: Sender<Question>,
    thread: JoinHandle<()>,
}

/// What one worker is to do in one go.
struct Question {
    paths: Vec<(usize, PathBuf)>,
    ask: fn(&Path) -> io::Result<Usage>,
    answers: Sender<(usize, io::Result<Usage>)>,
}

impl Usage {
    fn of(path: &Path) -> io::Result<Self> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(Self {
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
            used: stat.f_blocks.saturating_sub(stat.f_bfree).saturating_mul(stat.f_frsize),
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
            inodes_used: stat.f_files.saturating_sub(stat.f_ffree),
            inodes_free: stat.f_ffree,
        })
    }

    /// What only root may fill.
    pub fn reserved(&self) -> u64 {
        self.total.saturating_sub(self.used).saturating_sub(self.free)
    }

    /// Share of what an unprivileged user sees that is in use; 0 of nothing.
    pub fn utilization(&self) -> f64 {
        let whole = self.used.saturating_add(self.free);
        if whole == 0 { 0.0 } else { self.used as f64 / whole as f64 }
    }
}

impl Prober {
    /// Asks all of `paths`; one answer each, in their order.
    pub fn ask(&mut self, paths: Vec<PathBuf>, run: &Run<'_>) -> Vec<Answer> {
        self.ask_with(paths, run, PATIENCE, Usage::of)
    }

    fn ask_with(
        &mut self,
        paths: Vec<PathBuf>,
        run: &Run<'_>,
        patience: Duration,
        ask: fn(&Path) -> io::Result<Usage>,
    ) -> Vec<Answer> {
        self.stuck.retain(|_, thread| !thread.is_finished());
        let mut answers: Vec<Answer> = paths
            .iter()
            .map(|path| if self.stuck.contains_key(path) { Answer::Hangs } else { Answer::NotAsked })
            .collect();
        let mut open: Vec<_> =
            paths.into_iter().enumerate().filter(|(_, path)| !self.stuck.contains_key(path)).collect();
        while !open.is_empty() && self.stuck.len() < MAX_STUCK && !run.is_over() {
            let (sender, receiver) = unbounded();
            if let Err(error) = self.give(Question { paths: open.clone(), ask, answers: sender }) {
                let (place, _) = open.remove(0);
                answers[place] = Answer::Failed(error);
                break;
            }
            let mut answered = 0;
            while let Some((place, result)) = wait(&receiver, patience, run) {
                answers[place] = result.map_or_else(Answer::Failed, Answer::Usage);
                answered += 1;
                if answered == open.len() {
                    break;
                }
            }
            open.drain(..answered);
            if open.is_empty() {
                break;
            }
            // The first one without an answer is the one that hangs, also when the wait ended for
            // another reason: its thread is busy either way.
            let (place, path) = open.remove(0);
            answers[place] = Answer::Hangs;
            if let Some(worker) = self.worker.take() {
                self.stuck.insert(path, worker.thread);
            }
        }
        answers
    }

    fn give(&mut self, question: Question) -> io::Result<()> {
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => Worker::start()?,
        };
        let sent = worker.questions.send(question);
        self.worker = Some(worker);
        sent.map_err(|_| io::Error::other("the thread that asks filesystems has ended"))
    }
}

/// The next answer, `None` when it takes too long.
fn wait<T>(answers: &Receiver<T>, patience: Duration, run: &Run<'_>) -> Option<T> {
    let left = run
        .deadline
        .map_or(patience, |deadline| patience.min(deadline.saturating_duration_since(run.clock.monotonic())));
    select! {
        recv(answers) -> answer => answer.ok(),
        recv(run.stop.channel()) -> _ => None,
        default(left) => None,
    }
}

impl Worker {
    fn start() -> io::Result<Self> {
        let (questions, inbox) = bounded::<Question>(1);
        let thread =
            std::thread::Builder::new().name("statfs".into()).stack_size(STACK).spawn(move || {
                for Question { paths, ask, answers } in inbox {
                    for (place, path) in paths {
                        // Nobody listens any more to a thread that was given up as stuck.
                        if answers.send((place, ask(&path))).is_err() {
                            break;
                        }
                    }
                }
            })?;
        Ok(Self { questions, thread })
    }
}

#[cfg(test)]
mod tests;
