//! The formats' own examples, and everything that is not of the formats.

use std::io::{self, Read};

use proptest::prelude::*;

use super::*;

/// Gives its bytes a few at a time.
struct Dribble<'a>(&'a [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.1.min(self.0.len()).min(buffer.len());
        buffer[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

/// A line as one readable text.
fn shown(dialect: Dialect, line: &str) -> String {
    let mut parser = Parser::new(dialect);
    match parser.parse(line) {
        Err((what, place)) => format!("{what} at {place}"),
        Ok(None) => "nothing".to_owned(),
        Ok(Some(Entry::Kind(name, kind))) => format!("{name} is a {}", kind.name()),
        Ok(Some(Entry::Help(name, help))) => format!("{name}: {help}"),
        Ok(Some(Entry::Unit(name, unit))) => format!("{name} in {unit}"),
        Ok(Some(Entry::End)) => "end".to_owned(),
        Ok(Some(Entry::Sample(sample))) => {
            let labels: Vec<_> = sample.labels().map(|(name, value)| format!("{name}={value}")).collect();
            let time = sample.timestamp.map_or(String::new(), |time| format!(" @{time}"));
            let exemplar = sample
                .exemplar
                .map_or(String::new(), |text| format!(" {:?}", Exemplar::parse(text).unwrap().value));
            format!("{}[{}] {}{time}{exemplar}", sample.name(), labels.join(" "), sample.value)
        }
    }
}

#[test]
fn the_classic_format_is_read() {
    for (line, wanted) in [
        (
            "http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000",
            "http_requests_total[method=post code=200] 1027 @1395066363000",
        ),
        (
            "msdos_file_access_time_seconds{path=\"C:\\\\DIR\\\\FILE.TXT\",error=\"Cannot find file:\\n\\\"FILE.TXT\\\"\"} 1.458255915e9",
            "msdos_file_access_time_seconds[path=C:\\DIR\\FILE.TXT error=Cannot find file:\n\"FILE.TXT\"] 1458255915",
        ),
        ("metric_without_timestamp_and_labels 12.47", "metric_without_timestamp_and_labels[] 12.47"),
        (
            "something_weird{problem=\"division by zero\"} +Inf -3982045",
            "something_weird[problem=division by zero] inf @-3982045",
        ),
        ("a{ b = \"c\" , } NaN", "a[b=c] NaN"),
        ("\ta  {b=\"}\"}\t1\t2 ", "a[b=}] 1 @2"),
        ("{\"with.dots\",\"a label\"=\"x\"} 1", "with.dots[a label=x] 1"),
        ("{\"only\"} 1", "only[] 1"),
        ("job:rate:5m 0x1p", "a number is expected at 12"),
        ("# HELP a What\\nit is.", "a: What\nit is."),
        ("# TYPE a untyped", "a is a unknown"),
        ("#  TYPE\ta  counter ", "a is a counter"),
        ("# TYPE a thing", "a metric type is expected at 9"),
        ("# TYPE \"x.y\" gauge", "x.y is a gauge"),
        ("# UNIT a seconds", "nothing"),
        ("# whatever", "nothing"),
        ("#TYPE a gauge", "a is a gauge"),
        ("", "nothing"),
        ("   ", "nothing"),
        ("a{b=\"c\" 1", "\",\" or \"}\" is expected at 8"),
        ("a{b=\"c} 1", "a quote that is not closed at 4"),
        ("a{b=c} 1", "a label value in quotes is expected at 4"),
        ("a{1b=\"c\"} 1", "a label name is expected at 2"),
        ("a{b=\"c\"}", "a number is expected at 8"),
        ("a 1 2 3", "the end of the line is expected at 6"),
        ("a 1 x", "a timestamp is expected at 4"),
        ("1a 2", "a metric name is expected at 0"),
        ("<html>", "a metric name is expected at 0"),
    ] {
        assert_eq!(shown(Dialect::Text, line), wanted, "{line}");
    }
}

#[test]
fn openmetrics_is_read() {
    for (line, wanted) in [
        ("# UNIT foo_seconds seconds", "foo_seconds in seconds"),
        ("# EOF", "end"),
        ("foo_total 17.0 1520879607.789", "foo_total[] 17 @1520879607789"),
        ("foo_bucket{le=\"1\"} 17 # {trace_id=\"oHg5SJ\"} 0.67 1520879607.8", "foo_bucket[le=1] 17 0.67"),
        ("foo_bucket{le=\"1\"} 17 # x", "an exemplar is expected at 24"),
        ("# TYPE a stateset", "a is a stateset"),
    ] {
        assert_eq!(shown(Dialect::OpenMetrics, line), wanted, "{line}");
    }
    let exemplar = Exemplar::parse("{a=\"b\"} 0.5 1.5").unwrap();
    assert_eq!((exemplar.labels.len(), exemplar.timestamp), (1, Some(1500)));
    assert_eq!(Exemplar::parse("{a=\"b\"} x"), None);
}

#[test]
fn equal_series_have_equal_texts_whatever_follows_them() {
    let mut parser = Parser::new(Dialect::Text);
    let mut series = |line: &str| match parser.parse(line).unwrap() {
        Some(Entry::Sample(sample)) => sample.series.to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(series("a{b=\"c\"} 1 2"), "a{b=\"c\"}");
    assert_eq!(series("a 1"), "a");
}

fn lines(bytes: &[u8], step: usize, limit: u64) -> Result<Vec<String>, ExpositionError> {
    let mut lines = Lines::new(Dribble(bytes, step), limit);
    let mut all = Vec::new();
    while let Some(line) = lines.next_line()? {
        all.push(String::from_utf8_lossy(line).into_owned());
    }
    Ok(all)
}

#[test]
fn lines_are_cut_wherever_the_stream_is() {
    let text = "one\r\n\ntwo three\nlast";
    for step in 1..text.len() {
        assert_eq!(lines(text.as_bytes(), step, 0).unwrap(), ["one", "", "two three", "last"]);
    }
    let long = format!("{}\nshort", "x".repeat(300_000));
    assert_eq!(lines(long.as_bytes(), 50_000, 0).unwrap()[1], "short");
}

#[test]
fn a_stream_and_a_line_have_their_limits() {
    assert!(matches!(lines(&[b'a'; 2000], 100, 1000), Err(ExpositionError::TooLarge(1000))));
    assert_eq!(lines(&[b'a'; 1000], 100, 1000).unwrap().len(), 1);
    let endless = vec![b'a'; LONGEST_LINE + 1];
    assert!(matches!(lines(&endless, 1 << 16, 0), Err(ExpositionError::LongLine { line: 1, .. })));
}

proptest! {
    #[test]
    fn no_line_makes_a_parser_panic(line in "[a-c_:{}=\"\\\\,# \t0-9.eé+N-]{0,60}") {
        for dialect in [Dialect::Text, Dialect::OpenMetrics] {
            shown_any(dialect, &line);
            shown_any(dialect, &format!("a{{b=\"{line}"));
            shown_any(dialect, &format!("a 1 # {{{line}"));
            shown_any(dialect, &format!("# HELP {line}"));
        }
    }

    #[test]
    fn what_is_written_is_read(name in "[a-z_:][a-z0-9_:]{0,8}", label in "[a-z_][a-z0-9_]{0,8}",
                               value in "\\PC{0,12}", number in any::<f64>(), time in any::<i64>()) {
        let mut escaped = String::new();
        escape_value(&value, &mut escaped);
        let line = format!("{name}{{{label}=\"{escaped}\"}} {number} {time}");
        let mut parser = Parser::new(Dialect::Text);
        let Ok(Some(Entry::Sample(sample))) = parser.parse(&line) else { panic!("{line}") };
        prop_assert_eq!(sample.name(), name);
        prop_assert_eq!(sample.labels().next().unwrap(), (label.into(), value.into()));
        prop_assert!(sample.value.to_bits() == number.to_bits() || number.is_nan());
        prop_assert_eq!(sample.timestamp, Some(time));
    }

    #[test]
    fn the_quick_way_with_numbers_is_the_long_way(n in any::<u64>()) {
        prop_assert_eq!(number(&n.to_string()), n.to_string().parse().ok());
    }
}

/// As [`shown`], exemplars that make no sense included.
fn shown_any(dialect: Dialect, line: &str) {
    let mut parser = Parser::new(dialect);
    if let Ok(Some(Entry::Sample(sample))) = parser.parse(line) {
        let _ = (sample.name(), sample.labels().count(), sample.exemplar.map(Exemplar::parse));
    }
}
