//! From a command line to an exit code.

use crate::args::{Bastide, Help, Verb};
use crate::errors::{self, Error};
use crate::{ask, exit, session, words};
use clap::{CommandFactory, Parser, error::ErrorKind};
use std::ffi::OsString;
use std::io::Write;
use wire::command::Request;

/// Runs the command line `arguments`, the program's name included, and says how to exit.
#[must_use]
pub fn run(arguments: Vec<OsString>) -> u8 {
    match Bastide::try_parse_from(&arguments) {
        Ok(asked) => answer(asked),
        Err(error) => refused(&error, &arguments),
    }
}

fn answer(asked: Bastide) -> u8 {
    let json = asked.json;
    // Under `run` stdout is the program's.
    let ours = !matches!(asked.verb, Verb::Run(_));
    let result = match asked.verb {
        Verb::Run(flags) => session::run(&flags, json),
        Verb::Help(topic) => help(&topic),
        verb => ask::ask(verb, json),
    };
    let error = match result {
        Ok(code) => return code,
        Err(error) => error,
    };
    let text = if json && !ours { format!("{}\n", error.json()) } else { error.render(errors::colour()) };
    if json && ours {
        print(&format!("{}\n", error.json()));
    }
    // Nobody is left to tell that stderr is closed.
    let _ = std::io::stderr().write_all(text.as_bytes());
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

fn help(asked: &Help) -> Result<u8, Error> {
    if let [code] = asked.topic.as_slice()
        && code.starts_with("E-")
    {
        return explain(code);
    }
    let mut command = Bastide::command();
    command.build();
    let mut found = &mut command;
    for word in &asked.topic {
        found = found.find_subcommand_mut(word).ok_or_else(|| unknown(word))?;
    }
    print(&found.render_long_help().to_string());
    Ok(exit::DONE)
}

/// The client knows its own codes; the plane knows the rest.
fn explain(code: &str) -> Result<u8, Error> {
    if let Some(text) = errors::explain(code) {
        print(text);
        return Ok(exit::DONE);
    }
    if code.starts_with("E-FACE-") {
        return Err(unknown(code));
    }
    ask::tell(&Request::Explain { code: code.to_owned() }, false)
}

fn unknown(topic: &str) -> Error {
    Error::UnknownTopic { topic: words::quoted(topic.as_bytes(), words::NAME) }
}

/// A reader that left early (`| head`) is no error.
pub(crate) fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
