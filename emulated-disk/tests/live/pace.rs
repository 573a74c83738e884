//! Answers come when the model's disk has them. Bounds are wide, because machines that run tests are busy.

use crate::bench::{Bench, Test, fio, fio_results, spec};
use block_types::Nanos;
use libtest_mimic::Failed;

pub(crate) const TRIALS: &[Test] = &[
    ("the_median_is_the_models", the_median_is_the_models),
    ("requests_are_in_flight_together", requests_are_in_flight_together),
];

fn the_median_is_the_models() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let service = Nanos::from_millis(5);
    let disk = bench.attach(&spec(service))?;
    let options = ["--rw=randread", "--bs=4k", "--iodepth=4", "--time_based", "--runtime=1"];
    let found = fio_results(fio(disk.path(), &options))?;
    let median = found["read"]["clat_ns"]["percentile"]["50.000000"].as_f64().ok_or("no median")?;
    let ratio = median / service.0 as f64;
    assert!((0.85..1.15).contains(&ratio), "the median is {} µs", median / 1000.0);
    let stats = disk.stats()?;
    let late = stats.lateness.quantile(0.5).ok_or("no lateness")?;
    assert!(late.0 < service.0 / 10, "half of the answers leave {late} late");
    Ok(())
}

fn requests_are_in_flight_together() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let disk = bench.attach(&spec(Nanos::from_millis(20)))?;
    for (rw, pieces) in [("randread", 32.0), ("randwrite", 32.0)] {
        let mode = format!("--rw={rw}");
        let options = [&mode, "--bs=4k", "--iodepth=32", "--time_based", "--runtime=1"];
        let found = fio_results(fio(disk.path(), &options))?;
        let side = if rw == "randread" { "read" } else { "write" };
        let iops = found[side]["iops"].as_f64().ok_or("no iops")?;
        // One at a time would be 50.
        assert!(iops > 50.0 * pieces * 0.6, "{rw}: {iops} IOPS");
    }
    Ok(())
}
