//! A fake machine with a disk that somebody had set up before us, processes that die, and what all tests compare.

use block_types::{Elevator, Knob, KnobValue, Setting, Settings};
use kernfs::fake::{FakeDisk, FakeKernel};
use kernfs::{Disk, KPath, Kernel, WbtState};
use proptest::prelude::*;
use schedulers::{Guard, GuardConfig, RestoreReport, plan, restore_all};
use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

pub(crate) const DISK: &str = "loop0";

/// The message of a death, so that no other panic is taken for one.
const DEATH: &str = "killed at a write";

/// When a process dies: at its nth write (from 1), before or after the kernel has taken it.
///
/// A guard appends to its journal on either side of each write, so these are all the states that a death can leave
/// on disk and in the kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Death {
    pub(crate) at: i64,
    pub(crate) landed: bool,
}

/// A kernel as seen by a process that dies.
#[derive(Debug)]
struct Mortal {
    kernel: FakeKernel,
    left: AtomicI64,
    landed: bool,
}

impl Kernel for Mortal {
    fn read(&self, path: &KPath) -> io::Result<Vec<u8>> {
        self.kernel.read(path)
    }
    fn write(&self, path: &KPath, text: &str) -> io::Result<()> {
        let dies = self.left.fetch_sub(1, Ordering::SeqCst) == 1;
        assert!(!dies || self.landed, "{DEATH}");
        let result = self.kernel.write(path, text);
        assert!(!dies, "{DEATH}");
        result
    }
    fn list(&self, dir: &KPath) -> io::Result<Vec<String>> {
        self.kernel.list(dir)
    }
    fn read_link(&self, path: &KPath) -> io::Result<PathBuf> {
        self.kernel.read_link(path)
    }
    fn exists(&self, path: &KPath) -> bool {
        self.kernel.exists(path)
    }
    fn writable(&self, path: &KPath) -> io::Result<bool> {
        self.kernel.writable(path)
    }
    fn locate(&self, path: &KPath) -> PathBuf {
        self.kernel.locate(path)
    }
}

pub(crate) fn mortal(kernel: &FakeKernel, death: Option<Death>) -> Arc<dyn Kernel> {
    Arc::new(Mortal {
        kernel: kernel.clone(),
        left: AtomicI64::new(death.map_or(i64::MAX, |death| death.at)),
        landed: death.is_some_and(|death| death.landed),
    })
}

/// Runs a process that may die; `None` if it did. As when a real one dies, its locks are let go of.
pub(crate) fn process<T>(run: impl FnOnce() -> T) -> Option<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !is_death(info.payload()) {
                usual(info);
            }
        }));
    });
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => Some(value),
        Err(payload) => {
            if is_death(&*payload) {
                return None;
            }
            std::panic::resume_unwind(payload)
        }
    }
}

fn is_death(payload: &(dyn Any + Send)) -> bool {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or(payload.downcast_ref::<&str>().copied()).is_some_and(|text| text.contains(DEATH))
}

/// A disk with its knobs set as somebody set them before us.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// The driver's tags, where they were resized; 4 makes an emulated disk.
    pub(crate) tag_depth: Option<u64>,
    pub(crate) scheduler: Elevator,
    /// Under `none`: whether it was left and entered again, so that nr_requests shows all tags whatever the depth.
    pub(crate) shows_all: bool,
    pub(crate) originals: Vec<(Knob, u64)>,
    pub(crate) rotational: bool,
    pub(crate) debugfs: bool,
}

pub(crate) fn attribute(knob: Knob) -> KPath {
    let place = if knob.elevator().is_some() { "iosched/" } else { "" };
    KPath::sys(format!("block/{DISK}/queue/{place}{knob}"))
}

pub(crate) fn disk(kernel: &FakeKernel) -> Disk {
    Disk::open(Arc::new(kernel.clone()), DISK).unwrap()
}

impl Machine {
    pub(crate) fn boot(&self) -> FakeKernel {
        let spec = FakeDisk { rotational: self.rotational, ..FakeDisk::loopback(DISK) };
        let kernel = FakeKernel::new().with_disk(spec);
        let write = |knob: Knob, text: &str| kernel.foreign_write(&attribute(knob), text);
        if let Some(depth) = self.tag_depth {
            write(Knob::NrRequests, &depth.to_string()).unwrap();
        }
        if self.scheduler != Elevator::None || self.shows_all {
            write(Knob::Scheduler, self.scheduler.name()).unwrap();
        }
        for (knob, value) in &self.originals {
            // One that this scheduler has not, or this value not, changes nothing.
            let _ = write(*knob, &value.to_string());
        }
        kernel.set_debugfs(self.debugfs);
        kernel.clear_log();
        kernel
    }
}

/// All that must come back, told by the fake even where the process could not read debugfs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) tag_depth: Option<u64>,
}

pub(crate) fn state(kernel: &FakeKernel, debugfs: bool) -> State {
    kernel.set_debugfs(true);
    let disk = disk(kernel);
    let state =
        State { settings: disk.read_settings().unwrap().settings, tag_depth: disk.tag_depth().unwrap() };
    kernel.set_debugfs(debugfs);
    state
}

pub(crate) fn wbt(kernel: &FakeKernel) -> WbtState {
    disk(kernel).wbt_state().unwrap().unwrap()
}

/// A directory in memory where there is one: the journals' syncs would take most of the time.
pub(crate) fn dir() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}

pub(crate) fn config(dir: &Path) -> GuardConfig {
    GuardConfig { state_dir: dir.join("state"), run_dir: dir.join("run") }
}

pub(crate) fn journal(dir: &Path) -> PathBuf {
    dir.join(format!("state/journal/{DISK}.jsonl"))
}

pub(crate) fn take(kernel: &Arc<dyn Kernel>, dir: &Path) -> Guard {
    Guard::take(Disk::open(kernel.clone(), DISK).unwrap(), &config(dir)).unwrap()
}

pub(crate) fn apply(guard: &mut Guard, wanted: &[Settings]) {
    for wanted in wanted {
        let plan = plan(guard.current(), wanted);
        guard.apply(&plan).unwrap();
    }
}

pub(crate) fn restore(kernel: &Arc<dyn Kernel>, dir: &Path) -> Vec<RestoreReport> {
    let config = config(dir);
    restore_all(kernel, &config.state_dir, &config.run_dir, None, Duration::ZERO).unwrap()
}

/// Restores with a healthy kernel, and once more to see that that does nothing.
pub(crate) fn restore_twice(kernel: &FakeKernel, dir: &Path) -> Vec<RestoreReport> {
    let alive = mortal(kernel, None);
    let reports = restore(&alive, dir);
    let writes = kernel.write_count();
    assert_eq!(restore(&alive, dir), Vec::new(), "after {reports:?}");
    assert_eq!(kernel.write_count(), writes, "a second restore wrote");
    reports
}

pub(crate) fn number(knob: Knob, value: u64) -> Setting {
    Setting { knob, value: KnobValue::Number(value) }
}

pub(crate) fn settings(scheduler: Option<Elevator>, knobs: &[(Knob, u64)]) -> Settings {
    let scheduler =
        scheduler.map(|elevator| Setting { knob: Knob::Scheduler, value: KnobValue::Elevator(elevator) });
    scheduler.into_iter().chain(knobs.iter().map(|&(knob, value)| number(knob, value))).collect()
}

pub(crate) fn elevators() -> impl Strategy<Value = Elevator> {
    prop::sample::select(&Elevator::ALL[..])
}

/// A value that is in range for every knob, whatever the device; some are rounded, bounded or refused.
pub(crate) fn knob() -> impl Strategy<Value = (Knob, u64)> {
    prop_oneof![
        4 => (Just(Knob::NrRequests), 2..=300u64),
        2 => (Just(Knob::MaxSectorsKb), 64..=1400u64),
        2 => (Just(Knob::WbtLatUsec), prop_oneof![Just(0), Just(2_000), 500..=100_000u64]),
        2 => (Just(Knob::ReadAheadKb), 0..=8192u64),
        1 => (Just(Knob::RqAffinity), 0..=2u64),
        1 => (Just(Knob::Nomerges), 0..=2u64),
        1 => (Just(Knob::ReadExpire), 10..=2000u64),
        1 => (Just(Knob::WriteExpire), 100..=20_000u64),
        1 => (Just(Knob::FifoBatch), 1..=128u64),
        1 => (Just(Knob::WritesStarved), 1..=16u64),
        1 => (Just(Knob::FrontMerges), 0..=1u64),
        1 => (Just(Knob::AsyncDepth), 2..=256u64),
        1 => (Just(Knob::PrioAgingExpire), 100..=100_000u64),
        1 => (Just(Knob::ReadLatNsec), 50_000..=50_000_000u64),
        1 => (Just(Knob::WriteLatNsec), 200_000..=200_000_000u64),
        1 => (Just(Knob::SliceIdleUs), prop_oneof![Just(0), 500..=32_000u64]),
        1 => (Just(Knob::TimeoutSync), 16..=500u64),
        1 => (Just(Knob::LowLatency), 0..=1u64),
        1 => (Just(Knob::MaxBudget), 0..=65_536u64),
        1 => (Just(Knob::StrictGuarantees), 0..=1u64),
        1 => (Just(Knob::BackSeekMax), 1024..=65_536u64),
        1 => (Just(Knob::BackSeekPenalty), 1..=8u64),
        1 => (Just(Knob::FifoExpireSync), 16..=1000u64),
        1 => (Just(Knob::FifoExpireAsync), 16..=2000u64),
    ]
}

pub(crate) fn wanted() -> impl Strategy<Value = Settings> {
    let knobs = prop::collection::vec(knob(), 0..10);
    (prop::option::weighted(0.6, elevators()), knobs).prop_map(|(elevator, knobs)| settings(elevator, &knobs))
}

pub(crate) fn machine() -> impl Strategy<Value = Machine> {
    let depth = prop::option::of(prop_oneof![Just(4), 5..=127u64]);
    (depth, elevators(), any::<bool>(), prop::collection::vec(knob(), 0..10), any::<bool>()).prop_map(
        |(tag_depth, scheduler, shows_all, originals, rotational)| Machine {
            tag_depth,
            scheduler,
            shows_all,
            originals,
            rotational,
            debugfs: true,
        },
    )
}

pub(crate) fn death(writes: std::ops::RangeInclusive<i64>) -> impl Strategy<Value = Death> {
    (writes, any::<bool>()).prop_map(|(at, landed)| Death { at, landed })
}
