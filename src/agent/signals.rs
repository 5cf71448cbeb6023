//! SIGINT, SIGTERM and SIGHUP as messages.

use crossbeam_channel::{Receiver, Sender, unbounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT or SIGTERM, by name.
    Stop(&'static str),
    /// SIGHUP, or the configuration has changed.
    Reload,
}

/// Starts to listen. Signals are queued from here on, so none is lost during start-up. Through the
/// sender others can ask for the same.
pub fn listen() -> std::io::Result<(Sender<Signal>, Receiver<Signal>)> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let (sender, receiver) = unbounded();
    let others = sender.clone();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            let message = match signal {
                SIGHUP => Signal::Reload,
                SIGINT => Signal::Stop("SIGINT"),
                _ => Signal::Stop("SIGTERM"),
            };
            if sender.send(message).is_err() {
                return;
            }
        }
    })?;
    Ok((others, receiver))
}
