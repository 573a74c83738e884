use super::*;
use crate::engine::samples::{Load, Tape};
use crate::engine::slice::saturation;
use block_types::Settings;

const MS: u64 = 1_000_000;

fn load(read_ms: u64) -> Load {
    Load { reads_per_s: 150, read_ns: read_ms * MS, read_bytes: 4096, ..Load::default() }
}

fn applied(tape: &Tape) -> AppliedSettings {
    let at = tape.now();
    AppliedSettings {
        at,
        quick_at: at,
        freezing: Nanos::ZERO,
        in_force: Settings::new(),
        clamped: Vec::new(),
        failed: Vec::new(),
    }
}

fn open(bench: &Bench, arm: Arm, tape: &Tape) -> OpenSlice {
    bench.open(arm, &applied(tape), Settling::Needed, saturation(true, None))
}

/// Looks until the slice wants something else, with `work` done between two looks.
fn through(
    bench: &mut Bench,
    open: &mut OpenSlice,
    tape: &mut Tape,
    mut work: impl FnMut(&mut Tape),
) -> Look {
    for _ in 0..1_000 {
        match bench.look(open, &tape.sample()) {
            Look::At(next) => {
                assert!(next > tape.now(), "time must pass");
                work(tape);
            }
            other => return other,
        }
    }
    panic!("it never ended");
}

fn over(look: Look) -> SliceEnd {
    match look {
        Look::Over(end) => *end,
        other => panic!("{other:?}"),
    }
}

fn control(bench: &mut Bench, tape: &mut Tape, load: Load) -> SliceEnd {
    let mut slice = open(bench, Arm::Control, tape);
    over(through(bench, &mut slice, tape, |tape| tape.run(load, 100)))
}

#[test]
fn a_slice_settles_for_its_time_and_its_completions_and_is_then_scored() {
    for (load, settle_ms) in [
        // 500 completions at 150 a second; at 2,000 a second the time is the longer.
        (load(20), 3_400),
        (Load { reads_per_s: 2_000, ..load(20) }, 2_000),
        // 10 a second: the cap.
        (Load { reads_per_s: 10, ..load(20) }, 10_000),
    ] {
        let mut bench = Bench::new(BenchConfig::default()).unwrap();
        let mut tape = Tape::new();
        let began = tape.now();
        let end = control(&mut bench, &mut tape, load);
        assert!(matches!(end.outcome, Outcome::Measured(_)), "{end:?}");
        assert_eq!(end.times.scored_from, Some(began + Nanos::from_millis(settle_ms)));
        assert_eq!(end.times.ended, began + Nanos::from_millis(settle_ms + 4_000));
        assert_eq!(end.measured.unwrap().sync.count(), load.reads_per_s * 4);
        assert_eq!(bench.learned(), 1);
    }
}

#[test]
fn what_only_observes_is_scored_at_once_and_a_shortened_settling_is_as_short_as_asked() {
    let mut tape = Tape::new();
    let mut bench = Bench::new(BenchConfig::default()).unwrap();
    let mut slice = bench.open(Arm::Control, &applied(&tape), Settling::Done, saturation(true, None));
    let end = over(through(&mut bench, &mut slice, &mut tape, |tape| tape.run(load(20), 100)));
    assert_eq!(end.times.scored_from, Some(end.times.in_force));

    let settle = Settle::shortened(Nanos::from_millis(300));
    let mut bench = Bench::new(BenchConfig { settle, ..BenchConfig::default() }).unwrap();
    let end = control(&mut bench, &mut tape, load(20));
    assert_eq!(end.times.scored_from, Some(end.times.in_force + Nanos::from_millis(300)));
}

#[test]
fn a_catastrophe_is_taken_back_while_it_settles() {
    let mut bench = Bench::new(BenchConfig::default()).unwrap();
    let mut tape = Tape::new();
    for _ in 0..3 {
        control(&mut bench, &mut tape, load(20));
    }
    let mut slice = open(&bench, Arm::Child, &tape);
    let look = through(&mut bench, &mut slice, &mut tape, |tape| tape.run(load(200), 100));
    assert!(matches!(look, Look::TakeBack(Abort::Latency { ratio, .. }) if ratio > 5.0), "{look:?}");
    assert!(!slice.is_scored());
    tape.run(load(20), 10);
    let end = bench.taken_back(&slice, tape.now());
    assert!(matches!(end.outcome, Outcome::Aborted(_)));
    let harmful = end.times.harmful_for().unwrap();
    assert!(harmful < Nanos::SECOND, "{harmful}");
    assert_eq!((bench.violations().count, bench.violations().time), (1, harmful));
}

#[test]
fn a_child_that_hangs_everything_is_taken_back_by_age() {
    let mut bench = Bench::new(BenchConfig::default()).unwrap();
    let mut tape = Tape::new();
    for _ in 0..3 {
        control(&mut bench, &mut tape, load(20));
    }
    let mut slice = open(&bench, Arm::Child, &tape);
    let look = through(&mut bench, &mut slice, &mut tape, |tape| tape.hang(3, 100));
    assert!(matches!(look, Look::TakeBack(_)), "{look:?}");
    assert!(tape.now() - slice.mark() < Nanos::SECOND);
}

#[test]
fn a_control_is_never_taken_back_and_nothing_is_before_one_was_seen() {
    let mut bench = Bench::new(BenchConfig::default()).unwrap();
    let mut tape = Tape::new();
    let mut slice = open(&bench, Arm::Child, &tape);
    let look = through(&mut bench, &mut slice, &mut tape, |tape| tape.run(load(900), 100));
    assert!(matches!(over(look).outcome, Outcome::Measured(_)));
    control(&mut bench, &mut tape, load(20));
    let end = control(&mut bench, &mut tape, load(900));
    assert!(matches!(end.outcome, Outcome::Measured(_)), "{end:?}");
}

#[test]
fn writeback_alone_is_guarded_too() {
    let work = |ms| Load { writes_per_s: 200, write_ns: ms * MS, ..Load::default() };
    let mut bench = Bench::new(BenchConfig::default()).unwrap();
    let mut tape = Tape::new();
    for _ in 0..3 {
        control(&mut bench, &mut tape, work(50));
    }
    let mut slice = open(&bench, Arm::Child, &tape);
    let look = through(&mut bench, &mut slice, &mut tape, |tape| tape.run(work(900), 100));
    assert!(matches!(look, Look::TakeBack(Abort::Latency { .. })), "{look:?}");
}

#[test]
fn voids() {
    use fingerprint::Class;
    let class = |text: &str| Some(text.parse::<Class>().unwrap());
    let (one, other) = (class("read-random-small"), class("write-random-small"));
    let run = |change: &dyn Fn(&mut Bench, &mut Tape, u32)| {
        let mut bench = Bench::new(BenchConfig::default()).unwrap();
        bench.set_class(one);
        let mut tape = Tape::new();
        control(&mut bench, &mut tape, load(20));
        let mut slice = open(&bench, Arm::Control, &tape);
        for step in 0..200 {
            change(&mut bench, &mut tape, step);
            match bench.look(&mut slice, &tape.sample()) {
                Look::At(_) => tape.run(load(20), 100),
                look => return (over(look), bench.learned()),
            }
        }
        panic!("it never ended");
    };
    let (end, learned) = run(&|_, _, _| {});
    assert!(matches!(end.outcome, Outcome::Measured(_)));
    assert_eq!(learned, 2);
    // While scored, and while settling: what is then compared would be two kinds of work.
    for step in [60, 10] {
        let (end, learned) = run(&|bench, _, now| {
            if now == step {
                bench.set_class(other);
            }
        });
        assert_eq!(end.outcome, Outcome::Void(Void::FingerprintChanged));
        assert_eq!(learned, 0, "what was learned of other work says nothing");
    }
    let (end, learned) = run(&|_, tape, now| {
        if now == 50 {
            tape.run(Load::default(), 5_000);
        }
    });
    assert_eq!((end.outcome, learned), (Outcome::Void(Void::Suspended), 1));
    let (end, _) = run(&|_, tape, now| {
        if now == 50 {
            tape.fail();
        }
    });
    assert_eq!(end.outcome, Outcome::Void(Void::DeviceError));
}

#[test]
fn an_idle_slice_is_void_and_teaches_nothing() {
    let mut bench = Bench::new(BenchConfig::default()).unwrap();
    let mut tape = Tape::new();
    let end = control(&mut bench, &mut tape, Load::default());
    assert_eq!((end.outcome, bench.learned()), (Outcome::Void(Void::Idle), 0));
}

#[test]
fn arms_whose_work_looks_different_are_compared_all_the_same() {
    use fingerprint::Class;
    let classes = [Arm::Control, Arm::Child].map(|arm| {
        let text = if arm == Arm::Control { "read-sequential-small" } else { "read-sequential-large" };
        (arm, text.parse::<Class>().unwrap())
    });
    let mut bench = Bench::new(BenchConfig::default()).unwrap();
    let mut tape = Tape::new();
    for _ in 0..3 {
        for (arm, class) in classes {
            let mut slice = open(&bench, arm, &tape);
            // Read-ahead has changed the size of bios by the time that it has settled.
            tape.run(load(20), 500);
            bench.set_class(Some(class));
            let end = over(through(&mut bench, &mut slice, &mut tape, |tape| tape.run(load(20), 100)));
            assert!(matches!(end.outcome, Outcome::Measured(_)), "{arm}: {end:?}");
        }
    }
}
