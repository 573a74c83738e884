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
        let left = if elapsed < self.min {
            self.min - elapsed
        } else {
            self.step
        };
        // At least a nanosecond on: a step of zero must not make the caller spin.
        let next_look = now + left.min(self.max - elapsed).max(Nanos(1));
        WindowVerdict::Open { next_look }
    }
}
