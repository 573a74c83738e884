//! The guard and its journal on real loop devices.
//!
//! Each trial makes a loop device of its own (a number that was not there before, so that nothing is remembered from
//! an earlier use) and removes it at the end, also when it fails. Where the machine lacks what a trial needs, it is
//! counted as ignored and its kind says what is missing.

#[cfg(target_os = "linux")]
mod killed;
#[cfg(target_os = "linux")]
mod loop_device;
#[cfg(target_os = "linux")]
mod originals;
#[cfg(target_os = "linux")]
mod restored;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    use libtest_mimic::{Arguments, Trial};

    if let Some(code) = killed::victim() {
        return code;
    }
    let arguments = Arguments::from_args();
    let machine = loop_device::missing();
    if let Some(why) = &machine {
        eprintln!("the trials on a real device are ignored: {why}");
    }
    let fio = machine.clone().or_else(killed::missing);
    let mut trials = Vec::new();
    for original in originals::ALL {
        trials.push((
            format!("restored::{}", original.name),
            machine.clone(),
            Box::new(|| restored::run(original)),
        ));
    }
    let mut trials: Vec<Trial> =
        trials.into_iter().map(|(name, missing, run)| ignored_for(Trial::test(name, run), missing)).collect();
    trials.push(ignored_for(Trial::test("killed::at_random_moments_under_load", killed::run), fio));
    libtest_mimic::run(&arguments, trials).exit_code()
}

#[cfg(target_os = "linux")]
fn ignored_for(trial: libtest_mimic::Trial, missing: Option<String>) -> libtest_mimic::Trial {
    match missing {
        Some(why) => trial.with_kind(why).with_ignored_flag(true),
        None => trial,
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    let trial = libtest_mimic::Trial::test("live", || Ok(())).with_kind("not Linux").with_ignored_flag(true);
    libtest_mimic::run(&arguments, vec![trial]).exit_code()
}
