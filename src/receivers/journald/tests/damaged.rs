//! Nothing in a file is believed.

use std::sync::Arc;

use super::rig::{Rig, unpacked};
use super::writer::{Codec, Writer};

/// Whatever the bytes, reading ends and nothing panics.
fn survives(content: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("system.journal"), content).unwrap();
    let mut rig = Rig::over(Arc::new(dir), "priority: debug");
    rig.read();
}

#[test]
fn a_damaged_file_is_no_danger() {
    let mut random = fastrand::Rng::with_seed(7);
    for name in ["plain.journal.gz", "compact.journal.gz"] {
        let whole = unpacked(name);
        // The tables in front are not read: what follows them is.
        let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
        for _ in 0..60 {
            let mut content = whole[..used.min(random.usize(200..used * 2))].to_vec();
            for _ in 0..random.usize(1..40) {
                let at = if random.bool() { random.usize(..272) } else { random.usize(..content.len()) };
                if at < content.len() && at > 8 {
                    content[at] = random.u8(..);
                }
            }
            survives(&content);
        }
    }
}

#[test]
fn lists_in_circles_and_impossible_sizes_end_the_file_alone() {
    let rig_over = |change: &dyn Fn(&mut Writer)| {
        let mut rig = Rig::new("");
        let mut bad = Writer::create(&rig.dir.path().join("bad.journal"), 7, 1);
        for number in 0..20 {
            bad.message(&format!("bad {number}"));
        }
        change(&mut bad);
        let mut good = Writer::create(&rig.dir.path().join("good.journal"), 8, 1);
        good.message("good");
        let read = rig.messages();
        assert!(read.contains(&"good".to_owned()), "{read:?}");
        read.len()
    };
    assert_eq!(rig_over(&|_| ()), 21);
    // A count beyond the list.
    assert_eq!(rig_over(&|bad| bad.put(152, &u64::MAX.to_le_bytes())), 21);
    // The list of entries leads into the header.
    assert_eq!(rig_over(&|bad| bad.put(176, &8_u64.to_le_bytes())), 1);
    assert_eq!(rig_over(&|bad| bad.put(176, &u64::MAX.to_le_bytes())), 1);
    assert_eq!(rig_over(&|bad| bad.put(176, &(u64::MAX - 7).to_le_bytes())), 1);
    // Features of the future.
    assert_eq!(rig_over(&|bad| bad.put(12, &(1_u32 << 9).to_le_bytes())), 1);
}

#[test]
fn a_bomb_in_a_field_stays_small() {
    let mut rig = Rig::new("all: true");
    let mut writer = Writer::create(&rig.dir.path().join("system.journal"), 7, 1).compact(Codec::Zstd);
    let bomb = vec![b'x'; 64 << 20];
    writer.entry(&[("MESSAGE", &bomb), ("PRIORITY", b"6")]);
    assert_eq!(rig.messages()[0].len(), (1 << 20) - "MESSAGE=".len());
    assert_eq!(rig.telemetry.total("otelcol_receiver_journald_truncated_fields"), 1);
}

#[test]
fn an_entry_with_a_broken_field_keeps_the_others() {
    let mut rig = Rig::new("");
    let mut writer = Writer::create(&rig.dir.path().join("system.journal"), 7, 1);
    writer.message("before");
    let broken = writer.raw_field(4, b"no zstd at all");
    writer.broken = Some(broken);
    writer.message("after");
    assert_eq!(rig.messages(), ["before", "after"]);
    assert_eq!(rig.telemetry.total("otelcol_receiver_journald_damaged"), 1);
}
