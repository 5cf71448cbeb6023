//! The jobs of one loop, found by keys that are never used twice in a row.

use std::rc::Rc;

use super::{Job, Task};

#[derive(Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
    filled: usize,
}

struct Slot {
    /// Tells a job from those that had the slot before.
    generation: u32,
    job: Option<(Job, Rc<Task>)>,
}

impl Slots {
    pub(super) fn reserve(&mut self) -> u64 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, job: None });
            (self.slots.len() - 1) as u32
        });
        self.filled += 1;
        u64::from(self.slots[index as usize].generation) << 32 | u64::from(index)
    }

    pub(super) fn fill(&mut self, key: u64, job: Job, task: Rc<Task>) {
        if let Some(slot) = self.slot(key) {
            slot.job = Some((job, task));
        }
    }

    pub(super) fn get(&mut self, key: u64) -> Option<&mut (Job, Rc<Task>)> {
        self.slot(key)?.job.as_mut()
    }

    pub(super) fn free(&mut self, key: u64) {
        if let Some(slot) = self.slot(key) {
            slot.job = None;
            // `u32::MAX` is left out, so that no key is the loop's own.
            slot.generation = (slot.generation + 1) % u32::MAX;
            self.free.push(key as u32);
            self.filled -= 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = u64> {
        self.tasks().map(|(key, _)| key)
    }

    pub(super) fn tasks(&self) -> impl Iterator<Item = (u64, &Task)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let (_, task) = slot.job.as_ref()?;
            Some((u64::from(slot.generation) << 32 | index as u64, task.as_ref()))
        })
    }

    fn slot(&mut self, key: u64) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(key as u32 as usize)?;
        (slot.generation == (key >> 32) as u32).then_some(slot)
    }
}
