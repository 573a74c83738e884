//! What holds for every scheduler, whatever is submitted: every bio is done once, nothing is lost of its sectors, and
//! the same comes of the same.

mod common;

use block_types::{Bytes, Elevator, Knob, Nanos, Op, Sector, Sectors};
use common::{FixedDisk, Script, host, settings};
use disk_model::{Command, Params};
use proptest::prelude::*;
use replay::{
    Config, Io, Issue, Job, Jobs, Order, Priority, Run, StreamId, Token, Until, simulate, simulate_observed,
};

const DISK: Bytes = Bytes(1 << 30);

fn an_io() -> impl Strategy<Value = (u64, Io)> {
    let op = prop_oneof![
        4 => Just(Op::Read),
        4 => Just(Op::Write),
        1 => Just(Op::Discard),
        1 => Just(Op::Flush),
    ];
    let priority = prop_oneof![
        1 => Just(Priority::RealTime),
        6 => Just(Priority::BestEffort),
        1 => Just(Priority::Idle),
    ];
    // Few places, so that bios lie side by side and on top of one another.
    (0_u64..40_000_000, op, any::<bool>(), 0_u64..200, 1_u64..400, 0_u32..4, priority).prop_map(
        |(at, op, sync, block, blocks, stream, priority)| {
            let io = Io {
                sync,
                stream: StreamId(stream),
                priority,
                ..Io::new(op, Sector(block * 8), Sectors(blocks * 8))
            };
            (at, io)
        },
    )
}

fn a_script() -> impl Strategy<Value = Vec<(u64, Vec<Io>)>> {
    prop::collection::vec((0_u64..40_000_000, prop::collection::vec(an_io(), 1..6)), 1..80).prop_map(
        |mut batches| {
            batches.sort_by_key(|batch| batch.0);
            let mut token = 0;
            batches
                .into_iter()
                .map(|(at, ios)| {
                    let ios = ios.into_iter().map(|(_, io)| {
                        token += 1;
                        Io { token: Token(token), ..io }
                    });
                    (at, ios.collect())
                })
                .collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_bio_is_done_once_and_every_sector_is_asked_of_the_disk(
        script in a_script(),
        elevator in prop::sample::select(Elevator::ALL.to_vec()),
        depth in 1_u32..40,
        tags in 4_u64..40,
        max_sectors_kb in 4_u64..600,
        service_us in 1_u64..20_000,
    ) {
        let tags = if elevator == Elevator::None { tags.min(depth.into()) } else { tags };
        let settings = settings(elevator, &[(Knob::NrRequests, tags), (Knob::MaxSectorsKb, max_sectors_kb)]);
        let config = Config::new(host(DISK, depth, true), &settings).unwrap();
        let mut issues: Vec<Issue> = Vec::new();
        let mut source = Script::new(script.clone());
        let report = simulate_observed(
            &config,
            &mut FixedDisk::new(Nanos(service_us * 1000), depth),
            &mut source,
            &Run::to_the_end(),
            &mut |issue| issues.push(issue),
        );
        let all: Vec<Io> = script.iter().flat_map(|(_, ios)| ios.clone()).collect();
        let mut done = source.done.clone();
        done.sort_unstable();
        prop_assert_eq!(done, (1..=all.len() as u64).collect::<Vec<_>>());
        prop_assert_eq!(report.unfinished, 0);
        prop_assert_eq!(report.refused, 0);
        for (op, sectors) in [(Op::Read, 0_u64), (Op::Write, 0), (Op::Discard, 0)].map(|(op, _)| {
            (op, all.iter().filter(|io| io.op == op).map(|io| io.sectors.0).sum::<u64>())
        }) {
            let issued = issues.iter().filter(|issue| match issue.command {
                Command::Read { .. } => op == Op::Read,
                Command::Write { .. } => op == Op::Write,
                Command::Discard { .. } => op == Op::Discard,
                Command::Flush => false,
            });
            let asked: u64 = issued.clone().map(|issue| issue.command.sectors().0).sum();
            prop_assert_eq!(asked, sectors, "{:?}", op);
            if op != Op::Discard {
                let largest = issued.map(|issue| issue.command.sectors().0).max().unwrap_or(0);
                prop_assert!(largest <= 2 * max_sectors_kb);
            }
        }
        let flushes = all.iter().filter(|io| io.op == Op::Flush).count() as u64;
        prop_assert_eq!(report.flushes.bios, flushes);

        let again = simulate(
            &config,
            &mut FixedDisk::new(Nanos(service_us * 1000), depth),
            &mut Script::new(script),
            &Run::to_the_end(),
        );
        prop_assert_eq!(report, again);
    }
}

/// Neither requests in great numbers nor parameters at their limits.
#[test]
fn a_million_outstanding_on_an_absurd_disk_are_done() {
    let absurd = "base = \"hdd-7200\"\nrotation_rpm = 1000000\n";
    let slow = "base = \"hdd-7200\"\nqueue_depth = 1\n";
    for text in [absurd, slow, "kind = \"instant\"\n"] {
        let Ok(params) = Params::from_toml(text, "a disk".as_ref()) else { continue };
        for elevator in Elevator::ALL {
            let config = Config::new(host(DISK, 8, true), &settings(elevator, &[])).unwrap();
            let job = Job { depth: 1_000_000, ..Job::writes(Order::Sequential, Bytes(4096), 1, DISK) };
            let mut source = common::AtOnce::new(200_000);
            let mut disk = params.build(DISK, 1).unwrap();
            let report = simulate(&config, disk.as_mut(), &mut source, &Run::to_the_end());
            assert_eq!(report.data().bios, 200_000, "{elevator} on {text}");
            let mut disk = params.build(DISK, 1).unwrap();
            let run = Run { until: Until::Bios(1_000), ..Run::to_the_end() };
            let report = simulate(&config, disk.as_mut(), &mut Jobs::new([job]), &run);
            assert!(report.data().bios >= 1_000, "{elevator} on {text}");
        }
    }
}

/// Two processes, one of which asks for all that it can get: the other is served all the same.
#[test]
fn nobody_starves() {
    for elevator in Elevator::ALL {
        let config = Config::new(host(DISK, 4, true), &settings(elevator, &[])).unwrap();
        let greedy = Job::reads(Order::Sequential, Bytes(65_536), 64, DISK);
        let modest = Job { seed: 2, ..Job::writes(Order::Random, Bytes(4096), 1, DISK) };
        let run = Run::for_time(Nanos::SECOND, Nanos(30_000_000_000));
        let mut disk = FixedDisk::new(Nanos::from_millis(5), 4);
        let report = simulate(&config, &mut disk, &mut Jobs::new([greedy, modest]), &run);
        let longest = report.sync_writes.latency.quantile(1.0).unwrap();
        // A deadline of 5 s and a batch; or a queue of 256 requests at 800 a second.
        assert!(longest < Nanos(6_500_000_000), "{elevator}: {longest}");
        assert!(report.sync_writes.bios > 4, "{elevator}: {}", report.sync_writes.bios);
    }
}
