//! From a configuration and a machine to loops that are ready to run.

use super::clock::Clock;
use super::device::Parts;
use super::memory::Memory;
use super::supervisor::{Fleet, RunError};
use crate::config::{Config, Mode};
use crate::engine::{DeviceEvent, Engine, Event, GeneMap, Subject};
use block_types::{Elevator, Knob, Settings};
use kernfs::{Disk, Identity, Kernel};
use sampler::{Duty, Opened, Request, Watched};
use schedulers::{Guard, GuardConfig, Offer};
use std::sync::Arc;
use std::time::Duration;

/// How long a start waits for a process that died inside a write to let go of its device.
const LAST_WRITE: Duration = Duration::from_secs(10);

/// A loop that is ready to run.
pub(super) struct Prepared<C: Clock> {
    /// What it is made of.
    pub parts: Parts<C>,
    /// What to tell about its start.
    pub started: DeviceEvent,
    /// The scheduler under which its genes are kept.
    pub scheduler: String,
}

fn failed(device: &str, error: impl std::fmt::Display) -> RunError {
    RunError::Failed(format!("{device}: {error}"))
}

/// The devices to run on: those that are named, or all that can be tuned, less those that are excluded.
///
/// # Errors
/// Where a named device is not there or must be left alone, or none is left.
pub(super) fn choose_devices(kernel: &Arc<dyn Kernel>, config: &Config) -> Result<Vec<Disk>, RunError> {
    let plain = |name: &String| name.strip_prefix("/dev/").unwrap_or(name).to_owned();
    let excluded: Vec<String> = config.exclude.iter().map(plain).collect();
    let mut chosen: Vec<Disk> = Vec::new();
    if config.devices.is_empty() {
        let disks = Disk::list(kernel).map_err(|error| RunError::Failed(error.to_string()))?;
        for disk in disks.into_iter().filter(|disk| !excluded.iter().any(|name| name == disk.name())) {
            // A device that leaves while it is looked at, or cannot be read, is left alone like any other that
            // must be; `tunerd devices` says why.
            if disk.identity().is_ok_and(|identity| kernfs::eligibility(&identity).is_ok()) {
                chosen.push(disk);
            }
        }
        if chosen.is_empty() {
            let why = "no device on this machine can be tuned; `tunerd devices` says why not";
            return Err(RunError::NothingToDo(why.to_owned()));
        }
        return Ok(chosen);
    }
    for name in &config.devices {
        let found = Disk::find(kernel.clone(), name).map_err(|error| failed(name, error))?;
        let identity = found.disk.identity().map_err(|error| failed(name, error))?;
        found.eligibility(&identity).map_err(|why| RunError::NothingToDo(why.to_string()))?;
        let disk = found.disk;
        if excluded.iter().any(|name| name == disk.name()) {
            return Err(RunError::NothingToDo(format!("{name} is both asked for and excluded")));
        }
        if !chosen.iter().any(|other| other.name() == disk.name()) {
            chosen.push(disk);
        }
    }
    Ok(chosen)
}

/// Opens the source for all devices together: one set of probes, whatever their number.
///
/// # Errors
/// Where none works that the configuration allows.
pub(super) fn open_source(
    kernel: &Arc<dyn Kernel>,
    config: &Config,
    disks: &[Disk],
) -> Result<Opened, RunError> {
    let watched = disks
        .iter()
        .map(|disk| {
            let identity = disk.identity().map_err(|error| failed(disk.name(), error))?;
            Ok(watched(&identity))
        })
        .collect::<Result<Vec<_>, RunError>>()?;
    let request = Request {
        choice: config.sampler.source,
        duty: if config.sampler.continuous { Duty::Continuous } else { Duty::default() },
        latency_one_in: config.sampler.latency_one_in,
        near: config.thresholds.near_sectors,
        ..Request::new(watched)
    };
    let opened = sampler::open(kernel, &request).map_err(|error| RunError::Failed(error.to_string()))?;
    tracing::info!("source: {}", opened.why);
    Ok(opened)
}

fn watched(identity: &Identity) -> Watched {
    let partitions = identity.partitions.iter().map(|(_, dev)| *dev).collect();
    Watched { partitions, ..Watched::new(identity.name.clone(), identity.devno) }
}

/// Makes a device's loop: clears up after a run that died, takes the guard, and builds the engine.
///
/// # Errors
/// Where another tunerd holds the device, the journal cannot be written, or there is nothing to tune.
pub(super) fn prepare<C: Clock>(
    kernel: &Arc<dyn Kernel>,
    disk: Disk,
    fleet: &Fleet,
    memory: &Memory,
    clock: C,
) -> Result<Prepared<C>, RunError> {
    let config = &fleet.config;
    let name = disk.name().to_owned();
    let identity = disk.identity().map_err(|error| failed(&name, error))?;
    let writes = config.mode != Mode::Observe;
    if writes {
        clear_up(kernel, config, &name)?;
    }
    let offer = Offer::read(&disk).map_err(|error| failed(&name, error))?;
    let genes =
        GeneMap::new(&offer, config).map_err(|error| RunError::NothingToDo(format!("{name}: {error}")))?;
    let scheduler = genes.scheduler_name().to_owned();
    let guard = if writes { Some(take_guard(disk, config, &name)?) } else { None };
    let originals: Settings = match &guard {
        Some(guard) => guard.originals().clone(),
        None => offer.settings(),
    };
    let tuned: Settings = originals
        .iter()
        .filter(|setting| genes.knobs().contains(&setting.knob) || setting.knob == Knob::Scheduler)
        .collect();
    let mut notes = offer.notes.clone();
    notes.extend(genes.notes().iter().cloned());
    let subject = Subject {
        device: name.clone(),
        rotational: identity.rotational,
        originals: originals.clone(),
        seed: fleet.seed,
    };
    let strategy = memory.strategy(subject, genes, config)?;
    let started = DeviceEvent {
        device: name.clone(),
        event: Event::Started {
            at_ns: clock.now().0,
            mode: config.mode,
            source: fleet.source.kind().to_string(),
            source_reason: fleet.why.clone(),
            originals: originals.clone(),
            genes: strategy.genes().knobs(),
            seed: fleet.seed,
            notes: notes.clone(),
        },
    };
    let engine = Engine::new(config.clone(), strategy, tuned, clock.now());
    let parts = Parts {
        name,
        devno: identity.devno,
        engine,
        guard,
        source: fleet.source.clone(),
        clock,
        sink: fleet.sink.clone(),
        config: config.clone(),
        originals,
        notes,
    };
    Ok(Prepared { parts, started, scheduler })
}

/// The scheduler names under which a population may have been kept for a device.
pub(super) fn scheduler_names() -> impl Iterator<Item = &'static str> {
    Elevator::ALL.into_iter().map(Elevator::name).chain(["*"])
}

/// Puts back what a run that died has left, so that its settings are not taken for the originals.
pub(crate) fn clear_up(kernel: &Arc<dyn Kernel>, config: &Config, name: &str) -> Result<(), RunError> {
    // Waiting for a process that lives would be in vain; one that was killed ends when its last write has.
    if let Some(pid) = schedulers::holder_of(&config.run_dir, name)
        && lives(kernel.as_ref(), pid)
    {
        return Err(failed(name, format_args!("held by another tunerd, process {pid}")));
    }
    let reports = schedulers::restore_all(kernel, &config.state_dir, &config.run_dir, Some(name), LAST_WRITE)
        .map_err(|error| failed(name, error))?;
    for report in reports.iter().filter(|report| !report.is_empty()) {
        tracing::warn!(device = name, "an earlier run had not ended properly: {report}");
    }
    Ok(())
}

/// Whether a process runs. One that was killed while a thread of it is still inside a write is a zombie.
fn lives(kernel: &dyn Kernel, pid: u32) -> bool {
    let stat = kernel.read(&kernfs::KPath::proc(format!("{pid}/stat"))).unwrap_or_default();
    let stat = String::from_utf8_lossy(&stat);
    // The name, in parentheses, may hold anything; the state is the letter after it.
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

fn take_guard(disk: Disk, config: &Config, name: &str) -> Result<Guard, RunError> {
    let guard = GuardConfig { state_dir: config.state_dir.clone(), run_dir: config.run_dir.clone() };
    Guard::take(disk, &guard).map_err(|error| failed(name, error))
}
