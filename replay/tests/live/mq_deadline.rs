//! mq-deadline's order of dispatch.

use crate::bench::{Disk, Step, Test, behind_a_busy_disk};
use block_types::{Elevator, Knob, Nanos, Op};
use libtest_mimic::Failed;
use replay::Priority;

pub(crate) const TRIALS: &[Test] = &[
    ("mq_deadline_batches_and_starves_writes", batches_and_starves_writes),
    ("mq_deadline_serves_what_is_overdue", serves_what_is_overdue),
    ("mq_deadline_merges_at_both_ends", merges_at_both_ends),
    ("mq_deadline_lets_low_priorities_wait_until_they_have_aged", low_priorities_age),
];

/// Reads and writes all over the disk, one each millisecond.
fn mixture(count: u64) -> Vec<Step> {
    let step = |index: u64| {
        let sector = index * 7_919 % 389 * 1_000 + 8;
        if index % 5 < 3 { Step::read(index, sector, 8) } else { Step::write(index, sector, 8) }
    };
    behind_a_busy_disk((0..count).map(step))
}

fn batches_and_starves_writes() -> Result<(), Failed> {
    let disk = Disk::attach(Nanos::from_millis(200), 4)?;
    let mut orders = Vec::new();
    for (batch, starved) in [(1, 1), (4, 2), (16, 2), (3, 5)] {
        let knobs = [
            (Knob::NrRequests, 64),
            (Knob::FifoBatch, batch),
            (Knob::WritesStarved, starved),
            (Knob::ReadExpire, 60_000),
            (Knob::WriteExpire, 60_000),
        ];
        orders.push(disk.must_agree(Elevator::MqDeadline, &knobs, &mixture(40))?);
    }
    orders.dedup();
    assert!(orders.len() == 4, "settings that make no difference show nothing");
    Ok(())
}

fn serves_what_is_overdue() -> Result<(), Failed> {
    let disk = Disk::attach(Nanos::from_millis(200), 4)?;
    let mut orders = Vec::new();
    for (read, write) in [(500, 10_000), (4_000, 700), (300, 300), (60_000, 60_000)] {
        let knobs = [
            (Knob::NrRequests, 64),
            (Knob::FifoBatch, 2),
            (Knob::ReadExpire, read),
            (Knob::WriteExpire, write),
        ];
        orders.push(disk.must_agree(Elevator::MqDeadline, &knobs, &mixture(32))?);
    }
    orders.sort_by_key(|order| order.iter().map(|issued| issued.sector).collect::<Vec<_>>());
    orders.dedup();
    assert!(orders.len() >= 3, "deadlines that make no difference show nothing");
    Ok(())
}

fn merges_at_both_ends() -> Result<(), Failed> {
    let disk = Disk::attach(Nanos::from_millis(400), 4)?;
    let forwards = (0..6).map(|index| Step::write(2 * index, 1_000 + 8 * index, 8));
    let backwards = (0..6).map(|index| Step::read(20 + 2 * index, 9_000 - 16 * index, 16));
    // The last one closes the gap between two requests.
    let gap = [Step::write(40, 20_000, 8), Step::write(42, 20_016, 8), Step::write(44, 20_008, 8)];
    let steps = behind_a_busy_disk(forwards.chain(backwards).chain(gap));
    let mut lengths = Vec::new();
    for front in [1, 0] {
        let knobs = [(Knob::NrRequests, 64), (Knob::FrontMerges, front), (Knob::ReadExpire, 60_000)];
        lengths.push(disk.must_agree(Elevator::MqDeadline, &knobs, &steps)?.len());
    }
    assert!(lengths[0] < lengths[1], "front merges make one request of the backward reads: {lengths:?}");
    Ok(())
}

fn low_priorities_age() -> Result<(), Failed> {
    let disk = Disk::attach(Nanos::from_millis(150), 4)?;
    let step = |index: u64| {
        let priority = match index % 4 {
            0 => Priority::Idle,
            1 => Priority::RealTime,
            _ => Priority::BestEffort,
        };
        Step { priority, ..Step::read(4 * index, index * 7_919 % 389 * 1_000 + 8, 8) }
    };
    let steps = behind_a_busy_disk((0..16).map(step));
    let mut orders = Vec::new();
    for aging_ms in [10_000, 400] {
        let knobs = [(Knob::NrRequests, 64), (Knob::PrioAgingExpire, aging_ms)];
        orders.push(disk.must_agree(Elevator::MqDeadline, &knobs, &steps)?);
    }
    assert!(orders[0] != orders[1], "aging makes no difference");
    assert!(orders.iter().flatten().all(|issued| issued.op == Op::Read));
    Ok(())
}
