//! What the events of a run say, gathered for the tables.

use crate::bench::tunerd::field;
use anyhow::Result;
use block_types::{Nanos, Settings};
use fingerprint::Class;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// One fingerprint's part in the run.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Chapter {
    pub(super) windows: u64,
    pub(super) generations: u64,
    /// Scores of slices in which the original settings were in force.
    pub(super) default_scores: Vec<f64>,
    /// The best score of a single slice, and its settings.
    pub(super) best: Option<(f64, Settings)>,
    /// What is stored for the fingerprint's return.
    pub(super) top: Option<Settings>,
}

impl Chapter {
    pub(super) fn default_score(&self) -> Option<f64> {
        crate::bench::stats::mean(&self.default_scores)
    }
}

/// A confirmed change of fingerprint.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Change {
    pub(super) at_ns: Nanos,
    pub(super) first_window_ns: Nanos,
    pub(super) to: Class,
}

/// Stored genes that came back.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Return {
    /// When the last of all its knobs was read back.
    pub(super) at_ns: Nanos,
    /// When those that do not freeze the queue were.
    pub(super) quick_at_ns: Nanos,
    pub(super) class: Class,
}

/// A run, as its events tell it.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Story {
    pub(super) source: String,
    pub(super) source_reason: String,
    /// What slices are scored by.
    pub(super) objective: String,
    pub(super) originals: Settings,
    pub(super) chapters: BTreeMap<String, Chapter>,
    pub(super) changes: Vec<Change>,
    pub(super) returns: Vec<Return>,
    pub(super) warnings: Vec<String>,
    /// The slice that ran last, for the progress line.
    pub(super) last: String,
    pub(super) void: u64,
    pub(super) restored: Option<Settings>,
    pub(super) left: Vec<String>,
}

impl Story {
    fn chapter(&mut self, class: Class) -> &mut Chapter {
        self.chapters.entry(class.to_string()).or_default()
    }

    /// Takes in one event.
    pub(super) fn add(&mut self, event: &Value) -> Result<()> {
        match event["event"].as_str().unwrap_or_default() {
            "started" => {
                self.source = field(event, "source")?;
                self.source_reason = field(event, "source_reason")?;
                self.originals = field(event, "originals")?;
            }
            "window" => {
                if let Some(class) = field::<Option<Class>>(event, "class")? {
                    self.chapter(class).windows += 1;
                }
            }
            "fingerprint" => self.changes.push(Change {
                at_ns: field(event, "at_ns")?,
                first_window_ns: field(event, "first_window_ns")?,
                to: field(event, "to")?,
            }),
            "applied" if event["reason"] == "reintroduction" => {
                if let Some(class) = field::<Option<Class>>(event, "class")? {
                    self.returns.push(Return {
                        at_ns: field(event, "at_ns")?,
                        quick_at_ns: field(event, "quick_at_ns")?,
                        class,
                    });
                }
            }
            "evaluation" => self.evaluation(event)?,
            "generation" => {
                if let Some(class) = field::<Option<Class>>(event, "class")? {
                    self.chapter(class).generations += 1;
                }
            }
            "top" => {
                let settings = field(event, "settings")?;
                self.chapter(field(event, "class")?).top = Some(settings);
            }
            "warning" => self.warnings.push(field(event, "message")?),
            "stopped" => {
                self.restored = Some(field(event, "restored")?);
                self.left = field(event, "left")?;
            }
            _ => {}
        }
        Ok(())
    }

    fn evaluation(&mut self, event: &Value) -> Result<()> {
        let (generation, child): (u64, u64) = (field(event, "generation")?, field(event, "child")?);
        let class: Option<Class> = field(event, "class")?;
        let fitness: Option<f64> = field(event, "fitness")?;
        let (Some(class), Some(fitness)) = (class, fitness) else {
            self.void += 1;
            return Ok(());
        };
        self.objective = field(event, "objective")?;
        self.last = format!("{class}, generation {generation}, child {child}");
        let settings: Settings = field(event, "settings")?;
        let is_default = settings.iter().all(|found| self.originals.get(found.knob) == Some(found.value));
        let chapter = self.chapter(class);
        if is_default {
            chapter.default_scores.push(fitness);
        }
        if chapter.best.as_ref().is_none_or(|(best, _)| fitness > *best) {
            chapter.best = Some((fitness, settings));
        }
        Ok(())
    }

    /// A score as people say it: fitness is bytes a second, or one over the mean latency in seconds.
    pub(super) fn score(&self, fitness: Option<f64>) -> String {
        match fitness {
            None => "-".to_owned(),
            Some(fitness) if self.objective == "latency" => format!("{:.2} ms", 1e3 / fitness),
            Some(fitness) => format!("{:.0} MB/s", fitness / 1e6),
        }
    }

    /// Those of the settings that are not the original ones.
    pub(super) fn differences(&self, settings: &Settings) -> Settings {
        settings.iter().filter(|found| self.originals.get(found.knob) != Some(found.value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use block_types::{Knob, KnobValue};
    use serde_json::json;

    fn story(events: &[Value]) -> Story {
        let mut story = Story::default();
        for event in events {
            story.add(event).unwrap();
        }
        story
    }

    fn evaluation(fifo_batch: u64, fitness: Option<f64>) -> Value {
        json!({ "event": "evaluation", "device": "loop0", "from_ns": 1, "to_ns": 2, "generation": 0, "child": 1,
            "class": "read-random-small", "settings": { "fifo_batch": fifo_batch }, "objective": "throughput",
            "fitness": fitness, "void": null, "bytes_per_s": fitness, "mean_latency_ns": null, "utilisation": 1.0 })
    }

    #[test]
    fn defaults_and_best_are_told_apart() {
        let started = json!({ "event": "started", "device": "loop0", "at_ns": 0, "mode": "tune", "source": "bpf",
            "source_reason": "works", "originals": { "fifo_batch": 16, "nr_requests": 256 }, "genes": [], "seed": 1,
            "notes": [] });
        let story = story(&[
            started,
            evaluation(16, Some(100.0)),
            evaluation(1, Some(150.0)),
            evaluation(16, Some(110.0)),
            evaluation(2, None),
        ]);
        let chapter = &story.chapters["read-random-small"];
        assert_eq!(chapter.default_score(), Some(105.0));
        let (fitness, settings) = chapter.best.clone().unwrap();
        assert!((fitness - 150.0).abs() < 1e-9);
        assert_eq!(settings.number(Knob::FifoBatch), Some(1));
        assert_eq!(story.void, 1);
        let mut both = settings;
        both.set(Knob::NrRequests, KnobValue::Number(256));
        assert_eq!(story.differences(&both).to_string(), "fifo_batch=1");
    }

    #[test]
    fn scores_are_in_the_objectives_unit() {
        let mut story = Story { objective: "latency".to_owned(), ..Story::default() };
        assert_eq!(story.score(Some(500.0)), "2.00 ms");
        story.objective = "throughput".to_owned();
        assert_eq!(story.score(Some(5e8)), "500 MB/s");
        assert_eq!(story.score(None), "-");
    }

    #[test]
    fn only_a_reintroduction_is_a_return() {
        let applied = |reason: &str| {
            json!({ "event": "applied", "at_ns": 9, "quick_at_ns": 7, "reason": reason, "class": "write-random-large",
                "generation": 3, "child": 1, "settings": {}, "freezing_ms": 0.0, "clamped": [], "failed": [] })
        };
        let story = story(&[applied("child"), applied("reintroduction"), applied("unseen")]);
        assert_eq!(story.returns.len(), 1);
        assert_eq!(story.returns[0].quick_at_ns, Nanos(7));
    }
}
