//! A run touches only what is its own.
#![allow(clippy::panic, reason = "a test that cannot be set up fails")]

mod common;

use common::{listing, ops, text, try_run};
use ffsb_workloads::error::RunError;
use ffsb_workloads::home::{Home, HomeError, MARKER};
use ffsb_workloads::run::Settings;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::tempdir;

fn work() -> String {
    let files = "num_files = 4\nnum_dirs = 2\nmin_filesize = 1k\nmax_filesize = 1k";
    let group =
        "num_threads = 2\ncreate_weight = 1\nmetaop_weight = 1\ncreatedir_weight = 1\nwrite_blocksize = 4k";
    text(files, group)
}

fn refused(place: &Path) -> HomeError {
    match try_run(&work(), place, &ops(2)) {
        Err(RunError::Home(error)) => error,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_directory_that_was_made_is_gone_afterwards() {
    let home = tempdir().unwrap();
    let place = home.path().join("x");
    try_run(&work(), &place, &ops(20)).unwrap();
    assert!(!place.exists());
}

#[test]
fn an_empty_directory_is_empty_afterwards() {
    let home = tempdir().unwrap();
    // As in a fresh ext4.
    fs::create_dir(home.path().join("lost+found")).unwrap();
    try_run(&work(), home.path(), &ops(20)).unwrap();
    assert_eq!(listing(home.path()), ["lost+found"]);
    assert!(!home.path().join(MARKER).exists());
}

#[test]
fn somebody_elses_directory_is_refused_and_left_alone() {
    let home = tempdir().unwrap();
    fs::write(home.path().join("thesis.txt"), "years of work").unwrap();
    assert!(matches!(refused(home.path()), HomeError::Foreign { found, .. } if found == "thesis.txt"));
    // What FFSB would have removed.
    fs::remove_file(home.path().join("thesis.txt")).unwrap();
    fs::create_dir(home.path().join("data")).unwrap();
    fs::write(home.path().join("data/thesis.txt"), "years of work").unwrap();
    assert!(matches!(refused(home.path()), HomeError::Foreign { found, .. } if found == "data"));
    assert_eq!(listing(home.path()), ["data", "data/thesis.txt"]);
    assert!(!home.path().join(MARKER).exists());
}

#[test]
fn a_location_that_is_no_directory_is_refused() {
    let home = tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(refused(&file), HomeError::NotDirectory(_)));
    assert!(matches!(refused(&home.path().join("no/such")), HomeError::Io { .. }));
}

#[test]
fn a_symbolic_link_is_not_followed() {
    let home = tempdir().unwrap();
    let (target, link) = (home.path().join("target"), home.path().join("link"));
    fs::create_dir(&target).unwrap();
    symlink(&target, &link).unwrap();
    assert!(matches!(refused(&link), HomeError::Symlink(_)));
    assert_eq!(listing(&target), Vec::<String>::new());
}

#[test]
fn links_in_a_set_of_ours_lead_nowhere() {
    let home = tempdir().unwrap();
    let (place, outside) = (home.path().join("x"), home.path().join("outside"));
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("f0-0"), "a name like ours").unwrap();
    try_run(&work(), &place, &Settings { keep: true, ..ops(5) }).unwrap();
    // A directory of the set, replaced by a link to somebody else's.
    let dir = place.join("set0/bench/d0");
    fs::remove_dir_all(&dir).unwrap();
    symlink(&outside, &dir).unwrap();
    let error = try_run(&work(), &place, &ops(5)).unwrap_err();
    assert!(matches!(&error, RunError::Foreign { path } if *path == dir), "{error}");
    assert!(error.is_about_the_place());
    assert_eq!(fs::read_to_string(outside.join("f0-0")).unwrap(), "a name like ours");
}

#[test]
fn a_link_in_place_of_a_set_leads_nowhere() {
    let home = tempdir().unwrap();
    let (place, outside) = (home.path().join("x"), home.path().join("outside"));
    for path in ["bench", "meta", "age"] {
        fs::create_dir_all(outside.join(path)).unwrap();
    }
    fs::write(outside.join("bench/f0-0"), "a name like ours").unwrap();
    try_run(&work(), &place, &Settings { keep: true, ..ops(5) }).unwrap();
    fs::remove_dir_all(place.join("set0")).unwrap();
    symlink(&outside, place.join("set0")).unwrap();
    for text in [work(), work().replace("num_files", "reuse = 1\nnum_files")] {
        let error = try_run(&text, &place, &ops(5)).unwrap_err();
        assert!(matches!(&error, RunError::Foreign { path } if *path == place.join("set0")), "{error}");
    }
    assert_eq!(listing(&outside), ["age", "bench", "bench/f0-0", "meta"]);
}

#[test]
fn what_lies_among_ours_stays_and_is_named() {
    let home = tempdir().unwrap();
    let place = home.path().join("x");
    try_run(&work(), &place, &Settings { keep: true, ..ops(5) }).unwrap();
    fs::write(place.join("notes"), "mine").unwrap();
    fs::write(place.join("set0/bench/d1/notes"), "mine").unwrap();
    let left = Home::claim(&place).unwrap().vacate().unwrap();
    assert_eq!(left.things, 2);
    assert_eq!(listing(&place), ["notes", "set0", "set0/bench", "set0/bench/d1", "set0/bench/d1/notes"]);
    assert!(place.join(MARKER).exists(), "still ours to clean up");
}

#[test]
fn only_a_marker_of_ours_opens_a_directory() {
    let home = tempdir().unwrap();
    let marker = home.path().join(MARKER);
    for (text, says) in [
        ("", "a text that is none"),
        ("hello", "a text that is none"),
        (r#"{"made_by":"ffsb-run","version":2,"made_directory":true}"#, "version 2"),
        (r#"{"made_by":"other","version":1,"made_directory":true}"#, "one of other"),
        (r#"{"made_by":"ffsb-run","version":1,"made_directory":true,"more":1}"#, "a text that is none"),
    ] {
        fs::write(&marker, text).unwrap();
        let error = refused(home.path());
        assert!(matches!(&error, HomeError::ForeignMarker { found, .. } if found.contains(says)), "{error}");
    }
    fs::remove_file(&marker).unwrap();
    fs::write(home.path().join("elsewhere"), r#"{"made_by":"ffsb-run","version":1,"made_directory":true}"#)
        .unwrap();
    symlink(home.path().join("elsewhere"), &marker).unwrap();
    assert!(matches!(refused(home.path()), HomeError::ForeignMarker { .. }), "nor a link to one");
}

#[test]
fn two_runs_do_not_share_a_location() {
    let home = tempdir().unwrap();
    let place = home.path().join("x");
    let first = Home::claim(&place).unwrap();
    assert!(matches!(refused(&place), HomeError::Busy(_)));
    assert_eq!(first.vacate().unwrap().things, 0);
    assert!(!place.exists());
}

#[test]
fn a_second_location_that_is_refused_leaves_nothing_in_the_first() {
    let home = tempdir().unwrap();
    let (one, two) = (home.path().join("one"), home.path().join("two"));
    fs::create_dir(&two).unwrap();
    fs::write(two.join("mine"), "").unwrap();
    let text = format!(
        "time = 1\n[filesystem]\nlocation = {}\n[end]\n[filesystem]\nlocation = {}\n[end]\n[threadgroup]\nnum_threads = 1\n\
        metaop_weight = 1\n[end]\n",
        one.display(),
        two.display()
    );
    let profile = ffsb_workloads::profile::Profile::parse(text.as_bytes()).unwrap();
    let phase = ffsb_workloads::plan::Phase { name: "both".to_owned(), profile };
    let plan =
        ffsb_workloads::plan::plan(vec![phase], None, ffsb_workloads::scale::Scale::AsWritten).unwrap();
    assert_eq!(plan.homes, [one.clone(), two]);
    let error = ffsb_workloads::run::run(&plan, &ops(1), &ffsb_workloads::watch::Unwatched).unwrap_err();
    assert!(matches!(error, RunError::Home(HomeError::Foreign { .. })), "{error}");
    assert!(!one.exists());
}

#[test]
fn a_callout_runs_only_where_it_is_allowed() {
    let home = tempdir().unwrap();
    let (place, proof) = (home.path().join("x"), home.path().join("proof"));
    let text = format!("callout = touch {}\n{}", proof.display(), work());
    let error = try_run(&text, &place, &ops(1)).unwrap_err();
    assert!(matches!(error, RunError::CalloutNotAllowed(_)), "{error}");
    assert!(!proof.exists() && !place.exists());
    let allowed = Settings { allow_callout: true, ..ops(1) };
    try_run(&text, &place, &allowed).unwrap();
    assert!(proof.exists());
    let text = format!("callout = exit 3\n{}", work());
    let error = try_run(&text, &place, &allowed).unwrap_err().to_string();
    assert_eq!(error, "the callout `exit 3` failed: exit status: 3");
    assert!(!place.exists());
}
