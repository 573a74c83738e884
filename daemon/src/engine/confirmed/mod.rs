//! The `confirmed` strategy: what stays in force was shown to be better, on live traffic and under guard.
//!
//! ```text
//! change of fingerprint ─► its incumbent in force at once ─► a dwell ─► decide
//! decide ─► a look at the default ┐
//!        ─► a slice of a campaign ┼─► in force ─► settling, scoring ─► judged ─► decide
//!        ─► the incumbent alone   ┘                    └─► taken back by the guard ─► decide
//!        ─► rest
//! ```
//!
//! Each fingerprint has a [`Chapter`]: its incumbent (the default until something is confirmed), its population and
//! the campaign under way, kept so that a later visit or another process goes on from there. A slice that anything
//! interrupts is void. Whatever happens, what is in force between slices is the incumbent.

mod around;
mod brood;
mod campaigns;
mod chapter;
mod checks;
mod gain;
mod incumbent;
mod lessons;
mod nominate;
mod saved;
mod share;
mod slices;
mod thrash;
mod told;

pub use chapter::Chapter;
pub use incumbent::{Confirmation, Incumbent, Lapsed, MeasuredOn};
pub use saved::{ConfirmedEntry, Saved, Standing};
pub use slices::in_words;

use super::Action;
use super::bench::{Bench, BenchConfig, OpenSlice, Settle, SliceEnd};
use super::event::{Purpose, Reason};
use super::genes::{GeneMap, settings_by_name, settings_of};
use crate::config::{Config, OnChange};
use block_types::{Nanos, Settings};
use fingerprint::Class;
use genetic::{Genome, Key, Library};
use sampler::Sample;
use std::collections::{BTreeMap, BTreeSet};
use thrash::{Thrash, ThrashLimits};
use trials::{Due, TrialError};

/// The name under which a chapter stands whose source cannot tell fingerprints.
pub const UNKNOWN: &str = "unknown";
/// The name of the chapter of what changes too often to be followed.
pub const UNSTEADY: &str = "unsteady";
/// The one chapter where changes of fingerprint do nothing.
const ANY: &str = "any";
/// How long the incumbent rests between two decisions while exploring pauses.
const REST: Nanos = Nanos::from_millis(5_000);
/// The specification's settling time; what is shorter counts no completions either.
const SETTLE: Nanos = Nanos::from_millis(2_000);

/// What a slice is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    /// A slice of a campaign.
    Campaign(Due, Purpose),
    /// The incumbent, in a pair with the default.
    CheckIncumbent,
    /// The default, in a pair with the incumbent.
    CheckDefault,
    /// The incumbent alone, so that the guard knows what is usual.
    Reference,
    /// The incumbent alone, after the guard took a candidate back: is it the disk that has changed?
    Recheck,
}

/// Where the loop stands.
#[derive(Debug)]
enum Phase {
    /// Nothing has arrived yet, or the first fingerprint is not known.
    Waiting,
    /// The incumbent is being written.
    Putting,
    /// The incumbent is in force.
    Resting { since: Nanos, until: Nanos },
    /// A slice's settings are being written.
    Applying(Task),
    /// A slice is under way.
    Measuring { task: Task, open: Box<OpenSlice>, scratch: Option<Box<Bench>>, next: Nanos },
    /// A slice is over; whether anybody meddled is being looked up.
    Judging { task: Task, end: Box<SliceEnd> },
    /// The guard wants the candidate out: the incumbent is being written.
    TakingBack { task: Task, open: Box<OpenSlice> },
    /// Nothing arrives: the incumbent is in force.
    Parked { since: Box<Sample> },
    /// Paused; whether anything had begun before.
    Held { begun: bool },
}

/// What a device was before, and is known by.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its name.
    pub device: String,
    /// Whether it has heads that seek.
    pub rotational: bool,
    /// What it had before the loop touched it.
    pub originals: Settings,
    /// The seed of its random choices.
    pub seed: u64,
    /// What confirmed settings are said to be measured on.
    pub measured_on: MeasuredOn,
}

/// The strategy at work on one device.
#[derive(Debug)]
pub struct Confirmed {
    subject: Subject,
    config: Config,
    genes: GeneMap,
    /// Genes of earlier runs and imported ones: tried, never trusted.
    library: Library,
    chapters: BTreeMap<String, Chapter>,
    /// What the guard has learned, by fingerprint; not kept over a restart.
    benches: BTreeMap<String, Bench>,
    bench_config: BenchConfig,
    class: Option<Class>,
    phase: Phase,
    /// Whether the guard took something back and the incumbent has not been looked at since.
    recheck: bool,
    thrash: Thrash,
    retired: BTreeSet<String>,
    in_force: Settings,
    /// What was asked for last. The kernel rounds some values: what reads back differs for ever, and is in force.
    asked: Option<Settings>,
    last_sample: Option<Box<Sample>>,
    unix_ms: u64,
    /// Chapters whose campaign comes from an earlier run and was not told of yet.
    resumed: BTreeSet<String>,
}

impl Confirmed {
    /// The strategy over `genes`, going on from what was kept.
    ///
    /// # Errors
    /// Where a number of the configuration is out of its range.
    pub fn new(
        subject: Subject,
        config: Config,
        genes: GeneMap,
        library: Library,
        saved: Saved,
    ) -> Result<Self, TrialError> {
        let settle = config.timing.settle;
        let settle = if settle < SETTLE {
            Settle::shortened(settle)
        } else {
            let standard = Settle::default();
            Settle { least: settle, most: standard.most.max(settle), ..standard }
        };
        let bench_config = BenchConfig { slice: config.timing.slice, settle, ..BenchConfig::default() };
        // Refuses what no bench would take, once and early.
        Bench::new(bench_config)?;
        let limits = ThrashLimits {
            per_minute: config.confirmed.changes_per_minute,
            calm: config.confirmed.calm,
            ..ThrashLimits::default()
        };
        let chapters = saved.chapters_for(genes.space());
        let resumed = chapters
            .iter()
            .filter(|(_, chapter)| chapter.running.is_some())
            .map(|(name, _)| name.clone())
            .collect();
        Ok(Self {
            in_force: subject.originals.clone(),
            asked: None,
            subject,
            config,
            genes,
            library,
            chapters,
            benches: BTreeMap::new(),
            bench_config,
            class: None,
            phase: Phase::Waiting,
            recheck: false,
            thrash: Thrash::new(limits),
            retired: BTreeSet::new(),
            last_sample: None,
            unix_ms: 0,
            resumed,
        })
    }

    /// When the loop wants its next sample; `None` while it waits for I/O or for the runner.
    pub(super) const fn deadline(&self) -> Option<Nanos> {
        match self.phase {
            Phase::Measuring { next, .. } => Some(next),
            Phase::Resting { until, .. } => Some(until),
            _ => None,
        }
    }

    pub(super) const fn set_date(&mut self, unix_ms: u64) {
        self.unix_ms = unix_ms;
    }

    fn name(&self) -> String {
        match (self.config.genetic.on_change, self.class) {
            (OnChange::Nothing, _) => ANY,
            _ if self.thrash.is_settled() => UNSTEADY,
            (_, class) => class.map_or(UNKNOWN, Class::name),
        }
        .to_owned()
    }

    fn key(&self, class: &str) -> Key {
        Key {
            device: self.subject.device.clone(),
            class: class.to_owned(),
            scheduler: self.genes.scheduler_name().to_owned(),
        }
    }

    /// The fingerprint that is tuned for; `None` where there is none, or it changes too often.
    const fn scene(&self) -> Option<Class> {
        if self.thrash.is_settled() { None } else { self.class }
    }

    /// The seed of a fingerprint's random choices: FNV-1a of its name, mixed in.
    fn seed(&self) -> u64 {
        self.name().bytes().fold(self.subject.seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    /// The chapter of the fingerprint in force, made where there is none yet.
    fn chapter(&mut self) -> Option<&mut Chapter> {
        let (name, seed) = (self.name(), self.seed());
        if !self.chapters.contains_key(&name) {
            let mut chapter = Chapter::new(self.genes.space().clone(), &self.config, seed).ok()?;
            for gene in &self.retired {
                // The last gene stays; the guard does not write it all the same.
                let _ = chapter.retire(gene);
            }
            self.chapters.insert(name.clone(), chapter);
        }
        self.chapters.get_mut(&name)
    }

    fn bench(&mut self) -> Option<&mut Bench> {
        let name = self.name();
        if !self.benches.contains_key(&name) {
            self.benches.insert(name.clone(), Bench::new(self.bench_config).ok()?);
        }
        self.benches.get_mut(&name)
    }

    fn settings(&self, genome: &Genome) -> Settings {
        let name = self.name();
        let space = self.chapters.get(&name).map_or(self.genes.space(), |chapter| chapter.brood.space());
        settings_of(space, genome)
    }

    /// The default settings, of the knobs that are genes.
    fn defaults(&self) -> Settings {
        let name = self.name();
        let space = self.chapters.get(&name).map_or(self.genes.space(), |chapter| chapter.brood.space());
        settings_of(space, &space.defaults())
    }

    /// The incumbent's settings under the fingerprint in force.
    fn home(&mut self) -> Settings {
        match self.chapter().map(|chapter| chapter.home()) {
            Some(genome) => self.settings(&genome),
            None => self.defaults(),
        }
    }

    fn is_in_force(&self, settings: &Settings) -> bool {
        self.asked.as_ref() == Some(settings)
            || settings.iter().all(|setting| self.in_force.get(setting.knob) == Some(setting.value))
    }

    /// Has settings put in force.
    fn apply(&mut self, settings: Settings, reason: Reason, actions: &mut Vec<Action>) {
        self.asked = Some(settings.clone());
        actions.push(Action::Apply { settings, reason });
    }

    /// Puts settings in force; where they are already, nothing is written and the phase is entered at once.
    fn put_home(&mut self, now: Nanos, reason: Reason, actions: &mut Vec<Action>) {
        let home = self.home();
        actions.push(Action::Mark(None));
        if self.is_in_force(&home) {
            self.rest_for(now, self.dwell());
        } else {
            self.phase = Phase::Putting;
            self.apply(home, reason, actions);
        }
    }

    fn rest_for(&mut self, now: Nanos, length: Nanos) {
        self.phase = Phase::Resting { since: now, until: now + length };
    }

    /// How long a fingerprint must last before anything is tried under it.
    fn dwell(&self) -> Nanos {
        self.config.timing.slice + self.config.timing.settle
    }

    /// What is put in force for a fingerprint without a search: confirmed, or imported.
    #[must_use]
    pub fn stored(&self, class: Class) -> Option<Settings> {
        let confirmed = self.chapters.get(class.name()).and_then(|chapter| chapter.incumbent.as_ref());
        confirmed.map(|incumbent| incumbent.confirmation.settings()).or_else(|| {
            let top = self.library.top(&self.key(class.name()))?;
            top.provenance.as_ref()?;
            Some(settings_by_name(&top.genes))
        })
    }

    /// What `observe` would have done on a change to `class`, and with which settings.
    #[must_use]
    pub fn would(&self, class: Class) -> (String, Option<Settings>) {
        match self.stored(class) {
            Some(settings) => {
                (format!("put the confirmed settings of {class} in force: {settings}"), Some(settings))
            }
            None => {
                let knobs: Vec<&str> = self.genes.knobs().iter().map(|knob| knob.name()).collect();
                let what =
                    format!("try {} for {class} under guard: nothing is confirmed for it", knobs.join(", "));
                (what, None)
            }
        }
    }

    /// The genes and how they map to knobs.
    #[must_use]
    pub const fn genes(&self) -> &GeneMap {
        &self.genes
    }

    /// What is known and under way, by fingerprint.
    #[must_use]
    pub const fn chapters(&self) -> &BTreeMap<String, Chapter> {
        &self.chapters
    }

    /// The campaign under way under the fingerprint in force, counted from 1; 0 before the first.
    #[must_use]
    pub fn campaign(&self) -> u64 {
        self.chapters.get(&self.name()).map_or(0, |chapter| chapter.campaigns)
    }

    /// The candidate whose slice it is, counted from 1.
    #[must_use]
    pub const fn candidate(&self) -> Option<usize> {
        match &self.phase {
            Phase::Applying(task)
            | Phase::Measuring { task, .. }
            | Phase::Judging { task, .. }
            | Phase::TakingBack { task, .. } => match task {
                Task::Campaign(due, _) => Some(due.candidate as usize + 1),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether it has settled for the default because the fingerprint changes too often.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.thrash.is_settled()
    }
}
