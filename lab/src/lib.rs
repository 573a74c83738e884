//! The laboratory of tunerd: every figure that the project states, with the experiment that makes it again.
//!
//! [`mod@bench`] holds what the experiments share: a loop device that cleans up after itself
//! ([`bench::loopdev::LoopDevice`]), fio as the load ([`bench::fio::Load`]), and the statistics. Each experiment is a
//! module of its own and answers a [`bench::report::Report`].
#![cfg(target_os = "linux")]

pub mod bench;
pub mod classify;
pub mod constant;
pub mod crash;
pub mod demo;
pub mod emulation;
pub mod exact;
pub mod latency;
pub mod overhead;
pub mod reaction;
pub mod trials;

use bench::interrupt::Interrupt;
use std::path::PathBuf;

/// What every experiment is given.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Whether somebody asked to end.
    pub interrupt: Interrupt,
    /// The `tunerd` to measure; `None` for the one beside this program.
    pub tunerd: Option<PathBuf>,
    /// Say nothing about progress.
    pub quiet: bool,
}

impl Context {
    /// Says what happens now, on standard error.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }
}
