//! The difference between what is and what is wanted, in the order in which it must be written.

use crate::catalogue::{freezes, may_reset, rank};
use block_types::{Knob, Setting, Settings};
use std::collections::BTreeSet;

/// Settings to write, in order.
///
/// The order is the kernel's (Linux 6.18): the scheduler resets everything else; `nr_requests` resets
/// `async_depth`; `max_sectors_kb` resets `read_ahead_kb`, which is last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    steps: Vec<Setting>,
}

/// What to write to get from `now` to `wanted`. A knob that has its value is not written: a no-op write can drain
/// the queue for a second. A knob that is not there, and will not be after a switch that is part of the plan, is
/// left out; so is a switch away from a scheduler that tunerd does not know and could not switch back to.
#[must_use]
pub fn plan(now: &Settings, wanted: &Settings) -> Plan {
    let switches = wanted.elevator().zip(now.elevator()).is_some_and(|(target, active)| target != active);
    let target = if switches { wanted.elevator() } else { now.elevator() };
    let mut steps: Vec<Setting> = wanted
        .iter()
        .filter(|setting| {
            let knob = setting.knob;
            if switches && may_reset(Knob::Scheduler, knob) {
                // Whatever it is now, the switch changes it.
                return target.is_some_and(|target| knob.is_knob_of(target));
            }
            now.get(knob).is_some_and(|value| value != setting.value)
        })
        .collect();
    let rewritten: Vec<Knob> = steps.iter().map(|step| step.knob).collect();
    // What a step resets is written again after it, even where it has its value now.
    for setting in wanted.iter() {
        let undone = rewritten.iter().any(|&written| may_reset(written, setting.knob));
        let there = now.get(setting.knob).is_some();
        if undone
            && there
            && !rewritten.contains(&setting.knob)
            && target.is_none_or(|t| setting.knob.is_knob_of(t))
        {
            steps.push(setting);
        }
    }
    steps.sort_by_key(|step| rank(step.knob));
    Plan { steps }
}

impl Plan {
    /// The steps, in order.
    #[must_use]
    pub fn steps(&self) -> &[Setting] {
        &self.steps
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The same without some knobs.
    #[must_use]
    pub fn without(&self, knobs: &BTreeSet<Knob>) -> Self {
        Self { steps: self.steps.iter().filter(|step| !knobs.contains(&step.knob)).copied().collect() }
    }

    /// What can be written at once, and what drains the queue with all that must follow it.
    ///
    /// A knob that a draining step resets is in both: at once for the benefit, and again because it is undone.
    /// Knobs of a scheduler that is not in force yet are in the second only.
    #[must_use]
    pub fn split_freezing(&self) -> (Self, Self) {
        let switches = self.steps.iter().any(|step| step.knob == Knob::Scheduler);
        let draining: Vec<Knob> =
            self.steps.iter().map(|step| step.knob).filter(|&knob| freezes(knob)).collect();
        let undone = |knob: Knob| draining.iter().any(|&written| may_reset(written, knob));
        let waits = |knob: Knob| freezes(knob) || (switches && may_reset(Knob::Scheduler, knob));
        let part = |keep: &dyn Fn(Knob) -> bool| Self {
            steps: self.steps.iter().filter(|step| keep(step.knob)).copied().collect(),
        };
        (part(&|knob| !waits(knob)), part(&|knob| waits(knob) || undone(knob)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use block_types::{Elevator, KnobValue};

    fn settings(text: &str) -> Settings {
        text.split_whitespace()
            .map(|word| {
                let (knob, value) = word.split_once('=').unwrap();
                let value = match value.parse::<Elevator>() {
                    Ok(elevator) => KnobValue::Elevator(elevator),
                    Err(_) => KnobValue::Number(value.parse().unwrap()),
                };
                Setting { knob: knob.parse().unwrap(), value }
            })
            .collect()
    }

    fn words(plan: &Plan) -> String {
        plan.steps().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    const NOW: &str = "scheduler=mq-deadline nr_requests=256 async_depth=192 fifo_batch=16 read_expire=500 \
                       max_sectors_kb=1280 wbt_lat_usec=75000 read_ahead_kb=128 rq_affinity=1";

    #[test]
    fn only_what_differs_is_written_and_in_the_kernels_order() {
        for (wanted, expected) in [
            ("fifo_batch=16 read_ahead_kb=128", ""),
            ("fifo_batch=8", "fifo_batch=8"),
            (
                "read_ahead_kb=512 wbt_lat_usec=0 max_sectors_kb=512 read_expire=100 async_depth=64 nr_requests=64",
                "nr_requests=64 async_depth=64 read_expire=100 max_sectors_kb=512 wbt_lat_usec=0 read_ahead_kb=512",
            ),
            ("slice_idle_us=0", ""),
            ("fifo_batch=1 scheduler=mq-deadline", "fifo_batch=1"),
        ] {
            assert_eq!(words(&plan(&settings(NOW), &settings(wanted))), expected, "{wanted}");
        }
    }

    #[test]
    fn what_a_step_resets_is_written_again_even_where_it_has_its_value() {
        let wanted = settings("max_sectors_kb=512 read_ahead_kb=128");
        assert_eq!(words(&plan(&settings(NOW), &wanted)), "max_sectors_kb=512 read_ahead_kb=128");
        let wanted = settings("nr_requests=64 async_depth=192");
        assert_eq!(words(&plan(&settings(NOW), &wanted)), "nr_requests=64 async_depth=192");
    }

    #[test]
    fn a_switch_writes_the_new_schedulers_knobs_and_not_the_old_ones() {
        let wanted = settings("scheduler=bfq slice_idle_us=0 fifo_batch=1 nr_requests=256 rq_affinity=2");
        let plan = plan(&settings(NOW), &wanted);
        assert_eq!(words(&plan), "scheduler=bfq nr_requests=256 slice_idle_us=0 rq_affinity=2");
        let (quick, draining) = plan.split_freezing();
        assert_eq!(words(&quick), "rq_affinity=2");
        assert_eq!(words(&draining), "scheduler=bfq nr_requests=256 slice_idle_us=0");
    }

    #[test]
    fn what_drains_comes_after_what_does_not_and_repeats_what_it_undoes() {
        let wanted = settings("fifo_batch=1 max_sectors_kb=512 read_ahead_kb=1024");
        let (quick, draining) = plan(&settings(NOW), &wanted).split_freezing();
        assert_eq!(words(&quick), "fifo_batch=1 read_ahead_kb=1024");
        assert_eq!(words(&draining), "max_sectors_kb=512 read_ahead_kb=1024");
    }
}
