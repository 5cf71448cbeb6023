//! The summary as text: a screen that redraws itself on a terminal, plain lines elsewhere.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _, stdout};

use super::summary::Summary;
use crate::pipeline::Signal;
use crate::telemetry::Usage;

/// Where the summary goes.
#[derive(Debug)]
pub struct Screen {
    live: bool,
    colour: bool,
}

impl Screen {
    /// Live on a terminal unless `once`; coloured on a terminal unless `NO_COLOR` is set.
    pub fn new(once: bool) -> Self {
        let terminal = stdout().is_terminal();
        Self { live: terminal && !once, colour: terminal && std::env::var_os("NO_COLOR").is_none() }
    }

    pub fn is_live(&self) -> bool {
        self.live
    }

    /// Shows the summary; a reader that went away is no error worth telling.
    pub fn draw(&self, summary: &Summary, usage: &Usage, endpoint: &str) {
        let text = Page { colour: self.colour, width: width(), text: String::new() }
            .write(summary, usage, endpoint, self.live);
        let mut out = stdout().lock();
        // Home, draw over, clear what is left below: no flicker.
        let text = if self.live {
            format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n"))
        } else {
            format!("{text}\n")
        };
        _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// Takes the screen over, and gives it back when the guard is dropped.
    pub fn take_over(&self) -> Guard {
        if self.live {
            print!("\x1b[?1049h\x1b[?25l\x1b[2J");
            _ = stdout().flush();
        }
        Guard { live: self.live }
    }
}

/// Restores the terminal.
#[derive(Debug)]
pub struct Guard {
    live: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.live {
            print!("\x1b[?25h\x1b[?1049l");
            _ = stdout().flush();
        }
    }
}

fn width() -> usize {
    rustix::termios::tcgetwinsize(rustix::stdio::stdout())
        .map_or(100, |size| usize::from(size.ws_col).max(60))
}

struct Page {
    colour: bool,
    width: usize,
    text: String,
}

const BAR: usize = 20;

impl Page {
    fn write(mut self, summary: &Summary, usage: &Usage, endpoint: &str, live: bool) -> String {
        let seconds = summary.started.elapsed().as_secs();
        let title = self.bold("kmagent demo");
        self.line(&format!(
            "{title}  this machine's metrics and logs, as OTLP over HTTP to {endpoint}   {}:{:02}",
            seconds / 60,
            seconds % 60
        ));
        self.line("");
        self.host(summary);
        self.line("");
        self.flows(summary);
        self.line("");
        self.lines(summary);
        self.agent(summary, usage);
        if live {
            self.line("Ctrl-C ends it.");
        }
        self.text
    }

    fn host(&mut self, summary: &Summary) {
        let host = &summary.host;
        let load =
            host.load.map(|value| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.2}"))).join(" ");
        let cpus = format!("{} CPUs, load {load}", host.cpus);
        self.share("CPU", host.cpu, &cpus);
        let memory = host.memory_used.filter(|_| host.memory_total > 0.0);
        self.share(
            "Memory",
            memory.map(|used| used / host.memory_total),
            &memory.map_or_else(String::new, |used| of(used, host.memory_total)),
        );
        self.share(
            "Disk /",
            host.root.map(|(used, total)| used / total.max(1.0)),
            &host.root.map_or_else(String::new, |(used, total)| of(used, total)),
        );
        let rate = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |r| format!("{}/s", bytes(r)));
        let disk = host.disk.per_second;
        let network = host.network.per_second;
        self.line(&format!(
            "  Disk I/O  read {:>11}   write {:>11}     Network  in {:>11}   out {:>11}",
            rate(disk.map(|d| d.0)),
            rate(disk.map(|d| d.1)),
            rate(network.map(|n| n.0)),
            rate(network.map(|n| n.1))
        ));
        if let Some(processes) = host.processes {
            let uptime = host.uptime.map_or_else(String::new, |s| format!(", up {:.1} h", s / 3600.0));
            self.line(&format!(
                "  Processes {processes} ({} running, {} blocked){uptime}",
                host.running, host.blocked
            ));
        }
    }

    /// A name, a bar, per cent, and what they stand for.
    fn share(&mut self, name: &str, share: Option<f64>, detail: &str) {
        let filled = share.map_or(0, |share| (share.clamp(0.0, 1.0) * BAR as f64).round() as usize);
        let colour = match share {
            Some(share) if share > 0.9 => "31",
            Some(share) if share > 0.7 => "33",
            _ => "32",
        };
        let bar = self.paint(colour, &"█".repeat(filled)) + &"░".repeat(BAR - filled);
        let per_cent = share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0));
        self.line(&format!("  {name:<9} {bar} {per_cent:>8}   {detail}"));
    }

    fn flows(&mut self, summary: &Summary) {
        let head = self.bold("  signal         items   per second   requests");
        self.line(&head);
        let seconds = summary.started.elapsed().as_secs_f64().max(0.1);
        for (signal, flow) in &summary.signals {
            if *signal != Signal::Traces || flow.requests > 0 {
                self.line(&format!(
                    "  {signal:<8} {:>11} {:>12.1} {:>10}",
                    flow.items,
                    flow.items as f64 / seconds,
                    flow.requests
                ));
            }
        }
    }

    fn lines(&mut self, summary: &Summary) {
        if summary.lines.is_empty() {
            self.line("  no log line yet: /var/log has none, or they cannot be read");
        } else {
            let head = self.bold("  latest log lines");
            self.line(&head);
        }
        for line in &summary.lines {
            let text = format!("  {}  {}", line.file, line.text);
            let cut: String = text.chars().take(self.width.saturating_sub(1)).collect();
            self.line(&cut);
        }
        self.line("");
    }

    fn agent(&mut self, summary: &Summary, usage: &Usage) {
        let ratio = summary.raw_bytes as f64 / summary.wire_bytes.max(1) as f64;
        let cpu = usage.cpu.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0));
        self.line(&format!(
            "  sent {} on the wire ({} before gzip, {ratio:.1}x)   agent and sink: CPU {cpu} of a core, memory {}",
            bytes(summary.wire_bytes as f64),
            bytes(summary.raw_bytes as f64),
            bytes(usage.rss as f64)
        ));
    }

    fn line(&mut self, line: &str) {
        // Writing to a string cannot fail.
        _ = writeln!(self.text, "{line}");
    }

    fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn of(used: f64, total: f64) -> String {
    format!("{} of {}", bytes(used), bytes(total))
}

/// A byte count for people, in binary units.
fn bytes(count: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 100.0);
    format!("{value:.digits$} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_well() {
        assert_eq!(bytes(0.0), "0 B");
        assert_eq!(bytes(1536.0), "1.5 KiB");
        assert_eq!(bytes(300.0 * 1024.0 * 1024.0), "300 MiB");
    }

    #[test]
    fn without_a_terminal_no_escape_reaches_the_output() {
        let page = Page { colour: false, width: 80, text: String::new() };
        let text = page.write(&Summary::new(), &Usage::new(), "http://127.0.0.1:1", false);
        assert!(!text.contains('\x1b'));
        assert!(text.contains("no log line yet"));
    }
}
