//! The page of a run, from its directory.

use super::Page;
use crate::compare::Comparison;
use crate::record::{ExhibitKind, RecordError, State, Table, manifest, one_line, shell};
use std::path::Path;

/// The page of the run in `dir`: what it says of itself, its tables and its charts.
///
/// What cannot be shown (a table or chart that is missing or damaged) is named in its place.
///
/// # Errors
/// [`RecordError::Schema`] where another version recorded it, [`RecordError::Manifest`] where it is no run, and
/// [`RecordError::Io`].
pub fn run_page(dir: &Path) -> Result<Page, RecordError> {
    let manifest = manifest(dir)?;
    let meta = &manifest.meta;
    let mut page = Page::new(&meta.title);
    if manifest.state == State::Recording {
        page.warning("This run was not finished: it goes on, or it was broken off.");
    }
    page.markdown(&meta.shows);
    for exhibit in &manifest.exhibits {
        let caption = one_line(&exhibit.caption);
        page.heading(if caption.is_empty() { &exhibit.stem } else { &caption });
        let shown = match exhibit.kind {
            ExhibitKind::Table => Table::read(&dir.join(format!("{}.csv", exhibit.stem)))
                .map(|table| page.table("", &table))
                .map_err(|error| error.to_string()),
            ExhibitKind::Chart => {
                let path = dir.join(format!("{}.svg", exhibit.stem));
                std::fs::read_to_string(&path)
                    .map_err(|error| format!("{}: {error}", path.display()))
                    .and_then(|svg| {
                        page.drawing("", &svg).map_err(|error| format!("{}: {error}", path.display()))
                    })
            }
        };
        if let Err(why) = shown {
            page.warning(&format!("It cannot be shown: {why}"));
        }
    }
    page.heading("Made by");
    page.preformatted(&format!("$ {}", shell(&meta.command)));
    let seed = meta.seed.map_or_else(|| "none: nothing was random".to_owned(), |seed| seed.to_string());
    let fixed = [
        ("run", manifest.name.as_str()),
        ("date", manifest.date.as_str()),
        ("kernel", meta.kernel.as_str()),
        ("device", meta.device.as_str()),
        ("seed", seed.as_str()),
    ];
    let listed =
        meta.versions.iter().chain(&meta.conditions).map(|(name, value)| (name.as_str(), value.as_str()));
    page.facts(fixed.into_iter().chain(listed));
    Ok(page)
}

/// The page of how the run in `after` differs from the one in `before`.
///
/// # Errors
/// As [`run_page`], and [`RecordError::Row`] for raw rows that are no JSON.
pub fn differences_page(before: &Path, after: &Path) -> Result<Page, RecordError> {
    let comparison = Comparison::of(before, after)?;
    let manifests = (manifest(before)?, manifest(after)?);
    let (first, second) = (&manifests.0.meta.title, &manifests.1.meta.title);
    let title =
        if first == second { format!("Two runs: {first}") } else { format!("{second} beside {first}") };
    let mut page = Page::new(&title);
    page.paragraph(
        "Each measure of the second run beside that of the first. Where both have repeats there is an interval, and a \
         word on whether they differ by more than their repeats do; of many measures one in twenty seems to by chance.",
    );
    page.heading("The runs");
    let mut runs = Table::new(&["", "first", "second"]);
    let command = |manifest: &crate::record::Manifest| shell(&manifest.meta.command);
    let seed = |manifest: &crate::record::Manifest| {
        manifest.meta.seed.map_or_else(|| "none".to_owned(), |seed| seed.to_string())
    };
    let state = |manifest: &crate::record::Manifest| match manifest.state {
        State::Recording => "not finished".to_owned(),
        State::Finished => "finished".to_owned(),
    };
    let (first, second) = &manifests;
    for (name, one, other) in [
        ("date", first.date.clone(), second.date.clone()),
        ("command", command(first), command(second)),
        ("kernel", first.meta.kernel.clone(), second.meta.kernel.clone()),
        ("device", first.meta.device.clone(), second.meta.device.clone()),
        ("seed", seed(first), seed(second)),
        ("state", state(first), state(second)),
    ] {
        runs.row([name.to_owned(), one, other]);
    }
    page.table("", &runs);
    page.heading("Differences");
    if comparison.differences().is_empty() {
        page.paragraph("The runs have no measure in common.");
    } else {
        page.table("", &comparison.table());
    }
    for (name, only) in [("first", comparison.only_before()), ("second", comparison.only_after())] {
        if !only.is_empty() {
            page.paragraph(&format!("Only in the {name}: {}.", only.join("; ")));
        }
    }
    Ok(page)
}
