//! Whatever is in a journal file: reading it ends, without a panic and without much memory. The input
//! is the file behind its first bytes.

#![no_main]

use std::io::{Seek, SeekFrom, Write};

use kmagent::receivers::journald::file::{Cache, JournalFile};
use libfuzzer_sys::fuzz_target;

/// Entries looked at; a file may say that there are any number.
const ENTRIES: u64 = 256;

fuzz_target!(|data: &[u8]| {
    let path = std::env::temp_dir().join(format!("kmagent-fuzz-{}.journal", std::process::id()));
    let mut file = std::fs::File::create(&path).expect("a temporary file");
    file.write_all(b"LPKSHHRH").and_then(|()| file.write_all(data)).expect("written");
    // Headers are long, inputs short: what is missing is zero.
    let end = file.seek(SeekFrom::End(0)).expect("a length");
    file.set_len(end.max(4096)).expect("longer");
    let Ok(mut journal) = JournalFile::open(&path, 0) else { return };
    let mut cache = Cache::default();
    journal.seek(&mut cache, |head| head.seqnum < 3);
    let mut fields = Vec::new();
    for number in 0..journal.header().entries.min(ENTRIES) {
        let Ok(head) = journal.entry(number, &mut cache) else { break };
        fields.clear();
        let _ = journal.fields(&head, &mut cache, &mut fields);
    }
});
