//! What is run: strategies, arms, and the hostile order.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Where the genes may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ranges {
    /// Half to one and a half of the default, as published.
    Paper,
    /// The catalogue's.
    Catalogue,
}

impl Ranges {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Paper, Self::Catalogue];

    /// The name that `tunerd run --ranges` takes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Catalogue => "catalogue",
        }
    }
}

/// What finds settings, at which pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Search {
    /// The genetic library, by a rule for the fingerprint and with a moment at which stored genes come back.
    Moilanen { rule: &'static str, reintroduce: &'static str },
    /// Guarded, paired trials.
    Confirmed { slice: &'static str, settle: &'static str, pauses: Pauses },
}

/// How long exploring rests after campaigns in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pauses {
    first: &'static str,
    longest: &'static str,
}

/// A way to search, with everything that makes it that way spelt out: defaults may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strategy {
    /// Its name on the command line and in records.
    pub name: &'static str,
    /// What it is, for a table's note.
    pub what: &'static str,
    /// Where its genes may lie.
    pub ranges: Ranges,
    search: Search,
}

/// All that is compared.
pub const STRATEGIES: [Strategy; 6] = [
    Strategy {
        name: "moilanen-2006",
        what: "the paper literally: its rule for the fingerprint of a consolidated generation, genes within ±50 % of the \
               default, 2 s children without settling, reintroduction at the generation's end",
        ranges: Ranges::Paper,
        search: Search::Moilanen { rule: "paper-2006", reintroduce: "generation-end" },
    },
    Strategy {
        name: "moilanen-2006-at-once",
        what: "as moilanen-2006, but a confirmed change ends the generation and reintroduces at once",
        ranges: Ranges::Paper,
        search: Search::Moilanen { rule: "paper-2006", reintroduce: "at-once" },
    },
    Strategy {
        name: "moilanen",
        what: "the paper fairly: our rule for the fingerprint and the catalogue's ranges, 2 s children without settling, \
               reintroduction at the generation's end",
        ranges: Ranges::Catalogue,
        search: Search::Moilanen { rule: "ours", reintroduce: "generation-end" },
    },
    Strategy {
        name: "moilanen-at-once",
        what: "the paper's search by our rule for the fingerprint and within the catalogue's ranges, 2 s children without \
               settling; a confirmed change ends the generation and reintroduces at once",
        ranges: Ranges::Catalogue,
        search: Search::Moilanen { rule: "ours", reintroduce: "at-once" },
    },
    Strategy {
        name: "confirmed",
        what: "our default: settings stay only where guarded, paired trials have confirmed them; slices of 4 s after 2 s of \
               settling. What leads is the incumbent",
        ranges: Ranges::Catalogue,
        search: Search::Confirmed {
            slice: "4s",
            settle: "2s",
            pauses: Pauses { first: "1m", longest: "1h" },
        },
    },
    Strategy {
        name: "confirmed-short",
        what: "our default with slices of 0.5 s after 0.25 s in place of 4 s after 2 s and pauses after campaigns in vain of 15 s \
               to 1 min in place of 1 min to 1 h, so that campaigns fit into a visit: settings stay only where guarded, paired trials have confirmed them, and what leads is the incumbent",
        ranges: Ranges::Catalogue,
        search: Search::Confirmed {
            slice: "500ms",
            settle: "250ms",
            pauses: Pauses { first: "15s", longest: "1m" },
        },
    },
];

impl Strategy {
    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        STRATEGIES.into_iter().find(|strategy| strategy.name == name)
    }

    /// Whether it is the daemon's own search, and not one that it is compared with.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        matches!(self.search, Search::Confirmed { .. })
    }

    /// The arguments of `tunerd run` that make it.
    #[must_use]
    pub fn arguments(&self) -> Vec<&'static str> {
        let (strategy, slice, settle, rule) = match self.search {
            Search::Moilanen { rule, .. } => ("moilanen", "2s", "0s", rule),
            Search::Confirmed { slice, settle, .. } => ("confirmed", slice, settle, "ours"),
        };
        let mut arguments = vec!["--strategy", strategy, "--objective", "throughput", "--slice", slice];
        arguments.extend(["--settle", settle, "--rule", rule, "--ranges", self.ranges.name()]);
        match self.search {
            Search::Moilanen { reintroduce, .. } => arguments.extend(["--reintroduce", reintroduce]),
            Search::Confirmed { pauses, .. } => {
                arguments.extend(["--pause", pauses.first, "--pause-max", pauses.longest]);
            }
        }
        arguments
    }
}

/// What a change of workload does, in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Treatment {
    /// No detection: population and leader are carried over.
    None,
    /// Fingerprinting: first visits make the arm `first`, later ones the arm `warm`.
    Recall,
    /// Detection without memory: the defaults on each change.
    Reset,
}

impl Treatment {
    /// All three.
    pub const ALL: [Self; 3] = [Self::None, Self::Recall, Self::Reset];

    /// Its name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Recall => "recall",
            Self::Reset => "reset",
        }
    }

    /// The argument of `tunerd run --on-change`.
    #[must_use]
    pub const fn on_change(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::Recall => "recall",
            Self::Reset => "defaults",
        }
    }
}

/// The arm that a visit belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// Last visits without detection.
    None,
    /// First visits with fingerprinting.
    First,
    /// Last visits with fingerprinting.
    Warm,
    /// Last visits, with the defaults on each change.
    Reset,
}

impl Arm {
    /// The arm of a visit of a run with so many passes. Visits between the first and the last teach, and belong to none;
    /// neither do first visits of the treatments without memory.
    #[must_use]
    pub const fn of(treatment: Treatment, pass: usize, passes: usize) -> Option<Self> {
        let last = pass > 0 && pass + 1 == passes;
        match treatment {
            Treatment::Recall if pass == 0 => Some(Self::First),
            Treatment::Recall if last => Some(Self::Warm),
            Treatment::None if last => Some(Self::None),
            Treatment::Reset if last => Some(Self::Reset),
            _ => None,
        }
    }
}

/// One run of one `tunerd`: all visits in a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cell {
    /// The strategy's name.
    pub strategy: String,
    /// What a change does.
    pub treatment: Treatment,
    /// The seed of every random choice, and of where in the hostile order the run begins.
    pub seed: u64,
}

/// The workloads, in an order in which each is as unlike its neighbours as can be (paper, section 6).
pub const HOSTILE_ORDER: [&str; 4] = ["sequential write", "random read", "sequential read", "random write"];

/// The workloads of a run in their order, with the pass of each. A seed begins at its own place, so that no workload is
/// always the one that finds a fresh population.
#[must_use]
pub fn order(seed: u64, passes: usize) -> Vec<(usize, usize)> {
    let count = HOSTILE_ORDER.len();
    let begin = usize::try_from(seed.wrapping_sub(1) % count as u64).unwrap_or(0);
    (0..passes * count).map(|index| ((begin + index) % count, index / count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_is_hostile_and_whole() {
        for seed in 0..9 {
            let order = order(seed, 2);
            assert_eq!(order.len(), 8);
            for pass in 0..2 {
                let mut seen: Vec<usize> =
                    order.iter().filter(|(_, of)| *of == pass).map(|(work, _)| *work).collect();
                seen.sort_unstable();
                assert_eq!(seen, [0, 1, 2, 3]);
            }
            assert!(order.windows(2).all(|two| (two[0].0 + 1) % 4 == two[1].0));
        }
        assert_eq!(order(1, 1)[0].0, 0);
        assert_eq!(order(2, 1)[0].0, 1);
    }

    #[test]
    fn strategies_have_names_of_their_own() {
        for strategy in STRATEGIES {
            assert_eq!(Strategy::named(strategy.name), Some(strategy));
        }
        assert_eq!(Strategy::named("unheard-of"), None);
    }

    #[test]
    fn first_visits_without_memory_belong_to_no_arm() {
        assert_eq!(Arm::of(Treatment::Recall, 0, 3), Some(Arm::First));
        assert_eq!(Arm::of(Treatment::Recall, 1, 3), None);
        assert_eq!(Arm::of(Treatment::Recall, 2, 3), Some(Arm::Warm));
        assert_eq!(Arm::of(Treatment::None, 0, 2), None);
        assert_eq!(Arm::of(Treatment::Reset, 1, 2), Some(Arm::Reset));
    }
}
