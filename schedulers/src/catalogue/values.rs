//! Which values are ever written.

use super::{RangeRule, Tuning, info};
use block_types::{Knob, KnobValue};

/// Fewest requests of a queue: the kernel raises anything less to this (`BLKDEV_MIN_RQ`).
pub(crate) const LEAST_REQUESTS: u64 = 4;
/// Most requests of a queue under a scheduler (`MAX_SCHED_RQ`).
pub(crate) const MOST_REQUESTS: u64 = 2_048;
/// Why a value is never written to a knob, if it is not. `original` is what the knob had before we came.
///
/// Allowed are the catalogue's range and special values, the original, and half to one and a half of it: the ranges
/// of the paper.
#[must_use]
pub fn refusal(
    knob: Knob,
    value: KnobValue,
    original: Option<KnobValue>,
    max_hw_sectors_kb: Option<u64>,
) -> Option<String> {
    if original == Some(value) {
        return None;
    }
    let Some(info) = info(knob) else { return Some("it is not in the catalogue".to_owned()) };
    if info.tuning == Tuning::Fixed {
        return Some(format!("it is never tuned: {}", info.rationale));
    }
    let (number, low, high) = match (value, info.range) {
        (KnobValue::Elevator(_), RangeRule::Elevator) => return None,
        (KnobValue::Elevator(_), _) | (KnobValue::Number(_), RangeRule::Elevator) => {
            return Some(format!("{value} is not of its kind"));
        }
        (KnobValue::Number(number), rule) => match rule {
            RangeRule::Linear { min, max } | RangeRule::Log { min, max } => (number, min, max),
            RangeRule::Ordinal(values) => {
                let low = values.iter().min().copied().unwrap_or(0);
                (number, low, values.iter().max().copied().unwrap_or(0))
            }
            RangeRule::Requests => (number, LEAST_REQUESTS, MOST_REQUESTS),
            RangeRule::ShareOfRequests => (number, 1, MOST_REQUESTS),
            RangeRule::HardwareRequestSize => (number, LEAST_REQUESTS, max_hw_sectors_kb.unwrap_or(0)),
            RangeRule::Boolean | RangeRule::Elevator => (number, 0, 1),
        },
    };
    let paper = original.and_then(KnobValue::number).is_some_and(|original| {
        (original / 2..=original.saturating_add(original / 2)).contains(&number)
            && !matches!(info.range, RangeRule::Requests | RangeRule::HardwareRequestSize)
    });
    let allowed = (low..=high).contains(&number) || info.specials.contains(&number) || paper;
    (!allowed).then(|| format!("found {number}, expected {low}‥{high}; nothing was written"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use block_types::Elevator;

    fn number(value: u64) -> KnobValue {
        KnobValue::Number(value)
    }

    #[test]
    fn nothing_is_written_outside_the_catalogue() {
        let hardware = Some(1_280);
        for (knob, value, original, expected) in [
            (Knob::FifoBatch, 1, 16, true),
            (Knob::FifoBatch, 0, 16, false),
            (Knob::FifoBatch, 4_000, 4_000, true),
            (Knob::FifoBatch, 5_000, 4_000, true),
            (Knob::FifoBatch, 5_000, 16, false),
            (Knob::SliceIdleUs, 0, 8_000, true),
            (Knob::SliceIdleUs, 1, 8_000, false),
            (Knob::WbtLatUsec, 112_500, 75_000, true),
            (Knob::RqAffinity, 3, 1, false),
            (Knob::NrRequests, 3, 128, false),
            (Knob::NrRequests, 4, 128, true),
            (Knob::NrRequests, 2_049, 2_048, false),
            (Knob::MaxSectorsKb, 1_280, 512, true),
            (Knob::MaxSectorsKb, 1_284, 1_280, false),
            (Knob::StrictGuarantees, 1, 0, false),
            (Knob::StrictGuarantees, 1, 1, true),
            (Knob::Scheduler, 1, 1_000, false),
        ] {
            let why = refusal(knob, number(value), Some(number(original)), hardware);
            assert_eq!(why.is_none(), expected, "{knob}={value}: {why:?}");
        }
        let bfq = KnobValue::Elevator(Elevator::Bfq);
        assert_eq!(refusal(Knob::Scheduler, bfq, None, None), None);
        assert!(refusal(Knob::FifoBatch, bfq, None, None).is_some());
    }
}
