//! What the loop reports: one JSON object a line under `tunerd run --json`, and one log line each otherwise.

mod confirmed;

pub use confirmed::{
    Against, BackedOff, CampaignBegun, CampaignEnded, GainTold, Nominated, Purpose, RacedSettings, SliceTold,
    TrialTold, Violation,
};

use crate::config::{Mode, Objective};
use block_types::{Knob, KnobValue, Settings};
use fingerprint::{Class, WindowLine};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a slice was not scored. No gene can cause any of these, so leaving them out favours no setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VoidReason {
    /// Nothing arrived and nothing was in flight.
    NoArrivals,
    /// The fingerprint changed inside the slice.
    FingerprintChanged,
    /// The device reported errors.
    DeviceError,
    /// The machine was suspended.
    Suspended,
    /// Somebody else wrote a knob.
    ForeignWrite,
    /// The kernel's counters went backwards.
    CountersReset,
    /// The objective measures synchronous I/O and there was none.
    NoSyncIo,
    /// The loop was paused or reconfigured.
    Interrupted,
}

impl fmt::Display for VoidReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoArrivals => "nothing arrived",
            Self::FingerprintChanged => "the fingerprint changed",
            Self::DeviceError => "the device reported an error",
            Self::Suspended => "the machine was suspended",
            Self::ForeignWrite => "somebody else wrote a knob",
            Self::CountersReset => "the kernel's counters went backwards",
            Self::NoSyncIo => "there was no synchronous I/O",
            Self::Interrupted => "the loop was interrupted",
        })
    }
}

impl From<trials::Void> for VoidReason {
    fn from(void: trials::Void) -> Self {
        match void {
            trials::Void::Idle => Self::NoArrivals,
            trials::Void::FingerprintChanged => Self::FingerprintChanged,
            trials::Void::Suspended => Self::Suspended,
            trials::Void::ForeignWrite => Self::ForeignWrite,
            trials::Void::DeviceError => Self::DeviceError,
        }
    }
}

/// Why settings were put in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The next child of the generation.
    Child,
    /// The fingerprint changed to one whose genes are stored.
    Reintroduction,
    /// The fingerprint changed to one never seen: the defaults.
    Unseen,
    /// A stored or imported hint, without search.
    Hints,
    /// The originals, because the loop ends, pauses, or has no hint.
    Originals,
    /// The incumbent of the fingerprint: confirmed settings, or the default where nothing is confirmed.
    Incumbent,
    /// A candidate on trial.
    Candidate,
    /// The default settings, to know what the incumbent gains over them.
    Default,
    /// The incumbent, because the guard took a candidate back.
    TakenBack,
    /// What serves a workload whose fingerprint changes too often to follow.
    TooManyChanges,
}

/// Something that happened to one device. Times are nanoseconds of `CLOCK_MONOTONIC`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The loop runs.
    Started {
        /// When.
        at_ns: u64,
        /// What it may do.
        mode: Mode,
        /// `bpf`, `tracefs` or `diskstats`.
        source: String,
        /// Why this source.
        source_reason: String,
        /// The settings before the loop touched anything.
        originals: Settings,
        /// The knobs that are genes.
        genes: Vec<Knob>,
        /// The seed of its random choices.
        seed: u64,
        /// What is odd on this device, in words.
        notes: Vec<String>,
    },
    /// A fingerprint window closed.
    Window {
        /// What it held.
        #[serde(flatten)]
        line: Box<WindowLine>,
        /// For how long of it the probes looked, ns.
        observed_ns: u64,
    },
    /// A change of the fingerprint was confirmed.
    Fingerprint {
        /// When it was confirmed.
        at_ns: u64,
        /// The fingerprint before; `None` at the start.
        from: Option<Class>,
        /// The fingerprint now.
        to: Class,
        /// The start of the first window that had it.
        first_window_ns: u64,
    },
    /// Settings were put in force.
    Applied {
        /// When the last of them was read back.
        at_ns: u64,
        /// Why.
        reason: Reason,
        /// For which fingerprint.
        class: Option<Class>,
        /// The generation.
        generation: u64,
        /// Its child, counted from 1.
        child: Option<usize>,
        /// What is in force now, as read back, of the knobs that are genes.
        settings: Settings,
        /// When the knobs that do not freeze the queue were read back.
        quick_at_ns: u64,
        /// How long the knobs that freeze the queue took.
        freezing_ms: f64,
        /// Knobs that the kernel set otherwise than asked.
        clamped: Vec<Clamp>,
        /// Knobs that could not be written, and why.
        failed: Vec<String>,
    },
    /// In `observe`: what would have been done.
    Would {
        /// When.
        at_ns: u64,
        /// The fingerprint.
        class: Option<Class>,
        /// What, and why.
        what: String,
        /// The settings that would have been put in force, where they are known.
        settings: Option<Settings>,
    },
    /// A child's slice ended.
    Evaluation(Evaluation),
    /// A generation ended.
    Generation {
        /// When.
        at_ns: u64,
        /// Its number, from 0.
        generation: u64,
        /// Its fingerprint.
        class: Option<Class>,
        /// Whether it was ended before its time, because the fingerprint changed.
        aborted: bool,
        /// Mean fitness of the children that were scored.
        mean_fitness: Option<f64>,
        /// The best child's fitness.
        best_fitness: Option<f64>,
        /// The best child's settings.
        best: Option<Settings>,
        /// Share of genes that mutate from now on.
        mutation_rate: f64,
        /// Children scored.
        scored: usize,
        /// Children void.
        void: usize,
    },
    /// The stored genes of a fingerprint were replaced by better ones.
    Top {
        /// When.
        at_ns: u64,
        /// The fingerprint; `None` with a source that cannot tell fingerprints.
        class: Option<Class>,
        /// The fitness of the generation.
        fitness: f64,
        /// The mean of its genes.
        settings: Settings,
    },
    /// A slice of a trial ended.
    Slice(Box<SliceTold>),
    /// A campaign of candidates began, or goes on.
    Campaign(Box<CampaignBegun>),
    /// A campaign ended.
    CampaignEnded(Box<CampaignEnded>),
    /// A candidate is confirmed on fresh pairs.
    Nominee(Box<Nominated>),
    /// A nominee was shown to be better: it is the incumbent from now on.
    Promoted(Box<TrialTold>),
    /// A nominee was not shown to be better.
    Rejected(Box<TrialTold>),
    /// The guard took a setting back.
    Violation(Box<Violation>),
    /// The incumbent's gain over the default was looked at.
    GainChecked(Box<GainTold>),
    /// A confirmed gain is gone: the default is back in force.
    GainLapsed(Box<GainTold>),
    /// Exploring pauses.
    BackOff(Box<BackedOff>),
    /// The fingerprint changes too often to follow: until it is calm it is taken for one unsteady kind of work.
    CalmDown {
        /// When.
        at_ns: u64,
        /// Changes a minute that are followed in the long run.
        changes_per_minute: u32,
    },
    /// It is calm again.
    Calm {
        /// When.
        at_ns: u64,
    },
    /// Somebody else wrote a knob; it is theirs from now on.
    Foreign {
        /// When it was noticed.
        at_ns: u64,
        /// The knob.
        knob: Knob,
        /// What the loop had last seen there.
        ours: Option<KnobValue>,
        /// What is there now.
        found: Option<KnobValue>,
    },
    /// The device fell idle: nothing is written until something arrives.
    Idle {
        /// When.
        at_ns: u64,
    },
    /// The loop was paused; the originals are in force.
    Paused {
        /// When.
        at_ns: u64,
    },
    /// The loop goes on.
    Resumed {
        /// When.
        at_ns: u64,
    },
    /// Something is wrong and the loop goes on without it.
    Warning {
        /// When.
        at_ns: u64,
        /// What.
        message: String,
    },
    /// The loop ended.
    Stopped {
        /// When.
        at_ns: u64,
        /// Why.
        why: String,
        /// The knobs that were put back, and their values.
        restored: Settings,
        /// Knobs that already had their original value.
        already: usize,
        /// Knobs that were left, each with the reason.
        left: Vec<String>,
    },
}

/// A knob that reads back otherwise than it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clamp {
    /// The knob.
    pub knob: Knob,
    /// What was written.
    pub wanted: KnobValue,
    /// What is in force.
    pub read_back: KnobValue,
}

/// One child's slice: what was in force and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The slice's start, after settling.
    pub from_ns: u64,
    /// Its end.
    pub to_ns: u64,
    /// The generation.
    pub generation: u64,
    /// The child, from 1.
    pub child: usize,
    /// The fingerprint while it ran.
    pub class: Option<Class>,
    /// What was in force, of the knobs that are genes.
    pub settings: Settings,
    /// What it was scored by.
    pub objective: Objective,
    /// The score, higher is better: bytes a second, or 1/s of the mean latency. `None` where void.
    pub fitness: Option<f64>,
    /// Why it was not scored.
    pub void: Option<VoidReason>,
    /// Bytes completed a second.
    pub bytes_per_s: Option<f64>,
    /// Mean latency of synchronous data bios, ns.
    pub mean_latency_ns: Option<u64>,
    /// Share of the slice in which the device had something in flight.
    pub utilisation: Option<f64>,
}

/// An event and the device that it happened to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceEvent {
    /// The device's name.
    pub device: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}
