//! The simulation against the kernel: the same submissions to a real scheduler before an emulated disk, and to the
//! simulated one before the same disk's model.

#[cfg(target_os = "linux")]
mod bench;
#[cfg(target_os = "linux")]
mod bfq;
#[cfg(target_os = "linux")]
#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
mod kyber;
#[cfg(target_os = "linux")]
mod mq_deadline;
#[cfg(target_os = "linux")]
mod queue;
#[cfg(target_os = "linux")]
mod trace;

#[cfg(target_os = "linux")]
fn main() {
    use libtest_mimic::{Arguments, Trial};

    let mut arguments = Arguments::from_args();
    // Side by side they would disturb each other's timing.
    arguments.test_threads = Some(1);
    let missing = bench::missing();
    if let Some(why) = &missing {
        eprintln!("ignored, the kernel cannot be compared with here: {why}");
    }
    let all = [mq_deadline::TRIALS, kyber::TRIALS, bfq::TRIALS, queue::TRIALS].concat();
    let trials = all.into_iter().map(|(name, test)| {
        Trial::test(name, move || bench::again_if_disturbed(test)).with_ignored_flag(missing.is_some())
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

#[cfg(not(target_os = "linux"))]
fn main() {}
