//! No text makes the expression language panic, be it parsed, compiled or run; a mistake can always be
//! shown.

#![no_main]

use kmagent::expr::{Nothing, Program, Template};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Program::condition(text) {
        Ok(program) => drop(program.test(&Nothing)),
        Err(error) => drop(error.to_string()),
    }
    match Template::compile(text) {
        Ok(template) => drop(template.render(&Nothing)),
        Err(error) => drop(error.to_string()),
    }
});
