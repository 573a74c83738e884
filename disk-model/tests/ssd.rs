//! What flash disks are known for.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a step that fails fails the test")]

use block_types::{Bytes, Nanos, Sector, Sectors};
use disk_model::drive::{Order, Report, Until, Workload, closed_loop, closed_loop_from};
use disk_model::ssd::SsdParams;
use disk_model::{Command, CommandId, Params};

const CAPACITY: Bytes = Bytes(16 << 30);

fn sata() -> SsdParams {
    let Some(Params::SataSsd(params)) = Params::named("sata-ssd") else { panic!("no sata-ssd") };
    params
}

fn run(params: &Params, read_share: f64, order: Order, block: u64, depth: u32, commands: u64) -> Report {
    let work =
        Workload { read_share, ramp_commands: 500, ..Workload::reads(order, Bytes(block), depth, CAPACITY) };
    closed_loop(params.build(CAPACITY, 1).unwrap().as_mut(), &work, Until::Commands(commands))
}

#[test]
fn reads_wait_behind_programs() {
    for name in ["sata-ssd", "intel-dc-p3700-2tb"] {
        let params = Params::named(name).unwrap();
        let alone = run(&params, 1.0, Order::Random, 4096, 8, 20_000).reads;
        let beside = run(&params, 0.7, Order::Random, 4096, 8, 20_000).reads;
        let (alone, beside) = (alone.quantile(0.999).unwrap(), beside.quantile(0.999).unwrap());
        assert!(beside.0 > 2 * alone.0, "{name}: {beside} beside writes, {alone} alone");
    }
}

#[test]
fn writes_stall_when_the_buffer_is_full_and_not_before() {
    let mut params = sata();
    params.slc_cache_bytes = 0;
    params.write_buffer_bytes = 64 << 20;
    let params = Params::SataSsd(params);
    let write = |ramp: u64, commands: u64| {
        let work = Workload {
            ramp_commands: ramp,
            ..Workload::writes(Order::Sequential, Bytes(128 << 10), 8, CAPACITY)
        };
        closed_loop(params.build(CAPACITY, 1).unwrap().as_mut(), &work, Until::Commands(commands)).bytes_per_s
    };
    // 520 MB/s come and 300 MB/s go: 64 MiB are full after 150 MB or so.
    let before = write(50, 500);
    let after = write(3_000, 3_000);
    assert!(before > 500e6, "{before}");
    assert!((280e6..320e6).contains(&after), "{after}");
}

#[test]
fn the_slc_cache_ends_and_comes_back_when_the_disk_is_left_alone() {
    let params = Params::SataSsd(sata());
    let mut disk = params.build(CAPACITY, 1).unwrap();
    let work = Workload::writes(Order::Sequential, Bytes(128 << 10), 8, CAPACITY);
    let mut now = Nanos(0);
    let mut stretch = |pause: Nanos, commands: u64| {
        let report =
            closed_loop_from(disk.as_mut(), Nanos(now.0 + pause.0), &work, Until::Commands(commands));
        // What is still in flight ends before the next stretch.
        let mut done = Vec::new();
        while disk.in_flight() > 0 {
            let next = disk.next_event().unwrap();
            disk.advance(next, &mut done);
            now = next;
        }
        report.bytes_per_s
    };
    let fresh = stretch(Nanos(0), 8_000);
    stretch(Nanos(0), 16_000);
    let spent = stretch(Nanos(0), 8_000);
    let rested = stretch(Nanos(30_000_000_000), 8_000);
    assert!(fresh > 500e6 && spent < 320e6 && rested > 500e6, "{fresh} {spent} {rested}");
}

#[test]
fn small_writes_at_new_places_cost_more_than_a_stream() {
    let params = Params::named("intel-dc-p3600-2tb").unwrap();
    let random = run(&params, 0.0, Order::Random, 4096, 64, 200_000).bytes_per_s;
    let stream = run(&params, 0.0, Order::Sequential, 4096, 64, 200_000).bytes_per_s;
    assert!(stream > 3.0 * random, "{stream} {random}");
}

#[test]
fn sata_shares_its_link_between_the_directions_and_nvme_does_not() {
    let mut params = sata();
    // Nothing but the link counts.
    params.program_bytes_per_s = 10_000_000_000;
    params.slc_program_bytes_per_s = 10_000_000_000;
    params.slc_program_ns = 100_000;
    params.page_read_ns = 1_000;
    let mixed = |params: &Params| run(params, 0.5, Order::Random, 128 << 10, 32, 5_000).bytes_per_s;
    let (half, full) = (mixed(&Params::SataSsd(params.clone())), mixed(&Params::Nvme(params.clone())));
    let link = params.link_bytes_per_s as f64;
    assert!(half < 1.02 * link && full > 1.6 * link, "{half} {full} {link}");
}

#[test]
fn a_long_read_uses_many_dies_at_once() {
    let mut disk = Params::named("nvme").unwrap().build(CAPACITY, 1).unwrap();
    let mut done = Vec::new();
    disk.submit(Nanos(0), CommandId(0), Command::Read { sector: Sector(0), sectors: Sectors(2_048) });
    while done.is_empty() {
        let next = disk.next_event().unwrap();
        disk.advance(next, &mut done);
    }
    // 64 pages one after the other would take 2.5 ms; the link takes 0.3 ms.
    assert!(done[0].at < Nanos(400_000), "{}", done[0].at);
}
