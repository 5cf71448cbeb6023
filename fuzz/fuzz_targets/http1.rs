//! Request heads: no bytes panic, and a head never reaches beyond what was given.
#![no_main]

use kmagent::net::http::Head;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Some((head, length))) = Head::parse(bytes) {
        assert!(length <= bytes.len());
        let _ = (head.framing(), head.keeps_alive(), head.expects_continue(), head.header("host"));
    }
});
