//! The `tunerd` program.

use std::process::ExitCode;
use tunerd::cli::{Answer, Command, parse};
use tunerd::commands::{self, Failure};

fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    commands::finish(match parse(std::env::args_os()) {
        Answer::Print(text) => std::io::Write::write_all(&mut out, text.as_bytes()).map_err(Failure::from),
        Answer::Wrong(line) => Err(Failure::usage(line)),
        Answer::Do(cli) => match cli.command {
            // The loops' threads print their events themselves.
            Command::Run(args) => {
                drop(out);
                tunerd::run::main(*args)
            }
            Command::Once(once) => commands::execute(once, &mut out),
        },
    })
}
