//! Pages: whole, closed in themselves, and with nothing in them that was meant as text.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up fails")]

use proptest::prelude::*;
use results::chart::{Axis, RangeChart, Scale};
use results::html::{Page, differences_page, run_page};
use results::record::{Meta, RecordError, Run, Table};
use roxmltree::{Document, Node, ParsingOptions};
use std::fs;
use std::path::{Path, PathBuf};
use time::macros::date;

const SVG: &str = "http://www.w3.org/2000/svg";

/// `html`, which is XML as well.
fn parsed(html: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(html, options).unwrap_or_else(|error| panic!("{error} in {html}"))
}

/// What a browser's tokenizer complains about.
fn complaints(html: &str) -> Vec<String> {
    let tokens = html5gum::Tokenizer::new(html).map(Result::unwrap);
    let errors = tokens.filter_map(|token| match token {
        html5gum::Token::Error(error) => Some(format!("{:?}", error.value)),
        _ => None,
    });
    errors.collect()
}

/// Nothing is loaded, nothing runs, and nothing leads out.
fn assert_closed(html: &str) {
    assert_eq!(complaints(html), Vec::<String>::new());
    let rest = html.replace(SVG, "");
    for lead in ["http://", "https://", "url(", "@import", "src=\"//"] {
        assert!(!rest.contains(lead), "{lead:?} in {rest}");
    }
    for node in parsed(html).descendants().filter(Node::is_element) {
        let name = node.tag_name().name();
        assert!(
            !["script", "link", "iframe", "object", "img", "image", "use", "a"].contains(&name),
            "<{name}>"
        );
        for attribute in node.attributes() {
            let name = attribute.name();
            assert!(!name.starts_with("on") && !["href", "src", "style"].contains(&name), "{name}");
        }
    }
}

fn count(html: &str, element: &str) -> usize {
    parsed(html).descendants().filter(|node| node.tag_name().name() == element).count()
}

fn text_of(html: &str) -> Vec<String> {
    let document = parsed(html);
    document.descendants().filter(Node::is_text).filter_map(|node| node.text()).map(str::to_owned).collect()
}

fn chart(title: &str) -> results::chart::Figure {
    RangeChart {
        title: title.into(),
        subtitle: "one & two".into(),
        low_name: "mean".into(),
        high_name: "p99".into(),
        marked_name: "default".into(),
        left: Axis::new("latency", "ms", Scale::Log10),
        right: Axis::new("rate", "MB/s", Scale::Linear),
        rows: vec![],
        notes: vec![],
    }
    .figure()
    .unwrap()
}

fn run(root: &Path, name: &str, times: &[f64]) -> PathBuf {
    let meta = Meta {
        title: "Convergence <of> four & more".into(),
        shows: "- What it shows: **all**\n- <b>Not</b> bold, [no link](https://example.org)".into(),
        command: ["tunerd-lab", "convergence", "--name", "it's <x>"].map(String::from).to_vec(),
        seed: Some(7),
        kernel: "Linux 6.18.0 x86_64".into(),
        device: "loop0 on \"hdd\"".into(),
        versions: [("tunerd-lab".to_owned(), "0.1.0".to_owned())].into(),
        ..Meta::default()
    };
    let mut run = Run::create(root, date!(2026 - 11 - 24), name, meta).unwrap();
    for (seed, time) in times.iter().enumerate() {
        run.append(&serde_json::json!({ "arm": "warm", "seed": seed, "t95_s": time })).unwrap();
    }
    let mut table = Table::new(&["arm", "T95 (s)"]);
    table.row(["warm <&>".into(), "1.5".into()]);
    run.table("times", "Times", &table).unwrap();
    run.table("more", "More", &table).unwrap();
    run.chart("figure", "A figure", &chart("Figure")).unwrap();
    run.finish().unwrap()
}

#[test]
fn the_page_of_a_run_holds_every_table_chart_and_fact() {
    let root = tempfile::tempdir().unwrap();
    let dir = run(root.path(), "a", &[1.0]);
    let html = run_page(&dir).unwrap().html();
    assert_closed(&html);
    // Two tables and the facts.
    assert_eq!((count(&html, "table"), count(&html, "svg"), count(&html, "figure")), (3, 1, 1));
    let texts = text_of(&html);
    for text in [
        "Convergence <of> four & more",
        "Times",
        "More",
        "A figure",
        "warm <&>",
        "T95 (s)",
        "1.5",
        "$ tunerd-lab convergence --name \"it's <x>\"",
        "Linux 6.18.0 x86_64",
        "loop0 on \"hdd\"",
        "7",
        "0.1.0",
        "2026-11-24",
        "<b>Not</b> bold, no link",
    ] {
        assert!(texts.iter().any(|one| one == text), "{text:?} in {texts:?}");
    }
    assert!(!html.contains("was not finished"));
}

#[test]
fn what_cannot_be_shown_is_named_in_its_place() {
    let root = tempfile::tempdir().unwrap();
    let dir = run(root.path(), "a", &[1.0]);
    fs::remove_file(dir.join("times.csv")).unwrap();
    fs::write(dir.join("figure.svg"), format!("<svg xmlns=\"{SVG}\"><script>alert(1)</script></svg>"))
        .unwrap();
    let html = run_page(&dir).unwrap().html();
    assert_closed(&html);
    assert_eq!((count(&html, "table"), count(&html, "svg")), (2, 0));
    let warnings: Vec<String> =
        text_of(&html).into_iter().filter(|text| text.starts_with("It cannot be shown")).collect();
    assert!(warnings[0].contains("times.csv") && warnings[1].contains("<script>"), "{warnings:?}");
    assert!(matches!(run_page(&root.path().join("missing")), Err(RecordError::Io { .. })));
}

#[test]
fn a_run_that_goes_on_says_so() {
    let root = tempfile::tempdir().unwrap();
    let dir = run(root.path(), "a", &[1.0]);
    Run::open(&dir).unwrap().append(&1).unwrap();
    assert!(run_page(&dir).unwrap().html().contains("was not finished"));
}

#[test]
fn two_runs_side_by_side() {
    let root = tempfile::tempdir().unwrap();
    let (one, other) = (run(root.path(), "a", &[10.0, 12.0, 14.0]), run(root.path(), "b", &[1.0, 2.0, 1.5]));
    let html = differences_page(&one, &other).unwrap().html();
    assert_closed(&html);
    let texts = text_of(&html);
    for text in ["warm", "t95_s", "12.00", "1.500", "3, 3", "yes"] {
        assert!(texts.iter().any(|one| one == text), "{text:?} in {texts:?}");
    }
    assert!(texts.iter().any(|text| text.starts_with("-87.5 [-1")), "{texts:?}");
}

#[test]
fn a_page_is_written_whole_or_the_error_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut page = Page::new("A\npage");
    page.chart("A chart", &chart("Chart")).unwrap();
    let path = dir.path().join("page.html");
    page.write(&path).unwrap();
    let html = fs::read_to_string(&path).unwrap();
    assert_eq!(html, page.html());
    assert_closed(&html);
    assert!(html.starts_with("<!DOCTYPE html>") && html.contains("<title>A page</title>"));
    let error = page.write(&dir.path().join("missing/page.html")).unwrap_err();
    assert!(error.to_string().contains("page.html"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_stays_text(
        text in any::<String>(),
        words in "[ -~\n\t]{0,200}",
        cells in prop::collection::vec(prop::collection::vec("[ -~é]{0,9}", 0..4), 0..5),
    ) {
        let mut table = Table::new(&[&text, "<td>"]);
        cells.into_iter().for_each(|row| table.row(row));
        let mut page = Page::new(&text);
        page.heading(&text);
        page.paragraph(&words);
        page.markdown(&words);
        page.markdown(&text);
        page.preformatted(&words);
        page.facts([(text.as_str(), words.as_str())]);
        page.table(&words, &table);
        let html = page.html();
        prop_assert_eq!(complaints(&html), Vec::<String>::new());
        let document = parsed(&html);
        let foreign = ["script", "a", "img", "b"];
        let found = document.descendants().find(|node| foreign.contains(&node.tag_name().name()));
        prop_assert_eq!(found.map(|node| node.tag_name().name().to_owned()), None);
        let paragraph = document.descendants().find(|node| node.has_tag_name("p"));
        let shown = paragraph.and_then(|node| node.text()).unwrap_or_default();
        prop_assert_eq!(shown, words);
    }
}
