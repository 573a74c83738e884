//! Ctrl-C that lets the guards clean up.

use anyhow::{Result, bail};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Whether somebody asked the program to end. Everything that waits, waits through this, so that an interrupt
/// unwinds as an ordinary error and every guard puts back what it changed.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

/// How long a wait sleeps before it looks again.
const STEP: Duration = Duration::from_millis(20);

impl Interrupt {
    /// Listens to SIGINT, SIGTERM and SIGHUP. A second signal is not caught: it kills at once.
    ///
    /// # Errors
    ///
    /// When a handler cannot be registered.
    pub fn listen() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP]
        {
            // The order matters: the first signal finds the flag unset, and only then sets it.
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&flag))?;
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
        }
        Ok(Self(flag))
    }

    /// Asks to end, as a signal does.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Fails once somebody asked to end.
    ///
    /// # Errors
    ///
    /// "interrupted".
    pub fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            bail!("interrupted; everything that was made or changed is put back");
        }
        Ok(())
    }

    /// Sleeps, but not past an interrupt.
    ///
    /// # Errors
    ///
    /// As [`Self::check`].
    pub fn sleep(&self, duration: Duration) -> Result<()> {
        let until = Instant::now() + duration;
        loop {
            self.check()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(STEP));
        }
    }

    /// Waits until `ready` says yes; answers whether it did before `limit` was over.
    ///
    /// # Errors
    ///
    /// As [`Self::check`], or what `ready` fails with.
    pub fn wait_until(
        &self,
        limit: Duration,
        step: Duration,
        mut ready: impl FnMut() -> Result<bool>,
    ) -> Result<bool> {
        let until = Instant::now() + limit;
        loop {
            self.check()?;
            if ready()? {
                return Ok(true);
            }
            if Instant::now() >= until {
                return Ok(false);
            }
            std::thread::sleep(step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_ends_a_sleep() {
        let interrupt = Interrupt::default();
        let asked = interrupt.clone();
        let waker = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            asked.ask();
        });
        let began = Instant::now();
        assert!(interrupt.sleep(Duration::from_secs(20)).is_err());
        assert!(began.elapsed() < Duration::from_secs(5));
        waker.join().unwrap();
    }

    #[test]
    fn a_wait_says_whether_it_was_met() {
        let interrupt = Interrupt::default();
        let mut looks = 0;
        let step = Duration::from_millis(1);
        let met = interrupt.wait_until(Duration::from_secs(5), step, || {
            looks += 1;
            Ok(looks == 3)
        });
        assert!(met.unwrap());
        assert!(!interrupt.wait_until(step, step, || Ok(false)).unwrap());
    }
}
