//! The rotations of kubelets, logrotate and others, by their number in the list of cases.

use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};
use std::time::Duration;

use super::rig::{Backend, Rig, attribute, body, lines, numbered};

const CRI: &str = "include: ['DIR/pods/*/*/*.log']\noperators: [{type: container}]\ninclude_file_path: true";
const POD: &str = "pods/shop_cart-1_c0ffee/cart";

/// Enough lines for several turns.
fn many(range: std::ops::Range<usize>) -> String {
    range.map(|n| format!("line {n} {}\n", "x".repeat(500))).collect()
}

fn many_numbered(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("line {n} {}", "x".repeat(500))).collect()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn rotation_01_rename_while_reading() {
    let mut rig = Rig::new("include_file_path: true");
    rig.write("0.log", many(0..2000)).scan().turn();
    let first = rig.records();
    assert!(!first.is_empty() && first.len() < 2000);
    rig.rename("0.log", "0.log.20260101-000000").write("0.log", many(2000..2100));
    let mut records = first;
    records.extend(rig.poll().records());
    assert_eq!(records.iter().map(body).collect::<Vec<_>>(), many_numbered(0..2100));
    let path = rig.path("0.log").to_str().map(str::to_owned);
    assert!(records.iter().all(|record| attribute(record, "log.file.path") == path), "contrib#35137");
}

#[test]
fn rotation_02_gzip_of_the_older_file() {
    let mut rig = Rig::new("");
    rig.write("0.log", lines(0..10)).poll();
    rig.rename("0.log", "0.log.20260101-000000").write("0.log", lines(10..20)).poll();
    rig.write("0.log.20260101-000000.tmp", gzip(&lines(0..10))).poll();
    rig.rename("0.log.20260101-000000.tmp", "0.log.20260101-000000.gz")
        .remove("0.log.20260101-000000")
        .poll();
    rig.rename("0.log", "0.log.20260102-000000").write("0.log", lines(20..30)).poll();
    rig.write("0.log.x.gz", gzip("no")).write("0.log.y.tmp", "no\n").poll();
    assert_eq!(rig.lines(), numbered(0..30));
}

#[test]
fn rotation_03_several_rotations_between_two_wake_ups() {
    let mut rig = Rig::new("include_file_path: true");
    rig.write("0.log.20250101-000000", "of an earlier time\n");
    rig.write("0.log", lines(0..5)).poll();
    rig.append("0.log", lines(5..10));
    for (day, from) in [(1, 10), (2, 20), (3, 30)] {
        rig.rename("0.log", &format!("0.log.2026010{day}-000000")).write("0.log", lines(from..from + 10));
    }
    let records = rig.poll().records();
    let bodies: Vec<String> = records.iter().map(body).collect();
    assert_eq!(bodies, numbered(0..40));
    let path = rig.path("0.log").to_str().map(str::to_owned);
    assert!(records.iter().all(|record| attribute(record, "log.file.path") == path));
    assert!(rig.poll().lines().is_empty());
}

#[test]
fn rotation_03_several_rotations_while_the_agent_was_away() {
    let mut rig = Rig::new("");
    rig.write("0.log", lines(0..5)).poll();
    rig.save();
    rig.append("0.log", lines(5..10)).rename("0.log", "0.log.20260101-000000");
    rig.write("0.log", lines(10..20)).rename("0.log", "0.log.20260102-000000");
    rig.write("0.log", lines(20..30));
    rig.lines();
    assert_eq!(rig.restart(false).poll().lines(), numbered(5..30));
}

/// kubelet renames the log, compresses the generation before and deletes the oldest.
fn kubelet_rotates(rig: &mut Rig, stamp: u32, oldest: u32) {
    let name = |stamp: u32| format!("0.log.202601{stamp:02}-000000");
    rig.rename("0.log", &name(stamp));
    let before = rig.path(&name(stamp - 1));
    if let Ok(text) = std::fs::read_to_string(&before) {
        rig.write(&format!("{}.tmp", name(stamp - 1)), gzip(&text));
        rig.rename(&format!("{}.tmp", name(stamp - 1)), &format!("{}.gz", name(stamp - 1)));
        std::fs::remove_file(before).unwrap();
    }
    let _ = std::fs::remove_file(rig.path(&format!("{}.gz", name(oldest))));
}

#[test]
fn rotation_03_generations_compressed_while_the_agent_was_away() {
    let mut rig = Rig::new("compression: auto");
    // A generation from before the first start is none of ours.
    rig.write("0.log.20260101-000000", "long ago\n").write("0.log", many(0..1000)).poll();
    assert_eq!(rig.lines(), many_numbered(0..1000));
    rig.save();
    rig.append("0.log", many(1000..2000));
    for (stamp, from) in [(2, 2000), (3, 3000), (4, 4000), (5, 5000)] {
        kubelet_rotates(&mut rig, stamp, 0);
        rig.write("0.log", many(from..from + 1000));
    }
    rig.restart(false).poll();
    assert_eq!(rig.lines(), many_numbered(1000..6000));
    rig.save().restart(false).poll();
    assert!(rig.poll().lines().is_empty(), "and only once");
    // Next time the file that was read last is compressed when it was read to its end.
    kubelet_rotates(&mut rig, 6, 2);
    rig.write("0.log", many(6000..6500));
    kubelet_rotates(&mut rig, 7, 3);
    rig.write("0.log", many(6500..7000)).restart(false).poll();
    assert_eq!(rig.lines(), many_numbered(6000..7000));
}

#[test]
fn rotation_03_generations_compressed_while_the_agent_looks_on_are_read_once() {
    let mut rig = Rig::new("compression: auto");
    rig.write("0.log", many(0..1000)).poll();
    for (stamp, from) in [(2, 1000), (3, 2000), (4, 3000), (5, 4000), (6, 5000)] {
        kubelet_rotates(&mut rig, stamp, stamp.saturating_sub(3));
        rig.write("0.log", many(from..from + 1000)).poll().pass(Duration::from_secs(3)).poll();
    }
    assert_eq!(rig.lines(), many_numbered(0..6000));
    rig.save().restart(false).poll();
    assert!(rig.lines().is_empty());
}

#[test]
fn rotation_04_the_writer_goes_on_in_the_renamed_file() {
    let mut rig = Rig::new("");
    let mut writer = std::fs::File::create(rig.path("0.log")).unwrap();
    writer.write_all(lines(0..5).as_bytes()).unwrap();
    rig.poll();
    rig.rename("0.log", "0.log.20260101-000000");
    writer.write_all(lines(5..10).as_bytes()).unwrap();
    rig.poll().write("0.log", "");
    rig.poll();
    writer.write_all(lines(10..15).as_bytes()).unwrap();
    rig.poll().append("0.log", lines(15..20)).poll();
    assert_eq!(rig.lines(), numbered(0..20));
}

#[test]
fn rotation_05_container_restart() {
    let mut rig = Rig::new(CRI);
    let line = |n: usize| format!("2026-11-22T13:52:19Z stdout F line {n}\n");
    rig.write(&format!("{POD}/0.log"), line(0)).poll();
    rig.append(&format!("{POD}/0.log"), line(1)).write(&format!("{POD}/1.log"), line(2)).poll();
    rig.remove(&format!("{POD}/0.log")).append(&format!("{POD}/1.log"), line(3));
    let batches = rig.poll().take();
    let restarts: Vec<String> = batches
        .iter()
        .flat_map(|batch| {
            let attributes = &batch.resource.as_ref().unwrap().attributes;
            let count = attributes.iter().find(|a| a.key == "k8s.container.restart_count").unwrap();
            let count = count.value.as_str().unwrap().to_owned();
            let records = batch.scope_logs.iter().flat_map(|s| &s.log_records);
            records.map(move |record| format!("{count} {}", body(record))).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(restarts, ["0 line 0", "0 line 1", "1 line 2", "1 line 3"]);
}

#[test]
fn rotation_06_pod_deleted_with_unread_tail() {
    let mut rig = Rig::new("include: ['DIR/pods/*/*/*.log']\ninclude_file_path: true");
    rig.write(&format!("{POD}/0.log"), many(0..2000)).scan().turn();
    std::fs::remove_dir_all(rig.path("pods")).unwrap();
    assert_eq!(rig.poll().lines(), many_numbered(0..2000));
    assert_eq!(rig.open_files(), 1, "kept while more may come");
    rig.pass(Duration::from_secs(3)).poll();
    assert_eq!(rig.open_files(), 0, "vector#11742: descriptors of deleted files are given back");
}

#[test]
fn rotation_06_a_deleted_file_stays_open_until_its_lines_are_acknowledged() {
    let mut rig = Rig::new("");
    rig.backend = Backend::Silent;
    rig.write("a.log", lines(0..10)).poll();
    rig.remove("a.log").poll().pass(Duration::from_mins(1)).poll();
    assert_eq!(rig.open_files(), 1);
    rig.backend = Backend::Refuses;
    rig.answer();
    rig.backend = Backend::Delivers;
    rig.pass(Duration::from_mins(1)).poll();
    assert_eq!(rig.lines(), numbered(0..10));
    rig.pass(Duration::from_secs(3)).poll();
    assert_eq!(rig.open_files(), 0);
}

#[test]
fn rotation_07_copytruncate_with_an_unread_tail() {
    for include in ["['DIR/app.log']", "['DIR/*']"] {
        let mut rig = Rig::new(&format!("include: {include}"));
        rig.write("app.log", lines(0..500)).poll();
        rig.append("app.log", lines(500..600));
        std::fs::copy(rig.path("app.log"), rig.path("app.log.1")).unwrap();
        rig.truncate("app.log").append("app.log", lines(600..610));
        let mut lines = rig.poll().poll().lines();
        lines.sort_by_key(|line| line[5..].parse::<usize>().unwrap());
        assert_eq!(lines, numbered(0..610), "{include}");
    }
}

#[test]
fn rotation_07_the_copy_is_seen_before_the_truncation() {
    let mut rig = Rig::new("include: ['DIR/*']");
    rig.write("app.log", lines(0..500)).poll();
    std::fs::copy(rig.path("app.log"), rig.path("app.log.1")).unwrap();
    rig.poll().append("app.log", lines(500..510)).poll();
    rig.truncate("app.log").poll();
    rig.append("app.log", lines(510..520)).poll();
    assert_eq!(rig.lines(), numbered(0..520));
}

#[test]
fn rotation_08_truncate_to_a_longer_file() {
    let mut rig = Rig::new("");
    rig.write("a.log", lines(0..10)).poll();
    rig.write("a.log", lines(100..200));
    rig.poll();
    let mut want = numbered(0..10);
    want.extend(numbered(100..200));
    assert_eq!(rig.lines(), want);
}

#[test]
fn rotation_08_the_longer_file_begins_like_the_old_one() {
    let banner = "=".repeat(2000);
    let mut rig = Rig::new("");
    rig.write("a.log", format!("{banner}\n{}", lines(0..10))).poll();
    rig.write("a.log", format!("{banner}\n{}", lines(50..100)));
    let got = rig.poll().lines();
    assert_eq!(got[got.len() - 50..], numbered(50..100));
}

#[test]
fn rotation_09_inode_reuse_after_delete() {
    let mut rig = Rig::new("");
    rig.write("a.log", lines(0..10)).poll();
    rig.save();
    // The agent is away; another file gets the same inode, under the same name and another one.
    rig.write("a.log", lines(20..40)).rename("a.log", "b.log");
    rig.lines();
    assert_eq!(rig.restart(false).poll().lines(), numbered(20..40));
}

#[test]
fn rotation_09_the_inode_of_a_file_that_was_empty_is_reused_in_another_directory() {
    for reused in ["two/0.log.20260102-000000", "two/0.log"] {
        let mut rig = Rig::new("include: ['DIR/*/0.log']");
        rig.write("two/0.log", lines(0..5)).write("one/0.log", "").poll().save();
        // The agent is away. Renaming stands for a deletion and the next file that gets the inode.
        rig.append("two/0.log", lines(5..10)).rename("two/0.log", "two/0.log.20260101-000000");
        rig.rename("one/0.log", reused);
        rig.write("two/0.log.20260102-000000", lines(10..20)).write("two/0.log", lines(20..30));
        let mut got = rig.lines();
        got.extend(rig.restart(false).poll().poll().lines());
        got.sort_by_key(|line| line[5..].parse::<usize>().unwrap());
        assert_eq!(got, numbered(0..30), "{reused}");
    }
}

#[test]
fn rotation_09_the_inode_of_an_older_generation_is_reused_by_a_new_one() {
    let mut rig = Rig::new("");
    rig.write("0.log", lines(0..10)).poll().rename("0.log", "0.log.20260101-000000");
    rig.write("0.log", lines(10..20)).poll().save();
    rig.rename("0.log.20260101-000000", "0.log.20260103-000000");
    rig.write("0.log.20260103-000000", lines(20..30)).rename("0.log", "0.log.20260102-000000");
    rig.write("0.log", lines(30..40)).restart(false).poll().poll();
    assert_eq!(rig.lines(), numbered(0..40), "once each");
}

#[test]
fn rotation_09_the_inode_of_an_older_generation_is_reused_by_the_compressed_form_of_a_known_one() {
    let mut rig = Rig::new("compression: auto");
    let name = |n: usize| format!("0.log.202601{n:02}-000000");
    // As many that are done as it takes for some to be looked at after the one that is not.
    for n in 1..9 {
        rig.write("0.log", lines(n * 10..n * 10 + 10)).poll().rename("0.log", &name(n));
    }
    assert_eq!(rig.lines(), numbered(10..90));
    rig.backend = Backend::Silent;
    rig.write("0.log", lines(90..100)).poll().rename("0.log", &name(9));
    rig.write("0.log", lines(100..110)).poll().save();
    for n in 1..9 {
        let reused = if n == 8 { format!("{}.gz", name(9)) } else { format!("elsewhere-{n}") };
        rig.rename(&name(n), &reused);
    }
    rig.write(&format!("{}.gz", name(9)), gzip(&lines(90..100))).remove(&name(9));
    rig.backend = Backend::Delivers;
    let mut got = rig.restart(false).poll().poll().lines();
    got.sort_by_key(|line| line[5..].parse::<usize>().unwrap());
    assert_eq!(got, numbered(90..110));
}

#[test]
fn rotation_10_the_first_kilobyte_is_the_same() {
    let banner = "=".repeat(2000);
    let mut rig = Rig::new("");
    rig.write("a.log", format!("{banner}\na 1\n")).write("b.log", format!("{banner}\nb 1\n")).poll();
    rig.append("a.log", "a 2\n").append("b.log", "b 2\n").write("a2.log", format!("{banner}\nc 1\n")).poll();
    let mut got: Vec<String> = rig.lines().into_iter().filter(|line| !line.starts_with('=')).collect();
    got.sort();
    assert_eq!(got, ["a 1", "a 2", "b 1", "b 2", "c 1"]);
}

#[test]
fn rotation_11_a_file_shorter_than_a_fingerprint_grows() {
    let mut rig = Rig::new("");
    rig.write("a.log", "").poll();
    for n in 0..200 {
        rig.append("a.log", format!("line {n}\n")).poll();
        if n % 50 == 10 {
            rig.restart(true);
        }
    }
    rig.rename("a.log", "b.log").append("b.log", lines(200..210)).poll();
    assert_eq!(rig.lines(), numbered(0..210));
}

#[test]
fn rotation_12_a_chain_of_parts_is_cut_by_a_rotation() {
    let mut rig = Rig::new(CRI);
    let (old, new) = (format!("{POD}/0.log"), format!("{POD}/0.log.20260101-000000"));
    let part = |tag: &str, text: &str| format!("2026-11-22T13:52:19Z stdout {tag} {text}\n");
    rig.write(&old, part("F", "before") + &part("P", "half ")).poll();
    assert_eq!(rig.lines(), ["before"]);
    rig.rename(&old, &new).write(&old, part("F", "and half")).poll();
    assert_eq!(rig.lines(), ["half and half"]);
    // Killed now, nothing is missing and nothing comes twice.
    assert!(rig.restart(true).poll().lines().is_empty());
}

#[test]
fn rotation_12_a_part_that_waits_is_not_committed() {
    let mut rig = Rig::new(CRI);
    let file = format!("{POD}/0.log");
    let part = |tag: &str, text: &str| format!("2026-11-22T13:52:19Z stdout {tag} {text}\n");
    rig.write(&file, part("P", "half ")).poll();
    rig.restart(true).append(&file, part("F", "and half"));
    assert_eq!(rig.poll().lines(), ["half and half"]);
}

#[test]
fn rotation_12_a_chain_that_never_ends_is_handed_on_in_bounded_pieces() {
    let mut rig =
        Rig::new("include: ['DIR/pods/*/*/*.log']\noperators: [{type: container, max_log_size: 100KiB}]");
    let part = format!("2026-11-22T13:52:19Z stdout P {}\n", "x".repeat(16_384));
    rig.write(&format!("{POD}/0.log"), part.repeat(50)).poll();
    let records = rig.records();
    assert!(records.iter().all(|record| body(record).len() <= (100 << 10) + 16_384));
    assert!(records.iter().all(|record| attribute(record, "logtag").as_deref() == Some("P")));
    let early: usize = records.iter().map(|record| body(record).len()).sum();
    let late: usize = rig.pass(Duration::from_secs(5)).poll().lines().iter().map(String::len).sum();
    assert_eq!(early + late, 50 * 16_384);
}

#[test]
fn rotation_13_symlink_farms() {
    let mut rig = Rig::new(
        "include: ['DIR/var/log/containers/*.log', 'DIR/var/log/pods/*/*/*.log']\ninclude_file_path_resolved: true",
    );
    let docker = "var/lib/docker/containers/abc/abc-json.log";
    let pod = "var/log/pods/shop_cart-1_c0ffee/cart";
    rig.write(docker, lines(0..5));
    std::fs::create_dir_all(rig.path(pod)).unwrap();
    std::fs::create_dir_all(rig.path("var/log/containers")).unwrap();
    symlink(rig.path(docker), rig.path(&format!("{pod}/0.log"))).unwrap();
    symlink(rig.path(&format!("{pod}/0.log")), rig.path("var/log/containers/cart.log")).unwrap();
    let records = rig.poll().poll().records();
    assert_eq!(records.iter().map(body).collect::<Vec<_>>(), numbered(0..5), "read once, not per link");
    let real = rig.path(docker).canonicalize().unwrap();
    assert_eq!(attribute(&records[0], "log.file.path_resolved").as_deref(), real.to_str());
    // The container restarts: the first link leads to another file.
    rig.append(docker, lines(5..6)).write("var/lib/docker/containers/def/def-json.log", lines(6..8));
    std::fs::remove_file(rig.path(&format!("{pod}/0.log"))).unwrap();
    symlink(rig.path("var/lib/docker/containers/def/def-json.log"), rig.path(&format!("{pod}/1.log")))
        .unwrap();
    std::fs::remove_file(rig.path("var/log/containers/cart.log")).unwrap();
    symlink(rig.path(&format!("{pod}/1.log")), rig.path("var/log/containers/cart.log")).unwrap();
    let mut got = rig.poll().poll().lines();
    got.sort();
    assert_eq!(got, numbered(5..8));
}

#[test]
fn rotation_14_a_symlink_out_of_the_tree_is_refused() {
    let mut rig = Rig::new("include: ['DIR/var/log/pods/*/*/*.log']");
    let pod = "var/log/pods/shop_cart-1_c0ffee/cart";
    rig.write("etc/shadow", "root:secret\n").write(&format!("{pod}/1.log"), "fine\n");
    symlink(rig.path("etc/shadow"), rig.path(&format!("{pod}/0.log"))).unwrap();
    assert_eq!(rig.poll().poll().lines(), ["fine"]);
}

#[test]
fn rotation_15_killed_at_any_moment_nothing_is_lost() {
    let mut rig = Rig::new("");
    let mut seen = Vec::new();
    for round in 0..20 {
        rig.append("0.log", lines(round * 10..round * 10 + 10));
        rig.backend = if round % 3 == 0 { Backend::Silent } else { Backend::Delivers };
        if round % 2 == 0 {
            rig.scan().turn();
        } else {
            rig.poll();
        }
        if round % 5 == 4 {
            rig.rename("0.log", &format!("0.log.{round:02}"));
        }
        seen.extend(rig.lines());
        rig.restart(round % 4 == 0);
    }
    rig.backend = Backend::Delivers;
    seen.extend(rig.poll().lines());
    seen.sort_by_key(|line| line[5..].parse::<usize>().unwrap());
    seen.dedup();
    assert_eq!(seen, numbered(0..200));
}

#[test]
fn rotation_16_clock_jump() {
    let mut rig = Rig::new("exclude_older_than: 1h");
    rig.write("a.log", lines(0..5)).poll();
    // The file's times lie in the future, as after the clock was set back.
    let future = std::time::SystemTime::now() + Duration::from_hours(24);
    let file = std::fs::File::options().append(true).open(rig.path("a.log")).unwrap();
    file.set_modified(future).unwrap();
    rig.append("a.log", lines(5..10)).poll();
    file.set_modified(std::time::SystemTime::now()).unwrap();
    rig.rename("a.log", "a.log.1").write("a.log", lines(10..15));
    std::fs::File::options().append(true).open(rig.path("a.log")).unwrap().set_modified(future).unwrap();
    rig.poll();
    assert_eq!(rig.lines(), numbered(0..15));
}

#[test]
fn rotation_17_ten_thousand_files() {
    let mut rig = Rig::new("max_concurrent_files: 100");
    for n in 0..10_000 {
        rig.write(&format!("{n}.log"), format!("line {n}\n"));
    }
    let mut got = rig.poll().poll().lines();
    got.sort_by_key(|line| line[5..].parse::<usize>().unwrap());
    assert_eq!(got, numbered(0..10_000));
    assert!(rig.open_files() <= 100);
    rig.append("77.log", "more\n").append("9999.log", "more\n");
    assert_eq!(rig.poll().lines(), ["more", "more"]);
}

#[test]
fn rotation_18_exporter_down_for_an_hour() {
    let mut rig = Rig::new("");
    let line = |n: usize| format!("{n:06} {}\n", "x".repeat(9_990));
    let text = |from: usize| (from..from + 1000).map(line).collect::<String>();
    rig.backend = Backend::Silent;
    for hour in 0..6 {
        rig.append("0.log", text(hour * 1000));
        rig.pass(Duration::from_mins(10)).poll();
        if hour % 2 == 1 {
            rig.rename("0.log", &format!("0.log.{hour}"));
        }
    }
    let waiting = rig.engine.ledger.bytes();
    assert!((10 << 20..14 << 20).contains(&waiting), "{waiting} bytes are held in memory");
    rig.backend = Backend::Delivers;
    rig.answer();
    let mut got: Vec<String> = rig.poll().lines().iter().map(|line| line[..6].to_owned()).collect();
    got.extend(rig.poll().lines().iter().map(|line| line[..6].to_owned()));
    assert_eq!(got, (0..6000).map(|n| format!("{n:06}")).collect::<Vec<_>>());
}

#[test]
fn rotation_20_a_read_only_checkpoint_volume() {
    let mut rig = Rig::new("");
    rig.break_store();
    rig.write("a.log", lines(0..5)).poll();
    rig.save().append("a.log", lines(5..10)).poll();
    rig.save();
    assert_eq!(rig.lines(), numbered(0..10));
}

#[test]
fn beats_39731_files_moved_to_another_file_system_go_on_where_they_were() {
    let mut rig = Rig::new("include: ['DIR/*/*.log']");
    rig.write("one/a.log", lines(0..10)).poll();
    // A move between file systems is a copy and a deletion.
    rig.write("two/a.log", lines(0..12)).remove("one/a.log");
    assert_ne!(std::fs::metadata(rig.path("two/a.log")).unwrap().ino(), 0);
    rig.poll().pass(Duration::from_secs(3)).poll().append("two/a.log", lines(12..13)).poll();
    let mut got = rig.lines();
    got.sort_by_key(|line| line[5..].parse::<usize>().unwrap());
    got.dedup();
    assert_eq!(got, numbered(0..13));
}
