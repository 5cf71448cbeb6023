//! The language as its users see it.

mod arguments;
mod converters;
mod documentation;
mod editors;
mod grammar;
mod metrics;
mod paths;
mod random;
mod spans;
