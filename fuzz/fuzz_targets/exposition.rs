//! Any bytes as a metrics page, in both grammars: nothing panics, and what is read as a series is
//! read as the same series again.

#![no_main]

use kmagent::receivers::prometheus::exposition::{Dialect, Entry, Exemplar, Lines, Parser};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for dialect in [Dialect::Text, Dialect::OpenMetrics] {
        let mut lines = Lines::new(bytes, 0);
        let mut parser = Parser::new(dialect);
        while let Ok(Some(line)) = lines.next_line() {
            let Ok(line) = std::str::from_utf8(line) else { continue };
            let Ok(Some(Entry::Sample(sample))) = parser.parse(line) else { continue };
            let name = sample.name();
            let labels: Vec<_> = sample.labels().collect();
            let _ = sample.exemplar.map(Exemplar::parse);
            let again = format!("{} 0", sample.series);
            let mut second = Parser::new(Dialect::Text);
            match second.parse(&again) {
                Ok(Some(Entry::Sample(same))) => {
                    assert_eq!(same.name(), name);
                    assert_eq!(same.labels().collect::<Vec<_>>(), labels);
                }
                other => panic!("{again:?}: {other:?}"),
            }
        }
    }
});
