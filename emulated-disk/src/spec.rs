//! What disk is wanted.

use crate::{Error, FixedDisk};
use block_types::{Bytes, Nanos};
use disk_model::{DiskModel, InstantDisk};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where the data are unless told: a tmpfs, so that no other disk takes part.
pub const DEFAULT_BACKING: &str = "/dev/shm";

/// How the disk behaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// No service time: what is left is the path to the emulator and back.
    Instant,
    /// Every command takes the same time.
    Fixed(Nanos),
}

/// What a driver knows of a disk before it sends the first command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// Whether it has rotating platters.
    pub rotational: bool,
    /// How many commands it takes at once.
    pub queue_depth: u32,
    /// Whether what it says is written may still be lost with its power, until it is told to flush.
    pub volatile_write_cache: bool,
}

impl Model {
    /// The model's short name.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Instant => "instant".to_owned(),
            Self::Fixed(time) => format!("fixed {time}"),
        }
    }

    /// What a driver would know of such a disk.
    #[must_use]
    pub const fn traits(&self) -> Traits {
        Traits { rotational: false, queue_depth: LOOP_DEPTH, volatile_write_cache: true }
    }

    /// The disk itself.
    ///
    /// # Errors
    ///
    /// Where its parameters do not fit together.
    pub(crate) fn build(&self, _: Bytes, _: u64) -> Result<Box<dyn DiskModel>, Error> {
        Ok(match self {
            Self::Instant => Box::new(InstantDisk::default()),
            Self::Fixed(time) => Box::new(FixedDisk::new(*time)),
        })
    }
}

/// How many requests the loop driver takes at once, and so the deepest queue that can be emulated.
pub const LOOP_DEPTH: u32 = 128;

/// The disk that [`EmulatedDisk::attach`](crate::EmulatedDisk::attach) makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// How it behaves.
    pub model: Model,
    /// How large it is: a multiple of 4096.
    pub size: Bytes,
    /// How many commands it takes at once (2 to 128); the model's own number unless told.
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
        self.queue_depth.unwrap_or_else(|| self.model.traits().queue_depth.clamp(2, LOOP_DEPTH))
    }

    /// Whether the numbers make sense.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], with what was found and what is wanted.
    pub fn check(&self) -> Result<(), Error> {
        const SMALLEST: u64 = 1 << 20;
        const LARGEST: u64 = 1 << 50;
        if self.size.0 % 4096 != 0 || !(SMALLEST..=LARGEST).contains(&self.size.0) {
            return Err(Error::invalid(format!(
                "the size is {} bytes; wanted is a multiple of 4096 from 1 MiB to 1 PiB",
                self.size.0
            )));
        }
        let depth = self.depth();
        if !(2..=LOOP_DEPTH).contains(&depth) {
            return Err(Error::invalid(format!("the queue depth is {depth}; wanted is 2 to {LOOP_DEPTH}")));
        }
        self.model.build(self.size, self.seed).map(drop)
    }
}
