//! What `tunerd status` shows.

use crate::config::{Mode, Objective};
use crate::engine::{ConfirmedEntry, VoidReason};
use crate::store::Health;
use block_types::{Knob, Settings};
use fingerprint::{Class, WindowLine};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a daemon stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The program's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Since when it runs, ns.
    pub uptime_ns: u64,
    /// The seed of its random choices.
    pub seed: u64,
    /// What it costs.
    pub cost: OwnCost,
    /// How its store fares; `None` where it runs without one.
    pub store: Option<Health>,
    /// Its devices.
    pub devices: Vec<DeviceStatus>,
}

/// How one device's loop stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceStatus {
    /// The device's name.
    pub name: String,
    /// What the loop may do.
    pub mode: Mode,
    /// What slices are scored by.
    pub objective: Objective,
    /// Whether the loop is paused.
    pub paused: bool,
    /// Why the loop has ended, where it has.
    pub ended: Option<String>,
    /// Where its samples come from.
    pub source: SourceStatus,
    /// The confirmed fingerprint, by the rule in force.
    pub fingerprint: Option<Class>,
    /// The last window, which has the fingerprint by both rules.
    pub last_window: Option<WindowLine>,
    /// The generation, from 0; `None` where nothing is searched.
    pub generation: Option<u64>,
    /// The child in force, from 1.
    pub child: Option<usize>,
    /// What is in force, of the knobs that the loop reads.
    pub in_force: Settings,
    /// What the device had before the loop touched it.
    pub defaults: Settings,
    /// What cannot be put back as it was, or is odd, in words.
    pub notes: Vec<String>,
    /// Knobs that somebody else wrote; they are theirs.
    pub yielded: Vec<Knob>,
    /// Void slices by reason.
    pub voids: BTreeMap<VoidReason, u64>,
    /// Slices that were scored.
    pub scored: u64,
    /// Stored genes by fingerprint.
    pub top: Vec<TopStatus>,
    /// Under the `confirmed` strategy: what is in force by fingerprint and why.
    pub confirmed: Option<BTreeMap<String, ConfirmedEntry>>,
    /// Whether the fingerprint changes too often to be followed.
    pub settled: bool,
    /// The last thing that went wrong.
    pub last_error: Option<String>,
}

/// Where samples come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// `bpf`, `tracefs` or `diskstats`.
    pub kind: String,
    /// Why this one.
    pub reason: String,
}

/// Stored genes of one fingerprint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopStatus {
    /// The fingerprint's name.
    pub class: String,
    /// Their fitness as it is now; `None` for imported genes that were not measured here.
    pub fitness: Option<f64>,
    /// The genes.
    pub settings: Settings,
}

/// What the daemon itself costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OwnCost {
    /// Share of one CPU since the start (1 = one core busy), in user space and in the kernel on its behalf.
    pub cpu_share: Option<f64>,
    /// The same since the last time somebody asked.
    pub cpu_share_lately: Option<f64>,
    /// Memory that is resident, bytes.
    pub rss_bytes: Option<u64>,
    /// What the probes cost the processes that do I/O; `None` where the kernel does not account for it.
    pub probes: Option<ProbeCostStatus>,
}

/// What the probes cost, by the kernel's own accounting (`BPF_ENABLE_STATS`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProbeCostStatus {
    /// How often a probe ran while the accounting was on.
    pub calls: u64,
    /// How long all of that took, ns.
    pub total_ns: u64,
    /// One call, ns.
    pub ns_per_call: Option<f64>,
    /// All probe calls that one I/O causes, ns; `None` where I/Os are not counted exactly.
    pub ns_per_io: Option<f64>,
}
