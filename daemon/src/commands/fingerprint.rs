//! `fingerprint`: what a disk is doing, window by window. Writes nothing to the disk or its queue.

use super::{Failure, kernel, print_json_line};
use crate::cli::{Duty, FingerprintArgs};
use crate::config::Config;
use crate::engine::Windows;
use crate::run::{Clock, RealClock, Wake};
use block_types::Nanos;
use fingerprint::{Snapshot, WindowLine};
use kernfs::{Disk, Ineligible};
use sampler::{Request, Sample, SamplerError, Source, Watched};
use std::io::Write;
use std::sync::mpsc::Receiver;

/// The longest wait between two looks: a duty cycle measures its rate between them.
const LOOK: Nanos = Nanos::from_millis(250);

pub(super) fn fingerprint(args: &FingerprintArgs, out: &mut dyn Write) -> Result<(), Failure> {
    if let Some(trace) = &args.recorded.trace {
        return super::timeline::timeline(trace, args, out);
    }
    let config = config(args)?;
    let disk = find(args)?;
    let identity = disk.identity().map_err(Failure::failed)?;
    if !identity.request_queue {
        let (name, kind) = (identity.name, identity.kind.to_string());
        return Err(Failure::nothing(Ineligible::NoTunableQueue { name, kind }));
    }
    let request = Request {
        choice: args.source,
        duty: match args.duty {
            Duty::Continuous => sampler::Duty::Continuous,
            Duty::Cycle => sampler::Duty::default(),
        },
        latency_one_in: 0,
        near: config.thresholds.near_sectors,
        tracefs: args.roots.sysfs_root.join("kernel/tracing"),
        ..Request::new([Watched::of(&identity)])
    };
    // Before the source: an interrupted start must still take down what it has set up.
    let stop = super::stop_signals()?;
    let opened = sampler::open(disk.kernel(), &request).map_err(|error| match error {
        SamplerError::NoSource { .. } => Failure::nothing(error),
        other => Failure::failed(other),
    })?;
    super::complain(&format!("{}: {}", identity.name, opened.why));
    let watch = Watch { source: opened.source.as_ref(), dev: identity.devno, config: &config };
    let mut printer = Printer { json: args.json.json, begun: None, out };
    let windows = watch.run(&RealClock, args.duration, &stop, &mut |line| printer.print(line))?;
    if windows == 0 {
        super::complain(&format!("{}: nothing was asked of it meanwhile", identity.name));
    }
    Ok(())
}

fn config(args: &FingerprintArgs) -> Result<Config, Failure> {
    let mut config = Config { rule: args.rule, ..Config::default() };
    let window = &mut config.timing.window;
    let least = args.window.unwrap_or(window.min);
    if least < Nanos::from_millis(20) {
        return Err(Failure::usage(format_args!("--window: found {least}, expected at least 20 ms")));
    }
    window.min = least;
    window.max = args.window_max.unwrap_or(window.max.max(least));
    if window.max < window.min {
        return Err(Failure::usage(format_args!(
            "--window-max: found {}, expected at least --window, which is {}",
            window.max, window.min
        )));
    }
    Ok(config)
}

/// The disk that was named; of a partition, its disk.
fn find(args: &FingerprintArgs) -> Result<Disk, Failure> {
    let named = args.device.as_deref().unwrap_or_default();
    let found = Disk::find(kernel(&args.roots), &super::resolve(named)).map_err(Failure::failed)?;
    if let Some(partition) = &found.partition {
        super::complain(&format!("{partition} is a partition; this is all of {}", found.disk.name()));
    }
    Ok(found.disk)
}

/// A disk under watch.
struct Watch<'a> {
    source: &'a dyn Source,
    dev: block_types::DevNo,
    config: &'a Config,
}

impl Watch<'_> {
    /// Hands each window on until the time is up or a signal comes; answers how many there were.
    fn run(
        &self,
        clock: &impl Clock,
        length: Option<Nanos>,
        stop: &Receiver<()>,
        each: &mut dyn FnMut(&WindowLine) -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        let begun = clock.now();
        let end = length.map(|length| begun + length);
        let mut windows = Windows::new(self.config, begun);
        let mut count = 0;
        loop {
            let mut sample = self.source.read(self.dev).map_err(Failure::failed)?;
            let totals_only = sample.bios.is_none();
            if totals_only {
                sample.bios = Some(totals(&sample));
            }
            if let Some(mut closed) = windows.observe(&sample) {
                if totals_only {
                    forget_what_totals_cannot_tell(&mut closed.line);
                }
                each(&closed.line)?;
                count += 1;
            }
            let now = clock.now();
            if end.is_some_and(|end| now >= end) {
                return Ok(count);
            }
            let look = windows.next_look().max(now + Nanos::from_millis(1)).min(now + LOOK);
            match clock.wait(end.map_or(look, |end| look.min(end)), stop) {
                Wake::Deadline => {}
                Wake::Message(()) | Wake::Over => return Ok(count),
            }
        }
    }
}

/// Completed requests in place of bios, from a source that sees no bios.
fn totals(sample: &Sample) -> Snapshot {
    Snapshot {
        reads: sample.completed.reads,
        writes: sample.completed.writes,
        read_sectors: sample.completed.read_sectors,
        write_sectors: sample.completed.write_sectors,
        flushes: sample.completed.flushes,
        discards: sample.completed.discards,
        ..Snapshot::default()
    }
}

/// Requests are bios merged and split: their sizes and places say nothing of what was asked.
fn forget_what_totals_cannot_tell(line: &mut WindowLine) {
    line.near_share = None;
    line.mean_gap_sectors = None;
    line.mean_stream_gap_sectors = None;
    line.mean_size_sectors = None;
    line.sync_share = None;
    line.pattern = None;
    line.size = None;
    line.class = None;
    line.class_ours = None;
    line.class_paper_2006 = None;
}

struct Printer<'a> {
    json: bool,
    begun: Option<Nanos>,
    out: &'a mut dyn Write,
}

impl Printer<'_> {
    fn print(&mut self, line: &WindowLine) -> Result<(), Failure> {
        if self.json {
            return print_json_line(self.out, line);
        }
        if self.begun.is_none() {
            writeln!(
                self.out,
                "{:>8} {:>7}  {:<22} {:<22} {:>8} {:>8} {:>9} {:>6} {:>10} {:>9}",
                "at s",
                "ms",
                "fingerprint",
                "by the paper's rule",
                "reads",
                "writes",
                "MB/s",
                "near %",
                "mean gap",
                "mean KiB",
            )?;
        }
        let begun = *self.begun.get_or_insert(line.start_ns);
        let length = line.end_ns - line.start_ns;
        let sectors = line.read_sectors.saturating_add(line.write_sectors);
        let rate = sectors as f64 * 512.0 / 1e6 / length.as_secs_f64().max(1e-9);
        let class = |class: Option<fingerprint::Class>| class.map_or("unknown", fingerprint::Class::name);
        let known = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "?".to_owned(), |value| format!("{value:.digits$}"))
        };
        writeln!(
            self.out,
            "{:>8.2} {:>7.0}  {:<22} {:<22} {:>8} {:>8} {:>9.1} {:>6} {:>10} {:>9}",
            (line.end_ns - begun).as_secs_f64(),
            length.as_millis_f64(),
            class(line.class),
            class(line.class_paper_2006),
            line.reads,
            line.writes,
            rate,
            known(line.near_share.map(|share| share * 100.0), 0),
            known(line.mean_gap_sectors, 0),
            known(line.mean_size_sectors.map(|size| size / 2.0), 1),
        )?;
        self.out.flush()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
