//! bfq (`Documentation/block/bfq-iosched.rst`, block/bfq-iosched.c, Linux 6.18).

use super::{Freeze, KnobInfo, RangeRule, Tuning, Unit, linux};
use block_types::Knob;

const fn knob(
    knob: Knob,
    unit: Unit,
    range: RangeRule,
    specials: &'static [u64],
    tuning: Tuning,
    rationale: &'static str,
) -> KnobInfo {
    KnobInfo {
        knob,
        unit,
        range,
        specials,
        since: linux(5, 0),
        resets: &[],
        freezes: Freeze::No,
        tuning,
        rationale,
    }
}

/// `slice_idle` is left out: it is `slice_idle_us` in jiffies, and writing it loses what is below one.
pub(super) const KNOBS: &[KnobInfo] = &[
    KnobInfo {
        // Coming to 1, it raises slice_idle_us to at least 8000.
        resets: &[Knob::SliceIdleUs],
        ..knob(
            Knob::StrictGuarantees,
            Unit::Plain,
            RangeRule::Boolean,
            &[],
            Tuning::Fixed,
            "it serialises dispatch",
        )
    },
    knob(
        Knob::SliceIdleUs,
        Unit::Microseconds,
        RangeRule::Log { min: 500, max: 32_000 },
        &[0],
        Tuning::Default,
        "idling buys sequential throughput on a seeking disk and wastes a fast one",
    ),
    knob(
        Knob::TimeoutSync,
        Unit::Milliseconds,
        RangeRule::Log { min: 16, max: 500 },
        &[],
        Tuning::Default,
        "how long one queue keeps the disk; rounded to jiffies",
    ),
    knob(
        Knob::LowLatency,
        Unit::Plain,
        RangeRule::Boolean,
        &[],
        Tuning::Default,
        "weight raising helps interactive work and costs throughput elsewhere",
    ),
    knob(
        Knob::MaxBudget,
        Unit::Sectors,
        RangeRule::Log { min: 512, max: 65_536 },
        &[0],
        Tuning::Optional,
        "0 lets bfq estimate it from the peak rate, which is rarely beaten",
    ),
    knob(
        Knob::BackSeekMax,
        Unit::Kibibytes,
        RangeRule::Log { min: 1_024, max: 65_536 },
        &[],
        Tuning::Fixed,
        "no gain reported",
    ),
    knob(
        Knob::BackSeekPenalty,
        Unit::Plain,
        RangeRule::Linear { min: 1, max: 8 },
        &[],
        Tuning::Fixed,
        "no gain reported",
    ),
    knob(
        Knob::FifoExpireSync,
        Unit::Milliseconds,
        RangeRule::Log { min: 16, max: 1_000 },
        &[],
        Tuning::Fixed,
        "no gain reported",
    ),
    knob(
        Knob::FifoExpireAsync,
        Unit::Milliseconds,
        RangeRule::Log { min: 16, max: 2_000 },
        &[],
        Tuning::Fixed,
        "no gain reported",
    ),
];
