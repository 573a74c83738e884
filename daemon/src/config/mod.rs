//! Configuration in two stages: [`RawConfig`] is what was written, with the place of every value; [`Config`] is what
//! was meant, checked. After start-up nothing looks at raw text again.

mod check;
mod duration;
mod flags;
mod load;
mod raw;

pub use duration::{ParseQuantityError, parse_bytes, parse_duration};
pub use load::{ConfigError, load, standard_files};
pub use raw::{Field, Origin, RawConfig};

use block_types::{Knob, Nanos};
use fingerprint::{Rule, Thresholds, WindowPolicy};
use sampler::SourceChoice;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the daemon may do to a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Never writes; says what it would do and why.
    #[default]
    Observe,
    /// Puts a fingerprint's stored or imported genes in force; never searches.
    Hints,
    /// Searches, remembers and reintroduces.
    Tune,
}

/// How settings are searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyName {
    /// Settings stay only where guarded trials on live traffic have shown them to be better.
    #[default]
    Confirmed,
    /// The genetic library as published in 2005 and 2006: no trials, no guard, no settling.
    Moilanen,
}

impl StrategyName {
    /// How long a slice is, and how long its settings are in force before, where nothing is configured.
    const fn timing(self) -> (Nanos, Nanos) {
        match self {
            Self::Confirmed => (Nanos::from_millis(4_000), Nanos::from_millis(2_000)),
            Self::Moilanen => (Nanos::from_millis(2_000), Nanos::ZERO),
        }
    }

    /// What is improved, where nothing is configured.
    const fn objective(self) -> Objective {
        match self {
            Self::Confirmed => Objective::Balanced,
            Self::Moilanen => Objective::Throughput,
        }
    }
}

/// What is to be improved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// The geometric mean of throughput and inverse latency, and of the inverse tail where there are reads enough.
    #[default]
    Balanced,
    /// Bytes completed a second.
    Throughput,
    /// Mean time from bio to completion of synchronous data bios, those still in flight counted at their age.
    Latency,
    /// The 99th percentile of the latency of reads.
    Tail,
}

impl Objective {
    /// The name in configuration and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.of_trials().name()
    }

    /// What a trial measures by it.
    #[must_use]
    pub const fn of_trials(self) -> trials::Objective {
        match self {
            Self::Balanced => trials::Objective::Balanced,
            Self::Throughput => trials::Objective::Throughput,
            Self::Latency => trials::Objective::Latency,
            Self::Tail => trials::Objective::Tail,
        }
    }
}

/// When a fingerprint's stored genes come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Reintroduce {
    /// As published: the generation's own fingerprint decides, at its end.
    GenerationEnd,
    /// A confirmed change ends the running generation; its first child is the stored genes.
    #[default]
    AtOnce,
}

/// What a confirmed change of fingerprint does to the search. All but the first are baselines, to measure what
/// memory and recognition are worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum OnChange {
    /// The fingerprint's stored genes come back; defaults where there are none.
    #[default]
    Recall,
    /// The defaults come back, as if every fingerprint were new: recognition without memory.
    Defaults,
    /// Nothing: the change is reported, and the search goes on with what it has, as if there were one fingerprint.
    Nothing,
}

/// Where the genes' ranges come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Ranges {
    /// As published: half to one and a half of the default.
    Paper,
    /// The catalogue's ranges.
    #[default]
    Catalogue,
}

/// What becomes of the settings when the daemon ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum OnExit {
    /// Every original value is put back.
    #[default]
    Restore,
}

/// The numbers of the control loop.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoopConfig {
    /// When a fingerprint window closes.
    pub window: WindowPolicy,
    /// Windows of a new class before it counts as a change.
    pub debounce: u32,
    /// How long a child is scored. 4 s; 2 s as published.
    pub slice: Nanos,
    /// How long a child is in force before it is scored. 2 s; none as published.
    pub settle: Nanos,
    /// Children in a generation. 8 as published.
    pub children: usize,
}

/// The genetic library's numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GeneticConfig {
    /// When stored genes come back.
    pub reintroduce: Reintroduce,
    /// What a confirmed change does.
    pub on_change: OnChange,
    /// Where ranges come from.
    pub ranges: Ranges,
    /// The knobs that are genes; empty: the catalogue's defaults for what the device offers.
    pub knobs: Vec<Knob>,
    /// Whether the scheduler is a gene too (a switch freezes the queue for a second).
    pub tune_scheduler: bool,
    /// Share of the top fitness that is left after each pass of its workload.
    pub decay: f64,
    /// Bounds that the configuration sets inside those of the catalogue.
    pub limits: BTreeMap<Knob, Limits>,
}

/// The numbers of the trials that confirm a setting.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConfirmedConfig {
    /// Candidates in a campaign.
    pub candidates: usize,
    /// Rounds of the race; in each, every candidate that is still in has a slice.
    pub race_rounds: u32,
    /// How many of the best are confirmed on fresh pairs, at most.
    pub nominees: u32,
    /// Pairs of a confirming trial, at most.
    pub max_pairs: u32,
    /// The probability that a campaign promotes a setting that is no better.
    pub alpha: f64,
    /// How long exploring pauses after the first campaign in vain; longer each time after.
    pub pause: Nanos,
    /// The longest pause.
    pub pause_max: Nanos,
    /// Changes of fingerprint a minute that are followed in the long run.
    pub changes_per_minute: u32,
    /// How long without a change of fingerprint counts as calm after too many. Until then what changes so is taken for
    /// one kind of work.
    pub calm: Nanos,
}

/// Bounds of one knob, in the knob's own unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Least value.
    pub min: Option<u64>,
    /// Greatest value.
    pub max: Option<u64>,
}

/// How the device is sampled.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SamplerConfig {
    /// Which source.
    pub source: SourceChoice,
    /// Whether every bio is looked at, whatever the rate (exact counts, more overhead).
    pub continuous: bool,
    /// At high rates, one in how many bios is followed to its completion; 0 turns latencies off.
    pub latency_one_in: u32,
}

/// A checked configuration.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Config {
    /// What may be done.
    pub mode: Mode,
    /// How settings are searched.
    pub strategy: StrategyName,
    /// What a slice is scored by.
    pub objective: Objective,
    /// The devices, by name; empty: all eligible ones.
    pub devices: Vec<String>,
    /// Devices never to touch.
    pub exclude: Vec<String>,
    /// The store and the journal.
    pub state_dir: PathBuf,
    /// The locks and the control socket.
    pub run_dir: PathBuf,
    /// The group that may read the control socket.
    pub socket_group: Option<String>,
    /// The seed of every random choice; drawn from the operating system and logged where it is not given.
    pub seed: Option<u64>,
    /// What becomes of the settings at the end.
    pub on_exit: OnExit,
    /// A library file whose genes `hints` applies, and `tune` starts from.
    pub hints: Option<PathBuf>,
    /// The loop's numbers.
    #[serde(rename = "loop")]
    pub timing: LoopConfig,
    /// The rule that the class in force follows.
    pub rule: Rule,
    /// Where the classes part.
    pub thresholds: Thresholds,
    /// The genetic library's numbers.
    pub genetic: GeneticConfig,
    /// The trials' numbers.
    pub confirmed: ConfirmedConfig,
    /// How the device is sampled.
    pub sampler: SamplerConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self::of(StrategyName::default())
    }
}

impl Config {
    /// What is in effect under a strategy where nothing else is configured.
    #[must_use]
    pub fn of(strategy: StrategyName) -> Self {
        let (slice, settle) = strategy.timing();
        Self {
            mode: Mode::default(),
            strategy,
            objective: strategy.objective(),
            devices: Vec::new(),
            exclude: Vec::new(),
            state_dir: PathBuf::from("/var/lib/tunerd"),
            run_dir: PathBuf::from("/run/tunerd"),
            socket_group: None,
            seed: None,
            on_exit: OnExit::default(),
            hints: None,
            timing: LoopConfig { window: WindowPolicy::default(), debounce: 2, slice, settle, children: 8 },
            rule: Rule::Ours,
            thresholds: Thresholds::default(),
            genetic: GeneticConfig {
                reintroduce: Reintroduce::default(),
                on_change: OnChange::default(),
                ranges: Ranges::default(),
                knobs: Vec::new(),
                tune_scheduler: false,
                decay: genetic::DEFAULT_DECAY,
                limits: BTreeMap::new(),
            },
            confirmed: ConfirmedConfig {
                candidates: 12,
                race_rounds: 5,
                nominees: 3,
                max_pairs: 60,
                alpha: 0.05,
                pause: Nanos::from_millis(60_000),
                pause_max: Nanos::from_millis(3_600_000),
                changes_per_minute: 6,
                calm: Nanos::from_millis(30_000),
            },
            sampler: SamplerConfig { source: SourceChoice::Auto, continuous: false, latency_one_in: 64 },
        }
    }
}

#[cfg(test)]
mod tests;
