//! The simulated disk: a model, its size, and what a kernel would offer for it.

use block_types::{Bytes, DevNo, Elevator, Sector, Sectors};
use disk_model::{DiskModel, Kind, ModelError, Params};
use kernfs::Disk;
use kernfs::fake::{FakeDisk, FakeKernel};
use replay::Host;
use schedulers::Offer;
use std::path::Path;
use std::sync::Arc;

/// Why a disk cannot be simulated.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// No such model, and no such file.
    #[error("found disk {found:?}, expected {}, the name of a product, or a file of parameters", Params::NAMES.join(", "))]
    Unknown {
        /// What was asked for.
        found: String,
    },
    /// The file cannot be read.
    #[error("{path}: cannot be read: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Its parameters make no disk.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The stand-in for a kernel does not have it.
    #[error("the simulated kernel: {0}")]
    Kernel(#[from] kernfs::Error),
}

/// A disk to simulate.
#[derive(Clone, Debug)]
pub struct SimulatedDisk {
    name: String,
    params: Params,
    size: Bytes,
    depth: u32,
    seed: u64,
}

/// What a disk of "1 TB" has.
const USUAL_SIZE: Bytes = Bytes(1_000_204_886_016);
/// The largest file of parameters that is read.
const FILE_BYTES: u64 = 1 << 20;

impl SimulatedDisk {
    /// The model of that name, or that the file describes.
    ///
    /// A size that is not said is that of a usual disk, or what a trace needs that reaches to `end`.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn new(
        model: &str,
        size: Option<Bytes>,
        depth: Option<u32>,
        end: Sector,
        seed: u64,
    ) -> Result<Self, DiskError> {
        let (name, params) = find(model)?;
        let needed = Bytes(Sectors(end.0).bytes().0.div_ceil(4096) * 4096);
        let size = size.unwrap_or_else(|| Bytes(USUAL_SIZE.0.max(needed.0)));
        let depth = depth.unwrap_or_else(|| params.traits().queue_depth);
        let disk = Self { name, params, size, depth, seed };
        disk.build()?;
        Ok(disk)
    }

    /// The model's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its size.
    #[must_use]
    pub const fn size(&self) -> Bytes {
        self.size
    }

    /// How many commands it takes at once.
    #[must_use]
    pub const fn depth(&self) -> u32 {
        self.depth
    }

    /// What the block layer knows of it.
    #[must_use]
    pub fn host(&self) -> Host {
        Host::new(self.params.traits(), self.size).with_queue_depth(self.depth)
    }

    /// A new one, in which nothing has happened yet.
    ///
    /// # Errors
    /// [`ModelError`] where its parameters or its size make no disk.
    pub fn build(&self) -> Result<Box<dyn DiskModel>, ModelError> {
        self.params.build(self.size, self.seed)
    }

    /// What the kernel chooses for such a disk by itself: `mq-deadline` for a disk with one queue.
    #[must_use]
    pub const fn usual_scheduler(&self) -> Elevator {
        match self.params.kind() {
            Kind::Nvme | Kind::CloudVolume | Kind::Instant => Elevator::None,
            Kind::Hdd | Kind::SataSsd => Elevator::MqDeadline,
        }
    }

    /// The knobs that a kernel would offer for it under a scheduler, with their defaults and ranges.
    ///
    /// # Errors
    /// [`DiskError::Kernel`] where the stand-in for one does not know the scheduler.
    pub fn offer(&self, scheduler: Elevator) -> Result<Offer, DiskError> {
        const NAME: &str = "sda";
        let traits = self.params.traits();
        let host = self.host();
        let disk = FakeDisk {
            devno: DevNo::new(8, 0),
            size: self.size.sectors(),
            model: Some(self.name.clone()),
            rotational: traits.rotational,
            scheduler: scheduler.name().to_owned(),
            tag_depth: self.depth.into(),
            max_hw_sectors_kb: host.max_hw_sectors_kb.into(),
            max_sectors_kb: host.max_sectors_kb.into(),
            ..FakeDisk::hdd(NAME)
        };
        let kernel = FakeKernel::new().with_disk(disk);
        Ok(Offer::read(&Disk::open(Arc::new(kernel), NAME)?)?)
    }
}

fn find(model: &str) -> Result<(String, Params), DiskError> {
    if let Some(params) = Params::named(model) {
        return Ok((model.to_owned(), params));
    }
    let path = Path::new(model);
    if !path.is_file() {
        return Err(DiskError::Unknown { found: model.to_owned() });
    }
    let unreadable = |source| DiskError::File { path: model.to_owned(), source };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    std::io::Read::read_to_string(&mut std::io::Read::take(file, FILE_BYTES), &mut text)
        .map_err(unreadable)?;
    let name = path.file_stem().map_or_else(|| "disk".to_owned(), |stem| stem.to_string_lossy().into_owned());
    Ok((name, Params::from_toml(&text, path)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_as_large_as_its_trace_needs_unless_told() {
        let size = |size, end| SimulatedDisk::new("hdd-7200", size, None, Sector(end), 1).unwrap().size();
        assert_eq!(size(None, 1_000), USUAL_SIZE);
        assert_eq!(size(None, 3_000_000_001), Bytes(3_000_000_008 * 512));
        assert_eq!(size(Some(Bytes(1 << 30)), 3_000_000_000), Bytes(1 << 30));
    }

    #[test]
    fn every_scheduler_is_offered_with_its_knobs() {
        let disk = SimulatedDisk::new("hdd-7200", None, Some(4), Sector(0), 1).unwrap();
        for scheduler in Elevator::ALL {
            let offer = disk.offer(scheduler).unwrap();
            assert_eq!(offer.active.known(), Some(scheduler));
            let own = offer.knobs.keys().filter(|knob| knob.elevator() == Some(scheduler)).count();
            assert_eq!(own > 0, scheduler != Elevator::None, "{scheduler}");
        }
    }

    #[test]
    fn a_disk_that_makes_no_sense_is_named() {
        let error = SimulatedDisk::new("floppy", None, None, Sector(0), 1).unwrap_err().to_string();
        assert!(error.contains("floppy") && error.contains("hdd-7200"), "{error}");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fast.toml");
        std::fs::write(&path, "base = \"hdd-7200\"\nrotation_rpm = 0\n").unwrap();
        let error = SimulatedDisk::new(path.to_str().unwrap(), None, None, Sector(0), 1).unwrap_err();
        assert!(error.to_string().contains("rotation_rpm"), "{error}");
        let error = SimulatedDisk::new("hdd-7200", Some(Bytes(4096)), None, Sector(0), 1).unwrap_err();
        assert!(error.to_string().contains("4096"), "{error}");
    }
}
