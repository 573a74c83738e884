//! `advise`: what a disk does, how it is set, and what is worth trying. Writes nothing to the disk or its queue.

use super::{Failure, kernel, print_json};
use crate::advise::{Advice, Kind, Observed, advise as advise_on};
use crate::cli::AdviseArgs;
use crate::config::Config;
use crate::engine::{Windows, saturation, slice, slice_score};
use crate::run::{self, Clock, RealClock, Wake};
use block_types::{Knob, Nanos};
use fingerprint::Class;
use kernfs::{Disk, Identity};
use sampler::{Request, Sample, SamplerError, Source, Watched};
use schedulers::Offer;
use serde::Serialize;
use serde_json::json;
use std::io::Write;
use std::sync::mpsc::Receiver;

/// Between two looks.
const LOOK: Nanos = Nanos::from_millis(250);

/// A stretch of time in which the work had one fingerprint.
#[derive(Clone, Debug, Serialize)]
struct Stretch {
    from_s: f64,
    to_s: f64,
    fingerprint: Option<Class>,
}

/// What was watched.
struct Seen {
    begin: Sample,
    end: Sample,
    timeline: Vec<Stretch>,
}

pub(super) fn advise(args: &AdviseArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let found =
        Disk::find(kernel(&args.roots), &super::resolve(&args.device.device)).map_err(Failure::failed)?;
    let disk = found.disk.clone();
    let identity = disk.identity().map_err(Failure::failed)?;
    found.eligibility(&identity).map_err(Failure::nothing)?;
    let request = Request {
        choice: args.source,
        tracefs: args.roots.sysfs_root.join("kernel/tracing"),
        ..Request::new([Watched::of(&identity)])
    };
    let stop = run::listen()?;
    let opened = sampler::open(disk.kernel(), &request).map_err(|error| match error {
        SamplerError::NoSource { .. } => Failure::nothing(error),
        other => Failure::failed(other),
    })?;
    super::complain(&format!("{}: watching for {}; nothing is written", identity.name, args.duration));
    let watched = watch(opened.source.as_ref(), &identity, args.duration, &stop)?;
    let offer = Offer::read(&disk).map_err(Failure::failed)?;
    let observed = observed(&disk, &identity, &offer, &watched)?;
    let nr_requests = observed.settings.number(Knob::NrRequests);
    let score = slice_score(&watched.begin, &watched.end, saturation(identity.rotational, nr_requests));
    let told = score.is_ok_and(|score| matches!(score.throughput, trials::Part::Told(_)));
    let advice = advise_on(&observed);
    if args.json.json {
        let observed = json!({
            "device": observed.device,
            "source": opened.kind.name(),
            "length_s": observed.slice.elapsed.as_secs_f64(),
            "fingerprints": watched.timeline,
            "busy_share": observed.slice.busy_share(),
            "mean_queue": observed.slice.mean_queue(),
            "saturated": told,
            "bytes_per_s": observed.slice.completed.0 as f64 / observed.slice.elapsed.as_secs_f64().max(1e-9),
            "iops": observed.iops,
            "mean_sync_latency_ns": observed.slice.sync.mean(),
            "read_p99_ns": observed.slice.reads.quantile(0.99),
            "read_share": observed.read_share,
            "near_share": observed.near_share,
            "sync_share": observed.sync_share,
            "mean_bio_kib": observed.mean_bio_kib,
            "rotational": observed.rotational,
            "tag_depth": observed.tag_depth,
            "settings": observed.settings,
            "advice": advice,
        });
        return print_json(out, &observed);
    }
    print(&observed, &watched.timeline, told, &advice, out)
}

fn watch(
    source: &dyn Source,
    identity: &Identity,
    length: Nanos,
    stop: &Receiver<run::Signal>,
) -> Result<Seen, Failure> {
    let clock = RealClock;
    let read = || source.read(identity.devno).map_err(Failure::failed);
    let begin = read()?;
    let end_at = clock.now() + length;
    let mut windows = Windows::new(&Config::default(), clock.now());
    let mut timeline: Vec<Stretch> = Vec::new();
    let mut end = begin.clone();
    while clock.now() < end_at {
        match clock.wait(end_at.min(clock.now() + LOOK), stop) {
            Wake::Deadline => {}
            Wake::Message(_) | Wake::Over => break,
        }
        end = read()?;
        let _ = windows.observe(&end);
        let now_s = (end.at - begin.at).as_secs_f64();
        match timeline.last_mut() {
            Some(last) if last.fingerprint == windows.class() => last.to_s = now_s,
            _ => {
                let from_s = timeline.last().map_or(0.0, |last| last.to_s);
                timeline.push(Stretch { from_s, to_s: now_s, fingerprint: windows.class() });
            }
        }
    }
    Ok(Seen { begin, end, timeline })
}

fn observed(disk: &Disk, identity: &Identity, offer: &Offer, watched: &Seen) -> Result<Observed, Failure> {
    let (begin, end) = (&watched.begin, &watched.end);
    let slice = slice(begin, end).ok_or_else(|| Failure::failed("the disk's counters went backwards"))?;
    let bios = match (&begin.bios, &end.bios) {
        (Some(begin), Some(end)) => end.since(begin).filter(|bios| bios.data_bios() > 0),
        _ => None,
    };
    let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
    let seconds = slice.elapsed.as_secs_f64().max(1e-9);
    let requests = end.completed.requests().saturating_sub(begin.completed.requests());
    Ok(Observed {
        device: identity.name.clone(),
        rotational: identity.rotational,
        tag_depth: disk.tag_depth().map_err(Failure::failed)?,
        settings: offer.settings(),
        elevators: offer.elevators.clone(),
        read_share: bios.as_ref().and_then(|bios| share(bios.reads, bios.data_bios())),
        near_share: bios.as_ref().and_then(|bios| share(bios.near, bios.gaps)),
        sync_share: bios.as_ref().and_then(|bios| share(bios.sync, bios.data_bios())),
        mean_bio_kib: bios
            .as_ref()
            .and_then(|bios| share(bios.read_sectors + bios.write_sectors, 2 * bios.data_bios())),
        iops: requests as f64 / seconds,
        slice,
    })
}

fn print(
    seen: &Observed,
    timeline: &[Stretch],
    saturated: bool,
    advice: &[Advice],
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let seconds = seen.slice.elapsed.as_secs_f64().max(1e-9);
    writeln!(out, "{}, seen for {seconds:.0} s", seen.device)?;
    for stretch in timeline {
        let class = stretch.fingerprint.map_or("not enough work to tell", Class::name);
        writeln!(out, "  {:>6.1} … {:>6.1} s  {class}", stretch.from_s, stretch.to_s)?;
    }
    let latency = seen.slice.sync.mean().map_or_else(|| "?".to_owned(), |mean| mean.to_string());
    let p99 = seen.slice.reads.quantile(0.99).map_or_else(|| "?".to_owned(), |p99| p99.to_string());
    writeln!(
        out,
        "  busy {:.0} %, {:.1} requests in flight, {:.0} I/Os and {:.2} MB a second; mean latency {latency}, p99 of reads \
         {p99}",
        seen.busy() * 100.0,
        seen.queue(),
        seen.iops,
        seen.slice.completed.0 as f64 / seconds / 1e6,
    )?;
    let word =
        if saturated { "saturated: bytes measure the disk" } else { "not saturated: bytes measure the work" };
    writeln!(out, "  {word}")?;
    writeln!(out, "  {}", seen.settings)?;
    for (kind, heading) in [
        (Kind::LikelyToMatter, "Likely to matter"),
        (Kind::NothingToGain, "Likely nothing to gain here"),
        (Kind::CannotTell, "Cannot be told"),
    ] {
        let these: Vec<&Advice> = advice.iter().filter(|one| one.kind == kind).collect();
        if these.is_empty() {
            continue;
        }
        writeln!(out, "\n{heading}:")?;
        for one in these {
            writeln!(out, "  {}: {}", one.id, one.why)?;
            if let Some(test) = &one.test {
                writeln!(out, "      {test}")?;
            }
        }
    }
    if advice.is_empty() {
        writeln!(out, "\nNo rule has anything to say of this work; `tunerd ab` tests any setting.")?;
    }
    Ok(())
}
