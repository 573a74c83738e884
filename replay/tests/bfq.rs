//! What bfq learns of processes, and what that does to who is served.

mod common;

use block_types::{Bytes, Elevator, Knob, Nanos, Op, Sector, Sectors};
use common::{FixedDisk, host, settings};
use replay::{Config, Io, Priority, Run, SettingError, Source, StreamId, Token, simulate, simulate_observed};
use std::collections::BTreeMap;

const DISK: Bytes = Bytes(1 << 30);
const BLOCK: Sectors = Sectors(128);
const SERVICE: Nanos = Nanos(1_000_000);

/// Processes that read with one I/O in flight, each over a part of the disk.
struct Readers {
    due: BTreeMap<(Nanos, u32), ()>,
    done: Vec<u64>,
    /// From the `n`th completion to the submission that follows it.
    think: fn(u64) -> Nanos,
    random: bool,
    priorities: [Priority; 2],
}

impl Readers {
    fn two(think: fn(u64) -> Nanos) -> Self {
        let due = BTreeMap::from([((Nanos(0), 0), ()), ((Nanos(1_000), 1), ())]);
        Self { due, done: vec![0; 2], think, random: false, priorities: [Priority::BestEffort; 2] }
    }
}

impl Source for Readers {
    fn next_arrival(&self) -> Option<Nanos> {
        self.due.first_key_value().map(|(&(at, _), ())| at)
    }

    fn arrive(&mut self, _: Nanos, batch: &mut Vec<Io>) {
        let Some(((_, stream), ())) = self.due.pop_first() else { return };
        let count = self.done[stream as usize];
        let place = if self.random { count * 7_919 % 8_000 } else { count % 8_000 };
        let sector = Sector((place + 8_000 * u64::from(stream)) * BLOCK.0);
        let priority = self.priorities[stream as usize];
        let token = Token(stream.into());
        batch.push(Io { stream: StreamId(stream), token, priority, ..Io::new(Op::Read, sector, BLOCK) });
    }

    fn completed(&mut self, now: Nanos, token: Token) {
        let done = &mut self.done[token.0 as usize];
        *done += 1;
        self.due.insert((now + (self.think)(*done), token.0 as u32), ());
    }
}

fn bfq() -> Result<Config, SettingError> {
    let knobs = [(Knob::LowLatency, 0), (Knob::SliceIdleUs, 8_000)];
    Config::new(host(DISK, 4, true), &settings(Elevator::Bfq, &knobs))
}

/// How many reads one process has before the other has its turn, on average, in the second second of two.
fn reads_to_a_turn(config: &Config, think: fn(u64) -> Nanos) -> f64 {
    let run = Run::for_time(Nanos::ZERO, Nanos(2_000_000_000));
    let (mut reads, mut turns, mut last) = (0_u32, 0_u32, None);
    let mut disk = FixedDisk::new(SERVICE, 4);
    simulate_observed(config, &mut disk, &mut Readers::two(think), &run, &mut |issue| {
        if issue.at < Nanos::SECOND {
            return;
        }
        reads += 1;
        if last.replace(issue.stream) != Some(issue.stream) {
            turns += 1;
        }
    });
    f64::from(reads) / f64::from(turns)
}

#[test]
fn a_process_that_thinks_for_a_fifth_of_its_time_is_not_waited_for() {
    let config = bfq().unwrap();
    let busy = reads_to_a_turn(&config, |_| Nanos(50_000));
    let idler = reads_to_a_turn(&config, |_| Nanos(500_000));
    assert!(busy > 20.0, "{busy} reads to a turn");
    assert!(idler < 2.0, "{idler} reads to a turn, though the process idles for a third of its time");
}

#[test]
fn processes_that_were_late_a_few_times_are_taken_to_wake_one_another_for_good() {
    let config = bfq().unwrap();
    let punctual = reads_to_a_turn(&config, |_| Nanos(50_000));
    // Later than it is waited for.
    let late = reads_to_a_turn(&config, |done| if done < 12 { Nanos(9_000_000) } else { Nanos(50_000) });
    assert!(punctual > 20.0, "{punctual} reads to a turn");
    assert!(late < 2.0, "{late} reads to a turn");
}

#[test]
fn others_are_injected_while_the_disk_is_kept_for_a_process_of_a_higher_class() {
    let config = bfq().unwrap();
    let mut readers = Readers {
        random: true,
        priorities: [Priority::RealTime, Priority::BestEffort],
        ..Readers::two(|_| Nanos(100_000))
    };
    let run = Run::for_time(Nanos::SECOND, Nanos(4_000_000_000));
    let report = simulate(&config, &mut FixedDisk::new(SERVICE, 4), &mut readers, &run);
    let bios: Vec<u64> = report.streams.iter().map(|share| share.bios).collect();
    // Alone the first would have 3636; it always has something, or is waited for.
    assert!(bios[0] > 3_000, "{bios:?}");
    assert!(bios[1] > 1_000, "{bios:?}");
}
