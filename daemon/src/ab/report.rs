//! What came of a comparison: one line for a ticket, one JSON object for programs.

use super::ending::{Ending, Word, length};
use super::tally::{ArmFigures, PairRow, TakenBack, per_cent};
use crate::engine::BenchConfig;
use block_types::{Nanos, Settings};
use fingerprint::Class;
use schedulers::RestoreReport;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use trials::{Estimate, Objective, PooledTail, Violations, VoidCounts};

/// What is known of the disk and the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// The disk's name.
    pub device: String,
    /// Its model; absent where the driver tells none.
    pub model: Option<String>,
    /// Whether the kernel takes it for one with heads.
    pub rotational: bool,
    /// `Linux 6.18.0`.
    pub kernel: String,
    /// Where samples come from, and why.
    pub source: String,
    /// The settling time was shortened by request.
    pub shortened: bool,
    /// Date and time of the beginning, ms since 1970.
    pub began_unix_ms: u64,
    /// The command.
    pub command: Vec<String>,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// How it ended.
    pub ending: Ending,
    /// What the child is called.
    pub child: String,
    /// What the control is called.
    pub control: String,
    /// The child, completely.
    pub child_settings: Settings,
    /// The control, completely.
    pub control_settings: Settings,
    /// What was in force before.
    pub originals: Settings,
    /// The gain; `None` before the first pair.
    pub estimate: Option<Estimate>,
    /// The evidence that the child is better, and worse, as odds.
    pub evidence: [f64; 2],
    /// The probability of calling better what is not.
    pub alpha: f64,
    /// What was to be improved.
    pub objective: Objective,
    /// The counted pairs.
    pub rows: Vec<PairRow>,
    /// Each time that the guard took the child back.
    pub taken_back: Vec<TakenBack>,
    /// Slices measured and void.
    pub voids: VoidCounts,
    /// What the guard took back.
    pub violations: Violations,
    /// The child's measured slices together.
    pub child_figures: ArmFigures,
    /// The control's.
    pub control_figures: ArmFigures,
    /// The tails of both, pooled over the pairs.
    pub tail: Option<PooledTail>,
    /// Pairs by the work's fingerprint.
    pub classes: BTreeMap<Class, u32>,
    /// From beginning to end.
    pub length: Nanos,
    /// How slices went.
    pub bench: BenchConfig,
    /// What governed the order.
    pub seed: u64,
    /// Knobs written in the busiest minute.
    pub most_writes_a_minute: usize,
    /// What people should know.
    pub notes: Vec<String>,
    /// The disk and the machine.
    pub facts: Facts,
    /// What was put back.
    pub restored: RestoreReport,
}

/// A signed percentage with one decimal; no minus zero.
pub(super) fn signed(per_cent: f64) -> String {
    let text = format!("{per_cent:+.1}");
    if text == "-0.0" { "+0.0".to_owned() } else { text }
}

impl Report {
    /// The word for how it ended.
    #[must_use]
    pub const fn word(&self) -> Word {
        self.ending.word()
    }

    /// `better`, or `undecided (the time is up)`.
    #[must_use]
    pub fn verdict(&self) -> String {
        match self.ending.why() {
            Some(why) => format!("{} ({why})", self.word()),
            None => self.word().to_string(),
        }
    }

    /// `+12.3 % (95 % +4.0 … +21.1)`; `None` before the first pair.
    #[must_use]
    pub fn gain(&self) -> Option<String> {
        let estimate = self.estimate?;
        let limit = |log_ratio: Option<f64>, open: &str| {
            log_ratio.map_or_else(|| open.to_owned(), |log_ratio| signed(per_cent(log_ratio)))
        };
        Some(format!(
            "{} % (95 %: {} … {})",
            signed(per_cent(estimate.log_ratio)),
            limit(estimate.lower, "?"),
            limit(estimate.upper, "?")
        ))
    }

    /// The odds of the more likely direction.
    fn evidence_words(&self) -> String {
        let [better, worse] = self.evidence;
        let (odds, side) = if better >= worse { (better, "better") } else { (worse, "worse") };
        let shown = if odds >= 1e4 { format!("{odds:.1e}") } else { format!("{odds:.1}") };
        format!("evidence for {side} {shown} of {:.0} needed", 1.0 / self.alpha)
    }

    /// One line that says all of it.
    #[must_use]
    pub fn ticket(&self) -> String {
        let pairs = self.estimate.map_or(0, |estimate| estimate.pairs);
        let mut parts = vec![format!(
            "{} {} against {}: {}",
            self.facts.device,
            self.child,
            self.control,
            self.verdict()
        )];
        if let Some(gain) = self.gain() {
            parts.push(format!("gain {gain} in {}", self.objective.name()));
        }
        parts.push(format!("{pairs} pairs"));
        if pairs > 0 {
            parts.push(self.evidence_words());
        }
        if self.violations.count > 0 {
            parts.push(format!("taken back {} times by the guard", self.violations.count));
        }
        parts.push(length(self.length));
        parts.push(self.facts.kernel.clone());
        let disk = self.facts.model.clone().unwrap_or_else(|| "no model".to_owned());
        parts.push(format!("{disk}{}", if self.facts.rotational { ", rotational" } else { "" }));
        if self.facts.shortened {
            parts.push("settling shortened".to_owned());
        }
        parts.join("; ")
    }

    /// A page of its own, for people: charts, settings, conditions, and what was left out.
    ///
    /// # Errors
    /// Where a chart cannot be drawn.
    pub fn page(&self) -> Result<results::html::Page, results::chart::ChartError> {
        super::page::page(self)
    }

    /// One object for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let gain = self.estimate.map(|estimate| {
            json!({
                "per_cent": per_cent(estimate.log_ratio),
                "lower_per_cent": estimate.lower.map(per_cent),
                "upper_per_cent": estimate.upper.map(per_cent),
                "confidence": 0.95,
            })
        });
        json!({
            "event": "result",
            "verdict": self.word(),
            "why": self.ending.why(),
            "device": self.facts.device,
            "set": self.child,
            "against": self.control,
            "objective": self.objective,
            "gain": gain,
            "pairs": self.estimate.map_or(0, |estimate| estimate.pairs),
            "evidence": { "better": self.evidence[0], "worse": self.evidence[1], "needed": 1.0 / self.alpha },
            "child": self.child_figures,
            "control": self.control_figures,
            "tail": self.tail,
            "voids": self.voids,
            "void_rate": self.voids.rate(),
            "violations": { "count": self.violations.count, "time_ns": self.violations.time },
            "taken_back": self.taken_back,
            "fingerprints": self.classes,
            "length_ns": self.length,
            "slices": self.bench,
            "seed": self.seed,
            "most_knob_writes_per_minute": self.most_writes_a_minute,
            "child_settings": self.child_settings,
            "control_settings": self.control_settings,
            "originals": self.originals,
            "restored": self.restored,
            "notes": self.notes,
            "facts": self.facts,
            "line": self.ticket(),
        })
    }
}
