//! When a fingerprint has changed.

use crate::Class;
use serde::{Deserialize, Serialize};

/// Turns the classes of successive windows into changes of fingerprint.
///
/// A class is taken over once `debounce` windows in a row have had it. The window in which the work changes is
/// a mixture of both and may have the class of either or of a third; it delays a change by one window and never
/// causes one, because the next window disagrees with it.
///
/// Idle windows are no evidence: they keep the class, and neither advance nor reset the count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeDetector {
    debounce: u32,
    current: Option<Class>,
    candidate: Option<(Class, u32)>,
}

/// What a window meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Verdict {
    /// The fingerprint stays, and nothing points elsewhere.
    Same,
    /// The fingerprint stays, but the last windows had another class.
    Pending {
        /// That class.
        candidate: Class,
    },
    /// The fingerprint is another from now on.
    Changed {
        /// What it was; `None` for the first.
        from: Option<Class>,
        /// What it is.
        to: Class,
    },
}

impl ChangeDetector {
    /// A detector that wants `debounce` windows in a row (at least 1).
    #[must_use]
    pub const fn new(debounce: u32) -> Self {
        Self {
            debounce: if debounce == 0 { 1 } else { debounce },
            current: None,
            candidate: None,
        }
    }

    /// Takes in the class of the next window, `None` for an idle one.
    pub fn observe(&mut self, class: Option<Class>) -> Verdict {
        let Some(class) = class else {
            return match self.candidate {
                Some((candidate, _)) => Verdict::Pending { candidate },
                None => Verdict::Same,
            };
        };
        if self.current == Some(class) {
            self.candidate = None;
            return Verdict::Same;
        }
        let seen = match self.candidate {
            Some((candidate, seen)) if candidate == class => seen + 1,
            _ => 1,
        };
        if seen < self.debounce {
            self.candidate = Some((class, seen));
            return Verdict::Pending { candidate: class };
        }
        self.candidate = None;
        Verdict::Changed {
            from: self.current.replace(class),
            to: class,
        }
    }

    /// The fingerprint in force; `None` until the first was confirmed.
    #[must_use]
    pub const fn current(&self) -> Option<Class> {
        self.current
    }

    /// The class that waits for confirmation.
    #[must_use]
    pub fn candidate(&self) -> Option<Class> {
        self.candidate.map(|(class, _)| class)
    }

    /// Forgets the candidate: what comes next did not follow it (a suspend lies between).
    pub fn interrupt(&mut self) {
        self.candidate = None;
    }
}

impl Default for ChangeDetector {
    /// Two windows.
    fn default() -> Self {
        Self::new(2)
    }
}
