//! Draws a chart of every kind into a directory: `cargo run -p results --example gallery -- /tmp/gallery`.
//!
//! The figures are invented; they show the looks, good days and bad.

use results::chart::{
    Axis, ChartError, CompareChart, CompareRow, Emphasis, Measured, RangeChart, RangeRow, Scale, Series,
    Span, TimeChart, Trace,
};
use std::path::PathBuf;

mod search;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: gallery DIRECTORY")?);
    std::fs::create_dir_all(&dir)?;
    let mut figures = vec![
        ("sensitivity", sensitivity(rows()).figure()?),
        ("sensitivity-bad-day", sensitivity(bad_rows()).figure()?),
        ("sensitivity-one", sensitivity(rows().into_iter().take(1).collect()).figure()?),
        ("sensitivity-empty", sensitivity(vec![]).figure()?),
        ("model", comparison()?),
        ("timeline", timeline(1.0).figure()?),
        ("timeline-bad-day", timeline(f64::NAN).figure()?),
    ];
    figures.extend(search::figures()?);
    for (stem, figure) in figures {
        for path in figure.write(&dir, stem)? {
            println!("{}", path.display());
        }
    }
    Ok(())
}

fn row(label: &str, emphasis: Emphasis, low: f64, high: f64, bar: f64) -> RangeRow {
    let group = label.split(' ').next().unwrap_or_default().to_owned();
    RangeRow { label: label.to_owned(), group, emphasis, low: Some(low), high: Some(high), bar: Some(bar) }
}

fn rows() -> Vec<RangeRow> {
    use Emphasis::{Marked, Plain};
    vec![
        row("none", Plain, 210.0, 940.0, 141.0),
        row("none nr_requests=32", Plain, 96.0, 410.0, 139.0),
        row("mq-deadline", Marked, 38.0, 260.0, 128.0),
        row("mq-deadline fifo_batch=1", Plain, 24.0, 160.0, 97.0),
        row("mq-deadline fifo_batch=64", Plain, 71.0, 480.0, 137.0),
        row("mq-deadline read_expire=50", Plain, 29.0, 150.0, 108.0),
        row("mq-deadline writes_starved=8", Plain, 17.0, 120.0, 71.0),
        row("mq-deadline front_merges=0", Plain, 39.0, 258.0, 126.0),
        row("kyber", Plain, 120.0, 700.0, 138.0),
        row("kyber read_lat_nsec=500000", Plain, 80.0, 300.0, 118.0),
        row("kyber write_lat_nsec=1000000", Plain, 60.0, 280.0, 66.0),
        row("bfq", Plain, 14.2, 88.0, 64.0),
        row("bfq low_latency=0", Plain, 19.0, 92.0, 83.0),
        row("bfq slice_idle=0", Plain, 44.0, 330.0, 121.0),
        row("bfq strict_guarantees=1", Plain, 13.1, 85.0, 41.0),
        row("bfq max_budget=256", Plain, 12.0, 70.0, 22.0),
    ]
}

fn bad_rows() -> Vec<RangeRow> {
    let mut rows = rows();
    if let [one, two, three, four, ..] = rows.as_mut_slice() {
        (one.low, one.high) = (Some(f64::NAN), Some(f64::INFINITY));
        (two.low, two.bar) = (Some(0.0), None);
        three.high = None;
        (four.low, four.high) = (Some(55.0), Some(55.0));
    }
    rows.truncate(9);
    rows
}

fn sensitivity(rows: Vec<RangeRow>) -> RangeChart {
    RangeChart {
        title: "What each setting does to reads beside a writer".into(),
        subtitle:
            "Invented figures. Emulated disk: hdd, 7200 rpm; 4 KiB random reads at depth 1 beside 1 MiB \
                   sequential writes at depth 32, 60 s each"
                .into(),
        low_name: "mean".into(),
        high_name: "p99".into(),
        marked_name: "what the kernel chooses".into(),
        left: Axis::new("read latency", "ms", Scale::Log10),
        right: Axis::new("write rate", "MB/s", Scale::Linear),
        rows,
        notes: vec![],
    }
}

fn comparison() -> Result<results::chart::Figure, ChartError> {
    let rows = [
        ("random read 4 KiB, depth 1", 118.0, [117.2, 117.9, 116.8, 115.0]),
        ("random read 4 KiB, depth 32", 262.0, [241.0, 258.0, 247.0, 214.0]),
        ("random write 4 KiB, depth 32", 310.0, [305.0, 333.0, 301.0, 270.0]),
        ("sequential read 1 MiB, depth 8", 186.0, [185.4, 185.1, 184.9, 179.0]),
        ("sequential write 4 KiB, depth 1", 9_400.0, [8_800.0, 8_750.0, 8_790.0, 7_100.0]),
    ]
    .map(|(label, predicted, found)| CompareRow {
        label: label.into(),
        predicted: Some(predicted),
        measured: ["none", "mq-deadline", "kyber", "bfq"]
            .into_iter()
            .zip(found)
            .map(|(series, value)| Measured { series: series.into(), value: Some(value) })
            .collect(),
    });
    CompareChart {
        title: "The model and the emulated disk".into(),
        subtitle: "Invented figures. hdd, 7200 rpm, direct I/O".into(),
        predicted_name: "model".into(),
        axis: Axis::new("rate", "IOPS", Scale::Log10),
        rows: rows.to_vec(),
        notes: vec![],
    }
    .figure()
}

/// The latency of a reader while the work changes every 20 s; `gap` stands for what was measured in between.
fn timeline(gap: f64) -> TimeChart {
    let classes =
        ["read-random-small", "write-sequential-large", "read-random-small", "read-sequential-large"];
    let latency = |second: u32, tuned: bool| {
        let class = f64::from([38, 9, 38, 4][(second / 20) as usize % 4]);
        let learned = if tuned && second >= 8 { 1.0 - 0.4 * f64::from(second.min(40)) / 40.0 } else { 1.0 };
        let ripple = 1.0 + 0.15 * f64::from(second * 37 % 11) / 11.0;
        let gap = if (50..54).contains(&second) { gap } else { 1.0 };
        (f64::from(second), class * learned * ripple * gap)
    };
    let series = |name: &str, trace, tuned| Series {
        name: name.into(),
        trace,
        points: (0..80).map(|second| latency(second, tuned)).collect(),
    };
    TimeChart {
        title: "Latency while the work changes".into(),
        subtitle: "Invented figures. Emulated disk: hdd, 7200 rpm".into(),
        time_label: "time".into(),
        time_unit: "s".into(),
        value: Axis::new("mean latency of a window", "ms", Scale::Log10),
        series: vec![series("default", Trace::Steps, false), series("tuned", Trace::Line, true)],
        spans: (0..4)
            .map(|visit| Span {
                lane: classes[visit as usize].into(),
                from: f64::from(visit * 20),
                to: f64::from(visit * 20 + 20),
            })
            .collect(),
        notes: vec![],
    }
}
