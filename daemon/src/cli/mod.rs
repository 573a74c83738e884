//! The command line: what can be asked of `tunerd`, and how a wrong question is answered.
//!
//! [`parse`] is the only entry. It answers `--help` and `--version` as text to print, and wrong usage as one
//! line; nothing here acts on anything.

mod ab;
mod confirmed;
mod replay;
mod run;
mod shared;
mod usage;

pub use ab::{AbArgs, AdviseArgs};
pub use confirmed::{ExplainArgs, ExportArgs, ExportFormat};
pub use replay::{Candidate, Redirect, ReplayArgs};
pub use run::{Duty, RunArgs};
pub use shared::{DeviceArg, JsonArg, PathArgs, Roots};
pub use usage::{Answer, parse};

use block_types::{Bytes, Nanos};
use clap::{Args, Parser, Subcommand};
use fingerprint::{Class, Rule};
use sampler::SourceChoice;
use std::path::PathBuf;

/// Finds, proves and remembers the I/O scheduler settings that serve each disk and workload best.
///
/// Exit status: 0 done, 1 failed, 2 wrong usage, 3 nothing to do on this machine.
#[derive(Debug, Parser)]
#[command(name = "tunerd", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `tunerd` can be asked to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch disks and, as the mode allows, tune them, until stopped.
    Run(Box<RunArgs>),
    /// What is done once and then ends.
    #[command(flatten)]
    Once(Once),
}

/// The subcommands that do one thing and end.
#[derive(Debug, Subcommand)]
pub enum Once {
    /// List the disks, and say which can be tuned and why the rest cannot.
    Devices(DevicesArgs),
    /// Say what works on this machine and why the rest does not.
    Doctor(DoctorArgs),
    /// Show what the running daemon does and what it costs.
    Status(AskArgs),
    /// Put the original settings back and stop writing, until `resume`.
    Pause(SteerArgs),
    /// Go on after `pause`.
    Resume(SteerArgs),
    /// Watch what a disk is doing, one line per window; writes nothing.
    Fingerprint(FingerprintArgs),
    /// Compare two settings of a disk on live traffic, under guard, and put everything back.
    Ab(Box<AbArgs>),
    /// Say what is in force on a disk and why: what was confirmed, what was rejected, and by which evidence.
    Explain(ExplainArgs),
    /// Write confirmed settings as a udev rule, a TuneD profile, a shell script or JSON.
    Export(Box<ExportArgs>),
    /// Watch a disk, write nothing, and say which settings are worth comparing and why.
    Advise(AdviseArgs),
    /// Record a disk's events into files that blkparse, btt, fio and `fingerprint --trace` read.
    Record(RecordArgs),
    /// Look at the stored genes, drop them, or carry them between machines.
    #[command(subcommand)]
    Genes(GenesCommand),
    /// Write one HTML file of a recorded run, of two runs side by side, or of what is known of a disk.
    Report(ReportArgs),
    /// Replay a trace: simulated on a disk model, in search of settings, or onto a block device
    Replay(Box<ReplayArgs>),
    /// Put back every setting that a tunerd which died has left behind.
    Restore(RestoreArgs),
    /// Show the configuration in effect, or check files.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell.
    Completions(CompletionsArgs),
}

/// `tunerd devices`.
#[derive(Clone, Debug, Args)]
pub struct DevicesArgs {
    /// The trees that stand for the kernel.
    #[command(flatten)]
    pub roots: Roots,
    /// Output for programs.
    #[command(flatten)]
    pub json: JsonArg,
}

/// `tunerd doctor`.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// Look at this disk only; may be given several times [default: all]
    #[arg(long = "device", value_name = "DEVICE")]
    pub devices: Vec<String>,
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

/// `tunerd status`.
#[derive(Clone, Debug, Args)]
pub struct AskArgs {
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

/// `tunerd pause` and `tunerd resume`.
#[derive(Clone, Debug, Args)]
pub struct SteerArgs {
    /// This disk only [default: all that the daemon has]
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// Directory of the daemon's locks and control socket
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<PathBuf>,
    /// Output for programs.
    #[command(flatten)]
    pub json: JsonArg,
}

/// `tunerd fingerprint`.
#[derive(Clone, Debug, Args)]
pub struct FingerprintArgs {
    /// The disk, such as sda or /dev/sda
    #[arg(long, value_name = "DEVICE", required_unless_present = "trace")]
    pub device: Option<String>,
    /// How long to watch, such as 10s or 2m [default: until interrupted]
    #[arg(long = "for", value_name = "DURATION", value_parser = run::duration)]
    pub duration: Option<Nanos>,
    /// Shortest window; of a trace the length of each [default: 250ms, of a trace 1s]
    #[arg(long, value_name = "DURATION", value_parser = run::duration)]
    pub window: Option<Nanos>,
    /// Longest window; one that is not full by then is closed as it is [default: 2s, or WINDOW if longer]
    #[arg(long, value_name = "DURATION", value_parser = run::duration)]
    pub window_max: Option<Nanos>,
    /// The rule behind `pattern` and `class`: ours or paper-2006
    #[arg(long, value_name = "RULE", default_value = "ours")]
    pub rule: Rule,
    /// Where samples come from: auto, bpf, tracefs or diskstats
    #[arg(long, value_name = "SOURCE", default_value = "auto")]
    pub source: SourceChoice,
    /// Whether every bio is looked at
    #[arg(long, value_enum, default_value_t = Duty::Cycle)]
    pub duty: Duty,
    /// A recorded trace instead of a disk.
    #[command(flatten)]
    pub recorded: TraceArgs,
    /// The trees that stand for the kernel.
    #[command(flatten)]
    pub roots: Roots,
    /// Output for programs.
    #[command(flatten)]
    pub json: JsonArg,
}

/// The part of `tunerd fingerprint` that is about a recorded trace.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "A recorded trace instead of a disk; needs no kernel and no root")]
pub struct TraceArgs {
    /// A trace: a file, the base name of per-CPU files as `blkparse -i` takes it, or `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["device", "duration", "window_max", "source", "duty", "sysfs_root", "proc_root"])]
    pub trace: Option<PathBuf>,
    /// What the trace is: auto, blktrace, blkparse, fio-iolog or msr; gzip and Zstandard are undone in any case
    #[arg(long, value_name = "FORMAT", default_value = "auto", requires = "trace", conflicts_with = "device", value_parser = run::trace_format)]
    pub format: TraceFormat,
    /// Pass over as many lines of a text that cannot be read
    #[arg(long, value_name = "NUMBER", default_value_t = 0, requires = "trace", conflicts_with = "device")]
    pub skip_bad_lines: u64,
    /// Draw the timeline too; may be given twice, for an .svg and a .png
    #[arg(long, value_name = "FILE", requires = "trace", conflicts_with = "device", value_parser = run::picture)]
    pub chart: Vec<PathBuf>,
}

/// The format of a trace; `None` where it is told from the trace itself.
pub type TraceFormat = Told<blktrace_parser::Format>;

/// Something named, or left to be told from the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told<T>(pub Option<T>);

/// `tunerd record`.
#[derive(Clone, Debug, Args)]
pub struct RecordArgs {
    /// The disk.
    #[command(flatten)]
    pub device: DeviceArg,
    /// Directory of the recording, made where it is not there: DEVICE.blktrace.0 and so on, one for each CPU
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// How long to record
    #[arg(long = "for", value_name = "DURATION", value_parser = run::duration, default_value = "60s")]
    pub duration: Nanos,
    /// How large the files may become together, such as 500M or 4G
    #[arg(long, value_name = "SIZE", value_parser = run::size, default_value = "1G")]
    pub max_size: Bytes,
    /// Where the journal and the lock go.
    #[command(flatten)]
    pub paths: PathArgs,
    /// The trees that stand for the kernel.
    #[command(flatten)]
    pub roots: Roots,
    /// Output for programs.
    #[command(flatten)]
    pub json: JsonArg,
}

/// Which stored genes are meant.
#[derive(Clone, Debug, Default, Args)]
pub struct GenesFilter {
    /// Of this disk
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// Of this fingerprint, such as read-random-small
    #[arg(long, value_name = "FINGERPRINT")]
    pub class: Option<Class>,
    /// Found under this scheduler
    #[arg(long, value_name = "NAME")]
    pub scheduler: Option<String>,
    /// Scored by this objective
    #[arg(long, value_enum)]
    pub objective: Option<crate::config::Objective>,
}

/// Where the store is.
#[derive(Clone, Debug, Args)]
pub struct StateDirArg {
    /// Directory of the store and the journals
    #[arg(long, value_name = "DIR", default_value = "/var/lib/tunerd")]
    pub state_dir: PathBuf,
}

/// `tunerd genes`.
#[derive(Debug, Subcommand)]
pub enum GenesCommand {
    /// One line for each disk, fingerprint and scheduler that has stored genes.
    List {
        /// Which of them.
        #[command(flatten)]
        filter: GenesFilter,
        /// Where the store is.
        #[command(flatten)]
        state: StateDirArg,
        /// Output for programs.
        #[command(flatten)]
        json: JsonArg,
    },
    /// Every setting of the stored genes, and where they come from.
    Show {
        /// Which of them.
        #[command(flatten)]
        filter: GenesFilter,
        /// Where the store is.
        #[command(flatten)]
        state: StateDirArg,
        /// Output for programs.
        #[command(flatten)]
        json: JsonArg,
    },
    /// Drop stored genes; what is to be dropped must be named, or --all given.
    Forget {
        /// Which of them.
        #[command(flatten)]
        filter: GenesFilter,
        /// Drop everything that is stored
        #[arg(long, conflicts_with_all = ["device", "class", "scheduler", "objective"])]
        all: bool,
        /// Where the store is.
        #[command(flatten)]
        state: StateDirArg,
        /// Output for programs.
        #[command(flatten)]
        json: JsonArg,
    },
    /// Take genes from a file that `genes export` wrote; what is stored stays, unless --replace is given.
    Import {
        /// The file; `-` is standard input
        file: PathBuf,
        /// Keep the genes under this disk's name instead of the one in the file
        #[arg(long, value_name = "DEVICE")]
        device: Option<String>,
        /// Take every entry of the file, also where one is stored
        #[arg(long)]
        replace: bool,
        /// Where the store is.
        #[command(flatten)]
        state: StateDirArg,
        /// Output for programs.
        #[command(flatten)]
        json: JsonArg,
    },
    /// Write stored genes, with their provenance, as JSON.
    Export {
        /// The file [default: standard output]
        file: Option<PathBuf>,
        /// Which of them.
        #[command(flatten)]
        filter: GenesFilter,
        /// Where the store is.
        #[command(flatten)]
        state: StateDirArg,
    },
}

/// `tunerd report`.
#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    /// The directory of a recorded run; a second one is compared with the first
    #[arg(value_name = "DIR", num_args = 1..=2, required_unless_present = "device", conflicts_with = "device")]
    pub runs: Vec<PathBuf>,
    /// Report what the store knows of this disk instead
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// How many of the disk's latest slices to show
    #[arg(long, value_name = "SLICES", default_value_t = 2000)]
    pub last: u32,
    /// The file to write; `-` is standard output [default: report-NAME.html]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Where the store is.
    #[command(flatten)]
    pub state: StateDirArg,
}

/// `tunerd restore`.
#[derive(Clone, Debug, Args)]
pub struct RestoreArgs {
    /// This disk only [default: every disk with a journal]
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// How long to wait for a process that still holds a disk
    #[arg(long, value_name = "DURATION", value_parser = run::duration, default_value = "30s")]
    pub wait: Nanos,
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

/// `tunerd config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the configuration in effect: defaults, then each file in order.
    Show {
        /// A file to read; may be given several times [default: /usr/lib/tunerd, /etc/tunerd and its config.d]
        #[arg(long = "config", value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Output for programs.
        #[command(flatten)]
        json: JsonArg,
    },
    /// Check files, each laid over the ones before it; says nothing where all is well but the files' names.
    Check {
        /// The files [default: those that `run` would read]
        files: Vec<PathBuf>,
        /// Output for programs.
        #[command(flatten)]
        json: JsonArg,
    },
}

/// `tunerd completions`.
#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_do_not_contradict_one_another() {
        Cli::command().debug_assert();
    }
}
