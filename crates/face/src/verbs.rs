//! From a command line to an exit code.

use crate::args::{Bastide, Help, Verb};
use crate::errors::{self, Error};
use crate::terminal::mode;
use crate::{ask, copy, detach, exit, listen, session, show, tour, usage, watch, words};
use clap::{CommandFactory, Parser, error::ErrorKind};
use std::ffi::OsString;
use std::io::Write;
use wire::command::Request;

/// Runs the command line `arguments`, the program's name included, and says how to exit.
#[must_use]
pub fn run(arguments: Vec<OsString>) -> u8 {
    if let Some(code) = tour::as_agent(&arguments).or_else(|| listen::as_carrier(&arguments)) {
        return code;
    }
    match Bastide::run_alone(&arguments).map_or_else(|| Bastide::try_parse_from(&arguments), Ok) {
        Ok(asked) => answer(asked),
        Err(error) => refused(&error, &arguments),
    }
}

fn answer(asked: Bastide) -> u8 {
    let json = asked.json;
    // Under `run` stdout is the program's.
    let ours = !matches!(asked.verb, Verb::Run(_) | Verb::Exec(_) | Verb::Attach(_));
    let result = match asked.verb {
        Verb::Run(flags) if flags.detach => detach::begin(&flags, false, json),
        Verb::Up(flags) => detach::begin(&flags, true, json),
        Verb::Run(flags) => session::run(&flags, json),
        Verb::Attach(asked) => session::attach(&asked, json),
        Verb::Exec(asked) => session::exec(&asked, json),
        Verb::Cp(asked) => copy::copy(&asked),
        Verb::Gate(gate) => listen::listen(&gate, json),
        Verb::Tour => tour::tour(json),
        Verb::Watch(asked) => watch::watch(asked.read_only, json),
        Verb::Help(topic) => help(&topic, json),
        Verb::Completions(asked) => completions(asked.shell, json),
        verb => ask::ask(verb, json),
    };
    result.unwrap_or_else(|error| told(&error, json, ours))
}

/// Help and version are answers; the rest is misuse.
fn refused(error: &clap::Error, arguments: &[OsString]) -> u8 {
    use std::io::IsTerminal;
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let text = error.render();
        let coloured = std::io::stdout().is_terminal() && mode::is_coloured();
        let text = if coloured { text.ansi().to_string() } else { text.to_string() };
        return print(&text).map_or_else(|error| told(&error, false, false), |_| exit::DONE);
    }
    let options = arguments.iter().take_while(|one| *one != "--");
    told_misuse(&usage::misuse(error, arguments), options)
}

fn told_misuse<'a>(error: &Error, mut options: impl Iterator<Item = &'a OsString>) -> u8 {
    let json = options.any(|one| one == "--json");
    told(error, json, !matches!(error, Error::Usage { run: true, .. }))
}

/// Tells on stderr, and with `--json` on stdout too where that is `ours`; says how to exit.
fn told(error: &Error, json: bool, ours: bool) -> u8 {
    let text = if json && !ours { error.json() } else { error.render(errors::colour()) };
    if json && ours {
        // Whatever stdout takes, stderr says it.
        let _ = print(&error.json());
    }
    // Nobody is left to tell that stderr is closed.
    let _ = std::io::stderr().write_all(text.as_bytes());
    error.exit()
}

fn help(asked: &Help, json: bool) -> Result<u8, Error> {
    if let [code] = asked.topic.as_slice()
        && code.starts_with("E-")
    {
        return explain(code, json);
    }
    let mut command = Bastide::command();
    command.build();
    let mut found = &mut command;
    for word in &asked.topic {
        found = found.find_subcommand_mut(word).ok_or_else(|| unknown(word))?;
    }
    page(&found.render_long_help().to_string(), json)
}

fn completions(shell: clap_complete::Shell, json: bool) -> Result<u8, Error> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Bastide::command(), "bastide", &mut text);
    page(&String::from_utf8_lossy(&text), json)
}

/// The client knows its own codes; the plane knows the rest.
fn explain(code: &str, json: bool) -> Result<u8, Error> {
    if let Some(text) = errors::explain(code) {
        return page(text, json);
    }
    if code.starts_with("E-FACE-") {
        return Err(unknown(code));
    }
    ask::tell(&Request::Explain { code: code.to_owned() }, json)
}

/// A text that answers, as JSON one string.
fn page(text: &str, json: bool) -> Result<u8, Error> {
    print(&if json { show::document(text) } else { text.to_owned() })?;
    Ok(exit::DONE)
}

fn unknown(topic: &str) -> Error {
    Error::UnknownTopic { topic: words::quoted(topic.as_bytes(), words::NAME) }
}

/// Who reads our stdout.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Taken,
    /// Nobody any more, as in `| head`: that is no error.
    Left,
}

/// Writes an answer.
///
/// # Errors
/// When stdout takes no more.
pub(crate) fn print(text: &str) -> Result<Read, Error> {
    print_bytes(text.as_bytes())
}

/// The same of bytes.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<Read, Error> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(Read::Taken),
        Err(cause) if cause.kind() == std::io::ErrorKind::BrokenPipe => Ok(Read::Left),
        Err(cause) => Err(Error::Answer { cause }),
    }
}
