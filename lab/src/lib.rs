//! The laboratory of tunerd: every figure that the project states, with the experiment that makes it again.
//!
//! [`mod@bench`] holds what the experiments share: a loop device that cleans up after itself
//! ([`bench::loopdev::LoopDevice`]), fio as the load ([`bench::fio::Load`]), and the statistics. Each experiment is a
//! module of its own and answers a [`bench::report::Report`].
#![cfg(target_os = "linux")]

pub mod bench;
pub mod classify;
pub mod constant;
pub mod convergence;
pub mod crash;
pub mod demo;
pub mod emulation;
pub mod exact;
pub mod latency;
pub mod overhead;
pub mod reaction;
pub mod replay;
pub mod traces;
pub mod trials;

use bench::host::Host;
use bench::interrupt::Interrupt;
use results::record::{Meta, Run, date_of};
use std::path::PathBuf;
use std::time::SystemTime;

/// What every experiment is given.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Whether somebody asked to end.
    pub interrupt: Interrupt,
    /// The `tunerd` to measure; `None` for the one beside this program.
    pub tunerd: Option<PathBuf>,
    /// Say nothing about progress.
    pub quiet: bool,
    /// Where runs are recorded; `None` where nothing is.
    pub record: Option<Recording>,
}

/// What a record of a run begins with.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The directory above it.
    pub root: PathBuf,
    /// The command, as it can be given again.
    pub command: Vec<String>,
    /// The machine.
    pub host: Host,
}

impl Context {
    /// Begins the record of an experiment that keeps its rows as they come; `None` where nothing is recorded.
    ///
    /// # Errors
    ///
    /// Where the record's directory is there already or cannot be written.
    pub fn begin_record(
        &self,
        name: &str,
        title: &str,
        device: &str,
        seed: Option<u64>,
    ) -> anyhow::Result<Option<Run>> {
        let Some(Recording { root, command, host }) = &self.record else { return Ok(None) };
        let meta = Meta {
            title: title.to_owned(),
            shows: String::new(),
            command: command.clone(),
            seed,
            kernel: format!("Linux {}", host.kernel),
            device: device.to_owned(),
            versions: [("tunerd-lab".to_owned(), host.version.to_owned())].into(),
            conditions: [("processors".to_owned(), host.cpus.to_string())].into(),
        };
        Ok(Some(Run::create(root, date_of(SystemTime::now()), name, meta)?))
    }

    /// Says what happens now, on standard error.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }
}
