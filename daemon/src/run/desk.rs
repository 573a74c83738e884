//! Where the control socket's requests are dealt with.

use super::device::{Command, DeviceView};
use super::supervisor::Fleet;
use crate::config::{Config, Mode, Objective};
use crate::control::{
    self, CostMeter, DeviceStatus, Peer, ProbeCostStatus, Request, Response, Server, Service, SourceStatus,
    StatusReport, TopStatus,
};
use crate::run::journalist::Journalist;
use block_types::DevNo;
use sampler::Source;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A device's name, and how to reach its loop.
pub(super) type Address = (String, Sender<Command>);

/// Answers `status`, `pause` and `resume`.
pub(super) struct Desk {
    addresses: Mutex<Vec<Address>>,
    source: Arc<dyn Source>,
    source_status: SourceStatus,
    devices: Vec<DevNo>,
    journalist: Arc<Journalist>,
    objective: Objective,
    meter: CostMeter,
    began: Instant,
    seed: u64,
}

/// A loop inside a write that freezes the queue can take seconds to answer.
const PATIENCE: Duration = Duration::from_secs(5);

impl Desk {
    pub(super) fn new(fleet: &Fleet) -> Self {
        Self {
            addresses: Mutex::new(fleet.addresses()),
            source: fleet.source.clone(),
            source_status: SourceStatus { kind: fleet.source.kind().to_string(), reason: fleet.why.clone() },
            devices: fleet.devices.clone(),
            journalist: fleet.sink.clone(),
            objective: fleet.config.objective,
            meter: CostMeter::start(),
            began: Instant::now(),
            seed: fleet.seed,
        }
    }

    /// Tells which loops there are, now that some may have ended.
    pub(super) fn tell(&self, addresses: Vec<Address>) {
        *self.addresses.lock().unwrap_or_else(PoisonError::into_inner) = addresses;
    }

    /// Listens on the control socket. Without one the daemon runs all the same, and says so.
    pub(super) fn serve(self: Arc<Self>, config: &Config) -> Option<Server> {
        let path = control::socket_path(&config.run_dir);
        Server::start(&path, config.socket_group.as_deref(), self)
            .map_err(|error| tracing::warn!("status, pause and resume are not available: {error}"))
            .ok()
    }

    fn addresses(&self) -> Vec<Address> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn status(&self) -> StatusReport {
        StatusReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_ns: u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX),
            seed: self.seed,
            cost: self.meter.measure(self.probes()),
            store: self.journalist.recorder().map(crate::store::Recorder::health),
            devices: self
                .addresses()
                .iter()
                .filter_map(|(_, loop_)| self.device(ask(loop_)?).into())
                .collect(),
        }
    }

    /// Requests completed on all devices since the source was opened.
    fn completed(&self) -> Option<u64> {
        self.devices.iter().map(|dev| Some(self.source.read(*dev).ok()?.completed.requests())).sum()
    }

    /// The kernel's accounting of probe run time costs a little itself, so it runs only while somebody looks.
    fn probes(&self) -> Option<ProbeCostStatus> {
        const LOOK: Duration = Duration::from_millis(300);
        let before = self.source.cost().unwrap_or_default();
        self.source.set_cost_accounting(true).ok()?;
        let begun = self.completed();
        std::thread::sleep(LOOK);
        let ended = self.completed();
        // What was counted until then is wanted even where switching off fails.
        let after = self.source.cost();
        let _ = self.source.set_cost_accounting(false);
        let after = after?;
        let (calls, total_ns) =
            (after.calls.checked_sub(before.calls)?, after.ns_total.checked_sub(before.ns_total)?);
        Some(ProbeCostStatus {
            calls,
            total_ns,
            ns_per_call: (calls > 0).then(|| total_ns as f64 / calls as f64),
            ns_per_io: ended.zip(begun).and_then(|(ended, begun)| {
                let ios = ended.checked_sub(begun)?;
                (ios > 0).then(|| total_ns as f64 / ios as f64)
            }),
        })
    }

    fn device(&self, view: DeviceView) -> DeviceStatus {
        DeviceStatus {
            name: view.name,
            mode: view.mode,
            objective: self.objective,
            paused: view.paused,
            ended: None,
            source: self.source_status.clone(),
            fingerprint: view.class,
            last_window: view.last_window,
            generation: (view.mode == Mode::Tune).then_some(view.generation),
            child: view.child,
            in_force: view.in_force,
            defaults: view.originals,
            notes: view.notes,
            yielded: view.yielded,
            voids: view.voids,
            scored: view.scored,
            top: view
                .top
                .into_iter()
                .map(|(class, fitness, settings)| TopStatus { class, fitness, settings })
                .collect(),
            confirmed: view.confirmed,
            settled: view.settled,
            last_error: view.last_error,
        }
    }

    /// Sends a command to one device's loop, or to all.
    fn send(&self, device: Option<&str>, command: impl Fn() -> Command) -> Response {
        let addresses = self.addresses();
        let wanted = device.map(|name| name.strip_prefix("/dev/").unwrap_or(name));
        let reached: Vec<String> = addresses
            .iter()
            .filter(|(name, _)| wanted.is_none_or(|wanted| wanted == name))
            .filter(|(_, loop_)| loop_.send(command()).is_ok())
            .map(|(name, _)| name.clone())
            .collect();
        match wanted {
            Some(wanted) if reached.is_empty() => {
                let here: Vec<&str> = addresses.iter().map(|(name, _)| name.as_str()).collect();
                Response::failed(format!("{wanted} is not under this daemon, which has {}", here.join(", ")))
            }
            _ => Response::Done { devices: reached },
        }
    }
}

impl Service for Desk {
    fn handle(&self, request: Request, peer: Peer) -> Response {
        match request {
            Request::Status {} => Response::Status(Box::new(self.status())),
            Request::Pause { device } => {
                tracing::info!(uid = peer.uid, pid = peer.pid, "asked to pause");
                self.send(device.as_deref(), || Command::Pause)
            }
            Request::Resume { device } => {
                tracing::info!(uid = peer.uid, pid = peer.pid, "asked to resume");
                self.send(device.as_deref(), || Command::Resume)
            }
        }
    }
}

fn ask(address: &Sender<Command>) -> Option<DeviceView> {
    let (reply, answer) = channel();
    address.send(Command::Status(reply)).ok()?;
    answer.recv_timeout(PATIENCE).ok()
}
