//! Emulated disks on the real kernel: what is attached works, keeps time, and leaves nothing behind.

#[cfg(target_os = "linux")]
mod attach;
#[cfg(target_os = "linux")]
mod bad_days;
#[cfg(target_os = "linux")]
mod bench;
#[cfg(target_os = "linux")]
mod data;
#[cfg(target_os = "linux")]
mod pace;

#[cfg(target_os = "linux")]
fn main() {
    use libtest_mimic::{Arguments, Trial};

    if let Ok(registry) = std::env::var(bad_days::HOLD) {
        return bad_days::hold(&registry);
    }
    let arguments = Arguments::from_args();
    let missing = bench::missing();
    if let Some(why) = &missing {
        eprintln!("ignored, no disk can be emulated here: {why}");
    }
    let skip = missing.is_some();
    let all = [attach::TRIALS, bad_days::TRIALS, data::TRIALS, pace::TRIALS].concat();
    let trial = |skip| move |(name, test)| Trial::test(name, test).with_ignored_flag(skip);
    let mut trials: Vec<Trial> = all.into_iter().map(trial(skip)).collect();
    let no_namespace = bad_days::no_namespace();
    if let Some(why) = &no_namespace {
        eprintln!("ignored, where a mount namespace is needed: {why}");
    }
    trials.extend(bad_days::IN_A_NAMESPACE.iter().copied().map(trial(skip || no_namespace.is_some())));
    libtest_mimic::run(&arguments, trials).exit();
}

#[cfg(not(target_os = "linux"))]
fn main() {}
