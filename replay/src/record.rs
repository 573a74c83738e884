//! Counting, while a simulation runs.

use crate::io::StreamId;
use crate::report::{Flow, Merges, Report, StreamShare, Window};
use crate::request::{Bio, Kind, Pool, Request};
use block_types::{Bytes, Nanos};

/// Windows are not kept beyond so many: a short window in a long simulation would fill the memory.
const MOST_WINDOWS: usize = 1 << 20;

/// The sum of a level over time.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    value: u64,
    since: u64,
    sum: u128,
    /// The time in which it was not zero.
    busy: u64,
}

impl Level {
    fn set(&mut self, now: u64, value: u64) {
        let time = now - self.since;
        self.sum += u128::from(self.value) * u128::from(time);
        if self.value > 0 {
            self.busy += time;
        }
        (self.value, self.since) = (value, now);
    }

    fn restart(&mut self, now: u64) {
        self.set(now, self.value);
        (self.sum, self.busy) = (0, 0);
    }
}

/// What has been counted so far.
#[derive(Debug)]
pub(crate) struct Recorder {
    report: Report,
    from: u64,
    window_ns: Option<u64>,
    device: Level,
    outstanding: Level,
    streams: Vec<StreamShare>,
}

impl Recorder {
    /// Counts from `from` on.
    pub(crate) fn new(from: u64, window: Option<Nanos>) -> Self {
        let window_ns = window.map(|window| window.0.max(1));
        let (device, outstanding) = (Level::default(), Level::default());
        Self { report: Report::default(), from, window_ns, device, outstanding, streams: Vec::new() }
    }

    /// Bios that were done so far and are counted, and those that were refused.
    pub(crate) fn bios(&self) -> u64 {
        let report = &self.report;
        [&report.reads, &report.sync_writes, &report.async_writes, &report.discards, &report.flushes]
            .iter()
            .map(|flow| flow.bios)
            .sum::<u64>()
            + report.refused
    }

    /// The time that is not counted is over.
    pub(crate) fn begin(&mut self) {
        let unsound = std::mem::take(&mut self.report);
        self.report.refused = unsound.refused;
        self.report.most_outstanding = self.outstanding.value;
        self.device.restart(self.from);
        self.outstanding.restart(self.from);
        self.streams.iter_mut().for_each(|share| *share = StreamShare::default());
    }

    pub(crate) fn submitted(&mut self, now: u64) {
        self.outstanding.set(now, self.outstanding.value + 1);
        self.report.most_outstanding = self.report.most_outstanding.max(self.outstanding.value);
    }

    pub(crate) const fn refused(&mut self) {
        self.report.refused += 1;
    }

    pub(crate) const fn waited_for_tag(&mut self) {
        self.report.waited_for_tag += 1;
    }

    pub(crate) const fn merges(&mut self) -> &mut Merges {
        &mut self.report.merges
    }

    pub(crate) fn device_depth(&mut self, now: u64, depth: u64) {
        self.device.set(now, depth);
    }

    fn flow(&mut self, kind: Kind, sync: bool) -> &mut Flow {
        match (kind, sync) {
            (Kind::Read, _) => &mut self.report.reads,
            (Kind::Write, true) => &mut self.report.sync_writes,
            (Kind::Write, false) => &mut self.report.async_writes,
            (Kind::Discard, _) => &mut self.report.discards,
            (Kind::Flush, _) => &mut self.report.flushes,
        }
    }

    pub(crate) fn request_done(&mut self, now: u64, request: &Request) {
        let flow = self.flow(request.kind, request.sync);
        flow.requests += 1;
        flow.device_latency.record(Nanos(now - request.issued));
    }

    pub(crate) fn bio_done(&mut self, now: u64, bio: &Bio) {
        self.outstanding.set(now, self.outstanding.value - 1);
        let latency = now - bio.submitted;
        let bytes = Bytes(u64::from(bio.sectors) * 512);
        let flow = self.flow(bio.kind, bio.sync);
        flow.bios += 1;
        flow.bytes += bytes;
        flow.latency.record(Nanos(latency));

        let stream = bio.stream as usize;
        if stream >= self.streams.len() {
            self.streams.resize(stream + 1, StreamShare::default());
        }
        let share = &mut self.streams[stream];
        share.bios += 1;
        share.bytes += bytes;
        share.latency_sum_ns += latency;

        if let Some(window) = self.window_ns {
            self.count_in_window((now.saturating_sub(self.from) / window) as usize, bio, bytes, latency);
        }
    }

    fn count_in_window(&mut self, index: usize, bio: &Bio, bytes: Bytes, latency: u64) {
        if index >= MOST_WINDOWS {
            return;
        }
        if index >= self.report.windows.len() {
            self.report.windows.resize(index + 1, Window::default());
        }
        let window = &mut self.report.windows[index];
        window.bios += 1;
        if bio.kind.merges() {
            window.bytes += bytes;
            if bio.kind == Kind::Read {
                window.reads += 1;
                window.read_latency_sum_ns += latency;
            }
            if bio.sync {
                window.synchronous += 1;
                window.synchronous_latency_sum_ns += latency;
            }
        }
    }

    /// The report as of `now`; the submission times of what is not done are told by `unfinished`.
    pub(crate) fn finish(mut self, now: u64, unfinished: impl Iterator<Item = u64>) -> Report {
        let now = now.max(self.from);
        self.device.set(now, 0);
        self.outstanding.set(now, 0);
        let mut report = self.report;
        let elapsed = now - self.from;
        report.elapsed = Nanos(elapsed);
        for submitted in unfinished {
            let age = now - submitted;
            report.unfinished += 1;
            report.unfinished_age_sum_ns = report.unfinished_age_sum_ns.saturating_add(age);
            report.oldest_unfinished = report.oldest_unfinished.max(Nanos(age));
        }
        if elapsed > 0 {
            report.utilisation = self.device.busy as f64 / elapsed as f64;
            report.mean_device_depth = self.device.sum as f64 / elapsed as f64;
            report.mean_outstanding = self.outstanding.sum as f64 / elapsed as f64;
        }
        let shares = self.streams.into_iter().enumerate().filter(|(_, share)| share.bios > 0);
        report.streams =
            shares.map(|(stream, share)| StreamShare { stream: StreamId(stream as u32), ..share }).collect();
        report
    }
}

/// The submission times of the bios that are not done, given which requests and bios are alive.
pub(crate) fn submission_times(pool: &Pool) -> impl Iterator<Item = u64> + '_ {
    pool.live_bios().filter(|bio| bio.parent == crate::request::NIL).map(|bio| bio.submitted)
}
