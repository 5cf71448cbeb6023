//! Segments of the queue on disk: no bytes panic, and no record reaches beyond the file.
#![no_main]

use kmagent::exporters::sending::segment::{HEADER, Record, Scan, read_done};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = read_done(bytes);
    for is_last in [false, true] {
        let scan = Scan::of(bytes, is_last);
        assert!(scan.end <= bytes.len() as u64);
        for record in &scan.records {
            let start = record.offset as usize;
            assert!(Record::check(&bytes[start..start + HEADER + record.length]).is_some());
        }
    }
});
