//! What the store knows of a disk: its work, its search and what it has learned.

use super::super::Failure;
use super::super::table::fitness;
use super::{charts, confirmed};
use crate::engine::settings_by_name;
use crate::engine::{GainTold, TrialTold};
use crate::store::{
    ChangeRow, ConfirmedRow, Dated, EvaluationRow, GenerationRow, Store, StoreError, TopFilter, TopRow,
};
use fingerprint::Class;
use genetic::Fitness;
use results::html::Page;
use results::record::Table;
use std::collections::BTreeMap;
use std::path::Path;

/// Changes of the fingerprint that are read: as many as the charts could show.
const MOST_CHANGES: u32 = 10_000;

/// What a report is made of, each in the order of time.
pub(super) struct History {
    pub(super) device: String,
    pub(super) evaluations: Vec<EvaluationRow>,
    pub(super) generations: Vec<GenerationRow>,
    pub(super) changes: Vec<ChangeRow>,
    /// What is known for each fingerprint by now.
    pub(super) confirmed: Vec<ConfirmedRow>,
    pub(super) trials: Vec<Dated<TrialTold>>,
    pub(super) gain_checks: Vec<Dated<GainTold>>,
    tops: Vec<TopRow>,
}

impl History {
    fn read(state_dir: &Path, device: &str, last: u32) -> Result<Self, Failure> {
        let store = Store::open_read_only(state_dir).map_err(Failure::failed)?;
        let read = || -> Result<Self, StoreError> {
            let mut evaluations = store.evaluations(device, last)?;
            evaluations.reverse();
            let filter = TopFilter { device: Some(device.to_owned()), ..TopFilter::default() };
            Ok(Self {
                device: device.to_owned(),
                evaluations,
                generations: store.generation_rows(device, last)?,
                changes: store.changes(device, MOST_CHANGES)?,
                confirmed: store.confirmed(Some(device))?,
                trials: store.trials_of(device, last)?,
                gain_checks: store.gain_checks_of(device, last)?,
                tops: store.tops(&filter)?,
            })
        };
        let history = read().map_err(Failure::failed)?;
        if history.is_empty() {
            let known = store.devices().map_err(Failure::failed)?;
            let known = if known.is_empty() { "no disk".to_owned() } else { known.join(", ") };
            return Err(Failure::nothing(format_args!(
                "{}: nothing is stored of {device}; it knows {known}",
                store.path().display()
            )));
        }
        Ok(history)
    }

    fn is_empty(&self) -> bool {
        self.evaluations.is_empty()
            && self.changes.is_empty()
            && self.tops.is_empty()
            && self.confirmed.is_empty()
            && self.trials.is_empty()
    }

    /// The end of the history, ms since 1970.
    pub(super) fn end(&self) -> u64 {
        let ends = [
            self.evaluations.last().map(|row| row.at_unix_ms),
            self.changes.last().map(|row| row.at_unix_ms),
            self.trials.last().map(|row| row.at_unix_ms),
            self.gain_checks.last().map(|row| row.at_unix_ms),
        ];
        ends.into_iter().flatten().max().unwrap_or_default()
    }
}

pub(super) fn page(state_dir: &Path, device: &str, last: u32) -> Result<Page, Failure> {
    let history = History::read(state_dir, device, last)?;
    let mut page = Page::new(&format!("What tunerd knows of {device}"));
    page.paragraph(&format!(
        "The work of the disk, the search for its settings, and what was learned, from the store in {}. \
         A fitness of the search is that of a slice of a child, and the best of many is better than it is worth: \
         what a setting gains is known only once it is confirmed against the default.",
        state_dir.display()
    ));
    confirmed::add(&mut page, &history)?;
    best_settings(&mut page, &history.tops);
    work(&mut page, &history);
    search(&mut page, &history)?;
    Ok(page)
}

fn best_settings(page: &mut Page, tops: &[TopRow]) {
    page.heading("Best settings so far");
    if tops.is_empty() {
        page.paragraph("None are stored.");
        return;
    }
    let mut table =
        Table::new(&["fingerprint", "scheduler", "objective", "fitness", "generations", "settings"]);
    for TopRow { key, objective, top } in tops {
        table.row([
            key.class.clone(),
            key.scheduler.clone(),
            objective.clone(),
            fitness(objective, top.fitness.map(Fitness::get)),
            top.generations.to_string(),
            settings_by_name(&top.genes).to_string(),
        ]);
    }
    page.table("", &table);
}

/// The fingerprints, how often each came and for how long it stayed.
fn work(page: &mut Page, history: &History) {
    page.heading("The work of the disk");
    if history.changes.is_empty() {
        page.paragraph("No change of its fingerprint is stored.");
        return;
    }
    let mut visits: BTreeMap<Class, (u64, u64)> = BTreeMap::new();
    for (change, until) in with_ends(history) {
        let (count, ms) = visits.entry(change.to).or_default();
        *count += 1;
        *ms += until.saturating_sub(change.at_unix_ms);
    }
    let mut table = Table::new(&["fingerprint", "visits", "time (min)", "slices", "void"]);
    for (class, (count, ms)) in visits {
        let slices = || history.evaluations.iter().filter(|row| row.evaluation.class == Some(class));
        table.row([
            class.name().to_owned(),
            count.to_string(),
            format!("{:.1}", ms as f64 / 60e3),
            slices().count().to_string(),
            slices().filter(|row| row.evaluation.void.is_some()).count().to_string(),
        ]);
    }
    page.table("", &table);
    page.paragraph(
        "A visit lasts until the next change that is stored, or the last slice or trial: time in which tunerd did not run is in it.",
    );
}

/// Each change with the time until which it held, ms since 1970.
pub(super) fn with_ends(history: &History) -> impl Iterator<Item = (&ChangeRow, u64)> {
    let next = history.changes.iter().skip(1).map(|row| row.at_unix_ms).chain([history.end()]);
    history.changes.iter().zip(next)
}

fn search(page: &mut Page, history: &History) -> Result<(), Failure> {
    page.heading("The search");
    let (count, void) = (
        history.evaluations.len(),
        history.evaluations.iter().filter(|row| row.evaluation.void.is_some()).count(),
    );
    if count == 0 {
        page.paragraph("No slice is stored: tunerd did not search here, or not yet.");
        return Ok(());
    }
    page.paragraph(&format!("The latest {count} slices, of which {void} were void and scored nothing."));
    reasons(page, history);
    for figure in &charts::figures(history).map_err(Failure::failed)? {
        // Each has its title inside.
        page.chart("", figure).map_err(Failure::failed)?;
    }
    Ok(())
}

/// Why slices were void.
fn reasons(page: &mut Page, history: &History) {
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    for reason in history.evaluations.iter().filter_map(|row| row.evaluation.void) {
        *reasons.entry(reason.to_string()).or_default() += 1;
    }
    if reasons.is_empty() {
        return;
    }
    let mut table = Table::new(&["why a slice was void", "slices"]);
    for (reason, count) in reasons {
        table.row([reason, count.to_string()]);
    }
    page.table("", &table);
}
