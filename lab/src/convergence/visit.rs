//! Visits, read off the events of `tunerd run --json`: who led, what was in force, what was tried.

use crate::bench::tunerd::field;
use anyhow::{Context as _, Result};
use block_types::{Knob, Nanos, Settings};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Settings from a moment on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Seconds after the visit's first I/O; before it, what the visit began with.
    pub at_s: f64,
    /// The settings, of the knobs that are genes.
    pub settings: Settings,
}

/// A child that was in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// From when on: what does not freeze the queue was read back then.
    pub at_s: f64,
    /// Its generation.
    pub generation: u64,
    /// Its place in it, from 1.
    pub child: Option<usize>,
    /// Its settings.
    pub settings: Settings,
    /// Its score, where it has one.
    pub fitness: Option<f64>,
}

/// When a visit took place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// What ran.
    pub workload: String,
    /// Whether it was the first visit of that workload (0), the second (1), …
    pub pass: usize,
    /// The generator's first I/O.
    pub first: Nanos,
    /// When it was told to end.
    pub end: Nanos,
}

/// One visit of a workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Visit {
    /// What ran.
    pub workload: String,
    /// Whether it was the first visit of that workload (0), the second (1), …
    pub pass: usize,
    /// How long it was, s.
    pub length_s: f64,
    /// When the fingerprint of the visit was first confirmed, s.
    pub recognised_s: Option<f64>,
    /// How many changes of fingerprint were confirmed in it: one, unless the settings that were tried moved what it is
    /// read off. `None` in records that do not say.
    #[serde(default)]
    pub changes: Option<usize>,
    /// The fingerprint that it ended with.
    pub class: Option<String>,
    /// When stored genes (or, in the arm `reset`, the defaults) were read back because of it, s.
    pub recalled_s: Option<f64>,
    /// What the strategy would have frozen, from when on.
    pub leaders: Vec<Step>,
    /// What was in force, from when on.
    pub tried: Vec<Tried>,
}

/// Everything that events tell of a run, in the order of time.
#[derive(Debug, Default)]
struct Timeline {
    genes: Vec<Knob>,
    leaders: Vec<(Nanos, Settings)>,
    tried: Vec<(Nanos, Tried)>,
    fingerprints: Vec<(Nanos, String)>,
    recalls: Vec<Nanos>,
    /// Whether the fingerprint has changed and nothing was put in force since.
    changed: bool,
}

impl Timeline {
    fn add(&mut self, event: &Value) -> Result<()> {
        match event["event"].as_str().unwrap_or_default() {
            "started" => {
                self.genes = field(event, "genes")?;
                let at = field(event, "at_ns")?;
                let originals: Settings = field(event, "originals")?;
                let settings: Settings =
                    originals.iter().filter(|setting| self.genes.contains(&setting.knob)).collect();
                self.leaders.push((at, settings.clone()));
                self.tried
                    .push((at, Tried { at_s: 0.0, generation: 0, child: None, settings, fitness: None }));
            }
            "fingerprint" => {
                self.fingerprints.push((field(event, "at_ns")?, field(event, "to")?));
                self.changed = true;
            }
            "applied" => self.applied(event)?,
            "evaluation" => {
                let (generation, child): (u64, usize) = (field(event, "generation")?, field(event, "child")?);
                let fitness: Option<f64> = field(event, "fitness")?;
                let same = |tried: &Tried| tried.generation == generation && tried.child == Some(child);
                if let Some((_, tried)) = self.tried.iter_mut().rev().find(|(_, tried)| same(tried)) {
                    tried.fitness = fitness;
                }
            }
            // A confirmed setting leads from the moment that it is.
            "promoted" => self.leaders.push((field(event, "at_ns")?, field(event, "settings")?)),
            "slice" => {
                let settings: Settings = field(event, "settings")?;
                let rate: Option<f64> = field(event, "bytes_per_s")?;
                let last = self.tried.iter_mut().rev().take(2);
                if let Some((_, tried)) = last.into_iter().find(|(_, tried)| tried.settings == settings) {
                    tried.fitness = rate;
                }
            }
            // The best child of the last complete generation leads.
            "generation" if event["aborted"] == false => {
                if let Some(best) = field::<Option<Settings>>(event, "best")? {
                    self.leaders.push((field(event, "at_ns")?, best));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn applied(&mut self, event: &Value) -> Result<()> {
        let at: Nanos = field(event, "quick_at_ns")?;
        let reason: String = field(event, "reason")?;
        let settings: Settings = field(event, "settings")?;
        // What was reintroduced leads until it has been ranked; where nothing is stored, the defaults do.
        // Under `confirmed` the incumbent leads, which is the default until something is confirmed.
        let leads = ["reintroduction", "unseen", "incumbent", "taken-back", "too-many-changes"];
        if leads.contains(&reason.as_str()) {
            if self.leaders.last().is_none_or(|(_, leader)| *leader != settings) {
                self.leaders.push((at, settings.clone()));
            }
            if std::mem::take(&mut self.changed) || reason == "reintroduction" || reason == "unseen" {
                self.recalls.push(at);
            }
        }
        let (generation, child) = (field(event, "generation")?, field(event, "child")?);
        self.tried.push((at, Tried { at_s: 0.0, generation, child, settings, fitness: None }));
        Ok(())
    }
}

/// Reads a run's visits off its events.
///
/// # Errors
/// Where an event lacks what it must have, or the run did not start.
pub fn visits(events: &[Value], schedule: &[Scheduled]) -> Result<Vec<Visit>> {
    let mut timeline = Timeline::default();
    for event in events {
        timeline.add(event)?;
    }
    schedule
        .iter()
        .map(|scheduled| {
            let after = |at: Nanos| seconds_after(at, scheduled.first);
            let inside = |at: &Nanos| (scheduled.first..scheduled.end).contains(at);
            let leaders = cut(&timeline.leaders, scheduled)
                .map(|(at, settings)| Step { at_s: after(*at), settings: settings.clone() })
                .collect::<Vec<_>>();
            let tried = cut(&timeline.tried, scheduled)
                .map(|(at, tried)| Tried { at_s: after(*at), ..tried.clone() })
                .collect::<Vec<_>>();
            leaders.first().context("tunerd had not started when the first visit began")?;
            let recognised = timeline.fingerprints.iter().find(|(at, _)| inside(at));
            // The class of a visit is the one that it ends with: at the switch a mixed window can give another.
            let class = timeline.fingerprints.iter().rfind(|(at, _)| *at < scheduled.end);
            Ok(Visit {
                workload: scheduled.workload.clone(),
                pass: scheduled.pass,
                length_s: (scheduled.end - scheduled.first).as_secs_f64(),
                recognised_s: recognised.map(|(at, _)| after(*at)),
                changes: Some(timeline.fingerprints.iter().filter(|(at, _)| inside(at)).count()),
                class: class.map(|(_, class)| class.clone()),
                recalled_s: timeline.recalls.iter().find(|at| inside(at)).map(|at| after(*at)),
                leaders,
                tried,
            })
        })
        .collect()
}

/// What was so when the visit began, and what came until it ended.
fn cut<'a, T>(steps: &'a [(Nanos, T)], scheduled: &Scheduled) -> impl Iterator<Item = &'a (Nanos, T)> {
    let (first, end) = (scheduled.first, scheduled.end);
    let before = steps.iter().rposition(|(at, _)| *at <= first);
    let begin = before.unwrap_or_else(|| steps.iter().position(|(at, _)| *at > first).unwrap_or(steps.len()));
    steps[begin..].iter().take_while(move |(at, _)| *at < end)
}

/// Seconds from `from` to `at`, negative where it is before.
fn seconds_after(at: Nanos, from: Nanos) -> f64 {
    let seconds = if at >= from { (at - from).as_secs_f64() } else { -(from - at).as_secs_f64() };
    // Microseconds: what a record of ten thousands of moments needs not be longer for.
    (seconds * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(seconds: f64) -> u64 {
        (seconds * 1e9) as u64
    }

    fn applied(second: f64, reason: &str, generation: u64, child: usize, fifo_batch: u64) -> Value {
        json!({ "event": "applied", "at_ns": at(second) + 5, "quick_at_ns": at(second), "reason": reason,
            "class": null, "generation": generation, "child": child, "settings": { "fifo_batch": fifo_batch } })
    }

    fn schedule() -> Vec<Scheduled> {
        let visit = |workload: &str, first: f64, end: f64| Scheduled {
            workload: workload.to_owned(),
            pass: 0,
            first: Nanos(at(first)),
            end: Nanos(at(end)),
        };
        vec![visit("a", 10.0, 30.0), visit("b", 30.0, 50.0)]
    }

    #[test]
    fn a_visit_begins_with_what_was_there() {
        let started = json!({ "event": "started", "at_ns": at(1.0), "genes": ["fifo_batch"],
            "originals": { "fifo_batch": 16, "nr_requests": 64 } });
        let generation = json!({ "event": "generation", "at_ns": at(20.0), "generation": 0, "aborted": false,
            "best": { "fifo_batch": 2 } });
        let aborted = json!({ "event": "generation", "at_ns": at(30.9), "generation": 1, "aborted": true,
            "best": { "fifo_batch": 99 } });
        let fingerprint = |second, to| json!({ "event": "fingerprint", "at_ns": at(second), "to": to });
        let evaluation = json!({ "event": "evaluation", "generation": 0, "child": 1, "fitness": 5.0 });
        let events = [
            started,
            fingerprint(10.5, "read-random-small"),
            applied(10.6, "unseen", 0, 1, 16),
            evaluation,
            applied(12.6, "child", 0, 2, 2),
            generation,
            fingerprint(30.9, "write-random-small"),
            aborted,
            applied(31.0, "reintroduction", 2, 1, 7),
        ];
        let visits = visits(&events, &schedule()).unwrap();
        let leaders = |index: usize| -> Vec<(f64, u64)> {
            let leader = |step: &Step| (step.at_s, step.settings.number(Knob::FifoBatch).unwrap());
            visits[index].leaders.iter().map(leader).collect()
        };
        assert_eq!(leaders(0), [(-9.0, 16), (10.0, 2)], "the defaults go on leading");
        assert_eq!(leaders(1), [(-10.0, 2), (1.0, 7)], "a generation that was cut short makes no leader");
        assert_eq!(visits[0].tried[1].fitness, Some(5.0));
        assert_eq!(visits[0].tried[2].fitness, None);
        assert_eq!(visits[0].tried[0].settings.iter().count(), 1, "only genes");
        assert_eq!(visits[1].recognised_s, Some(0.9));
        assert_eq!(visits[1].recalled_s, Some(1.0));
        assert_eq!(visits[1].class.as_deref(), Some("write-random-small"));
    }

    #[test]
    fn a_visit_before_the_start_is_an_error() {
        assert!(visits(&[], &schedule()).is_err());
    }
}
