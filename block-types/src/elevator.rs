//! The I/O schedulers (elevators) of the multi-queue block layer.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An I/O scheduler that tunerd knows (Linux 5.0 and later; `Documentation/block/switching-sched.rst`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Elevator {
    /// No scheduler: requests go to the driver in the order of submission.
    None,
    /// The multi-queue deadline scheduler.
    MqDeadline,
    /// Kyber: token-limited domains with latency targets.
    Kyber,
    /// Budget Fair Queueing.
    Bfq,
}

impl Elevator {
    /// All of them, in the order in which the kernel's documentation lists them.
    pub const ALL: [Self; 4] = [Self::None, Self::MqDeadline, Self::Kyber, Self::Bfq];

    /// The name in `queue/scheduler`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::MqDeadline => "mq-deadline",
            Self::Kyber => "kyber",
            Self::Bfq => "bfq",
        }
    }
}

impl fmt::Display for Elevator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A scheduler's name that tunerd does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found scheduler {found:?}, expected one of none, mq-deadline, kyber, bfq")]
pub struct UnknownElevator {
    /// The name that was found.
    pub found: String,
}

impl FromStr for Elevator {
    type Err = UnknownElevator;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|elevator| elevator.name() == text)
            .ok_or_else(|| UnknownElevator { found: text.to_owned() })
    }
}
