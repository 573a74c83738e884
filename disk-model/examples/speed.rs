//! What the models cost: ns per command, submitted and completed, at depths 1, 32 and 256.
//!
//! `cargo run --release -p disk-model --example speed`

use block_types::Bytes;
use disk_model::Params;
use disk_model::drive::{Order, Until, Workload, closed_loop};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let capacity = Bytes(16 << 30);
    println!("{:<26} {:>6} {:>12} {:>14}", "model, 4 KiB, 70 % reads", "depth", "ns/command", "virtual IOPS");
    for name in Params::NAMES {
        for depth in [1, 32, 256] {
            let mut disk = Params::named(name).ok_or("no such disk")?.build(capacity, 1)?;
            let work =
                Workload { read_share: 0.7, ..Workload::reads(Order::Random, Bytes(4096), depth, capacity) };
            let commands = if name == "hdd-7200" { 20_000 } else { 1_000_000 };
            let start = Instant::now();
            let report = closed_loop(disk.as_mut(), &work, Until::Commands(commands));
            let ns = start.elapsed().as_nanos() as f64 / report.commands as f64;
            println!("{name:<26} {depth:>6} {ns:>12.0} {:>14.0}", report.iops);
        }
    }
    Ok(())
}
