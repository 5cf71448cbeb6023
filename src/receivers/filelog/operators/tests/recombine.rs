//! `recombine`: what belongs together becomes one entry, and nothing is lost.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn from(file: &Arc<Source>, start: u64, text: &str) -> Entry {
    Entry::new(file, start, 1, AnyValue::from(text))
}

fn bodies(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.body.as_str().unwrap_or("?").to_owned()).collect()
}

fn recombine(keys: &str) -> Chain {
    chain(&format!("[{{type: recombine, combine_field: body, {keys}}}]"))
}

const FIRST: &str = "is_first_entry: 'body matches \"^[A-Z]\"'";
const LAST: &str = "is_last_entry: 'body endsWith \";\"'";

fn all(keys: &str, texts: &[&str]) -> Vec<String> {
    let file = source("/a.log", 1);
    let entries = texts.iter().enumerate().map(|(n, text)| from(&file, n as u64, text)).collect();
    bodies(&run(&mut recombine(keys), entries))
}

#[test]
fn lines_are_joined_up_to_the_next_first_or_the_last() {
    assert_eq!(all(FIRST, &["A", "b", "c", "D", "e"]), ["A\nb\nc", "D\ne"]);
    assert_eq!(all(&format!("{FIRST}, combine_with: ''"), &["A", "b"]), ["Ab"]);
    assert_eq!(all(LAST, &["a", "b;", "c;", "d"]), ["a\nb;", "c;", "d"]);
    // What comes before the first one is joined too.
    assert_eq!(all(FIRST, &["x", "y", "A"]), ["x\ny", "A"]);
}

#[test]
fn a_batch_is_handed_on_when_it_is_large() {
    assert_eq!(all(&format!("{FIRST}, max_batch_size: 2"), &["A", "b", "c", "D"]), ["A\nb", "c", "D"]);
    assert_eq!(
        all(&format!("{FIRST}, max_unmatched_batch_size: 2"), &["a", "b", "c", "A", "b", "c"]),
        ["a\nb", "c", "A\nb\nc"]
    );
    assert_eq!(all(&format!("{FIRST}, max_log_size: 3"), &["A", "bcd", "e", "F"]), ["A\nbcd", "e", "F"]);
    let many: Vec<String> = (0..250).map(|n| format!("line {n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(all(FIRST, &many).len(), 3, "plain lines are glued a hundred at a time");
    let unlimited = format!("{LAST}, max_batch_size: 0, max_unmatched_batch_size: 0");
    assert_eq!(all(&unlimited, &vec!["x"; 3000]).len(), 1);
}

#[test]
fn sources_do_not_mix() {
    let (a, b) = (source("/a.log", 1), source("/b.log", 2));
    let out = run(
        &mut recombine(FIRST),
        vec![from(&a, 0, "A"), from(&b, 0, "B"), from(&a, 1, "a2"), from(&b, 1, "b2"), from(&a, 2, "A3")],
    );
    assert_eq!(bodies(&out), ["A\na2", "A3", "B\nb2"]);
    // More sources than are allowed: all are handed on first.
    let out =
        run(&mut recombine(&format!("{FIRST}, max_sources: 1")), vec![from(&a, 0, "A"), from(&b, 0, "B")]);
    assert_eq!(bodies(&out), ["A", "B"]);
    // Entries without a source share one.
    let out = run(&mut recombine(FIRST), vec![line("A"), line("b")]);
    assert_eq!(bodies(&out), ["A\nb"]);
}

#[test]
fn the_other_fields_are_those_of_the_oldest_or_the_newest() {
    let file = source("/a.log", 1);
    for (keys, want) in [("", 1), (", overwrite_with: oldest", 1), (", overwrite_with: newest", 2)] {
        let (mut first, mut second) = (from(&file, 0, "A"), from(&file, 10, "b"));
        first.timestamp = 1;
        second.timestamp = 2;
        let out = run(&mut recombine(&format!("{FIRST}{keys}")), vec![first, second]);
        assert_eq!((out.len(), out[0].timestamp), (1, want));
        assert_eq!(out[0].origins().map(|origin| origin.start).collect::<Vec<_>>(), [0]);
    }
}

#[test]
fn a_batch_waits_no_longer_than_it_may() {
    let file = source("/a.log", 1);
    let mut chain = recombine(&format!("{FIRST}, force_flush_period: 5s"));
    let (mut out, start) = (Vec::new(), Instant::now());
    chain.process(from(&file, 0, "A"), start, &mut out);
    assert_eq!(chain.deadline(), Some(start + Duration::from_secs(5)));
    chain.process(from(&file, 1, "b"), start + Duration::from_secs(4), &mut out);
    chain.tick(start + Duration::from_millis(4999), &mut out);
    assert!(out.is_empty());
    chain.tick(start + Duration::from_secs(5), &mut out);
    assert_eq!(bodies(&out), ["A\nb"]);
    assert_eq!(chain.deadline(), None);
}

#[test]
fn what_is_held_is_known_and_read_again_after_a_rewind() {
    let (a, b) = (source("/a.log", 1), source("/b.log", 2));
    let mut chain = chain(
        "[{type: recombine, combine_field: body, is_first_entry: 'body == \"A\"', source_identifier: attributes.none}]",
    );
    let (mut out, now) = (Vec::new(), Instant::now());
    chain.process(from(&a, 7, "A"), now, &mut out);
    chain.process(from(&b, 9, "b"), now, &mut out);
    let mut held = Vec::new();
    chain.held(&mut |origin| held.push((origin.file, origin.start)));
    assert_eq!(held, [(1, 7), (2, 9)]);
    let mut others = Vec::new();
    chain.rewind(1, &mut |origin| others.push((origin.file, origin.start)));
    assert_eq!(others, [(2, 9)]);
    chain.forget(1);
    chain.flush(now, &mut out);
    assert!(out.is_empty());
}

#[test]
fn an_entry_without_text_goes_its_way_alone() {
    let file = source("/a.log", 1);
    let mut number = from(&file, 1, "");
    number.body = AnyValue::Int(5);
    let out = run(&mut recombine(LAST), vec![from(&file, 0, "a"), number, from(&file, 2, "c")]);
    // The expression cannot judge it either: it goes by on_error, before what is held.
    assert_eq!(bodies(&out), ["?", "a\nc"]);
    assert_eq!(out[0].body, AnyValue::Int(5));
    let keys = "[{type: recombine, combine_field: attributes.text, is_first_entry: 'false'}]";
    let out = run(&mut chain(keys), vec![line("no text")]);
    assert_eq!(bodies(&out), ["no text"]);
}

#[test]
fn wrong_configs_are_refused() {
    refused(&[
        ("type: recombine, combine_field: body", "one of is_first_entry and is_last_entry must be set"),
        (
            "type: recombine, combine_field: body, is_first_entry: 'true', is_last_entry: 'true'",
            "only one of",
        ),
        ("type: recombine, is_first_entry: 'true'", "\"combine_field\""),
        ("type: recombine, combine_field: body, is_first_entry: '1'", "expected a bool"),
        ("type: recombine, combine_field: body, is_first_entry: 'true', overwrite_with: both", "both"),
    ]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Joining and taking apart again gives the lines that came, in the order of each source.
    #[test]
    fn no_line_is_lost_or_doubled(
        lines in prop::collection::vec((0_u64..3, "[A-Za-z;]{1,3}"), 0..60),
        size in 1_usize..6,
        bytes in 1_usize..12,
        sources in 1_usize..4,
        first: bool,
        newest: bool,
    ) {
        let keys = format!(
            "{}, max_batch_size: {size}, max_log_size: {bytes}, max_sources: {sources}, overwrite_with: {}",
            if first { FIRST } else { LAST },
            if newest { "newest" } else { "oldest" },
        );
        let files: Vec<_> = (0..3).map(|n| source(&format!("/{n}.log"), n)).collect();
        let entries = lines.iter().enumerate().map(|(n, (file, text))| from(&files[*file as usize], n as u64, text));
        let out = run(&mut recombine(&keys), entries.collect());
        for file in 0..3 {
            let came: Vec<_> = lines.iter().filter(|(of, _)| *of == file).map(|(_, text)| text.as_str()).collect();
            let parts: Vec<_> = out.iter().filter(|entry| entry.source.id == file).map(|entry| entry.body.as_str().unwrap()).collect();
            prop_assert_eq!(parts.join("\n"), came.join("\n"));
        }
    }
}
