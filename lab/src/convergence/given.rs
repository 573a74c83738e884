//! A device that the user gave: under a guard from the beginning to the end, so that it is left as it was found.
//!
//! The guard's journal is where `tunerd restore` looks for it, so that a laboratory that was killed leaves nothing that
//! cannot be put back. Each run's own `tunerd` guards what it changes in turn, and puts back what it found: what is in
//! force here.

use super::live::SCHEDULER;
use crate::bench::tunerd::Tunerd;
use anyhow::{Context as _, Result, bail, ensure};
use block_types::{Knob, KnobValue, Settings};
use kernfs::{Disk, Kernel, RealKernel, Roots};
use rustix::fs::{Mode, OFlags};
use schedulers::{Guard, GuardConfig, plan, restore_all};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A `tunerd` that was killed inside a write that drains the queue holds the device until that has landed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A device under guard, with the experiment's scheduler in force.
pub(crate) struct Given {
    path: PathBuf,
    name: String,
    /// What a run begins with: the scheduler of the experiment, and everything else as it was or came with that.
    begins_with: Settings,
    /// Tells this disk from another that has its name later, such as a loop device that was attached anew.
    sequence: Option<u64>,
    places: GuardConfig,
    guard: Mutex<Option<Guard>>,
}

impl Given {
    /// Takes a device, and puts the scheduler of the experiment in force. Nobody else may use it: its data will be
    /// overwritten.
    ///
    /// # Errors
    /// Where there is no such device, it is no whole disk or in use, or an earlier run has not been cleared up.
    pub(crate) fn take(path: &Path, places: &GuardConfig) -> Result<Self> {
        let shown = path.display();
        let node = path.canonicalize().with_context(|| format!("{shown}: cannot be found"))?;
        let name = node.file_name().context("a device has a name")?.to_string_lossy().into_owned();
        // Exclusively, which the kernel refuses where it is mounted, swapped to or part of another device.
        rustix::fs::open(&node, OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC, Mode::empty()).with_context(
            || format!("{shown}: cannot have it alone; is it mounted, or part of another device?"),
        )?;
        let found = Disk::find(kernel(), &name).with_context(|| shown.to_string())?;
        found.eligibility(&found.disk.identity()?).with_context(|| shown.to_string())?;
        let sequence = found.disk.diskseq()?;
        let mut guard = Guard::take(found.disk, places).with_context(|| shown.to_string())?;
        let mut wanted = Settings::new();
        wanted.set(Knob::Scheduler, KnobValue::Elevator(SCHEDULER));
        let applied = guard.apply(&plan(guard.current(), &wanted)).with_context(|| shown.to_string());
        let given = Self {
            path: path.to_owned(),
            name,
            begins_with: guard.current().clone(),
            sequence,
            places: places.clone(),
            guard: Mutex::new(Some(guard)),
        };
        // Whatever went wrong, what is written by now is put back by the drop.
        if let Some(failed) = applied?.failed.first() {
            bail!("{shown}: {failed}");
        }
        Ok(given)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Fails where the disk has gone, or another has its name.
    pub(crate) fn check(&self) -> Result<()> {
        let same = Disk::open(kernel(), &self.name).and_then(|disk| disk.diskseq());
        ensure!(same.is_ok_and(|now| now == self.sequence), "{}: the disk has gone", self.path.display());
        Ok(())
    }

    /// Everything back to what a run begins with.
    pub(crate) fn begin_anew(&self) -> Result<()> {
        self.apply(&self.begins_with)
    }

    /// Puts settings in force, and fails where one of them is not.
    pub(crate) fn apply(&self, wanted: &Settings) -> Result<()> {
        let mut guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        let guard = guard.as_mut().context("the device was given back already")?;
        self.check()?;
        let applied = guard.apply(&plan(guard.current(), wanted))?;
        if let Some(failed) = applied.failed.first() {
            bail!("{}: {failed}", self.path.display());
        }
        let foreign = guard.foreign()?;
        ensure!(
            foreign.is_empty(),
            "{}: somebody else has changed {}",
            self.path.display(),
            foreign.iter().map(|one| one.knob.name()).collect::<Vec<_>>().join(", ")
        );
        Ok(())
    }

    /// Puts back what a run's own `tunerd` left, if it did not end as it should: before the run's directory is gone, and
    /// before this guard takes it for somebody else's doing.
    pub(crate) fn clear_up(&self, tunerd: &Tunerd) -> Result<()> {
        let (state, run) = (tunerd.state_dir(), tunerd.run_dir());
        for report in restore_all(&kernel(), &state, &run, Some(&self.name), PATIENCE)? {
            ensure!(report.failed.is_empty(), "what tunerd left could not be put back: {report}");
        }
        Ok(())
    }

    /// Gives it back as it was found; answers in words what was put back, once.
    pub(crate) fn give_back(&self) -> Result<Option<String>> {
        let guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(guard) = guard else { return Ok(None) };
        // From the journal, which knows whether it is still the same disk.
        drop(guard);
        let GuardConfig { state_dir, run_dir } = &self.places;
        let reports = restore_all(&kernel(), state_dir, run_dir, Some(&self.name), PATIENCE)?;
        let words = reports.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        ensure!(
            reports.iter().all(|report| report.failed.is_empty()),
            "{words}; `tunerd restore` tries again"
        );
        Ok(Some(words))
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        if let Err(error) = self.give_back() {
            eprintln!("{error:#}");
        }
    }
}

fn kernel() -> Arc<dyn Kernel> {
    Arc::new(RealKernel::new(Roots::live()))
}
