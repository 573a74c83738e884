//! From arguments to a question, or to the one line that says what is wrong with them.

use super::Cli;
use clap::Parser;
use clap::error::ErrorKind;
use std::ffi::OsString;

/// What the arguments come to.
#[derive(Debug)]
pub enum Answer {
    /// Something to do.
    Do(Box<Cli>),
    /// Text that was asked for (`--help`, `--version`): for standard output, exit status 0.
    Print(String),
    /// Wrong usage, in one line: for standard error, exit status 2.
    Wrong(String),
}

/// Parses the arguments of a process, its name first.
pub fn parse<I, T>(arguments: I) -> Answer
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    match Cli::try_parse_from(arguments) {
        Ok(cli) => Answer::Do(Box::new(cli)),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Answer::Print(error.to_string()),
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                Answer::Wrong("a subcommand is missing; try '--help'".to_owned())
            }
            _ => Answer::Wrong(one_line(&error.to_string())),
        },
    }
}

/// Clap's message has several paragraphs: what is wrong, tips, the usage, and where to read more. The first ones
/// are kept, on one line.
fn one_line(message: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    for line in message.lines().map(str::trim) {
        if line.starts_with("Usage:") || line.starts_with("For more information") {
            break;
        }
        words.extend(line.split_whitespace());
    }
    let line = words.join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    format!("{line}; try '--help'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Command, GenesCommand, Once};
    use block_types::Nanos;

    fn wrong(arguments: &[&str]) -> String {
        match parse(["tunerd"].iter().chain(arguments)) {
            Answer::Wrong(line) => line,
            other => panic!("{other:?}"),
        }
    }

    fn command(arguments: &[&str]) -> Command {
        match parse(["tunerd"].iter().chain(arguments)) {
            Answer::Do(cli) => cli.command,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn wrong_usage_is_one_line_that_shows_what_was_found_and_what_was_expected() {
        for (arguments, parts) in [
            (&["run", "--slice", "250"][..], &["\"250\"", "--slice", "250ms"][..]),
            (&["run", "--slice", "1 fortnight"], &["1 fortnight", "a duration"]),
            (&["run", "--mode", "go"], &["'go'", "observe", "hints", "tune"]),
            (&["run", "--knob", "write_cache"], &["write_cache", "queue/"]),
            (&["run", "--children", "-1"], &["-1"]),
            (&["run", "--rule", "theirs"], &["theirs", "paper-2006"]),
            (&["run", "--devise", "sda"], &["--devise", "--device"]),
            (&["run", "--window-bytes", "4MB"], &["4MB", "4MiB"]),
            (&["fingerprint"], &["--device"]),
            (&["genes", "list", "--class", "read"], &["\"read\"", "read-random-small"]),
            (&["genes", "forget", "--all", "--device", "sda"], &["--all", "--device"]),
            (&["tune"], &["tune", "subcommand"]),
            (&[], &["subcommand"]),
            (&["genes"], &["subcommand"]),
        ] {
            let line = wrong(arguments);
            assert!(!line.contains('\n') && line.ends_with("try '--help'"), "{line}");
            for part in parts {
                assert!(line.contains(part), "{arguments:?}: {line:?} does not show {part:?}");
            }
        }
    }

    #[test]
    fn help_and_version_are_printed_and_are_no_failure() {
        for arguments in [&["--help"][..], &["run", "--help"], &["genes", "list", "--help"], &["--version"]] {
            let answer = parse(["tunerd"].iter().chain(arguments));
            assert!(matches!(&answer, Answer::Print(text) if !text.is_empty()), "{arguments:?}: {answer:?}");
        }
    }

    #[test]
    fn what_was_given_arrives() {
        let Command::Run(run) = command(&[
            "run",
            "--device",
            "loop0",
            "--device",
            "/dev/sda",
            "--knob",
            "fifo_batch",
            "--slice",
            "1.5s",
            "--for",
            "90s",
            "--seed",
            "7",
            "--reintroduce",
            "generation-end",
            "--rule",
            "paper-2006",
            "--json",
        ]) else {
            panic!("not run");
        };
        assert_eq!(run.devices, ["loop0", "/dev/sda"]);
        assert_eq!(run.knobs, [block_types::Knob::FifoBatch]);
        assert_eq!(run.slice.as_deref(), Some("1.5s"));
        assert_eq!(run.duration, Some(Nanos::from_millis(90_000)));
        assert_eq!(run.seed, Some(7));
        assert_eq!(run.rule, Some(fingerprint::Rule::Paper2006));
        assert!(run.json.json && run.roots.are_live());
        assert_eq!(run.mode, None, "what was not given is left to the configuration");

        let Command::Once(Once::Genes(GenesCommand::Import { file, replace, .. })) =
            command(&["genes", "import", "-", "--replace"])
        else {
            panic!("not genes import");
        };
        assert_eq!((file.to_str(), replace), (Some("-"), true));
    }
}
