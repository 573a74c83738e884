//! When a sampling window is full.

use crate::Snapshot;
use block_types::{Bytes, Nanos};
use serde::{Deserialize, Serialize};

/// How long a window stays open: at least `min`, then until it holds enough to be classified, at most `max`.
///
/// A fixed 250 ms would hold a handful of bios on a disk with 150 IOPS, and nothing in half of the windows under
/// buffered writeback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WindowPolicy {
    /// No window is shorter.
    pub min: Nanos,
    /// Enough data bios.
    pub data_bios: u64,
    /// Or enough data, for streams of few large bios.
    pub bytes: Bytes,
    /// No window is longer. One that closes so with few bios still counts, one without any is idle.
    pub max: Nanos,
    /// How often to look at a window that is past `min` and not full.
    pub step: Nanos,
}

impl Default for WindowPolicy {
    fn default() -> Self {
        Self {
            min: Nanos::from_millis(250),
            data_bios: 16,
            bytes: Bytes(4 << 20),
            max: Nanos::from_millis(2_000),
            step: Nanos::from_millis(50),
        }
    }
}

/// Why a window is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Closed {
    /// It holds enough.
    Full,
    /// It reached its longest.
    Timeout,
}

/// Whether a window is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowVerdict {
    /// Not yet.
    Open {
        /// When to look again, on the caller's clock; always later than now.
        next_look: Nanos,
    },
    /// Now.
    Close(Closed),
}

impl WindowPolicy {
    /// Judges a window that was opened at `opened` and holds `counted` at `now`, both on one clock.
    ///
    /// A clock that stepped back reads as no time passed.
    #[must_use]
    pub fn verdict(&self, opened: Nanos, now: Nanos, counted: &Snapshot) -> WindowVerdict {
        let elapsed = now - opened;
        let full = counted.data_bios() >= self.data_bios || counted.data_bytes() >= self.bytes;
        if elapsed >= self.min && full {
            return WindowVerdict::Close(Closed::Full);
        }
        if elapsed >= self.max {
            return WindowVerdict::Close(Closed::Timeout);
        }
        let left = if elapsed < self.min { self.min - elapsed } else { self.step };
        // At least a nanosecond on: a step of zero must not make the caller spin.
        let next_look = now + left.min(self.max - elapsed).max(Nanos(1));
        WindowVerdict::Open { next_look }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENED: Nanos = Nanos(1_000_000_000_000);

    fn verdict(after_ms: u64, bios: u64, sectors_each: u64) -> WindowVerdict {
        let counted = Snapshot { reads: bios, read_sectors: bios * sectors_each, ..Snapshot::default() };
        WindowPolicy::default().verdict(OPENED, OPENED + Nanos::from_millis(after_ms), &counted)
    }

    fn look_at(ms: u64) -> WindowVerdict {
        WindowVerdict::Open { next_look: OPENED + Nanos::from_millis(ms) }
    }

    #[test]
    fn a_window_closes_when_it_is_old_enough_and_full_or_at_its_longest() {
        let full = WindowVerdict::Close(Closed::Full);
        let timeout = WindowVerdict::Close(Closed::Timeout);
        for (after_ms, bios, sectors, expected) in [
            (0, 0, 0, look_at(250)),
            (249, 1_000_000, 8, look_at(250)),
            (250, 16, 8, full),
            (250, 15, 8, look_at(300)),
            // Four bios of 1 MiB are 4 MiB.
            (250, 4, 2048, full),
            (250, 3, 2048, look_at(300)),
            (1_980, 15, 8, look_at(2_000)),
            (1_999, 15, 8, look_at(2_000)),
            // Forced: with few, and with none.
            (2_000, 15, 8, timeout),
            (2_000, 0, 0, timeout),
            // A late look at a full window.
            (9_000, 16, 8, full),
        ] {
            assert_eq!(verdict(after_ms, bios, sectors), expected, "{bios} bios after {after_ms} ms");
        }
    }

    #[test]
    fn few_bios_that_were_forced_out_still_have_a_class() {
        let counted = Snapshot { reads: 3, read_sectors: 24, gaps: 3, near: 0, ..Snapshot::default() };
        let policy = WindowPolicy::default();
        let verdict = policy.verdict(OPENED, OPENED + policy.max, &counted);
        assert_eq!(verdict, WindowVerdict::Close(Closed::Timeout));
        let class = counted.classify(crate::Rule::Ours, &crate::Thresholds::default());
        assert_eq!(class.map(crate::Class::name), Some("read-random-small"));
    }

    #[test]
    fn the_next_look_is_always_later_than_now() {
        let counted = Snapshot::default();
        let odd = WindowPolicy { step: Nanos::ZERO, ..WindowPolicy::default() };
        let now = OPENED + Nanos::from_millis(500);
        assert_eq!(odd.verdict(OPENED, now, &counted), WindowVerdict::Open { next_look: now + Nanos(1) });
        // The clock went back.
        let before = Nanos(OPENED.0 - 5);
        let verdict = odd.verdict(OPENED, before, &counted);
        assert_eq!(verdict, WindowVerdict::Open { next_look: before + odd.min });
        // A minimum above the maximum: the maximum rules.
        let inverted = WindowPolicy { min: Nanos::from_millis(5_000), ..odd };
        let at = |ms| inverted.verdict(OPENED, OPENED + Nanos::from_millis(ms), &counted);
        assert_eq!((at(0), at(2_000)), (look_at(2_000), WindowVerdict::Close(Closed::Timeout)));
    }
}
