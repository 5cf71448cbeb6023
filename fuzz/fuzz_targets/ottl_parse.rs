//! No text makes the parser or the compiler panic, and a mistake can always be shown.

#![no_main]

use kmagent::ottl::{ContextKind, Predicate, Statement};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for context in ContextKind::ALL {
        let _ = Statement::compile(text, context).map_err(|error| error.to_string());
        let _ = Predicate::compile(text, context).map_err(|error| error.to_string());
    }
});
