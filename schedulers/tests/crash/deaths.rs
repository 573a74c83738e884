//! Deaths, and nothing else that goes wrong.

use crate::bench::{
    Death, Machine, apply, death, dir, disk, machine, mortal, process, restore, restore_twice,
};
use crate::bench::{settings, state, take, wanted, wbt};
use block_types::{Elevator, Knob, Settings};
use kernfs::fake::FakeKernel;
use proptest::prelude::*;
use schedulers::RestoreReport;
use std::collections::BTreeSet;
use std::path::Path;

/// A run that applies what is wanted and, if it lives and is to end properly, puts back by itself.
fn tune(
    kernel: &FakeKernel,
    death: Option<Death>,
    path: &Path,
    wanted: &[Settings],
    ends: bool,
) -> Option<RestoreReport> {
    process(|| {
        let mut guard = take(&mortal(kernel, death), path);
        apply(&mut guard, wanted);
        ends.then(|| guard.restore())
    })
    .flatten()
}

const THROTTLING: &str = "writeback throttling is";

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    /// The heart of the room.
    #[test]
    fn whatever_dies_whenever_every_original_comes_back(
        machine in machine(),
        wanted in prop::collection::vec(wanted(), 1..6),
        ends in any::<bool>(),
        tuning in prop::option::of(death(1..=40)),
        restores in prop::collection::vec(death(1..=16), 0..4),
    ) {
        let dir = dir();
        let kernel = machine.boot();
        let before = state(&kernel, true);
        let (throttling, sticky) = (wbt(&kernel), wbt(&kernel).is_sticky());
        let mut reports: Vec<_> = tune(&kernel, tuning, dir.path(), &wanted, ends).into_iter().collect();
        for death in restores {
            let more = process(|| restore(&mortal(&kernel, Some(death)), dir.path()));
            reports.extend(more.into_iter().flatten());
        }
        reports.extend(restore_twice(&kernel, dir.path()));
        for report in &reports {
            prop_assert!(report.failed.is_empty() && report.left.is_empty(), "{report}");
        }
        prop_assert_eq!(state(&kernel, true), before);

        let told = reports.iter().flat_map(|report| &report.notes).any(|note| note.starts_with(THROTTLING));
        prop_assert_eq!(told, wbt(&kernel).is_sticky() && !sticky, "{:?}", reports);
        let written = wanted.iter().any(|wanted| wanted.get(Knob::WbtLatUsec).is_some());
        if !written {
            prop_assert_eq!(wbt(&kernel), throttling);
        }
    }

    /// Without debugfs the knobs come back all the same, and so does the depth if nr_requests had shown it, or if
    /// the driver had all its tags in use.
    #[test]
    fn without_debugfs_what_can_be_read_comes_back(
        machine in machine().prop_map(|machine| Machine { debugfs: false, shows_all: false, ..machine }),
        wanted in prop::collection::vec(wanted(), 1..6),
        tuning in prop::option::of(death(1..=40)),
        restores in prop::collection::vec(death(1..=16), 0..4),
    ) {
        let dir = dir();
        let depth = machine.tag_depth.filter(|_| machine.scheduler == Elevator::None);
        let machine = Machine { tag_depth: depth, ..machine };
        let kernel = machine.boot();
        let before = state(&kernel, false);
        tune(&kernel, tuning, dir.path(), &wanted, false);
        for death in restores {
            process(|| restore(&mortal(&kernel, Some(death)), dir.path()));
        }
        for report in restore_twice(&kernel, dir.path()) {
            prop_assert!(report.failed.is_empty() && report.left.is_empty(), "{report}");
        }
        prop_assert_eq!(state(&kernel, false), before);
    }
}

/// Where it is easy to be sure of the worst: every write of one long run, dead before and after it, and then every
/// write of the restore that follows.
#[test]
fn every_single_write_of_a_run_and_of_its_restore_may_be_the_last() {
    let set = |scheduler: Elevator, knobs: &[(Knob, u64)]| settings(Some(scheduler), knobs);
    let wanted = [
        set(Elevator::MqDeadline, &[(Knob::NrRequests, 64), (Knob::FifoBatch, 1), (Knob::MaxSectorsKb, 256)]),
        set(Elevator::None, &[(Knob::NrRequests, 20), (Knob::ReadAheadKb, 1024)]),
        set(Elevator::Bfq, &[(Knob::SliceIdleUs, 0), (Knob::WbtLatUsec, 5_000), (Knob::NrRequests, 32)]),
        set(
            Elevator::MqDeadline,
            &[(Knob::AsyncDepth, 8), (Knob::ReadExpire, 50), (Knob::MaxSectorsKb, 640)],
        ),
    ];
    let originals = [
        (Knob::NrRequests, 96),
        (Knob::FifoBatch, 8),
        (Knob::ReadExpire, 400),
        (Knob::SliceIdleUs, 0),
        (Knob::MaxSectorsKb, 640),
        (Knob::ReadAheadKb, 384),
    ];
    let mut tried = BTreeSet::new();
    for (scheduler, depth) in
        Elevator::ALL.into_iter().flat_map(|scheduler| [(scheduler, 4), (scheduler, 128)])
    {
        // An emulated disk under none shows 128 and has 4.
        let skip = usize::from(scheduler == Elevator::None && depth == 4);
        let machine = Machine {
            tag_depth: (depth < 128).then_some(depth),
            scheduler,
            shows_all: true,
            originals: originals[skip..].to_vec(),
            rotational: true,
            debugfs: true,
        };
        for at in 1.. {
            let mut lived = true;
            for landed in [false, true] {
                for second in 1.. {
                    let dir = dir();
                    let kernel = machine.boot();
                    let before = state(&kernel, true);
                    lived &= process(|| {
                        apply(&mut take(&mortal(&kernel, Some(Death { at, landed })), dir.path()), &wanted);
                    })
                    .is_some();
                    let death = Death { at: second, landed: !landed };
                    let whole = process(|| restore(&mortal(&kernel, Some(death)), dir.path())).is_some();
                    let what = format!("{scheduler} {depth} {at} {landed} {second}");
                    for report in restore_twice(&kernel, dir.path()) {
                        assert!(report.failed.is_empty() && report.left.is_empty(), "{what}: {report}");
                    }
                    assert_eq!(state(&kernel, true), before, "{what}");
                    tried.insert(what);
                    if whole {
                        break;
                    }
                }
            }
            if lived {
                break;
            }
        }
    }
    assert!(tried.len() > 1000, "only {} deaths were tried", tried.len());
}

/// A killed process may be inside a write that lands later; its lock is held until then.
#[test]
fn a_write_that_lands_late_is_waited_for() {
    let dir = dir();
    let machine = Machine {
        tag_depth: None,
        scheduler: Elevator::MqDeadline,
        shows_all: false,
        originals: vec![(Knob::NrRequests, 96)],
        rotational: true,
        debugfs: true,
    };
    let kernel = machine.boot();
    let before = state(&kernel, true);
    kernel.delay_writes(crate::bench::attribute(Knob::Scheduler), std::time::Duration::from_millis(300));
    std::thread::scope(|scope| {
        let (begun, begins) = std::sync::mpsc::channel();
        let (kernel, path) = (&kernel, dir.path());
        scope.spawn(move || {
            let mut guard = take(&mortal(kernel, None), path);
            begun.send(()).unwrap();
            apply(&mut guard, &[settings(Some(Elevator::Bfq), &[])]);
        });
        begins.recv().unwrap();
        let config = crate::bench::config(path);
        let wait = std::time::Duration::from_secs(30);
        let alive = mortal(kernel, None);
        let reports =
            schedulers::restore_all(&alive, &config.state_dir, &config.run_dir, None, wait).unwrap();
        assert!(reports.len() == 1 && reports[0].failed.is_empty(), "{reports:?}");
        assert_eq!(reports[0].restored.first().map(|first| first.knob), Some(Knob::Scheduler));
    });
    assert_eq!(state(&kernel, true), before);
    assert_eq!(disk(&kernel).scheduler().unwrap().active.known(), Some(Elevator::MqDeadline));
}
