//! The rules, each from facts to at most one piece of advice. What they rest on was measured on emulated disks and is in
//! the published runs; the figures they quote are those of the disk at hand.

use super::{Advice, EASY, Kind, Observed, command};
use block_types::{Elevator, Knob, KnobValue, Setting};
use trials::Objective;

type Rule = fn(&Observed) -> Option<Advice>;

/// All of them.
pub(super) const RULES: &[Rule] = &[
    readahead_for_streams,
    reads_behind_writes,
    ordering_for_heads,
    fairness_for_heads,
    no_scheduler_for_speed,
    short_queue,
    kyber_targets,
    idling_of_bfq,
    easy_load,
    queue_hides_scheduler,
    random_reads_alone,
    bios_unseen,
];

fn number(knob: Knob, value: u64) -> Setting {
    Setting { knob, value: KnobValue::Number(value) }
}

fn scheduler(elevator: Elevator) -> Setting {
    Setting { knob: Knob::Scheduler, value: KnobValue::Elevator(elevator) }
}

fn worth_testing(
    seen: &Observed,
    id: &'static str,
    set: Vec<Setting>,
    objective: Objective,
    why: String,
) -> Advice {
    let test = Some(command(&seen.device, &set, objective));
    Advice { id, kind: Kind::LikelyToMatter, why, set, test }
}

fn nothing_to_gain(id: &'static str, why: String) -> Advice {
    Advice { id, kind: Kind::NothingToGain, why, set: Vec::new(), test: None }
}

fn per_cent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// Sequential reads in pieces as large as the read-ahead, from a disk that is waited for.
fn readahead_for_streams(seen: &Observed) -> Option<Advice> {
    let (near, reads, size) = (seen.near_share?, seen.read_share?, seen.mean_bio_kib?);
    let now = seen.number(Knob::ReadAheadKb)?;
    if near < 0.5 || reads < 0.3 || seen.busy() < EASY || now == 0 || now >= 4_096 {
        return None;
    }
    // Direct I/O has the size that its program chose and takes no notice of read-ahead.
    if size > now as f64 * 1.25 || size < 16.0 {
        return None;
    }
    let wanted = (now * 4).clamp(512, 4_096);
    Some(worth_testing(
        seen,
        "TA-READAHEAD-SEQ",
        vec![number(Knob::ReadAheadKb, wanted)],
        Objective::Throughput,
        format!(
            "{} of the bios continue a stream, {} are reads, {size:.0} KiB each while read_ahead_kb is {now}: longer \
             read-ahead keeps each stream at the disk for longer (of no effect if the reads are direct)",
            per_cent(near),
            per_cent(reads)
        ),
    ))
}

/// Reads that wait behind writes under mq-deadline.
fn reads_behind_writes(seen: &Observed) -> Option<Advice> {
    if seen.elevator()? != Elevator::MqDeadline || !seen.is_mixed() || !seen.is_saturated() {
        return None;
    }
    let (batch, starved) = (seen.number(Knob::FifoBatch)?, seen.number(Knob::WritesStarved)?);
    if batch <= 2 && starved >= 8 {
        return None;
    }
    Some(worth_testing(
        seen,
        "TA-READS-BEHIND-WRITES",
        vec![number(Knob::WritesStarved, 8), number(Knob::FifoBatch, 1)],
        Objective::Latency,
        format!(
            "{} reads among writes, the disk is busy {} of the time: reads wait for batches of {batch} writes (fifo_batch) \
             after every {starved} of their own (writes_starved); writes will pay",
            per_cent(seen.read_share?),
            per_cent(seen.busy())
        ),
    ))
}

/// A disk with heads and a queue, and nobody who orders it.
fn ordering_for_heads(seen: &Observed) -> Option<Advice> {
    let wanted = seen.rotational && seen.elevator()? == Elevator::None && seen.offers(Elevator::MqDeadline);
    if !wanted || seen.queue() < 1.5 {
        return None;
    }
    Some(worth_testing(
        seen,
        "TA-NONE-ON-ROTATIONAL",
        vec![scheduler(Elevator::MqDeadline)],
        Objective::Balanced,
        format!(
            "the disk has heads, {:.1} requests are in flight and no scheduler orders them by place (each switch drains \
             the queue)",
            seen.queue()
        ),
    ))
}

/// Several kinds of work on one set of heads.
fn fairness_for_heads(seen: &Observed) -> Option<Advice> {
    let wanted = seen.rotational && seen.elevator()? != Elevator::Bfq && seen.offers(Elevator::Bfq);
    if !wanted || !seen.is_saturated() || !(seen.is_mixed() || seen.near_share? > 0.3) || seen.queue() < 1.5 {
        return None;
    }
    Some(worth_testing(
        seen,
        "TA-BFQ-ON-ROTATIONAL",
        vec![scheduler(Elevator::Bfq)],
        Objective::Latency,
        format!(
            "the disk has heads, is busy {} of the time and serves several kinds of work: bfq gives each its turn, which \
             helps some loads and harms others (each switch drains the queue)",
            per_cent(seen.busy())
        ),
    ))
}

/// So many I/Os that the scheduler itself costs.
fn no_scheduler_for_speed(seen: &Observed) -> Option<Advice> {
    if seen.rotational || seen.elevator()? == Elevator::None || !seen.offers(Elevator::None) {
        return None;
    }
    if seen.iops < 30_000.0 {
        return None;
    }
    Some(worth_testing(
        seen,
        "TA-NONE-ON-FAST",
        vec![scheduler(Elevator::None)],
        Objective::Balanced,
        format!(
            "{:.0} I/Os a second on a disk without heads: a scheduler's lock and sorting cost more than they bring",
            seen.iops
        ),
    ))
}

/// The queue itself is what is waited for.
fn short_queue(seen: &Observed) -> Option<Advice> {
    let requests = seen.number(Knob::NrRequests)?;
    if seen.elevator()? == Elevator::None || requests >= 256 || seen.queue() < 0.8 * requests as f64 {
        return None;
    }
    Some(worth_testing(
        seen,
        "TA-QUEUE-SHORT",
        vec![number(Knob::NrRequests, (requests * 8).clamp(64, 1_024))],
        Objective::Balanced,
        format!(
            "{:.0} of at most {requests} requests are in the queue on average: more of them let the scheduler choose \
             (each change drains the queue)",
            seen.queue()
        ),
    ))
}

fn kyber_targets(seen: &Observed) -> Option<Advice> {
    if seen.elevator()? != Elevator::Kyber || !seen.is_saturated() {
        return None;
    }
    let (mean, target) = (seen.slice.reads.mean()?, seen.number(Knob::ReadLatNsec)?);
    if mean.0 < 4 * target {
        return None;
    }
    Some(worth_testing(
        seen,
        "TA-KYBER-TARGET",
        vec![
            number(Knob::ReadLatNsec, (mean.0 / 2).min(50_000_000)),
            number(Knob::WriteLatNsec, mean.0.clamp(10_000_000, 200_000_000)),
        ],
        Objective::Balanced,
        format!(
            "reads take {mean} and kyber aims at {target} ns: a target that is never met has it throttle writes for nothing"
        ),
    ))
}

fn idling_of_bfq(seen: &Observed) -> Option<Advice> {
    if seen.elevator()? != Elevator::Bfq || seen.rotational || seen.number(Knob::SliceIdleUs)? == 0 {
        return None;
    }
    (seen.busy() >= EASY).then(|| {
        worth_testing(
            seen,
            "TA-BFQ-IDLING",
            vec![number(Knob::SliceIdleUs, 0)],
            Objective::Throughput,
            "bfq waits for the next request of the same queue (slice_idle_us), which saves seeks that this disk does not \
             have"
                .to_owned(),
        )
    })
}

/// The disk has time to spare.
fn easy_load(seen: &Observed) -> Option<Advice> {
    if seen.busy() >= EASY || seen.queue() >= 1.0 {
        return None;
    }
    Some(nothing_to_gain(
        "TA-EASY-LOAD",
        format!(
            "the disk is busy {} of the time with {:.2} requests in flight on average: a queue that is nearly empty has \
             nothing to order, and no setting of it will be felt",
            per_cent(seen.busy()),
            seen.queue()
        ),
    ))
}

/// All that there is fits into the drive, which chooses by itself.
fn queue_hides_scheduler(seen: &Observed) -> Option<Advice> {
    let depth = seen.tag_depth?;
    if seen.elevator()? == Elevator::None || seen.queue() > 0.8 * depth as f64 || seen.busy() < EASY {
        return None;
    }
    Some(nothing_to_gain(
        "TA-DEVICE-QUEUE",
        format!(
            "{:.1} requests are in flight and the drive takes {depth} at once: they go straight on, and the scheduler's \
             order, batches and deadlines hardly come to bear",
            seen.queue()
        ),
    ))
}

/// Random reads alone: mq-deadline's defaults were within 1 % of the best that was found.
fn random_reads_alone(seen: &Observed) -> Option<Advice> {
    if seen.elevator()? != Elevator::MqDeadline || seen.read_share? < 0.95 || seen.near_share? > 0.2 {
        return None;
    }
    (seen.busy() >= EASY).then(|| {
        nothing_to_gain(
            "TA-RANDOM-READS",
            format!(
                "{} of the bios are reads and {} continue a stream: for random reads alone the defaults of mq-deadline were \
                 within 1 % of the best setting that was found on an emulated disk",
                per_cent(seen.read_share.unwrap_or(1.0)),
                per_cent(seen.near_share.unwrap_or(0.0))
            ),
        )
    })
}

fn bios_unseen(seen: &Observed) -> Option<Advice> {
    seen.read_share.is_none().then(|| Advice {
        id: "TA-BIOS-UNSEEN",
        kind: Kind::CannotTell,
        why: "this source sees no bios, and so neither streams nor sizes; `tunerd doctor` says why"
            .to_owned(),
        set: Vec::new(),
        test: None,
    })
}
