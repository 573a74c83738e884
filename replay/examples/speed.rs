//! What a simulated I/O costs: `cargo run --release -p replay --example speed`.

use block_types::{Bytes, Elevator, Knob, KnobValue, Settings};
use disk_model::Params;
use replay::{Config, Host, Job, Jobs, Order, Run, Until, simulate};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let capacity = Bytes(16 << 30);
    println!(
        "{:<12} {:<14} {:>5} {:>10} {:>12} {:>10}",
        "scheduler", "disk", "depth", "I/Os", "million/s", "ns each"
    );
    for elevator in Elevator::ALL {
        for (name, depth, share) in
            [("instant", 4, 1.0), ("hdd-7200", 4, 1.0), ("hdd-7200", 4, 0.7), ("hdd-7200", 32, 1.0)]
        {
            for ios in [10_000, 300_000] {
                let params = Params::named(name).ok_or("no such disk")?;
                let host = Host::new(params.traits(), capacity).with_queue_depth(depth);
                let mut settings = Settings::new();
                settings.set(Knob::Scheduler, KnobValue::Elevator(elevator));
                if elevator != Elevator::None {
                    settings.set(Knob::NrRequests, KnobValue::Number(256));
                }
                let config = Config::new(host, &settings)?;
                let job = Job { read_share: share, ..Job::reads(Order::Random, Bytes(4096), 64, capacity) };
                let mut disk = params.build(capacity, 1)?;
                let start = Instant::now();
                let run = Run { until: Until::Bios(ios), ..Run::to_the_end() };
                let report = simulate(&config, disk.as_mut(), &mut Jobs::new([job]), &run);
                let ns = start.elapsed().as_nanos() as f64 / report.data().bios as f64;
                println!(
                    "{:<12} {name:<14} {depth:>5} {share:>6} {ios:>10} {:>12.2} {ns:>10.0}  ({:.0} IOPS simulated)",
                    elevator.name(),
                    1e3 / ns,
                    report.iops()
                );
            }
        }
    }
    Ok(())
}
