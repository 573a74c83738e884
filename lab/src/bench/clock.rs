//! The clock that the kernel's probes, `tunerd` and this laboratory share.

use block_types::Nanos;

/// Now, on `CLOCK_MONOTONIC`, which is also what the kernel stamps block events with.
#[must_use]
pub fn monotonic() -> Nanos {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    Nanos(seconds * Nanos::SECOND.0 + nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_forward() {
        let before = monotonic();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(monotonic() - before >= Nanos::from_millis(2));
    }
}
