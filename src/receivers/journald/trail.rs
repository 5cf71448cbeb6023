//! Entries on their way: what the position will be when they are acknowledged.

use std::collections::VecDeque;

use super::file::Id;
use super::position::{Point, Positions};

/// Entries that were read, by the number the receiver gave them, and what of them is acknowledged.
#[derive(Default)]
pub struct Trail {
    /// Everything acknowledged.
    committed: Positions,
    /// What was read since, in order.
    steps: VecDeque<Step>,
    /// Number of the next entry.
    next: u64,
}

struct Step {
    /// The number after the entry.
    end: u64,
    seqnum_id: Id,
    point: Point,
    /// It became a record: the way may be resumed right before it.
    sent: bool,
}

impl Trail {
    pub fn new(committed: Positions) -> Self {
        Self { committed, ..Self::default() }
    }

    pub fn committed(&self) -> &Positions {
        &self.committed
    }

    pub fn committed_mut(&mut self) -> &mut Positions {
        &mut self.committed
    }

    /// Number of the next entry.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Everything read is acknowledged.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Notes an entry that was read; `sent` when it becomes a record.
    pub fn push(&mut self, seqnum_id: Id, point: Point, sent: bool) {
        self.next += 1;
        let step = Step { end: self.next, seqnum_id, point, sent };
        match self.steps.back_mut() {
            // Entries that nobody wants need not be told apart.
            Some(last) if !sent && !last.sent && last.seqnum_id == seqnum_id => *last = step,
            _ => self.steps.push_back(step),
        }
    }

    /// Everything before entry `end` is acknowledged.
    pub fn commit(&mut self, end: u64) {
        while let Some(step) = self.steps.front()
            && step.end <= end
        {
            self.committed.set(step.seqnum_id, step.point);
            self.steps.pop_front();
        }
    }

    /// Goes back to before entry `to`; returns the position there.
    pub fn rewind(&mut self, to: u64) -> Positions {
        while self.steps.back().is_some_and(|step| step.end > to) {
            self.steps.pop_back();
        }
        self.next = to;
        let mut positions = self.committed.clone();
        for step in &self.steps {
            positions.set(step.seqnum_id, step.point);
        }
        positions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(seqnum: u64) -> Point {
        Point { seqnum, boot: [0; 16], realtime: 0, monotonic: 0, xor_hash: 0 }
    }

    #[test]
    fn a_commit_moves_the_position_and_a_rewind_finds_the_way_back() {
        let mut trail = Trail::default();
        let (a, b) = ([1; 16], [2; 16]);
        for (id, seqnum, sent) in [(a, 1, true), (b, 1, true), (a, 2, false), (a, 3, false), (a, 4, true)] {
            trail.push(id, point(seqnum), sent);
        }
        assert_eq!(trail.next(), 5);
        trail.commit(2);
        assert_eq!(trail.committed().get(&a), Some(&point(1)));
        assert_eq!(trail.rewind(4).get(&a), Some(&point(3)), "two that nobody wanted are one step");
        assert_eq!(trail.rewind(2).get(&a), Some(&point(1)));
        assert_eq!((trail.next(), trail.is_empty()), (2, true));
    }
}
