//! The arguments of `tunerd explain` and `tunerd export`.

use super::{DeviceArg, JsonArg, PathArgs, Roots};
use crate::config::Objective;
use crate::engine::{UNKNOWN, UNSTEADY};
use clap::{Args, ValueEnum};
use fingerprint::Class;
use std::path::PathBuf;

/// `tunerd explain`.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// The disk, such as sda or /dev/sda
    pub device: String,
    /// Where a daemon leaves its traces.
    #[command(flatten)]
    pub paths: PathArgs,
    /// The trees that stand for the kernel.
    #[command(flatten)]
    pub roots: Roots,
    /// Output for programs.
    #[command(flatten)]
    pub json: JsonArg,
}

/// What confirmed settings are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A udev rule.
    Udev,
    /// A TuneD profile (its `tuned.conf`).
    Tuned,
    /// A POSIX shell script: apply, restore, status.
    Shell,
    /// JSON, with all that is known.
    Json,
}

/// `tunerd export`.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// The disk.
    #[command(flatten)]
    pub device: DeviceArg,
    /// The settings of this fingerprint, such as read-random-small; needed where several have confirmed ones
    #[arg(long, value_name = "FINGERPRINT", value_parser = kind_of_work)]
    pub fingerprint: Option<String>,
    /// Those confirmed under this scheduler
    #[arg(long, value_name = "NAME")]
    pub scheduler: Option<String>,
    /// Those confirmed by this objective
    #[arg(long, value_enum)]
    pub objective: Option<Objective>,
    /// What to write
    #[arg(long, value_enum)]
    pub format: ExportFormat,
    /// Where to [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Directory of the store and the journals
    #[arg(long, value_name = "DIR", default_value = "/var/lib/tunerd")]
    pub state_dir: PathBuf,
    /// The trees that stand for the kernel.
    #[command(flatten)]
    pub roots: Roots,
}

/// A fingerprint's name, or that of work that has none or too many.
fn kind_of_work(text: &str) -> Result<String, String> {
    if [UNKNOWN, UNSTEADY].contains(&text) {
        return Ok(text.to_owned());
    }
    text.parse::<Class>().map(|class| class.name().to_owned()).map_err(|error| error.to_string())
}
