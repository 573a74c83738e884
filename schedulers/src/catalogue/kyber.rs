//! kyber (`Documentation/block/kyber-iosched.rst`, block/kyber-iosched.c, Linux 6.18).

use super::{Freeze, KnobInfo, RangeRule, Tuning, Unit, linux};
use block_types::Knob;

pub(super) const KNOBS: &[KnobInfo] = &[
    KnobInfo {
        knob: Knob::ReadLatNsec,
        unit: Unit::Nanoseconds,
        range: RangeRule::Log { min: 50_000, max: 50_000_000 },
        specials: &[],
        since: linux(5, 0),
        resets: &[],
        freezes: Freeze::No,
        tuning: Tuning::Default,
        rationale: "the target that the other domains are throttled for",
    },
    KnobInfo {
        knob: Knob::WriteLatNsec,
        unit: Unit::Nanoseconds,
        range: RangeRule::Log { min: 200_000, max: 200_000_000 },
        specials: &[],
        since: linux(5, 0),
        resets: &[],
        freezes: Freeze::No,
        tuning: Tuning::Default,
        rationale: "at least the reads' target, or reads are throttled for writes",
    },
];
