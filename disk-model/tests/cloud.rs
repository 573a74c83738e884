//! What a volume's provider documents.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a step that fails fails the test")]

use block_types::{Bytes, Nanos};
use disk_model::drive::{Order, Report, Until, Workload, closed_loop, closed_loop_from};
use disk_model::{Params, cloud::CloudVolumeParams};

const GIB: u64 = 1 << 30;

fn gp3() -> CloudVolumeParams {
    let Some(Params::CloudVolume(params)) = Params::named("aws-ebs-gp3") else { panic!("no gp3") };
    params
}

fn run(params: CloudVolumeParams, work: &Workload, commands: u64) -> Report {
    let mut disk = Params::CloudVolume(params).build(Bytes(64 * GIB), 1).unwrap();
    closed_loop(disk.as_mut(), work, Until::Commands(commands))
}

#[test]
fn a_long_command_counts_for_as_many_as_it_has_units() {
    let mut params = gp3();
    params.baseline_bytes_per_s = 100_000_000_000;
    params.burst_bytes_per_s = 100_000_000_000;
    let work = Workload {
        ramp_commands: 200,
        ..Workload::reads(Order::Random, Bytes(1 << 20), 32, Bytes(64 * GIB))
    };
    // 3000 I/Os of 256 KiB are 750 commands of 1 MiB.
    let iops = run(params, &work, 3_000).iops;
    assert!((740.0..760.0).contains(&iops), "{iops}");
}

#[test]
fn small_commands_in_a_row_that_wait_together_are_merged() {
    let of = |order| {
        let work =
            Workload { ramp_commands: 1_000, ..Workload::writes(order, Bytes(4096), 64, Bytes(64 * GIB)) };
        run(gp3(), &work, 20_000).iops
    };
    assert!(of(Order::Sequential) > 10_000.0, "{}", of(Order::Sequential));
    assert!(of(Order::Random) < 3_100.0, "{}", of(Order::Random));
}

#[test]
fn one_at_a_time_a_volume_shows_its_latency_and_its_tail() {
    let work = Workload::reads(Order::Random, Bytes(4096), 1, Bytes(64 * GIB));
    let params = gp3();
    let report = run(params.clone(), &work, 50_000);
    let quantile = |q: f64| report.reads.quantile(q).unwrap().0 as f64 / 1e3;
    let expected = |z: f64| params.read_latency_median_us * (z * params.latency_sigma).exp();
    // The histogram's buckets are within 3.2 % of the truth.
    for (q, z) in [(0.5, 0.0), (0.9, 1.2816), (0.99, 2.3263)] {
        assert!(
            (quantile(q) / expected(z) - 1.0).abs() < 0.06,
            "{q}: {} µs, {} µs",
            quantile(q),
            expected(z)
        );
    }
    // "Single-digit millisecond".
    assert!(quantile(0.5) < 10_000.0 && quantile(0.999) < 10_000.0);
}

#[test]
fn credits_are_spent_and_earned_by_the_rules_of_gp2() {
    let Some(Params::CloudVolume(mut params)) = Params::named("aws-ebs-gp2") else { panic!("no gp2") };
    // A twentieth of the documented credits, so as not to simulate half an hour.
    params.burst_credit_ios /= 20.0;
    let mut disk = Params::CloudVolume(params).build(Bytes(100 * GIB), 1).unwrap();
    let work = Workload::reads(Order::Random, Bytes(4096), 32, Bytes(100 * GIB));
    let mut now = Nanos(0);
    let mut iops_over = |pause_s: u64, seconds: u64| {
        let from = Nanos(now.0 + pause_s * 1_000_000_000);
        let time = Nanos(seconds * 1_000_000_000);
        let report = closed_loop_from(disk.as_mut(), from, &work, Until::Elapsed(time));
        now = Nanos(from.0 + report.elapsed.0);
        let mut done = Vec::new();
        while disk.in_flight() > 0 {
            now = disk.next_event().unwrap();
            disk.advance(now, &mut done);
        }
        report.iops
    };
    // 100 GiB earn 300 a second. 270,000 credits last for 270,000 / (3000 - 300) = 100 s.
    assert!((2_950.0..3_050.0).contains(&iops_over(0, 95)), "within the burst");
    iops_over(0, 10);
    assert!((290.0..310.0).contains(&iops_over(0, 20)), "after it");
    // 90 idle seconds earn 27,000: ten seconds of burst.
    assert!((2_900.0..3_050.0).contains(&iops_over(90, 9)), "after a rest");
}
