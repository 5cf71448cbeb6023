//! OTLP in JSON: no body panics, and what is read is written and read back the same.
#![no_main]

use kmagent::otlp::{from_json, json};
use kmagent::pipeline::Signal;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for signal in Signal::ALL {
        let Ok(data) = from_json::decode(signal, body) else { continue };
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        json::encode(&data, &mut once);
        let again = from_json::decode(signal, &once).expect("our own JSON is readable");
        json::encode(&again, &mut twice);
        assert!(once == twice);
    }
});
