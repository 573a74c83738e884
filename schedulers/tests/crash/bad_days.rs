//! Other boots, other disks, torn journals, knobs and directories that refuse.

use crate::bench::{DISK, Machine, apply, attribute, config, dir, journal, mortal, restore, restore_twice};
use crate::bench::{settings, state, take};
use block_types::{Elevator, Knob, KnobValue, Settings};
use kernfs::fake::{FakeDisk, FakeKernel};
use kernfs::{Disk, Errno};
use schedulers::{Guard, GuardError, RestoreReport};
use std::path::Path;

/// An emulated disk, set up by hand.
fn boot() -> FakeKernel {
    let originals = vec![(Knob::NrRequests, 96), (Knob::FifoBatch, 8), (Knob::ReadAheadKb, 512)];
    let scheduler = Elevator::MqDeadline;
    let machine = Machine {
        tag_depth: Some(4),
        scheduler,
        shows_all: false,
        originals,
        rotational: true,
        debugfs: true,
    };
    machine.boot()
}

fn wanted() -> [Settings; 3] {
    [
        settings(None, &[(Knob::FifoBatch, 1), (Knob::NrRequests, 32), (Knob::MaxSectorsKb, 256)]),
        settings(Some(Elevator::None), &[(Knob::NrRequests, 20), (Knob::ReadAheadKb, 8192)]),
        settings(Some(Elevator::Bfq), &[(Knob::SliceIdleUs, 0), (Knob::RqAffinity, 2)]),
    ]
}

/// A run that died with all of that in force.
fn die(kernel: &FakeKernel, dir: &Path) {
    apply(&mut take(&mortal(kernel, None), dir), &wanted());
    kernel.clear_log();
}

fn nothing_written(kernel: &FakeKernel, reports: &[RestoreReport], note: &str) {
    assert_eq!(kernel.write_count(), 0, "{reports:?}");
    assert!(reports.len() == 1 && reports[0].failed.is_empty(), "{reports:?}");
    assert!(reports[0].notes.iter().any(|found| found.contains(note)), "{reports:?}");
}

#[test]
fn another_boot_has_nothing_to_put_back() {
    let (dir, kernel) = (dir(), boot());
    die(&kernel, dir.path());
    kernel.set_boot_id("00000000-0000-4000-8000-000000000000");
    nothing_written(&kernel, &restore_twice(&kernel, dir.path()), "restarted");
}

#[test]
fn another_disk_of_the_name_is_left_alone() {
    let (dir, kernel) = (dir(), boot());
    die(&kernel, dir.path());
    kernel.add_disk(FakeDisk { diskseq: Some(2), ..FakeDisk::loopback(DISK) });
    nothing_written(&kernel, &restore_twice(&kernel, dir.path()), "another disk");
}

#[test]
fn a_disk_that_has_gone_is_said_and_its_journal_dropped() {
    let (dir, kernel) = (dir(), boot());
    die(&kernel, dir.path());
    kernel.vanish(DISK);
    nothing_written(&kernel, &restore_twice(&kernel, dir.path()), "gone");
}

#[test]
fn a_disk_that_goes_at_any_write_of_the_restore_is_said() {
    for nth in 1.. {
        let (dir, kernel) = (dir(), boot());
        die(&kernel, dir.path());
        kernel.vanish_at_write(DISK, nth);
        let reports = restore_twice(&kernel, dir.path());
        assert!(reports.len() == 1 && reports[0].failed.is_empty(), "{nth}: {reports:?}");
        if disk_is_there(&kernel) {
            assert!(nth > 5);
            break;
        }
        assert!(reports[0].notes.iter().any(|note| note.contains("gone")), "{nth}: {reports:?}");
    }
}

fn disk_is_there(kernel: &FakeKernel) -> bool {
    Disk::open(std::sync::Arc::new(kernel.clone()), DISK).is_ok()
}

#[test]
fn a_disk_that_goes_while_it_is_tuned_is_told_from_a_knob_that_refuses() {
    for nth in 1..8 {
        let (dir, kernel) = (dir(), boot());
        let mut guard = take(&mortal(&kernel, None), dir.path());
        kernel.vanish_at_write(DISK, nth);
        let error = wanted().iter().find_map(|wanted| {
            let plan = schedulers::plan(guard.current(), wanted);
            guard.apply(&plan).err()
        });
        assert!(
            matches!(&error, Some(GuardError::Vanished { device }) if device == DISK),
            "{nth}: {error:?}"
        );
        let report = guard.restore();
        assert!(
            report.failed.is_empty() && report.notes.iter().any(|note| note.contains("gone")),
            "{report}"
        );
        assert_eq!(restore_twice(&kernel, dir.path()), Vec::new());
    }
}

/// A journal that lost its end knows less of what is ours: each knob comes back or is left and named.
#[test]
fn a_journal_cut_at_any_byte_is_used_as_far_as_it_goes() {
    let whole = {
        let (dir, kernel) = (dir(), boot());
        die(&kernel, dir.path());
        std::fs::read(journal(dir.path())).unwrap()
    };
    let last_line = whole[..whole.len() - 1].iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
    for end in 0..=whole.len() {
        let (dir, kernel) = (dir(), boot());
        let before = state(&kernel, true);
        die(&kernel, dir.path());
        let died = state(&kernel, true);
        let text = std::fs::read(journal(dir.path())).unwrap();
        assert_eq!(text, whole, "the same run writes the same");
        std::fs::write(journal(dir.path()), &text[..end]).unwrap();
        let reports = restore_twice(&kernel, dir.path());
        let after = state(&kernel, true);
        let report = &reports[0];
        assert!(reports.len() == 1 && report.failed.is_empty(), "{end}: {report}");
        if end >= last_line {
            // All that a dying process can leave: a last line that is not whole, or missing.
            assert!(report.left.is_empty(), "{end}: {report}");
            assert_eq!(after, before, "{end}: {report}");
        }
        if !text[..end].contains(&b'\n') {
            assert_eq!(after, died, "{end}: {report}");
            continue;
        }
        let cut = text[end - 1] != b'\n';
        assert_eq!(report.notes.iter().any(|note| note.contains("cut off")), cut, "{end}: {report}");
        let left = |knob: Knob| report.left.iter().any(|left| left.knob == knob);
        for &knob in Knob::ALL {
            let (was, died, now) =
                (before.settings.get(knob), died.settings.get(knob), after.settings.get(knob));
            let named = left(knob) || left(Knob::Scheduler);
            assert!(now == was || (now == died && named), "{end}: {knob} is {now:?}, was {was:?}: {report}");
        }
        let named = report.notes.iter().any(|note| note.contains("tag depth"));
        assert!(after.tag_depth == before.tag_depth || named, "{end}: {report}");
    }
}

#[test]
fn a_journal_that_makes_no_sense_is_moved_aside_and_no_longer_in_the_way() {
    for text in ["{}\n", "\0\0\0\n", "{\"record\":\"yields\",\"knob\":\"nomerges\"}\n"] {
        let (dir, kernel) = (dir(), boot());
        die(&kernel, dir.path());
        std::fs::write(journal(dir.path()), text).unwrap();
        let reports = restore_twice(&kernel, dir.path());
        assert!(reports.len() == 1 && reports[0].failed.len() == 1, "{reports:?}");
        assert_eq!(kernel.write_count(), 0);
        assert_eq!(std::fs::read_to_string(journal(dir.path()).with_extension("damaged")).unwrap(), text);
        take(&mortal(&kernel, None), dir.path());
    }
}

#[test]
fn knobs_that_refuse_keep_the_journal_until_they_do_not() {
    let knobs = [Knob::Scheduler, Knob::NrRequests, Knob::MaxSectorsKb, Knob::ReadAheadKb, Knob::RqAffinity];
    for knob in knobs.into_iter().chain([Knob::FifoBatch]) {
        for errno in [Errno::Invalid, Errno::ReadOnlyFs, Errno::Busy, Errno::Io] {
            let (dir, kernel) = (dir(), boot());
            let before = state(&kernel, true);
            die(&kernel, dir.path());
            kernel.fail_writes(attribute(knob), errno);
            for _ in 0..2 {
                let reports = restore(&mortal(&kernel, None), dir.path());
                assert!(reports.len() == 1 && !reports[0].failed.is_empty(), "{knob}: {reports:?}");
                assert!(reports[0].left.is_empty(), "{knob}: {reports:?}");
                let named = |failed: &schedulers::Unrestored| failed.knob == Some(knob);
                assert!(reports[0].failed.iter().any(named), "{knob}: {reports:?}");
                let error = Guard::take(crate::bench::disk(&kernel), &config(dir.path())).unwrap_err();
                assert!(matches!(error, GuardError::LeftBehind { .. }), "{error}");
            }
            kernel.heal(&attribute(knob));
            let report = &restore_twice(&kernel, dir.path())[0];
            assert!(report.failed.is_empty() && report.left.is_empty(), "{knob}: {report}");
            assert_eq!(state(&kernel, true), before, "{knob} {errno}");
        }
    }
}

/// Under none, nr_requests would be another knob: the depth of the driver's tags.
#[test]
fn what_belongs_to_a_scheduler_is_not_written_under_another() {
    let originals = vec![(Knob::NrRequests, 96)];
    let (scheduler, shows_all, debugfs) = (Elevator::MqDeadline, false, false);
    let kernel =
        Machine { tag_depth: None, scheduler, shows_all, originals, rotational: true, debugfs }.boot();
    let dir = dir();
    let before = state(&kernel, false);
    apply(&mut take(&mortal(&kernel, None), dir.path()), &wanted()[..2]);
    kernel.fail_writes(attribute(Knob::Scheduler), Errno::Busy);
    restore(&mortal(&kernel, None), dir.path());
    let after = state(&kernel, false);
    assert_eq!(after.settings.elevator(), Some(Elevator::None));
    assert_ne!(after.tag_depth, Some(96));
    kernel.heal(&attribute(Knob::Scheduler));
    restore_twice(&kernel, dir.path());
    assert_eq!(state(&kernel, false), before);
}

#[test]
fn a_read_only_sysfs_keeps_the_journal_until_it_is_writable() {
    let (dir, kernel) = (dir(), boot());
    let before = state(&kernel, true);
    let mut guard = take(&mortal(&kernel, None), dir.path());
    apply(&mut guard, &wanted());
    kernel.mount_read_only(true);
    let report = guard.restore();
    assert!(!report.failed.is_empty() && report.restored.is_empty(), "{report}");
    assert!(journal(dir.path()).exists());
    kernel.mount_read_only(false);
    restore_twice(&kernel, dir.path());
    assert_eq!(state(&kernel, true), before);
}

#[test]
fn a_journal_that_cannot_be_written_stops_tuning_and_not_restoring() {
    let (dir, kernel) = (dir(), boot());
    let before = state(&kernel, true);
    die(&kernel, dir.path());
    // In the place of the file that a journal is written anew by.
    let in_the_way = journal(dir.path()).with_extension("jsonl.new");
    std::fs::create_dir(&in_the_way).unwrap();
    let report = &restore_twice(&kernel, dir.path())[0];
    assert!(report.failed.is_empty() && report.left.is_empty(), "{report}");
    assert!(report.notes.iter().any(|note| note.contains("not journalled")), "{report}");
    assert_eq!(state(&kernel, true), before);
    kernel.clear_log();
    let error = Guard::take(crate::bench::disk(&kernel), &config(dir.path())).unwrap_err();
    assert!(matches!(error, GuardError::Io { .. }), "{error}");
    assert_eq!(kernel.write_count(), 0);
}

#[test]
fn a_scheduler_that_could_not_be_put_back_is_not_switched_away_from() {
    let (dir, kernel) = (dir(), boot());
    kernel.set_text(attribute(Knob::Scheduler), "none mq-deadline [adios]\n");
    let mut guard = take(&mortal(&kernel, None), dir.path());
    let wanted = settings(Some(Elevator::MqDeadline), &[(Knob::FifoBatch, 1)]);
    assert!(schedulers::plan(guard.current(), &wanted).is_empty());
    let elsewhere = schedulers::plan(&settings(Some(Elevator::Bfq), &[]), &wanted);
    let applied = guard.apply(&elsewhere).unwrap();
    assert_eq!(applied.failed.len(), elsewhere.steps().len(), "{applied:?}");
    assert_eq!(kernel.write_count(), 0);
}

#[test]
fn a_knob_that_can_no_longer_be_read_is_said_and_the_rest_comes_back() {
    let (dir, kernel) = (dir(), boot());
    let before = state(&kernel, true);
    die(&kernel, dir.path());
    kernel.fail_reads(attribute(Knob::RqAffinity), Errno::Invalid);
    let report = &restore_twice(&kernel, dir.path())[0];
    assert!(report.failed.is_empty(), "{report}");
    assert!(report.notes.iter().any(|note| note.starts_with("rq_affinity")), "{report}");
    kernel.heal(&attribute(Knob::RqAffinity));
    let mut after = state(&kernel, true);
    assert_eq!(after.settings.set(Knob::RqAffinity, KnobValue::Number(1)), Some(KnobValue::Number(2)));
    assert_eq!(after, before);
}

#[test]
fn a_write_that_could_not_be_read_back_stays_ours() {
    let (dir, kernel) = (dir(), boot());
    let before = state(&kernel, true);
    let mut guard = take(&mortal(&kernel, None), dir.path());
    apply(&mut guard, &wanted()[..1]);
    // The write lands.
    kernel.fail_reads(attribute(Knob::Nomerges), Errno::Io);
    let plan = schedulers::plan(guard.current(), &wanted()[1]);
    guard.apply(&plan).unwrap_err();
    kernel.heal(&attribute(Knob::Nomerges));
    assert_eq!(guard.foreign().unwrap(), Vec::new(), "its own write was taken for another's");
    apply(&mut guard, &wanted()[1..]);
    drop(guard);
    let report = &restore_twice(&kernel, dir.path())[0];
    assert!(report.failed.is_empty() && report.left.is_empty(), "{report}");
    assert_eq!(state(&kernel, true), before);
}
