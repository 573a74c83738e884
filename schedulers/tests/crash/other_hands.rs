//! Somebody else writes to the device: while we run, and after we died.

use crate::bench::{Machine, State, apply, attribute, dir, knob, machine, mortal, number, restore_twice};
use crate::bench::{settings, state, take, wanted, wbt};
use block_types::{Elevator, Knob, KnobValue, Settings};
use kernfs::fake::FakeKernel;
use proptest::prelude::*;
use proptest::sample::Index;
use schedulers::{Foreign, Guard, RestoreReport};
use std::collections::BTreeSet;

/// Whether every switch of the scheduler sets the knob anew.
fn is_bound(knob: Knob) -> bool {
    knob.elevator().is_some() || knob == Knob::NrRequests
}

fn other_elevator(pick: Index, than: &[Option<Elevator>]) -> Elevator {
    let others: Vec<Elevator> =
        Elevator::ALL.into_iter().filter(|&other| !than.contains(&Some(other))).collect();
    *pick.get(&others)
}

fn write_all(kernel: &FakeKernel, writes: &[(Knob, u64)]) {
    for (knob, value) in writes {
        // As an administrator does, who tries what may not be there.
        let _ = kernel.foreign_write(&attribute(*knob), &value.to_string());
    }
}

fn changed(from: &Settings, to: &Settings) -> BTreeSet<Knob> {
    Knob::ALL.iter().copied().filter(|&knob| from.get(knob) != to.get(knob)).collect()
}

/// What was changed between `ours` and `theirs` is as they left it and named; the rest is as it was `before`.
fn check(
    before: &State,
    ours: &State,
    theirs: &State,
    end: &State,
    report: &RestoreReport,
) -> Result<(), TestCaseError> {
    prop_assert!(report.failed.is_empty(), "{report}");
    let switched = before.settings.elevator() != ours.settings.elevator();
    let touched = changed(&ours.settings, &theirs.settings);
    for &knob in Knob::ALL {
        let (was, left) = (before.settings.get(knob), theirs.settings.get(knob));
        let expected = if touched.contains(&knob) && !(switched && is_bound(knob)) { left } else { was };
        prop_assert_eq!(end.settings.get(knob), expected, "{} {}", knob, report);
        let named = report.left.iter().find(|left| left.knob == knob);
        prop_assert_eq!(named.is_some(), expected != was, "{} {}", knob, report);
        if let Some(named) = named {
            let (found, original, we) = (left, was, ours.settings.get(knob));
            prop_assert_eq!((named.found, named.original, named.ours), (found, original, we));
        }
        if touched.contains(&knob) && switched && is_bound(knob) && left != was {
            let note = format!("{knob}={}", left.map_or_else(String::new, |left| left.to_string()));
            prop_assert!(report.notes.iter().any(|other| other.starts_with(&note)), "{note}: {report}");
        }
    }
    if touched.contains(&Knob::NrRequests) && theirs.settings.elevator() == Some(Elevator::None) {
        // They resized the tags; or wrote what it had been and mean that, which may be either.
        let may_be = [theirs.tag_depth, before.tag_depth];
        prop_assert!(may_be.contains(&end.tag_depth), "{end:?}");
        let to_what_it_was = theirs.settings.get(Knob::NrRequests) == before.settings.get(Knob::NrRequests);
        prop_assert!(to_what_it_was || end.tag_depth == theirs.tag_depth, "{report}");
    } else {
        prop_assert_eq!(end.tag_depth, before.tag_depth, "{}", report);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_others_wrote_after_a_death_is_left_and_named(
        machine in machine(),
        wanted in prop::collection::vec(wanted(), 1..5),
        writes in prop::collection::vec(knob(), 1..5),
    ) {
        let dir = dir();
        let kernel = machine.boot();
        let before = state(&kernel, true);
        apply(&mut take(&mortal(&kernel, None), dir.path()), &wanted);
        let ours = state(&kernel, true);
        write_all(&kernel, &writes);
        let theirs = state(&kernel, true);
        let reports = restore_twice(&kernel, dir.path());
        prop_assert_eq!(reports.len(), 1);
        // Throttling that they turned off under bfq, where it reads 0 anyway, cannot be told from the kernel's.
        let hidden = ours.settings.elevator() == Some(Elevator::Bfq)
            && writes.iter().any(|(knob, _)| *knob == Knob::WbtLatUsec);
        if !hidden {
            check(&before, &ours, &theirs, &state(&kernel, true), &reports[0])?;
        }
    }

    #[test]
    fn a_switch_by_others_after_a_death_stays_with_all_that_came_with_it(
        machine in machine(),
        wanted in prop::collection::vec(wanted(), 1..5),
        to in any::<Index>(),
        writes in prop::collection::vec(knob().prop_filter("bound", |(knob, _)| is_bound(*knob)), 0..4),
    ) {
        let dir = dir();
        let kernel = machine.boot();
        let before = state(&kernel, true);
        apply(&mut take(&mortal(&kernel, None), dir.path()), &wanted);
        let ours = state(&kernel, true);
        let to = other_elevator(to, &[before.settings.elevator(), ours.settings.elevator()]);
        kernel.foreign_write(&attribute(Knob::Scheduler), to.name()).unwrap();
        write_all(&kernel, &writes);
        let theirs = state(&kernel, true);
        let reports = restore_twice(&kernel, dir.path());
        let (end, report) = (state(&kernel, true), &reports[0]);
        prop_assert!(report.failed.is_empty(), "{report}");
        prop_assert!(report.left.iter().any(|left| left.knob == Knob::Scheduler), "{report}");
        for &knob in Knob::ALL.iter().filter(|&&knob| knob != Knob::WbtLatUsec) {
            let side = if knob == Knob::Scheduler || is_bound(knob) { &theirs } else { &before };
            prop_assert_eq!(end.settings.get(knob), side.settings.get(knob), "{} {}", knob, report);
        }
        let named = report.notes.iter().any(|note| note.contains("tag depth"));
        prop_assert!(end.tag_depth == before.tag_depth || named, "{end:?} {report}");
    }

    #[test]
    fn what_others_write_while_we_run_is_yielded(
        machine in machine(),
        first in prop::collection::vec(wanted(), 1..4),
        writes in prop::collection::vec(knob(), 1..4),
        then in prop::collection::vec(wanted(), 1..4),
        dies in any::<bool>(),
    ) {
        let dir = dir();
        let kernel = machine.boot();
        let before = state(&kernel, true);
        let mut guard = take(&mortal(&kernel, None), dir.path());
        apply(&mut guard, &first);
        let ours = state(&kernel, true);
        write_all(&kernel, &writes);
        let theirs = state(&kernel, true);
        let named = guard.foreign().unwrap();
        let touched = changed(&ours.settings, &theirs.settings);
        prop_assert_eq!(named.iter().map(|foreign| foreign.knob).collect::<BTreeSet<_>>(), touched.clone());
        for Foreign { knob, ours: we, found } in named {
            prop_assert_eq!((we, found), (ours.settings.get(knob), theirs.settings.get(knob)));
        }
        prop_assert_eq!(guard.yielded(), &touched);
        prop_assert_eq!(guard.foreign().unwrap(), Vec::new());

        kernel.clear_log();
        apply(&mut guard, &then);
        for knob in &touched {
            let path = attribute(*knob);
            prop_assert!(kernel.writes().iter().all(|write| write.path != path), "{knob} was written");
        }
        let last = state(&kernel, true);
        for &knob in touched.iter().filter(|&&knob| knob != Knob::WbtLatUsec) {
            prop_assert_eq!(last.settings.get(knob), theirs.settings.get(knob), "{} was disturbed", knob);
        }
        let report = end(guard, &kernel, dir.path(), dies);
        let hidden = [&ours, &last].iter().any(|state| state.settings.elevator() == Some(Elevator::Bfq))
            && writes.iter().any(|(knob, _)| *knob == Knob::WbtLatUsec);
        // nr_requests under none that shows what the depth is not: whose depth it is cannot be told.
        let unclear = theirs.settings.elevator() == Some(Elevator::None) && touched.contains(&Knob::NrRequests);
        if !hidden && !unclear && last.settings.elevator() == ours.settings.elevator() {
            check(&before, &ours, &theirs, &state(&kernel, true), &report)?;
        }
        prop_assert!(report.failed.is_empty(), "{report}");
    }

    #[test]
    fn a_switch_by_others_while_we_run_is_the_new_ground(
        machine in machine(),
        first in prop::collection::vec(wanted(), 1..4),
        to in any::<Index>(),
        then in prop::collection::vec(wanted(), 1..4),
        dies in any::<bool>(),
    ) {
        let dir = dir();
        let kernel = machine.boot();
        let before = state(&kernel, true);
        let mut guard = take(&mortal(&kernel, None), dir.path());
        apply(&mut guard, &first);
        let ours = guard.current().elevator();
        let to = other_elevator(to, &[ours]);
        kernel.foreign_write(&attribute(Knob::Scheduler), to.name()).unwrap();
        let theirs = state(&kernel, true);
        let named = guard.foreign().unwrap();
        let scheduler = (ours.map(KnobValue::Elevator), Some(KnobValue::Elevator(to)));
        prop_assert_eq!(&named, &[Foreign { knob: Knob::Scheduler, ours: scheduler.0, found: scheduler.1 }]);
        kernel.clear_log();
        apply(&mut guard, &then);
        let path = attribute(Knob::Scheduler);
        prop_assert!(kernel.writes().iter().all(|write| write.path != path), "the scheduler was written");

        let report = end(guard, &kernel, dir.path(), dies);
        prop_assert!(report.failed.is_empty(), "{report}");
        let end = state(&kernel, true);
        for &knob in Knob::ALL.iter().filter(|&&knob| knob != Knob::WbtLatUsec) {
            let side = if knob == Knob::Scheduler || is_bound(knob) { &theirs } else { &before };
            prop_assert_eq!(end.settings.get(knob), side.settings.get(knob), "{} {}", knob, report);
        }
        let named = report.notes.iter().any(|note| note.contains("tag depth"));
        prop_assert!(end.tag_depth == before.tag_depth || named, "{end:?} {report}");
        let throttled = machine.originals.iter().any(|(knob, _)| *knob == Knob::WbtLatUsec)
            || first.iter().chain(&then).any(|wanted| wanted.get(Knob::WbtLatUsec).is_some());
        if !throttled {
            prop_assert!(!wbt(&kernel).is_sticky(), "{report}");
        }
    }
}

fn end(guard: Guard, kernel: &FakeKernel, dir: &std::path::Path, dies: bool) -> RestoreReport {
    if !dies {
        let report = guard.restore();
        assert_eq!(restore_twice(kernel, dir), Vec::new());
        return report;
    }
    drop(guard);
    let mut reports = restore_twice(kernel, dir);
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

/// A plain disk under mq-deadline.
fn plain() -> Machine {
    Machine {
        tag_depth: None,
        scheduler: Elevator::MqDeadline,
        shows_all: false,
        originals: Vec::new(),
        rotational: true,
        debugfs: true,
    }
}

#[test]
fn a_value_of_theirs_that_our_own_restore_disturbs_is_set_again() {
    let dir = dir();
    let kernel = plain().boot();
    let mut guard = take(&mortal(&kernel, None), dir.path());
    apply(&mut guard, &[settings(None, &[(Knob::MaxSectorsKb, 256), (Knob::ReadAheadKb, 512)])]);
    kernel.foreign_write(&attribute(Knob::ReadAheadKb), "64").unwrap();
    drop(guard);
    let report = &restore_twice(&kernel, dir.path())[0];
    assert_eq!(report.left.len(), 1, "{report}");
    let end = state(&kernel, true).settings;
    assert_eq!((end.number(Knob::ReadAheadKb), end.number(Knob::MaxSectorsKb)), (Some(64), Some(1280)));
}

#[test]
fn what_would_undo_a_yielded_knob_is_not_written() {
    let dir = dir();
    let kernel = plain().boot();
    let mut guard = take(&mortal(&kernel, None), dir.path());
    kernel.foreign_write(&attribute(Knob::FifoBatch), "3").unwrap();
    guard.foreign().unwrap();
    apply(&mut guard, &[settings(Some(Elevator::Bfq), &[]), settings(None, &[(Knob::ReadExpire, 100)])]);
    assert_eq!(guard.current().elevator(), Some(Elevator::MqDeadline));
    assert_eq!(guard.current().get(Knob::ReadExpire), Some(number(Knob::ReadExpire, 100).value));
    let report = guard.restore();
    assert_eq!(report.left.len(), 1, "{report}");
    assert_eq!(state(&kernel, true).settings.number(Knob::FifoBatch), Some(3));
}

/// A module that tunerd has not heard of is as much theirs as any other scheduler.
#[test]
fn an_unknown_scheduler_of_theirs_is_left() {
    let dir = dir();
    let kernel = plain().boot();
    let mut guard = take(&mortal(&kernel, None), dir.path());
    apply(&mut guard, &[settings(None, &[(Knob::FifoBatch, 1), (Knob::RqAffinity, 2)])]);
    drop(guard);
    kernel.set_text(attribute(Knob::Scheduler), "none mq-deadline [adios]\n");
    let report = &restore_twice(&kernel, dir.path())[0];
    assert!(report.failed.is_empty() && report.left.len() == 1, "{report}");
    assert_eq!((report.left[0].knob, report.left[0].found), (Knob::Scheduler, None));
    assert!(
        kernel.writes().iter().skip(2).all(|write| write.path == attribute(Knob::RqAffinity)),
        "{report}"
    );
}
