//! Looks at the default settings beside the incumbent, so that a gain that is gone is noticed.

use super::gain::Looked;
use super::{Confirmed, Task};
use crate::engine::event::{Event, GainTold};
use crate::engine::{Action, report};
use block_types::Nanos;
use trials::{Arm, Outcome};

impl Confirmed {
    /// The slice that is due in the pair of incumbent and default.
    pub(super) fn check_task(&self) -> Task {
        let chapter = self.chapters.get(&self.name());
        match chapter.and_then(|chapter| chapter.incumbent.as_ref()).map(|it| it.watch.next()) {
            Some(Arm::Control) => Task::CheckDefault,
            _ => Task::CheckIncumbent,
        }
    }

    pub(super) fn record_check(&mut self, now: Nanos, outcome: Outcome, actions: &mut Vec<Action>) {
        let Some(incumbent) = self.chapter().and_then(|chapter| chapter.incumbent.as_mut()) else { return };
        let looked = match outcome {
            Outcome::Measured(score) => incumbent.watch.record(score),
            Outcome::Void(_) | Outcome::Aborted(_) => {
                incumbent.watch.start_again();
                return;
            }
        };
        if !matches!(looked, Looked::Pair { .. }) {
            return;
        }
        let gone = incumbent.watch.is_gone();
        if let Some(told) = self.told_gain(now) {
            let told = Box::new(told);
            actions.push(report(if gone { Event::GainLapsed(told) } else { Event::GainChecked(told) }));
        }
        if gone {
            let unix_ms = self.unix_ms;
            if let Some(chapter) = self.chapter() {
                chapter.lapse(unix_ms);
            }
        }
        actions.push(Action::Keep);
    }

    fn told_gain(&mut self, now: Nanos) -> Option<GainTold> {
        let (class, settings, objective) = (self.scene(), self.home(), self.config.objective);
        let chapter = self.chapter()?;
        let incumbent = chapter.incumbent.as_ref()?;
        Some(GainTold {
            at_ns: now.0,
            class,
            settings,
            objective,
            confirmed_gain: incumbent.watch.confirmed().exp_m1(),
            estimate: incumbent.watch.estimate(),
            default_share: chapter.default_time.share(),
        })
    }
}
