//! `fingerprint --trace`: what a recorded trace was doing, window by window. Needs no kernel and no privilege.

use super::Failure;
use crate::cli::FingerprintArgs;
use blktrace_parser::{Arrivals, Format, Options};
use block_types::{Bytes, Nanos, Sectors};
use fingerprint::{Class, IoType, Pattern, Period, Profile, Rule, Size, Thresholds, Timeline};
use results::chart::{Figure, Kind, TimelineChart, TimelineWindow};
use serde::Serialize;
use std::io::{BufWriter, Write};
use std::num::NonZeroU8;
use std::path::Path;

/// Pixels of a PNG for each of the chart: sharp on screens of twice the density.
const PNG_SCALE: NonZeroU8 = NonZeroU8::MIN.saturating_add(1);

pub(super) fn timeline(trace: &Path, args: &FingerprintArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let window = args.window.unwrap_or(Nanos::SECOND);
    if window < Nanos(1_000) {
        return Err(Failure::usage(format_args!("--window: found {window}, expected at least 1 µs")));
    }
    let options = Options { format: args.recorded.format.0, skip_bad_lines: args.recorded.skip_bad_lines };
    let piped = trace == Path::new("-");
    let arrivals =
        if piped { Arrivals::from_reader(std::io::stdin(), options) } else { Arrivals::open(trace, options) };
    let arrivals = arrivals.map_err(Failure::failed)?;
    if !arrivals.missing_cpus().is_empty() {
        let cpus = arrivals.missing_cpus().iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        super::complain(&format!("{}: no file of CPU {cpus}", trace.display()));
    }
    let name = if piped { "standard input".to_owned() } else { trace.display().to_string() };
    let charted = (!args.recorded.chart.is_empty()).then(|| {
        let what = format!("windows of {window}, rule {}, {}", args.rule, arrivals.format());
        TimelineChart::new(&format!("Timeline of {}", short(&name)), &what)
    });
    let out = BufWriter::with_capacity(64 << 10, out);
    let mut told =
        Told { json: args.json.json, prompt: piped, rule: args.rule, last: None, chart: charted, out };
    let result = run(arrivals, window, &name, &mut told);
    told.out.flush()?;
    // What stood before an error is told, and charted, all the same.
    if let Some(chart) = told.chart {
        let figure = chart.figure().map_err(Failure::failed)?;
        for path in &args.recorded.chart {
            draw(&figure, path)?;
        }
    }
    result
}

/// The last part of a path.
fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn run(mut arrivals: Arrivals, window: Nanos, name: &str, told: &mut Told<'_>) -> Result<(), Failure> {
    let mut timeline = Timeline::new(window, Thresholds::default());
    let mut failure = None;
    loop {
        match arrivals.next_arrival() {
            Ok(Some(event)) => {
                if let Some(over) = timeline.observe(&event) {
                    told.tell(&over)?;
                }
            }
            Ok(None) => break,
            // Another file of the trace can be read on.
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    let late = timeline.late();
    if let Some(last) = timeline.finish() {
        told.tell(&last)?;
    }
    told.out.flush()?;
    let say = |count: u64, what: &str| {
        if count > 0 {
            super::complain(&format!("{name}: {count} {what}"));
        }
    };
    say(arrivals.skipped_lines(), "bad lines were passed over");
    say(arrivals.missing_events(), "events are missing by their numbers");
    say(arrivals.lost().events, "events were lost, says the trace");
    say(late, "arrivals came too late for their window");
    if told.last.is_none() && failure.is_none() {
        let kind = if arrivals.format() == Format::Blktrace { "queue events" } else { "I/O" };
        super::complain(&format!("{name}: no {kind} in it"));
    }
    failure.map_or(Ok(()), |error| Err(Failure::failed(error)))
}

fn draw(figure: &Figure, path: &Path) -> Result<(), Failure> {
    let png = path.extension().is_some_and(|extension| extension == "png");
    let bytes = if png { figure.png(PNG_SCALE) } else { figure.svg().map(String::into_bytes) };
    std::fs::write(path, bytes.map_err(Failure::failed)?)
        .map_err(|error| Failure::failed(format_args!("{}: {error}", path.display())))
}

/// A line of `fingerprint --trace --json`.
#[derive(Debug, Serialize)]
struct Line {
    start_ns: Nanos,
    end_ns: Nanos,
    reads: u64,
    writes: u64,
    read_sectors: u64,
    write_sectors: u64,
    near_share: Option<f64>,
    mean_gap_sectors: Option<f64>,
    mean_size_sectors: Option<f64>,
    #[serde(rename = "type")]
    io_type: Option<IoType>,
    pattern: Option<Pattern>,
    size: Option<Size>,
    class: Option<Class>,
    profile: Option<Profile>,
}

impl Line {
    fn new(period: &Period, rule: Rule) -> Self {
        let (counted, thresholds) = (&period.counted, Thresholds::default());
        Self {
            start_ns: period.start,
            end_ns: period.end,
            reads: counted.reads,
            writes: counted.writes,
            read_sectors: counted.read_sectors,
            write_sectors: counted.write_sectors,
            near_share: counted.near_share(),
            mean_gap_sectors: counted.mean_gap_sectors(),
            mean_size_sectors: counted.mean_size_sectors(),
            io_type: counted.io_type(&thresholds),
            pattern: counted.pattern(rule, &thresholds),
            size: counted.size(&thresholds),
            class: counted.classify(rule, &thresholds),
            profile: Profile::of(counted),
        }
    }

    fn bytes(&self) -> Bytes {
        Sectors(self.read_sectors.saturating_add(self.write_sectors)).bytes()
    }

    fn charted(&self) -> TimelineWindow {
        let kind = |class: Class| Kind {
            writes: class.io_type == IoType::Write,
            random: class.pattern == Pattern::Random,
            large: class.size == Size::Large,
        };
        TimelineWindow {
            from_s: self.start_ns.as_secs_f64(),
            to_s: self.end_ns.as_secs_f64(),
            kind: self.class.map(kind),
            reads: self.reads,
            writes: self.writes,
            bytes: self.bytes().0,
            near_share: self.near_share,
        }
    }
}

/// Where windows go as they end.
struct Told<'a> {
    json: bool,
    /// Each line at once: somebody may wait for it.
    prompt: bool,
    rule: Rule,
    /// Start of the trace, and end of the last window.
    last: Option<(Nanos, Nanos)>,
    chart: Option<TimelineChart>,
    out: BufWriter<&'a mut dyn Write>,
}

impl Told<'_> {
    #[cold]
    fn tell(&mut self, period: &Period) -> Result<(), Failure> {
        let line = Line::new(period, self.rule);
        let (begun, last) = self.last.unwrap_or((line.start_ns, line.start_ns));
        if self.json {
            serde_json::to_writer(&mut self.out, &line).map_err(std::io::Error::from)?;
            self.out.write_all(b"\n")?;
        } else {
            self.row(&line, begun, last)?;
        }
        // Relative to the start: what a clock has counted before would take the digits of short windows.
        if let Some(chart) = &mut self.chart {
            let mut window = line.charted();
            window.from_s = (line.start_ns - begun).as_secs_f64();
            window.to_s = (line.end_ns - begun).as_secs_f64();
            chart.push(&window);
        }
        self.last = Some((begun, line.end_ns));
        if self.prompt {
            self.out.flush()?;
        }
        Ok(())
    }

    fn row(&mut self, line: &Line, begun: Nanos, last: Nanos) -> Result<(), Failure> {
        if self.last.is_none() {
            writeln!(
                self.out,
                "{:>10}  {:<22} {:>9} {:>9} {:>9} {:>6} {:>10} {:>9}",
                "from s", "fingerprint", "reads", "writes", "MB/s", "near %", "mean gap", "mean KiB",
            )?;
        } else if line.start_ns > last {
            writeln!(self.out, "{:>10.3}  idle for {}", (last - begun).as_secs_f64(), line.start_ns - last)?;
        }
        let known = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "?".to_owned(), |value| format!("{value:.digits$}"))
        };
        let length = (line.end_ns - line.start_ns).as_secs_f64().max(1e-9);
        writeln!(
            self.out,
            "{:>10.3}  {:<22} {:>9} {:>9} {:>9.1} {:>6} {:>10} {:>9}",
            (line.start_ns - begun).as_secs_f64(),
            line.class.map_or("unknown", Class::name),
            line.reads,
            line.writes,
            line.bytes().0 as f64 / 1e6 / length,
            known(line.near_share.map(|share| share * 100.0), 0),
            known(line.mean_gap_sectors, 0),
            known(line.mean_size_sectors.map(|size| size / 2.0), 1),
        )?;
        Ok(())
    }
}
