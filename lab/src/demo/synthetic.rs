//! The demo without root: the same loop on the fake kernel.

use super::Options;
use super::live::by_line;
use super::story::Story;
use crate::Context;
use crate::bench::report::Report;
use crate::bench::tunerd::{Tunerd, text};
use anyhow::{Context as _, Result};
use block_types::Nanos;

/// Runs it. All times are virtual: an hour takes seconds.
pub(super) fn run(context: &Context, options: &Options) -> Result<Report> {
    let directory =
        tempfile::Builder::new().prefix("tunerd-lab.").tempdir().context("cannot make a directory")?;
    let tunerd = Tunerd::find(context.tunerd.as_deref(), directory.path())?;
    let config = directory.path().join("empty.toml");
    std::fs::write(&config, "")?;
    // Every one of the synthetic workloads is visited twice in this time.
    let length = options.seconds.max(720);
    context.say(&format!("SIMULATED: {length} virtual seconds on the fake kernel"));
    let (seed, length) = (options.seed.to_string(), format!("{length}s"));
    let lines = tunerd.lines(
        "run",
        &[
            "--fake-kernel",
            "--json",
            "--mode",
            "tune",
            "--strategy",
            "moilanen",
            "--seed",
            &seed,
            "--for",
            &length,
            "--config",
            &text(&config),
        ],
    )?;
    let mut story = Story::default();
    for event in &lines {
        context.interrupt.check()?;
        story.add(event)?;
    }
    Ok(report(&story))
}

fn report(story: &Story) -> Report {
    let mut report = Report::new(
        "SIMULATED: tunerd on a fake kernel with a made-up workload, in virtual time. Nothing here was measured on \
         a disk.",
    );
    report.table(
        "Fingerprints, and the (made-up) score of single slices",
        &["fingerprint", "windows", "generations", "default", "best", "stored genes"],
        story.chapters.iter().map(|(class, chapter)| {
            [
                class.clone(),
                chapter.windows.to_string(),
                chapter.generations.to_string(),
                story.score(chapter.default_score()),
                story.score(chapter.best.as_ref().map(|(fitness, _)| *fitness)),
                chapter
                    .top
                    .as_ref()
                    .map_or_else(|| "-".to_owned(), |top| by_line(&story.differences(top).to_string())),
            ]
        }),
    );
    report.table(
        "Reintroductions, seconds after the first window of the returning workload began (virtual)",
        &["fingerprint", "stored genes in force"],
        story.returns.iter().map(|back| {
            let change =
                story.changes.iter().rfind(|change| change.at_ns <= back.at_ns && change.to == back.class);
            let seconds = change.map(|change| since(back.quick_at_ns, change.first_window_ns));
            [back.class.to_string(), seconds.unwrap_or_else(|| "-".to_owned())]
        }),
    );
    report.fact("simulated", true);
    report.fact("story", story);
    report.verdict(
        "original values on the fake kernel that are back",
        "all",
        if story.left.is_empty() { "all".to_owned() } else { format!("all but {}", story.left.join("; ")) },
        story.left.is_empty() && story.restored.is_some(),
    );
    report.note("On a real loop device: sudo make demo");
    report
}

fn since(at: Nanos, from: Nanos) -> String {
    format!("{:.2}", (at - from).as_secs_f64())
}
