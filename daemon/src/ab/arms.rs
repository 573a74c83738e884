//! The two settings that are compared, completely: what is not named is as it is now.

use block_types::{Elevator, Knob, KnobValue, Setting, Settings};
use schedulers::{Freeze, Offer, refusal};
use std::collections::BTreeSet;

/// Two complete settings of one disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arms {
    /// What `--set` asks for.
    pub child: Settings,
    /// What it is compared with.
    pub control: Settings,
    /// The knobs that either was asked to set: what the two are called by.
    named: BTreeSet<Knob>,
}

/// Parses `fifo_batch=1` or `scheduler=bfq`.
///
/// # Errors
/// What was found and what was expected, in words.
pub fn parse_setting(text: &str) -> Result<Setting, String> {
    let (knob, value) = text
        .split_once('=')
        .ok_or_else(|| format!("found {text:?}, expected a knob and its value, such as fifo_batch=1"))?;
    let knob: Knob = knob.trim().parse().map_err(|error: block_types::UnknownKnob| error.to_string())?;
    let value = value.trim();
    let value = if knob == Knob::Scheduler {
        KnobValue::Elevator(value.parse().map_err(|error: block_types::UnknownElevator| error.to_string())?)
    } else {
        let wrong = |error| format!("found {knob}={value:?}, expected a whole number: {error}");
        KnobValue::Number(value.parse().map_err(|error: std::num::ParseIntError| wrong(error))?)
    };
    Ok(Setting { knob, value })
}

/// Why there is nothing to compare.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArmsError {
    /// A knob is named twice for one side.
    #[error("{0} is given twice")]
    Twice(Knob),
    /// A setting that this disk does not take.
    #[error("{setting}: {why}")]
    Impossible {
        /// What was asked for.
        setting: Setting,
        /// Why not.
        why: String,
    },
    /// Both sides are the same.
    #[error("{0} is what is in force already: there is nothing to compare")]
    Same(String),
}

impl Arms {
    /// How the child is called: `fifo_batch=1`.
    #[must_use]
    pub fn child_label(&self) -> String {
        self.label(&self.child)
    }

    /// How the control is called, in the same knobs.
    #[must_use]
    pub fn control_label(&self) -> String {
        self.label(&self.control)
    }

    fn label(&self, settings: &Settings) -> String {
        settings.iter().filter(|setting| self.named.contains(&setting.knob)).collect::<Settings>().to_string()
    }

    /// Takes what the kernel made of a wanted value for what is compared. Answers whether the two still differ.
    pub fn correct(&mut self, arm: trials::Arm, knob: Knob, read_back: KnobValue) -> bool {
        let settings = if arm == trials::Arm::Child { &mut self.child } else { &mut self.control };
        settings.set(knob, read_back);
        self.differ()
    }

    /// Whether there is anything to compare.
    #[must_use]
    pub fn differ(&self) -> bool {
        self.child != self.control
    }

    /// The knobs that differ.
    #[must_use]
    pub fn differing(&self) -> BTreeSet<Knob> {
        let all = self.child.iter().chain(self.control.iter()).map(|setting| setting.knob);
        all.filter(|&knob| self.child.get(knob) != self.control.get(knob)).collect()
    }

    /// The knobs among them whose every write drains the queue, for people.
    #[must_use]
    pub fn draining(&self) -> Vec<Knob> {
        let both = |knob: &Knob| self.child.get(*knob).is_some() && self.control.get(*knob).is_some();
        let drains = |knob: &Knob| schedulers::info(*knob).is_some_and(|info| info.freezes != Freeze::No);
        self.differing().into_iter().filter(|knob| both(knob) && drains(knob)).collect()
    }
}

/// Completes both sides from what a disk has in force.
///
/// A side that names another scheduler has that scheduler's knobs as the kernel sets them at a switch, less those that
/// it names itself, and the queue's own as they are.
///
/// # Errors
/// Where a side names a knob twice or one that it cannot have, or both sides are the same.
pub fn arms(
    offer: &Offer,
    max_hw_sectors_kb: Option<u64>,
    set: &[Setting],
    against: &[Setting],
) -> Result<Arms, ArmsError> {
    let now = offer.settings();
    let child = complete(offer, max_hw_sectors_kb, &now, set)?;
    let control = complete(offer, max_hw_sectors_kb, &now, against)?;
    let named = set.iter().chain(against).map(|setting| setting.knob).collect();
    let arms = Arms { child, control, named };
    if arms.differ() { Ok(arms) } else { Err(ArmsError::Same(arms.child_label())) }
}

fn complete(
    offer: &Offer,
    max_hw_sectors_kb: Option<u64>,
    now: &Settings,
    asked: &[Setting],
) -> Result<Settings, ArmsError> {
    let mut seen = BTreeSet::new();
    if let Some(twice) = asked.iter().find(|setting| !seen.insert(setting.knob)) {
        return Err(ArmsError::Twice(twice.knob));
    }
    let wanted: Settings = asked.iter().copied().collect();
    let elevator = wanted.elevator().or_else(|| now.elevator());
    let switches = elevator != now.elevator();
    // A switch sets these anew; wbt_lat_usec is hidden by bfq and comes back by itself.
    let bound = |knob: Knob| {
        knob.elevator().is_some()
            || matches!(knob, Knob::NrRequests | Knob::AsyncDepth | Knob::WbtLatUsec | Knob::Scheduler)
    };
    let mut settings: Settings = now.iter().filter(|setting| !switches || !bound(setting.knob)).collect();
    if let (true, Some(elevator)) = (switches, elevator) {
        settings.set(Knob::Scheduler, KnobValue::Elevator(elevator));
    }
    for setting in asked {
        if let Some(why) = impossible(offer, max_hw_sectors_kb, now, elevator, *setting) {
            return Err(ArmsError::Impossible { setting: *setting, why });
        }
        settings.set(setting.knob, setting.value);
    }
    Ok(settings)
}

fn impossible(
    offer: &Offer,
    max_hw_sectors_kb: Option<u64>,
    now: &Settings,
    elevator: Option<Elevator>,
    Setting { knob, value }: Setting,
) -> Option<String> {
    if let (Knob::Scheduler, KnobValue::Elevator(wanted)) = (knob, value) {
        let names = || offer.elevators.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ");
        return (!offer.elevators.contains(&wanted))
            .then(|| format!("this disk is offered {} only", names()));
    }
    if let (Some(owner), Some(elevator)) = (knob.elevator(), elevator)
        && owner != elevator
    {
        return Some(format!(
            "it is a knob of {owner}, and {elevator} is in force; say scheduler={owner} too"
        ));
    }
    if knob.elevator().is_none() && now.get(knob).is_none() {
        return Some("this disk has no such knob".to_owned());
    }
    refusal(knob, value, now.get(knob), max_hw_sectors_kb)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernfs::Disk;
    use kernfs::fake::{FakeDisk, FakeKernel};
    use std::sync::Arc;

    fn offer() -> Offer {
        let kernel = FakeKernel::new().with_disk(FakeDisk::hdd("sda"));
        let disk = Disk::open(Arc::new(kernel), "sda").unwrap();
        disk.write_knob(Knob::Scheduler, KnobValue::Elevator(Elevator::MqDeadline)).unwrap();
        Offer::read(&disk).unwrap()
    }

    fn settings(text: &str) -> Vec<Setting> {
        text.split_whitespace().map(|word| parse_setting(word).unwrap()).collect()
    }

    fn made(set: &str, against: &str) -> Result<Arms, ArmsError> {
        arms(&offer(), Some(1_280), &settings(set), &settings(against))
    }

    #[test]
    fn what_is_not_named_is_as_it_is() {
        let arms = made("fifo_batch=1", "").unwrap();
        assert_eq!(arms.control, offer().settings());
        assert_eq!(arms.differing(), [Knob::FifoBatch].into());
        assert_eq!(
            (arms.child_label(), arms.control_label()),
            ("fifo_batch=1".into(), "fifo_batch=16".into())
        );
        assert_eq!(arms.draining(), []);
        let arms = made("fifo_batch=1", "fifo_batch=64 read_expire=100").unwrap();
        assert_eq!(arms.child_label(), "read_expire=500 fifo_batch=1");
        assert_eq!(arms.control_label(), "read_expire=100 fifo_batch=64");
    }

    #[test]
    fn a_switch_has_the_other_schedulers_knobs_and_leaves_the_rest() {
        let arms = made("scheduler=bfq slice_idle_us=0", "").unwrap();
        assert_eq!(arms.child.elevator(), Some(Elevator::Bfq));
        assert_eq!(arms.child.number(Knob::SliceIdleUs), Some(0));
        for gone in [Knob::FifoBatch, Knob::ReadExpire, Knob::NrRequests, Knob::AsyncDepth] {
            assert_eq!(arms.child.get(gone), None, "{gone}");
            assert!(arms.control.get(gone).is_some() || gone == Knob::AsyncDepth, "{gone}");
        }
        assert_eq!(arms.child.get(Knob::ReadAheadKb), arms.control.get(Knob::ReadAheadKb));
        assert!(arms.draining().contains(&Knob::Scheduler));
    }

    #[test]
    fn what_cannot_be_is_said_before_anything_is_written() {
        for (set, against, told) in [
            ("fifo_batch=16", "", "fifo_batch=16 is what is in force already"),
            ("fifo_batch=1", "fifo_batch=1", "nothing to compare"),
            ("fifo_batch=1 fifo_batch=2", "", "fifo_batch is given twice"),
            ("fifo_batch=100000", "", "found 100000, expected"),
            ("slice_idle_us=0", "", "say scheduler=bfq too"),
            ("scheduler=none fifo_batch=1", "", "a knob of mq-deadline, and none is in force"),
            ("strict_guarantees=1 scheduler=bfq", "", "never tuned"),
            ("max_sectors_kb=4096", "", "max_sectors_kb=4096: found 4096"),
        ] {
            let error = made(set, against).unwrap_err().to_string();
            assert!(error.contains(told), "{set:?} against {against:?}: {error}");
        }
    }
}
