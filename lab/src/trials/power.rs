//! What a trial is worth, simulated: false promotions, power, coverage and false aborts under noise whose truth is known.
//!
//! Everything is in virtual time and deterministic under the seed; no device is touched.

use crate::Context;
use crate::bench::report::Report;
use anyhow::Result;
use clap::Args;
use results::chart::{Axis, Scale, Series, TimeChart, Trace};
use serde_json::json;
use statrs::distribution::{Beta, ContinuousCDF};
use trials::simulation::{
    GuardedLoad, NoiseKind, TailLoad, campaigns, guarded, tails, trials as single_trials,
};
use trials::{CampaignConfig, GuardConfig, TrialConfig};

/// Options of this measurement.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The seed of everything
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Campaigns of each kind of noise in which nothing differs; the other counts follow it
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(20..=1_000_000))]
    pub campaigns: u64,
}

/// The gains, per cent, at which power is looked at.
const GAINS: [f64; 6] = [2.0, 5.0, 10.0, 15.0, 20.0, 50.0];
/// Of those, the one with a bound on the slices it takes.
const GAIN_WITH_BOUND: f64 = 10.0;

/// Runs the measurement.
///
/// # Errors
///
/// Where it is interrupted.
pub fn run(context: &Context, options: &Options) -> Result<Report> {
    let mut report = Report::new("What trials find, and what they take for a gain that is none (simulated)");
    let parts: [(&str, Part); 5] = [
        ("false promotions", null),
        ("power", power),
        ("the tail", tail),
        ("coverage", coverage),
        ("the guard", guard),
    ];
    for (name, part) in parts {
        context.interrupt.check()?;
        context.say(name);
        part(&mut report, options)?;
    }
    report.fact("seed", options.seed);
    report.note(
        "simulated noise: no kernel and no device; the limits are one-sided, of Clopper and Pearson, 95 %",
    );
    report.note(
        "gaussian and heavy-tailed (Student's t, 3 degrees of freedom): independent slices, SD 10 %; drifting: a first-order \
         autoregressive drift (0.9, SD 15 %) and 6 % of each slice; stalled: that, and one slice in 20 keeps only 5 to 50 % \
         of its score",
    );
    Ok(report)
}

type Part = fn(&mut Report, &Options) -> Result<()>;

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
    sorted.get(usize::try_from(of.saturating_sub(1) / 2).ok()?).copied()
}

fn per_cent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn or_never(slices: Option<u64>) -> String {
    slices.map_or_else(|| "> cap".to_owned(), |slices| slices.to_string())
}

fn null(report: &mut Report, options: &Options) -> Result<()> {
    let (mut rows, mut values, mut worst) = (Vec::new(), Vec::new(), 0.0_f64);
    let count = options.campaigns;
    for kind in NoiseKind::ALL {
        let tally = campaigns(kind, 0.0, count, CampaignConfig::default(), options.seed)?;
        let share = tally.false_promotions as f64 / count as f64;
        let upper = upper_limit(tally.false_promotions, count)?;
        worst = worst.max(upper);
        rows.push([
            kind.to_string(),
            format!("{} of {count}", tally.false_promotions),
            per_cent(share),
            per_cent(upper),
        ]);
        values.push(json!({ "noise": kind, "campaigns": count, "false_promotions": tally.false_promotions,
            "share": share, "upper_limit_95": upper }));
    }
    let columns = ["noise", "promoted", "share", "upper limit 95 %"];
    report.table("Campaigns of 12 candidates that are all alike", &columns, rows);
    report.fact("false_promotions", values);
    report.verdict("false promotions a campaign, upper limit", "≤ 5 %", per_cent(worst), worst <= 0.05);
    Ok(())
}

fn power(report: &mut Report, options: &Options) -> Result<()> {
    let (mut rows, mut values, mut series) = (Vec::new(), Vec::new(), Vec::new());
    let count = (options.campaigns / 10).max(1);
    let mut slowest = Some(0);
    for kind in NoiseKind::ALL {
        let mut points = Vec::new();
        for gain in GAINS {
            let effect = (gain / 100.0).ln_1p();
            let tally = campaigns(kind, effect, count, CampaignConfig::default(), options.seed)?;
            let slices = median(&tally.confirming_slices, tally.right);
            let alone = single_trials(kind, effect, count, TrialConfig::default(), options.seed)?;
            let slices_alone = median(&alone.slices_to_better, alone.trials);
            let share = tally.right as f64 / count as f64;
            if gain.to_bits() == GAIN_WITH_BOUND.to_bits() {
                slowest = slowest.zip(slices_alone).map(|(so_far, slices)| so_far.max(slices));
            }
            points.push((gain, share * 100.0));
            rows.push([
                kind.to_string(),
                format!("+{gain} %"),
                per_cent(share),
                or_never(slices),
                per_cent(alone.better as f64 / count as f64),
                or_never(slices_alone),
            ]);
            values.push(json!({ "noise": kind, "gain": gain / 100.0, "campaigns": count, "promoted": share,
                "median_confirming_slices": slices, "false_promotions": tally.false_promotions,
                "alone_better": alone.better, "alone_median_slices": slices_alone }));
        }
        series.push(Series { name: kind.to_string(), trace: Trace::Line, points });
    }
    let columns = ["noise", "gain", "promoted", "slices to confirm", "found alone", "slices alone"];
    report.table(
        "One better candidate of twelve (48 slices of race before), and the same alone",
        &columns,
        rows,
    );
    report.fact("power", values);
    let met = slowest.is_some_and(|slices| slices <= 40);
    report.verdict("slices to confirm +10 %, median, worst noise", "≤ 40", or_never(slowest), met);
    let chart = TimeChart {
        title: "How often a campaign promotes the one better candidate of twelve".to_owned(),
        subtitle: format!("{count} simulated campaigns a point; seed {}", options.seed),
        time_label: "true gain".to_owned(),
        time_unit: "%".to_owned(),
        value: Axis::new("promoted", "%", Scale::Linear),
        series,
        spans: Vec::new(),
        notes: vec!["simulated noise, see the table".to_owned()],
    };
    report.figure("power", chart.figure()?);
    Ok(())
}

fn tail(report: &mut Report, options: &Options) -> Result<()> {
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    let count = (options.campaigns / 16).max(1);
    let mut slowest = Some(0);
    for kind in [NoiseKind::Drifting, NoiseKind::Stalled] {
        for reads in [100, 600] {
            for slow_factor in [1.0, 0.9, 0.7, 0.5] {
                let load = TailLoad { reads, slow_share: 0.03, slow_factor };
                let tally = tails(kind, load, count, TrialConfig::default(), options.seed)?;
                let slices = median(&tally.slices_to_better, count);
                if slow_factor <= 0.5 && kind == NoiseKind::Drifting {
                    slowest = slowest.zip(slices).map(|(so_far, slices)| so_far.max(slices));
                }
                rows.push([
                    kind.to_string(),
                    reads.to_string(),
                    format!("×{slow_factor}"),
                    per_cent(tally.better as f64 / count as f64),
                    or_never(slices),
                ]);
                values.push(json!({ "noise": kind, "reads_a_slice": reads, "p99_factor": slow_factor,
                    "trials": count, "better": tally.better, "median_slices": slices }));
            }
        }
    }
    let columns = ["noise", "reads a slice", "p99", "found better", "slices"];
    report.table("The p99 of reads: 3 % of them wait, and the child changes their wait", &columns, rows);
    report.fact("tail", values);
    let met = slowest.is_some_and(|slices| slices <= 24);
    report.verdict("slices to confirm a halved p99, median, drifting", "≤ 24", or_never(slowest), met);
    Ok(())
}

fn coverage(report: &mut Report, options: &Options) -> Result<()> {
    let (mut rows, mut values, mut least) = (Vec::new(), Vec::new(), 1.0_f64);
    let count = (options.campaigns * 2 / 5).max(1);
    for kind in NoiseKind::ALL {
        for gain in [0.0_f64, 0.05, 0.10, 0.30] {
            let tally = single_trials(kind, gain.ln_1p(), count, TrialConfig::default(), options.seed)?;
            let share = tally.covered as f64 / count as f64;
            least = least.min(share);
            rows.push([
                kind.to_string(),
                format!("+{:.0} %", gain * 100.0),
                per_cent(share),
                per_cent(lower_limit(tally.covered, count)?),
                per_cent(tally.with_limits as f64 / count as f64),
                format!("{}/{}/{}", tally.better, tally.worse, tally.no_difference),
            ]);
            values.push(json!({ "noise": kind, "gain": gain, "trials": count, "covered": tally.covered,
                "with_limits": tally.with_limits, "better": tally.better, "worse": tally.worse,
                "no_difference": tally.no_difference }));
        }
    }
    let columns =
        ["noise", "gain", "covered", "lower limit 95 %", "both limits", "better/worse/no difference"];
    report.table("Does the 95 % interval hold the truth when the trial stops?", &columns, rows);
    report.fact("coverage", values);
    report.verdict("coverage at stopping, worst", "≥ 94 %", per_cent(least), least >= 0.94);
    Ok(())
}

fn guard(report: &mut Report, options: &Options) -> Result<()> {
    let (mut rows, mut values, mut worst) = (Vec::new(), Vec::new(), 0.0_f64);
    let disks = [
        GuardedLoad { iops: 150, median_s: 5e-3, spread: 0.8, slower: 1.0 },
        GuardedLoad { iops: 50_000, median_s: 1e-4, spread: 0.8, slower: 1.0 },
    ];
    for disk in disks {
        for kind in NoiseKind::ALL {
            for slower in [1.0, 1.5, 2.0, 4.0, 10.0] {
                let harmless = slower <= 1.0;
                let count = (if harmless { options.campaigns * 4 } else { options.campaigns * 2 / 5 }).max(1);
                let load = GuardedLoad { slower, ..disk };
                let tally = guarded(kind, load, count, GuardConfig::default(), options.seed)?;
                let share = tally.aborts as f64 / count as f64;
                if harmless && kind != NoiseKind::Stalled {
                    worst = worst.max(share);
                }
                rows.push([
                    disk.iops.to_string(),
                    kind.to_string(),
                    format!("×{slower}"),
                    per_cent(share),
                    if harmless { per_cent(upper_limit(tally.aborts, count)?) } else { String::new() },
                    per_cent(tally.within_1_s as f64 / count as f64),
                    format!("{:.2}", tally.seconds / tally.aborts.max(1) as f64),
                ]);
                values.push(json!({ "iops": disk.iops, "noise": kind, "slower": slower, "slices": count,
                    "aborts": tally.aborts, "latency_aborts": tally.latency_aborts,
                    "within_1_s": tally.within_1_s, "seconds_in_force": tally.seconds }));
            }
        }
    }
    let columns =
        ["IOPS", "noise", "latency", "aborted", "upper limit 95 %", "within 1 s", "s until aborted, mean"];
    report.table("Slices of a child that the guard ends", &columns, rows);
    report.fact("guard", values);
    report.verdict("false aborts a slice, worst but stalled", "≤ 1 %", per_cent(worst), worst <= 0.01);
    report.note(
        "where one slice in 20 stalls on either side, the guard ends 1.5 % of the slices of an identical setting: a stall \
         that is longer than any it remembers looks like harm",
    );
    Ok(())
}
