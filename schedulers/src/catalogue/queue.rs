//! The queue's own knobs (`Documentation/ABI/stable/sysfs-block`, Linux 6.18).

use super::{Freeze, KnobInfo, RangeRule, Tuning, Unit, drains, linux};
use block_types::Knob;

/// Written before the scheduler's own: they reset those.
pub(super) const BEFORE_IOSCHED: &[KnobInfo] = &[
    KnobInfo {
        knob: Knob::Scheduler,
        unit: Unit::Name,
        range: RangeRule::Elevator,
        specials: &[],
        since: linux(5, 0),
        // And every knob of the schedulers themselves. bfq turns writeback throttling off and on.
        resets: &[Knob::NrRequests, Knob::AsyncDepth, Knob::WbtLatUsec],
        freezes: drains(500, 2_000),
        tuning: Tuning::Optional,
        rationale: "a switch drains the queue for up to two seconds, so it is a gene only where that is asked for",
    },
    KnobInfo {
        knob: Knob::NrRequests,
        unit: Unit::Requests,
        range: RangeRule::Requests,
        specials: &[],
        since: linux(5, 0),
        resets: &[Knob::AsyncDepth],
        freezes: drains(100, 1_100),
        tuning: Tuning::Optional,
        rationale: "every write drains the queue: at each child it costs more than it finds",
    },
];

/// Written after the scheduler's own.
pub(super) const AFTER_IOSCHED: &[KnobInfo] = &[
    KnobInfo {
        knob: Knob::RqAffinity,
        unit: Unit::Plain,
        range: RangeRule::Ordinal(&[0, 1, 2]),
        specials: &[],
        since: linux(5, 0),
        resets: &[],
        freezes: Freeze::No,
        tuning: Tuning::Default,
        rationale: "where completions run decides between cache warmth and one busy CPU at high rates",
    },
    KnobInfo {
        knob: Knob::Nomerges,
        unit: Unit::Plain,
        range: RangeRule::Ordinal(&[0, 1, 2]),
        specials: &[],
        since: linux(5, 0),
        resets: &[],
        freezes: Freeze::No,
        tuning: Tuning::Optional,
        rationale: "looking for merges costs CPU only where a device is as fast as NVMe; offered there alone",
    },
    KnobInfo {
        knob: Knob::MaxSectorsKb,
        unit: Unit::Kibibytes,
        range: RangeRule::HardwareRequestSize,
        specials: &[],
        since: linux(5, 0),
        // Even when the same value is written: 128, or twice max_sectors on a rotational disk.
        resets: &[Knob::ReadAheadKb],
        freezes: drains(120, 150),
        tuning: Tuning::Optional,
        rationale: "every write drains the queue and sets read-ahead back",
    },
    KnobInfo {
        knob: Knob::WbtLatUsec,
        unit: Unit::Microseconds,
        range: RangeRule::Log { min: 500, max: 100_000 },
        specials: &[0],
        since: linux(5, 0),
        resets: &[],
        freezes: drains(120, 150),
        tuning: Tuning::Optional,
        rationale: "sticky: after any write the kernel no longer turns throttling off for bfq, and no value undoes that",
    },
    KnobInfo {
        knob: Knob::ReadAheadKb,
        unit: Unit::Kibibytes,
        range: RangeRule::Log { min: 16, max: 8_192 },
        // Not 0: without read-ahead a buffered sequential reader asks for single pages, so the knob would change
        // the fingerprint (large to small) under which it is searched.
        specials: &[],
        since: linux(5, 0),
        resets: &[],
        freezes: Freeze::No,
        tuning: Tuning::Default,
        rationale: "decides the request size of buffered sequential readers, and wastes bandwidth under random ones",
    },
];
