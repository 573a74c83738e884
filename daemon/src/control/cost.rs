//! What this process costs, by the kernel's account of it.

use super::{OwnCost, ProbeCostStatus};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Measures this process. Reads `/proc/self`-like facts only when asked, so it costs nothing in between.
#[derive(Debug)]
pub struct CostMeter {
    pid: Pid,
    begun: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    system: System,
    first: Option<Duration>,
    last: Option<(Instant, Duration)>,
}

impl CostMeter {
    /// Starts to measure: shares are counted from here.
    #[must_use]
    pub fn start() -> Self {
        let meter = Self {
            pid: Pid::from_u32(std::process::id()),
            begun: Instant::now(),
            state: Mutex::new(State { system: System::new(), first: None, last: None }),
        };
        let mut state = meter.state.lock().unwrap_or_else(PoisonError::into_inner);
        let used = state.look(meter.pid).map(|(cpu, _rss)| cpu);
        state.first = used;
        state.last = used.map(|cpu| (meter.begun, cpu));
        drop(state);
        meter
    }

    /// What the process has cost since [`start`](Self::start), and lately; `probes` is passed on.
    #[must_use]
    pub fn measure(&self, probes: Option<ProbeCostStatus>) -> OwnCost {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let Some((cpu, rss_bytes)) = state.look(self.pid) else {
            return OwnCost { probes, ..OwnCost::default() };
        };
        let first = state.first;
        let last = state.last.replace((now, cpu));
        OwnCost {
            cpu_share: first.and_then(|first| share(cpu, first, now - self.begun)),
            cpu_share_lately: last.and_then(|(then, before)| share(cpu, before, now - then)),
            rss_bytes: Some(rss_bytes),
            probes,
        }
    }
}

impl State {
    /// CPU time used so far, and resident bytes.
    fn look(&mut self, pid: Pid) -> Option<(Duration, u64)> {
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, what);
        let process = self.system.process(pid)?;
        Some((Duration::from_millis(process.accumulated_cpu_time()), process.memory()))
    }
}

/// CPU time over wall time; `None` over less than 10 ms, where the kernel's ticks say nothing.
fn share(now: Duration, then: Duration, wall: Duration) -> Option<f64> {
    let used = now.checked_sub(then)?;
    (wall >= Duration::from_millis(10)).then(|| used.as_secs_f64() / wall.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_process_costs_a_cpu_and_memory() {
        let meter = CostMeter::start();
        let begun = Instant::now();
        let mut sum = 0_u64;
        while begun.elapsed() < Duration::from_millis(400) {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(7));
        }
        let cost = meter.measure(None);
        // The machine may be shared, and other tests run in this process: far from nothing is what can be said.
        assert!(cost.cpu_share.unwrap() > 0.05, "{cost:?}");
        assert!(cost.rss_bytes.unwrap() > 500_000, "{cost:?}");
    }

    #[test]
    fn a_share_over_no_time_is_unknown_and_never_infinite() {
        let ms = Duration::from_millis;
        assert_eq!(share(ms(5), ms(5), ms(0)), None);
        assert_eq!(share(ms(5), ms(10), ms(100)), None, "a counter that went back is no negative share");
        assert_eq!(share(ms(60), ms(10), ms(100)), Some(0.5));
    }
}
