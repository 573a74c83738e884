//! What disk is wanted.

use crate::{Error, FixedDisk};
use block_types::{Bytes, Nanos};
use disk_model::{DeviceTraits, DiskModel, Kind, Params};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Where the data are unless told: a tmpfs, so that no other disk takes part.
pub const DEFAULT_BACKING: &str = "/dev/shm";

/// How the disk behaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// As one of the disk models.
    Disk {
        /// What people call it.
        name: String,
        /// Its parameters.
        #[serde(with = "as_toml")]
        params: Params,
    },
    /// Every command takes the same time.
    Fixed(Nanos),
}

impl Model {
    /// The model called `name`, one of [`Params::NAMES`] or of the products.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where there is none, with the names that there are.
    pub fn named(name: &str) -> Result<Self, Error> {
        let params = Params::named(name).ok_or_else(|| {
            Error::invalid(format!(
                "there is no disk model called {name:?}; there are {}",
                Params::NAMES.join(", ")
            ))
        })?;
        Ok(Self::Disk { name: name.to_owned(), params })
    }

    /// The model that the file at `path` describes.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, or describes none.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::path("read", path, error))?;
        let params = Params::from_toml(&text, path).map_err(|error| Error::invalid(error.to_string()))?;
        let name = path
            .file_stem()
            .map_or_else(|| params.kind().to_string(), |stem| stem.to_string_lossy().into_owned());
        Ok(Self::Disk { name, params })
    }

    /// The model's short name.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Disk { name, .. } => name.clone(),
            Self::Fixed(time) => format!("fixed {time}"),
        }
    }

    /// What a driver would tell the kernel of such a disk. The depth of its queue is at most the loop driver's.
    #[must_use]
    pub fn traits(&self) -> DeviceTraits {
        match self {
            Self::Disk { params, .. } => {
                let traits = params.traits();
                DeviceTraits { queue_depth: traits.queue_depth.clamp(LEAST_DEPTH, LOOP_DEPTH), ..traits }
            }
            Self::Fixed(_) => {
                DeviceTraits { rotational: false, queue_depth: LOOP_DEPTH, volatile_write_cache: true }
            }
        }
    }

    /// Whether such a disk has a queue for each processor, for which the kernel chooses no scheduler by itself.
    #[must_use]
    pub const fn has_many_queues(&self) -> bool {
        match self {
            Self::Disk { params, .. } => matches!(params.kind(), Kind::Nvme | Kind::CloudVolume),
            Self::Fixed(_) => false,
        }
    }

    /// The disk itself.
    ///
    /// # Errors
    ///
    /// Where its parameters do not fit together, or the disk is too small for it.
    pub(crate) fn build(&self, capacity: Bytes, seed: u64) -> Result<Box<dyn DiskModel>, Error> {
        match self {
            Self::Disk { params, .. } => {
                params.build(capacity, seed).map_err(|error| Error::invalid(error.to_string()))
            }
            Self::Fixed(time) => Ok(Box::new(FixedDisk::new(*time))),
        }
    }
}

/// Parameters on their way to another process: as the text that people write them in.
mod as_toml {
    use disk_model::Params;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};
    use std::path::Path;

    pub(super) fn serialize<S: Serializer>(params: &Params, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&params.to_toml())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Params, D::Error> {
        let text = String::deserialize(from)?;
        Params::from_toml(&text, Path::new("the disk's parameters")).map_err(D::Error::custom)
    }
}

/// The kernel gives every queue at least four requests (`BLKDEV_MIN_RQ`), whatever is asked for.
const LEAST_DEPTH: u32 = 4;

/// How many requests the loop driver takes at once, and so the deepest queue that can be emulated.
pub const LOOP_DEPTH: u32 = 128;

/// The disk that [`EmulatedDisk::attach`](crate::EmulatedDisk::attach) makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// How it behaves.
    pub model: Model,
    /// How large it is: a multiple of 4096.
    pub size: Bytes,
    /// How many commands it takes at once (4 to 128); the model's own number unless told.
    pub queue_depth: Option<u32>,
    /// The directory in whose file system the data are.
    pub backing: PathBuf,
    /// Seeds what is random in the model.
    pub seed: u64,
    /// How much dirty page cache the disk may have, strictly; as the kernel likes unless told.
    pub bound_buffered_writes: Option<Bytes>,
    /// How much earlier than the model's disk an answer leaves, to make up for the path to the emulator and back;
    /// measured when the disk is attached unless told.
    pub lead: Option<Nanos>,
}

impl Spec {
    /// A disk of `size` that behaves as `model`, with everything else as usual.
    #[must_use]
    pub fn new(model: Model, size: Bytes) -> Self {
        Self {
            model,
            size,
            queue_depth: None,
            backing: PathBuf::from(DEFAULT_BACKING),
            seed: 0,
            bound_buffered_writes: None,
            lead: None,
        }
    }

    /// The depth of the queue that the disk will have.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.queue_depth.unwrap_or_else(|| self.model.traits().queue_depth)
    }

    /// Whether the numbers make sense.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], with what was found and what is wanted.
    pub fn check(&self) -> Result<(), Error> {
        const SMALLEST: u64 = 1 << 20;
        const LARGEST: u64 = 1 << 50;
        if !self.size.0.is_multiple_of(4096) || !(SMALLEST..=LARGEST).contains(&self.size.0) {
            return Err(Error::invalid(format!(
                "the size is {} bytes; wanted is a multiple of 4096 from 1 MiB to 1 PiB",
                self.size.0
            )));
        }
        let depth = self.depth();
        if !(LEAST_DEPTH..=LOOP_DEPTH).contains(&depth) {
            return Err(Error::invalid(format!(
                "the queue depth is {depth}; wanted is {LEAST_DEPTH} to {LOOP_DEPTH}"
            )));
        }
        self.model.build(self.size, self.seed).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_survives_the_way_to_another_process() {
        for name in Params::NAMES {
            let spec = Spec::new(Model::named(name).unwrap(), Bytes(1 << 30));
            let text = serde_json::to_string(&spec).unwrap();
            assert_eq!(serde_json::from_str::<Spec>(&text).unwrap(), spec, "{name}");
            spec.check().unwrap();
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_was_found() {
        let good = Spec::new(Model::Fixed(Nanos(1000)), Bytes(1 << 30));
        good.check().unwrap();
        for (bad, found) in [
            (Spec { size: Bytes(4097), ..good.clone() }, "4097"),
            (Spec { size: Bytes::ZERO, ..good.clone() }, "0 bytes"),
            (Spec { queue_depth: Some(1), ..good.clone() }, "is 1;"),
            (Spec { queue_depth: Some(129), ..good.clone() }, "129"),
        ] {
            let error = bad.check().unwrap_err();
            assert!(matches!(error, Error::Invalid(_)) && error.to_string().contains(found), "{error}");
        }
        assert!(Model::named("floppy").unwrap_err().to_string().contains("hdd-7200"));
    }
}
