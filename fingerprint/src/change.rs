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
        Self { debounce: if debounce == 0 { 1 } else { debounce }, current: None, candidate: None }
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
        Verdict::Changed { from: self.current.replace(class), to: class }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A = read-sequential-large, B = write-random-small, M = what a mixture of both may be called.
    fn class(letter: char) -> Option<Class> {
        let name = match letter {
            'A' => "read-sequential-large",
            'B' => "write-random-small",
            'M' => "write-random-large",
            _ => return None,
        };
        name.parse().ok()
    }

    /// Feeds one letter a window (`.` is idle) and answers one a window: `=` same, `?` pending, a letter where the
    /// fingerprint became that.
    fn run(detector: &mut ChangeDetector, windows: &str) -> String {
        let name = |wanted: Class| ['A', 'B', 'M'].into_iter().find(|&letter| class(letter) == Some(wanted));
        windows
            .chars()
            .map(|letter| match detector.observe(class(letter)) {
                Verdict::Same => '=',
                Verdict::Pending { .. } => '?',
                Verdict::Changed { to, .. } => name(to).unwrap(),
            })
            .collect()
    }

    #[test]
    fn two_windows_in_a_row_make_a_change_and_what_lies_between_does_not() {
        for (windows, expected) in [
            // The change falls between two windows.
            ("AAABB", "?A=?B"),
            // It falls inside one, which is called A, B, or something else.
            ("AAAMBB", "?A=??B"),
            // One stray window.
            ("AABAA", "?A?=="),
            ("AABAB", "?A?=?"),
            // Strays that never agree.
            ("AABMBMB", "?A?????"),
            // Away and back through mixtures.
            ("AAMBBMAA", "?A??B??A"),
            // Idle windows neither count nor interrupt.
            ("AAB....B", "?A?????B"),
            ("AA....AA", "?A======"),
            ("..A..A", "==???A"),
            ("AAB.A.B", "?A??==?"),
        ] {
            assert_eq!(run(&mut ChangeDetector::default(), windows), expected, "{windows}");
        }
    }

    #[test]
    fn a_change_says_from_what_to_what() {
        let mut detector = ChangeDetector::default();
        run(&mut detector, "A");
        assert_eq!((detector.current(), detector.candidate()), (None, class('A')));
        assert_eq!(detector.observe(class('A')), Verdict::Changed { from: None, to: class('A').unwrap() });
        detector.observe(class('B'));
        assert_eq!(
            detector.observe(class('B')),
            Verdict::Changed { from: class('A'), to: class('B').unwrap() }
        );
        assert_eq!((detector.current(), detector.candidate()), (class('B'), None));
    }

    #[test]
    fn other_debounces() {
        assert_eq!(run(&mut ChangeDetector::new(1), "ABA"), "ABA");
        assert_eq!(run(&mut ChangeDetector::new(0), "AB"), "AB", "nought is one");
        assert_eq!(run(&mut ChangeDetector::new(3), "AAABBABBB"), "??A??=??B");
    }

    #[test]
    fn an_interruption_drops_the_candidate_and_keeps_the_class() {
        let mut detector = ChangeDetector::default();
        run(&mut detector, "AAB");
        detector.interrupt();
        assert_eq!(run(&mut detector, "BB"), "?B");
    }
}
