//! One suite for two kernels: every case runs on the fake and on a real loop device, so that the fake cannot drift.
//!
//! Beside the cases, random writes go to both at once ([`agreement`]).
//!
//! A real case makes a loop device of its own (a number that was not there before, so that nothing is remembered from
//! an earlier use), and removes it at the end, also when it fails. Where the machine lacks what a case needs, the
//! real trial is counted as ignored and its kind says what is missing.

mod agreement;
mod cases;
mod queue_cases;
mod scheduler_cases;
mod subject;

use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;
use subject::{Fake, Lab, Need, Real, Subject};

/// One expectation.
pub(crate) struct Case {
    name: &'static str,
    needs: &'static [Need],
    run: fn(&Subject) -> Result<(), Failed>,
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let machine = subject::Machine::look();
    let mut trials = Vec::new();
    for case in cases::CASES.iter().chain(queue_cases::CASES).chain(scheduler_cases::CASES) {
        let run = case.run;
        trials.push(Trial::test(format!("fake::{}", case.name), move || run(&Fake.subject()?)));
        let missing = machine.missing(case.needs);
        let trial = Trial::test(format!("real::{}", case.name), move || run(&Real.subject()?));
        trials.push(match missing {
            Some(why) => trial.with_kind(why).with_ignored_flag(true),
            None => trial,
        });
    }
    trials.push(agreement::trial(&machine));
    libtest_mimic::run(&arguments, trials).exit_code()
}
