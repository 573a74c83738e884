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
