//! The state of writeback throttling behind `wbt_lat_usec`.

use std::fmt;

/// Who switched writeback throttling on or off (`enum` in block/blk-wbt.h; debugfs `rqos/wbt/enabled`).
///
/// `wbt_lat_usec` shows none of this, yet it decides what the next scheduler does: only a state *by default* is
/// switched off by bfq and on again when bfq goes. Any write of another value makes it *by hand*, and nothing short
/// of making the device anew brings it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WbtState {
    /// 1: on, and bfq may switch it off.
    OnByDefault,
    /// 2: on since somebody wrote a latency; stays on under bfq.
    OnByHand,
    /// 3: off because bfq is in force; comes back when it goes.
    OffByDefault,
    /// 4: off since somebody wrote 0; stays off.
    OffByHand,
}

impl WbtState {
    /// The kernel's number.
    #[must_use]
    pub const fn raw(self) -> u64 {
        match self {
            Self::OnByDefault => 1,
            Self::OnByHand => 2,
            Self::OffByDefault => 3,
            Self::OffByHand => 4,
        }
    }

    /// From the kernel's number.
    #[must_use]
    pub const fn from_raw(raw: u64) -> Option<Self> {
        match raw {
            1 => Some(Self::OnByDefault),
            2 => Some(Self::OnByHand),
            3 => Some(Self::OffByDefault),
            4 => Some(Self::OffByHand),
            _ => None,
        }
    }

    /// Whether a write has taken it out of the schedulers' hands.
    #[must_use]
    pub const fn is_sticky(self) -> bool {
        matches!(self, Self::OnByHand | Self::OffByHand)
    }
}

impl fmt::Display for WbtState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::OnByDefault => "on by default",
            Self::OnByHand => "on by hand",
            Self::OffByDefault => "off by default",
            Self::OffByHand => "off by hand",
        })
    }
}
