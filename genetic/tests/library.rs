//! What is on record, and how it comes and goes.

#![expect(clippy::unwrap_used, reason = "a step that fails fails the test")]

use genetic::{
    Conflict, ExchangeFile, Fitness, FitnessScale, GeneSpec, Genome, ImportError, Imported, Key, Library,
    LibraryConfig, LibraryError, Observed, Provenance, Recall, SCHEMA, Scale, Space, TopGenes,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn key(class: &str) -> Key {
    Key { device: "disk".into(), class: class.into(), scheduler: "bfq".into() }
}

fn fit(score: f64) -> Fitness {
    Fitness::new(score).unwrap()
}

fn genes(value: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([("slice_idle_us".to_owned(), value)])
}

fn library() -> Library {
    Library::new(LibraryConfig::default()).unwrap()
}

fn space() -> Space {
    let scale = Scale::Log { min: 500, max: 32_000 };
    let specs = vec![
        GeneSpec::new("slice_idle_us", scale, 8_000).with_specials([0]),
        GeneSpec::new("low_latency", Scale::Boolean, 1),
    ];
    Space::new(specs, Vec::new()).unwrap()
}

proptest! {
    #[test]
    fn the_top_fitness_changes_only_by_decay_or_by_something_better(
        passes in prop::collection::vec((0_usize..3, 0.0..1e6), 1..80),
        decay in 0.5..=1.0,
        log in any::<bool>(),
    ) {
        let scale = if log { FitnessScale::Log } else { FitnessScale::Ratio };
        let config = LibraryConfig { decay, scale, ..LibraryConfig::default() };
        let mut library = Library::new(config).unwrap();
        for (pass, (which, score)) in passes.into_iter().enumerate() {
            let keys = ["a", "b", "c"].map(key);
            let before = keys.each_ref().map(|key| library.top(key).cloned());
            let score = if log { score - 5e5 } else { score };
            let now = pass as u64;
            let observed = library.observe(&keys[which], fit(score), &genes(now), now).unwrap();
            for (index, (key, before)) in keys.iter().zip(before).enumerate() {
                let after = library.top(key).cloned();
                if index != which {
                    prop_assert_eq!(after, before, "other workloads are left alone");
                    continue;
                }
                let after = after.unwrap();
                let Some(before) = before else {
                    prop_assert_eq!(observed, Observed::First { fitness: fit(score) });
                    prop_assert_eq!(after.genes, genes(now));
                    continue;
                };
                let old = before.fitness.unwrap().get();
                let decayed = if log { old + decay.ln() } else { old * decay };
                prop_assert_eq!(after.generations, before.generations + 1);
                if score > decayed {
                    prop_assert_eq!(observed, Observed::Improved { from: Some(fit(decayed)), to: fit(score) });
                    prop_assert_eq!((after.fitness, after.genes), (Some(fit(score)), genes(now)));
                } else {
                    prop_assert_eq!(observed, Observed::Decayed { from: fit(old), to: fit(decayed) });
                    prop_assert_eq!((after.fitness, after.genes), (Some(fit(decayed)), before.genes));
                    prop_assert_eq!(after.updated_unix_ms, before.updated_unix_ms);
                }
            }
        }
        let text = serde_json::to_string(&library).unwrap();
        prop_assert_eq!(serde_json::from_str::<Library>(&text).unwrap(), library);
    }
}

#[test]
fn schedulers_and_devices_have_records_of_their_own() {
    let mut library = library();
    let here = key("read-random-small");
    library.observe(&here, fit(5.0), &genes(1), 0).unwrap();
    for other in [
        Key { device: "other".into(), ..here.clone() },
        Key { scheduler: "kyber".into(), ..here.clone() },
        Key { class: "read-random-large".into(), ..here.clone() },
    ] {
        assert_eq!(library.top(&other), None);
        assert_eq!(library.recall(&other, &space()), Recall::Unseen(Genome(vec![8_000, 1])));
    }
    assert_eq!(library.len(), 1);
}

#[test]
fn stored_genes_are_fitted_to_the_space_they_come_back_to() {
    let mut library = library();
    // A knob that is gone, one that was not there then, a value beyond today's range.
    let stored = BTreeMap::from([("slice_idle_us".to_owned(), 99_999), ("gone".to_owned(), 3)]);
    library.observe(&key("a"), fit(5.0), &stored, 0).unwrap();
    assert_eq!(library.recall(&key("a"), &space()), Recall::Stored(Genome(vec![32_000, 1])));
    library.observe(&key("a"), fit(9.0), &genes(0), 0).unwrap();
    assert_eq!(library.recall(&key("a"), &space()), Recall::Stored(Genome(vec![0, 1])), "0 is special");
}

#[test]
fn a_negative_ratio_and_an_impossible_decay_are_refused() {
    let mut library = library();
    let refused = library.observe(&key("a"), fit(-1.0), &genes(1), 0);
    assert_eq!(refused, Err(LibraryError::Negative { key: key("a"), found: -1.0 }));
    assert!(library.is_empty());
    for decay in [0.0, -0.5, 1.01, f64::NAN] {
        assert!(Library::new(LibraryConfig { decay, ..LibraryConfig::default() }).is_err(), "{decay}");
    }
}

#[test]
fn forgetting() {
    let mut library = library();
    for class in ["a", "b", "c"] {
        library.observe(&key(class), fit(1.0), &genes(1), 0).unwrap();
    }
    assert_eq!(library.forget(&key("b")).unwrap().fitness, Some(fit(1.0)));
    assert_eq!(library.forget(&key("b")), None);
    assert_eq!(library.forget_where(|key, _| key.class == "c"), 1);
    assert_eq!(library.iter().map(|(key, _)| key.class.as_str()).collect::<Vec<_>>(), ["a"]);
}

fn provenance() -> Provenance {
    Provenance { by: "tunerd 0.1.0".into(), host: Some("nas".into()), ..Provenance::default() }
}

fn accept_all(_: &genetic::ExchangeEntry) -> Result<(), String> {
    Ok(())
}

#[test]
fn what_is_exported_can_be_imported_and_says_where_it_came_from() {
    let mut there = library();
    there.observe(&key("a"), fit(0.1 + 0.2), &genes(500), 1_700_000_000_000).unwrap();
    there.observe(&key("b"), fit(7.0), &genes(0), 5).unwrap();
    let text = there.export(provenance()).to_json().unwrap();
    let mut here = library();
    let imported = here.import(&text, "genes.json", Conflict::Keep, accept_all).unwrap();
    assert_eq!(imported, Imported { added: vec![key("a"), key("b")], ..Imported::default() });
    let top = here.top(&key("a")).unwrap();
    assert_eq!(top.provenance, Some(provenance()));
    assert_eq!(TopGenes { provenance: None, ..top.clone() }, *there.top(&key("a")).unwrap());

    // Passed on, an entry still says where it first came from.
    let again = here.export(Provenance { by: "somebody".into(), ..Provenance::default() }).to_json().unwrap();
    let mut third = library();
    third.import(&again, "again.json", Conflict::Keep, accept_all).unwrap();
    assert_eq!(third.top(&key("a")).unwrap().provenance, Some(provenance()));
}

#[test]
fn what_is_on_record_is_kept_or_replaced_as_asked() {
    let mut there = library();
    there.observe(&key("a"), fit(7.0), &genes(1_000), 0).unwrap();
    let text = there.export(provenance()).to_json().unwrap();
    let mut here = library();
    here.observe(&key("a"), fit(3.0), &genes(2_000), 0).unwrap();
    let kept = here.import(&text, "genes.json", Conflict::Keep, accept_all).unwrap();
    assert_eq!((kept.kept.len(), here.top(&key("a")).unwrap().genes["slice_idle_us"]), (1, 2_000));
    let replaced = here.import(&text, "genes.json", Conflict::Replace, accept_all).unwrap();
    assert_eq!((replaced.replaced.len(), here.top(&key("a")).unwrap().genes["slice_idle_us"]), (1, 1_000));
}

fn file(entries: &str) -> String {
    format!(
        r#"{{"schema": "tunerd-genes", "version": 1, "objective": "throughput", "provenance": {{"by": "hand"}},
            "entries": [{entries}]}}"#
    )
}

const ENTRY: &str = r#"{"device": "d", "class": "c", "scheduler": "none", "genes": {"nr_requests": 64}}"#;

#[test]
fn a_file_written_by_hand_needs_no_fitness_and_the_first_measurement_replaces_it() {
    let mut library = library();
    library.import(&file(ENTRY), "hints.json", Conflict::Keep, accept_all).unwrap();
    let key = Key { device: "d".into(), class: "c".into(), scheduler: "none".into() };
    assert_eq!(library.top(&key).unwrap().fitness, None);
    let observed = library.observe(&key, fit(1.0), &genes(1), 0).unwrap();
    assert_eq!(observed, Observed::Improved { from: None, to: fit(1.0) });
    assert_eq!(library.top(&key).unwrap().provenance, None, "it is ours now");
}

#[test]
fn a_bad_file_is_refused_whole_with_place_found_and_expected() {
    let twice = file(&format!("{ENTRY}, {ENTRY}"));
    let bad_second = file(&format!("{ENTRY}, {}", ENTRY.replace("64", "-3")));
    for (text, expected) in [
        ("{".to_owned(), "genes.json:1:1: EOF while parsing an object"),
        (
            file(ENTRY).replace("tunerd-genes", "recipes"),
            "found schema \"recipes\", expected \"tunerd-genes\"",
        ),
        (file(ENTRY).replace("\"version\": 1", "\"version\": 2"), "found version 2, expected 1 to 1"),
        // A later version is called that, whatever else is in it.
        (r#"{"schema": "tunerd-genes", "version": 9, "novelty": []}"#.to_owned(), "found version 9"),
        (file(ENTRY).replace("throughput", "latency"), "found genes for the objective \"latency\""),
        (file(ENTRY).replace("\"device\"", "\"devise\""), "unknown field `devise`"),
        (file(ENTRY).replace("\"class\": \"c\", ", ""), "missing field `class`"),
        (file(ENTRY).replace("{\"nr_requests\": 64}", "{}"), "entry 1 (d / c / none): found no genes"),
        (twice, "entry 2 (d / c / none): found twice"),
        (bad_second, "genes.json:2:"),
        (file(&ENTRY.replace("64}", "64}, \"fitness\": -2")), "found fitness -2, expected none below 0"),
        (file(&ENTRY.replace("64}", "64}, \"fitness\": \"NaN\"")), "invalid type: string"),
    ] {
        let mut library = library();
        let error =
            library.import(&text, "genes.json", Conflict::Replace, accept_all).unwrap_err().to_string();
        assert!(error.starts_with("genes.json"), "{error}");
        assert!(error.contains(expected), "found {error:?}, expected {expected:?}");
        assert!(library.is_empty(), "nothing of a bad file is taken in");
    }
}

#[test]
fn the_caller_may_refuse_an_entry() {
    let mut library = library();
    let error = library.import(&file(ENTRY), "genes.json", Conflict::Keep, |entry| {
        Err(format!("found fingerprint {:?}, expected one of eight", entry.class))
    });
    let Err(ImportError::Entry { number: 1, problem, .. }) = error else { panic!("{error:?}") };
    assert_eq!(problem, "found fingerprint \"c\", expected one of eight");
}

#[test]
fn an_empty_file_of_genes_is_a_file_of_genes() {
    let empty = ExchangeFile::parse(&file(""), "hints.json").unwrap();
    assert_eq!((empty.schema.as_str(), empty.entries.len()), (SCHEMA, 0));
    assert_eq!(
        library().import(&file(""), "hints.json", Conflict::Keep, accept_all),
        Ok(Imported::default())
    );
}
