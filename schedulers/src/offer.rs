//! What one device really offers.

use crate::catalogue::{self, Freeze, MOST_REQUESTS, RangeRule, Scale, Tuning};
use block_types::{Elevator, Knob, KnobValue, Settings};
use kernfs::{Disk, DiskKind, ElevatorName, Error, Identity};
use std::collections::BTreeMap;

/// A range in numbers, for one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedRange {
    /// Ordinary values.
    pub scale: Scale,
    /// Values with a meaning of their own.
    pub specials: Vec<u64>,
}

/// One knob that a device offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// What it is set to.
    pub now: KnobValue,
    /// What is worth trying on this device; `None` for a knob that is never searched.
    pub range: Option<ResolvedRange>,
    /// Whether writing it drains the queue.
    pub freezes: Freeze,
    /// Whether a search moves it unless told otherwise.
    pub tuned_by_default: bool,
}

/// The schedulers and knobs of one device as they are now.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The schedulers that it can be switched to, of those that tunerd knows.
    pub elevators: Vec<Elevator>,
    /// The one in force.
    pub active: ElevatorName,
    /// The knobs of the queue and of the scheduler in force.
    pub knobs: BTreeMap<Knob, Offered>,
    /// What is odd, in words: an unknown scheduler, knobs that this kernel lacks.
    pub notes: Vec<String>,
}

/// The facts of a device that ranges depend on.
#[derive(Clone, Copy, Debug)]
struct Device {
    nvme: bool,
    max_hw_sectors_kb: u64,
    /// The most requests that `nr_requests` takes: under `none` the write resizes the driver's tags, which it can
    /// only shrink.
    most_requests: u64,
    nr_requests: u64,
}

/// Largest request that is searched; what the hardware claims can be 2 TiB.
const LARGEST_REQUEST_KB: u64 = 16_384;

impl Offer {
    /// Reads what a device offers. An unknown kernel or scheduler costs the knobs that depend on it and is said in
    /// [`Offer::notes`].
    ///
    /// # Errors
    /// Where the device has gone or its queue cannot be read.
    pub fn read(disk: &Disk) -> Result<Self, Error> {
        let readout = disk.read_settings()?;
        let identity = disk.identity()?;
        let device = Device::read(disk, &identity, &readout.settings)?;
        let active = readout.scheduler.active.clone();
        let mut notes = Vec::new();
        if let ElevatorName::Other(name) = &active {
            notes.push(format!(
                "scheduler {name} is unknown to this program: only the queue's own knobs are tuned"
            ));
        }
        for (knob, why) in readout.unsupported.iter().filter(|(knob, _)| **knob != Knob::Scheduler) {
            notes.push(format!("{knob}: {why}"));
        }
        let knobs: BTreeMap<Knob, Offered> = readout
            .settings
            .iter()
            .filter_map(|setting| Some((setting.knob, device.offered(setting.knob, setting.value)?)))
            .collect();
        if let ElevatorName::Known(elevator) = active {
            for info in catalogue::catalogue() {
                let expected = info.knob.is_knob_of(elevator) && info.tuning == Tuning::Default;
                if expected && !readout.settings.iter().any(|setting| setting.knob == info.knob) {
                    notes.push(format!("{} is not there (in Linux since {})", info.knob, info.since));
                }
            }
        }
        Ok(Self { elevators: readout.scheduler.known(), active, knobs, notes })
    }

    /// The knobs that the other offered schedulers would have, at the kernel's defaults (block/*-iosched.c, Linux
    /// 6.18): what a search over schedulers needs before it has switched to them.
    #[must_use]
    pub fn under_other_elevators(&self) -> Vec<(Knob, Offered)> {
        const DEFAULTS: &[(Knob, u64)] = &[
            (Knob::ReadExpire, 500),
            (Knob::WriteExpire, 5_000),
            (Knob::FifoBatch, 16),
            (Knob::WritesStarved, 2),
            (Knob::FrontMerges, 1),
            (Knob::ReadLatNsec, 2_000_000),
            (Knob::WriteLatNsec, 10_000_000),
            (Knob::SliceIdleUs, 8_000),
            (Knob::TimeoutSync, 124),
            (Knob::LowLatency, 1),
        ];
        // async_depth is left to the kernel, which sets it from nr_requests at each switch.
        let device = Device { nvme: false, max_hw_sectors_kb: 0, most_requests: 0, nr_requests: 0 };
        DEFAULTS
            .iter()
            .filter(|(knob, _)| !self.knobs.contains_key(knob))
            .filter(|(knob, _)| knob.elevator().is_some_and(|owner| self.elevators.contains(&owner)))
            .filter_map(|&(knob, value)| Some((knob, device.offered(knob, KnobValue::Number(value))?)))
            .collect()
    }

    /// What every knob is set to.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.knobs.iter().map(|(&knob, offered)| block_types::Setting { knob, value: offered.now }).collect()
    }
}

impl Device {
    fn read(disk: &Disk, identity: &Identity, now: &Settings) -> Result<Self, Error> {
        let nr_requests = now.number(Knob::NrRequests).unwrap_or(0);
        let most_requests = match now.elevator() {
            Some(Elevator::None) => disk.tag_depth()?.unwrap_or(nr_requests),
            _ => MOST_REQUESTS,
        };
        let max_hw_sectors_kb = disk.max_hw_sectors_kb()?.value().unwrap_or(0);
        Ok(Self { nvme: identity.kind == DiskKind::Nvme, max_hw_sectors_kb, most_requests, nr_requests })
    }

    fn offered(&self, knob: Knob, now: KnobValue) -> Option<Offered> {
        let info = catalogue::info(knob)?;
        let range = match info.tuning {
            Tuning::Fixed => None,
            _ if knob == Knob::Nomerges && !self.nvme => None,
            Tuning::Default | Tuning::Optional => self.resolve(info.range),
        }
        .map(|scale| ResolvedRange { scale, specials: info.specials.to_vec() });
        Some(Offered {
            now,
            tuned_by_default: info.tuning == Tuning::Default && range.is_some(),
            range,
            freezes: info.freezes,
        })
    }

    /// `None` where the device leaves nothing to choose.
    fn resolve(&self, rule: RangeRule) -> Option<Scale> {
        let log = |min: u64, max: u64| (min >= 1 && min < max).then_some(Scale::Log { min, max });
        match rule {
            RangeRule::Linear { min, max } => Some(Scale::Linear { min, max }),
            RangeRule::Log { min, max } => log(min, max),
            RangeRule::Boolean => Some(Scale::Boolean),
            RangeRule::Ordinal(values) => Some(Scale::Ordinal(values)),
            RangeRule::Requests => log(16.min(self.most_requests), self.most_requests),
            RangeRule::ShareOfRequests => log(self.nr_requests.div_ceil(8), self.nr_requests),
            RangeRule::HardwareRequestSize => log(64, self.max_hw_sectors_kb.min(LARGEST_REQUEST_KB)),
            RangeRule::Elevator => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernfs::KPath;
    use kernfs::fake::{FakeDisk, FakeKernel};
    use std::sync::Arc;

    fn offer(kernel: &FakeKernel, name: &str) -> Offer {
        Offer::read(&Disk::open(Arc::new(kernel.clone()), name).unwrap()).unwrap()
    }

    #[test]
    fn a_disk_under_mq_deadline_offers_its_six_and_the_queues() {
        let kernel = FakeKernel::new().with_disk(FakeDisk::hdd("sda"));
        let offer = offer(&kernel, "sda");
        let tuned: Vec<Knob> = offer
            .knobs
            .iter()
            .filter(|(_, offered)| offered.tuned_by_default)
            .map(|(knob, _)| *knob)
            .collect();
        assert_eq!(
            tuned,
            [
                Knob::ReadAheadKb,
                Knob::RqAffinity,
                Knob::ReadExpire,
                Knob::WriteExpire,
                Knob::FifoBatch,
                Knob::WritesStarved,
                Knob::FrontMerges,
                Knob::AsyncDepth,
            ]
        );
        assert!(offer.knobs[&Knob::NrRequests].range.is_some(), "it can be a gene where that is asked for");
        assert!(offer.knobs[&Knob::PrioAgingExpire].range.is_none());
        assert!(offer.knobs[&Knob::Nomerges].range.is_none(), "only NVMe is fast enough for it to matter");
    }

    #[test]
    fn under_none_requests_are_bounded_by_the_tags() {
        let kernel = FakeKernel::new().with_disk(FakeDisk::nvme("nvme0n1"));
        let offer = offer(&kernel, "nvme0n1");
        let range = offer.knobs[&Knob::NrRequests].range.clone().unwrap();
        assert_eq!(range.scale, Scale::Log { min: 16, max: 1_023 });
        assert!(offer.knobs[&Knob::Nomerges].range.is_some());
    }

    #[test]
    fn an_unknown_scheduler_costs_its_knobs_and_is_said() {
        let kernel = FakeKernel::new().with_disk(FakeDisk::hdd("sda"));
        kernel.set_text(KPath::sys("block/sda/queue/scheduler"), "none mq-deadline [adios]\n");
        let offer = offer(&kernel, "sda");
        assert!(offer.notes.iter().any(|note| note.contains("adios")), "{:?}", offer.notes);
        assert!(offer.knobs.keys().all(|knob| knob.elevator().is_none()));
        assert!(offer.knobs.contains_key(&Knob::ReadAheadKb));
    }

    #[test]
    fn a_knob_that_the_kernel_lacks_or_garbles_is_said_and_the_rest_is_offered() {
        let kernel = FakeKernel::new().with_disk(FakeDisk::hdd("sda"));
        kernel.vanish_attribute(KPath::sys("block/sda/queue/iosched/fifo_batch"));
        kernel.set_text(KPath::sys("block/sda/queue/iosched/read_expire"), "soon\n");
        let offer = offer(&kernel, "sda");
        for knob in [Knob::FifoBatch, Knob::ReadExpire] {
            assert!(!offer.knobs.contains_key(&knob));
            assert!(offer.notes.iter().any(|note| note.contains(knob.name())), "{:?}", offer.notes);
        }
        assert!(offer.knobs.contains_key(&Knob::WriteExpire));
    }

    #[test]
    fn other_schedulers_knobs_are_offered_for_a_search_over_schedulers() {
        let kernel = FakeKernel::new().with_disk(FakeDisk::hdd("sda"));
        let others = offer(&kernel, "sda").under_other_elevators();
        assert!(others.iter().any(|(knob, _)| *knob == Knob::SliceIdleUs));
        assert!(others.iter().all(|(knob, _)| knob.elevator() != Some(Elevator::MqDeadline)));
    }
}
