//! What this process uses, from `/proc/self`.

use std::fs;
use std::time::Instant;

/// CPU share and resident memory of the process.
#[derive(Debug)]
pub struct Usage {
    last: Option<(Instant, f64)>,
    /// Share of one core since the last look.
    pub cpu: Option<f64>,
    /// User and system time since the process began, in seconds.
    pub cpu_seconds: f64,
    /// Resident memory in bytes.
    pub rss: u64,
}

impl Default for Usage {
    fn default() -> Self {
        Self::new()
    }
}

impl Usage {
    pub fn new() -> Self {
        let mut usage = Self { last: None, cpu: None, cpu_seconds: 0.0, rss: 0 };
        usage.look();
        usage
    }

    /// Reads the counters again.
    pub fn look(&mut self) {
        self.cpu_seconds = cpu_seconds().unwrap_or_default();
        let now = (Instant::now(), self.cpu_seconds);
        if let Some((then, seconds)) = self.last {
            self.cpu = Some((now.1 - seconds) / now.0.duration_since(then).as_secs_f64().max(0.001));
        }
        self.last = Some(now);
        self.rss = rss().unwrap_or_default();
    }
}

/// User and system time of this process in seconds.
fn cpu_seconds() -> Option<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}

fn rss() -> Option<u64> {
    let pages: u64 = fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
