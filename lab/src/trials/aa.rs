//! Campaigns whose candidates are all the incumbent in effect: what they promote is a false promotion.

use super::guard::{readers, share_out};
use super::subject::{Subject, shortened};
use crate::Context;
use crate::bench::report::Report;
use anyhow::Result;
use block_types::{Bytes, Knob};
use clap::Args;
use emulated_disk::{Model, Spec};
use serde::Serialize;
use trials::{Arm, Campaign, CampaignConfig, CampaignEnd, Objective, TrialConfig};

/// Options of this measurement.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Campaigns
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub campaigns: u32,
    /// Candidates of each
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub candidates: u32,
    /// Emulated disks at once
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub disks: u32,
    /// Length of a slice, ms
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(100..=60_000))]
    pub slice_ms: u64,
    /// Settling before it, ms
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(0..=60_000))]
    pub settle_ms: u64,
    /// Seed of the campaigns and of the emulated disks
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// One campaign.
#[derive(Clone, Debug, Serialize)]
struct Row {
    seed: u64,
    promoted: bool,
    nominees: usize,
    pairs: u32,
    slices: u32,
    aborts: u32,
}

/// Runs the measurement.
///
/// # Errors
///
/// Where no disk can be emulated, without fio, or on an interrupt.
pub fn run(context: &Context, options: &Options) -> Result<Report> {
    let rows: Vec<Row> = share_out(options.disks, options.campaigns, options.seed, |seed, count| {
        some(context, options, seed, count)
    })?
    .into_iter()
    .flatten()
    .collect();
    let promoted = rows.iter().filter(|row| row.promoted).count();
    let mut report =
        Report::new("Campaigns of settings that are the incumbent in effect, on emulated disks under load");
    report.table(
        "Campaigns",
        &["seed", "promoted", "nominees tried", "pairs of their trials", "slices", "taken back"],
        rows.iter().map(|row| {
            [
                row.seed.to_string(),
                if row.promoted { "yes" } else { "no" }.to_owned(),
                row.nominees.to_string(),
                row.pairs.to_string(),
                row.slices.to_string(),
                row.aborts.to_string(),
            ]
        }),
    );
    // At α = 5 % more than three of twenty have a probability below 2 %.
    let most = 3 * rows.len().div_ceil(20);
    report.verdict(
        "false promotions",
        format_args!("≤ {most} in {} campaigns", rows.len()),
        promoted,
        promoted <= most && rows.len() as u32 >= options.campaigns,
    );
    report.note(format!(
        "emulated hdd-7200 with a queue of 4, 4 random readers each, {} disks at once; {} candidates that set front_merges \
         to 0, which does nothing to single pages; slices of {} ms after {} ms of settling, shorter than the \
         specification's 4 s after 2 s and 500 completions",
        options.disks, options.candidates, options.slice_ms, options.settle_ms
    ));
    report.fact("rows", &rows);
    report.fact("seed", options.seed);
    Ok(report)
}

fn some(context: &Context, options: &Options, seed: u64, count: u32) -> Result<Vec<Row>> {
    let mut spec = Spec::new(Model::named("hdd-7200")?, Bytes(8 << 30));
    spec.queue_depth = Some(4);
    spec.seed = seed;
    let config = shortened(options.slice_ms, options.settle_ms);
    let mut subject = Subject::emulated(&spec, [readers(seed)], config)?;
    subject.await_load(context)?;
    let control = subject.control();
    for _ in 0..3 {
        subject.slice(context, Arm::Control, &control)?;
    }
    let mut rows = Vec::new();
    for number in 0..count {
        let row = one(context, options, &mut subject, seed * 1_000 + u64::from(number))?;
        context.say(&format!("disk {seed}: {row:?}"));
        rows.push(row);
    }
    subject.end()?;
    Ok(rows)
}

fn one(context: &Context, options: &Options, subject: &mut Subject, seed: u64) -> Result<Row> {
    let trial = TrialConfig { objective: Objective::Latency, ..TrialConfig::default() };
    let config = CampaignConfig { trial, ..CampaignConfig::default() };
    let mut campaign = Campaign::new(config, options.candidates, seed)?;
    let (control, child) = (subject.control(), subject.with(&[(Knob::FrontMerges, 0)]));
    let (mut slices, mut aborts) = (0, 0);
    while let Some(due) = campaign.next() {
        let settings = if due.arm == Arm::Child { &child } else { &control };
        let end = subject.slice(context, due.arm, settings)?;
        slices += 1;
        aborts += u32::from(end.times.back.is_some());
        campaign.record(end.outcome)?;
    }
    let pairs =
        campaign.tried().iter().filter_map(|tried| tried.estimate).map(|estimate| estimate.pairs).sum();
    Ok(Row {
        seed,
        promoted: matches!(campaign.end(), Some(CampaignEnd::Promoted(_))),
        nominees: campaign.tried().len(),
        pairs,
        slices,
        aborts,
    })
}
