//! What needs root: file systems that are full or read-only, peers that are somebody else, a loop device that works.
//!
//! Where this machine cannot do it, a test is counted as ignored and its name says why.

mod ab;
#[path = "../common/mod.rs"]
mod common;
mod daemon;
mod disk;
mod export;
mod hints;
mod onto;
mod peers;
mod store;
mod traces;
mod watch;

use disk::Loop;
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::Command;
use std::time::{Duration, Instant};
use store::Tmpfs;

type Test = fn() -> Result<(), Failed>;

fn main() {
    let arguments = Arguments::from_args();
    let root = (!rustix::process::geteuid().is_root()).then_some("not root");
    let mount = root.or_else(|| Tmpfs::new("64k").is_err().then_some("no tmpfs can be mounted"));
    let looped = root.or_else(|| Loop::new().is_err().then_some("no loop device can be made"));
    let traced = looped.or_else(traces::missing);
    let converted = traced.or_else(traces::no_tools);
    let tests: Vec<(&str, Option<&str>, Test)> = vec![
        ("a_full_disk_stops_no_recorder_and_nothing_is_lost", mount, store::full_while_running),
        ("a_store_cannot_be_begun_on_a_full_disk_and_says_so", mount, store::full_at_start),
        ("a_read_only_state_directory_is_an_error_for_writers_and_none_for_readers", mount, store::read_only),
        ("the_socket_lets_its_group_look_and_only_root_change", root, peers::peers),
        ("a_loop_device_under_random_reads_is_told_so", looped, watch::fingerprint_of_random_reads),
        ("a_watch_that_is_interrupted_ends_well_and_leaves_nothing", looped, watch::interrupted_watch),
        ("a_daemon_answers_pauses_and_is_cleared_up_after_when_killed", looped, daemon::daemon_answers),
        ("signals_end_a_comparison_and_everything_is_put_back", looped, ab::signals_put_everything_back),
        (
            "the_second_comparison_of_a_disk_is_refused_by_the_first_ones_pid",
            looped,
            ab::the_second_is_refused,
        ),
        ("a_comparison_without_work_ends_and_says_so", looped, ab::without_work_it_ends_and_says_so),
        (
            "a_comparison_writes_its_page_and_advice_is_given",
            looped,
            ab::a_page_is_written_and_advice_is_given,
        ),
        ("a_run_for_a_while_ends_with_every_original_back", looped, daemon::run_for_a_while),
        (
            "a_recording_that_is_interrupted_is_whole_and_leaves_nothing",
            traced,
            traces::interrupted_recording,
        ),
        ("a_recording_that_is_killed_is_cleared_up_after", traced, traces::killed_recording),
        ("a_recording_ends_at_its_size", traced, traces::bounded_recording),
        ("every_format_of_a_trace_gives_the_same_timeline", converted, traces::every_format),
        (
            "a_replay_onto_a_device_writes_only_where_that_is_allowed",
            looped,
            onto::writes_only_where_they_are_allowed,
        ),
        ("a_replay_onto_a_device_in_use_is_refused", looped, onto::a_device_in_use_is_refused),
        (
            "a_replay_onto_a_device_that_is_too_small_or_fails_ends",
            looped,
            onto::a_device_that_is_too_small_or_fails_ends_it,
        ),
        (
            "a_confirmed_run_tries_under_guard_and_ends_with_every_original_back",
            looped,
            daemon::confirmed_run,
        ),
        (
            "genes_of_a_replay_are_hints_that_a_daemon_puts_in_force",
            traced,
            hints::of_a_replay_are_put_in_force,
        ),
        ("an_exported_script_applies_and_restores_whatever_the_scheduler_was", looped, export::shell),
        ("an_exported_rule_is_one_that_udev_takes", looped.or_else(export::lacks_udev), export::udev),
        ("an_exported_profile_is_one_that_tuned_loads", looped.or_else(export::lacks_tuned), export::tuned),
        ("what_is_confirmed_is_explained_without_a_daemon", looped, export::explain),
    ];
    let trials = tests
        .into_iter()
        .map(|(name, lacks, test)| match lacks {
            None => Trial::test(name, test),
            Some(why) => Trial::test(format!("{name} [{why}]"), test).with_ignored_flag(true),
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn check(holds: bool, what: impl std::fmt::Debug) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("{what:?}").into()) }
}

fn sh(program: &str, arguments: &[&str]) -> Result<String, Failed> {
    let output = Command::new(program).args(arguments).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(format!("{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// Waits until something holds, but not for ever.
fn until(what: &str, mut holds: impl FnMut() -> bool) -> Result<(), Failed> {
    let begun = Instant::now();
    while !holds() {
        if begun.elapsed() > Duration::from_secs(20) {
            return Err(format!("it never came to pass that {what}").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
