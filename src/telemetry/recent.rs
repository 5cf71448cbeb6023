//! The last warnings and errors of the agent's own log, for its status page.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// One line of the log.
#[derive(Clone, Debug)]
pub struct Note {
    /// When it came last.
    pub at: SystemTime,
    pub level: log::Level,
    /// Name of the thread, which is that of its component.
    pub thread: String,
    pub message: String,
    /// How often it came since it was new.
    pub times: u64,
}

/// Lines that are kept.
const MOST: usize = 100;
/// Bytes of one of them.
const LONGEST: usize = 2 << 10;

/// The log is the process's: so is this.
static NOTES: Mutex<VecDeque<Note>> = Mutex::new(VecDeque::new());

/// Keeps a line. One that is kept already only counts.
pub fn note(level: log::Level, thread: &str, message: &str) {
    push(&mut NOTES.lock().unwrap_or_else(PoisonError::into_inner), level, thread, message);
}

/// What is kept, the latest first.
pub fn notes() -> Vec<Note> {
    NOTES.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
}

fn push(notes: &mut VecDeque<Note>, level: log::Level, thread: &str, message: &str) {
    let end = message.floor_char_boundary(LONGEST);
    let (message, at) = (&message[..end], SystemTime::now());
    let known = notes.iter().position(|note| note.message == message && note.thread == thread);
    let times = known.and_then(|place| notes.remove(place)).map_or(0, |note| note.times) + 1;
    notes.push_back(Note { at, level, thread: thread.to_owned(), message: message.to_owned(), times });
    if notes.len() > MOST {
        notes.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_the_same_one_counts() {
        let mut notes = VecDeque::new();
        for n in 0..1000 {
            push(&mut notes, log::Level::Warn, "t", &format!("line {n}"));
            push(&mut notes, log::Level::Error, "t", "again");
        }
        assert_eq!(notes.len(), MOST);
        let last = notes.back().unwrap();
        assert_eq!((last.message.as_str(), last.times), ("again", 1000));
        push(&mut notes, log::Level::Warn, "t", &"é".repeat(LONGEST));
        assert_eq!(notes.back().unwrap().message.len(), LONGEST);
    }
}
