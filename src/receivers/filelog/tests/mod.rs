//! Tests that drive the engine step by step over real files, with a clock of their own.

#![allow(clippy::format_collect, reason = "speed is nothing to a test's texts")]

mod basics;
mod busy;
mod interpreter;
mod keys;
mod operators;
mod rig;
mod rotation;
mod thread;
