//! `tunerd run --fake-kernel`: the whole loop on the fake kernel and a synthetic workload, in virtual time.
//!
//! Engine, guard, journal and store are the real ones; only the kernel, the clock and the disk are not. A minute
//! takes a fraction of a second. What it shows is that the loop works, and nothing about any disk.

use super::clock::{Clock, RealClock, VirtualClock};
use super::device::{DeviceLoop, Ended, Parts, Sink};
use super::journalist::Journalist;
use super::memory::{Memory, fresh_seed};
use super::supervisor::RunError;
use super::synthetic::{SyntheticSource, Visit, demo_script};
use crate::config::{Config, Mode};
use crate::engine::{DeviceEvent, Engine, Event, GeneMap, MeasuredOn, Subject};
use block_types::{Elevator, Knob, KnobValue, Nanos};
use kernfs::fake::{FakeDisk, FakeKernel};
use kernfs::{Disk, Kernel};
use schedulers::{Guard, GuardConfig, Offer};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

/// How long the synthetic run lasts where nothing is said: every kind of work twice.
const LENGTH: Duration = Duration::from_secs(720);
/// The fake kernel's disk.
pub const DEVICE: &str = "loop0";

/// Runs the loop on the fake kernel for `length` of virtual time.
///
/// # Errors
/// Where the state directory cannot be used.
pub(super) fn run(config: Config, json: bool, length: Option<Duration>) -> Result<(), RunError> {
    let lines = json.then(|| Box::new(std::io::stdout()) as Box<dyn std::io::Write + Send>);
    tracing::warn!("SYNTHETIC: the fake kernel, a made-up workload and virtual time; no disk is touched");
    play(config, demo_script(), length.unwrap_or(LENGTH), lines)
}

/// Runs the loop for `length` of virtual time, which begins at one second, over any script; the events go to `lines`,
/// one JSON object a line.
///
/// # Errors
/// Where the state directory cannot be used.
pub fn play(
    mut config: Config,
    script: Vec<Visit>,
    length: Duration,
    lines: Option<Box<dyn std::io::Write + Send>>,
) -> Result<(), RunError> {
    let failed = |error: &dyn std::fmt::Display| RunError::Failed(error.to_string());
    let scratch = Scratch::make(&mut config)?;
    let kernel: Arc<dyn Kernel> = Arc::new(FakeKernel::new().with_disk(FakeDisk::loopback(DEVICE)));
    let disk = Disk::open(kernel.clone(), DEVICE).map_err(|error| failed(&error))?;
    disk.write_knob(Knob::Scheduler, KnobValue::Elevator(Elevator::MqDeadline))
        .map_err(|error| failed(&error))?;
    let seed = config.seed.unwrap_or_else(fresh_seed);
    let begin = Nanos::SECOND;
    let clock = Arc::new(VirtualClock::until(begin, begin + length.into()));
    let source = Arc::new(SyntheticSource::new(clock.clone(), disk.clone(), script, seed));
    let mut memory = Memory::open(&config)?;
    memory.recall(DEVICE, Elevator::MqDeadline.name(), &config);
    let offer = Offer::read(&disk).map_err(|error| failed(&error))?;
    let genes = GeneMap::new(&offer, &config).map_err(|error| failed(&error))?;
    let recorder = memory.recorder(&config, seed, kernel.as_ref());
    let sink = Arc::new(Journalist::new(lines, recorder, config.objective));
    sink.introduce(DEVICE, genes.scheduler_name());
    let guard = GuardConfig { state_dir: config.state_dir.clone(), run_dir: config.run_dir.clone() };
    let guard = Guard::take(disk.clone(), &guard).map_err(|error| failed(&error))?;
    let originals = guard.originals().clone();
    let tuned = originals.iter().filter(|setting| genes.knobs().contains(&setting.knob)).collect();
    let measured_on = MeasuredOn { model: None, kernel: "a fake kernel".to_owned() };
    let subject = Subject {
        device: DEVICE.to_owned(),
        rotational: true,
        originals: originals.clone(),
        seed,
        measured_on,
    };
    let strategy = memory.strategy(subject, genes, &config)?;
    let why = "a made-up workload; nothing here was measured on a disk";
    sink.event(&DeviceEvent {
        device: DEVICE.to_owned(),
        event: Event::Started {
            at_ns: begin.0,
            mode: config.mode,
            source: "synthetic".to_owned(),
            source_reason: why.to_owned(),
            originals: originals.clone(),
            genes: strategy.genes().knobs(),
            seed,
            notes: Vec::new(),
        },
    });
    let parts = Parts {
        name: DEVICE.to_owned(),
        devno: disk.devno().map_err(|error| failed(&error))?,
        engine: Engine::new(config.clone(), strategy, tuned, begin),
        guard: (config.mode != Mode::Observe).then_some(guard),
        source,
        clock,
        sink: sink.clone(),
        config,
        originals,
        notes: vec!["synthetic".to_owned()],
    };
    let (_commands, inbox) = channel();
    let ended = DeviceLoop::new(parts).run(&inbox);
    if let Some(recorder) = sink.recorder() {
        let _ = recorder.finish(Duration::from_secs(5));
    }
    drop(scratch);
    match ended {
        Ended::Stopped => Ok(()),
        Ended::Vanished => Err(RunError::Failed("the fake disk vanished".to_owned())),
        Ended::Failed(why) => Err(RunError::Failed(why)),
    }
}

/// Directories of this run alone, unless the configuration names others than the daemon's own: a synthetic run
/// must not mix with what was learned on disks.
struct Scratch(Option<PathBuf>);

impl Scratch {
    fn make(config: &mut Config) -> Result<Self, RunError> {
        let standard = Config::default();
        let name = format!("tunerd-synthetic-{}-{}", std::process::id(), RealClock.now().0);
        let path = std::env::temp_dir().join(name);
        let mut used = false;
        for (dir, standard) in
            [(&mut config.state_dir, &standard.state_dir), (&mut config.run_dir, &standard.run_dir)]
        {
            if *dir == *standard {
                dir.clone_from(&path);
                used = true;
            }
        }
        if !used {
            return Ok(Self(None));
        }
        std::fs::create_dir(&path)
            .map_err(|error| RunError::Failed(format!("{}: cannot be made: {error}", path.display())))?;
        Ok(Self(Some(path)))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // It is in the directory for temporary files; what cannot be removed goes with that.
            let _ = std::fs::remove_dir_all(path);
        }
    }
}
