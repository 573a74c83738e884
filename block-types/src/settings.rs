//! Values of knobs, and sets of them.

use crate::{Elevator, Knob};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What a knob is set to: a number in the knob's own unit, or a scheduler's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum KnobValue {
    /// A number, in the unit of the knob's sysfs file.
    Number(u64),
    /// The value of [`Knob::Scheduler`].
    Elevator(Elevator),
}

impl KnobValue {
    /// The number, if it is one.
    #[must_use]
    pub const fn number(self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Elevator(_) => None,
        }
    }
}

impl fmt::Display for KnobValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Elevator(elevator) => elevator.fmt(f),
        }
    }
}

/// One knob and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Setting {
    /// Which knob.
    pub knob: Knob,
    /// Its value.
    pub value: KnobValue,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.knob, self.value)
    }
}

/// A set of settings, at most one to a knob. As JSON: `{"scheduler": "mq-deadline", "fifo_batch": 16}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Settings(pub BTreeMap<Knob, KnobValue>);

impl Settings {
    /// No setting.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a knob.
    #[must_use]
    pub fn get(&self, knob: Knob) -> Option<KnobValue> {
        self.0.get(&knob).copied()
    }

    /// The value of a knob that holds a number.
    #[must_use]
    pub fn number(&self, knob: Knob) -> Option<u64> {
        self.get(knob)?.number()
    }

    /// The scheduler, if it is among the settings.
    #[must_use]
    pub fn elevator(&self) -> Option<Elevator> {
        match self.get(Knob::Scheduler)? {
            KnobValue::Elevator(elevator) => Some(elevator),
            KnobValue::Number(_) => None,
        }
    }

    /// Sets a knob; answers what it was before.
    pub fn set(&mut self, knob: Knob, value: KnobValue) -> Option<KnobValue> {
        self.0.insert(knob, value)
    }

    /// The settings, in the order of [`Knob`].
    pub fn iter(&self) -> impl Iterator<Item = Setting> + '_ {
        self.0.iter().map(|(&knob, &value)| Setting { knob, value })
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Setting> for Settings {
    fn from_iter<I: IntoIterator<Item = Setting>>(settings: I) -> Self {
        Self(settings.into_iter().map(|setting| (setting.knob, setting.value)).collect())
    }
}

impl fmt::Display for Settings {
    /// `scheduler=bfq slice_idle_us=0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, setting) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            setting.fmt(f)?;
        }
        Ok(())
    }
}
