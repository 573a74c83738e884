//! The choice of a source.

use crate::diskstats::Diskstats;
use crate::{Duty, Request, SamplerError, Source, SourceKind};
use block_types::Nanos;
use kernfs::Kernel;
use std::sync::Arc;

/// An open source, and why it is this one.
#[derive(Debug)]
pub struct Opened {
    /// The source.
    pub source: Arc<dyn Source>,
    /// Its kind.
    pub kind: SourceKind,
    /// Why this one was chosen, what kept the better ones from working and what it cannot tell, for people.
    pub why: String,
}

/// Opens the source that the request asks for; for [`SourceChoice::Auto`](crate::SourceChoice) the first that
/// works.
///
/// # Errors
/// [`SamplerError::BadRequest`] for a request that no source could serve; [`SamplerError::NoSource`] with the
/// reason of every source that was tried.
pub fn open(kernel: &Arc<dyn Kernel>, request: &Request) -> Result<Opened, SamplerError> {
    check(request)?;
    let mut tried = Vec::new();
    for &kind in request.choice.kinds() {
        match open_kind(kernel, request, kind) {
            Ok(source) => {
                let why = explain(kind, &tried, &source.notes());
                return Ok(Opened { source, kind, why });
            }
            Err(SamplerError::Unavailable { why, .. }) => tried.push((kind, why)),
            Err(error) => tried.push((kind, error.to_string())),
        }
    }
    Err(SamplerError::NoSource { tried })
}

fn explain(kind: SourceKind, tried: &[(SourceKind, String)], notes: &[String]) -> String {
    let mut why = if tried.is_empty() {
        format!("{kind} works here")
    } else {
        let failures: Vec<_> = tried.iter().map(|(kind, why)| format!("{kind} does not ({why})")).collect();
        format!("{kind} works here, {}", failures.join(", "))
    };
    if let Some(unknowns) = kind.unknowns() {
        why.push_str("; unknown to it: ");
        why.push_str(unknowns);
    }
    for note in notes {
        why.push_str("; ");
        why.push_str(note);
    }
    why
}

fn check(request: &Request) -> Result<(), SamplerError> {
    let bad = |found: String, expected| Err(SamplerError::BadRequest { found, expected });
    if request.disks.len() > Request::MAX_DISKS {
        return bad(format!("{} disks", request.disks.len()), "at most 64 disks");
    }
    for (index, disk) in request.disks.iter().enumerate() {
        if request.disks[..index].iter().any(|other| other.dev == disk.dev) {
            return bad(format!("disk {} twice", disk.name), "each disk once");
        }
    }
    if let Duty::Cycle { on_share, period, .. } = request.duty {
        if !(on_share > 0.0 && on_share <= 1.0) {
            return bad(format!("an on-share of {on_share}"), "a share above 0 and at most 1");
        }
        if !(Nanos::from_millis(10)..=Nanos::from_millis(200)).contains(&period) {
            return bad(format!("a period of {period}"), "10 ms to 200 ms");
        }
    }
    Ok(())
}

fn open_kind(
    kernel: &Arc<dyn Kernel>,
    request: &Request,
    kind: SourceKind,
) -> Result<Arc<dyn Source>, SamplerError> {
    Ok(match kind {
        #[cfg(all(feature = "bpf", target_os = "linux"))]
        SourceKind::Bpf => Arc::new(crate::bpf::Bpf::open(kernel, request)?),
        #[cfg(not(all(feature = "bpf", target_os = "linux")))]
        SourceKind::Bpf => {
            return Err(SamplerError::Unavailable {
                kind,
                why: "this program was built without it".to_owned(),
            });
        }
        #[cfg(target_os = "linux")]
        SourceKind::Tracefs => Arc::new(crate::tracefs::Tracefs::open(kernel, request)?),
        #[cfg(not(target_os = "linux"))]
        SourceKind::Tracefs => {
            return Err(SamplerError::Unavailable { kind, why: "only Linux has it".to_owned() });
        }
        SourceKind::Diskstats => Arc::new(Diskstats::open(kernel, request)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SourceChoice, Watched};
    use block_types::{DevNo, Sectors};
    use kernfs::fake::{FakeDisk, FakeKernel};

    const LOOP0: DevNo = DevNo::new(7, 0);

    fn request(choice: SourceChoice) -> Request {
        // Nowhere, so that no test touches the machine's own tracefs.
        Request { choice, tracefs: "/nowhere".into(), ..Request::new([Watched::new("loop0", LOOP0)]) }
    }

    fn fake() -> (FakeKernel, Arc<dyn Kernel>) {
        let fake = FakeKernel::new().with_disk(FakeDisk::loopback("loop0"));
        (fake.clone(), Arc::new(fake))
    }

    #[test]
    fn diskstats_answer_totals_and_say_what_they_cannot() {
        let (_, kernel) = fake();
        let opened = open(&kernel, &request(SourceChoice::Diskstats)).unwrap();
        assert_eq!(opened.kind, SourceKind::Diskstats);
        assert!(opened.why.contains("unknown to it: distances and sizes"), "{}", opened.why);
        let sample = opened.source.read(LOOP0).unwrap();
        assert_eq!((sample.bios, sample.latency, sample.first_bio_at), (None, None, None));
        let unknown = opened.source.read(DevNo::new(8, 0)).unwrap_err();
        assert!(matches!(unknown, SamplerError::UnknownDisk { .. }), "{unknown}");
    }

    #[test]
    fn a_disk_that_leaves_is_gone_and_one_that_is_not_there_is_refused() {
        let (fake, kernel) = fake();
        let opened = open(&kernel, &request(SourceChoice::Diskstats)).unwrap();
        fake.vanish("loop0");
        let gone = opened.source.read(LOOP0).unwrap_err();
        assert!(matches!(gone, SamplerError::Gone { .. }), "{gone}");
        let refused = open(&kernel, &request(SourceChoice::Diskstats)).unwrap_err();
        assert!(refused.to_string().contains("loop0"), "{refused}");
    }

    #[test]
    fn every_source_that_was_tried_gives_its_reason() {
        let (_, kernel) = fake();
        let error = open(&kernel, &request(SourceChoice::Tracefs)).unwrap_err();
        let SamplerError::NoSource { tried } = error else { panic!("{error}") };
        assert_eq!(tried.len(), 1);
        assert_eq!(tried[0].0, SourceKind::Tracefs);
        let why = explain(SourceKind::Diskstats, &[(SourceKind::Bpf, "not root".into())], &["a note".into()]);
        assert_eq!(
            why,
            "diskstats works here, bpf does not (not root); unknown to it: distances and sizes of bios, and \
             latencies other than the mean; a note"
        );
    }

    #[test]
    fn requests_that_nothing_could_serve_are_refused() {
        let (_, kernel) = fake();
        let refuse = |request: Request, words: &str| {
            let error = open(&kernel, &request).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        };
        let base = request(SourceChoice::Diskstats);
        let disk = Watched::new("loop0", LOOP0);
        refuse(Request { disks: vec![disk.clone(), disk], ..base.clone() }, "loop0 twice");
        let many = (0..65).map(|n| Watched::new(format!("sd{n}"), DevNo::new(8, n))).collect();
        refuse(Request { disks: many, ..base.clone() }, "65 disks");
        for on_share in [0.0, -1.0, 1.5, f64::NAN] {
            let duty = Duty::Cycle { on_share, period: Nanos::from_millis(100), above_iops: 1 };
            refuse(Request { duty, ..base.clone() }, "on-share");
        }
        for period in [0, 5, 250] {
            let duty = Duty::Cycle { on_share: 0.1, period: Nanos::from_millis(period), above_iops: 1 };
            refuse(Request { duty, ..base.clone() }, "period");
        }
        assert_eq!(Request { near: Sectors(25), ..base.clone() }, base);
    }
}
