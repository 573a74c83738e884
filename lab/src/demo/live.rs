//! The demo on a real loop device, as root.

use super::Options;
use super::check::{self, Checked};
use super::story::{Chapter, Story};
use crate::Context;
use crate::bench::clock::monotonic;
use crate::bench::diskstat::Activity;
use crate::bench::fio::{Job, Load, Rw};
use crate::bench::loopdev::{Backing, LoopDevice, LoopSpec, tag_depth};
use crate::bench::report::Report;
use crate::bench::tunerd::{Stream, Tunerd};
use anyhow::{Result, ensure};
use block_types::{Bytes, Nanos};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::time::Duration;

const SIZE: Bytes = Bytes(768 << 20);
/// As few as a disk that does one thing at a time takes: with the loop driver's 128 everything would be in the
/// driver at once, and a scheduler would have nothing to decide.
const TAG_DEPTH: u32 = 4;
/// A tenth of what tunerd's own default is for slices of 2 s: the demo has a minute and a half, not an hour.
const SLICE: &str = "400ms";

/// Few genes, and none whose writing holds the queue up: with eight children of 400 ms a search of all the knobs
/// would need many more generations than there is time for.
const GENES: [&str; 5] = ["fifo_batch", "writes_starved", "front_merges", "async_depth", "read_ahead_kb"];

/// A workload that takes its turn.
struct Work {
    name: &'static str,
    load: Load,
}

fn works(device: &LoopDevice) -> [Work; 2] {
    let (third, rest) = ((SIZE.0 / 3).to_string(), (SIZE.0 / 3 * 2).to_string());
    [
        Work {
            name: "4 random readers beside 2 buffered writers",
            load: Load::new(
                device.path(),
                [
                    // Write-back starts as they write, as it does on a machine whose memory is full.
                    Job::new("writers", Rw::RandWrite, Bytes(64 << 10))
                        .buffered()
                        .jobs(2)
                        .option("size", &third)
                        .option("offset_increment", &third)
                        .option("sync_file_range", "write:16"),
                    Job::new("readers", Rw::RandRead, Bytes(4 << 10))
                        .jobs(4)
                        .iops(150)
                        .option("offset", &rest),
                ],
            ),
        },
        Work {
            name: "8 random readers alone",
            load: Load::new(device.path(), [Job::new("readers", Rw::RandRead, Bytes(4 << 10)).jobs(8)]),
        },
    ]
}

/// The knobs whose values are shown before and after.
const SHOWN: [&str; 11] = [
    "scheduler",
    "nr_requests",
    "async_depth",
    "fifo_batch",
    "writes_starved",
    "read_expire",
    "write_expire",
    "front_merges",
    "max_sectors_kb",
    "read_ahead_kb",
    "wbt_lat_usec",
];

fn values(device: &LoopDevice) -> BTreeMap<&'static str, String> {
    let mut values: BTreeMap<_, _> =
        SHOWN.iter().filter_map(|&knob| Some((knob, device.queue().read(knob).ok()?))).collect();
    // Only debugfs tells; a machine without it shows the rest.
    if let Ok(depth) = tag_depth(device.name()) {
        values.insert("tag depth", depth.to_string());
    }
    values
}

/// A visit and the moment of its first bio.
struct Visit {
    work: &'static str,
    first: Nanos,
}

/// Runs the demo.
pub(super) fn run(context: &Context, options: &Options) -> Result<Report> {
    context.say("Making a loop device on a file on disk, with direct I/O");
    let spec = LoopSpec { size: SIZE, backing: Backing::Disk, tag_depth: Some(TAG_DEPTH), allocated: true };
    let device = LoopDevice::make(&spec)?;
    // A device without moving parts, whatever the file's own disk is; its read-ahead follows from that.
    device.queue().set("rotational", "0")?;
    device.reset_read_ahead()?;
    // Write-back throttling would hold the writers back before they reach the scheduler, which is what is tuned here.
    device.queue().set("wbt_lat_usec", "0")?;
    device.queue().set("scheduler", "mq-deadline")?;
    let before = values(&device);
    let tunerd = Tunerd::find(context.tunerd.as_deref(), device.directory())?;
    let works = works(&device);

    context.say(&format!(
        "Tuning {} for {} s while two workloads take turns",
        device.name(),
        options.seconds
    ));
    let seed = options.seed.to_string();
    let mut arguments = vec![
        "--mode",
        "tune",
        "--strategy",
        "moilanen",
        "--objective",
        "latency",
        "--slice",
        SLICE,
        "--seed",
        seed.as_str(),
    ];
    for knob in GENES {
        arguments.extend(["--knob", knob]);
    }
    let mut daemon = tunerd.run(device.name(), &arguments)?;
    let mut story = Story::default();
    story.add(&daemon.wait_for("started", Duration::from_secs(20), &context.interrupt)?)?;
    let progress = Progress::new(context, options.seconds);
    let length = Duration::from_secs(options.seconds) / options.visits;
    let mut visits = Vec::new();
    for work in works.iter().cycle().take(options.visits as usize) {
        let first = visit(context, &device, work, length, &mut daemon, &mut story, &progress)?;
        visits.push(Visit { work: work.name, first });
    }
    progress.bar.finish_and_clear();
    for event in daemon.stop()? {
        story.add(&event)?;
    }
    let after = values(&device);

    let checked = recheck(context, &device, &works, &visits, &story)?;
    Ok(report(options, &story, &visits, &checked, &before, &after))
}

/// One visit: the moment of its first bio.
fn visit(
    context: &Context,
    device: &LoopDevice,
    work: &Work,
    length: Duration,
    daemon: &mut Stream,
    story: &mut Story,
    progress: &Progress,
) -> Result<Nanos> {
    let idle = Activity::read(device.name())?;
    let mut running = work.load.start()?;
    let began = context.interrupt.wait_until(Duration::from_secs(20), Duration::from_millis(1), || {
        Ok(Activity::read(device.name())? != idle)
    })?;
    ensure!(began, "fio began no I/O within 20 s");
    let first = monotonic();
    progress.say(work.name);
    while monotonic() - first < length.into() {
        context.interrupt.sleep(Duration::from_millis(100))?;
        for event in daemon.arrived()? {
            story.add(&event)?;
        }
        ensure!(running.is_alive()?, "fio ended before its time");
        progress.show(work.name, story);
    }
    running.stop()?;
    Ok(first)
}

/// The live line: on a terminal a bar that moves, elsewhere a line a visit.
struct Progress {
    bar: ProgressBar,
    began: Nanos,
    quiet: bool,
}

impl Progress {
    fn new(context: &Context, seconds: u64) -> Self {
        let bar = if context.quiet { ProgressBar::hidden() } else { ProgressBar::new(seconds) };
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos:>3}/{len} s  {wide_msg}") {
            bar.set_style(style);
        }
        Self { quiet: context.quiet || !bar.is_hidden(), bar, began: monotonic() }
    }

    fn say(&self, work: &str) {
        if !self.quiet {
            eprintln!("{:3.0} s  {work}", (monotonic() - self.began).as_secs_f64());
        }
    }

    fn show(&self, work: &str, story: &Story) {
        self.bar.set_position((monotonic() - self.began).as_secs_f64() as u64);
        let last = if story.last.is_empty() { "watching" } else { &story.last };
        self.bar.set_message(format!("{work} | {last}"));
    }
}

/// Each workload once more, with the fingerprint that it had and what is stored for it.
fn recheck(
    context: &Context,
    device: &LoopDevice,
    works: &[Work],
    visits: &[Visit],
    story: &Story,
) -> Result<BTreeMap<String, Checked>> {
    let mut checked = BTreeMap::new();
    for work in works {
        let Some(class) = class_of(work.name, visits, story) else { continue };
        let Some(best) = story.chapters.get(&class).and_then(|chapter| chapter.top.clone()) else { continue };
        context.say(&format!("Checking what was found for {class}, in turns with the default"));
        let default = best
            .iter()
            .filter_map(|setting| {
                Some(block_types::Setting { value: story.originals.get(setting.knob)?, ..setting })
            })
            .collect();
        checked.insert(class, check::check(context, device, &work.load, &default, &best)?);
    }
    Ok(checked)
}

/// The fingerprint that the visits of a workload were given most often.
fn class_of(work: &str, visits: &[Visit], story: &Story) -> Option<String> {
    let mut votes: BTreeMap<String, usize> = BTreeMap::new();
    for (index, visit) in visits.iter().enumerate().filter(|(_, visit)| visit.work == work) {
        let end = visits.get(index + 1).map_or(Nanos(u64::MAX), |next| next.first);
        let last = story.changes.iter().rfind(|change| change.at_ns < end && change.at_ns >= visit.first);
        if let Some(change) = last {
            *votes.entry(change.to.to_string()).or_default() += 1;
        }
    }
    votes.into_iter().max_by_key(|(_, votes)| *votes).map(|(class, _)| class)
}

fn report(
    options: &Options,
    story: &Story,
    visits: &[Visit],
    checked: &BTreeMap<String, Checked>,
    before: &BTreeMap<&'static str, String>,
    after: &BTreeMap<&'static str, String>,
) -> Report {
    let mut report = Report::new(&format!("tunerd on a real loop device, {} s", options.seconds));
    report.table(
        "Fingerprints, and the mean latency of synchronous I/O in slices of the search",
        &["fingerprint", "windows", "generations", "default", "best", "stored genes", "checked afterwards"],
        story.chapters.iter().map(|(class, chapter)| {
            let words = checked.get(class).map_or_else(|| "-".to_owned(), Checked::words);
            row(story, class, chapter, words)
        }),
    );
    report.table(
        "Visits, and seconds after the first bio",
        &["workload", "fingerprint confirmed", "stored genes in force"],
        visits.iter().enumerate().map(|(index, visit)| {
            let end = visits.get(index + 1).map_or(Nanos(u64::MAX), |next| next.first);
            let after = |at: Option<Nanos>| {
                at.map_or_else(|| "-".to_owned(), |at| format!("{:.2}", (at - visit.first).as_secs_f64()))
            };
            let inside = |at: &Nanos| (visit.first..end).contains(at);
            let change = story.changes.iter().map(|change| change.at_ns).find(inside);
            let back = story.returns.iter().find(|back| inside(&back.at_ns));
            [visit.work.to_owned(), after(change), after(back.map(|back| back.at_ns))]
        }),
    );
    report.table(
        "Settings before tunerd and after it",
        &["knob", "before", "after"],
        before.iter().map(|(knob, value)| {
            let after = after.get(knob).cloned().unwrap_or_else(|| "absent".to_owned());
            [(*knob).to_owned(), value.clone(), after]
        }),
    );
    report.note(format!("Source of samples: {} ({})", story.source, story.source_reason));
    report.note(format!(
        "Slices of {SLICE} so that something is to be seen in this time; tunerd's default is 2 s. The best single \
         slice is the luckiest of many: what was gained stands in the last column, measured afterwards in turns."
    ));
    if story.void > 0 {
        report.note(format!("{} slices were void and not scored", story.void));
    }
    for warning in &story.warnings {
        report.note(format!("tunerd warned: {warning}"));
    }
    report.fact("story", story);
    report.fact("checked", checked);
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
        wrong.is_empty() && story.left.is_empty() && story.restored.is_some(),
    );
    report
}

fn row(story: &Story, class: &str, chapter: &Chapter, words: String) -> [String; 7] {
    [
        class.to_owned(),
        chapter.windows.to_string(),
        chapter.generations.to_string(),
        story.score(chapter.default_score()),
        story.score(chapter.best.as_ref().map(|(fitness, _)| *fitness)),
        chapter
            .top
            .as_ref()
            .map_or_else(|| "-".to_owned(), |top| by_line(&story.differences(top).to_string())),
        words,
    ]
}

/// One setting to a line, for a column.
pub(super) fn by_line(settings: &str) -> String {
    if settings.is_empty() { "the default".to_owned() } else { settings.replace(' ', "\n") }
}

#[cfg(test)]
mod tests {
    use super::super::story::Change;
    use super::*;

    #[test]
    fn a_workloads_fingerprint_is_that_of_most_of_its_visits() {
        let mut story = Story::default();
        for (at, to) in [
            (11, "read-sequential-large"),
            (21, "write-random-large"),
            (31, "read-random-large"),
            (32, "read-sequential-large"),
            (51, "read-random-large"),
        ] {
            let to = to.parse().unwrap();
            story.changes.push(Change { at_ns: Nanos(at), first_window_ns: Nanos(at), to });
        }
        let visits: Vec<Visit> = [(10, "a"), (20, "b"), (30, "a"), (40, "b"), (50, "a")]
            .map(|(first, work)| Visit { work, first: Nanos(first) })
            .into();
        assert_eq!(class_of("a", &visits, &story).as_deref(), Some("read-sequential-large"));
        assert_eq!(class_of("b", &visits, &story).as_deref(), Some("write-random-large"));
        assert_eq!(class_of("c", &visits, &story), None);
    }
}
