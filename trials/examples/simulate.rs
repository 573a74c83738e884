//! Trials under noise whose truth is known: false promotions, power, coverage, false aborts.
//!
//! `cargo run --release -p trials --example simulate` prints tables; `--json` one object with the seed in it.
//! `--only` picks parts; `--scale 0.1` runs a tenth of everything.

use anyhow::Result;
use clap::{Parser, ValueEnum};
use comfy_table::{Table, presets::ASCII_MARKDOWN};
use serde_json::{Value, json};
use statrs::distribution::{Beta, ContinuousCDF};
use trials::simulation::{
    GuardedLoad, NoiseKind, TailLoad, campaigns, guarded, tails, trials as single_trials,
};
use trials::{CampaignConfig, GuardConfig, TrialConfig};

#[derive(Parser)]
#[command(about = "Simulate campaigns, trials and guarded slices whose truth is known")]
struct Args {
    /// The seed of everything.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How much of the full size to run.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Parts to run; all of them by default.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Section>,
    /// One JSON object instead of tables.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Section {
    /// False promotions where nothing differs.
    Null,
    /// Campaigns with one better candidate of twelve, against its effect.
    Power,
    /// Trials of the tail, against its effect.
    Tail,
    /// Coverage of the limits at stopping, and what `ab` finds.
    Coverage,
    /// Aborts of identical and of harmful settings.
    Guard,
}

/// The one-sided 95 % upper limit of a share (Clopper and Pearson).
fn upper_limit(hits: u64, of: u64) -> Result<f64> {
    if hits >= of {
        return Ok(1.0);
    }
    Ok(Beta::new(hits as f64 + 1.0, (of - hits) as f64)?.inverse_cdf(0.95))
}

/// The one-sided 95 % lower limit of a share.
fn lower_limit(hits: u64, of: u64) -> Result<f64> {
    Ok(1.0 - upper_limit(of - hits, of)?)
}

/// The median over all runs, those that never found anything last; `None` where these are half or more.
fn median(found: &[u64], of: u64) -> Option<u64> {
    let mut sorted = found.to_vec();
    sorted.sort_unstable();
    sorted.get(usize::try_from((of.saturating_sub(1)) / 2).ok()?).copied()
}

fn per_cent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn or_never(slices: Option<u64>) -> String {
    slices.map_or_else(|| "> cap".to_owned(), |slices| slices.to_string())
}

struct Report {
    json: bool,
    sections: serde_json::Map<String, Value>,
}

impl Report {
    fn add(&mut self, title: &str, header: &[&str], rows: Vec<Vec<String>>, values: Vec<Value>) {
        if !self.json {
            let mut table = Table::new();
            table.load_preset(ASCII_MARKDOWN).set_header(header);
            table.add_rows(rows);
            println!("{title}\n{table}\n");
        }
        self.sections.insert(title.to_owned(), Value::Array(values));
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut report = Report { json: args.json, sections: serde_json::Map::new() };
    let size = |full: u64| ((full as f64 * args.scale) as u64).max(1);
    let wanted = |section: Section| args.only.is_empty() || args.only.contains(&section);
    if wanted(Section::Null) {
        null(&mut report, size(5_000), args.seed)?;
    }
    if wanted(Section::Power) {
        power(&mut report, size(500), args.seed)?;
    }
    if wanted(Section::Tail) {
        tail(&mut report, size(300), args.seed)?;
    }
    if wanted(Section::Coverage) {
        coverage(&mut report, size(2_000), args.seed)?;
    }
    if wanted(Section::Guard) {
        guard(&mut report, size(20_000), args.seed)?;
    }
    if args.json {
        println!("{}", json!({ "seed": args.seed, "scale": args.scale, "sections": report.sections }));
    }
    Ok(())
}

fn null(report: &mut Report, count: u64, seed: u64) -> Result<()> {
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for kind in NoiseKind::ALL {
        let tally = campaigns(kind, 0.0, count, CampaignConfig::default(), seed)?;
        let share = tally.false_promotions as f64 / count as f64;
        let upper = upper_limit(tally.false_promotions, count)?;
        rows.push(vec![
            kind.to_string(),
            format!("{} of {count}", tally.false_promotions),
            per_cent(share),
            per_cent(upper),
        ]);
        values.push(json!({ "noise": kind, "campaigns": count, "false_promotions": tally.false_promotions,
            "share": share, "upper_limit_95": upper }));
    }
    report.add("false promotions a campaign", &["noise", "found", "share", "upper limit 95 %"], rows, values);
    Ok(())
}

fn power(report: &mut Report, count: u64, seed: u64) -> Result<()> {
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for kind in NoiseKind::ALL {
        for per_cent_better in [2.0_f64, 5.0, 10.0, 20.0, 50.0] {
            let effect = (per_cent_better / 100.0).ln_1p();
            let tally = campaigns(kind, effect, count, CampaignConfig::default(), seed)?;
            let slices = median(&tally.confirming_slices, tally.right);
            let alone = single_trials(kind, effect, count, TrialConfig::default(), seed)?;
            let slices_alone = median(&alone.slices_to_better, alone.trials);
            let share = tally.right as f64 / count as f64;
            rows.push(vec![
                kind.to_string(),
                format!("+{per_cent_better} %"),
                per_cent(share),
                or_never(slices),
                per_cent(alone.better as f64 / count as f64),
                or_never(slices_alone),
            ]);
            values.push(json!({ "noise": kind, "gain": per_cent_better / 100.0, "campaigns": count,
                "promoted": share, "median_confirming_slices": slices, "false_promotions": tally.false_promotions,
                "alone_better": alone.better, "alone_median_slices": slices_alone }));
        }
    }
    let header = ["noise", "gain", "promoted", "confirming slices", "found alone", "slices alone"];
    report.add("power: one better candidate of twelve, and the same alone", &header, rows, values);
    Ok(())
}

fn tail(report: &mut Report, count: u64, seed: u64) -> Result<()> {
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for kind in [NoiseKind::Drifting, NoiseKind::Stalled] {
        for reads in [100, 600] {
            for slow_factor in [1.0, 0.9, 0.7, 0.5] {
                let load = TailLoad { reads, slow_share: 0.03, slow_factor };
                let tally = tails(kind, load, count, TrialConfig::default(), seed)?;
                let slices = median(&tally.slices_to_better, count);
                let share = tally.better as f64 / count as f64;
                rows.push(vec![
                    kind.to_string(),
                    reads.to_string(),
                    format!("×{slow_factor}"),
                    per_cent(share),
                    or_never(slices),
                ]);
                values.push(json!({ "noise": kind, "reads_a_slice": reads, "p99_factor": slow_factor,
                    "trials": count, "better": tally.better, "median_slices": slices }));
            }
        }
    }
    let header = ["noise", "reads a slice", "p99", "found better", "slices"];
    report.add("tail: p99 of reads", &header, rows, values);
    Ok(())
}

fn coverage(report: &mut Report, count: u64, seed: u64) -> Result<()> {
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for kind in NoiseKind::ALL {
        for gain in [0.0_f64, 0.05, 0.10, 0.30] {
            let tally = single_trials(kind, gain.ln_1p(), count, TrialConfig::default(), seed)?;
            let share = tally.covered as f64 / count as f64;
            let lower = lower_limit(tally.covered, count)?;
            rows.push(vec![
                kind.to_string(),
                format!("+{:.0} %", gain * 100.0),
                per_cent(share),
                per_cent(lower),
                per_cent(tally.with_limits as f64 / count as f64),
                format!("{}/{}/{}", tally.better, tally.worse, tally.no_difference),
            ]);
            values.push(json!({ "noise": kind, "gain": gain, "trials": count, "covered": tally.covered,
                "lower_limit_95": lower, "with_limits": tally.with_limits, "better": tally.better,
                "worse": tally.worse, "no_difference": tally.no_difference }));
        }
    }
    let header =
        ["noise", "gain", "covered", "lower limit 95 %", "both limits", "better/worse/no difference"];
    report.add("coverage of the 95 % limits at stopping", &header, rows, values);
    Ok(())
}

fn guard(report: &mut Report, count: u64, seed: u64) -> Result<()> {
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    let disks = [
        GuardedLoad { iops: 150, median_s: 5e-3, spread: 0.8, slower: 1.0 },
        GuardedLoad { iops: 50_000, median_s: 1e-4, spread: 0.8, slower: 1.0 },
    ];
    for disk in disks {
        for kind in NoiseKind::ALL {
            for slower in [1.0, 1.5, 2.0, 4.0, 10.0] {
                let count = if slower > 1.0 { (count / 10).max(1) } else { count };
                let load = GuardedLoad { slower, ..disk };
                let tally = guarded(kind, load, count, GuardConfig::default(), seed)?;
                let upper = upper_limit(tally.aborts, count)?;
                rows.push(vec![
                    disk.iops.to_string(),
                    kind.to_string(),
                    format!("×{slower}"),
                    per_cent(tally.aborts as f64 / count as f64),
                    if slower > 1.0 { String::new() } else { per_cent(upper) },
                    per_cent(tally.within_1_s as f64 / count as f64),
                    format!("{:.2}", tally.seconds / tally.aborts.max(1) as f64),
                ]);
                values.push(json!({ "iops": disk.iops, "noise": kind, "slower": slower, "slices": count,
                    "aborts": tally.aborts, "latency_aborts": tally.latency_aborts, "upper_limit_95": upper,
                    "within_1_s": tally.within_1_s, "seconds_in_force": tally.seconds }));
            }
        }
    }
    let header =
        ["IOPS", "noise", "latency", "aborted", "upper limit 95 %", "within 1 s", "s until aborted, mean"];
    report.add("guard: aborted slices of a child", &header, rows, values);
    Ok(())
}
