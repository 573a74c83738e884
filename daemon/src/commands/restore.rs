//! `restore`: the original settings back, after a tunerd that died.

use super::{Failure, kernel, print_json};
use crate::cli::RestoreArgs;
use crate::config::Config;
use serde_json::json;
use std::io::Write;
use std::path::Path;

pub(super) fn restore(args: &RestoreArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let default = Config::default();
    let state_dir = args.paths.state_dir.clone().unwrap_or(default.state_dir);
    let run_dir = args.paths.run_dir.clone().unwrap_or(default.run_dir);
    let device = args.device.as_deref().map(super::resolve);
    let device = device.as_deref().map(|device| device.strip_prefix("/dev/").unwrap_or(device));
    let reports =
        schedulers::restore_all(&kernel(&args.roots), &state_dir, &run_dir, device, args.wait.into())
            .map_err(Failure::failed)?;
    let tracer = tracer(args, &state_dir, &run_dir, device)?;
    if args.json.json {
        let mut answer = json!({ "devices": reports });
        if let Some(tracer) = &tracer {
            answer["recording"] = json!(tracer);
        }
        print_json(out, &answer)?;
    } else if reports.is_empty() && tracer.is_none() {
        writeln!(out, "nothing is left to put back")?;
    } else {
        for report in &reports {
            writeln!(out, "{report}")?;
        }
        if let Some(report) = &tracer {
            writeln!(out, "{report}")?;
        }
    }
    let failed =
        reports.iter().filter(|report| !report.failed.is_empty()).map(|report| report.device.as_str());
    let tracer = tracer.as_ref().filter(|report| !report.failed.is_empty());
    let failed: Vec<&str> = failed.chain(tracer.map(|_| "the blk tracer")).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(format_args!("not everything could be put back on {}", failed.join(", "))))
}

/// What a `record` that was killed has left of the tracer, unless another disk's settings are asked for.
#[cfg(target_os = "linux")]
fn tracer(
    args: &RestoreArgs,
    state_dir: &Path,
    run_dir: &Path,
    device: Option<&str>,
) -> Result<Option<sampler::blk_tracer::TracerReport>, Failure> {
    use sampler::blk_tracer::{left_behind, restore};
    let Some(recorded) = left_behind(state_dir).map_err(Failure::failed)? else { return Ok(None) };
    if device.is_some_and(|device| device != recorded) {
        return Ok(None);
    }
    restore(kernel(&args.roots).as_ref(), state_dir, run_dir, args.wait.into()).map_err(Failure::failed)
}

/// Only Linux has the tracer.
#[cfg(not(target_os = "linux"))]
fn tracer(
    _args: &RestoreArgs,
    _state_dir: &Path,
    _run_dir: &Path,
    _device: Option<&str>,
) -> Result<Option<schedulers::RestoreReport>, Failure> {
    Ok(None)
}
