//! From a command line to an exit code.

use crate::args::{Bastide, Help, Verb};
use crate::errors::{self, Error};
use crate::{exit, words};
use clap::{CommandFactory, Parser, error::ErrorKind};
use std::ffi::OsString;
use std::io::Write;

/// Runs the command line `arguments`, the program's name included, and says how to exit.
#[must_use]
pub fn run(arguments: Vec<OsString>) -> u8 {
    match Bastide::try_parse_from(&arguments) {
        Ok(asked) => answer(&asked),
        Err(error) => refused(&error, &arguments),
    }
}

fn answer(asked: &Bastide) -> u8 {
    let result = match &asked.verb {
        Verb::Help(topic) => help(topic),
        verb => Err(Error::NoPlane { verb: verb.name() }),
    };
    let Err(error) = result else { return exit::DONE };
    if asked.json {
        print(&format!("{}\n", error.json()));
    }
    // Nobody is left to tell that stderr is closed.
    let _ = std::io::stderr().write_all(error.render(errors::colour()).as_bytes());
    error.exit()
}

/// Help and version are answers; the rest is misuse, which under `run` must not look like the program's exit.
fn refused(error: &clap::Error, arguments: &[OsString]) -> u8 {
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => exit::DONE,
        _ if is_run(arguments) => exit::NOT_RUN,
        _ => exit::USAGE,
    }
}

fn is_run(arguments: &[OsString]) -> bool {
    let verb = arguments.iter().skip(1).find(|one| !one.as_encoded_bytes().starts_with(b"-"));
    verb.is_some_and(|verb| verb == "run")
}

fn help(asked: &Help) -> Result<(), Error> {
    if let [code] = asked.topic.as_slice()
        && let Some(text) = errors::explain(code)
    {
        print(text);
        return Ok(());
    }
    let mut command = Bastide::command();
    command.build();
    let mut found = &mut command;
    for word in &asked.topic {
        let unknown = || Error::UnknownTopic { topic: words::quoted(word.as_bytes(), words::NAME) };
        found = found.find_subcommand_mut(word).ok_or_else(unknown)?;
    }
    print(&found.render_long_help().to_string());
    Ok(())
}

/// A reader that left early (`| head`) is no error.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
