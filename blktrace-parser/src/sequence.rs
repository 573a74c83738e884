//! Gaps in the numbers that the kernel gives to events: what the trace has lost.

use crate::event::{Device, Event};
use std::collections::HashMap;

/// Counts what is missing from the sequence of each CPU and device.
///
/// Sees every event once, in the order of the trace. An event that comes late (an interrupt came between numbering
/// and storing) fills the gap that it had left. Events without a number count for nothing: the `blk` tracer of
/// ftrace gives none, and there only the buffer's own counters tell of losses.
#[derive(Clone, Debug, Default)]
pub struct SequenceCheck {
    last: HashMap<(Device, u32), u32>,
    /// The one that was seen last, which the next event is most often of; not in `last` meanwhile.
    current: Option<((Device, u32), u32)>,
    missing: u64,
    late: u64,
    numbered: u64,
}

impl SequenceCheck {
    /// Takes notice of an event; returns how many numbers it skipped.
    pub fn observe(&mut self, event: &Event<'_>) -> u64 {
        match event.sequence {
            Some(sequence) => self.observe_number(event.device, event.cpu, sequence),
            None => 0,
        }
    }

    pub(crate) fn observe_number(&mut self, device: Device, cpu: u32, sequence: u32) -> u64 {
        self.numbered += 1;
        let key = (device, cpu);
        if self.current.is_none_or(|(current, _)| current != key) {
            self.last.extend(self.current.take());
            self.current = self.last.get(&key).map(|last| (key, *last));
        }
        let Some((_, last)) = &mut self.current else {
            self.current = Some((key, sequence));
            return 0;
        };
        // The number wraps after 2^32 events; half of the range tells forward from backward.
        let step = sequence.wrapping_sub(*last);
        if step == 0 || step > u32::MAX / 2 {
            self.late += 1;
            self.missing = self.missing.saturating_sub(1);
            return 0;
        }
        *last = sequence;
        let skipped = u64::from(step - 1);
        self.missing += skipped;
        skipped
    }

    /// Numbers that were skipped and never came.
    #[must_use]
    pub const fn missing(&self) -> u64 {
        self.missing
    }

    /// Events whose number was lower than that of one before them.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late
    }

    /// Events that had a number at all. Where it is zero, nothing is known about losses.
    #[must_use]
    pub const fn numbered(&self) -> u64 {
        self.numbered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(numbers: &[u32]) -> (u64, u64) {
        let mut check = SequenceCheck::default();
        for number in numbers {
            check.observe_number(Device::default(), 0, *number);
        }
        (check.missing(), check.late())
    }

    #[test]
    fn gaps_are_counted_and_late_events_fill_them() {
        assert_eq!(missing(&[1, 2, 3]), (0, 0));
        assert_eq!(missing(&[5, 6, 9]), (2, 0));
        assert_eq!(missing(&[1, 3, 2, 4]), (0, 1));
        assert_eq!(missing(&[u32::MAX, 0, 1]), (0, 0));
    }

    #[test]
    fn cpus_and_devices_have_numbers_of_their_own() {
        let mut check = SequenceCheck::default();
        let (a, b) = (Device { major: 8, minor: 0 }, Device { major: 8, minor: 16 });
        for (device, cpu, number) in [(a, 0, 1), (a, 1, 1), (b, 0, 7), (a, 0, 2), (b, 0, 9)] {
            check.observe_number(device, cpu, number);
        }
        assert_eq!((check.missing(), check.numbered()), (1, 5));
    }
}
