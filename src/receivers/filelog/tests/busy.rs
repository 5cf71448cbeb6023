//! Directories whose events are off while their files are written to all the time.

use std::time::Duration;

use super::super::busy::{Busy, LOOK_EVERY};
use super::super::watch::Watcher;
use super::rig::{Rig, lines, numbered};

/// A rig whose directory is watched, with one file that was read to its end.
fn watched() -> (Rig, Watcher) {
    let mut rig = Rig::new("");
    rig.write("a.log", lines(0..1)).poll();
    let mut watcher = Watcher::new();
    watcher.watch(rig.dir.path());
    (rig, watcher)
}

fn look(busy: &mut Busy, rig: &mut Rig, watcher: &mut Watcher) {
    rig.pass(LOOK_EVERY);
    busy.look(&mut rig.engine, watcher, rig.now);
    rig.read();
}

#[test]
fn many_events_are_told_as_such_and_none_where_they_are_off() {
    let (mut rig, mut watcher) = watched();
    // The kernel joins events of the same file in a row, not those of files in turn.
    for n in 1..20 {
        rig.append("a.log", lines(n..n + 1)).append("b.log", "line\n");
    }
    let changes = watcher.take();
    assert_eq!(changes.files.len(), 2, "{:?}", changes.files);
    assert!(
        matches!(&changes.busy[..], [(directory, events)] if directory == rig.dir.path() && *events > 15)
    );
    assert!(watcher.take().busy.is_empty());
    assert!(watcher.mute(rig.dir.path()));
    rig.append("a.log", lines(20..21)).write("c.log", "");
    let changes = watcher.take();
    assert!(changes.files.is_empty() && changes.directories.contains(rig.dir.path()), "{changes:?}");
    watcher.unmute(rig.dir.path());
    rig.append("a.log", lines(21..22));
    assert_eq!(watcher.take().files.len(), 1);
}

#[test]
fn files_of_a_busy_directory_are_read_without_events_until_it_is_calm() {
    let (mut rig, mut watcher) = watched();
    let mut busy = Busy::default();
    busy.enter(rig.dir.path(), 50, &rig.engine, &mut watcher);
    assert!(busy.next().is_none(), "the first look is due at once");
    for n in 1..60 {
        rig.append("a.log", lines(n..n + 1));
        look(&mut busy, &mut rig, &mut watcher);
    }
    assert_eq!(rig.lines(), numbered(0..60));
    assert!(watcher.take().files.is_empty());
    assert!(busy.next().is_some());
    (0..40).for_each(|_| look(&mut busy, &mut rig, &mut watcher));
    assert!(busy.next().is_none());
    rig.append("a.log", lines(60..61));
    assert_eq!(watcher.take().files.len(), 1, "it is left to events again");
}

#[test]
fn nothing_is_missed_when_a_directory_is_left_to_events() {
    let (mut rig, mut watcher) = watched();
    let mut busy = Busy::default();
    busy.enter(rig.dir.path(), 50, &rig.engine, &mut watcher);
    rig.append("a.log", lines(1..2));
    busy.leave_all(&mut rig.engine, &mut watcher, rig.now);
    rig.read();
    assert_eq!(rig.lines(), numbered(0..2));
    assert!(busy.next().is_none());
}

#[test]
fn a_directory_with_many_quiet_files_is_not_looked_through() {
    let (mut rig, mut watcher) = watched();
    for n in 0..30 {
        rig.write(&format!("{n}.log"), "quiet\n");
    }
    rig.poll();
    watcher.take();
    let mut busy = Busy::default();
    busy.enter(rig.dir.path(), 50, &rig.engine, &mut watcher);
    rig.pass(Duration::from_secs(1));
    busy.look(&mut rig.engine, &mut watcher, rig.now);
    assert!(busy.next().is_none());
    rig.append("a.log", lines(1..2));
    assert_eq!(watcher.take().files.len(), 1);
}
