//! What a run says of itself, for people.

use super::error::RecordError;
use super::meta::{ExhibitKind, Manifest, State};
use super::table::{Table, escaped};
use std::path::Path;

/// The README of the run in `dir`, whose tables are there already.
pub(crate) fn readme(dir: &Path, manifest: &Manifest, rows: u64) -> Result<String, RecordError> {
    let meta = &manifest.meta;
    let mut text = format!("# {}\n\n", one_line(&meta.title));
    if manifest.state == State::Recording {
        text.push_str("**This run was not finished: it goes on, or it was broken off.**\n\n");
    }
    if !meta.shows.trim().is_empty() {
        text.push_str(&format!("{}\n\n", meta.shows.trim()));
    }
    for exhibit in &manifest.exhibits {
        let (stem, caption) = (&exhibit.stem, one_line(&exhibit.caption));
        text.push_str(&format!("## {caption}\n\n"));
        match exhibit.kind {
            ExhibitKind::Chart => {
                text.push_str(&format!("![{caption}]({stem}.svg)\n\nAlso as [PNG]({stem}.png).\n\n"));
            }
            ExhibitKind::Table => {
                let table = Table::read(&dir.join(format!("{stem}.csv")))?;
                text.push_str(&format!("{}\nAlso as [CSV]({stem}.csv).\n\n", table.markdown()));
            }
        }
    }
    text.push_str("## Made by\n\n");
    text.push_str(&format!("```console\n$ {}\n```\n\n", shell(&meta.command)));
    text.push_str("| what | value |\n|---|---|\n");
    let seed = meta.seed.map_or_else(|| "none: nothing was random".to_owned(), |seed| seed.to_string());
    let fixed =
        [("date", &manifest.date), ("kernel", &meta.kernel), ("device", &meta.device), ("seed", &seed)];
    let listed = meta.versions.iter().chain(&meta.conditions).map(|(name, value)| (name.as_str(), value));
    for (name, value) in fixed.into_iter().chain(listed) {
        text.push_str(&format!("| {} | {} |\n", escaped(name), escaped(value)));
    }
    // While rows are appended the README is not written anew, so it must not count them.
    let counted = match manifest.state {
        State::Recording => "the raw rows so far".to_owned(),
        State::Finished => format!("the {rows} raw rows"),
    };
    text.push_str(&format!(
        "\n[data.jsonl](data.jsonl) holds {counted}, one JSON value a line; [meta.json](meta.json) holds the above for \
         programs (schema {}).\n",
        manifest.schema
    ));
    Ok(text)
}

pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `command` so that a shell takes it apart into the same arguments.
pub(crate) fn shell(command: &[String]) -> String {
    // No argument of a process holds a NUL, the one thing that a shell cannot be given.
    shlex::try_join(command.iter().map(String::as_str)).unwrap_or_else(|_nul| format!("{command:?}"))
}
