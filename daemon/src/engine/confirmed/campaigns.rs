//! Campaigns: candidates raced and confirmed, and what is made of the outcome.

use super::gain::GainWatch;
use super::{Chapter, Confirmation, Confirmed, Incumbent, Task};
use crate::engine::event::{
    Against, BackedOff, CampaignBegun, CampaignEnded, Event, Nominated, Purpose, RacedSettings, TrialTold,
};
use crate::engine::{Action, report, settings_by_name, settings_of};
use block_types::{Nanos, Settings};
use genetic::Genome;
use trials::{CampaignEnd, Outcome, TrialConfig, Tried, Verdict, Void};

/// Remembered settings are tried in the first of so many campaigns.
const REMEMBER_EVERY: u64 = 4;
/// At most so many are.
const REMEMBERED: usize = 3;

impl Chapter {
    /// A slice of the campaign was lost, and its pair with it.
    pub(super) fn lose_pair(&mut self, void: Void) {
        if let Some(running) = &mut self.running {
            running.half = false;
            // The end of a campaign by too many losses is noticed with the next task.
            let _ = running.campaign.record(Outcome::Void(void));
        }
    }
}

impl Confirmed {
    /// The slice of the campaign that is due; begins a campaign where none runs. `None` where there is nothing to try.
    pub(super) fn campaign_task(&mut self, now: Nanos, actions: &mut Vec<Action>) -> Option<Task> {
        // Losses outside of a slice's own end may have ended a stage.
        self.tell_progress(now, actions);
        let ended = self.chapter()?.running.as_ref().is_some_and(|running| running.campaign.next().is_none());
        if ended {
            self.end_campaign(now, actions);
            if self.chapter()?.rest > Nanos::ZERO {
                return None;
            }
        }
        let begins = self.chapter()?.running.is_none();
        if begins && !self.begin_campaign(now, actions) {
            return None;
        }
        self.tell_begun(now, begins, actions);
        let running = self.chapter()?.running.as_ref()?;
        let due = running.campaign.next()?;
        let purpose = if running.campaign.trial().is_some() { Purpose::Confirm } else { Purpose::Race };
        Some(Task::Campaign(due, purpose))
    }

    fn begin_campaign(&mut self, now: Nanos, actions: &mut Vec<Action>) -> bool {
        let (config, seed) = (self.config.clone(), self.seed());
        let remembered = self.remembered();
        let Some(chapter) = self.chapter() else { return false };
        match chapter.begin(&config, &remembered, seed) {
            Ok(true) => true,
            Ok(false) => {
                chapter.back_off.found_nothing();
                chapter.rest = chapter.back_off.pause();
                self.told_back_off(now, actions);
                false
            }
            Err(error) => {
                let message = error.to_string();
                actions.push(report(Event::Warning { at_ns: now.0, message }));
                false
            }
        }
    }

    /// Settings that served once or elsewhere: what lapsed here, what earlier runs or a file have for this
    /// fingerprint, and the incumbents of the others.
    fn remembered(&mut self) -> Vec<Genome> {
        let name = self.name();
        let top = self.library.top(&self.key(&name)).map(|top| top.genes.clone());
        let others: Vec<_> = self
            .chapters
            .iter()
            .filter(|(other, _)| **other != name)
            .filter_map(|(_, chapter)| Some(chapter.incumbent.as_ref()?.confirmation.genes.clone()))
            .collect();
        let Some(chapter) = self.chapter() else { return Vec::new() };
        if !chapter.campaigns.is_multiple_of(REMEMBER_EVERY) {
            return Vec::new();
        }
        let space = chapter.brood.space();
        let home = chapter.home();
        let mut remembered: Vec<Genome> = Vec::new();
        let lapsed = chapter.lapsed.iter().rev().map(|lapsed| &lapsed.confirmation.genes);
        for genes in lapsed.chain(&top).chain(&others) {
            let genome = space.genome_of(genes);
            if genome != home && !remembered.contains(&genome) {
                remembered.push(genome);
            }
        }
        remembered.truncate(REMEMBERED);
        remembered
    }

    fn tell_begun(&mut self, now: Nanos, begins: bool, actions: &mut Vec<Action>) {
        let resumed = self.resumed.remove(&self.name());
        if !begins && !resumed {
            return;
        }
        let (class, incumbent) = (self.scene(), self.home());
        let Some(chapter) = self.chapter() else { return };
        let Some(running) = &chapter.running else { return };
        actions.push(report(Event::Campaign(Box::new(CampaignBegun {
            at_ns: now.0,
            class,
            campaign: chapter.campaigns,
            candidates: running.candidates.len(),
            radius: chapter.region.radius(),
            incumbent,
            resumed: resumed && !begins,
        }))));
        actions.push(Action::Keep);
    }

    /// Takes what came of a campaign's slice.
    pub(super) fn record_campaign(&mut self, now: Nanos, outcome: Outcome, actions: &mut Vec<Action>) {
        let most = self.config.confirmed.nominees as usize;
        let Some(chapter) = self.chapter() else { return };
        let Some(running) = &mut chapter.running else { return };
        running.half = !running.half && matches!(outcome, Outcome::Measured(_));
        let whole = !running.half;
        let raced = running.campaign.trial().is_none();
        let recorded = running.campaign.record(outcome).map(drop);
        let recorded = if raced { recorded.and_then(|()| chapter.nominate(most)) } else { recorded };
        if let Err(error) = recorded {
            let message = error.to_string();
            actions.push(report(Event::Warning { at_ns: now.0, message }));
        }
        if whole {
            actions.push(Action::Keep);
        }
        self.tell_progress(now, actions);
        let ended =
            self.chapter().and_then(|chapter| chapter.running.as_ref()).and_then(|it| it.campaign.end());
        if ended.is_some() {
            self.end_campaign(now, actions);
        }
    }

    /// Tells of nominees and of trials that ended, each once.
    fn tell_progress(&mut self, now: Nanos, actions: &mut Vec<Action>) {
        let (class, objective, control) = (self.scene(), self.config.objective, self.home());
        let Some(chapter) = self.chapter() else { return };
        let against = if chapter.incumbent.is_some() { Against::Incumbent } else { Against::Default };
        let (campaign, space) = (chapter.campaigns, chapter.brood.space().clone());
        let Some(running) = &mut chapter.running else { return };
        let settings = |candidate: u32| {
            let found = running.candidates.get(candidate as usize);
            found.map_or_else(Settings::new, |candidate| settings_of(&space, &candidate.genome))
        };
        let mut trials = 0;
        for tried in &running.campaign.tried()[running.told..] {
            trials += 1;
            let Tried { candidate, verdict, estimate, log_evidence, alpha, slices } = *tried;
            let told = Box::new(TrialTold {
                at_ns: now.0,
                class,
                campaign,
                candidate,
                settings: settings(candidate),
                control: control.clone(),
                against,
                objective,
                verdict,
                estimate,
                log_evidence,
                alpha,
                slices,
            });
            let event =
                if verdict == Verdict::Better { Event::Promoted(told) } else { Event::Rejected(told) };
            actions.push(report(event));
        }
        let nominee = match running.campaign.trial() {
            Some(_) => running.campaign.next().map(|due| due.candidate),
            None => None,
        };
        if let Some(candidate) = nominee
            && running.nominee != nominee
        {
            let settings = settings(candidate);
            let told = Nominated { at_ns: now.0, class, campaign, candidate, settings };
            actions.push(report(Event::Nominee(Box::new(told))));
        }
        running.told += trials;
        running.nominee = nominee;
        chapter.trials += trials as u64;
    }

    fn end_campaign(&mut self, now: Nanos, actions: &mut Vec<Action>) {
        let (class, unix_ms, seed) = (self.scene(), self.unix_ms, self.seed());
        let objective = self.config.objective.of_trials();
        let home = self.home();
        let measured_on = self.subject.measured_on.clone();
        let Some(chapter) = self.chapter() else { return };
        let Some(running) = chapter.running.take() else { return };
        let raced = running.campaign.raced();
        let space = chapter.brood.space().clone();
        chapter.brood.breed(&running.candidates, &raced);
        chapter.lessons.learn(&space, &chapter.home(), &running.candidates, &raced, running.campaign.tried());
        let promoted = match running.campaign.end() {
            Some(CampaignEnd::Promoted(candidate)) => {
                let genome = running.candidates.get(candidate as usize).map(|candidate| &candidate.genome);
                genome.zip(running.campaign.tried().last())
            }
            Some(CampaignEnd::Nothing) | None => None,
        };
        match promoted {
            Some((genome, tried)) => {
                let control = space.by_name(&chapter.home());
                let before = chapter.incumbent.take();
                let against = if before.is_some() { Against::Incumbent } else { Against::Default };
                // Of a chain of gains the recent pairs with the default know better than the sum.
                let known = before.as_ref().and_then(Incumbent::over_default).map(|it| it.log_ratio);
                let step = tried.estimate.map_or(0.0, |estimate| estimate.log_ratio);
                let gain = known.or(before.map(|it| it.watch.confirmed())).unwrap_or(0.0) + step;
                chapter.incumbent = Some(Incumbent {
                    confirmation: Confirmation {
                        genes: space.by_name(genome),
                        control,
                        against,
                        estimate: tried.estimate,
                        log_evidence: tried.log_evidence,
                        alpha: tried.alpha,
                        slices: tried.slices,
                        unix_ms,
                        default: space.by_name(&space.defaults()),
                        measured_on,
                    },
                    watch: GainWatch::new(
                        objective,
                        TrialConfig::default().expected_noise,
                        gain,
                        seed ^ unix_ms,
                    ),
                });
                chapter.promotions += 1;
                chapter.region.promoted();
                chapter.back_off.reset();
                chapter.rest = Nanos::ZERO;
            }
            None => {
                if !running.violated {
                    chapter.region.found_nothing();
                }
                chapter.back_off.found_nothing();
                chapter.rest = chapter.rest.max(chapter.back_off.pause());
            }
        }
        let changes = |genome: &Genome| {
            let settings = settings_by_name(&space.by_name(genome));
            settings.iter().filter(|setting| home.get(setting.knob) != Some(setting.value)).collect()
        };
        let ended = CampaignEnded {
            at_ns: now.0,
            class,
            campaign: chapter.campaigns,
            raced: running
                .candidates
                .iter()
                .zip(raced)
                .map(|(candidate, raced)| RacedSettings { changes: changes(&candidate.genome), raced })
                .collect(),
            promoted: promoted.is_some(),
            race_slices: running.campaign.race_slices(),
            pause_ns: chapter.rest.0,
        };
        let rests = chapter.rest > Nanos::ZERO;
        actions.push(report(Event::CampaignEnded(Box::new(ended))));
        if rests {
            self.told_back_off(now, actions);
        }
        actions.push(Action::Keep);
    }

    pub(super) fn told_back_off(&mut self, now: Nanos, actions: &mut Vec<Action>) {
        let class = self.scene();
        let Some(chapter) = self.chapter() else { return };
        let told =
            BackedOff { at_ns: now.0, class, pause_ns: chapter.rest.0, violations: chapter.violations.count };
        actions.push(report(Event::BackOff(Box::new(told))));
    }
}
