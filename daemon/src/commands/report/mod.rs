//! `report`: one HTML file of a run, of two runs side by side, or of what the store knows of a disk.

mod charts;
mod confirmed;
mod device;

use super::Failure;
use crate::cli::ReportArgs;
use results::html::{Page, differences_page, run_page};
use std::io::Write;
use std::path::{Path, PathBuf};

pub(super) fn report(args: &ReportArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let (page, name) = match (args.runs.as_slice(), &args.device) {
        ([], Some(device)) => {
            let device = super::resolve(device);
            let device = device.strip_prefix("/dev/").unwrap_or(&device);
            (device::page(&args.state.state_dir, device, args.last)?, device.to_owned())
        }
        ([run], None) => (run_page(run).map_err(Failure::failed)?, name_of(run)),
        ([before, after], None) => {
            let name = format!("{}-and-{}", name_of(before), name_of(after));
            (differences_page(before, after).map_err(Failure::failed)?, name)
        }
        _ => return Err(Failure::usage("report: name one run, two runs to compare, or a disk by --device")),
    };
    write(&page, args.out.as_deref().unwrap_or(&default_path(&name)), out)
}

/// The last part of a run's path, also where it was given as `.`.
fn name_of(run: &Path) -> String {
    let full = std::fs::canonicalize(run).unwrap_or_else(|_| run.to_owned());
    full.file_name().map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// In the directory where it was asked for; a name from a store may hold anything.
fn default_path(name: &str) -> PathBuf {
    let plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let name: String = name.chars().map(|letter| if plain(letter) { letter } else { '-' }).collect();
    PathBuf::from(format!("report-{name}.html"))
}

fn write(page: &Page, path: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    if path.as_os_str() == "-" {
        out.write_all(page.html().as_bytes())?;
        return Ok(());
    }
    page.write(path).map_err(Failure::failed)?;
    writeln!(out, "wrote {}", path.display())?;
    Ok(())
}
