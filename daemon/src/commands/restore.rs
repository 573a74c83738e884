//! `restore`: the original settings back, after a tunerd that died.

use super::{Failure, kernel, print_json};
use crate::cli::RestoreArgs;
use crate::config::Config;
use serde_json::json;
use std::io::Write;

pub(super) fn restore(args: &RestoreArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let default = Config::default();
    let state_dir = args.paths.state_dir.clone().unwrap_or(default.state_dir);
    let run_dir = args.paths.run_dir.clone().unwrap_or(default.run_dir);
    let device = args.device.as_deref().map(super::resolve);
    let device = device.as_deref().map(|device| device.strip_prefix("/dev/").unwrap_or(device));
    let reports =
        schedulers::restore_all(&kernel(&args.roots), &state_dir, &run_dir, device, args.wait.into())
            .map_err(Failure::failed)?;
    if args.json.json {
        print_json(out, &json!({ "devices": reports }))?;
    } else if reports.is_empty() {
        writeln!(out, "nothing is left to put back")?;
    } else {
        for report in &reports {
            writeln!(out, "{report}")?;
        }
    }
    let failed: Vec<&str> = reports
        .iter()
        .filter(|report| !report.failed.is_empty())
        .map(|report| report.device.as_str())
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(format_args!("not everything could be put back on {}", failed.join(", "))))
}
