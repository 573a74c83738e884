//! The command line.

use clap::{ArgAction, Parser};
use ffsb_workloads::profile::Overrides;
use ffsb_workloads::run::Bound;
use ffsb_workloads::scale::Scale;
use ffsb_workloads::size;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

const CYCLES: &str = "A cycle is a TOML file:

  turns = 2
  phase_time_s = 20

  [[phase]]
  profile = \"large-file-create.ffsb\"  # beside the file
  name = \"sequential-write\"           # optional

Phases that use the same file set without adding, removing or resizing files share it.";

/// Run FFSB profiles: file system work by weighted operations, for a time, and a report of it.
///
/// PROFILE is a file, a shipped profile's name (see --list), or a cycle (.toml). Several are the phases of a cycle, in
/// this order: all file sets are made before the first one begins.
///
/// Only a directory is touched that this program made, that was empty, or that carries its marker .tunerd-ffsb.
///
/// Exit status: 0 done, 1 failed or interrupted (the report covers what was done), 2 wrong usage or profile,
/// 3 cannot be run here.
#[derive(Debug, Parser)]
#[command(name = "ffsb-run", version, max_term_width = 100, after_long_help = CYCLES)]
pub(crate) struct Cli {
    /// What to run
    #[arg(required_unless_present = "list", value_name = "PROFILE")]
    pub(crate) profiles: Vec<PathBuf>,
    /// Work in this directory, whatever the profiles name
    #[arg(long, value_name = "DIR")]
    pub(crate) location: Option<PathBuf>,
    /// Make the file sets so many times as large
    #[arg(long, value_name = "FACTOR", value_parser = factor, conflicts_with = "fit")]
    scale: Option<f64>,
    /// Make the file sets fit into SIZE together and stay within it [without SIZE: half of what is free]
    #[arg(long, value_name = "SIZE", value_parser = bytes, num_args = 0..=1)]
    fit: Option<Option<u64>>,
    /// Run each phase for so many seconds; 0 makes the files only
    #[arg(long, visible_alias = "phase-time", value_name = "SECONDS", value_parser = seconds)]
    time: Option<Duration>,
    /// End each phase after N operations of each thread instead of by time (or whichever is first, with --time)
    #[arg(long, value_name = "N")]
    ops: Option<NonZeroU64>,
    /// Go through all phases N times
    #[arg(long, value_name = "N")]
    pub(crate) cycles: Option<NonZeroU32>,
    /// Governs every draw: equal seeds give equal runs
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Give every threadgroup N threads
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroU32>,
    /// Bypass the page cache, whatever the profiles say
    #[arg(long, conflicts_with = "buffered")]
    direct: bool,
    /// Go through the page cache, whatever the profiles say
    #[arg(long)]
    buffered: bool,
    /// Take a matching file set of an earlier run, and keep this one's
    #[arg(long)]
    pub(crate) reuse: bool,
    /// Keep the file sets
    #[arg(long)]
    pub(crate) keep: bool,
    /// Let a profile run the command of its callout
    #[arg(long)]
    pub(crate) allow_callout: bool,
    /// Print what would be run, and touch nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print one JSON object instead of the text
    #[arg(long)]
    pub(crate) json: bool,
    /// Write a JSON line when a phase begins, does its first I/O and ends; - is the standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Option<PathBuf>,
    /// Show no progress
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// List the shipped profiles
    #[arg(long, action = ArgAction::SetTrue)]
    pub(crate) list: bool,
}

impl Cli {
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            direct: (self.direct || self.buffered).then_some(self.direct),
            // Fractions of a second are the bound's; the profile need only know whether there is time at all.
            time: self.time,
            threads: self.threads,
        }
    }

    pub(crate) fn scale(&self) -> Scale {
        match (self.scale, self.fit) {
            (Some(factor), _) => Scale::Factor(factor),
            (None, Some(bytes)) => Scale::Fit(bytes),
            (None, None) => Scale::AsWritten,
        }
    }

    /// When phases end, if that is not the profiles' own time.
    pub(crate) fn bound(&self, cycle_time: Option<Duration>) -> Option<Bound> {
        if let Some(ops) = self.ops {
            return Some(Bound { time: self.time, ops: Some(ops.get()) });
        }
        if self.time.is_some_and(|time| time.is_zero()) {
            return None;
        }
        let time = self.time.or(cycle_time)?;
        Some(Bound { time: Some(time), ops: None })
    }
}

fn bytes(text: &str) -> Result<u64, String> {
    size::parse(text, u64::MAX).map_err(|error| format!("expected {error}"))
}

fn factor(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value: &f64| value.is_finite() && *value > 0.0);
    value.ok_or_else(|| "expected a number above 0".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let value = text.parse().ok().and_then(|value| Duration::try_from_secs_f64(value).ok());
    value.ok_or_else(|| "expected seconds".to_owned())
}
