//! The demo as root: the kernel's own schedulers before an emulated hard disk.

use super::check::{self, Checked};
use super::{NEXT, Options, chart, published};
use crate::Context;
use crate::bench::clock::monotonic;
use crate::bench::report::Report;
use crate::bench::sysfs::Queue;
use crate::bench::tunerd::{Stream, Tunerd, field};
use crate::convergence::live::{GENES, Supply, Victim, begin};
use crate::convergence::visit::{Scheduled, Visit, visits};
use crate::convergence::workloads::describe;
use anyhow::{Context as _, Result};
use block_types::Settings;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The two workloads: what suits one is poison for the other.
const WORKLOADS: [&str; 2] = ["sequential write", "random write"];
/// Shorter than the daemon's own 4 s after 2 s, with pauses of 1 min to 1 h, so that a campaign fits into a visit.
const PACE: [&str; 8] = ["--slice", "350ms", "--settle", "150ms", "--pause", "10s", "--pause-max", "30s"];
/// The knobs whose values are shown before and after, beside the genes.
const OTHERS: [&str; 4] = ["scheduler", "nr_requests", "max_sectors_kb", "wbt_lat_usec"];

fn values(victim: &Victim) -> BTreeMap<&'static str, String> {
    let queue = Queue::of(victim.name());
    GENES.iter().chain(&OTHERS).filter_map(|&knob| Some((knob, queue.read(knob).ok()?))).collect()
}

/// Runs the demo.
pub(super) fn run(context: &Context, options: &Options) -> Result<Report> {
    let began = Instant::now();
    let supply = Supply::hard_disk()?;
    context.say(&format!("Making {}", supply.describe()));
    let victim = supply.disk(options.seed)?;
    let before = values(&victim);
    let scratch =
        tempfile::Builder::new().prefix("tunerd-lab.").tempdir().context("cannot make a directory")?;
    let tunerd = Tunerd::find(context.tunerd.as_deref(), scratch.path())?;
    let seed = options.seed.to_string();
    let mut arguments =
        vec!["--mode", "tune", "--strategy", "confirmed", "--objective", "throughput", "--seed", &seed];
    arguments.extend(PACE);
    for gene in GENES {
        arguments.extend(["--knob", gene]);
    }
    let mut daemon = tunerd.run(victim.name(), &arguments)?;
    let mut events = vec![daemon.wait_for("started", Duration::from_secs(30), &context.interrupt)?];
    let originals: Settings = field(&events[0], "originals")?;
    let progress = Progress::new(context, options.visit * 4);
    let mut schedule = Vec::new();
    for pass in 0..2 {
        for workload in WORKLOADS {
            schedule.push(visit(
                context,
                options,
                &victim,
                (workload, pass),
                &mut daemon,
                &mut events,
                &progress,
            )?);
        }
    }
    progress.bar.finish_and_clear();
    events.extend(daemon.stop()?.into_iter().filter(|event| event["event"] != "window"));
    let visits = visits(&events, &schedule)?;
    let after = values(&victim);

    let default: Settings = originals.iter().filter(|setting| GENES.contains(&setting.knob.name())).collect();
    let mut checked = BTreeMap::new();
    for workload in WORKLOADS {
        let tuned =
            visits.iter().rfind(|visit| visit.workload == workload).and_then(|visit| visit.leaders.last());
        if let Some(tuned) = tuned.filter(|tuned| tuned.settings != default) {
            context.say(&format!("Checking what was found for {workload}, in pairs with the default"));
            checked.insert(workload, check::check(context, &victim, workload, &default, &tuned.settings)?);
        }
    }
    let directory = options.directory()?;
    let subtitle = format!("{}; confirmed, seed {}", supply.describe(), options.seed);
    let charts = chart::draw(&directory, &visits, &default, &subtitle)?;
    let device = victim.name().to_owned();
    victim.detach()?;

    let mut report = Report::new(&format!("tunerd on {}", supply.describe()));
    summary(&mut report, &visits, &default, &checked);
    published::add(&mut report);
    settings(&mut report, &before, &after);
    for workload in WORKLOADS {
        report.note(format!("{workload}: {}.", describe(workload)));
    }
    report.note(format!(
        "Strategy confirmed with slices of 350 ms after 150 ms and pauses of 10 s to 30 s, for the sake of this demo; the \
         daemon's own are 4 s after 2 s and 1 min to 1 h. Objective: throughput. /dev/{device} is gone again."
    ));
    for warning in events.iter().filter(|event| event["event"] == "warning") {
        report.note(format!("tunerd warned: {}", field::<String>(warning, "message")?));
    }
    let charts: Vec<String> = charts.iter().map(|path| path.display().to_string()).collect();
    report.note(format!("Charts, as SVG and PNG: {}", directory.display()));
    report.note(format!("The whole demo took {:.0} s.", began.elapsed().as_secs_f64()));
    report.note(NEXT);
    report.fact("checked", &checked);
    report.fact("visits", &visits);
    report.fact("charts", &charts);
    Ok(report)
}

/// One visit, and when it took place.
fn visit(
    context: &Context,
    options: &Options,
    victim: &Victim,
    (workload, pass): (&str, usize),
    daemon: &mut Stream,
    events: &mut Vec<Value>,
    progress: &Progress,
) -> Result<Scheduled> {
    let (mut running, first) = begin(context, workload, victim)?;
    progress.say(workload, pass);
    while monotonic() - first < Duration::from_secs(options.visit).into() {
        context.interrupt.sleep(Duration::from_millis(100))?;
        for event in daemon.arrived()? {
            if event["event"] != "window" {
                progress.show(workload, &event);
                events.push(event);
            }
        }
        running.check()?;
    }
    let end = monotonic();
    running.stop()?;
    Ok(Scheduled { workload: workload.to_owned(), pass, first, end })
}

/// The live line: on a terminal a bar that moves, elsewhere a line a visit and a line for each confirmed setting.
struct Progress {
    bar: ProgressBar,
    began: Instant,
    quiet: bool,
}

impl Progress {
    fn new(context: &Context, seconds: u64) -> Self {
        let bar = if context.quiet { ProgressBar::hidden() } else { ProgressBar::new(seconds) };
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos:>3}/{len} s  {wide_msg}") {
            bar.set_style(style);
        }
        Self { quiet: context.quiet, bar, began: Instant::now() }
    }

    fn line(&self, text: &str) {
        if self.quiet {
            return;
        }
        let text = format!("{:3.0} s  {text}", self.began.elapsed().as_secs_f64());
        if self.bar.is_hidden() {
            eprintln!("{text}");
        } else {
            self.bar.println(text);
        }
    }

    fn say(&self, workload: &str, pass: usize) {
        self.line(&format!("{workload}{}", if pass == 0 { "" } else { ", which comes back" }));
    }

    fn show(&self, workload: &str, event: &Value) {
        self.bar.set_position(self.began.elapsed().as_secs());
        let settings = || field::<Settings>(event, "settings").map(|settings| settings.to_string());
        match event["event"].as_str().unwrap_or_default() {
            "fingerprint" => {
                let class: String = field(event, "to").unwrap_or_default();
                self.line(&format!("  recognised as {class}"));
            }
            "promoted" => self.line(&format!("  confirmed: {}", settings().unwrap_or_default())),
            "applied" => {
                self.bar.set_message(format!("{workload} | trying {}", settings().unwrap_or_default()));
            }
            _ => {}
        }
    }
}

/// How long a workload ran until something other than the default was confirmed for it, over all its visits, s.
fn confirmed_after(visits: &[&Visit], default: &Settings) -> Option<f64> {
    let mut ran = 0.0;
    for visit in visits {
        // What a visit began with belongs to another workload.
        let mut own = visit.leaders.iter().filter(|step| step.at_s > 0.0 && step.settings != *default);
        if let Some(step) = own.next() {
            return Some(ran + step.at_s);
        }
        ran += visit.length_s;
    }
    None
}

/// When what was confirmed for it earlier was back in force in a visit, s after its first I/O.
fn back_after(visit: &Visit, default: &Settings) -> Option<f64> {
    let at = visit.recalled_s?;
    let then = visit.leaders.iter().rfind(|step| step.at_s <= at)?;
    (then.settings != *default && then.at_s > 0.0).then_some(at)
}

fn summary(report: &mut Report, visits: &[Visit], default: &Settings, checked: &BTreeMap<&str, Checked>) {
    let seconds = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
    report.table(
        "Two workloads, twice each. Gain: in pairs, afterwards. Cold: how long the workload ran until something was\n\
         confirmed for it; warm: how soon that was back in force",
        &["workload", "default\n(MB/s)", "tuned\n(MB/s)", "gain", "cold\n(s)", "warm\n(s)", "confirmed"],
        WORKLOADS.map(|workload| {
            let mine: Vec<&Visit> = visits.iter().filter(|visit| visit.workload == workload).collect();
            let found = checked.get(workload);
            let rate = |rate: fn(&Checked) -> f64| {
                found.map_or_else(|| "-".to_owned(), |found| format!("{:.1}", rate(found)))
            };
            let cold = confirmed_after(&mine, default);
            let warm = mine.last().and_then(|visit| back_after(visit, default));
            let last = mine.last().and_then(|visit| visit.leaders.last());
            let differs = last.map(|last| {
                let other: Settings = last
                    .settings
                    .iter()
                    .filter(|setting| default.get(setting.knob) != Some(setting.value))
                    .collect();
                if other.is_empty() { "the default".to_owned() } else { other.to_string().replace(' ', "\n") }
            });
            [
                workload.to_owned(),
                rate(|found| found.default_mb_per_s),
                rate(|found| found.tuned_mb_per_s),
                found.map_or_else(|| "-".to_owned(), |found| found.words().replace(" [", "\n[")),
                seconds(cold),
                seconds(warm),
                differs.unwrap_or_else(|| "-".to_owned()),
            ]
        }),
    );
}

fn settings(report: &mut Report, before: &BTreeMap<&str, String>, after: &BTreeMap<&str, String>) {
    let wrong: Vec<&str> = before
        .iter()
        .filter(|(knob, value)| after.get(*knob) != Some(value))
        .map(|(knob, _)| *knob)
        .collect();
    report.verdict(
        "original values that are back",
        format!("all {}", before.len()),
        if wrong.is_empty() {
            format!("all {}", before.len())
        } else {
            format!("all but {}", wrong.join(", "))
        },
        wrong.is_empty(),
    );
}
