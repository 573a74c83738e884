//! Writeback throttling's state (block/blk-wbt.c), which a value alone cannot bring back.

use super::kstr;
use crate::{Errno, WbtState};

/// `wbt_lat_usec` of one queue.
#[derive(Clone, Debug)]
pub(super) struct Wbt {
    /// `None` where nothing has set it up: reading is `EINVAL` until the first write.
    throttle: Option<Throttle>,
}

#[derive(Clone, Copy, Debug)]
struct Throttle {
    state: WbtState,
    min_lat_ns: u64,
}

/// `wbt_default_latency_nsec`.
const fn default_ns(rotational: bool) -> u64 {
    if rotational { 75_000_000 } else { 2_000_000 }
}

impl Wbt {
    /// As a queue has it when it is registered, with throttling by default (`CONFIG_BLK_WBT_MQ`) or without.
    pub(super) fn new(by_default: bool, rotational: bool) -> Self {
        let on = || Throttle { state: WbtState::OnByDefault, min_lat_ns: default_ns(rotational) };
        Self { throttle: by_default.then(on) }
    }

    pub(super) fn state(&self) -> Option<WbtState> {
        self.throttle.map(|throttle| throttle.state)
    }

    pub(super) fn read(&self) -> Result<u64, Errno> {
        let throttle = self.throttle.ok_or(Errno::Invalid)?;
        match throttle.state {
            WbtState::OnByDefault | WbtState::OnByHand => Ok(throttle.min_lat_ns / 1000),
            WbtState::OffByDefault | WbtState::OffByHand => Ok(0),
        }
    }

    pub(super) fn write(&mut self, text: &str, rotational: bool) -> Result<(), Errno> {
        let value = kstr::signed(text)?;
        let min_lat_ns = match value {
            ..-1 => return Err(Errno::Invalid),
            -1 => default_ns(rotational),
            _ => value.unsigned_abs().wrapping_mul(1000),
        };
        let fresh = Throttle { state: WbtState::OnByDefault, min_lat_ns: default_ns(rotational) };
        let throttle = self.throttle.get_or_insert(fresh);
        // The same value is no write, even while bfq has throttling off and the file reads 0.
        if throttle.min_lat_ns != min_lat_ns {
            let state = if min_lat_ns > 0 { WbtState::OnByHand } else { WbtState::OffByHand };
            *throttle = Throttle { state, min_lat_ns };
        }
        Ok(())
    }

    /// A scheduler that throttles by itself (bfq) comes.
    pub(super) fn scheduler_takes_over(&mut self) {
        self.change(WbtState::OnByDefault, WbtState::OffByDefault);
    }

    /// It goes.
    pub(super) fn scheduler_leaves(&mut self) {
        self.change(WbtState::OffByDefault, WbtState::OnByDefault);
    }

    fn change(&mut self, from: WbtState, to: WbtState) {
        if let Some(throttle) = self.throttle.as_mut().filter(|throttle| throttle.state == from) {
            throttle.state = to;
        }
    }
}
