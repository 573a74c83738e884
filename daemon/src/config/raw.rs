//! The configuration as written: every key optional, every value with its place.

use super::{Mode, Objective, OnChange, OnExit, Ranges, Reintroduce, StrategyName};
use block_types::Knob;
use fingerprint::Rule;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// A value and where in its layer it was written.
pub type Field<T> = Option<Spanned<T>>;

/// Where a layer of the configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file, with its text, so that a place can be named by its line.
    File {
        /// Its path, for messages.
        path: PathBuf,
        /// What it holds.
        text: String,
    },
    /// The command line.
    Flags,
}

impl Origin {
    /// A place in this layer, as a message names it: `config.toml:12`, or `command line`.
    #[must_use]
    pub fn place(&self, offset: usize) -> String {
        match self {
            Self::File { path, text } => {
                let line = 1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count();
                format!("{}:{line}", path.display())
            }
            Self::Flags => "command line".to_owned(),
        }
    }

    /// The directory that relative paths of this layer start from.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } => path.parent(),
            Self::Flags => None,
        }
    }
}

macro_rules! raw {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
    };
}

raw! {
    /// The whole of a configuration file, or of the command line's part in it.
    RawConfig {
        /// `observe`, `hints` or `tune`.
        mode: Field<Mode>,
        /// `confirmed` or `moilanen`.
        strategy: Field<StrategyName>,
        /// `balanced`, `throughput`, `latency` or `tail`.
        objective: Field<Objective>,
        /// Names of the devices.
        devices: Field<Vec<String>>,
        /// Names of devices never to touch.
        exclude: Field<Vec<String>>,
        /// Directory of the store and the journal.
        state_dir: Field<PathBuf>,
        /// Directory of the locks and the socket.
        run_dir: Field<PathBuf>,
        /// Group that may read the socket.
        socket_group: Field<String>,
        /// Seed of every random choice.
        seed: Field<u64>,
        /// `restore`.
        on_exit: Field<OnExit>,
        /// A library file.
        hints: Field<PathBuf>,
        /// `[loop]`.
        #[serde(rename = "loop")]
        timing: RawLoop,
        /// `[fingerprint]`.
        fingerprint: RawFingerprint,
        /// `[genetic]`.
        genetic: RawGenetic,
        /// `[confirmed]`.
        confirmed: RawConfirmed,
        /// `[sampler]`.
        sampler: RawSampler,
        /// `[limits.KNOB]`.
        limits: BTreeMap<Knob, RawLimits>,
    }
}

raw! {
    /// `[loop]`.
    RawLoop {
        /// Least length of a window.
        window: Field<String>,
        /// Data bios that a window must hold to close at its least length.
        window_bios: Field<u64>,
        /// Or the bytes.
        window_bytes: Field<String>,
        /// Greatest length of a window.
        window_max: Field<String>,
        /// Windows of a new class before it counts.
        debounce: Field<u32>,
        /// How long a child is scored.
        slice: Field<String>,
        /// How long it is in force before.
        settle: Field<String>,
        /// Children in a generation.
        children: Field<u32>,
    }
}

raw! {
    /// `[fingerprint]`.
    RawFingerprint {
        /// `ours` or `paper-2006`.
        rule: Field<Rule>,
        /// Reads to a write above which a window is of type read.
        read_write_ratio: Field<f64>,
        /// Farthest gap, in sectors, that is near.
        near_sectors: Field<u64>,
        /// Share of near bios from which a window is sequential.
        near_share: Field<f64>,
        /// The paper's mean distance, in sectors, above which a window is random.
        random_distance_sectors: Field<u64>,
        /// Greatest mean size that is small.
        small: Field<String>,
    }
}

raw! {
    /// `[genetic]`.
    RawGenetic {
        /// `generation-end` or `at-once`.
        reintroduce: Field<Reintroduce>,
        /// `recall`, `defaults` or `nothing`.
        on_change: Field<OnChange>,
        /// `paper` or `catalogue`.
        ranges: Field<Ranges>,
        /// Which knobs are genes.
        knobs: Field<Vec<Knob>>,
        /// Whether the scheduler is a gene.
        tune_scheduler: Field<bool>,
        /// Share of the top fitness left after a pass.
        decay: Field<f64>,
    }
}

raw! {
    /// `[confirmed]`.
    RawConfirmed {
        /// Candidates in a campaign.
        candidates: Field<u32>,
        /// Rounds of the race.
        race_rounds: Field<u32>,
        /// How many are confirmed on fresh pairs, at most.
        nominees: Field<u32>,
        /// Pairs of a confirming trial, at most.
        max_pairs: Field<u32>,
        /// Probability of a false promotion in a campaign.
        alpha: Field<f64>,
        /// First pause between campaigns in vain.
        pause: Field<String>,
        /// Longest pause.
        pause_max: Field<String>,
        /// Changes of fingerprint that are followed in a minute.
        changes_per_minute: Field<u32>,
        /// How long without one counts as calm.
        calm: Field<String>,
    }
}

raw! {
    /// `[sampler]`.
    RawSampler {
        /// `auto`, `bpf`, `tracefs` or `diskstats`.
        source: Field<String>,
        /// Whether every bio is looked at.
        continuous: Field<bool>,
        /// One in how many bios has its latency taken.
        latency_one_in: Field<u32>,
    }
}

raw! {
    /// `[limits.KNOB]`.
    RawLimits {
        /// Least value, in the knob's own unit.
        min: Field<u64>,
        /// Greatest value.
        max: Field<u64>,
    }
}
