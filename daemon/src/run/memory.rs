//! What earlier runs have learned: the library and the population of each device, and the hints file.

use super::clock::{Clock, RealClock};
use super::supervisor::RunError;
use crate::commands::acceptable;
use crate::config::{Config, Mode, Objective};
use crate::engine::GeneMap;
use crate::store::{Claim, Recorder, RunRow, Store};
use genetic::{Conflict, FitnessScale, Library, LibraryConfig, Moilanen, MoilanenConfig};
use kernfs::Kernel;
use std::collections::BTreeMap;

/// What is remembered of each device when the daemon starts.
#[derive(Debug)]
pub(super) struct Memory {
    store: Option<Store>,
    library: Library,
    pools: BTreeMap<(String, String), String>,
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
        let pools = BTreeMap::new();
        Ok(Self { store, library, pools, _claim: claim })
    }

    /// Reads the population that was kept for a device; to be asked before [`Self::recorder`].
    pub(super) fn recall(&mut self, device: &str, scheduler: &str, objective: Objective) {
        let Some(store) = &self.store else { return };
        match store.load_pool(device, &pool_name(scheduler, objective)) {
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

    /// The population of a device: the one that was kept if it has the same genes, else a first generation.
    pub(super) fn pool(
        &self,
        device: &str,
        genes: &GeneMap,
        config: &Config,
        seed: u64,
    ) -> Result<Moilanen, RunError> {
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
