//! Puts settings in force through a guard, first what does not freeze the queue.

use super::clock::Clock;
use crate::engine::{AppliedSettings, Clamp};
use block_types::{Knob, Nanos, Settings};
use schedulers::{Guard, GuardError, plan};
use std::collections::BTreeSet;

/// Puts `wanted` in force, less what somebody else has written and what was `refused` before; what is refused now joins
/// that.
///
/// # Errors
/// As [`Guard::apply`].
pub(crate) fn apply(
    guard: &mut Guard,
    clock: &impl Clock,
    wanted: &Settings,
    refused: &mut BTreeSet<Knob>,
) -> Result<AppliedSettings, GuardError> {
    let wanted: Settings = wanted
        .iter()
        .filter(|setting| !refused.contains(&setting.knob) && !guard.yielded().contains(&setting.knob))
        .collect();
    let mut outcome = Outcome::default();
    let (quick, freezing) = plan(guard.current(), &wanted).split_freezing();
    outcome.take(guard.apply(&quick)?);
    let quick_at = clock.now();
    if !freezing.is_empty() {
        outcome.take(guard.apply(&freezing)?);
        // A freezing write can undo a quick one: max_sectors_kb sets read_ahead_kb back, a switch of the
        // scheduler resets its knobs.
        outcome.take(guard.apply(&plan(guard.current(), &wanted).without(&outcome.settled()))?);
    }
    let at = clock.now();
    let in_force = guard.current().iter().filter(|setting| wanted.get(setting.knob).is_some()).collect();
    refused.extend(outcome.refused);
    Ok(AppliedSettings {
        at,
        quick_at,
        freezing: if freezing.is_empty() { Nanos::ZERO } else { at - quick_at },
        in_force,
        clamped: outcome.clamped,
        failed: outcome.failed,
    })
}

/// What several plans in a row came to.
#[derive(Default)]
struct Outcome {
    clamped: Vec<Clamp>,
    failed: Vec<String>,
    refused: BTreeSet<Knob>,
}

impl Outcome {
    fn take(&mut self, applied: schedulers::Applied) {
        self.clamped.extend(applied.clamped.iter().map(|clamp| Clamp {
            knob: clamp.knob,
            wanted: clamp.wanted,
            read_back: clamp.read_back,
        }));
        for failure in applied.failed {
            self.refused.insert(failure.knob);
            self.failed.push(failure.to_string());
        }
    }

    /// Knobs that are as the kernel wants them: writing them again would clamp or fail again.
    fn settled(&self) -> BTreeSet<Knob> {
        self.clamped.iter().map(|clamp| clamp.knob).chain(self.refused.iter().copied()).collect()
    }
}
