//! `tunerd replay`: the questions that can be asked of a trace.

use super::run::duration;
use super::shared::{JsonArg, Roots};
use crate::config::{Objective, parse_bytes};
use blktrace_parser::Format;
use block_types::{Bytes, DevNo, Elevator, Knob, KnobValue, Nanos, Setting};
use clap::{ArgGroup, Args, ValueEnum};
use std::path::PathBuf;

/// `tunerd replay`.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("where").args(["disk", "onto"]).required(true))]
#[command(group = ArgGroup::new("pace").args(["open", "closed", "no_stall"]))]
pub struct ReplayArgs {
    /// The trace: of blktrace (a dump, or the base name of its files), blkparse, fio (iolog 2 and 3) or MSR (CSV),
    /// compressed or not
    pub trace: PathBuf,
    /// Simulate this disk: a model's name such as hdd-7200, or a file of parameters
    #[arg(long, value_name = "MODEL")]
    pub disk: Option<String>,
    /// Replay onto this block device, which nothing else may be using
    #[arg(long, value_name = "DEVICE")]
    pub onto: Option<PathBuf>,

    /// What the trace says, where its first bytes do not tell
    #[arg(long, value_name = "FORMAT", help_heading = "The trace")]
    pub format: Option<Format>,
    /// Pass over so many lines of a text that cannot be read
    #[arg(long, value_name = "NUMBER", default_value_t = 0, help_heading = "The trace")]
    pub skip_bad_lines: u64,
    /// The disk in the trace, such as 8:0 [default: the only one]
    #[arg(long, value_name = "MAJOR:MINOR", help_heading = "The trace")]
    pub trace_device: Option<DevNo>,
    /// Leave out what was submitted in the first DURATION of the trace
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "The trace")]
    pub skip: Option<Nanos>,
    /// Take only what was submitted in DURATION from there on
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, help_heading = "The trace")]
    pub length: Option<Nanos>,
    /// What becomes of a trace that reaches beyond the disk's end
    #[arg(long, value_enum, default_value_t, help_heading = "The trace")]
    pub redirect: Redirect,

    /// Submit at the trace's times
    #[arg(long, visible_alias = "timed", help_heading = "The pace")]
    pub open: bool,
    /// Submit when what was waited for in the trace is done and the program has thought; only in a simulation, and
    /// its default where the trace has completions
    #[arg(long, help_heading = "The pace")]
    pub closed: bool,
    /// Submit as fast as --outstanding allows
    #[arg(long, visible_alias = "asap", help_heading = "The pace")]
    pub no_stall: bool,
    /// Multiply the trace's times by FACTOR: 0.5 is twice as fast
    #[arg(long, value_name = "FACTOR", value_parser = time_scale, default_value = "1", help_heading = "The pace")]
    pub time_scale: f64,
    /// I/Os in flight with --no-stall [default: 32], and at most with --open --onto [default: 1024]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=4096), help_heading = "The pace")]
    pub outstanding: Option<u32>,

    /// The simulated disk's size [default: 1 TB, or what the trace needs]
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Simulation (--disk)")]
    pub disk_size: Option<Bytes>,
    /// How many commands the simulated disk takes at once [default: the model's]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_240), help_heading = "Simulation (--disk)")]
    pub queue_depth: Option<u32>,
    /// The scheduler [default: what the kernel chooses for such a disk]
    #[arg(long, value_name = "NAME", help_heading = "Simulation (--disk)")]
    pub scheduler: Option<Elevator>,
    /// A knob's value; may be given several times
    #[arg(long = "set", value_name = "KNOB=VALUE", value_parser = setting, help_heading = "Simulation (--disk)")]
    pub set: Vec<Setting>,
    /// Compare with these settings as well; may be given several times
    #[arg(long, value_name = "SCHEDULER[:KNOB=VALUE,...]", value_parser = candidate, help_heading = "Simulation (--disk)")]
    pub compare: Vec<Candidate>,
    /// Search the scheduler's settings, fingerprint by fingerprint
    #[arg(long, conflicts_with = "compare", help_heading = "Simulation (--disk)")]
    pub tune: bool,
    /// A knob to search; may be given several times [default: the catalogue's choice for the scheduler, without those
    /// that stall the queue when they are lowered]
    #[arg(long = "knob", value_name = "KNOB", requires = "tune", help_heading = "Simulation (--disk)")]
    pub knobs: Vec<Knob>,
    /// What a setting is scored by
    #[arg(long, value_enum, requires = "tune", default_value_t, help_heading = "Simulation (--disk)")]
    pub objective: Objective,
    /// How many settings are simulated to each fingerprint
    #[arg(long, value_name = "NUMBER", requires = "tune", default_value_t = 400, value_parser = clap::value_parser!(u32).range(16..=1_000_000), help_heading = "Simulation (--disk)")]
    pub budget: u32,
    /// Write the genes that were found to this file, for `genes import` and for --hints
    #[arg(long, value_name = "FILE", requires = "tune", help_heading = "Simulation (--disk)")]
    pub out: Option<PathBuf>,
    /// The disk that the genes are for, such as sda [default: the model's name]
    #[arg(long, value_name = "NAME", requires = "out", help_heading = "Simulation (--disk)")]
    pub for_device: Option<String>,
    /// Seed of the search, and of what is random in the model
    #[arg(long, value_name = "NUMBER", default_value_t = 1, help_heading = "Simulation (--disk)")]
    pub seed: u64,

    /// Replay writes too: they overwrite what is on the device
    #[arg(long, requires = "onto", help_heading = "A real device (--onto)")]
    pub allow_writes: bool,
    /// Do not ask before writing
    #[arg(long, requires = "allow_writes", help_heading = "A real device (--onto)")]
    pub yes: bool,

    /// The trees that stand for the kernel.
    #[command(flatten)]
    pub roots: Roots,
    /// Output for programs.
    #[command(flatten)]
    pub json: JsonArg,
}

/// What becomes of a trace that reaches beyond the disk's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Redirect {
    /// It is refused.
    #[default]
    Refuse,
    /// What lies beyond the end begins again at the start.
    Wrap,
    /// All of it is drawn together until it fits.
    Scale,
}

/// Settings to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The scheduler.
    pub scheduler: Elevator,
    /// What differs from its defaults.
    pub settings: Vec<Setting>,
}

fn time_scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if (1e-6..=1e6).contains(&factor) => Ok(factor),
        _ => Err(format!("found {text:?}, expected a factor from 0.000001 to 1000000")),
    }
}

fn size(text: &str) -> Result<Bytes, String> {
    parse_bytes(text).map_err(|error| error.to_string())
}

fn setting(text: &str) -> Result<Setting, String> {
    let expected = "a knob and its value, such as fifo_batch=8";
    let (name, value) = text.split_once('=').ok_or_else(|| format!("found {text:?}, expected {expected}"))?;
    let knob: Knob = name.trim().parse().map_err(|error: block_types::UnknownKnob| error.to_string())?;
    if knob == Knob::Scheduler {
        return Err(format!("found {text:?}: the scheduler is chosen with --scheduler"));
    }
    let value = value.trim();
    let number = value.parse().map_err(|_error| format!("{knob}: found {value:?}, expected a number"))?;
    Ok(Setting { knob, value: KnobValue::Number(number) })
}

fn candidate(text: &str) -> Result<Candidate, String> {
    let (name, rest) = text.split_once(':').unwrap_or((text, ""));
    let scheduler = name.trim().parse().map_err(|error: block_types::UnknownElevator| error.to_string())?;
    let words = rest.split(',').map(str::trim).filter(|word| !word.is_empty());
    Ok(Candidate { scheduler, settings: words.map(setting).collect::<Result<_, _>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_is_a_scheduler_and_what_differs() {
        let found = candidate("mq-deadline: fifo_batch=1, read_expire=20").unwrap();
        assert_eq!(found.scheduler, Elevator::MqDeadline);
        let words: Vec<String> = found.settings.iter().map(ToString::to_string).collect();
        assert_eq!(words, ["fifo_batch=1", "read_expire=20"]);
        assert_eq!(candidate("none").unwrap().settings, []);
        for (text, parts) in [
            ("deadline", &["deadline", "mq-deadline"][..]),
            ("bfq:fifo_batch", &["fifo_batch", "="]),
            ("bfq:depth=1", &["depth", "knob"]),
            ("bfq:slice_idle_us=soon", &["soon", "number"]),
            ("bfq:scheduler=1", &["--scheduler"]),
        ] {
            let error = candidate(text).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{text}: {error}");
        }
    }

    #[test]
    fn a_time_scale_is_a_positive_number() {
        assert!((time_scale("0.5").unwrap() - 0.5).abs() < 1e-12);
        for text in ["0", "-1", "NaN", "inf", "fast"] {
            assert!(time_scale(text).unwrap_err().contains(text));
        }
    }
}
