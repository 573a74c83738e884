//! Kills `tunerd` at random moments under load, and sees whether `tunerd restore` brings everything back.

use crate::Context;
use crate::bench::fio::{Engine, Job, Load, Rw};
use crate::bench::loopdev::{Backing, LoopDevice, LoopSpec, tag_depth};
use crate::bench::report::Report;
use crate::bench::stats::quantile;
use crate::bench::tunerd::{Place, Tunerd, field};
use anyhow::{Result, ensure};
use block_types::Bytes;
use clap::Args;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustix::process::Signal;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Options of this measurement.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// How often to kill
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub kills: u64,
    /// Longest time from the start of tunerd to the kill, s
    #[arg(long, default_value_t = 4.0)]
    pub within: f64,
    /// Seed of the moments, and of tunerd's own choices
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// What the machine had before: none of it what the kernel would choose, so that nothing comes right by itself.
const ORIGINALS: [(&str, &str); 9] = [
    ("scheduler", "mq-deadline"),
    ("nr_requests", "96"),
    ("fifo_batch", "8"),
    ("read_expire", "400"),
    ("writes_starved", "3"),
    ("max_sectors_kb", "640"),
    ("read_ahead_kb", "384"),
    ("rq_affinity", "2"),
    ("nomerges", "0"),
];
/// How many requests the driver takes, which nr_requests under `none` changes and no sysfs file shows.
const TAG_DEPTH: u32 = 48;
/// What `tunerd` searches, beside the scheduler.
const GENES: [&str; 5] = ["nr_requests", "max_sectors_kb", "fifo_batch", "read_expire", "read_ahead_kb"];

type Values = BTreeMap<&'static str, String>;

fn values(device: &LoopDevice) -> Result<Values> {
    let mut values = Values::new();
    for (knob, _) in ORIGINALS {
        // A knob of another scheduler is not there at all.
        values.insert(knob, device.queue().read(knob).unwrap_or_else(|_| "absent".to_owned()));
    }
    values.insert("tag depth", tag_depth(device.name())?.to_string());
    Ok(values)
}

/// One kill and what came of it.
#[derive(Serialize)]
struct Kill {
    after_s: f64,
    /// What differed from the originals when `tunerd` was gone.
    found_changed: BTreeSet<&'static str>,
    /// What still differed after `tunerd restore`; nothing, if all is well.
    wrong: BTreeMap<&'static str, String>,
    restore_s: f64,
    second_restore_changed: bool,
}

/// Runs the measurement.
///
/// # Errors
///
/// Where a loop device, fio or `tunerd` cannot be had, or on an interrupt.
pub fn run(context: &Context, options: &Options) -> Result<Report> {
    ensure!(options.within > 0.0 && options.within <= 3_600.0, "--within: expected above 0, at most 3600");
    let spec = LoopSpec {
        size: Bytes(1 << 30),
        backing: Backing::Memory,
        tag_depth: Some(TAG_DEPTH),
        allocated: true,
    };
    let device = LoopDevice::make(&spec)?;
    for (knob, value) in ORIGINALS {
        device.queue().write(knob, value)?;
    }
    let originals = values(&device)?;
    for (knob, value) in ORIGINALS {
        ensure!(originals[knob] == value, "{knob} is {}, not the {value} that was written", originals[knob]);
    }
    let tunerd = Tunerd::find(context.tunerd.as_deref(), device.directory())?;
    let mut load = load(&device).start()?;
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut kills = Vec::new();
    for number in 1..=options.kills {
        let after = Duration::from_secs_f64(rng.random_range(0.0..options.within));
        let kill = kill_once(context, &device, &tunerd, &originals, after, options.seed + number)?;
        ensure!(load.is_alive()?, "fio ended under the measurement");
        let state = if kill.wrong.is_empty() { "all back" } else { "NOT all back" };
        context.say(&format!(
            "{number} of {}: killed after {:.2} s, {} changed, restored in {:.2} s: {state}",
            options.kills,
            kill.after_s,
            kill.found_changed.len(),
            kill.restore_s
        ));
        let wrong = !kill.wrong.is_empty();
        kills.push(kill);
        if wrong {
            // What is left would be taken for the original next time, and every later kill would be blamed.
            put_back(&device)?;
        }
    }
    load.stop()?;
    Ok(report(&kills))
}

/// Reads and writes of several sizes, at a depth that keeps requests in every queue there is.
fn load(device: &LoopDevice) -> Load {
    let engine = Engine::Libaio { depth: 16 };
    Load::new(
        device.path(),
        [
            Job::new("reads", Rw::RandRead, Bytes(4 << 10)).engine(engine).iops(4_000),
            Job::new("writes", Rw::RandWrite, Bytes(64 << 10)).engine(engine).iops(1_000),
            Job::new("large", Rw::Write, Bytes(1 << 20)).engine(engine).iops(100),
        ],
    )
}

fn put_back(device: &LoopDevice) -> Result<()> {
    device.reset()?;
    device.set_tag_depth(TAG_DEPTH)?;
    for (knob, value) in ORIGINALS {
        device.queue().write(knob, value)?;
    }
    Ok(())
}

fn kill_once(
    context: &Context,
    device: &LoopDevice,
    tunerd: &Tunerd,
    originals: &Values,
    after: Duration,
    seed: u64,
) -> Result<Kill> {
    let seed = seed.to_string();
    let mut arguments = vec![
        "--mode",
        "tune",
        "--strategy",
        "moilanen",
        "--slice",
        "100ms",
        "--children",
        "4",
        "--seed",
        &seed,
    ];
    arguments.extend(["--window", "50ms", "--tune-scheduler"]);
    for knob in GENES {
        arguments.extend(["--knob", knob]);
    }
    let mut victim = tunerd.run(device.name(), &arguments)?;
    context.interrupt.sleep(after)?;
    let id = victim.id();
    victim.signal(Signal::KILL);
    // Not waited for: it may be inside a write that froze the queue, and restoring has to cope with that.
    let began = Instant::now();
    let _: Value = restore(tunerd, device)?;
    let restore_s = began.elapsed().as_secs_f64();
    let right_after = values(device)?;
    ensure!(victim.wait_end(Duration::from_secs(30))?, "process {id} does not die");
    let changed = touched(&mut victim, originals);
    let settled = values(device)?;
    let second: Value = restore(tunerd, device)?;
    let twice = values(device)?;

    let mut wrong = BTreeMap::new();
    for found in [&right_after, &settled, &twice] {
        for (knob, value) in found.iter().filter(|(knob, value)| originals[*knob] != **value) {
            wrong.insert(*knob, value.clone());
        }
    }
    if !wrong.is_empty() {
        context.say(&format!("restore said: {second}"));
    }
    Ok(Kill {
        after_s: after.as_secs_f64(),
        found_changed: changed,
        wrong,
        restore_s,
        second_restore_changed: twice != settled,
    })
}

fn restore(tunerd: &Tunerd, device: &LoopDevice) -> Result<Value> {
    tunerd.ask("restore", &[Place::State, Place::Run], &["--json", "--device", device.name()])
}

/// The knobs that the killed `tunerd` had said it moved away from their originals.
fn touched(victim: &mut crate::bench::tunerd::Stream, originals: &Values) -> BTreeSet<&'static str> {
    let mut changed = BTreeSet::new();
    // The last line may be cut where the process was killed.
    for event in victim.arrived_whole() {
        let Ok(settings) = field::<BTreeMap<String, Value>>(&event, "settings") else {
            continue;
        };
        if event["event"] != "applied" {
            continue;
        }
        for (&knob, original) in originals {
            if settings.get(knob).is_some_and(|value| value.to_string().trim_matches('"') != original) {
                changed.insert(knob);
            }
        }
    }
    changed
}

fn report(kills: &[Kill]) -> Report {
    let mut report = Report::new("Killed at random moments under load, then restored");
    let good = kills.iter().filter(|kill| kill.wrong.is_empty()).count();
    let seconds: Vec<f64> = kills.iter().map(|kill| kill.restore_s).collect();
    let count = |knob: &str| kills.iter().filter(|kill| kill.found_changed.contains(knob)).count();
    report.table(
        &format!("Of {} kills: how many had moved the knob, and how many left it wrong", kills.len()),
        &["knob", "moved", "wrong after restore"],
        ORIGINALS.iter().map(|(knob, _)| *knob).chain(["tag depth"]).map(|knob| {
            let wrong = kills.iter().filter(|kill| kill.wrong.contains_key(knob)).count();
            let is_gene = knob == "scheduler" || GENES.contains(&knob);
            let moved = if is_gene { count(knob).to_string() } else { "-".to_owned() };
            [knob.to_owned(), moved, wrong.to_string()]
        }),
    );
    if let (Some(middle), Some(longest)) = (quantile(&seconds, 0.5), quantile(&seconds, 1.0)) {
        report.note(format!("restore took {middle:.2} s at the median, {longest:.2} s at the longest"));
    }
    let quiet = kills.iter().filter(|kill| kill.found_changed.is_empty()).count();
    report.note(format!("{quiet} of the kills came before tunerd had moved anything"));
    report.fact("kills", kills);
    report.verdict(
        "kills after which every original value and the tag depth were back",
        format!("{0} of {0}", kills.len()),
        format!("{good} of {}", kills.len()),
        good == kills.len() && good > 0,
    );
    let twice = kills.iter().filter(|kill| kill.second_restore_changed).count();
    report.verdict("second restores that changed anything", 0, twice, twice == 0);
    report.verdict(
        "kills that found the scheduler, nr_requests and max_sectors_kb moved",
        "some of each",
        ["scheduler", "nr_requests", "max_sectors_kb"].map(|knob| count(knob).to_string()).join(", "),
        ["scheduler", "nr_requests", "max_sectors_kb"].iter().all(|knob| count(knob) > 0),
    );
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_that_is_wrong_fails_the_report() {
        let kill = |wrong: &[&'static str]| Kill {
            after_s: 1.0,
            found_changed: ["scheduler", "nr_requests", "max_sectors_kb"].into(),
            wrong: wrong.iter().map(|&knob| (knob, "9".to_owned())).collect(),
            restore_s: 0.1,
            second_restore_changed: false,
        };
        assert!(report(&[kill(&[]), kill(&[])]).is_met());
        assert!(!report(&[kill(&[]), kill(&["tag depth"])]).is_met());
        assert!(!report(&[]).is_met());
    }
}
