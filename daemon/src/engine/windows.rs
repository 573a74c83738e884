//! From samples to fingerprint windows, and from windows to confirmed changes.

use crate::config::Config;
use block_types::Nanos;
use fingerprint::{
    ChangeDetector, Class, Rule, Snapshot, Thresholds, Verdict, WindowLine, WindowPolicy, WindowVerdict,
};
use sampler::Sample;

/// A window that closed.
#[derive(Clone, Debug)]
pub struct ClosedWindow {
    /// What it held.
    pub line: WindowLine,
    /// For how long of it the probes looked: less than its length under a duty cycle.
    pub observed: Nanos,
    /// The change that it confirmed, if it did.
    pub change: Option<Change>,
}

/// A confirmed change of the fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Before; `None` at the start.
    pub from: Option<Class>,
    /// Now.
    pub to: Class,
    /// Start of the first window that had it.
    pub first_window: Nanos,
}

/// Cuts the stream of samples into windows.
#[derive(Debug)]
pub struct Windows {
    policy: WindowPolicy,
    rule: Rule,
    thresholds: Thresholds,
    detector: ChangeDetector,
    open: Option<Open>,
    next_look: Nanos,
    class: Option<Class>,
    candidate: Option<(Class, Nanos)>,
}

#[derive(Debug)]
struct Open {
    at: Nanos,
    observed: Nanos,
    base: Snapshot,
}

impl Windows {
    /// No window is open yet; the first sample opens one.
    #[must_use]
    pub fn new(config: &Config, now: Nanos) -> Self {
        Self {
            policy: config.timing.window,
            rule: config.rule,
            thresholds: config.thresholds,
            detector: ChangeDetector::new(config.timing.debounce),
            open: None,
            next_look: now,
            class: None,
            candidate: None,
        }
    }

    /// The confirmed fingerprint.
    #[must_use]
    pub const fn class(&self) -> Option<Class> {
        self.class
    }

    /// When the open window wants to be looked at again.
    #[must_use]
    pub const fn next_look(&self) -> Nanos {
        self.next_look
    }

    /// Drops the open window: what it held is no longer of one piece (a suspend, a counter that was reset).
    pub fn restart(&mut self) {
        self.open = None;
        self.candidate = None;
        self.detector.interrupt();
    }

    /// Looks at a sample; answers the window that it closed, if it did.
    ///
    /// A window that holds no data bio is not closed but moved: it starts anew at this sample, so that the
    /// first bio after a pause is at most one look away from the start of its window.
    pub fn observe(&mut self, sample: &Sample) -> Option<ClosedWindow> {
        let now = sample.at;
        let total = sample.bios.as_ref()?;
        let held = self.open.as_ref().map(|open| total.since(&open.base));
        let (Some(open), Some(Some(held))) = (self.open.as_ref(), held) else {
            self.reopen(sample, total);
            return None;
        };
        if now < self.next_look {
            return None;
        }
        if held.data_bios() == 0 {
            self.reopen(sample, total);
            return None;
        }
        let closed = match self.policy.verdict(open.at, now, &held) {
            WindowVerdict::Open { next_look } => {
                self.next_look = next_look.max(now + Nanos::from_millis(1));
                None
            }
            WindowVerdict::Close(_) => Some((open.at, sample.observed - open.observed)),
        };
        let (opened, observed) = closed?;
        let line = WindowLine::new(opened, now, &held, self.rule, &self.thresholds);
        let change = self.judge(line.class, opened);
        self.reopen(sample, total);
        Some(ClosedWindow { line, observed, change })
    }

    fn judge(&mut self, class: Option<Class>, opened: Nanos) -> Option<Change> {
        match self.detector.observe(class) {
            Verdict::Same => {
                self.candidate = None;
                None
            }
            Verdict::Pending { candidate } => {
                if self.candidate.is_none_or(|(class, _)| class != candidate) {
                    self.candidate = Some((candidate, opened));
                }
                None
            }
            Verdict::Changed { from, to } => {
                let first_window = match self.candidate.take() {
                    Some((class, since)) if class == to => since,
                    _ => opened,
                };
                self.class = Some(to);
                Some(Change { from, to, first_window })
            }
        }
    }

    fn reopen(&mut self, sample: &Sample, total: &Snapshot) {
        self.open = Some(Open { at: sample.at, observed: sample.observed, base: total.clone() });
        self.next_look = sample.at + self.policy.min;
    }
}
