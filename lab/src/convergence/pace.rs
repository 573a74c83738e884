//! How much is measured beside the runs, and for how long.

use super::plan::Ranges;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The slices of the sweep and of the held-out pairs. Part of the plan: what is gone on with keeps its pace.
#[derive(Clone, Debug, PartialEq, Eq, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pace {
    /// emulated, device: settings of the catalogue's ranges that the sweep tries, in pairs of 8 s with the default
    #[arg(long, default_value_t = 32, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_024))]
    pub sweep: usize,
    /// Settings of the paper's ranges.
    #[arg(skip = 8_usize)]
    pub sweep_of_paper: usize,
    /// Settings after those, each where the surrogate of all before it expects most, so that the oracle is one of them.
    #[arg(skip = 16_usize)]
    pub promising: usize,
    /// emulated, device: held-out pairs of each nominee
    #[arg(long, default_value_t = 10, value_parser = RangedU64ValueParser::<usize>::new().range(4..=1_024))]
    pub held_out: usize,
    /// Of the settings that led for longest, how many are valued by pairs of their own.
    #[arg(skip = 32_usize)]
    pub leaders: usize,
    /// Held-out pairs of each of them.
    #[arg(skip = 4_usize)]
    pub leader_pairs: usize,
    /// Slices of the default on one disk, while nothing else runs.
    #[arg(skip = 4_usize)]
    pub alone: usize,
    /// How long a workload runs before the first slice, ms.
    #[arg(skip = 3_000_u64)]
    pub warm_up_ms: u64,
    /// How long settings are in force before a slice, ms.
    #[arg(skip = 1_000_u64)]
    pub settle_ms: u64,
    /// The length of a slice, ms.
    #[arg(skip = 3_000_u64)]
    pub slice_ms: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            sweep: 32,
            sweep_of_paper: 8,
            promising: 16,
            held_out: 10,
            leaders: 32,
            leader_pairs: 4,
            alone: 4,
            warm_up_ms: 3_000,
            settle_ms: 1_000,
            slice_ms: 3_000,
        }
    }
}

impl Pace {
    pub(crate) fn sweep_of(&self, ranges: Ranges) -> usize {
        match ranges {
            Ranges::Catalogue => self.sweep,
            Ranges::Paper => self.sweep_of_paper,
        }
    }

    pub(crate) const fn warm_up(&self) -> Duration {
        Duration::from_millis(self.warm_up_ms)
    }

    pub(crate) const fn settle(&self) -> Duration {
        Duration::from_millis(self.settle_ms)
    }

    pub(crate) const fn slice(&self) -> Duration {
        Duration::from_millis(self.slice_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Words {
        #[command(flatten)]
        pace: Pace,
    }

    #[test]
    fn records_that_do_not_say_have_what_the_command_line_has_unasked() {
        assert_eq!(Words::parse_from(["test"]).pace, Pace::default());
        assert_eq!(serde_json::from_str::<Pace>("{}").unwrap(), Pace::default());
    }
}
