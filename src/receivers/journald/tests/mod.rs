//! The receiver over real and made journal files.

mod config;
mod damaged;
mod following;
mod reading;
mod rig;
mod writer;
