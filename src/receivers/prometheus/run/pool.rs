//! The threads that scrape: as many as there are targets that keep one waiting, and few.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use super::RunningJob;
use super::reporting::Reporting;
use crate::otlp::metrics::ResourceMetrics;
use crate::pipeline::{Ack, Data, Outputs, Stop};
use crate::receivers::prometheus::scrape::{Failure, Memory, Outcome, Surroundings, Target};

/// A target with what is remembered of it.
pub struct Visited {
    pub target: Target,
    pub job: Arc<RunningJob>,
    pub key: u64,
    pub memory: Mutex<Memory>,
}

/// What a thread is to do.
pub enum Task {
    Scrape(Arc<Visited>),
    /// The target counts as down without a visit, for that reason.
    Refuse(Arc<Visited>, &'static str),
    /// The target is gone.
    End(Arc<Visited>),
}

/// What a thread has done.
pub enum Done {
    Visited {
        key: u64,
        failed: Option<String>,
        series: usize,
    },
    /// It had nothing to do for long and ends.
    Left,
    /// Nobody takes what is scraped any more.
    Stopped,
    Panicked,
}

/// The threads and their work.
pub struct Pool {
    name: String,
    worker: Worker,
    tasks: Option<Sender<Task>>,
    done: Receiver<Done>,
    threads: Vec<JoinHandle<()>>,
    working: usize,
    given: usize,
}

#[derive(Clone)]
struct Worker {
    tasks: Receiver<Task>,
    done: Sender<Done>,
    outputs: Outputs,
    around: Surroundings,
    reporting: Arc<Reporting>,
    stop: Stop,
}

/// Threads at most: as many targets may hang at once before others have to wait.
const MOST: usize = 16;
const IDLE: Duration = Duration::from_mins(2);
const STACK: usize = 512 << 10;

impl Pool {
    pub fn new(
        name: &str,
        outputs: Outputs,
        around: Surroundings,
        reporting: Arc<Reporting>,
        stop: Stop,
    ) -> Self {
        let (task_sender, tasks) = unbounded();
        let (done_sender, done) = unbounded();
        let worker = Worker { tasks, done: done_sender, outputs, around, reporting, stop };
        Self {
            name: name.to_owned(),
            worker,
            tasks: Some(task_sender),
            done,
            threads: Vec::new(),
            working: 0,
            given: 0,
        }
    }

    /// Hears of what was done.
    pub fn done(&self) -> &Receiver<Done> {
        &self.done
    }

    pub fn give(&mut self, task: Task) {
        self.given += 1;
        if let Some(tasks) = &self.tasks {
            // The pool itself holds the other end.
            let _ = tasks.send(task);
        }
    }

    /// A task is done.
    pub fn finished(&mut self) {
        self.given = self.given.saturating_sub(1);
    }

    /// A thread has ended.
    pub fn left(&mut self) {
        self.working -= 1;
        self.threads.retain(|thread| !thread.is_finished());
    }

    /// Starts threads for tasks that wait.
    pub fn grow(&mut self) -> io::Result<()> {
        while self.working < self.given.min(MOST) {
            let worker = self.worker.clone();
            let thread = std::thread::Builder::new()
                .name(format!("{}/{}", self.name, self.working))
                .stack_size(STACK)
                .spawn(move || worker.run())?;
            self.threads.push(thread);
            self.working += 1;
        }
        Ok(())
    }

    /// No more tasks.
    pub fn close(&mut self) {
        self.tasks = None;
    }

    pub fn is_over(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }
}

impl Worker {
    fn run(self) {
        let end = match catch_unwind(AssertUnwindSafe(|| self.work())) {
            Ok(end) => end,
            Err(_) => Some(Done::Panicked),
        };
        if let Some(end) = end {
            // Nobody listens any more only when all is over.
            let _ = self.done.send(end);
        }
    }

    fn work(&self) -> Option<Done> {
        loop {
            let task = match self.tasks.recv_timeout(IDLE) {
                Ok(task) => task,
                Err(RecvTimeoutError::Timeout) => return Some(Done::Left),
                Err(RecvTimeoutError::Disconnected) => return None,
            };
            if self.stop.is_raised() {
                return None;
            }
            let done = self.visit(&task);
            let _ = self.done.send(done);
        }
    }

    fn visit(&self, task: &Task) -> Done {
        let mut deliver = |piece: Vec<ResourceMetrics>| {
            !self.stop.is_raised() && self.outputs.send(Data::Metrics(piece), Ack::none())
        };
        let (visited, outcome) = match task {
            Task::Scrape(visited) => {
                let mut memory = visited.memory.lock().unwrap_or_else(PoisonError::into_inner);
                let RunningJob { job, client, .. } = &*visited.job;
                (visited, memory.scrape(&visited.target, job, client, self.around, &mut deliver))
            }
            Task::Refuse(visited, why) => {
                let failure = Failure { kind: why, message: format!("{why} exceeded") };
                let mut memory = visited.memory.lock().unwrap_or_else(PoisonError::into_inner);
                let job = &visited.job.job;
                (visited, memory.refuse(&visited.target, job, failure, self.around, &mut deliver))
            }
            Task::End(visited) => {
                let mut memory = visited.memory.lock().unwrap_or_else(PoisonError::into_inner);
                memory.end(&visited.target, &visited.job.job, self.around, &mut deliver);
                (visited, Outcome::default())
            }
        };
        if self.stop.is_raised() || outcome.stopped {
            return Done::Stopped;
        }
        self.reporting.report(visited, &outcome);
        let series = visited.memory.lock().unwrap_or_else(PoisonError::into_inner).series();
        Done::Visited { key: visited.key, failed: outcome.failure.map(|failure| failure.message), series }
    }
}
