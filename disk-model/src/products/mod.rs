//! The products that the models are calibrated to, with their figures and where these come from.
//!
//! Every product has a file of parameters (`products/*.toml`) and a list of [`Figure`]s, each with its [`Origin`]: a
//! data sheet, a published measurement, or a derivation from one of these, which says how. The test `calibration`
//! holds every model to within 10 % of every figure, and
//!
//! ```console
//! $ cargo run --release -p disk-model --example calibration
//! ```
//!
//! prints both side by side. A source that is marked as recalled is a published one that was not looked up again when
//! this table was made. What the figures do not fix (how many dies, how large a buffer) is an assumption, and
//! [`Product::assumptions`] says so.

mod cloud;
mod hdd;
mod nvme;
mod sata_ssd;

use crate::drive::{Order, Report, Until, Workload, closed_loop};
use crate::hdd::WriteCache;
use crate::{ModelError, Params};
use block_types::{Bytes, Sector};

/// A product.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// What [`Params::named`] knows it by.
    pub name: &'static str,
    /// What its maker calls it.
    pub model: &'static str,
    /// Its parameters.
    pub toml: &'static str,
    /// What it is held to.
    pub figures: &'static [Figure],
    /// Which of the parameters no figure fixes, and how they were chosen.
    pub assumptions: &'static str,
}

/// Where a figure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The maker's data sheet, product manual or documentation.
    DataSheet(&'static str),
    /// Somebody else's published measurement.
    Measured(&'static str),
    /// Computed from such figures; says how.
    Derived(&'static str),
}

/// The part of a disk that a figure is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// All of it.
    Whole,
    /// Its first 1/64: the outermost tracks.
    First,
    /// Its last 1/64: the innermost.
    Last,
}

/// How the disk is set while a figure is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// As its parameters say.
    AsShipped,
    /// With the write cache of a rotating disk off.
    WriteThrough,
}

/// A quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    /// Commands per second.
    Iops(f64),
    /// Bytes per second.
    BytesPerS(f64),
}

/// What a product does.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// In words.
    pub what: &'static str,
    /// Where the commands go.
    pub order: Order,
    /// The share of reads, 0 to 1.
    pub read_share: f64,
    /// The length of each command.
    pub block: Bytes,
    /// How many are in flight.
    pub depth: u32,
    /// Where on the disk.
    pub region: Region,
    /// How it is set.
    pub setting: Setting,
    /// Commands before the count begins: what it takes to use up a cache, or to fill one.
    pub ramp_commands: u64,
    /// Commands that are counted.
    pub commands: u64,
    /// The figure.
    pub value: Quantity,
    /// Where it comes from.
    pub origin: Origin,
}

impl Figure {
    /// 128 KiB one behind the other.
    const fn stream(what: &'static str, read_share: f64, bytes_per_s: f64, origin: Origin) -> Self {
        Self {
            what,
            order: Order::Sequential,
            read_share,
            block: Bytes(128 << 10),
            depth: 32,
            region: Region::Whole,
            setting: Setting::AsShipped,
            ramp_commands: 1_000,
            commands: 10_000,
            value: Quantity::BytesPerS(bytes_per_s),
            origin,
        }
    }

    /// 4 KiB anywhere.
    const fn random(what: &'static str, read_share: f64, depth: u32, iops: f64, origin: Origin) -> Self {
        Self {
            what,
            order: Order::Random,
            read_share,
            block: Bytes(4 << 10),
            depth,
            region: Region::Whole,
            setting: Setting::AsShipped,
            ramp_commands: 1_000,
            commands: 30_000,
            value: Quantity::Iops(iops),
            origin,
        }
    }

    const fn at_depth(self, depth: u32) -> Self {
        Self { depth, ..self }
    }

    const fn on(self, region: Region) -> Self {
        Self { region, ..self }
    }

    const fn write_through(self) -> Self {
        Self { setting: Setting::WriteThrough, ..self }
    }

    const fn after(self, ramp_commands: u64) -> Self {
        Self { ramp_commands, ..self }
    }

    const fn over(self, commands: u64) -> Self {
        Self { commands, ..self }
    }

    /// The figure's number, in its own unit.
    #[must_use]
    pub const fn number(&self) -> f64 {
        match self.value {
            Quantity::Iops(number) | Quantity::BytesPerS(number) => number,
        }
    }

    /// The same of a report.
    #[must_use]
    pub const fn of(&self, report: &Report) -> f64 {
        match self.value {
            Quantity::Iops(_) => report.iops,
            Quantity::BytesPerS(_) => report.bytes_per_s,
        }
    }
}

impl Product {
    /// What the model does where a figure was taken, on a disk of `capacity`.
    ///
    /// # Errors
    /// [`ModelError`] where the product's file makes no disk.
    pub fn predict(&self, figure: &Figure, capacity: Bytes) -> Result<Report, ModelError> {
        let mut params = Params::from_toml(self.toml, self.name.as_ref())?;
        if let (Params::Hdd(hdd), Setting::WriteThrough) = (&mut params, figure.setting) {
            hdd.write_cache = WriteCache::WriteThrough;
        }
        let part = Bytes(capacity.0 / 64);
        let (first, span) = match figure.region {
            Region::Whole => (Sector(0), capacity),
            Region::First => (Sector(0), part),
            Region::Last => (Sector(Bytes(capacity.0 - part.0).sectors().0), part),
        };
        let work = Workload {
            order: figure.order,
            read_share: figure.read_share,
            block: figure.block,
            depth: figure.depth,
            first,
            span,
            ramp_commands: figure.ramp_commands,
            seed: 1,
        };
        let mut disk = params.build(capacity, 1)?;
        Ok(closed_loop(disk.as_mut(), &work, Until::Commands(figure.commands)))
    }
}

/// All of them.
pub static ALL: [&Product; 9] = [
    &hdd::ULTRASTAR_DC_HC310,
    &hdd::CONSTELLATION_ES3,
    &sata_ssd::SAMSUNG_850_EVO,
    &sata_ssd::INTEL_DC_S4600,
    &nvme::SAMSUNG_970_EVO_PLUS,
    &nvme::INTEL_DC_P3700,
    &nvme::INTEL_DC_P3600,
    &cloud::EBS_GP3,
    &cloud::EBS_GP2,
];

/// The product of a name, or the one that stands for a kind in [`Params::NAMES`].
///
/// - `hdd-7200`: WD Ultrastar DC HC310, a current CMR drive of middling size, with its seek times documented track by
///   track; write cache on, as it ships.
/// - `sata-ssd`: Samsung 850 EVO 250 GB, an ordinary desktop disk, small enough for its SLC cache to end and its
///   write buffer to stall within a test; volatile, so that flushes cost.
/// - `nvme`: Samsung 970 EVO Plus 1 TB, likewise volatile, and fast enough that the way to it shows.
/// - `cloud-volume`: Amazon EBS gp3 as created by default.
#[must_use]
pub fn find(name: &str) -> Option<&'static Product> {
    let name = match name {
        "hdd-7200" => hdd::ULTRASTAR_DC_HC310.name,
        "sata-ssd" => sata_ssd::SAMSUNG_850_EVO.name,
        "nvme" => nvme::SAMSUNG_970_EVO_PLUS.name,
        "cloud-volume" => cloud::EBS_GP3.name,
        other => other,
    };
    ALL.into_iter().find(|product| product.name == name)
}

/// What a mix does if its reads and writes take the time that they take alone: the harmonic mean.
const fn mix(read_share: f64, reads: f64, writes: f64) -> f64 {
    1.0 / (read_share / reads + (1.0 - read_share) / writes)
}
