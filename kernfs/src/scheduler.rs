//! `queue/scheduler`: which scheduler is in force, and which could be.

use block_types::Elevator;
use std::fmt;

/// A scheduler's name as the kernel prints it: one that tunerd knows, or another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ElevatorName {
    /// One that tunerd knows.
    Known(Elevator),
    /// One that it does not: out of tree, or of a later kernel.
    Other(String),
}

impl ElevatorName {
    /// The scheduler, if tunerd knows it.
    #[must_use]
    pub const fn known(&self) -> Option<Elevator> {
        match self {
            Self::Known(elevator) => Some(*elevator),
            Self::Other(_) => None,
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Known(elevator) => elevator.name(),
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for ElevatorName {
    fn from(name: &str) -> Self {
        name.parse().map_or_else(|_| Self::Other(name.to_owned()), Self::Known)
    }
}

impl fmt::Display for ElevatorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What `queue/scheduler` says: `none [mq-deadline] kyber bfq`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchedulerMenu {
    /// The one in brackets.
    pub active: ElevatorName,
    /// All that are listed, the active one among them, in the kernel's order. A scheduler in a module that is not
    /// loaded is not listed, though writing its name would load it.
    pub offered: Vec<ElevatorName>,
}

impl SchedulerMenu {
    /// Whether `elevator` is listed.
    #[must_use]
    pub fn offers(&self, elevator: Elevator) -> bool {
        self.offered.contains(&ElevatorName::Known(elevator))
    }

    /// The listed schedulers that tunerd knows.
    #[must_use]
    pub fn known(&self) -> Vec<Elevator> {
        self.offered.iter().filter_map(ElevatorName::known).collect()
    }
}
