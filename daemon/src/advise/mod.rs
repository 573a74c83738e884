//! `tunerd advise`: what a disk's work and settings suggest, before anything was tried.
//!
//! [`advise`] is a pure function from [`Observed`] to [`Advice`]. Every piece has a stable id and the `tunerd ab` command
//! that tests it: advice is a guess with a reason, and the test is the proof. "Nothing to gain here" is advice too.

mod rules;
#[cfg(test)]
mod tests;

use block_types::{Elevator, Knob, Setting, Settings};
use serde::Serialize;
use trials::{Objective, Slice};

/// What was seen of a disk.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Its name.
    pub device: String,
    /// Whether the kernel takes it for one with heads.
    pub rotational: bool,
    /// Requests that the driver takes at once; `None` where the kernel does not tell.
    pub tag_depth: Option<u64>,
    /// The settings in force.
    pub settings: Settings,
    /// The schedulers that it is offered.
    pub elevators: Vec<Elevator>,
    /// What was measured, from beginning to end.
    pub slice: Slice,
    /// Share of reads among the data bios, 0‥1; `None` where bios are not seen.
    pub read_share: Option<f64>,
    /// Share of bios near the end of a stream, 0‥1.
    pub near_share: Option<f64>,
    /// Share of bios that somebody waits for, 0‥1.
    pub sync_share: Option<f64>,
    /// Mean size of a data bio, KiB.
    pub mean_bio_kib: Option<f64>,
    /// Requests completed a second.
    pub iops: f64,
}

/// What a piece of advice says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Likely to matter.
    LikelyToMatter,
    /// Likely nothing to gain here.
    NothingToGain,
    /// It cannot be told from what was seen.
    CannotTell,
}

/// One piece of advice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Advice {
    /// Stable: `TA-READAHEAD-SEQ`.
    pub id: &'static str,
    /// What it says.
    pub kind: Kind,
    /// Why, with the figures that it rests on.
    pub why: String,
    /// What to try; empty where there is nothing to.
    pub set: Vec<Setting>,
    /// The command that tests it; absent where there is nothing to test.
    pub test: Option<String>,
}

/// Busier than this the disk is the bottleneck.
const SATURATED: f64 = 0.9;
/// Less busy than this, and with less than one request in flight, there is nothing to order.
const EASY: f64 = 0.5;

impl Observed {
    /// The scheduler in force.
    #[must_use]
    pub fn elevator(&self) -> Option<Elevator> {
        self.settings.elevator()
    }

    /// Share of the time with a request in flight, 0‥1; 0 where it is not known.
    #[must_use]
    pub fn busy(&self) -> f64 {
        self.slice.busy_share().unwrap_or(0.0)
    }

    /// Mean number of requests in flight; 0 where it is not known.
    #[must_use]
    pub fn queue(&self) -> f64 {
        self.slice.mean_queue().unwrap_or(0.0)
    }

    /// Whether the disk has as much as it can do.
    #[must_use]
    pub fn is_saturated(&self) -> bool {
        self.busy() >= SATURATED
    }

    /// Whether reads and writes stand in each other's way.
    #[must_use]
    pub fn is_mixed(&self) -> bool {
        self.read_share.is_some_and(|share| (0.05..=0.95).contains(&share))
    }

    fn offers(&self, elevator: Elevator) -> bool {
        self.elevators.contains(&elevator) && self.elevator() != Some(elevator)
    }

    fn number(&self, knob: Knob) -> Option<u64> {
        self.settings.number(knob)
    }
}

/// What the facts suggest; what is likely to matter first, then what is not.
#[must_use]
pub fn advise(seen: &Observed) -> Vec<Advice> {
    if seen.slice.is_idle() {
        let why = "nothing was asked of the disk meanwhile; watch it while it works".to_owned();
        return vec![Advice { id: "TA-IDLE", kind: Kind::CannotTell, why, set: Vec::new(), test: None }];
    }
    let mut advice: Vec<Advice> = rules::RULES.iter().filter_map(|rule| rule(seen)).collect();
    advice.sort_by_key(|one| one.kind);
    advice
}

/// The command that tests a setting.
fn command(device: &str, set: &[Setting], objective: Objective) -> String {
    let settings: Vec<String> = set.iter().map(ToString::to_string).collect();
    let objective = match objective {
        Objective::Balanced => "balanced",
        Objective::Throughput => "throughput",
        Objective::Latency => "latency",
        Objective::Tail => "tail",
    };
    format!("tunerd ab --device {device} --set {} --objective {objective} --for 10m", settings.join(" "))
}
