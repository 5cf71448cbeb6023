//! The acknowledgement that travels with each batch back to where it came from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// What became of a batch, the worst of all its copies and parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Outcome {
    /// Every exporter delivered it, made it durable, or a processor took it out on purpose.
    Delivered = 0,
    /// An exporter gave it up for good and counted it: sending it again would not help.
    Dropped = 1,
    /// It was not delivered and is not kept by anyone: the source should send it again.
    Refused = 2,
}

/// A share in the acknowledgement of a batch. Cloned when a batch is copied or split, joined when
/// batches are merged. When the last share is gone the source is told the worst [`Outcome`] that
/// any of them reported; a share that is just dropped reports [`Outcome::Delivered`], unless its
/// thread panics, which reports [`Outcome::Refused`].
#[derive(Clone, Default)]
pub struct Ack {
    shares: Shares,
}

#[derive(Clone, Default)]
enum Shares {
    /// Nobody wants to know.
    #[default]
    None,
    One(Arc<Share>),
    Many(Arc<[Arc<Share>]>),
}

struct Share {
    worst: AtomicU8,
    /// Whether the source only waits until somebody has taken the batch over.
    until_taken: bool,
    notify: Box<dyn Fn(Outcome) + Send + Sync>,
}

impl Ack {
    /// For sources that cannot send again.
    pub fn none() -> Self {
        Self::default()
    }

    /// Calls `notify` once, on whichever thread drops the last share. It must not block.
    pub fn new(notify: impl Fn(Outcome) + Send + Sync + 'static) -> Self {
        Self::with(notify, false)
    }

    /// For network receivers, whose clients are answered when the agent has taken the batch over: as
    /// [`Ack::new`], but [`Ack::taken`] counts as delivered.
    pub fn until_taken(notify: impl Fn(Outcome) + Send + Sync + 'static) -> Self {
        Self::with(notify, true)
    }

    fn with(notify: impl Fn(Outcome) + Send + Sync + 'static, until_taken: bool) -> Self {
        let worst = AtomicU8::new(Outcome::Delivered as u8);
        let share = Share { worst, until_taken, notify: Box::new(notify) };
        Self { shares: Shares::One(Arc::new(share)) }
    }

    /// A queue has the batch now, or a processor holds it back: sources that wait for no more than
    /// that are told so when all copies have come this far.
    pub fn taken(&mut self) {
        self.shares = match std::mem::take(&mut self.shares) {
            Shares::One(share) if share.until_taken => Shares::None,
            Shares::Many(shares) if shares.iter().any(|share| share.until_taken) => {
                Shares::Many(shares.iter().filter(|share| !share.until_taken).cloned().collect())
            }
            others => others,
        };
    }

    /// One acknowledgement that settles all of `acks`.
    pub fn join(acks: impl IntoIterator<Item = Ack>) -> Self {
        let mut shares: Vec<Arc<Share>> = Vec::new();
        for mut ack in acks {
            match std::mem::take(&mut ack.shares) {
                Shares::None => {}
                Shares::One(share) => shares.push(share),
                Shares::Many(many) => shares.extend(many.iter().cloned()),
            }
        }
        let shares = match shares.len() {
            0 => Shares::None,
            1 => Shares::One(shares.remove(0)),
            _ => Shares::Many(shares.into()),
        };
        Self { shares }
    }

    /// Reports `outcome` and gives this share back.
    pub fn settle(self, outcome: Outcome) {
        self.report(outcome);
    }

    /// Whether anybody waits for the outcome.
    pub fn is_wanted(&self) -> bool {
        !matches!(self.shares, Shares::None)
    }

    fn report(&self, outcome: Outcome) {
        let raise = |share: &Share| {
            share.worst.fetch_max(outcome as u8, Ordering::AcqRel);
        };
        match &self.shares {
            Shares::None => {}
            Shares::One(share) => raise(share),
            Shares::Many(shares) => shares.iter().for_each(|share| raise(share)),
        }
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.report(Outcome::Refused);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let outcome = match *self.worst.get_mut() {
            0 => Outcome::Delivered,
            1 => Outcome::Dropped,
            _ => Outcome::Refused,
        };
        (self.notify)(outcome);
    }
}

impl std::fmt::Debug for Ack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_wanted() { "Ack(wanted)" } else { "Ack(none)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::{Receiver, unbounded};

    fn watched() -> (Ack, Receiver<Outcome>) {
        let (sender, receiver) = unbounded();
        (Ack::new(move |outcome| sender.send(outcome).unwrap()), receiver)
    }

    #[test]
    fn the_source_hears_once_after_the_last_copy_and_hears_the_worst() {
        let (ack, outcomes) = watched();
        let copy = ack.clone();
        ack.settle(Outcome::Refused);
        assert!(outcomes.is_empty());
        copy.settle(Outcome::Delivered);
        assert_eq!(outcomes.try_iter().collect::<Vec<_>>(), [Outcome::Refused]);
    }

    #[test]
    fn a_merged_batch_settles_every_source_and_a_part_keeps_them_waiting() {
        let (first, first_outcomes) = watched();
        let (second, second_outcomes) = watched();
        let merged = Ack::join([first, Ack::none(), second]);
        let part = merged.clone();
        merged.settle(Outcome::Delivered);
        assert!(first_outcomes.is_empty() && second_outcomes.is_empty());
        drop(part);
        assert_eq!(first_outcomes.try_recv(), Ok(Outcome::Delivered));
        assert_eq!(second_outcomes.try_recv(), Ok(Outcome::Delivered));
    }

    #[test]
    fn a_source_that_waits_until_its_batch_is_taken_hears_when_all_copies_are() {
        let (sender, outcomes) = unbounded();
        let early = Ack::until_taken(move |outcome| sender.send(outcome).unwrap());
        let (late, late_outcomes) = watched();
        let mut merged = Ack::join([early.clone(), late]);
        merged.taken();
        assert!(outcomes.is_empty(), "a copy is still on its way");
        early.settle(Outcome::Refused);
        assert_eq!(outcomes.try_recv(), Ok(Outcome::Refused));
        assert!(late_outcomes.is_empty());
        merged.settle(Outcome::Dropped);
        assert_eq!(late_outcomes.try_recv(), Ok(Outcome::Dropped));
    }

    #[test]
    fn a_panic_with_a_batch_in_hand_refuses_it() {
        let (ack, outcomes) = watched();
        let thread = std::thread::Builder::new().spawn(move || {
            let _held = ack;
            std::panic::resume_unwind(Box::new("deliberate"));
        });
        assert!(thread.unwrap().join().is_err());
        assert_eq!(outcomes.try_recv(), Ok(Outcome::Refused));
    }
}
