//! A disk under load, with what runs slices on it: the same bench as `tunerd ab` and the daemon.

use crate::Context;
use crate::bench::fio::{Job, Load, Running};
use crate::emulation::bench::attach;
use anyhow::{Context as _, Result, bail};
use block_types::{DevNo, Knob, KnobValue, Nanos, Setting, Settings};
use emulated_disk::{EmulatedDisk, Spec};
use kernfs::{Disk, Kernel, RealKernel, Roots};
use sampler::{Opened, Request, SourceKind, Watched};
use schedulers::{Guard, GuardConfig, plan};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use trials::{Arm, Saturation};
use tunerd::engine::{AppliedSettings, Bench, BenchConfig, Look, Settling, SliceEnd, saturation};

/// A disk under load and guard.
pub(super) struct Subject {
    guard: Option<Guard>,
    opened: Opened,
    devno: DevNo,
    rotational: bool,
    pub(super) bench: Bench,
    control: Settings,
    load: Option<Running>,
    _state: TempDir,
    disk: Option<EmulatedDisk>,
}

fn now() -> Nanos {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Nanos(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
}

impl Subject {
    /// An emulated disk with these jobs on it.
    pub(super) fn emulated(
        spec: &Spec,
        jobs: impl IntoIterator<Item = Job>,
        config: BenchConfig,
    ) -> Result<Self> {
        let disk = attach(spec)?;
        let load = Load::new(disk.path(), jobs).start()?;
        let name = disk.name().to_owned();
        let mut subject = Self::of(&name, config)?;
        subject.load = Some(load);
        subject.disk = Some(disk);
        Ok(subject)
    }

    /// Another device of the caller's with these jobs on it.
    pub(super) fn on(
        path: &Path,
        name: &str,
        jobs: impl IntoIterator<Item = Job>,
        config: BenchConfig,
    ) -> Result<Self> {
        let load = Load::new(path, jobs).start()?;
        let mut subject = Self::of(name, config)?;
        subject.load = Some(load);
        Ok(subject)
    }

    fn of(name: &str, config: BenchConfig) -> Result<Self> {
        let kernel: Arc<dyn Kernel> = Arc::new(RealKernel::new(Roots::live()));
        let disk = Disk::open(Arc::clone(&kernel), name)?;
        let identity = disk.identity()?;
        let opened = sampler::open(&kernel, &Request::new([Watched::of(&identity)]))?;
        if opened.kind == SourceKind::Diskstats {
            bail!("latencies cannot be had here: {}", opened.why);
        }
        let state = tempfile::tempdir()?;
        let places = GuardConfig { state_dir: state.path().to_owned(), run_dir: state.path().to_owned() };
        let guard = Guard::take(disk, &places)?;
        Ok(Self {
            control: guard.originals().clone(),
            guard: Some(guard),
            opened,
            devno: identity.devno,
            rotational: identity.rotational,
            bench: Bench::new(config)?,
            load: None,
            _state: state,
            disk: None,
        })
    }

    /// The control's settings with some of them changed.
    pub(super) fn with(&self, changes: &[(Knob, u64)]) -> Settings {
        let mut settings = self.control.clone();
        for &(knob, value) in changes {
            settings.set(knob, KnobValue::Number(value));
        }
        settings
    }

    /// What it is compared with.
    pub(super) fn control(&self) -> Settings {
        self.control.clone()
    }

    fn apply(&mut self, wanted: &Settings) -> Result<AppliedSettings> {
        let guard = self.guard.as_mut().context("the guard is gone")?;
        let applied = guard.apply(&plan(guard.current(), wanted))?;
        if let Some(failure) = applied.failed.first() {
            bail!("{failure}");
        }
        let at = now();
        Ok(AppliedSettings {
            at,
            quick_at: at,
            freezing: Nanos::ZERO,
            in_force: guard.current().clone(),
            clamped: Vec::new(),
            failed: Vec::new(),
        })
    }

    fn saturation(&self) -> Saturation {
        let requests = self.guard.as_ref().and_then(|guard| guard.current().number(Knob::NrRequests));
        saturation(self.rotational, requests)
    }

    /// Runs one slice with these settings.
    pub(super) fn slice(&mut self, context: &Context, arm: Arm, settings: &Settings) -> Result<SliceEnd> {
        let applied = self.apply(settings)?;
        let mut open = self.bench.open(arm, &applied, Settling::Needed, self.saturation());
        self.opened.source.mark(self.devno, Some(open.mark()))?;
        loop {
            let sample = self.opened.source.read(self.devno)?;
            match self.bench.look(&mut open, &sample) {
                Look::At(next) => context.interrupt.sleep(Duration::from(next - now()))?,
                Look::Over(end) => return Ok(*end),
                Look::TakeBack(_) => {
                    let control = self.control.clone();
                    let applied = self.apply(&control)?;
                    return Ok(self.bench.taken_back(&open, applied.at));
                }
            }
        }
    }

    /// Waits until the load has begun.
    pub(super) fn await_load(&self, context: &Context) -> Result<()> {
        let before = self.opened.source.read(self.devno)?.completed.requests();
        let began =
            context.interrupt.wait_until(Duration::from_secs(30), Duration::from_millis(50), || {
                Ok(self.opened.source.read(self.devno)?.completed.requests() > before + 50)
            })?;
        anyhow::ensure!(began, "the load does not begin");
        Ok(())
    }

    /// Puts everything back and takes everything down.
    pub(super) fn end(mut self) -> Result<()> {
        if let Some(guard) = self.guard.take() {
            let left = guard.restore();
            anyhow::ensure!(left.failed.is_empty(), "{left}");
        }
        if let Some(load) = self.load.take() {
            load.stop()?;
        }
        if let Some(disk) = self.disk.take() {
            disk.detach()?;
        }
        Ok(())
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        if let Some(guard) = self.guard.take() {
            let _ = guard.restore();
        }
    }
}

/// Settings as words.
pub(super) fn words(changes: &[(Knob, u64)]) -> String {
    let settings: Settings =
        changes.iter().map(|&(knob, value)| Setting { knob, value: KnobValue::Number(value) }).collect();
    settings.to_string()
}

/// A bench whose slices are shorter than the specification's.
pub(super) fn shortened(slice_ms: u64, settle_ms: u64) -> BenchConfig {
    BenchConfig {
        slice: Nanos::from_millis(slice_ms),
        settle: tunerd::engine::Settle::shortened(Nanos::from_millis(settle_ms)),
        ..BenchConfig::default()
    }
}
