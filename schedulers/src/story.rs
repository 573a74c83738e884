//! What has happened to a device since it was taken: the journal's records, and what they come to.

use crate::catalogue::{is_bound_to_scheduler, may_reset};
use block_types::{Elevator, Knob, KnobValue, Setting, Settings};
use kernfs::{Disk, WbtState};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The format of the records.
pub(crate) const VERSION: u32 = 1;

/// The first record: whose journal it is, and how the device was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Opened {
    pub(crate) version: u32,
    pub(crate) device: String,
    pub(crate) boot_id: String,
    pub(crate) diskseq: Option<u64>,
    pub(crate) pid: u32,
    pub(crate) originals: Settings,
    /// The driver's tag depth, where debugfs told it: `nr_requests` under `none` may say something else.
    pub(crate) tag_depth: Option<u64>,
    /// Whether writeback throttling had been set by hand already, where debugfs told it.
    pub(crate) wbt_by_hand: Option<bool>,
}

impl Opened {
    /// How a device is now.
    pub(crate) fn read(disk: &Disk) -> Result<Self, kernfs::Error> {
        Ok(Self {
            version: VERSION,
            device: disk.name().to_owned(),
            boot_id: kernfs::boot_id(disk.kernel().as_ref())?,
            diskseq: disk.diskseq()?,
            pid: std::process::id(),
            originals: disk.read_settings()?.settings,
            tag_depth: disk.tag_depth()?,
            wbt_by_hand: disk.wbt_state()?.map(WbtState::is_sticky),
        })
    }
}

/// A line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub(crate) enum Record {
    Opened(Opened),
    /// About to be written; under which scheduler.
    Intends {
        setting: Setting,
        under: Option<Elevator>,
    },
    /// Read back after the last intention: what changed, and which knobs are no longer there.
    Known {
        changed: Settings,
        gone: BTreeSet<Knob>,
    },
    /// Somebody else wrote it.
    Yields {
        knob: Knob,
        found: Option<KnobValue>,
        under: Option<Elevator>,
    },
    /// Somebody else switched the scheduler: the knobs that a switch changes, as they came with it.
    Adopts {
        along: Settings,
    },
    /// Everything so far, at a compaction.
    Story(Box<Story>),
}

/// What somebody else made of a knob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Yielded {
    /// What we had last seen there.
    pub(crate) ours: Option<KnobValue>,
    pub(crate) found: Option<KnobValue>,
    /// The scheduler in force then: with another, a knob that is bound to the scheduler is another knob.
    pub(crate) under: Option<Elevator>,
}

/// What a journal says: enough to tell our values from others', and to put the originals back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Story {
    pub(crate) opened: Opened,
    /// The originals, and where somebody else switched the scheduler, what came with that.
    pub(crate) baseline: Settings,
    /// Every knob as last read back.
    pub(crate) known: Settings,
    /// Written, or about to be, and not yet read back. More than one only if reading back failed.
    pub(crate) pending: Vec<Setting>,
    /// Knobs that we wrote.
    pub(crate) touched: BTreeSet<Knob>,
    /// Whether `nr_requests` was written under `none`, which resizes the driver's tags.
    pub(crate) resized_tags: bool,
    /// Knobs that somebody else wrote, and what they made of them.
    pub(crate) yielded: BTreeMap<Knob, Yielded>,
}

impl Story {
    pub(crate) fn begin(opened: Opened) -> Self {
        Self {
            baseline: opened.originals.clone(),
            known: opened.originals.clone(),
            opened,
            pending: Vec::new(),
            touched: BTreeSet::new(),
            resized_tags: false,
            yielded: BTreeMap::new(),
        }
    }

    pub(crate) fn tell(&mut self, record: Record) {
        match record {
            Record::Opened(_) => {}
            Record::Intends { setting, under } => {
                self.pending.push(setting);
                self.touched.insert(setting.knob);
                self.resized_tags |= setting.knob == Knob::NrRequests && under == Some(Elevator::None);
            }
            Record::Known { changed, gone } => {
                self.known.0.extend(changed.0);
                self.known.0.retain(|knob, _| !gone.contains(knob));
                self.pending.clear();
            }
            Record::Yields { knob, found, under } => {
                let ours = self.known.get(knob);
                self.yielded.insert(knob, Yielded { ours, found, under });
                set_or_clear(&mut self.known, knob, found);
            }
            Record::Adopts { along } => {
                self.baseline.0.retain(|&knob, _| !is_bound_to_scheduler(knob));
                self.known.0.retain(|&knob, _| !may_reset(Knob::Scheduler, knob));
                self.yielded.retain(|&knob, _| !is_bound_to_scheduler(knob));
                for (knob, value) in along.0 {
                    self.known.set(knob, value);
                    if is_bound_to_scheduler(knob) {
                        self.baseline.set(knob, value);
                    }
                }
            }
            Record::Story(story) => *self = *story,
        }
    }

    /// The scheduler that is to be in force in the end; `None` where that is one that tunerd does not know.
    pub(crate) fn target_elevator(&self) -> Option<Elevator> {
        match self.yielded.get(&Knob::Scheduler) {
            Some(yielded) => match yielded.found? {
                KnobValue::Elevator(elevator) => Some(elevator),
                KnobValue::Number(_) => None,
            },
            None => self.baseline.elevator(),
        }
    }

    /// What somebody else made of a knob, where that still holds.
    pub(crate) fn theirs(&self, knob: Knob) -> Option<Yielded> {
        let holds =
            |yielded: &&Yielded| !is_bound_to_scheduler(knob) || yielded.under == self.target_elevator();
        self.yielded.get(&knob).filter(holds).copied()
    }

    /// What a knob is to be in the end: its original, or what somebody else made of it.
    pub(crate) fn target(&self, knob: Knob) -> Option<KnobValue> {
        if let Some(yielded) = self.theirs(knob) {
            return yielded.found;
        }
        let value = self.baseline.get(knob)?;
        let throttles = |elevator: Option<Elevator>| elevator == Some(Elevator::Bfq);
        let (then, end) = (self.opened.originals.elevator(), self.target_elevator());
        if knob == Knob::WbtLatUsec
            && throttles(then) != throttles(end)
            && self.opened.wbt_by_hand != Some(true)
        {
            // Without us it would be as the scheduler that somebody else chose has it.
            let ours = self.touched.contains(&knob) && throttles(end);
            return ours.then_some(KnobValue::Number(0));
        }
        Some(value)
    }
}

fn set_or_clear(settings: &mut Settings, knob: Knob, value: Option<KnobValue>) {
    match value {
        Some(value) => settings.set(knob, value),
        None => settings.0.remove(&knob),
    };
}
