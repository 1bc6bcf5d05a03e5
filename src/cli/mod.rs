//! The command: arguments in, text, JSON, CSV and pictures out. Exit code 0 is done, 1 failed, 2 wrong
//! usage, 130 interrupted.

mod all;
mod args;
mod bench;
mod cancel;
mod draw;
mod file;
mod find;
mod grid;
mod html;
mod info;
mod output;
mod plan;
mod plot;
mod progress;
mod read;
mod report;
mod subject;
mod suggest;
mod terminal;
mod tuned;
mod view;

use crate::{Error, Result};
use args::{Cli, Command};
use clap::{CommandFactory, FromArgMatches};
use std::io::Write;
use std::process::ExitCode;

/// The whole program.
pub fn main() -> ExitCode {
    let parsed = command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version also come this way; where they cannot be printed, nothing else can.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let done = match &cli.command {
        Command::Find(args) => find::find(args),
        Command::Suggest(args) => suggest::suggest(args),
        Command::Plan(args) => plan::plan(args),
        Command::Info(args) => info::info(args),
        Command::Bench(args) => bench::bench(args),
    };
    let Err(error) = done else { return ExitCode::SUCCESS };
    let _ = writeln!(std::io::stderr(), "rangefinder: {}", line(&error));
    ExitCode::from(match error {
        Error::Argument { .. } | Error::Shape { .. } => 2,
        Error::Cancelled => 130, // as if SIGINT had ended it: scripts ask for that
        _ => 1,
    })
}

/// What may be typed. A number below zero is a value, which is refused by its option's name, and no option that nobody knows.
fn command() -> clap::Command {
    let take_negative = |arg: clap::Arg| match arg.get_action().takes_values() {
        true => arg.allow_negative_numbers(true),
        false => arg,
    };
    Cli::command().mut_subcommands(|command| command.mut_args(take_negative))
}

/// An error as one line, its settings named as they are typed. (Drivers' own messages may have several lines.)
fn line(error: &Error) -> String {
    let text = match error {
        Error::Argument { name, detail } => format!("{}: {detail}", typed(name)),
        other => other.to_string(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The option that sets what the library calls so.
fn typed(name: &str) -> String {
    let option = match name {
        "beta" => "smoothing".to_string(),
        _ => name.replace([' ', '_'], "-"),
    };
    let command = command();
    let mut arguments = command.get_subcommands().flat_map(clap::Command::get_arguments);
    match arguments.any(|a| a.get_long() == Some(&option)) {
        true => format!("--{option}"),
        false => name.to_string(),
    }
}

/// Prints a result. A reader that has seen enough (`| head`) is no failure.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::io("standard output", error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_named_as_they_are_typed() {
        let line = |name| super::line(&Error::argument(name, "is wrong"));
        assert_eq!(line("steps"), "--steps: is wrong");
        assert_eq!(line("beta"), "--smoothing: is wrong");
        assert_eq!(line("weight decay"), "--weight-decay: is wrong");
        assert_eq!(line("order"), "order: is wrong");
    }

    #[test]
    fn an_error_is_one_line() {
        let error = Error::Device { detail: "lost:\n  caused by\n  all".into() };
        assert_eq!(line(&error), "GPU device: lost: caused by all");
    }
}
