//! Tuning through all schedulers and back, by a guard and from its journal.

use crate::loop_device::{LoopDevice, kernel};
use crate::originals::{Original, State};
use block_types::{Elevator, Knob, KnobValue, Setting, Settings};
use libtest_mimic::Failed;
use schedulers::{Guard, GuardConfig, plan, restore_all};
use std::time::Duration;

fn settings(scheduler: Option<Elevator>, knobs: &[(Knob, u64)]) -> Settings {
    let scheduler = scheduler.map(|e| Setting { knob: Knob::Scheduler, value: KnobValue::Elevator(e) });
    let number = |&(knob, value): &(Knob, u64)| Setting { knob, value: KnobValue::Number(value) };
    scheduler.into_iter().chain(knobs.iter().map(number)).collect()
}

/// Every scheduler, the tags resized, every trap of the order stepped on.
fn tour(throttling: bool) -> Vec<Settings> {
    let mut tour = vec![
        settings(None, &[(Knob::MaxSectorsKb, 256), (Knob::ReadAheadKb, 4096), (Knob::RqAffinity, 1)]),
        settings(Some(Elevator::None), &[(Knob::NrRequests, 20), (Knob::ReadAheadKb, 1024)]),
        settings(Some(Elevator::MqDeadline), &[(Knob::NrRequests, 32), (Knob::AsyncDepth, 8)]),
        settings(None, &[(Knob::FifoBatch, 1), (Knob::ReadExpire, 50), (Knob::MaxSectorsKb, 128)]),
        settings(Some(Elevator::Kyber), &[(Knob::ReadLatNsec, 500_000), (Knob::NrRequests, 300)]),
        settings(Some(Elevator::None), &[(Knob::NrRequests, 64), (Knob::Nomerges, 2)]),
        settings(Some(Elevator::Bfq), &[(Knob::SliceIdleUs, 4_000), (Knob::LowLatency, 1)]),
    ];
    if throttling {
        tour.push(settings(None, &[(Knob::WbtLatUsec, 3_000)]));
        tour.push(settings(Some(Elevator::MqDeadline), &[(Knob::WbtLatUsec, 0)]));
    }
    tour
}

pub(crate) fn run(original: &Original) -> Result<(), Failed> {
    for (throttling, dies) in [(false, false), (false, true), (true, true), (true, false)] {
        let what = format!("throttling written: {throttling}, dies: {dies}");
        let device = LoopDevice::make()?;
        let disk = device.disk()?;
        original.set_up(&disk)?;
        let before = State::read(&disk)?;
        let dir = tempfile::tempdir()?;
        let config = GuardConfig { state_dir: dir.path().join("state"), run_dir: dir.path().join("run") };
        let mut guard = Guard::take(disk.clone(), &config)?;
        for wanted in tour(throttling) {
            let applied = guard.apply(&plan(guard.current(), &wanted))?;
            if !applied.failed.is_empty() || !guard.foreign()?.is_empty() {
                return Err(format!("{what}: {wanted}: {applied:?}, {:?}", guard.yielded()).into());
            }
        }
        let again = || {
            let wait = Duration::from_secs(1);
            restore_all(&kernel(), &config.state_dir, &config.run_dir, Some(disk.name()), wait)
        };
        let report = if dies {
            drop(guard);
            again()?.into_iter().next().ok_or("no journal was left")?
        } else {
            guard.restore()
        };
        if !report.failed.is_empty() || !report.left.is_empty() {
            return Err(format!("{what}: {report}").into());
        }
        let after = State::read(&disk)?;
        before.expect(&after, throttling, &what)?;
        let told = report.notes.iter().any(|note| note.contains("throttling"));
        if told != (before.wbt != after.wbt) {
            return Err(format!("{what}: throttling was {:?}: {report}", before.wbt).into());
        }
        if !again()?.is_empty() {
            return Err(format!("{what}: something was left for a second restore").into());
        }
    }
    Ok(())
}
