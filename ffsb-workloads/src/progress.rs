//! Progress with the time that is left, events for programs that watch, and Ctrl-C that still reports.

use ffsb_workloads::watch::{Event, Stage, Watch};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Where events go.
type Sink = Box<dyn Write + Send>;

struct Shown {
    bar: ProgressBar,
    begun: Instant,
    /// Whether the bar's unit is milliseconds rather than bytes.
    by_time: bool,
}

/// The program's own eyes on a run.
pub(crate) struct Progress {
    interrupt: Arc<AtomicBool>,
    quiet: bool,
    shown: Mutex<Option<Shown>>,
    events: Option<Mutex<Sink>>,
}

impl Progress {
    /// Listens to SIGINT, SIGTERM and SIGHUP: the first ends the run, a second one kills at once.
    pub(crate) fn listen(quiet: bool, events: Option<Sink>) -> io::Result<Self> {
        let interrupt = Arc::new(AtomicBool::new(false));
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // The order matters: the first signal finds the flag unset, and only then sets it.
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&interrupt))?;
            signal_hook::flag::register(signal, Arc::clone(&interrupt))?;
        }
        Ok(Self { interrupt, quiet, shown: Mutex::new(None), events: events.map(Mutex::new) })
    }

    fn shown(&self) -> MutexGuard<'_, Option<Shown>> {
        // A panic while drawing spoils nothing but the drawing.
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, bar: ProgressBar, template: &str, message: &'static str, by_time: bool) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(message);
        bar.enable_steady_tick(Duration::from_millis(250));
        *self.shown() = Some(Shown { bar, begun: Instant::now(), by_time });
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Watch for Progress {
    fn interrupted(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed)
    }

    fn begin(&self, stage: Stage) {
        if self.quiet {
            return;
        }
        match stage {
            Stage::MakingFiles { bytes } => self.show(
                ProgressBar::new(bytes),
                "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left",
                "making files",
                false,
            ),
            Stage::Aging => {
                self.show(
                    ProgressBar::new_spinner(),
                    "{spinner} {msg} {elapsed}",
                    "aging the file system",
                    true,
                );
            }
            Stage::Running { time: Some(time) } => self.show(
                ProgressBar::new(millis(time)),
                "{msg} {wide_bar} {elapsed}, {eta} left",
                "running",
                true,
            ),
            Stage::Running { time: None } => {
                self.show(ProgressBar::new_spinner(), "{spinner} {msg} {elapsed}", "running", true);
            }
        }
    }

    fn advance(&self, by: u64) {
        if let Some(shown) = &*self.shown() {
            if shown.by_time {
                shown.bar.set_position(millis(shown.begun.elapsed()));
            } else {
                shown.bar.inc(by);
            }
        }
    }

    fn end(&self) {
        if let Some(shown) = self.shown().take() {
            shown.bar.finish_and_clear();
        }
    }

    fn event(&self, event: &Event) {
        let Some(events) = &self.events else {
            return;
        };
        let mut sink = events.lock().unwrap_or_else(PoisonError::into_inner);
        let text = serde_json::to_string(event).unwrap_or_default();
        // Each at once: somebody measures by them. A watcher that went away is no reason to stop.
        let _ = writeln!(sink, "{text}").and_then(|()| sink.flush());
    }
}
