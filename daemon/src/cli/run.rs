//! The arguments of `tunerd run`.

use super::{JsonArg, Roots};
use crate::config::{
    Mode, Objective, OnChange, Ranges, Reintroduce, StrategyName, parse_bytes, parse_duration,
};
use block_types::{Bytes, Knob, Nanos};
use clap::{Args, ValueEnum};
use fingerprint::Rule;
use std::path::PathBuf;

/// The names of the sample sources, as `--source` and `sampler.source` take them.
const SOURCES: [&str; 4] = ["auto", "bpf", "tracefs", "diskstats"];

/// How much the BPF source looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Duty {
    /// Every bio at ordinary rates; at high rates a share of the time, with totals from diskstats.
    Cycle,
    /// Every bio, whatever the rate: exact counts, more overhead.
    Continuous,
}

/// `tunerd run`. What is `None` (or empty) was not given, and the configuration decides.
///
/// Durations and sizes that are also keys of the configuration are kept as they were written, once they are
/// known to parse, so that an error from the checked configuration can show them.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What to tune, and how")]
pub struct RunArgs {
    /// A disk, such as sda or /dev/sda; may be given several times [default: all that can be tuned]
    #[arg(long = "device", value_name = "DEVICE")]
    pub devices: Vec<String>,
    /// A disk never to touch; may be given several times
    #[arg(long, value_name = "DEVICE")]
    pub exclude: Vec<String>,
    /// observe never writes; hints applies stored genes without search; tune searches
    #[arg(long, value_enum)]
    pub mode: Option<Mode>,
    /// How settings are searched
    #[arg(long, value_enum)]
    pub strategy: Option<StrategyName>,
    /// What is to be improved [default: balanced; throughput under moilanen]
    #[arg(long, value_enum)]
    pub objective: Option<Objective>,
    /// A file of genes, as `tunerd genes export` writes it, to apply (hints) or to start from (tune)
    #[arg(long, value_name = "FILE")]
    pub hints: Option<PathBuf>,
    /// Seed of every random choice
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Stop after this long, as if by SIGTERM
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub duration: Option<Nanos>,
    /// Run on a kernel of fakes with a synthetic workload: touches no disk and needs no root
    #[arg(long, conflicts_with_all = ["devices", "sysfs_root", "proc_root", "source"])]
    pub fake_kernel: bool,

    /// Configuration file; may be given several times [default: /usr/lib/tunerd, /etc/tunerd and its config.d]
    #[arg(long = "config", value_name = "FILE", help_heading = "Files")]
    pub config: Vec<PathBuf>,
    /// Directory of the store and the journals [default: /var/lib/tunerd]
    #[arg(long, value_name = "DIR", help_heading = "Files")]
    pub state_dir: Option<PathBuf>,
    /// Directory of the locks and the control socket [default: /run/tunerd]
    #[arg(long, value_name = "DIR", help_heading = "Files")]
    pub run_dir: Option<PathBuf>,
    /// Group that may ask for `status` over the control socket [default: the daemon's own]
    #[arg(long, value_name = "GROUP", help_heading = "Files")]
    pub socket_group: Option<String>,

    /// Shortest fingerprint window [default: 250ms]
    #[arg(long, value_name = "DURATION", value_parser = duration_text, help_heading = "The loop")]
    pub window: Option<String>,
    /// Data bios that let a window close at its shortest [default: 16]
    #[arg(long, value_name = "NUMBER", help_heading = "The loop")]
    pub window_bios: Option<u64>,
    /// Or bytes, such as 4MiB [default: 4MiB]
    #[arg(long, value_name = "SIZE", value_parser = size_text, help_heading = "The loop")]
    pub window_bytes: Option<String>,
    /// Longest fingerprint window [default: 2s]
    #[arg(long, value_name = "DURATION", value_parser = duration_text, help_heading = "The loop")]
    pub window_max: Option<String>,
    /// Windows of a new fingerprint before it counts as changed [default: 2]
    #[arg(long, value_name = "NUMBER", help_heading = "The loop")]
    pub debounce: Option<u32>,
    /// How long settings on trial are scored [default: 4s; 2s under moilanen]
    #[arg(long, value_name = "DURATION", value_parser = duration_text, help_heading = "The loop")]
    pub slice: Option<String>,
    /// How long they are in force before they are scored [default: 2s; 0s under moilanen]
    #[arg(long, value_name = "DURATION", value_parser = duration_text, help_heading = "The loop")]
    pub settle: Option<String>,
    /// How long exploring pauses after a campaign in vain; longer each time after [default: 1m]
    #[arg(long, value_name = "DURATION", value_parser = duration_text, help_heading = "The loop")]
    pub pause: Option<String>,
    /// The longest such pause [default: 1h]
    #[arg(long, value_name = "DURATION", value_parser = duration_text, help_heading = "The loop")]
    pub pause_max: Option<String>,
    /// Children in a generation of moilanen [default: 8]
    #[arg(long, value_name = "NUMBER", help_heading = "The loop")]
    pub children: Option<u32>,

    /// The rule that gives the fingerprint in force: ours or paper-2006 [default: ours]
    #[arg(long, value_name = "RULE", help_heading = "The genes")]
    pub rule: Option<Rule>,
    /// When a fingerprint's stored genes come back [default: at-once]
    #[arg(long, value_enum, help_heading = "The genes")]
    pub reintroduce: Option<Reintroduce>,
    /// What a change of fingerprint does: bring stored genes back, or for comparison the defaults, or nothing
    /// [default: recall]
    #[arg(long, value_enum, help_heading = "The genes")]
    pub on_change: Option<OnChange>,
    /// Half to one and a half of the default, as published, or the catalogue's ranges [default: catalogue]
    #[arg(long, value_enum, help_heading = "The genes")]
    pub ranges: Option<Ranges>,
    /// A knob that is a gene; may be given several times [default: the catalogue's choice for the scheduler]
    #[arg(long = "knob", value_name = "KNOB", help_heading = "The genes")]
    pub knobs: Vec<Knob>,
    /// Make the scheduler itself a gene (each switch freezes the queue, for up to seconds)
    #[arg(long, help_heading = "The genes")]
    pub tune_scheduler: bool,
    /// Share of a top fitness that is left after each pass of its workload, 0.5 to 1
    #[arg(long, value_name = "SHARE", help_heading = "The genes")]
    pub decay: Option<f64>,

    /// Where samples come from [default: auto]
    #[arg(long, value_name = "SOURCE", value_parser = SOURCES, help_heading = "Sampling")]
    pub source: Option<String>,
    /// Whether every bio is looked at [default: cycle]
    #[arg(long, value_enum, help_heading = "Sampling")]
    pub duty: Option<Duty>,
    /// One in how many bios has its latency taken
    #[arg(long, value_name = "NUMBER", help_heading = "Sampling")]
    pub latency_one_in: Option<u32>,

    /// The trees that stand for the kernel.
    #[command(flatten)]
    pub roots: Roots,
    /// Output for programs.
    #[command(flatten)]
    pub json: JsonArg,
}

/// Parses a duration, for clap.
pub(super) fn duration(text: &str) -> Result<Nanos, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

/// Parses the name of a format of traces, for clap.
pub(super) fn trace_format(text: &str) -> Result<super::TraceFormat, String> {
    if text == "auto" {
        return Ok(super::Told(None));
    }
    text.parse().map(|format| super::Told(Some(format))).map_err(|error| format!("{error}, or \"auto\""))
}

/// Parses a size, for clap; of the units the `iB` may be left out.
pub(super) fn size(text: &str) -> Result<Bytes, String> {
    let whole = if text.ends_with(['K', 'M', 'G']) { format!("{text}iB") } else { text.to_owned() };
    parse_bytes(&whole).map_err(|error| error.to_string())
}

/// Parses the name of a chart's file, for clap.
pub(super) fn picture(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension().and_then(std::ffi::OsStr::to_str) {
        Some("svg" | "png") => Ok(path),
        _ => Err("expected a name that ends in .svg or .png".to_owned()),
    }
}

fn duration_text(text: &str) -> Result<String, String> {
    duration(text).map(|_checked| text.to_owned())
}

fn size_text(text: &str) -> Result<String, String> {
    parse_bytes(text).map(|_checked| text.to_owned()).map_err(|error| error.to_string())
}
