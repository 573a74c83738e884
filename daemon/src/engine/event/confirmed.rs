//! What the `confirmed` strategy reports.

use crate::config::Objective;
use block_types::Settings;
use fingerprint::Class;
use serde::{Deserialize, Serialize};
use trials::{Abort, Arm, Estimate, Raced, Verdict, Void, VoidCounts};

/// What a slice was measured for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// A candidate against the incumbent, to find the best ones.
    Race,
    /// A nominee against the incumbent, to confirm it.
    Confirm,
    /// The incumbent against the default settings, to know its gain.
    GainCheck,
    /// The incumbent alone, to learn what is usual before a candidate goes under guard.
    Reference,
}

/// A slice ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SliceTold {
    /// Its end.
    pub at_ns: u64,
    /// The fingerprint.
    pub class: Option<Class>,
    /// What for.
    pub purpose: Purpose,
    /// The candidate, from 0; `None` outside of a campaign.
    pub candidate: Option<u32>,
    /// Whose settings were in force.
    pub arm: Arm,
    /// What was in force.
    pub settings: Settings,
    /// Why it is not scored.
    pub void: Option<Void>,
    /// Why the guard took the settings back.
    pub aborted: Option<Abort>,
    /// Bytes completed a second, where the device was saturated.
    pub bytes_per_s: Option<f64>,
    /// Mean latency of synchronous data bios, those in flight counted at their age, ns.
    pub mean_latency_ns: Option<f64>,
}

/// A campaign began, or goes on after a pause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CampaignBegun {
    /// When.
    pub at_ns: u64,
    /// The fingerprint.
    pub class: Option<Class>,
    /// Its number for this fingerprint, from 1.
    pub campaign: u64,
    /// How many candidates it races.
    pub candidates: usize,
    /// How far from the incumbent they are, as a share of each knob's range.
    pub radius: f64,
    /// What they are compared with.
    pub incumbent: Settings,
    /// Whether it had begun before a restart.
    pub resumed: bool,
}

/// A campaign ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CampaignEnded {
    /// When.
    pub at_ns: u64,
    /// The fingerprint.
    pub class: Option<Class>,
    /// Its number.
    pub campaign: u64,
    /// What was raced, and what became of it.
    pub raced: Vec<RacedSettings>,
    /// Whether a candidate was promoted.
    pub promoted: bool,
    /// Slices of the race.
    pub race_slices: VoidCounts,
    /// How long the disk is left alone now, ns.
    pub pause_ns: u64,
}

/// A candidate of a race.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RacedSettings {
    /// Its settings, as far as they differ from the incumbent's.
    pub changes: Settings,
    /// What became of it.
    pub raced: Raced,
}

/// A candidate did well in the race and is confirmed on fresh pairs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nominated {
    /// When.
    pub at_ns: u64,
    /// The fingerprint.
    pub class: Option<Class>,
    /// The campaign.
    pub campaign: u64,
    /// Its number in the campaign, from 0.
    pub candidate: u32,
    /// Its settings.
    pub settings: Settings,
}

/// What a confirmed setting was better than.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Against {
    /// The settings that the device had before.
    Default,
    /// The incumbent of the time, itself better than the default.
    Incumbent,
}

/// A nominee's trial is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialTold {
    /// When.
    pub at_ns: u64,
    /// The fingerprint.
    pub class: Option<Class>,
    /// The campaign.
    pub campaign: u64,
    /// Its number in the campaign, from 0.
    pub candidate: u32,
    /// What was tried.
    pub settings: Settings,
    /// What it was compared with.
    pub control: Settings,
    /// Whether that was the default.
    pub against: Against,
    /// By what.
    pub objective: Objective,
    /// How it ended.
    pub verdict: Verdict,
    /// The effect against the control, in logs; `None` where no pair was finished.
    pub estimate: Option<Estimate>,
    /// ln of the evidence that it is better.
    pub log_evidence: f64,
    /// The α that it was tried at.
    pub alpha: f64,
    /// Slices of the trial.
    pub slices: VoidCounts,
}

/// The guard took a setting back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// When.
    pub at_ns: u64,
    /// The fingerprint.
    pub class: Option<Class>,
    /// The setting.
    pub settings: Settings,
    /// Why.
    pub abort: Abort,
    /// How long it had been in force when that was noticed, ns.
    pub in_force_ns: u64,
    /// Violations under this fingerprint so far.
    pub count: u64,
    /// And how long they lasted, ns.
    pub total_ns: u64,
}

/// A pair of the incumbent and the default was measured, or the gain counts as gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GainTold {
    /// When.
    pub at_ns: u64,
    /// The fingerprint.
    pub class: Option<Class>,
    /// The incumbent.
    pub settings: Settings,
    /// By what.
    pub objective: Objective,
    /// The gain over the default that was confirmed, 0.1 for +10 %.
    pub confirmed_gain: f64,
    /// What the recent pairs say, in logs.
    pub estimate: Option<Estimate>,
    /// The share of the time that the default had beside the incumbent.
    pub default_share: Option<f64>,
}

/// The loop leaves the disk alone for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackedOff {
    /// When.
    pub at_ns: u64,
    /// The fingerprint.
    pub class: Option<Class>,
    /// For how long, while this fingerprint is in force, ns.
    pub pause_ns: u64,
    /// Violations under this fingerprint so far.
    pub violations: u64,
}
