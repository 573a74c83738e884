//! What putting back came to.

use block_types::{Knob, KnobValue, Setting};
use serde::Serialize;
use std::fmt;

/// A knob that was put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PutBack {
    /// Which.
    pub knob: Knob,
    /// What it was before; `None` if it was not there, as the knobs of another scheduler.
    pub from: Option<KnobValue>,
    /// Its original value, which it has again.
    pub to: KnobValue,
}

impl PutBack {
    /// The knob and its original value.
    #[must_use]
    pub const fn setting(&self) -> Setting {
        Setting { knob: self.knob, value: self.to }
    }
}

/// A knob that was left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Which.
    pub knob: Knob,
    /// What we last saw there.
    pub ours: Option<KnobValue>,
    /// What is there now.
    pub found: Option<KnobValue>,
    /// What it was before we began.
    pub original: Option<KnobValue>,
}

/// A knob that could not be put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unrestored {
    /// Which; `None` where it is not about one knob.
    pub knob: Option<Knob>,
    /// Why.
    pub why: String,
}

/// What was done to one device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RestoreReport {
    /// The device.
    pub device: String,
    /// Knobs that were put back, in the order in which that happened.
    pub restored: Vec<PutBack>,
    /// Knobs that we had written and that had their original value already.
    pub already: Vec<Knob>,
    /// Knobs that somebody else has changed since: theirs.
    pub left: Vec<Left>,
    /// What could not be put back.
    pub failed: Vec<Unrestored>,
    /// What no value undoes, and what else there is to know.
    pub notes: Vec<String>,
}

impl RestoreReport {
    pub(crate) fn of(device: impl Into<String>) -> Self {
        Self { device: device.into(), ..Self::default() }
    }

    pub(crate) fn fail(mut self, why: impl fmt::Display) -> Self {
        self.failed.push(Unrestored { knob: None, why: why.to_string() });
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.restored.is_empty() && self.left.is_empty() && self.failed.is_empty() && self.notes.is_empty()
    }

    /// What was left or could not be put back, one line each.
    #[must_use]
    pub fn left_in_words(&self) -> Vec<String> {
        let failed = self.failed.iter().map(|failed| match failed.knob {
            Some(knob) => format!("{knob} could not be put back: {}", failed.why),
            None => failed.why.clone(),
        });
        self.left.iter().map(ToString::to_string).chain(failed).chain(self.notes.iter().cloned()).collect()
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |value: Option<KnobValue>| value.map_or("nothing".to_owned(), |value| value.to_string());
        write!(
            f,
            "{} is {} and was left: somebody has changed it since it was {} (original: {})",
            self.knob,
            word(self.found),
            word(self.ours),
            word(self.original)
        )
    }
}

impl fmt::Display for RestoreReport {
    /// `sda: put back fifo_batch=16 (was 1), read_ahead_kb=128 (was 4096); 3 already as they were`, and a line for
    /// each thing that was left.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.device)?;
        if self.restored.is_empty() {
            f.write_str("nothing to put back")?;
        } else {
            f.write_str("put back ")?;
            for (index, put_back) in self.restored.iter().enumerate() {
                let comma = if index > 0 { ", " } else { "" };
                write!(f, "{comma}{}", put_back.setting())?;
                if let Some(from) = put_back.from {
                    write!(f, " (was {from})")?;
                }
            }
        }
        if !self.already.is_empty() {
            write!(f, "; {} already as they were", self.already.len())?;
        }
        for line in self.left_in_words() {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}
