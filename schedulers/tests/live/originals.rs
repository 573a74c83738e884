//! How devices are set up before us, and what is compared in the end.

use block_types::{Elevator, Knob, KnobValue, Settings};
use kernfs::{Disk, WbtState};
use libtest_mimic::Failed;

/// A way in which somebody left a device.
pub(crate) struct Original {
    pub(crate) name: &'static str,
    /// Writes, in order; a value that names a scheduler is one.
    writes: &'static [(Knob, Value)],
}

#[derive(Clone, Copy)]
enum Value {
    Number(u64),
    Elevator(Elevator),
}
use Value::{Elevator as E, Number as N};

pub(crate) const ALL: &[Original] = &[
    Original {
        name: "none_with_fewer_tags",
        writes: &[
            (Knob::NrRequests, N(48)),
            (Knob::MaxSectorsKb, N(640)),
            (Knob::Nomerges, N(1)),
            (Knob::RqAffinity, N(2)),
            (Knob::ReadAheadKb, N(512)),
        ],
    },
    Original {
        // nr_requests shows 128 again.
        name: "none_over_four_tags",
        writes: &[(Knob::NrRequests, N(4)), (Knob::Scheduler, E(Elevator::None)), (Knob::ReadAheadKb, N(64))],
    },
    Original {
        name: "mq_deadline_over_four_tags",
        writes: &[
            (Knob::NrRequests, N(4)),
            (Knob::Scheduler, E(Elevator::MqDeadline)),
            (Knob::NrRequests, N(96)),
            (Knob::AsyncDepth, N(40)),
            (Knob::FifoBatch, N(8)),
            (Knob::ReadExpire, N(400)),
            (Knob::WritesStarved, N(5)),
            (Knob::MaxSectorsKb, N(320)),
            (Knob::ReadAheadKb, N(2048)),
        ],
    },
    Original {
        name: "kyber",
        writes: &[
            (Knob::Scheduler, E(Elevator::Kyber)),
            (Knob::NrRequests, N(100)),
            (Knob::ReadLatNsec, N(3_000_000)),
            (Knob::WriteLatNsec, N(20_000_000)),
            (Knob::RqAffinity, N(0)),
        ],
    },
    Original {
        name: "bfq_strict",
        writes: &[
            (Knob::Scheduler, E(Elevator::Bfq)),
            (Knob::NrRequests, N(64)),
            (Knob::StrictGuarantees, N(1)),
            (Knob::SliceIdleUs, N(0)),
            (Knob::TimeoutSync, N(60)),
            (Knob::LowLatency, N(0)),
            (Knob::MaxBudget, N(4096)),
            (Knob::BackSeekMax, N(2048)),
        ],
    },
    Original {
        name: "bfq_throttled_by_hand",
        writes: &[
            (Knob::WbtLatUsec, N(5000)),
            (Knob::Scheduler, E(Elevator::Bfq)),
            (Knob::ReadAheadKb, N(0)),
        ],
    },
];

impl Original {
    /// Sets the device up; what was written is in force afterwards, except `nr_requests` before a switch.
    pub(crate) fn set_up(&self, disk: &Disk) -> Result<(), Failed> {
        for (knob, value) in self.writes {
            let value = match *value {
                N(number) => KnobValue::Number(number),
                E(elevator) => KnobValue::Elevator(elevator),
            };
            disk.write_knob(*knob, value)?;
            let found = disk.read_knob(*knob)?.value();
            if found != Some(value) {
                return Err(format!("{knob} reads {found:?} after {value} was written").into());
            }
        }
        Ok(())
    }
}

/// All that must come back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) tag_depth: Option<u64>,
    pub(crate) wbt: Option<WbtState>,
}

impl State {
    pub(crate) fn read(disk: &Disk) -> Result<Self, Failed> {
        let settings = disk.read_settings()?.settings;
        Ok(Self { settings, tag_depth: disk.tag_depth()?, wbt: disk.wbt_state()? })
    }

    /// Fails with what differs. Whose hand throttling is in cannot come back once it was written.
    pub(crate) fn expect(&self, found: &Self, throttling_written: bool, what: &str) -> Result<(), Failed> {
        let mut differ: Vec<String> = Knob::ALL
            .iter()
            .map(|&knob| (knob, self.settings.get(knob), found.settings.get(knob)))
            .filter(|(_, expected, found)| expected != found)
            .map(|(knob, expected, found)| format!("{knob} is {found:?} and was {expected:?}"))
            .collect();
        if self.tag_depth != found.tag_depth {
            differ.push(format!("the tag depth is {:?} and was {:?}", found.tag_depth, self.tag_depth));
        }
        if self.wbt != found.wbt && !throttling_written {
            differ.push(format!("throttling is {:?} and was {:?}", found.wbt, self.wbt));
        }
        if differ.is_empty() { Ok(()) } else { Err(format!("{what}: {}", differ.join("; ")).into()) }
    }
}
