//! FFSB profiles: parser, runner and report.
#![cfg(unix)]

mod buffer;
pub mod cycle;
pub mod error;
pub mod fileset;
pub mod home;
pub mod latency;
mod op;
pub mod plan;
pub mod platform;
pub mod profile;
pub mod report;
pub mod run;
pub mod scale;
pub mod shipped;
pub mod size;
pub mod tally;
pub mod watch;
