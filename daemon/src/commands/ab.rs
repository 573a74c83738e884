//! `ab`: two settings of a disk against each other.

use super::{Failure, kernel, print_json_line};
use crate::ab::{Ending, Facts, News, Parts, Report, Rules, Session, arms};
use crate::cli::AbArgs;
use crate::config::Config;
use crate::engine::{BenchConfig, Settle};
use crate::run::{self, Clock, RealClock};
use block_types::Nanos;
use indicatif::{ProgressBar, ProgressStyle};
use kernfs::{Disk, Identity, KPath};
use sampler::{Request, SamplerError, SourceKind, Watched};
use schedulers::{Guard, GuardConfig, Offer};
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::path::Path;
use trials::TrialConfig;

/// More pairs than any comparison has had: it ends by its verdict or its time.
const MOST_PAIRS: u32 = 2_000;
/// For each direction, which makes 5 % together: a verdict comes when the 95 % interval leaves zero out.
const ALPHA: f64 = 0.025;
/// A slice shorter than this holds too little of anything.
const SHORTEST_SLICE: Nanos = Nanos::from_millis(100);

pub(super) fn ab(args: &AbArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let rules = rules(args)?;
    if !run::may_write_live(args.roots.are_live()) {
        return Err(Failure::nothing("changing the settings of disks takes root"));
    }
    if let Some(page) = &args.html {
        writable(page)?;
    }
    let named = &args.device.device;
    let found = Disk::find(kernel(&args.roots), &super::resolve(named)).map_err(Failure::failed)?;
    let disk = found.disk.clone();
    let identity = disk.identity().map_err(Failure::failed)?;
    found.eligibility(&identity).map_err(Failure::nothing)?;
    let mut config = Config::default();
    config.state_dir = args.paths.state_dir.clone().unwrap_or(config.state_dir);
    config.run_dir = args.paths.run_dir.clone().unwrap_or(config.run_dir);
    run::clear_up(disk.kernel(), &config, disk.name())?;
    let offer = Offer::read(&disk).map_err(Failure::failed)?;
    let largest = disk.max_hw_sectors_kb().map_err(Failure::failed)?.value();
    let arms = arms(&offer, largest, &args.set, &args.against).map_err(|error| match error {
        crate::ab::ArmsError::Same(_) => Failure::nothing(error),
        _ => Failure::usage(error),
    })?;

    // Before the guard: what ends the start must not end it half-way.
    let signals = run::listen()?;
    let guard = GuardConfig { state_dir: config.state_dir, run_dir: config.run_dir };
    let guard = Guard::take(disk.clone(), &guard).map_err(Failure::failed)?;
    let request = Request {
        tracefs: args.roots.sysfs_root.join("kernel/tracing"),
        ..Request::new([Watched::of(&identity)])
    };
    let opened = sampler::open(disk.kernel(), &request);
    let opened = match opened {
        Ok(opened) if opened.kind != SourceKind::Diskstats => opened,
        other => {
            // Nothing was written, so nothing is put back but the journal.
            let _ = guard.restore();
            return Err(match other {
                Ok(opened) => Failure::nothing(format_args!(
                    "latencies cannot be had here, without which there is no guard: {}",
                    opened.why
                )),
                Err(error @ SamplerError::NoSource { .. }) => Failure::nothing(error),
                Err(error) => Failure::failed(error),
            });
        }
    };
    let clock = RealClock;
    let facts = facts(args, &disk, &identity, format!("{}: {}", opened.kind, opened.why), &clock);
    let draining = arms.draining();
    let mut progress = Progress::new(args, &rules, out);
    if !draining.is_empty() {
        let names: Vec<String> = draining.iter().map(ToString::to_string).collect();
        progress.say(&format!(
            "at each change of {} the queue is drained, which takes up to seconds; how long is in the report",
            names.join(", ")
        ));
    }
    let parts = Parts {
        arms,
        rules,
        guard,
        source: opened.source,
        devno: identity.devno,
        rotational: identity.rotational,
        clock,
        facts,
    };
    let session = Session::new(parts).map_err(Failure::usage)?;
    let report = session.run(&signals, &mut |news| progress.tell(news));
    progress.finish();
    conclude(args, &report, out)
}

fn rules(args: &AbArgs) -> Result<Rules, Failure> {
    if args.slice < SHORTEST_SLICE {
        return Err(Failure::usage(format_args!(
            "--slice: found {}, expected at least {SHORTEST_SLICE}",
            args.slice
        )));
    }
    let settle = args.settle.map_or_else(Settle::default, Settle::shortened);
    Ok(Rules {
        trial: TrialConfig {
            objective: args.objective.of_trials(),
            max_pairs: MOST_PAIRS,
            alpha: ALPHA,
            // The size of the effect is wanted in any case, also where it is a loss.
            futility: None,
            ..TrialConfig::default()
        },
        bench: BenchConfig { slice: args.slice, settle, ..BenchConfig::default() },
        baseline: args.baseline,
        limit: (!args.until_decided).then_some(args.duration),
        wait: args.wait,
        seed: args.seed.unwrap_or_else(run::fresh_seed),
    })
}

/// A page that cannot be written is told before ten minutes are spent.
fn writable(page: &Path) -> Result<(), Failure> {
    std::fs::File::options()
        .create(true)
        .append(true)
        .open(page)
        .map(drop)
        .map_err(|error| Failure::failed(format_args!("{}: {error}", page.display())))
}

fn facts(args: &AbArgs, disk: &Disk, identity: &Identity, source: String, clock: &impl Clock) -> Facts {
    let release = disk.kernel().read(&KPath::proc("sys/kernel/osrelease")).unwrap_or_default();
    Facts {
        device: identity.name.clone(),
        model: identity
            .model
            .clone()
            .or_else(|| identity.backing_file.as_ref().map(|file| format!("loop device on {file}"))),
        rotational: identity.rotational,
        kernel: format!("Linux {}", String::from_utf8_lossy(&release).trim()),
        source,
        shortened: args.settle.is_some_and(|settle| settle < Settle::default().least),
        began_unix_ms: clock.unix_ms(),
        command: std::env::args().collect(),
    }
}

fn conclude(args: &AbArgs, report: &Report, out: &mut dyn Write) -> Result<(), Failure> {
    if let Some(path) = &args.html {
        let page = report.page().map_err(|error| Failure::failed(format_args!("the page: {error}")))?;
        page.write(path).map_err(Failure::failed)?;
    }
    if args.json.json {
        print_json_line(out, &report.json())?;
    } else {
        writeln!(out, "{}", report.ticket())?;
    }
    out.flush()?;
    let left = report.restored.left_in_words();
    if !report.restored.failed.is_empty() {
        return Err(Failure::failed(format_args!("not everything could be put back: {}", left.join("; "))));
    }
    let why = report.ending.why().unwrap_or_default();
    match &report.ending {
        Ending::NoLoad if report.rows.is_empty() => Err(Failure::nothing(format_args!(
            "{}: {why}, so there is nothing to measure; --wait waits for work",
            report.facts.device
        ))),
        Ending::Same(_) => Err(Failure::nothing(format_args!("{}: {why}", report.facts.device))),
        Ending::Vanished | Ending::DeviceErrors | Ending::Refused(_) | Ending::Broken(_) => {
            Err(Failure::failed(format_args!("{}: {why}", report.facts.device)))
        }
        _ => Ok(()),
    }
}

/// What is shown while it goes on: on a terminal a line that moves; elsewhere a line to a pair; JSON to a program.
struct Progress<'a> {
    bar: Option<ProgressBar>,
    json: Option<&'a mut dyn Write>,
    limit: Option<Nanos>,
    needed: f64,
}

impl<'a> Progress<'a> {
    fn new(args: &AbArgs, rules: &Rules, out: &'a mut dyn Write) -> Self {
        let json = if args.json.json { Some(out) } else { None };
        let style = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}");
        let bar = style.ok().filter(|_| json.is_none() && std::io::stderr().is_terminal()).map(|style| {
            let bar = ProgressBar::new_spinner().with_style(style);
            bar.enable_steady_tick(std::time::Duration::from_millis(250));
            bar
        });
        Self { bar, json, limit: rules.limit, needed: 1.0 / rules.trial.alpha }
    }

    fn say(&self, line: &str) {
        match (&self.bar, &self.json) {
            (Some(bar), _) => bar.println(line),
            (None, None) => super::complain(line),
            (None, Some(_)) => {}
        }
    }

    fn tell(&mut self, news: &News) {
        if let Some(out) = &mut self.json {
            let line = match news {
                News::Waiting => json!({ "event": "waiting" }),
                News::Learned { slices, of } => json!({ "event": "baseline", "slices": slices, "of": of }),
                News::Pair(row) => {
                    let mut line = json!(row);
                    line["event"] = "pair".into();
                    line
                }
                News::Lost(why) => json!({ "event": "lost", "why": why }),
                News::Note(note) => json!({ "event": "note", "note": note }),
            };
            // Whoever reads no more is told so by the result, which cannot be written either.
            let _ = print_json_line(*out, &line);
            return;
        }
        let line = match news {
            News::Waiting => "waiting: nothing is asked of the disk".to_owned(),
            News::Learned { slices, of } if *slices > *of as usize => {
                "learning again what is usual".to_owned()
            }
            News::Learned { slices, of } => format!("learning what is usual: {slices} of {of} slices"),
            News::Pair(row) => self.pair(row),
            News::Lost(why) | News::Note(why) => why.clone(),
        };
        match (&self.bar, news) {
            (Some(bar), News::Learned { .. } | News::Waiting) => bar.set_message(line),
            (Some(bar), News::Pair(_)) => {
                bar.println(&line);
                bar.set_message(line);
            }
            _ => self.say(&line),
        }
    }

    fn pair(&self, row: &crate::ab::PairRow) -> String {
        let limit = |limit: Option<f64>| limit.map_or_else(|| "?".to_owned(), |limit| format!("{limit:+.1}"));
        let (odds, side) = if row.evidence_better >= row.evidence_worse {
            (row.evidence_better, "better")
        } else {
            (row.evidence_worse, "worse")
        };
        format!(
            "pair {}: {:+.1} %; so far {:+.1} % ({} … {}), evidence for {side} {odds:.1} of {:.0}{}",
            row.pair,
            row.gain_per_cent,
            row.gain_so_far_per_cent,
            limit(row.lower_per_cent),
            limit(row.upper_per_cent),
            self.needed,
            self.left(row, odds),
        )
    }

    /// How long it may still take: at the pace of the evidence so far, and at most until the time is up.
    fn left(&self, row: &crate::ab::PairRow, odds: f64) -> String {
        let pace = odds.ln() / row.at_s;
        let decided = (pace > 0.0).then(|| (self.needed.ln() - odds.ln()).max(0.0) / pace);
        let up = self.limit.map(|limit| (limit.as_secs_f64() - row.at_s).max(0.0));
        match decided.into_iter().chain(up).reduce(f64::min) {
            Some(seconds) if row.pair >= 3 => format!(", about {seconds:.0} s left"),
            _ => String::new(),
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
