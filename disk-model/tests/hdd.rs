//! What a rotating disk is known for.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a step that fails fails the test")]

use block_types::{Bytes, Nanos, Sector, Sectors};
use disk_model::drive::{Order, Until, Workload, closed_loop};
use disk_model::hdd::{HddParams, WriteCache};
use disk_model::{Command, CommandId, Completion, DiskModel, Params};

const CAPACITY: Bytes = Bytes(16 << 30);
const REVOLUTION: u64 = 60_000_000_000 / 7_200;

fn params() -> HddParams {
    let Some(Params::Hdd(params)) = Params::named("hdd-7200") else { panic!("no hdd-7200") };
    params
}

fn disk(change: impl FnOnce(&mut HddParams)) -> Box<dyn DiskModel> {
    let mut params = params();
    change(&mut params);
    Params::Hdd(params).build(CAPACITY, 1).unwrap()
}

/// Submits one command and says when it is done.
fn one(disk: &mut dyn DiskModel, now: Nanos, command: Command) -> Nanos {
    let mut done: Vec<Completion> = Vec::new();
    disk.submit(now, CommandId(0), command);
    while done.is_empty() {
        let next = disk.next_event().unwrap();
        disk.advance(next, &mut done);
    }
    done[0].at
}

const fn read(sector: u64, sectors: u64) -> Command {
    Command::Read { sector: Sector(sector), sectors: Sectors(sectors) }
}

const fn write(sector: u64, sectors: u64) -> Command {
    Command::Write { sector: Sector(sector), sectors: Sectors(sectors), fua: false }
}

#[test]
fn a_write_to_the_same_place_has_to_wait_for_it_to_come_round() {
    let mut disk = disk(|params| params.write_cache = WriteCache::WriteThrough);
    let first = one(disk.as_mut(), Nanos(0), write(5_000_000, 8));
    let second = one(disk.as_mut(), first, write(5_000_000, 8));
    assert!((second - first).0.abs_diff(REVOLUTION) < 5_000, "{} after {first}", second - first);
    // Not at once, it waits for the rest of the turn only.
    let third = one(disk.as_mut(), Nanos(second.0 + REVOLUTION / 2), write(5_000_000, 8));
    assert!((third - second).0.abs_diff(REVOLUTION) < 5_000, "{}", third - second);
}

#[test]
fn reads_in_a_row_with_gaps_between_them_still_stream() {
    let rate = |gap: u64, read_ahead: u64| {
        let mut disk = disk(|params| params.read_ahead_bytes = read_ahead);
        let mut now = Nanos(0);
        for step in 0..400 {
            now = one(disk.as_mut(), Nanos(now.0 + gap), read(step * 256, 256));
        }
        (400 * (256 << 9)) as f64 / now.as_secs_f64()
    };
    // 128 KiB take 0.5 ms; while the host thinks for 0.2 ms the head reads on.
    let streamed = rate(200_000, 4 << 20);
    assert!(streamed > 0.95 * params().outer_bytes_per_s as f64 * 0.99, "{streamed}");
    // Without read-ahead, every gap costs a revolution.
    let halting = rate(200_000, 0);
    assert!(halting < 20e6, "{halting}");
}

#[test]
fn what_was_read_ahead_comes_from_the_buffer_also_after_another_stream() {
    let mut disk = disk(|_| {});
    let now = one(disk.as_mut(), Nanos(0), read(0, 256));
    // Time to read on, and then somewhere else.
    let now = one(disk.as_mut(), Nanos(now.0 + 10_000_000), read(20_000_000, 256));
    let again = one(disk.as_mut(), now, read(256, 256));
    assert!(again - now < Nanos(1_000_000), "{}", again - now);
    // What was written since is not taken from there.
    let now =
        one(disk.as_mut(), again, Command::Write { sector: Sector(600), sectors: Sectors(8), fua: true });
    let stale = one(disk.as_mut(), now, read(520, 256));
    assert!(stale - now > Nanos(1_000_000), "{}", stale - now);
}

#[test]
fn a_small_part_of_the_disk_is_faster_than_all_of_it() {
    let iops = |span: Bytes| {
        let work = Workload::reads(Order::Random, Bytes(4096), 1, span);
        closed_loop(disk(|_| {}).as_mut(), &work, Until::Commands(2_000)).iops
    };
    let (all, tenth) = (iops(CAPACITY), iops(Bytes(CAPACITY.0 / 10)));
    assert!(tenth > 1.3 * all, "{tenth} in a tenth, {all} in all");
}

#[test]
fn adjacent_commands_that_came_together_are_served_in_a_row() {
    let mut disk = disk(|_| {});
    let mut done = Vec::new();
    // The head is busy far away while they come, last first.
    disk.submit(Nanos(0), CommandId(99), read(25_000_000, 8));
    for step in (0..32).rev() {
        disk.submit(Nanos(1_000_000), CommandId(step), read(step * 256, 256));
    }
    while disk.in_flight() > 0 {
        let next = disk.next_event().unwrap();
        disk.advance(next, &mut done);
    }
    let order: Vec<u64> = done.iter().map(|completion| completion.id.0).skip(1).collect();
    assert!(order.is_sorted(), "{order:?}");
    let mib = Nanos(done[32].at.0 - done[0].at.0);
    assert!(mib < Nanos(45_000_000), "4 MiB took {mib}, of which a seek and a revolution are 25 ms at most");
}

#[test]
fn the_nearest_command_is_served_first_but_an_old_one_before_it() {
    let order = |age_bound_ms: u64| {
        let mut disk = disk(|params| params.queue_age_bound_ms = age_bound_ms);
        let mut done = Vec::new();
        disk.submit(Nanos(0), CommandId(0), read(0, 8));
        disk.submit(Nanos(1_000), CommandId(1), read(30_000_000, 8));
        disk.submit(Nanos(2_000), CommandId(2), read(40_000, 8));
        disk.submit(Nanos(2_000), CommandId(3), read(80_000, 8));
        while disk.in_flight() > 0 {
            let next = disk.next_event().unwrap();
            disk.advance(next, &mut done);
        }
        done.iter().position(|completion| completion.id == CommandId(1)).unwrap()
    };
    assert_eq!(order(60_000), 3, "the far one comes last");
    assert!(order(1) < 3, "unless it is old");
}

#[test]
fn a_write_cache_answers_at_once_until_it_is_full() {
    let mut disk = disk(|params| params.write_cache_extents = 16);
    let mut times = Vec::new();
    let mut now = Nanos(0);
    for step in 0..40 {
        let done = one(disk.as_mut(), now, write(step * 700_001, 8));
        times.push(done - now);
        now = done;
    }
    assert!(times[..16].iter().all(|&time| time < Nanos(1_000_000)), "{times:?}");
    let stalled = times[20..].iter().filter(|&&time| time > Nanos(1_000_000)).count();
    assert!(stalled >= 15, "{times:?}");
}

#[test]
fn an_idle_disk_empties_its_cache_unasked() {
    let mut disk = disk(|_| {});
    let mut now = Nanos(0);
    for step in 0..20 {
        now = one(disk.as_mut(), now, write(step * 700_001, 8));
    }
    let mut done = Vec::new();
    now = Nanos(now.0 + 2_000_000_000);
    disk.advance(now, &mut done);
    assert_eq!(disk.next_event(), None, "something is left to write");
    let flushed = one(disk.as_mut(), now, Command::Flush);
    assert!(flushed - now < Nanos(1_000_000), "{}", flushed - now);
}
