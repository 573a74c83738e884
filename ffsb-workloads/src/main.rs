//! `ffsb-run`: runs FFSB profiles in a directory of its own.

#[cfg(unix)]
mod cli;
#[cfg(unix)]
mod progress;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    program::main()
}

#[cfg(not(unix))]
fn main() -> std::process::ExitCode {
    eprintln!("ffsb-run needs a Unix: its safety rests on what file systems promise there");
    std::process::ExitCode::from(3)
}

#[cfg(unix)]
mod program {
    use crate::cli::Cli;
    use crate::progress::Progress;
    use anyhow::{Context, Result};
    use clap::Parser;
    use ffsb_workloads::cycle;
    use ffsb_workloads::error::RunError;
    use ffsb_workloads::plan::{self, Plan};
    use ffsb_workloads::profile::ProfileError;
    use ffsb_workloads::report::Report;
    use ffsb_workloads::run::{self, Settings};
    use ffsb_workloads::{shipped, size};
    use std::fmt::Write as _;
    use std::fs::File;
    use std::io::{self, Write};
    use std::path::Path;
    use std::process::ExitCode;

    pub(crate) fn main() -> ExitCode {
        let cli = Cli::parse();
        match program(&cli) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                // Errors of the room name their cause themselves; a chain would name it twice.
                if error.is::<RunError>() || error.is::<ProfileError>() {
                    eprintln!("ffsb-run: {error}");
                } else {
                    eprintln!("ffsb-run: {error:#}");
                }
                ExitCode::from(match error.downcast_ref::<RunError>() {
                    Some(RunError::Profile(_)) => 2,
                    Some(error) if error.is_about_the_place() => 3,
                    _ if error.is::<ProfileError>() => 2,
                    _ => 1,
                })
            }
        }
    }

    /// Whether everything was done.
    fn program(cli: &Cli) -> Result<bool> {
        if cli.list {
            let width = shipped::ALL.iter().map(|one| one.stem().len()).max().unwrap_or(0);
            let lines = shipped::ALL.iter().map(|one| format!("{:width$}  {}\n", one.stem(), one.summary()));
            print(&lines.collect::<String>())?;
            return Ok(true);
        }
        let (plan, settings) = planned(cli)?;
        if cli.dry_run {
            print(&preview(&plan, &settings))?;
            return Ok(true);
        }
        let events = cli.events.as_deref().map(sink).transpose()?;
        let progress = Progress::listen(cli.quiet, events).context("cannot listen to signals")?;
        let outcome = run::run(&plan, &settings, &progress)?;
        let report = Report::new(&plan, &settings, &outcome);
        print(&if cli.json { format!("{}\n", report.json()?) } else { report.text() })?;
        if let Some(problem) = &report.problem {
            eprintln!("ffsb-run: {problem}");
        }
        if let Some(example) = &outcome.left.example {
            eprintln!(
                "ffsb-run: {} things are not ours and stayed, such as {}",
                outcome.left.things,
                example.display()
            );
        }
        Ok(report.complete)
    }

    fn planned(cli: &Cli) -> Result<(Plan, Settings)> {
        let overrides = cli.overrides();
        let (mut phases, mut turns, mut time) = (Vec::new(), None, None);
        for path in &cli.profiles {
            let source = cycle::read(path, &overrides)?;
            phases.extend(source.phases);
            turns = turns.or(source.turns);
            time = time.or(source.phase_time);
        }
        if cli.reuse {
            for filesystem in phases.iter_mut().flat_map(|phase| &mut phase.profile.filesystems) {
                filesystem.reuse = true;
            }
        }
        let plan = plan::plan(phases, cli.location.as_deref(), cli.scale())?;
        let settings = Settings {
            seed: cli.seed,
            turns: cli.cycles.or(turns).map_or(1, std::num::NonZeroU32::get),
            bound: cli.bound(time),
            keep: cli.keep,
            allow_callout: cli.allow_callout,
            record_steps: false,
        };
        Ok((plan, settings))
    }

    /// What would be done: the file sets, then every phase as a profile.
    fn preview(plan: &Plan, settings: &Settings) -> String {
        let mut out = String::new();
        for set in &plan.sets {
            let path = plan.homes[set.home].join(&set.name);
            let bytes = set.filesystem.expected_bytes();
            let bytes = bytes
                .map_or_else(|| "up to its share".to_owned(), |bytes| size::Human(bytes as f64).to_string());
            let ceiling = set
                .ceiling
                .map_or_else(String::new, |most| format!(", never above {}", size::Human(most as f64)));
            let _ = writeln!(
                out,
                "# file set {}: {} files, {bytes}{ceiling}",
                path.display(),
                set.filesystem.files
            );
        }
        for phase in &plan.phases {
            let time =
                settings.bound.and_then(|bound| bound.time).unwrap_or(phase.profile.time).as_secs_f64();
            let each = match settings.bound.and_then(|bound| bound.ops) {
                None => format!("{time} s each"),
                Some(ops) => format!("{ops} operations of each thread"),
            };
            let (name, turns, profile) = (&phase.name, settings.turns, &phase.profile);
            let _ = writeln!(out, "\n# phase {name}, {turns} times, {each}\n{profile}");
        }
        out
    }

    fn sink(path: &Path) -> Result<Box<dyn Write + Send>> {
        if path.as_os_str() == "-" {
            return Ok(Box::new(io::stdout()));
        }
        let file =
            File::create(path).with_context(|| format!("cannot write events to {}", path.display()))?;
        Ok(Box::new(file))
    }

    fn print(text: &str) -> Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            // Whoever reads has read enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result.context("cannot write the report"),
        }
    }
}
