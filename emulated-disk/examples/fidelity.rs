//! What an emulated disk costs, and how well it keeps time: the figures in the README.
//!
//! ```console
//! $ cargo build --release -p emulated-disk --bins --example fidelity
//! $ sudo target/release/examples/fidelity
//! ```
//!
//! Each row is one run of fio: random reads of 4 KiB by libaio with direct I/O. It takes a minute on a quiet machine,
//! and on a busy one measures what else is busy.

#[cfg(target_os = "linux")]
mod measure {
    use anyhow::{Context, Result, ensure};
    use block_types::{Bytes, Nanos};
    use comfy_table::{Table, presets};
    use disk_model::Params;
    use disk_model::drive::{Order, Until, Workload, closed_loop};
    use emulated_disk::{EmulatedDisk, Model, Spec, Stats};
    use serde_json::Value;
    use std::path::Path;
    use std::process::Command;

    const SIZE: Bytes = Bytes(1 << 30);
    const SECONDS: u32 = 4;

    /// What fio saw.
    struct Seen {
        iops: f64,
        mean: Nanos,
        median: Nanos,
        p99: Nanos,
    }

    fn fio(device: &Path, depth: u32) -> Result<Seen> {
        let output = Command::new("fio")
            .args(["--name=fidelity", "--rw=randread", "--bs=4k", "--direct=1", "--ioengine=libaio"])
            .args(["--time_based", "--ramp_time=1", "--lat_percentiles=1", "--output-format=json"])
            .args([format!("--runtime={SECONDS}"), format!("--iodepth={depth}")])
            .arg(format!("--filename={}", device.display()))
            .output()
            .context("cannot run fio")?;
        ensure!(output.status.success(), "fio: {}", String::from_utf8_lossy(&output.stderr));
        let found: Value = serde_json::from_slice(&output.stdout)?;
        let read = &found["jobs"][0]["read"];
        let number = |value: &Value| value.as_f64().context("fio left out a number");
        let time = |value: &Value| number(value).map(|ns| Nanos(ns as u64));
        Ok(Seen {
            iops: number(&read["iops"])?,
            mean: time(&read["lat_ns"]["mean"])?,
            median: time(&read["lat_ns"]["percentile"]["50.000000"])?,
            p99: time(&read["lat_ns"]["percentile"]["99.000000"])?,
        })
    }

    /// Time that all processors together were not idle since the boot.
    fn busy() -> Result<Nanos> {
        let text = std::fs::read_to_string("/proc/stat")?;
        let line = text.lines().next().context("/proc/stat is empty")?;
        let ticks: Vec<u64> = line.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
        // user, nice, system, idle, iowait, irq, softirq; the time of guests is in user already.
        let busy: u64 = [0, 1, 2, 5, 6].iter().filter_map(|index| ticks.get(*index)).sum();
        Ok(Nanos(busy * 1_000_000_000 / rustix::param::clock_ticks_per_second()))
    }

    /// What the model says by itself, on a host that takes no time: commands per second, and the median of their latencies.
    fn predicted(model: &Model, depth: u32) -> Result<(String, Option<Nanos>)> {
        match model {
            Model::Fixed(time) => Ok((format!("{:.0}", f64::from(depth) / time.as_secs_f64()), Some(*time))),
            Model::Disk { params: Params::Instant, .. } => Ok(("-".to_owned(), None)),
            Model::Disk { params, .. } => {
                let mut disk = params.build(SIZE, 0)?;
                let work = Workload::reads(Order::Random, Bytes(4096), depth, SIZE);
                let report = closed_loop(disk.as_mut(), &work, Until::Elapsed(Nanos(10 * Nanos::SECOND.0)));
                Ok((format!("{:.0}", report.iops), report.latencies().quantile(0.5)))
            }
        }
    }

    fn shown(time: Option<Nanos>) -> String {
        time.map_or_else(|| "-".to_owned(), |time| time.to_string())
    }

    fn row(disk: &EmulatedDisk, model: &Model, depth: u32) -> Result<Vec<String>> {
        let (predicted_iops, predicted_median) = predicted(model, depth)?;
        let (before, busy_before) = (disk.stats()?, busy()?);
        let seen = fio(disk.path(), depth)?;
        let (after, busy_after) = (disk.stats()?, busy()?);
        let since: Stats = after.since(&before).context("the disk is another one")?;
        let everything = (busy_after - busy_before).0.checked_div(since.commands()).map(Nanos);
        Ok(vec![
            model.name(),
            depth.to_string(),
            predicted_iops,
            shown(predicted_median),
            format!("{:.0}", seen.iops),
            seen.mean.to_string(),
            seen.median.to_string(),
            seen.p99.to_string(),
            shown(since.lateness.quantile(0.5)),
            shown(since.lateness.quantile(0.99)),
            shown(since.cpu_per_command()),
            shown(everything),
            Nanos(since.lead_ns).to_string(),
        ])
    }

    pub(crate) fn main() -> Result<()> {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN);
        table.set_header([
            "model",
            "depth",
            "model's IOPS",
            "median",
            "fio's IOPS",
            "mean",
            "median",
            "p99",
            "late, median",
            "p99",
            "server's CPU each",
            "all CPU each",
            "lead",
        ]);
        let wanted = [
            (Model::named("instant")?, vec![1, 32]),
            (Model::Fixed(Nanos(200_000)), vec![1, 8]),
            (Model::Fixed(Nanos::from_millis(1)), vec![1, 8]),
            (Model::Fixed(Nanos::from_millis(10)), vec![1, 8]),
            (Model::named("nvme")?, vec![1, 32]),
            (Model::named("sata-ssd")?, vec![1, 32]),
            (Model::named("hdd-7200")?, vec![1, 32]),
        ];
        for (model, depths) in wanted {
            let disk = EmulatedDisk::attach(&Spec::new(model.clone(), SIZE))?;
            for depth in depths {
                table.add_row(row(&disk, &model, depth)?);
            }
            disk.detach()?;
        }
        println!("{table}");
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn main() -> anyhow::Result<()> {
    measure::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("an emulated disk needs Linux");
}
