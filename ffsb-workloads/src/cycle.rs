//! A cycle: profiles in an order, each for a time, gone through several times.
//!
//! ```toml
//! turns = 2
//! phase_time_s = 20
//!
//! [[phase]]
//! profile = "large-file-create.ffsb"
//!
//! [[phase]]
//! profile = "random-read.ffsb"
//! name = "reads"
//! ```
//!
//! Paths are relative to the file. A cycle that is shipped names shipped profiles.

use crate::plan::Phase;
use crate::profile::{Fault, Overrides, Profile, ProfileError};
use crate::shipped;
use serde::Deserialize;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCycle {
    turns: Option<NonZeroU32>,
    phase_time_s: Option<NonZeroU32>,
    phase: Vec<RawPhase>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPhase {
    profile: String,
    name: Option<String>,
}

/// One argument of the program: a profile, or a cycle of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The phases, in order; one for a profile.
    pub phases: Vec<Phase>,
    /// How often a cycle wants to be gone through.
    pub turns: Option<NonZeroU32>,
    /// How long a cycle wants each phase to last.
    pub phase_time: Option<Duration>,
}

/// Reads a profile or a cycle (`.toml`): the file of this path, or the shipped one of this name.
///
/// # Errors
///
/// When there is none or it is wrong; the error names file and line.
pub fn read(path: &Path, overrides: &Overrides) -> Result<Source, ProfileError> {
    let (bytes, shipped) = load(path)?;
    let file = shipped.map_or_else(|| path.to_owned(), PathBuf::from);
    let single = |profile| Source {
        phases: vec![Phase { name: stem(&file), profile }],
        turns: None,
        phase_time: None,
    };
    if file.extension().is_none_or(|extension| extension != "toml") {
        return Profile::parse_with(&bytes, overrides).map(single).map_err(|fault| fault.in_file(file));
    }
    let raw = parse(&bytes).map_err(|fault| fault.in_file(&file))?;
    let mut phases = Vec::new();
    for phase in raw.phase {
        let member = match shipped {
            Some(_) => PathBuf::from(&phase.profile),
            None => path.parent().unwrap_or(Path::new("")).join(&phase.profile),
        };
        let (bytes, _) = load(&member)?;
        let profile = Profile::parse_with(&bytes, overrides).map_err(|fault| fault.in_file(&member))?;
        phases.push(Phase { name: phase.name.unwrap_or_else(|| stem(&member)), profile });
    }
    Ok(Source {
        phases,
        turns: raw.turns,
        phase_time: raw.phase_time_s.map(|seconds| Duration::from_secs(seconds.get().into())),
    })
}

fn parse(bytes: &[u8]) -> Result<RawCycle, Fault> {
    let line_of = |at: usize| {
        let before = bytes.iter().take(at).filter(|byte| **byte == b'\n').count();
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    };
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Fault::new(line_of(error.valid_up_to()), "bytes that are not UTF-8", "text"))?;
    let raw: RawCycle = toml::from_str(text).map_err(|error| {
        let line = line_of(error.span().map_or(0, |span| span.start));
        Fault::new(line, error.message(), "turns, phase_time_s and [[phase]] with profile and name")
    })?;
    if raw.phase.is_empty() {
        return Err(Fault::new(1, "no [[phase]]", "at least one"));
    }
    Ok(raw)
}

/// The bytes of a file, and the name of the shipped one where that is meant.
fn load(path: &Path) -> Result<(Vec<u8>, Option<&'static str>), ProfileError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok((bytes, None)),
        Err(source) => match path.to_str().and_then(shipped::find) {
            Some(shipped) if source.kind() == std::io::ErrorKind::NotFound => {
                Ok((shipped.text.as_bytes().to_vec(), Some(shipped.name)))
            }
            _ => Err(ProfileError::Unreadable { file: path.to_owned(), source }),
        },
    }
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
