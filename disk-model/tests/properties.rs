//! What must hold of every model, whatever is asked of it and however it is driven.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a step that fails fails the test")]

use block_types::{Bytes, Nanos, Sector, Sectors};
use disk_model::drive::{Order, Until, Workload, closed_loop};
use disk_model::hdd::WriteCache;
use disk_model::{Command, CommandId, Completion, DiskModel, LATEST, Params, products};
use proptest::prelude::*;
use std::collections::BTreeMap;

const CAPACITY: Bytes = Bytes(1 << 30);

/// Every product, and what only differs in a setting.
fn all_params() -> Vec<(String, Params)> {
    let mut all: Vec<_> = products::ALL
        .into_iter()
        .map(|product| (product.name.to_owned(), Params::named(product.name).unwrap()))
        .collect();
    let Some(Params::Hdd(mut hdd)) = Params::named("hdd-7200") else { panic!("no hdd-7200") };
    hdd.write_cache = WriteCache::WriteThrough;
    all.push(("write-through".to_owned(), Params::Hdd(hdd.clone())));
    hdd.read_ahead_bytes = 0;
    all.push(("no read-ahead".to_owned(), Params::Hdd(hdd)));
    // Buffers and caches so small that they fill.
    let Some(Params::SataSsd(mut ssd)) = Params::named("sata-ssd") else { panic!("no sata-ssd") };
    ssd.write_buffer_bytes = 262_144;
    ssd.slc_cache_bytes = 1_048_576;
    all.push(("small buffer".to_owned(), Params::SataSsd(ssd)));
    all.push(("instant".to_owned(), Params::Instant));
    all
}

fn any_params() -> impl Strategy<Value = (String, Params)> {
    prop::sample::select(all_params())
}

fn command() -> impl Strategy<Value = Command> {
    let disk = CAPACITY.sectors().0;
    let sector =
        prop_oneof![0..disk, Just(0_u64), 0..64_u64, (disk - 2)..(disk + 2), Just(u64::MAX)].prop_map(Sector);
    let sectors = prop_oneof![4 => 1..=64_u64, 2 => Just(8_u64), 1 => 0..5_000_u64, 1 => Just(u64::MAX)];
    let sectors = sectors.prop_map(|sectors| Sectors(if sectors == u64::MAX { 20_000 } else { sectors }));
    (0..12_u8, sector, sectors, any::<bool>()).prop_map(|(which, sector, sectors, fua)| match which {
        0..=4 => Command::Read { sector, sectors },
        5..=9 => Command::Write { sector, sectors, fua: fua && which == 5 },
        10 => Command::Flush,
        _ => Command::Discard { sector, sectors },
    })
}

/// Commands with their times.
fn schedule() -> impl Strategy<Value = Vec<(Nanos, Command)>> {
    let gap = prop_oneof![Just(0_u64), 0..50_000_u64, 0..20_000_000_u64, Just(3_000_000_000_u64)];
    prop::collection::vec((gap, command()), 1..120).prop_map(|steps| {
        let mut now = 0;
        steps
            .into_iter()
            .map(|(gap, command)| {
                now += gap;
                (Nanos(now), command)
            })
            .collect()
    })
}

/// How a model is advanced.
#[derive(Clone, Debug)]
enum Cadence {
    /// At each event.
    AtEvents,
    /// Only once, at the end.
    AtTheEnd,
    /// Whenever these gaps are over.
    Every(u64),
}

fn run(params: &Params, schedule: &[(Nanos, Command)], cadence: &Cadence) -> Vec<Completion> {
    let mut disk = params.build(CAPACITY, 7).unwrap();
    let mut done = Vec::new();
    let mut now = Nanos::ZERO;
    for (tag, (at, command)) in schedule.iter().enumerate() {
        advance_to(disk.as_mut(), &mut now, *at, cadence, &mut done);
        disk.submit(*at, CommandId(tag as u64), *command);
    }
    while let Some(next) = disk.next_event() {
        match cadence {
            Cadence::AtEvents => disk.advance(next, &mut done),
            Cadence::AtTheEnd => disk.advance(LATEST, &mut done),
            Cadence::Every(gap) => {
                now = Nanos(now.0 + gap).max(next);
                disk.advance(now, &mut done);
            }
        }
    }
    assert_eq!(disk.in_flight(), 0, "nothing goes on, yet commands are in flight");
    done
}

fn advance_to(
    disk: &mut dyn DiskModel,
    now: &mut Nanos,
    until: Nanos,
    cadence: &Cadence,
    done: &mut Vec<Completion>,
) {
    match cadence {
        Cadence::AtEvents => {
            while let Some(next) = disk.next_event().filter(|&next| next < until) {
                assert!(next >= *now, "an event lies before what was already advanced to");
                *now = next;
                disk.advance(next, done);
            }
        }
        Cadence::AtTheEnd => {}
        Cadence::Every(gap) => {
            while now.0 + gap < until.0 {
                now.0 += gap;
                disk.advance(*now, done);
            }
        }
    }
    *now = until;
}

fn by_id(done: &[Completion]) -> BTreeMap<CommandId, Nanos> {
    done.iter().map(|completion| (completion.id, completion.at)).collect()
}

/// Submits a flush and says when it is done.
fn flush(disk: &mut dyn DiskModel, now: Nanos) -> Nanos {
    let mut done = Vec::new();
    disk.submit(now, CommandId(1_000), Command::Flush);
    while disk.in_flight() > 0 {
        let next = disk.next_event().unwrap();
        disk.advance(next, &mut done);
    }
    done.last().unwrap().at
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_command_is_done_once_and_never_before_it_was_submitted(
        (name, params) in any_params(),
        schedule in schedule(),
    ) {
        let done = run(&params, &schedule, &Cadence::AtEvents);
        prop_assert_eq!(done.len(), schedule.len(), "{}", name);
        let times = by_id(&done);
        prop_assert_eq!(times.len(), schedule.len(), "{}: a command was done twice", name);
        for (tag, (submitted, command)) in schedule.iter().enumerate() {
            let at = times[&CommandId(tag as u64)];
            prop_assert!(at >= *submitted, "{}: {:?} of {} done at {}", name, command, submitted, at);
        }
        prop_assert!(done.is_sorted_by_key(|completion| completion.at), "{}: completions go back in time", name);
    }

    #[test]
    fn how_a_model_is_advanced_changes_no_completion(
        (name, params) in any_params(),
        schedule in schedule(),
        gap in 1_000_u64..100_000_000,
    ) {
        let eager = by_id(&run(&params, &schedule, &Cadence::AtEvents));
        // Not more than 2000 steps.
        let gap = gap.max(schedule.last().map_or(1, |(at, _)| at.0) / 2_000);
        for cadence in [Cadence::AtTheEnd, Cadence::Every(gap)] {
            prop_assert_eq!(&by_id(&run(&params, &schedule, &cadence)), &eager, "{}, {:?}", name, cadence);
        }
    }

    #[test]
    fn equal_seeds_answer_equally((name, params) in any_params(), schedule in schedule()) {
        let first = run(&params, &schedule, &Cadence::AtEvents);
        prop_assert_eq!(run(&params, &schedule, &Cadence::AtEvents), first, "{}", name);
    }

    /// What a flush waited for is gone, so that a second one waits for nothing.
    #[test]
    fn a_flush_leaves_nothing_to_flush((name, params) in any_params(), schedule in schedule()) {
        let mut disk = params.build(CAPACITY, 7).unwrap();
        let mut done = Vec::new();
        for (tag, (at, command)) in schedule.iter().enumerate() {
            disk.advance(*at, &mut done);
            disk.submit(*at, CommandId(tag as u64), *command);
        }
        // Everything submitted is done; the caches may still hold it.
        while disk.in_flight() > 0 {
            let next = disk.next_event().unwrap();
            disk.advance(next, &mut done);
        }
        let now = done.iter().map(|completion| completion.at).max().unwrap();
        let first = flush(disk.as_mut(), now);
        if params.traits().volatile_write_cache {
            prop_assert_eq!(disk.next_event(), None, "{}: something goes on after a flush", name);
        }
        let second = flush(disk.as_mut(), first) - first;
        prop_assert!(second <= Nanos(6_000_000), "{}: a second flush took {}", name, second);
    }
}

#[test]
fn a_flush_waits_for_what_a_volatile_cache_holds_and_a_protected_one_holds_nothing() {
    let flush_after_writes = |name: &str| {
        let mut disk = Params::named(name).unwrap().build(CAPACITY, 1).unwrap();
        let mut done = Vec::new();
        let mut now = Nanos::ZERO;
        for tag in 0..20 {
            let sector = Sector(tag * 77_777);
            disk.submit(now, CommandId(tag), Command::Write { sector, sectors: Sectors(8), fua: false });
            while disk.in_flight() > 0 {
                now = disk.next_event().unwrap();
                disk.advance(now, &mut done);
            }
        }
        let submitted = now;
        disk.submit(now, CommandId(99), Command::Flush);
        while disk.in_flight() > 0 {
            now = disk.next_event().unwrap();
            disk.advance(now, &mut done);
        }
        now - submitted
    };
    // Twenty places on the platter: each costs a part of a revolution at least.
    assert!(flush_after_writes("hdd-7200") > Nanos::from_millis(40));
    // One program each.
    assert!(flush_after_writes("sata-ssd") >= Nanos(500_000));
    assert!(flush_after_writes("nvme") >= Nanos(400_000));
    assert!(flush_after_writes("intel-dc-s4600") < Nanos(100_000));
    assert!(flush_after_writes("intel-dc-p3700-2tb") < Nanos(100_000));
}

#[test]
fn a_write_with_force_unit_access_takes_what_the_medium_takes() {
    let one = |name: &str, fua: bool| {
        let mut disk = Params::named(name).unwrap().build(CAPACITY, 1).unwrap();
        let mut done = Vec::new();
        let command = Command::Write { sector: Sector(1_000_000), sectors: Sectors(8), fua };
        disk.submit(Nanos::ZERO, CommandId(1), command);
        while done.is_empty() {
            let next = disk.next_event().unwrap();
            disk.advance(next, &mut done);
        }
        done[0].at
    };
    for (name, medium) in [("hdd-7200", 1_000_000), ("sata-ssd", 500_000), ("nvme", 400_000)] {
        assert!(one(name, true) >= Nanos(medium), "{name}");
        assert!(one(name, false) < one(name, true), "{name}");
    }
    for name in ["intel-dc-s4600", "intel-dc-p3700-2tb", "cloud-volume"] {
        assert_eq!(one(name, true), one(name, false), "{name}");
    }
}

#[test]
fn a_deeper_queue_is_never_slower() {
    for (name, params) in all_params() {
        if name == "instant" {
            continue;
        }
        for read_share in [1.0, 0.7, 0.0] {
            let mut before = 0.0;
            for depth in [1, 2, 4, 8, 16, 32, 64, 128, 256] {
                // Past that, every command of a rotating disk's queue waits longer than the age bound, which costs.
                if depth > 128 && params.traits().rotational {
                    break;
                }
                let mut disk = params.build(Bytes(32 << 30), 1).unwrap();
                let work = Workload {
                    read_share,
                    ramp_commands: 1_000,
                    ..Workload::reads(Order::Random, Bytes(4096), depth, Bytes(32 << 30))
                };
                let iops = closed_loop(disk.as_mut(), &work, Until::Commands(6_000)).iops;
                assert!(
                    iops >= before * 0.95,
                    "{name}, {read_share}: {iops} at depth {depth}, before {before}"
                );
                before = f64::max(before, iops);
            }
        }
    }
}

#[test]
fn no_flush_starves_behind_reads() {
    let mut disk = Params::named("hdd-7200").unwrap().build(Bytes(32 << 30), 1).unwrap();
    let mut done = Vec::new();
    for tag in 0..100 {
        let write = Command::Write { sector: Sector(tag * 650_000), sectors: Sectors(8), fua: false };
        disk.submit(Nanos(tag), CommandId(1_000 + tag), write);
    }
    disk.submit(Nanos(100), CommandId(2_000), Command::Flush);
    let read = |tag: u64| Command::Read { sector: Sector(tag * 9_973 % 60_000_000), sectors: Sectors(8) };
    let mut next_tag = 0;
    let mut now = Nanos(100);
    while !done.iter().any(|completion: &Completion| completion.id == CommandId(2_000)) {
        while disk.in_flight() < 33 {
            disk.submit(now, CommandId(10_000 + next_tag), read(next_tag));
            next_tag += 1;
        }
        now = disk.next_event().unwrap();
        disk.advance(now, &mut done);
    }
    // The age bound, and then a hundred places between every two of which a command that is too old may come.
    assert!(now < Nanos(6_000_000_000), "{now}");
}

#[test]
fn no_command_starves_behind_nearer_ones() {
    let mut disk = Params::named("hdd-7200").unwrap().build(Bytes(32 << 30), 1).unwrap();
    let work = Workload::reads(Order::Random, Bytes(4096), 32, Bytes(32 << 30));
    let report = closed_loop(disk.as_mut(), &work, Until::Commands(20_000));
    // The bound of 2 s, and a few commands that were as old.
    assert!(report.reads.quantile(1.0).unwrap() < Nanos(3_000_000_000));
}

#[test]
fn time_that_goes_back_or_has_no_end_harms_nothing() {
    for (name, params) in all_params() {
        let mut disk = params.build(CAPACITY, 1).unwrap();
        let mut done = Vec::new();
        let write = Command::Write { sector: Sector(5), sectors: Sectors(8), fua: false };
        disk.submit(Nanos(1_000_000), CommandId(1), write);
        disk.submit(Nanos(5), CommandId(2), Command::Read { sector: Sector(900), sectors: Sectors(8) });
        disk.advance(Nanos(u64::MAX), &mut done);
        disk.submit(Nanos(u64::MAX), CommandId(3), Command::Flush);
        disk.submit(Nanos(u64::MAX), CommandId(4), write);
        disk.advance(Nanos(u64::MAX), &mut done);
        assert_eq!(done.len(), 4, "{name}");
    }
}
