//! The parameters of every kind of disk, by name and as TOML.

pub(crate) mod declare;

use crate::cloud::{CloudVolume, CloudVolumeParams};
use crate::hdd::{HardDisk, HddParams};
use crate::ssd::{Ssd, SsdParams};
use crate::{DiskModel, InstantDisk, ModelError, products};
use block_types::Bytes;
use declare::Source;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;
use toml::Spanned;

/// The sizes that models are built for, 64 MiB to 1 PiB: with less, a rotating disk would have hardly a track to a
/// zone.
pub const CAPACITIES: RangeInclusive<Bytes> = Bytes(64 << 20)..=Bytes(1 << 50);

/// The parameters of a disk.
///
/// With serde, as a part of some other file, every value must be there, and ranges are checked only by
/// [`Params::build`]; [`Params::from_toml`] knows bases and names the place of a mistake.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Params {
    /// A rotating disk.
    Hdd(HddParams),
    /// A flash disk behind a serial ATA link: one command queue of 32, one direction at a time.
    SataSsd(SsdParams),
    /// A flash disk behind PCI Express: deep queues, both directions at once.
    Nvme(SsdParams),
    /// A volume in a data centre, sold by rates.
    CloudVolume(CloudVolumeParams),
    /// A disk that takes no time.
    Instant,
}

/// Which model answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// [`HardDisk`].
    Hdd,
    /// [`Ssd`] behind SATA.
    SataSsd,
    /// [`Ssd`] behind PCI Express.
    Nvme,
    /// [`CloudVolume`].
    CloudVolume,
    /// [`InstantDisk`].
    Instant,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Hdd, Self::SataSsd, Self::Nvme, Self::CloudVolume, Self::Instant];

    /// Its name in a file's `kind`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hdd => "hdd",
            Self::SataSsd => "sata-ssd",
            Self::Nvme => "nvme",
            Self::CloudVolume => "cloud-volume",
            Self::Instant => "instant",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What the driver of such a disk tells the kernel of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceTraits {
    /// Whether it rotates (`queue/rotational`).
    pub rotational: bool,
    /// How many commands its driver has in flight at most (tags).
    pub queue_depth: u32,
    /// Whether completed writes may be lost with the power until a flush (`queue/write_cache`).
    pub volatile_write_cache: bool,
}

impl Params {
    /// The default disk of every kind; [`Params::named`] knows the [`products`] as well.
    pub const NAMES: [&'static str; 5] = ["hdd-7200", "sata-ssd", "nvme", "cloud-volume", "instant"];

    /// The parameters by name: one of [`Params::NAMES`], or a product's.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if name == "instant" {
            return Some(Self::Instant);
        }
        let product = products::find(name)?;
        Self::from_toml(product.toml, Path::new(product.name)).ok()
    }

    /// Reads a file of parameters.
    ///
    /// It says either `kind = "hdd"` (or `"sata-ssd"`, `"nvme"`, `"cloud-volume"`, `"instant"`) and then every value,
    /// or `base = "hdd-7200"` (any name that [`Params::named`] knows) and then only those that differ.
    ///
    /// ```
    /// use disk_model::Params;
    /// let text = "base = \"hdd-7200\"\nrotation_rpm = 5400\n";
    /// let Params::Hdd(slow) = Params::from_toml(text, "slow.toml".as_ref())? else { unreachable!() };
    /// assert_eq!(slow.rotation_rpm, 5400);
    /// # Ok::<(), disk_model::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// [`ModelError`] with `origin`, the line, the key, what was found and what was expected.
    pub fn from_toml(text: &str, origin: &Path) -> Result<Self, ModelError> {
        /// The two keys that decide how the others are read.
        #[derive(Deserialize)]
        struct Heading {
            kind: Option<Spanned<String>>,
            base: Option<Spanned<String>>,
        }
        let source = Source { path: origin, text };
        let heading: Heading = source.parse()?;
        let base = match &heading.base {
            Some(written) => match Self::named(written.get_ref()) {
                Some(base) => Some(base),
                None => {
                    let expected = format!("a disk's name: {}", all_names().join(", "));
                    let found = format!("{:?}", written.get_ref());
                    return Err(source.value(&written.span(), "base", found, expected));
                }
            },
            None => None,
        };
        let written = match &heading.kind {
            Some(written) => match Kind::ALL.into_iter().find(|kind| kind.name() == written.get_ref()) {
                Some(kind) => Some((kind, written.span())),
                None => {
                    let found = format!("{:?}", written.get_ref());
                    return Err(source.value(&written.span(), "kind", found, kind_names()));
                }
            },
            None => None,
        };
        let kind = match (written, &base) {
            (Some((kind, span)), Some(base)) if kind != base.kind() => {
                let expected = format!("\"{}\", as the base is", base.kind());
                return Err(source.value(&span, "kind", format!("\"{kind}\""), expected));
            }
            (Some((kind, _)), _) => kind,
            (None, Some(base)) => base.kind(),
            (None, None) => {
                return Err(ModelError::Missing {
                    path: origin.to_owned(),
                    key: "kind".to_owned(),
                    expected: format!("{}, or a base", kind_names()),
                });
            }
        };
        Ok(match (kind, base) {
            (Kind::Hdd, Some(Self::Hdd(base))) => Self::Hdd(HddParams::read(&source, Some(&base))?),
            (Kind::Hdd, _) => Self::Hdd(HddParams::read(&source, None)?),
            (Kind::SataSsd, Some(Self::SataSsd(base))) => {
                Self::SataSsd(SsdParams::read(&source, Some(&base))?)
            }
            (Kind::SataSsd, _) => Self::SataSsd(SsdParams::read(&source, None)?),
            (Kind::Nvme, Some(Self::Nvme(base))) => Self::Nvme(SsdParams::read(&source, Some(&base))?),
            (Kind::Nvme, _) => Self::Nvme(SsdParams::read(&source, None)?),
            (Kind::CloudVolume, Some(Self::CloudVolume(base))) => {
                Self::CloudVolume(CloudVolumeParams::read(&source, Some(&base))?)
            }
            (Kind::CloudVolume, _) => Self::CloudVolume(CloudVolumeParams::read(&source, None)?),
            (Kind::Instant, _) => {
                source.parse::<NoParams>()?;
                Self::Instant
            }
        })
    }

    /// Every value as TOML that [`Params::from_toml`] reads back.
    #[must_use]
    pub fn to_toml(&self) -> String {
        // A flat table of numbers and names always is TOML; the fallback would be a file with every key missing.
        toml::to_string(self).unwrap_or_default()
    }

    /// Which model they are for.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Hdd(_) => Kind::Hdd,
            Self::SataSsd(_) => Kind::SataSsd,
            Self::Nvme(_) => Kind::Nvme,
            Self::CloudVolume(_) => Kind::CloudVolume,
            Self::Instant => Kind::Instant,
        }
    }

    /// What the driver of such a disk tells the kernel.
    #[must_use]
    pub fn traits(&self) -> DeviceTraits {
        match self {
            Self::Hdd(hdd) => DeviceTraits {
                rotational: true,
                queue_depth: hdd.queue_depth,
                volatile_write_cache: hdd.write_cache == crate::hdd::WriteCache::WriteBack,
            },
            Self::SataSsd(ssd) | Self::Nvme(ssd) => DeviceTraits {
                rotational: false,
                queue_depth: ssd.queue_depth,
                volatile_write_cache: ssd.write_buffer == crate::ssd::WriteBuffer::Volatile,
            },
            Self::CloudVolume(volume) => DeviceTraits {
                rotational: false,
                queue_depth: volume.queue_depth,
                volatile_write_cache: false,
            },
            Self::Instant => {
                DeviceTraits { rotational: false, queue_depth: 1023, volatile_write_cache: false }
            }
        }
    }

    /// A disk of `capacity` with these parameters; equal seeds answer equal commands equally.
    ///
    /// # Errors
    /// [`ModelError::OutOfRange`] for a value that did not come from a file and is out of its range, and for a
    /// capacity that is none of [`CAPACITIES`].
    pub fn build(&self, capacity: Bytes, seed: u64) -> Result<Box<dyn DiskModel>, ModelError> {
        if !CAPACITIES.contains(&capacity) {
            return Err(ModelError::OutOfRange {
                key: "capacity".to_owned(),
                found: format!("{} bytes", capacity.0),
                expected: format!("{} to {} bytes", CAPACITIES.start().0, CAPACITIES.end().0),
            });
        }
        Ok(match self {
            Self::Hdd(hdd) => Box::new(HardDisk::new(hdd, capacity)?),
            Self::SataSsd(ssd) => Box::new(Ssd::new(ssd, crate::ssd::Link::HalfDuplex, capacity, seed)?),
            Self::Nvme(ssd) => Box::new(Ssd::new(ssd, crate::ssd::Link::FullDuplex, capacity, seed)?),
            Self::CloudVolume(volume) => Box::new(CloudVolume::new(volume, capacity, seed)?),
            Self::Instant => Box::new(InstantDisk::default()),
        })
    }
}

/// A disk without parameters: a file for it may say nothing but its kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoParams {
    #[expect(dead_code, reason = "named so that it is no unknown key")]
    kind: Option<String>,
    #[expect(dead_code, reason = "likewise")]
    base: Option<String>,
}

/// What a file's `kind` may be.
fn kind_names() -> String {
    format!("one of {}", Kind::ALL.map(Kind::name).join(", "))
}

/// Every name that [`Params::named`] knows.
fn all_names() -> Vec<&'static str> {
    Params::NAMES.into_iter().chain(products::ALL.iter().map(|product| product.name)).collect()
}
