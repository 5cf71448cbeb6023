//! DNS messages as the kernel's side hands them over, cut off anywhere.
#![no_main]

use kmagent::receivers::ebpf::dns::message::{last_labels, parse, rcode_name};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = parse(bytes) else { return };
    // Each byte of a name is four characters at most, however it is escaped.
    assert!(message.name.len() <= 4 * 255);
    assert_eq!(message.name, message.name.to_ascii_lowercase());
    for depth in 0..4 {
        assert!(message.name.ends_with(last_labels(&message.name, depth)));
    }
    assert!(!rcode_name(message.rcode).is_empty());
    // What follows the question changes nothing.
    assert_eq!(parse(&[bytes, &[0; 16]].concat()), Ok(message));
});
