//! Which parts of which files are on their way, and up to where each file was acknowledged.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::pipeline::Outcome;

use super::anchor::Anchor;
use super::entry::FileId;

/// A place in a file between two records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    pub offset: u64,
    /// `None` when the bytes before it were not at hand.
    pub anchor: Option<Anchor>,
    /// Records before it.
    pub records: u64,
}

/// How far a file has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Everything before it is in a batch that was sent, or was acknowledged.
    pub handed: Mark,
    /// Everything before it was acknowledged.
    pub committed: Mark,
    /// Batches on their way with records of the file.
    pub pending: usize,
}

/// A file's share in a batch.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub file: FileId,
    pub from: Mark,
    pub upto: Mark,
}

struct Sent {
    bytes: usize,
    parts: Vec<Part>,
    outcome: Option<Outcome>,
}

/// The batches on their way, in the order they were sent.
#[derive(Default)]
pub struct Ledger {
    sent: VecDeque<Sent>,
    /// Number of the first batch in `sent`.
    first: u64,
    bytes: usize,
    progress: FxHashMap<FileId, Progress>,
}

/// What acknowledgements changed.
#[derive(Debug, Default)]
pub struct Settled {
    /// Files whose committed mark moved.
    pub committed: Vec<FileId>,
    /// Files to be read again, and from where.
    pub rewound: Vec<(FileId, Mark)>,
    /// A batch was refused.
    pub refused: bool,
}

impl Ledger {
    /// Starts a file at a mark that needs no acknowledgement.
    pub fn start(&mut self, file: FileId, at: Mark) {
        self.progress.insert(file, Progress { handed: at, committed: at, pending: 0 });
    }

    pub fn progress(&self, file: FileId) -> Option<&Progress> {
        self.progress.get(&file)
    }

    pub fn forget(&mut self, file: FileId) {
        self.progress.remove(&file);
    }

    /// Bytes on their way.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// The number of the next batch.
    pub fn next_number(&self) -> u64 {
        self.first + self.sent.len() as u64
    }

    /// Notes that a batch goes out with everything up to `upto` of these files.
    pub fn send(&mut self, bytes: usize, files: impl IntoIterator<Item = (FileId, Mark)>) {
        self.enter(bytes, files, None);
    }

    /// Notes that what was read of these files made no records: nothing goes out, but it is only
    /// committed after the batches before it.
    pub fn skip(&mut self, files: impl IntoIterator<Item = (FileId, Mark)>) {
        self.enter(0, files, Some(Outcome::Delivered));
    }

    fn enter(
        &mut self,
        bytes: usize,
        files: impl IntoIterator<Item = (FileId, Mark)>,
        outcome: Option<Outcome>,
    ) {
        let mut parts = Vec::new();
        for (file, upto) in files {
            let Some(progress) = self.progress.get_mut(&file) else { continue };
            // What is held back may start before what was handed on already.
            let upto = if upto.offset < progress.handed.offset { progress.handed } else { upto };
            parts.push(Part { file, from: progress.handed, upto });
            progress.handed = upto;
            progress.pending += 1;
        }
        self.bytes += bytes;
        self.sent.push_back(Sent { bytes, parts, outcome });
    }

    /// Notes the outcome of batch `number`, and settles all batches up to the first open one.
    pub fn settle(&mut self, number: u64, outcome: Outcome) -> Settled {
        if let Some(sent) = number.checked_sub(self.first).and_then(|at| self.sent.get_mut(at as usize)) {
            sent.outcome = Some(outcome);
        }
        self.settle_ready()
    }

    /// Settles all batches up to the first open one.
    pub fn settle_ready(&mut self) -> Settled {
        let mut settled = Settled::default();
        while let Some(outcome) = self.sent.front().and_then(|sent| sent.outcome) {
            let Some(sent) = self.sent.pop_front() else { break };
            self.first += 1;
            self.bytes -= sent.bytes;
            settled.refused |= outcome == Outcome::Refused;
            for part in sent.parts {
                let Some(progress) = self.progress.get_mut(&part.file) else { continue };
                progress.pending = progress.pending.saturating_sub(1);
                if outcome == Outcome::Refused {
                    self.rewind(part.file, part.from);
                    settled.rewound.push((part.file, part.from));
                } else if progress.committed != part.upto {
                    progress.committed = part.upto;
                    settled.committed.push(part.file);
                }
            }
        }
        settled
    }

    /// The file is read again from `to`: what is on its way of it counts no more.
    pub fn rewind(&mut self, file: FileId, to: Mark) {
        for sent in &mut self.sent {
            sent.parts.retain(|part| part.file != file);
        }
        if let Some(progress) = self.progress.get_mut(&file) {
            progress.handed = to;
            progress.pending = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(offset: u64) -> Mark {
        Mark { offset, ..Mark::default() }
    }

    fn committed(ledger: &Ledger, file: FileId) -> u64 {
        ledger.progress(file).unwrap().committed.offset
    }

    #[test]
    fn contrib_45120_an_offset_is_committed_by_its_acknowledgement_alone() {
        let mut ledger = Ledger::default();
        ledger.start(1, mark(0));
        ledger.send(10, [(1, mark(100))]);
        assert_eq!(committed(&ledger, 1), 0);
        assert_eq!(ledger.settle(0, Outcome::Delivered).committed, [1]);
        assert_eq!((committed(&ledger, 1), ledger.bytes()), (100, 0));
        ledger.send(10, [(1, mark(200))]);
        ledger.settle(1, Outcome::Dropped);
        assert_eq!(committed(&ledger, 1), 200, "given up for good: sending again would not help");
    }

    #[test]
    fn out_of_order_acknowledgements_commit_the_contiguous_prefix() {
        let mut ledger = Ledger::default();
        ledger.start(1, mark(0));
        for end in [100, 200, 300] {
            ledger.send(10, [(1, mark(end))]);
        }
        ledger.settle(2, Outcome::Delivered);
        ledger.settle(1, Outcome::Delivered);
        assert_eq!((committed(&ledger, 1), ledger.bytes()), (0, 30));
        ledger.settle(0, Outcome::Delivered);
        assert_eq!((committed(&ledger, 1), ledger.bytes()), (300, 0));
    }

    #[test]
    fn a_refused_batch_rewinds_its_files_and_what_follows_counts_no_more() {
        let mut ledger = Ledger::default();
        ledger.start(1, mark(0));
        ledger.start(2, mark(0));
        ledger.send(1, [(1, mark(100))]);
        ledger.send(1, [(1, mark(200)), (2, mark(50))]);
        ledger.send(1, [(1, mark(300))]);
        ledger.settle(0, Outcome::Delivered);
        let settled = ledger.settle(1, Outcome::Refused);
        assert_eq!(settled.rewound, [(1, mark(100)), (2, mark(0))]);
        assert!(settled.refused);
        ledger.settle(2, Outcome::Delivered);
        assert_eq!(committed(&ledger, 1), 100);
        ledger.send(1, [(1, mark(300))]);
        ledger.settle(3, Outcome::Delivered);
        assert_eq!(committed(&ledger, 1), 300);
    }

    #[test]
    fn lines_that_made_no_record_wait_for_the_batches_before_them() {
        let mut ledger = Ledger::default();
        ledger.start(1, mark(0));
        ledger.send(1, [(1, mark(100))]);
        ledger.skip([(1, mark(150))]);
        assert!(ledger.settle_ready().committed.is_empty());
        ledger.settle(0, Outcome::Delivered);
        assert_eq!(committed(&ledger, 1), 150);
    }
}
