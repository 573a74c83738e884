//! Whether tunerd takes its own settings for a change of workload: one constant load, every gene over its range.

use crate::Context;
use crate::bench::clock::monotonic;
use crate::bench::fio::{Job, Load, Rw};
use crate::bench::loopdev::{Backing, LoopDevice, LoopSpec};
use crate::bench::report::Report;
use crate::bench::tunerd::{Stream, Tunerd, field};
use anyhow::{Context as _, Result, ensure};
use block_types::{Bytes, Elevator, Knob, KnobValue, Nanos};
use clap::Args;
use fingerprint::{Class, WindowLine};
use kernfs::{Disk, Kernel, RealKernel, Roots};
use schedulers::{Offer, ResolvedRange, Scale};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Options of this measurement.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Seconds for which each value is in force: at least four windows
    #[arg(long, default_value_t = 1.5)]
    pub seconds: f64,
    /// Values of each range, its ends included
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=100))]
    pub values: u32,
}

struct Workload {
    name: &'static str,
    expected: &'static str,
    job: Job,
}

fn workloads() -> [Workload; 2] {
    [
        Workload {
            name: "4 KiB random reads, direct",
            expected: "read-random-small",
            job: Job::new("job", Rw::RandRead, Bytes(4 << 10)).iops(5_000),
        },
        Workload {
            name: "256 KiB sequential reads, buffered",
            expected: "read-sequential-large",
            // Limited, so that a pass of the device takes seconds; fio drops the page cache before each.
            job: Job::new("job", Rw::Read, Bytes(256 << 10)).buffered().iops(800),
        },
    ]
}

/// One value in force, and what was seen meanwhile.
#[derive(Clone, Debug, Serialize)]
struct Step {
    scheduler: Elevator,
    knob: Knob,
    value: KnobValue,
    from_ns: Nanos,
    to_ns: Nanos,
    windows: u64,
    /// Windows with another class, by its name.
    otherwise: BTreeMap<String, u64>,
    /// Confirmed changes of the fingerprint.
    changes: Vec<Class>,
}

/// Runs the measurement.
///
/// # Errors
///
/// Where a loop device, fio or `tunerd` cannot be had, or on an interrupt.
pub fn run(context: &Context, options: &Options) -> Result<Report> {
    ensure!((1.0..=600.0).contains(&options.seconds), "--seconds: expected 1 to 600");
    let spec = LoopSpec { size: Bytes(1 << 30), backing: Backing::Memory, tag_depth: None, allocated: true };
    let device = LoopDevice::make(&spec)?;
    let kernel: Arc<dyn Kernel> = Arc::new(RealKernel::new(Roots::live()));
    let disk = Disk::open(kernel, device.name())?;
    let tunerd = Tunerd::find(context.tunerd.as_deref(), device.directory())?;
    let mut report = Report::new("One constant workload while every gene is swept over its range");
    for workload in workloads() {
        let mut watch = tunerd.run(device.name(), &["--mode", "observe"])?;
        watch.wait_for("started", Duration::from_secs(20), &context.interrupt)?;
        let mut load = Load::new(device.path(), [workload.job.clone()]).start()?;
        settle(context, &mut watch, workload.expected)?;
        let mut steps = Vec::new();
        for elevator in disk.scheduler()?.known() {
            context.say(&format!("{} under {elevator}", workload.name));
            sweep(context, options, &disk, elevator, &mut steps)?;
            ensure!(load.is_alive()?, "fio ended under the measurement");
        }
        device.reset()?;
        // Stopped first: the end of the load is a change of workload, and not one to count.
        let events = watch.stop()?;
        load.stop()?;
        attribute(&mut steps, &events, workload.expected.parse()?)?;
        summarise(&mut report, &workload, &steps);
    }
    Ok(report)
}

/// Waits until the workload is known for what it is.
fn settle(context: &Context, watch: &mut Stream, expected: &str) -> Result<()> {
    let event = watch.wait_for("fingerprint", Duration::from_secs(20), &context.interrupt)?;
    ensure!(event["to"] == expected, "the workload is taken for {}, expected {expected}", event["to"]);
    context.interrupt.sleep(Duration::from_secs(1))
}

/// Every knob that is searched, one at a time over its range, under one scheduler.
fn sweep(
    context: &Context,
    options: &Options,
    disk: &Disk,
    elevator: Elevator,
    steps: &mut Vec<Step>,
) -> Result<()> {
    let mut step = |knob: Knob, value: KnobValue, write: bool| -> Result<()> {
        let from_ns = monotonic();
        if write {
            disk.write_knob(knob, value)?;
        }
        context.interrupt.sleep(Duration::from_secs_f64(options.seconds))?;
        steps.push(Step {
            scheduler: elevator,
            knob,
            value,
            from_ns,
            to_ns: monotonic(),
            windows: 0,
            otherwise: BTreeMap::new(),
            changes: Vec::new(),
        });
        Ok(())
    };
    // The scheduler is a gene too. A no-op switch would freeze the queue for nothing.
    let switch = disk.scheduler()?.active.known() != Some(elevator);
    step(Knob::Scheduler, KnobValue::Elevator(elevator), switch)?;
    let offer = Offer::read(disk)?;
    for (knob, offered) in &offer.knobs {
        let Some(range) = &offered.range else { continue };
        for value in points(range, options.values) {
            step(*knob, KnobValue::Number(value), true)?;
        }
        disk.write_knob(*knob, offered.now)?;
        // What the kernel set beside it comes back as well.
        for (other, was) in &offer.knobs {
            if disk.read_knob(*other)?.value().is_some_and(|now| now != was.now) {
                disk.write_knob(*other, was.now)?;
            }
        }
    }
    Ok(())
}

/// So many values of a range, evenly spaced on its scale, and its special values.
fn points(range: &ResolvedRange, count: u32) -> Vec<u64> {
    let share = |index: u32| f64::from(index) / f64::from(count.max(2) - 1);
    let mut values: Vec<u64> = match &range.scale {
        Scale::Linear { min, max } => {
            (0..count).map(|index| min + ((max - min) as f64 * share(index)).round() as u64).collect()
        }
        Scale::Log { min, max } => (0..count)
            .map(|index| {
                let ratio = *max as f64 / *min as f64;
                // Rounding must not leave the range.
                ((*min as f64 * ratio.powf(share(index))).round() as u64).clamp(*min, *max)
            })
            .collect(),
        Scale::Boolean => vec![0, 1],
        Scale::Ordinal(values) => values.to_vec(),
    };
    values.extend(&range.specials);
    values.sort_unstable();
    values.dedup();
    values
}

/// Gives each window and each confirmed change to the value that was in force.
fn attribute(steps: &mut [Step], events: &[Value], expected: Class) -> Result<()> {
    for event in events {
        if event["event"] == "window" {
            let line: WindowLine = serde_json::from_value(event.clone()).context("this is no window")?;
            let holds = |step: &&mut Step| step.from_ns <= line.start_ns && line.end_ns <= step.to_ns;
            if let (Some(step), Some(class)) = (steps.iter_mut().find(holds), line.class) {
                step.windows += 1;
                if class != expected {
                    *step.otherwise.entry(class.to_string()).or_default() += 1;
                }
            }
        } else if event["event"] == "fingerprint" {
            let at: Nanos = field(event, "at_ns")?;
            if let Some(step) = steps.iter_mut().find(|step| (step.from_ns..step.to_ns).contains(&at)) {
                step.changes.push(field(event, "to")?);
            }
        }
    }
    Ok(())
}

fn summarise(report: &mut Report, workload: &Workload, steps: &[Step]) {
    let windows: u64 = steps.iter().map(|step| step.windows).sum();
    let wrong: u64 = steps.iter().flat_map(|step| step.otherwise.values()).sum();
    let changes: Vec<&Step> = steps.iter().filter(|step| !step.changes.is_empty()).collect();
    let odd: Vec<&Step> = steps.iter().filter(|step| !step.otherwise.is_empty()).collect();
    let mut knobs: Vec<String> = steps.iter().map(|step| step.knob.to_string()).collect();
    knobs.sort_unstable();
    knobs.dedup();
    report.table(
        &format!(
            "{}: {} values of {} knobs, {windows} windows, {wrong} of them not {}",
            workload.name,
            steps.len(),
            knobs.len(),
            workload.expected
        ),
        &["under", "knob", "value", "windows", "otherwise called", "confirmed change to"],
        odd.iter().map(|step| {
            let called: Vec<String> =
                step.otherwise.iter().map(|(class, count)| format!("{class} {count}")).collect();
            let to: Vec<String> = step.changes.iter().map(ToString::to_string).collect();
            [
                step.scheduler.to_string(),
                step.knob.to_string(),
                step.value.to_string(),
                step.windows.to_string(),
                called.join(", "),
                if to.is_empty() { "-".to_owned() } else { to.join(", ") },
            ]
        }),
    );
    report.note(format!("{}: swept {}", workload.name, knobs.join(", ")));
    report.fact(workload.expected, steps);
    let total: usize = changes.iter().map(|step| step.changes.len()).sum();
    let named: Vec<String> =
        changes.iter().map(|step| format!("{}={} under {}", step.knob, step.value, step.scheduler)).collect();
    report.verdict(
        &format!("confirmed changes of fingerprint, {}", workload.name),
        0,
        if named.is_empty() { "0".to_owned() } else { format!("{total}: {}", named.join("; ")) },
        total == 0 && windows > 0,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(scale: Scale, specials: &[u64]) -> ResolvedRange {
        ResolvedRange { scale, specials: specials.to_vec() }
    }

    #[test]
    fn both_ends_and_the_special_values_are_swept() {
        assert_eq!(points(&range(Scale::Log { min: 16, max: 4096 }, &[0]), 5), [0, 16, 64, 256, 1024, 4096]);
        assert_eq!(points(&range(Scale::Linear { min: 1, max: 3 }, &[]), 5), [1, 2, 3]);
        assert_eq!(points(&range(Scale::Boolean, &[]), 5), [0, 1]);
        assert_eq!(points(&range(Scale::Ordinal(&[2, 4]), &[]), 2), [2, 4]);
    }

    #[test]
    fn a_window_counts_for_the_value_that_was_in_force_all_of_it() {
        let step = |from, to| Step {
            scheduler: Elevator::None,
            knob: Knob::ReadAheadKb,
            value: KnobValue::Number(0),
            from_ns: Nanos(from),
            to_ns: Nanos(to),
            windows: 0,
            otherwise: BTreeMap::new(),
            changes: Vec::new(),
        };
        let window = |start: u64, end: u64, reads: u64, near: u64| {
            let snapshot = fingerprint::Snapshot {
                reads,
                read_sectors: reads * 8,
                near,
                gaps: reads,
                ..fingerprint::Snapshot::default()
            };
            let line = WindowLine::new(
                Nanos(start),
                Nanos(end),
                &snapshot,
                fingerprint::Rule::Ours,
                &fingerprint::Thresholds::default(),
            );
            let mut event = serde_json::to_value(line).unwrap();
            event["event"] = "window".into();
            event
        };
        let mut steps = [step(0, 100), step(100, 200)];
        let events = [
            window(10, 90, 9, 0),
            window(90, 110, 9, 9),
            window(110, 190, 9, 9),
            window(150, 160, 0, 0),
            serde_json::json!({ "event": "fingerprint", "at_ns": 150, "to": "read-sequential-small" }),
        ];
        attribute(&mut steps, &events, "read-random-small".parse().unwrap()).unwrap();
        assert_eq!((steps[0].windows, steps[1].windows), (1, 1));
        assert!(steps[0].otherwise.is_empty() && steps[0].changes.is_empty());
        assert_eq!(steps[1].otherwise.get("read-sequential-small"), Some(&1));
        assert_eq!(steps[1].changes.len(), 1);
    }
}
