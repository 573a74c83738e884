//! What the programs cost, by the kernel's own accounting.

use crate::{ProbeCost, SamplerError};
use libbpf_rs::libbpf_sys;
use libbpf_rs::query::{ProgInfoIter, ProgramInfo};
use std::os::fd::{FromRawFd as _, OwnedFd};

/// While it lives, the kernel accounts for the run time of BPF programs.
#[derive(Debug)]
pub(super) struct Accounting {
    _fd: OwnedFd,
}

impl Accounting {
    /// Turns accounting on; it goes off when the last that holds one, in any process, lets go.
    pub(super) fn start() -> Result<Self, SamplerError> {
        #[expect(unsafe_code, reason = "libbpf-rs has no safe form of bpf_enable_stats")]
        // SAFETY: the call takes an enumerator and touches no memory of ours.
        let fd = unsafe { libbpf_sys::bpf_enable_stats(libbpf_sys::BPF_STATS_RUN_TIME) };
        if fd < 0 {
            return Err(SamplerError::Bpf {
                operation: "account for run time".to_owned(),
                why: std::io::Error::from_raw_os_error(-fd).to_string(),
            });
        }
        #[expect(unsafe_code, reason = "the file descriptor comes from C")]
        // SAFETY: the kernel has just opened it for us, and nobody else knows of it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { _fd: fd })
    }
}

/// One program's run time.
#[derive(Clone, Debug)]
pub(super) struct ProgramCost {
    /// Its name in the C source.
    pub(super) name: String,
    /// Its share.
    pub(super) cost: ProbeCost,
}

/// The run time of the programs with these numbers.
pub(super) fn programs(ids: &[u32]) -> Vec<ProgramCost> {
    ProgInfoIter::default()
        .filter(|info: &ProgramInfo| ids.contains(&info.id))
        .map(|info| ProgramCost {
            name: info.name.to_string_lossy().into_owned(),
            cost: cost(info.run_cnt, info.run_time_ns, info.recursion_misses),
        })
        .collect()
}

/// All of them together.
pub(super) fn sum(programs: &[ProgramCost]) -> ProbeCost {
    let of = |part: fn(&ProbeCost) -> u64| programs.iter().map(|program| part(&program.cost)).sum();
    cost(of(|cost| cost.calls), of(|cost| cost.ns_total), of(|cost| cost.missed))
}

fn cost(calls: u64, ns_total: u64, missed: u64) -> ProbeCost {
    let ns_per_call = if calls > 0 { ns_total as f64 / calls as f64 } else { 0.0 };
    ProbeCost { calls, ns_total, ns_per_call, missed }
}
