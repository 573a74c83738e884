//! The clock that sources put on their samples.

use block_types::Nanos;

/// `CLOCK_MONOTONIC`, the clock that BPF and the block layer use.
#[cfg(target_os = "linux")]
pub(crate) fn monotonic() -> Nanos {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    Nanos(seconds.saturating_mul(Nanos::SECOND.0).saturating_add(nanos))
}

/// Elsewhere: time since the first call.
#[cfg(not(target_os = "linux"))]
pub(crate) fn monotonic() -> Nanos {
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().into()
}
