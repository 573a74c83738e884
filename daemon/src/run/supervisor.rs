//! The daemon as a whole: chooses devices, opens what they share, runs a loop on each, and answers signals and
//! the control socket until it is told to end.

use super::clock::RealClock;
use super::desk::Desk;
use super::device::{Command, DeviceLoop, Ended, Sink};
use super::journalist::Journalist;
use super::memory::{Memory, fresh_seed};
use super::notify;
use super::setup::{self, Prepared};
use crate::config::Config;
use block_types::DevNo;
use kernfs::{Disk, Kernel};
use sampler::{Opened, Source};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Why the daemon did not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is nothing that it may tune.
    #[error("{0}")]
    NothingToDo(String),
    /// Something that it needs is not there.
    #[error("{0}")]
    Failed(String),
}

/// What a signal or the clock asks of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// End, and put everything back.
    Stop(&'static str),
    /// Read the configuration again.
    Reload,
}

/// What the daemon needs from its surroundings.
pub struct Surroundings {
    /// The kernel's files.
    pub kernel: Arc<dyn Kernel>,
    /// Signals, as they come.
    pub signals: Receiver<Signal>,
    /// When to end by itself.
    pub stop_after: Option<Duration>,
    /// Whether events go to standard output as JSON lines.
    pub json: bool,
    /// Reads the configuration again.
    pub reload: Box<dyn Fn() -> Result<Config, crate::config::ConfigError>>,
}

struct Running {
    commands: Sender<Command>,
    thread: JoinHandle<Ended>,
}

/// What to do after a fleet has ended.
enum Next {
    End,
    Again(Box<Config>),
}

/// Runs until a signal, the time limit, or the end of the last device.
///
/// A new configuration ends every loop, which puts the originals back, and starts afresh under the new one from
/// what was learned: so every key takes effect, and no state outlives the configuration that made it.
///
/// # Errors
/// [`RunError::NothingToDo`] where no device may be tuned; [`RunError::Failed`] where a device that was asked for
/// is held by another tunerd, or sampler, store or journal cannot be opened, or a loop had to give up.
pub fn run(mut config: Config, surroundings: &Surroundings) -> Result<(), RunError> {
    let deadline = surroundings.stop_after.map(|limit| Instant::now() + limit);
    loop {
        let mut fleet = Fleet::muster(config, surroundings)?;
        let desk = Arc::new(Desk::new(&fleet));
        let server = desk.clone().serve(&fleet.config);
        let next = fleet.supervise(surroundings, deadline, &desk);
        drop(server);
        match next? {
            Next::End => return Ok(()),
            Next::Again(new) => config = *new,
        }
    }
}

/// All devices under the daemon, and what they share.
pub(super) struct Fleet {
    pub(super) config: Config,
    kernel: Arc<dyn Kernel>,
    memory: Memory,
    pub(super) source: Arc<dyn Source>,
    pub(super) why: String,
    pub(super) sink: Arc<Journalist>,
    pub(super) seed: u64,
    pub(super) devices: Vec<DevNo>,
    running: BTreeMap<String, Running>,
}

impl Fleet {
    fn muster(config: Config, surroundings: &Surroundings) -> Result<Self, RunError> {
        let kernel = surroundings.kernel.clone();
        let disks = setup::choose_devices(&kernel, &config)?;
        let seed = config.seed.unwrap_or_else(fresh_seed);
        let mut memory = Memory::open(&config)?;
        for disk in &disks {
            setup::scheduler_names().for_each(|scheduler| memory.recall(disk.name(), scheduler, &config));
        }
        let Opened { source, why, .. } = setup::open_source(&kernel, &config, &disks)?;
        let recorder = memory.recorder(&config, seed, kernel.as_ref());
        let lines = surroundings.json.then(|| Box::new(std::io::stdout()) as Box<dyn std::io::Write + Send>);
        let sink = Arc::new(Journalist::new(lines, recorder, config.objective));
        let mut fleet = Self {
            config,
            kernel,
            memory,
            source,
            why,
            sink,
            seed,
            devices: Vec::new(),
            running: BTreeMap::new(),
        };
        for disk in disks {
            if let Err(error) = fleet.start(disk) {
                // What was started is ended properly; the error that prevented the rest is the one to report.
                let _ = fleet.stop("another device could not be started", Vec::new());
                return Err(error);
            }
        }
        Ok(fleet)
    }

    fn start(&mut self, disk: Disk) -> Result<(), RunError> {
        let Prepared { parts, started, scheduler } =
            setup::prepare(&self.kernel, disk, self, &self.memory, RealClock)?;
        let name = parts.name.clone();
        self.devices.push(parts.devno);
        self.sink.introduce(&name, &scheduler);
        self.sink.event(&started);
        let (commands, inbox) = channel();
        let device_loop = DeviceLoop::new(parts);
        let thread = std::thread::Builder::new()
            .name(format!("tunerd-{name}"))
            .spawn(move || device_loop.run(&inbox))
            .map_err(|error| RunError::Failed(format!("{name}: cannot start its thread: {error}")))?;
        self.running.insert(name, Running { commands, thread });
        Ok(())
    }

    fn supervise(
        &mut self,
        surroundings: &Surroundings,
        deadline: Option<Instant>,
        desk: &Desk,
    ) -> Result<Next, RunError> {
        const LOOK: Duration = Duration::from_millis(500);
        notify::ready(self.running.len());
        let mut failures = Vec::new();
        loop {
            let left = deadline.map_or(LOOK, |end| end.saturating_duration_since(Instant::now()).min(LOOK));
            match surroundings.signals.recv_timeout(left).ok() {
                Some(Signal::Stop(why)) => return self.stop(why, failures).map(|()| Next::End),
                Some(Signal::Reload) => match (surroundings.reload)() {
                    Ok(config) => {
                        tracing::info!("the configuration was read again; the loops start afresh under it");
                        let again = Next::Again(Box::new(config));
                        return self.stop("the configuration was read again", failures).map(|()| again);
                    }
                    Err(error) => tracing::error!("the configuration is not taken over: {error}"),
                },
                None => {}
            }
            if deadline.is_some_and(|end| Instant::now() >= end) {
                return self.stop("its time is up", failures).map(|()| Next::End);
            }
            notify::alive();
            failures.extend(self.bury());
            desk.tell(self.addresses());
            if self.running.is_empty() {
                return Err(RunError::Failed(match failures.is_empty() {
                    true => "no device is left".to_owned(),
                    false => failures.join("; "),
                }));
            }
        }
    }

    /// Takes leave of loops that ended by themselves; answers what failed.
    fn bury(&mut self) -> Vec<String> {
        let ended: Vec<String> = self
            .running
            .iter()
            .filter(|(_, running)| running.thread.is_finished())
            .map(|(name, _)| name.clone())
            .collect();
        ended
            .into_iter()
            .filter_map(|name| {
                let running = self.running.remove(&name)?;
                match running.thread.join() {
                    Ok(Ended::Stopped) => None,
                    Ok(Ended::Vanished) => {
                        tracing::warn!(device = name, "the device is gone; its loop has ended");
                        None
                    }
                    Ok(Ended::Failed(why)) => Some(format!("{name}: {why}")),
                    Err(_panic) => {
                        Some(format!("{name}: its loop panicked; `tunerd restore` puts its settings back"))
                    }
                }
            })
            .collect()
    }

    fn stop(&mut self, why: &str, mut failures: Vec<String>) -> Result<(), RunError> {
        notify::stopping();
        for running in self.running.values() {
            // A loop that has ended by itself no longer listens; it is joined below all the same.
            let _ = running.commands.send(Command::Stop(why.to_owned()));
        }
        while !self.running.is_empty() {
            std::thread::sleep(Duration::from_millis(5));
            failures.extend(self.bury());
        }
        if let Some(recorder) = self.sink.recorder()
            && !recorder.finish(Duration::from_secs(5))
        {
            tracing::warn!("the store did not take everything in time: {:?}", recorder.health());
        }
        if failures.is_empty() { Ok(()) } else { Err(RunError::Failed(failures.join("; "))) }
    }

    pub(super) fn addresses(&self) -> Vec<(String, Sender<Command>)> {
        self.running.iter().map(|(name, running)| (name.clone(), running.commands.clone())).collect()
    }
}
