//! What earlier runs have learned: the library and the population of each device, and the hints file.

use super::clock::{Clock, RealClock};
use super::supervisor::RunError;
use crate::commands::acceptable;
use crate::config::{Config, Mode, Objective, StrategyName};
use crate::engine::{Confirmed, GeneMap, Saved, Search, Strategy, Subject};
use crate::store::{Claim, ConfirmedRow, Recorder, RunRow, Store};
use genetic::{Conflict, FitnessScale, Library, LibraryConfig, Moilanen, MoilanenConfig};
use kernfs::Kernel;
use std::collections::BTreeMap;

/// What is remembered of each device when the daemon starts.
#[derive(Debug)]
pub(super) struct Memory {
    store: Option<Store>,
    library: Library,
    pools: BTreeMap<(String, String), String>,
    confirmed: Vec<ConfirmedRow>,
    /// Held while what is in memory will be written back.
    _claim: Option<Claim>,
}

impl Memory {
    /// Opens the store and reads the library, and the hints file into its gaps. A store that cannot be used is
    /// an error where something would be learned (`tune`), and a warning where nothing would.
    pub(super) fn open(config: &Config) -> Result<Self, RunError> {
        let kept = LibraryConfig {
            decay: config.genetic.decay,
            scale: FitnessScale::Ratio,
            objective: config.objective.name().to_owned(),
        };
        let claim = if config.mode == Mode::Tune {
            let claim = Claim::to_search(&config.state_dir);
            Some(claim.map_err(|error| RunError::Failed(error.to_string()))?)
        } else {
            None
        };
        let (store, mut library) = match Store::open(&config.state_dir) {
            Ok((store, moved)) => {
                if let Some(moved) = moved {
                    tracing::warn!("{moved}");
                }
                let library =
                    store.load_library(None, kept).map_err(|error| RunError::Failed(error.to_string()))?;
                (Some(store), library)
            }
            Err(error) if config.mode == Mode::Observe => {
                tracing::warn!("{error}; nothing is kept");
                (None, Library::new(kept).map_err(|error| RunError::Failed(error.to_string()))?)
            }
            Err(error) => return Err(RunError::Failed(error.to_string())),
        };
        if let Some(path) = &config.hints {
            let text = std::fs::read_to_string(path)
                .map_err(|error| RunError::Failed(format!("{}: cannot be read: {error}", path.display())))?;
            let imported = library
                .import(&text, &path.display().to_string(), Conflict::Keep, acceptable)
                .map_err(|error| RunError::Failed(error.to_string()))?;
            tracing::info!(
                added = imported.added.len(),
                kept = imported.kept.len(),
                "hints: {}",
                path.display()
            );
        }
        let (pools, confirmed) = (BTreeMap::new(), Vec::new());
        Ok(Self { store, library, pools, confirmed, _claim: claim })
    }

    /// Reads what was kept of the search on a device; to be asked before [`Self::recorder`].
    pub(super) fn recall(&mut self, device: &str, scheduler: &str, config: &Config) {
        let Some(store) = &self.store else { return };
        let name = match config.strategy {
            StrategyName::Moilanen => pool_name(scheduler, config.objective),
            StrategyName::Confirmed => state_name(scheduler, config.objective),
        };
        match store.confirmed(Some(device)) {
            Ok(rows) => {
                let of_this = |row: &ConfirmedRow| {
                    row.key.scheduler == scheduler && row.objective == config.objective.name()
                };
                self.confirmed.extend(rows.into_iter().filter(of_this));
            }
            Err(error) => tracing::warn!(device, "{error}; nothing counts as confirmed"),
        }
        match store.load_pool(device, &name) {
            Ok(Some(state)) => {
                self.pools.insert((device.to_owned(), scheduler.to_owned()), state);
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(device, "{error}; the search begins anew"),
        }
    }

    /// The store's writing side, on a thread of its own.
    pub(super) fn recorder(&mut self, config: &Config, seed: u64, kernel: &dyn Kernel) -> Option<Recorder> {
        let run = RunRow {
            started_unix_ms: RealClock.unix_ms(),
            boot_id: kernfs::boot_id(kernel).unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: seed.to_string(),
            configuration: serde_json::to_string(config).unwrap_or_default(),
        };
        Recorder::start(self.store.take()?, run)
            .map_err(|error| tracing::warn!("the store cannot be written: {error}; nothing is kept"))
            .ok()
    }

    /// The top genes of all devices.
    pub(super) const fn library(&self) -> &Library {
        &self.library
    }

    /// How a device is searched, going on from what was kept.
    pub(super) fn strategy(
        &self,
        mut subject: Subject,
        genes: GeneMap,
        config: &Config,
    ) -> Result<Strategy, RunError> {
        let (device, seed) = (subject.device.clone(), subject.seed);
        let library = self.library().clone();
        if config.strategy == StrategyName::Moilanen {
            let pool = self.pool(&device, &genes, config, seed)?;
            return Ok(Search::new(device, config.clone(), genes, pool, library).into());
        }
        subject.seed = seed_of(&device, seed);
        let kept = self.pools.get(&(device.clone(), genes.scheduler_name().to_owned()));
        let saved = match kept.map(|state| serde_json::from_str::<Saved>(state)) {
            Some(Ok(saved)) => saved,
            Some(Err(error)) => {
                tracing::warn!(device, "the state of the search is damaged ({error}): it begins anew");
                Saved::default()
            }
            None => Saved::default(),
        };
        let entries = self
            .confirmed
            .iter()
            .filter(|row| row.key.device == device && row.key.scheduler == genes.scheduler_name())
            .map(|row| (row.key.class.clone(), row.entry.clone()));
        let saved = saved.with_confirmed(entries, genes.space(), config, subject.seed);
        let confirmed = Confirmed::new(subject, config.clone(), genes, library, saved);
        confirmed.map(Into::into).map_err(|error| RunError::Failed(format!("{device}: {error}")))
    }

    /// The population of a device: the one that was kept if it has the same genes, else a first generation.
    fn pool(&self, device: &str, genes: &GeneMap, config: &Config, seed: u64) -> Result<Moilanen, RunError> {
        let numbers = MoilanenConfig { children: config.timing.children, ..MoilanenConfig::default() };
        let kept = self.pools.get(&(device.to_owned(), genes.scheduler_name().to_owned()));
        match kept.map(|state| serde_json::from_str::<Moilanen>(state)) {
            Some(Ok(pool)) if pool.space() == genes.space() && *pool.config() == numbers => return Ok(pool),
            Some(Ok(_)) => {
                tracing::info!(device, "the genes are not those of the last run: a new population");
            }
            Some(Err(error)) => tracing::warn!(device, "the kept population is damaged ({error}): a new one"),
            None => {}
        }
        Moilanen::new(genes.space().clone(), numbers, seed_of(device, seed))
            .map_err(|error| RunError::Failed(format!("{device}: {error}")))
    }
}

/// What a population is kept under, beside its device: one bred for another objective is no start.
pub(super) fn pool_name(scheduler: &str, objective: Objective) -> String {
    format!("{scheduler}/{}", objective.name())
}

/// What the state of the `confirmed` strategy is kept under, beside its device.
pub(super) fn state_name(scheduler: &str, objective: Objective) -> String {
    format!("{scheduler}/{}/confirmed", objective.name())
}

/// A seed from the operating system, where none is given.
pub(crate) fn fresh_seed() -> u64 {
    use rand::{RngCore, SeedableRng};
    rand::rngs::StdRng::from_os_rng().next_u64()
}

/// Each device has its own random choices under one seed: FNV-1a of its name, mixed in.
fn seed_of(device: &str, seed: u64) -> u64 {
    device.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
