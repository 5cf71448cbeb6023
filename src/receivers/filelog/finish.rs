//! Files that are done: deleted ones are closed, read ones deleted when that is wanted.

use std::time::Duration;

use super::engine::Engine;
use super::entry::FileId;
use super::handoff::Now;
use super::registry::Fate;

/// How long a deleted file is watched for more lines after its end was reached.
pub const LINGER: Duration = Duration::from_secs(2);

impl Engine {
    /// Lets go of files that were deleted, read to the end and acknowledged.
    pub(super) fn finish_gone(&mut self, now: Now) {
        let finished: Vec<FileId> =
            self.gone.iter().copied().filter(|id| self.is_finished(*id, now)).collect();
        for id in finished {
            self.gone.remove(&id);
            self.close(id);
            self.chain.forget(id);
        }
    }

    fn is_finished(&self, id: FileId, now: Now) -> bool {
        let Some(file) = self.registry.get(id) else { return true };
        let settled =
            self.ledger.progress(id).is_none_or(|p| p.pending == 0 && p.committed.offset == file.next.offset);
        let at_end = !file.queued && file.rest == 0;
        file.content.is_none()
            || (at_end && settled && file.done.is_some_and(|done| done + LINGER <= now.instant))
    }

    /// Deletes files of which everything was acknowledged.
    pub(super) fn delete_read(&mut self) {
        let read: Vec<FileId> = self
            .registry
            .files
            .iter()
            .filter(|(id, file)| {
                let committed = self.ledger.progress(**id).is_some_and(|p| {
                    p.pending == 0 && p.committed.offset == file.next.offset && file.next.offset > 0
                });
                committed && !file.queued && file.rest == 0 && file.fate != Fate::Gone
            })
            .map(|(id, _)| *id)
            .collect();
        for id in read {
            let Some(file) = self.registry.get_mut(id) else { continue };
            let whole = file
                .content
                .as_mut()
                .is_some_and(|content| content.len().is_ok_and(|len| len == file.next.offset));
            if whole && let Err(error) = std::fs::remove_file(&file.place) {
                let place = file.place.to_path_buf();
                if self.causes.is_new((place.clone(), error.to_string())) {
                    log::error!("cannot delete {} after reading it: {error}", place.display());
                }
            }
        }
    }
}
