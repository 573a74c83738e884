//! Where I/O comes from: what is submitted when, and how a trace is cut and brought onto another disk.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use block_types::{Bytes, Elevator, IoEvent, Knob, Nanos, Op, Phase, Sector, Sectors};
use common::{FixedDisk, host, settings};
use proptest::prelude::*;
use replay::{
    ClosedLoop, Config, Fit, Io, NoCompletions, NoStall, OpenLoop, Report, Run, Source, StreamId, Token,
    Trace, TraceBio, TraceBuilder, simulate,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

fn bio(at: u64, took: Option<u64>) -> TraceBio {
    TraceBio {
        at: Nanos(at),
        completed: took.map(|took| Nanos(at + took)),
        sector: Sector(at % 1_000 * 8),
        sectors: 8,
        stream: StreamId(0),
        op: Op::Read,
        sync: true,
    }
}

/// When each bio was submitted, by its place in the trace, on a disk that takes as long as `took` says.
fn submissions<S: Source>(source: &mut S, took: impl Fn(&Io) -> u64) -> BTreeMap<u64, u64> {
    let mut in_disk = BinaryHeap::new();
    let (mut found, mut batch, mut now) = (BTreeMap::new(), Vec::new(), 0);
    loop {
        let done = in_disk.peek().map(|&Reverse((at, _))| at);
        let next = source.next_arrival().map(|at| at.0.max(now));
        // As the simulation does: what is done at a moment is told before anything is submitted at it.
        match (done, next) {
            (Some(at), next) if next.is_none_or(|next| at <= next) => {
                now = at;
                if let Some(Reverse((_, token))) = in_disk.pop() {
                    source.completed(Nanos(now), Token(token));
                }
            }
            (_, Some(at)) => {
                now = at;
                batch.clear();
                source.arrive(Nanos(now), &mut batch);
                for io in &batch {
                    assert_eq!(found.insert(io.token.0, now), None, "{io:?} comes once");
                    in_disk.push(Reverse((now + took(io), io.token.0)));
                }
            }
            (_, None) => return found,
        }
    }
}

fn a_trace(completed: impl Strategy<Value = Option<u64>>) -> impl Strategy<Value = Trace> {
    let op = prop::sample::select(vec![Op::Read, Op::Write]);
    let parts = (0_u64..1_000_000, completed, 0_u32..4, op, any::<bool>(), 0_u64..1 << 22, 1_u32..200);
    let bios = parts.prop_map(|(at, took, stream, op, sync, sector, sectors)| TraceBio {
        stream: StreamId(stream),
        op,
        sync,
        sector: Sector(sector),
        sectors,
        ..bio(at, took)
    });
    prop::collection::vec(bios, 0..200).prop_map(Trace::new)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn open_loop_submits_at_the_traces_times_whatever_the_disk_does(
        trace in a_trace(Just(None)),
        took in 1_u64..100_000_000,
        scale in 0.01_f64..100.0,
    ) {
        let found = submissions(&mut OpenLoop::new(&trace, scale), |_| took);
        prop_assert_eq!(found.len(), trace.len());
        for (place, bio) in trace.bios().iter().enumerate() {
            prop_assert_eq!(found[&(place as u64)], (bio.at.0 as f64 * scale) as u64);
        }
    }

    #[test]
    fn no_stall_has_so_many_outstanding_and_keeps_the_order(
        trace in a_trace(Just(None)),
        depth in 0_usize..40,
        took in 1_u64..1_000_000,
    ) {
        let found = submissions(&mut NoStall::new(&trace, depth), |_| took);
        prop_assert_eq!(found.len(), trace.len());
        for (place, at) in &found {
            prop_assert_eq!(*at, place / depth.max(1) as u64 * took, "a wave of {} every {} ns", depth, took);
        }
    }

    #[test]
    fn a_closed_loop_on_the_traces_own_disk_submits_at_the_traces_times(trace in a_trace((1_u64..300_000).prop_map(Some))) {
        let took = |io: &Io| {
            let bio = trace.bios()[io.token.0 as usize];
            bio.completed.map_or(0, |at| (at - bio.at).0)
        };
        let found = submissions(&mut ClosedLoop::new(&trace, 1.0).unwrap(), took);
        for (place, bio) in trace.bios().iter().enumerate() {
            prop_assert_eq!(found[&(place as u64)], bio.at.0);
        }
    }

    #[test]
    fn a_closed_loop_submits_every_bio_once_also_of_a_trace_with_holes(
        trace in a_trace(prop::option::of(1_u64..300_000)),
        seed in any::<u64>(),
        scale in 0.0_f64..4.0,
    ) {
        match ClosedLoop::new(&trace, scale) {
            Ok(mut source) => {
                let took = |io: &Io| io.token.0.wrapping_mul(seed | 1) % 400_000;
                prop_assert_eq!(submissions(&mut source, took).len(), trace.len());
            }
            Err(NoCompletions) => prop_assert!(trace.uncompleted() == trace.len() as u64 && !trace.is_empty()),
        }
    }

    #[test]
    fn what_is_fitted_lies_within_the_disk_and_loses_no_bio(
        trace in a_trace(Just(None)),
        far in prop::option::of(any::<u64>()),
        sectors in 0_u64..1 << 23,
        fit in prop::sample::select(vec![Fit::Wrap, Fit::Scale]),
    ) {
        let mut bios = trace.bios().to_vec();
        bios.extend(far.map(|sector| TraceBio { sector: Sector(sector), ..bio(0, None) }));
        let trace = Trace::new(bios);
        let fitted = trace.clone().fit(Sectors(sectors).bytes(), fit).unwrap();
        prop_assert_eq!(fitted.len(), trace.len());
        prop_assert!(fitted.end().0 <= sectors, "{:?} on {}", fitted.end(), sectors);
        if trace.end().0 <= sectors {
            prop_assert_eq!(fitted, trace);
        }
    }

    #[test]
    fn a_part_is_its_bios_and_what_was_outstanding(
        trace in a_trace(prop::option::of(1_u64..300_000)),
        from in 0_usize..220,
        count in 0_usize..220,
    ) {
        let part = trace.part(from..from + count);
        let own = trace.bios().iter().skip(from).take(count);
        let Some(begins) = own.clone().map(|bio| bio.at).next() else {
            prop_assert!(part.is_empty());
            return Ok(());
        };
        let outstanding = trace.bios().iter().take(from).filter(|bio| bio.completed.is_some_and(|at| at > begins));
        let wanted: Vec<TraceBio> = outstanding
            .map(|bio| TraceBio { at: begins, ..*bio })
            .chain(own.copied())
            .map(|bio| TraceBio { at: bio.at - begins, completed: bio.completed.map(|at| at - begins), ..bio })
            .collect();
        prop_assert_eq!(part.bios(), wanted);
    }
}

#[test]
fn what_is_no_scale_is_one() {
    let trace = Trace::new(vec![bio(0, Some(10)), bio(1_000, Some(10))]);
    for scale in [f64::NAN, f64::INFINITY, 0.0, -2.0] {
        assert_eq!(submissions(&mut OpenLoop::new(&trace, scale), |_| 1)[&1], 1_000, "{scale}");
    }
    for scale in [f64::NAN, f64::INFINITY, -2.0] {
        assert_eq!(submissions(&mut ClosedLoop::new(&trace, scale).unwrap(), |_| 10)[&1], 1_000, "{scale}");
    }
    assert_eq!(submissions(&mut ClosedLoop::new(&trace, 0.0).unwrap(), |_| 10)[&1], 10, "without thought");
}

#[test]
fn a_closed_loop_keeps_as_many_outstanding_on_a_disk_that_answers_in_another_order() {
    // Four in flight, which the recorded disk answers in turn, one every 10.
    let trace =
        Trace::new((0..400_u64).map(|i| bio(i.saturating_sub(3) * 10, Some(i.min(3) * 10 + 10))).collect());
    let mut source = ClosedLoop::new(&trace, 1.0).unwrap();
    // Another takes one in seven ten times as long.
    let took = |io: &Io| if io.token.0.is_multiple_of(7) { 400 } else { 40 };
    let found = submissions(&mut source, took);
    let outstanding = |now: u64| {
        let is_open =
            |(&token, &at): (&u64, &u64)| at <= now && now < at + if token % 7 == 0 { 400 } else { 40 };
        found.iter().filter(|&one| is_open(one)).count()
    };
    let end = found[&350];
    assert!((30..end).step_by(9).all(|now| outstanding(now) == 4), "{found:?}");
}

#[test]
fn without_completions_there_is_no_closed_loop_and_without_bios_there_is() {
    assert_eq!(ClosedLoop::new(&Trace::new(vec![bio(0, None)]), 1.0).err(), Some(NoCompletions));
    let empty = Trace::default();
    let mut source = ClosedLoop::new(&empty, 1.0).unwrap();
    assert_eq!((source.next_arrival(), submissions(&mut source, |_| 1).len()), (None, 0));
    assert_eq!(OpenLoop::new(&empty, 1.0).next_arrival(), None);
    assert_eq!(NoStall::new(&empty, 4).next_arrival(), None);
}

fn at(sector: u64, sectors: u32) -> TraceBio {
    TraceBio { sector: Sector(sector), sectors, ..bio(0, None) }
}

fn places(trace: &Trace) -> Vec<(u64, u32)> {
    trace.bios().iter().map(|bio| (bio.sector.0, bio.sectors)).collect()
}

#[test]
fn a_trace_that_reaches_beyond_is_refused_wrapped_or_scaled() {
    let trace = Trace::new(vec![at(0, 8), at(900, 8), at(1_000, 16), at(1_990, 10)]);
    let disk = Sectors(1_000).bytes();
    let error = trace.clone().fit(disk, Fit::Refuse).unwrap_err();
    assert_eq!((error.last, error.capacity), (Sector(2_000), disk));
    assert!(error.to_string().contains("2000") && error.to_string().contains("1000"), "{error}");
    for fit in [Fit::Refuse, Fit::Wrap, Fit::Scale] {
        assert_eq!(trace.clone().fit(Sectors(2_000).bytes(), fit).unwrap(), trace, "{fit:?}: it lies within");
    }
    let wrapped = trace.fit(disk, Fit::Wrap).unwrap();
    assert_eq!(places(&wrapped), [(0, 8), (900, 8), (0, 16), (990, 10)]);
    // What would reach over the end after wrapping is put before it.
    let over = Trace::new(vec![at(1_996, 8)]).fit(disk, Fit::Wrap).unwrap();
    assert_eq!(places(&over), [(992, 8)]);
}

#[test]
fn scaling_keeps_runs_together_and_their_order() {
    // Two runs of four, far apart.
    let run = |from: u64| (0..4).map(move |i| at(from + i * 8, 8));
    let trace = Trace::new(run(204_800).chain(run(2_048_000)).collect());
    let scaled = trace.fit(Sectors(204_800).bytes(), Fit::Scale).unwrap();
    let found = places(&scaled);
    for pair in found[..4].windows(2).chain(found[4..].windows(2)) {
        assert_eq!(pair[1].0, pair[0].0 + 8, "{found:?}");
    }
    assert!((20_000..21_000).contains(&found[0].0) && found[4].0 > 202_000, "{found:?}");
}

#[test]
fn a_disk_smaller_than_a_bio_and_sectors_beyond_all_disks_are_no_fault() {
    for fit in [Fit::Wrap, Fit::Scale] {
        let trace = Trace::new(vec![at(0, 64), at(u64::MAX, u32::MAX), at(u64::MAX - 7, 8)]);
        assert_eq!(trace.end(), Sector(u64::MAX));
        let fitted = trace.clone().fit(Sectors(16).bytes(), fit).unwrap();
        assert!(
            places(&fitted).iter().all(|&(sector, sectors)| sector + u64::from(sectors) <= 16),
            "{fitted:?}"
        );
        let none = trace.fit(Bytes(0), fit).unwrap();
        assert!(places(&none).iter().all(|place| *place == (0, 0)), "{none:?}");
    }
}

fn replayed<S: Source>(source: &mut S, nr_requests: u64) -> Report {
    let host = host(Bytes(1 << 30), 4, true);
    let settings = settings(Elevator::MqDeadline, &[(Knob::NrRequests, nr_requests)]);
    let config = Config::new(host, &settings).unwrap();
    simulate(&config, &mut FixedDisk::new(Nanos(1_000), 4), source, &Run::to_the_end())
}

#[test]
fn writes_only_have_no_read_latency_in_any_replay() {
    let bios = (0..500).map(|i| TraceBio { op: Op::Write, sync: i % 2 == 0, ..bio(i * 100, Some(5_000)) });
    let trace = Trace::new(bios.collect());
    for report in [
        replayed(&mut OpenLoop::new(&trace, 1.0), 64),
        replayed(&mut NoStall::new(&trace, 16), 64),
        replayed(&mut ClosedLoop::new(&trace, 1.0).unwrap(), 64),
    ] {
        assert_eq!((report.sync_writes.bios, report.async_writes.bios), (250, 250));
        assert_eq!((report.reads.bios, report.reads.latency.mean(), report.unfinished), (0, None, 0));
    }
}

#[test]
fn a_million_are_outstanding_at_once() {
    const MANY: u64 = 1_000_000;
    let bios = (0..MANY).map(|i| TraceBio { sector: Sector(i * 7_919 % 200_000 * 8), ..bio(0, None) });
    let trace = Trace::new(bios.collect());
    let report = replayed(&mut OpenLoop::new(&trace, 1.0), 256);
    assert_eq!((report.reads.bios, report.most_outstanding, report.unfinished), (MANY, MANY, 0));
    assert!(report.waited_for_tag >= MANY - 256 - report.merges.back - report.merges.front);
}

fn event(at: u64, phase: Phase, op: Op, sector: u64, sectors: u64) -> IoEvent {
    IoEvent {
        at: Nanos(at),
        dev: block_types::DevNo::new(8, 0),
        phase,
        op,
        sync: true,
        sector: Sector(sector),
        sectors: Sectors(sectors),
    }
}

#[test]
fn holes_of_a_trace_are_counted_and_mix_nothing_up() {
    let mut builder = TraceBuilder::new();
    let mut next = 0;
    let mut observe = |phase, op, sector, sectors| {
        next += 10;
        builder.observe(&event(next, phase, op, sector, sectors), 1);
    };
    observe(Phase::Completed, Op::Read, 800, 8); // Submitted before the recording began.
    observe(Phase::Queued, Op::Read, 0, 8);
    observe(Phase::Queued, Op::Write, 0, 8);
    observe(Phase::Queued, Op::Read, 64, 8); // Its completion is lost.
    observe(Phase::Completed, Op::Write, 0, 8);
    observe(Phase::Queued, Op::Read, 8, 8);
    observe(Phase::Completed, Op::Read, 0, 16); // One request of two bios.
    let trace = builder.finish();
    assert_eq!((trace.len(), trace.unsubmitted(), trace.uncompleted()), (4, 1, 1));
    let completed: Vec<Option<u64>> = trace.bios().iter().map(|bio| bio.completed.map(|at| at.0)).collect();
    assert_eq!(completed, [Some(50), Some(30), None, Some(50)]);
}
