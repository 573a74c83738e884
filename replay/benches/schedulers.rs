//! What a simulated I/O costs, by scheduler: `cargo bench -p replay`.
//!
//! 64 I/Os of 4 KiB are outstanding, all over the disk. A disk that takes no time shows the block layer's own cost.

use block_types::{Bytes, Elevator, Knob, KnobValue, Settings};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use disk_model::Params;
use replay::{Config, Host, Job, Jobs, Order, Run, Until, simulate};

const CAPACITY: Bytes = Bytes(16 << 30);

/// Simulates `ios` I/Os, and answers how many were done.
fn run(name: &str, depth: u32, elevator: Elevator, read_share: f64, ios: u64) -> u64 {
    let Some(params) = Params::named(name) else { return 0 };
    let host = Host::new(params.traits(), CAPACITY).with_queue_depth(depth);
    let mut settings = Settings::new();
    settings.set(Knob::Scheduler, KnobValue::Elevator(elevator));
    if elevator != Elevator::None {
        settings.set(Knob::NrRequests, KnobValue::Number(256));
    }
    let (Ok(config), Ok(mut disk)) = (Config::new(host, &settings), params.build(CAPACITY, 1)) else {
        return 0;
    };
    let job = Job { read_share, ..Job::reads(Order::Random, Bytes(4096), 64, CAPACITY) };
    let run = Run { until: Until::Bios(ios), ..Run::to_the_end() };
    simulate(&config, disk.as_mut(), &mut Jobs::new([job]), &run).data().bios
}

fn schedulers(criterion: &mut Criterion) {
    const IOS: u64 = 50_000;
    for (disk, depth, read_share, work) in [
        ("instant", 4, 1.0, "reads, no disk"),
        ("hdd-7200", 4, 1.0, "reads, hdd-7200 with 4 commands"),
        ("hdd-7200", 4, 0.7, "70 % reads, hdd-7200 with 4 commands"),
        ("hdd-7200", 32, 1.0, "reads, hdd-7200 with 32 commands"),
    ] {
        let mut group = criterion.benchmark_group(work);
        group.throughput(Throughput::Elements(IOS)).sample_size(10);
        for elevator in Elevator::ALL {
            group.bench_function(BenchmarkId::from_parameter(elevator), |bencher| {
                bencher.iter_batched(
                    || (),
                    |()| run(disk, depth, elevator, read_share, IOS),
                    BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
}

/// The cost of an I/O must not depend on how many there are.
fn lengths(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mq-deadline, reads, hdd-7200 with 4 commands, by length");
    group.sample_size(10);
    for ios in [10_000, 100_000, 1_000_000, 10_000_000] {
        group.throughput(Throughput::Elements(ios));
        group.bench_function(BenchmarkId::from_parameter(ios), |bencher| {
            bencher.iter(|| run("hdd-7200", 4, Elevator::MqDeadline, 1.0, ios));
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    schedulers(&mut criterion);
    lengths(&mut criterion);
    criterion.final_summary();
}
