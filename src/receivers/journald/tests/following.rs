//! The position: what is read once, again, or never.

use std::sync::Arc;

use crate::otlp::AnyValue;
use crate::pipeline::Outcome;

use super::rig::{Rig, field, messages};
use super::writer::{Codec, Writer};

#[test]
fn new_entries_follow_in_every_file_format() {
    for (compact, codec) in [(false, Codec::None), (true, Codec::Lz4), (true, Codec::Zstd)] {
        let mut rig = Rig::new("");
        let mut writer = Writer::create(&rig.dir.path().join("system.journal"), 7, 1);
        if compact {
            writer = writer.compact(codec);
        }
        let long = "text ".repeat(2000);
        writer.message("one").message(&long);
        assert_eq!(rig.messages(), ["one", long.as_str()], "{codec:?}");
        assert!(rig.messages().is_empty());
        for number in 0..40 {
            writer.message(&number.to_string());
        }
        assert_eq!(rig.messages().len(), 40, "over several arrays");
    }
}

#[test]
fn a_field_compressed_with_xz_is_read() {
    let packed = include!("xz.in");
    let field = super::super::file::Field::parse(&packed, 1, false).unwrap();
    assert_eq!(field.name, "XZTEXT");
    assert_eq!(field.value.bytes(), "abc ".repeat(300).trim_end_matches('\n').as_bytes());
}

#[test]
fn a_position_moves_with_its_acknowledgement_alone() {
    let mut rig = Rig::new("");
    let mut writer = Writer::create(&rig.dir.path().join("system.journal"), 7, 1);
    writer.message("one").message("two");
    assert_eq!(messages(&rig.read()), ["one", "two"]);
    // Killed before the batch was acknowledged.
    let mut rig = rig.restart();
    assert_eq!(rig.messages(), ["one", "two"]);
    writer.message("three");
    let mut rig = rig.restart();
    assert_eq!(rig.messages(), ["three"]);
    writer.message("four");
    assert_eq!(messages(&rig.read()), ["four"]);
    rig.settle(Outcome::Refused);
    assert_eq!(rig.messages(), ["four"], "refused entries are read again");
    assert!(rig.restart().messages().is_empty());
}

#[test]
fn entries_that_recombine_holds_back_are_not_committed() {
    let yaml = "operators: [{type: recombine, combine_field: body.MESSAGE, is_last_entry: 'body.MESSAGE endsWith \".\"', source_identifier: body.PRIORITY}]";
    let mut rig = Rig::new(yaml);
    let mut writer = Writer::create(&rig.dir.path().join("system.journal"), 7, 1);
    writer.message("done.").message("begin");
    assert_eq!(rig.messages(), ["done."]);
    let mut rig = rig.restart();
    assert!(rig.messages().is_empty());
    writer.message("end.");
    assert_eq!(rig.messages(), ["begin\nend."]);
}

#[test]
fn start_at_end_reads_what_is_written_from_now_on_and_a_restart_goes_on() {
    let mut rig = Rig::new("start_at: end");
    let mut writer = Writer::create(&rig.dir.path().join("system.journal"), 7, 1);
    writer.message("old");
    assert!(rig.messages().is_empty());
    writer.message("missed by nobody");
    let mut rig = rig.restart();
    assert_eq!(rig.messages(), ["missed by nobody"]);
}

#[test]
fn a_rotated_journal_is_read_to_its_end_and_then_the_new_one() {
    let mut rig = Rig::new("");
    let path = rig.dir.path().join("system.journal");
    let mut writer = Writer::create(&path, 7, 1);
    writer.message("1");
    assert_eq!(rig.messages(), ["1"]);
    writer.message("2");
    writer.archive();
    std::fs::rename(&path, rig.dir.path().join("system@7-1-1.journal")).unwrap();
    let mut second = Writer::create(&path, 7, 3);
    second.clock = writer.clock;
    second.message("3");
    // Also over a restart.
    let mut rig = rig.restart();
    assert_eq!(rig.messages(), ["2", "3"]);
    assert!(rig.messages().is_empty());
    second.message("4");
    assert_eq!(rig.messages(), ["4"]);
}

#[test]
fn files_of_one_journald_are_read_in_the_order_of_its_numbers() {
    let mut rig = Rig::new("");
    let mut system = Writer::create(&rig.dir.path().join("system.journal"), 7, 1);
    let mut user = Writer::create(&rig.dir.path().join("user-1000.journal"), 7, 3);
    user.clock -= 500_000;
    system.message("1").message("2");
    user.message("3");
    system.seqnum = 3;
    system.message("4");
    let mut other = Writer::create(&rig.dir.path().join("other.journal"), 9, 1);
    other.boot = [2; 16];
    other.clock += 2500;
    other.message("between");
    let read = rig.messages();
    let own: Vec<_> = read.iter().filter(|text| *text != "between").collect();
    assert_eq!(own, ["1", "2", "3", "4"]);
    assert!(read.contains(&"between".to_owned()));
}

#[test]
fn a_copy_of_a_journal_is_not_read_twice_and_another_boot_may_count_again() {
    let mut rig = Rig::new("");
    let path = rig.dir.path().join("system.journal");
    let mut writer = Writer::create(&path, 7, 1);
    writer.message("1").message("2").message("3");
    assert_eq!(rig.messages().len(), 3);
    std::fs::copy(&path, rig.dir.path().join("copy.journal")).unwrap();
    assert!(rig.messages().is_empty());
    // The machine crashed; journald counts from what the disk had.
    std::fs::rename(&path, rig.dir.path().join("system@x.journal~")).unwrap();
    let mut reborn = Writer::create(&path, 7, 2);
    (reborn.boot, reborn.clock) = ([2; 16], writer.clock + 5000);
    reborn.message("after the crash");
    let mut rig = rig.restart();
    assert_eq!(rig.messages(), ["after the crash"]);
}

#[test]
fn long_fields_are_empty_without_all_but_messages_never() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let mut writer = Writer::create(&dir.path().join("system.journal"), 7, 1);
    let long = "x".repeat(5000);
    writer.entry(&[("MESSAGE", long.as_bytes()), ("PRIORITY", b"6"), ("DUMP", long.as_bytes())]);
    let record = Rig::over(Arc::clone(&dir), "").read().remove(0);
    assert_eq!((field(&record, "MESSAGE"), field(&record, "DUMP")), (long.as_str().into(), AnyValue::Empty));
    let record = Rig::over(dir, "all: true").read().remove(0);
    assert_eq!(field(&record, "DUMP"), long.as_str().into());
}
