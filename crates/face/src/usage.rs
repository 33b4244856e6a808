//! Misuse in the shape of every other error: what is wrong in one line, and what to write instead.
//!
//! Values of variables are never repeated: they may be secrets.

use crate::errors::Error;
use crate::words;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;

/// The most characters that are told of what a value should be.
const CAUSE: usize = 400;
/// Arguments whose values may be secrets: those of variables, and what was given as a secret's name.
const SECRET: [&str; 2] = ["--env <K=V>", "<NAME>"];

/// What `error` says of the command line `arguments`, the program's name included.
#[must_use]
pub fn misuse(error: &clap::Error, arguments: &[OsString]) -> Error {
    let verb = verb(arguments);
    let run = verb.as_deref() == Some("run");
    let text = error.render().to_string();
    let (mut cause, tip) = (paragraph(&text), tip(&text));
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        cause = "a verb is missing".to_owned();
    }
    if verb.as_deref() == Some("vault") && error.kind() == ErrorKind::UnknownArgument {
        return value_as_argument();
    }
    if error.kind() == ErrorKind::ValueValidation {
        cause = refused_value(error).unwrap_or(cause);
    }
    let program = if run && error.kind() == ErrorKind::UnknownArgument { program(error, arguments) } else { None };
    let hint = program.or_else(|| behind(error, arguments)).or(tip).unwrap_or_else(|| overview(arguments));
    Error::Usage { cause, hint, run }
}

/// What `vault` does not know may be a secret's value, and is not repeated.
fn value_as_argument() -> Error {
    Error::Usage {
        cause: "`vault` was given a word or an option too many; a value is never an argument, where every user of this \
                host can read it"
            .to_owned(),
        hint: "`bastide vault set NAME --to HOST < FILE`, or type it when asked; if it was the value, replace it where it \
               was issued: your shell's history may hold it"
            .to_owned(),
        run: false,
    }
}

/// The first word that is no option.
fn verb(arguments: &[OsString]) -> Option<String> {
    let verb = arguments.iter().skip(1).find(|one| !one.as_encoded_bytes().starts_with(b"-"));
    verb.and_then(|verb| verb.to_str()).map(ToOwned::to_owned)
}

/// The first paragraph, as one line and without the label.
fn paragraph(text: &str) -> String {
    let lines: Vec<&str> = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    let joined = lines.join(" ");
    words::line(joined.strip_prefix("error: ").unwrap_or(&joined), CAUSE)
}

fn tip(text: &str) -> Option<String> {
    let tip = text.lines().find_map(|line| line.trim().strip_prefix("tip: "))?;
    Some(words::line(tip, CAUSE))
}

/// Which value of what is refused, and why.
fn refused_value(error: &clap::Error) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let argument = text(ContextKind::InvalidArg)?;
    let why = std::error::Error::source(error)?.to_string();
    let value = text(ContextKind::InvalidValue).filter(|_| !SECRET.contains(&argument));
    let value = value.map(|value| format!(" {}", words::quoted(value.as_bytes(), words::NAME))).unwrap_or_default();
    Some(format!("`{}`{value}: {}", words::line(argument, 60), words::line(&why, CAUSE)))
}

/// A program without `--` before it. The options are left out of the hint: a value could be a secret.
fn program(error: &clap::Error, arguments: &[OsString]) -> Option<String> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return None };
    if word.starts_with('-') {
        return None;
    }
    let at = arguments.iter().position(|one| one.to_str() == Some(word))?;
    let between = if at > 2 { " …" } else { "" };
    let after = if at + 1 < arguments.len() { " …" } else { "" };
    Some(format!("put `--` before the program: `bastide run{between} -- {}{after}`", words::line(word, 60)))
}

/// The word before is an option, whose value may be meant, and not a word behind `--`. The value is left out: it could be a secret.
fn behind(error: &clap::Error, arguments: &[OsString]) -> Option<String> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return None };
    let at = arguments.iter().position(|one| one.to_str().is_some_and(|one| one.starts_with('-') && one == word))?;
    let option =
        arguments.get(at.checked_sub(1)?)?.to_str().filter(|option| option.starts_with("--") && option.len() > 2)?;
    let usual = !option.contains('=') && error.kind() == ErrorKind::UnknownArgument;
    usual.then(|| format!("a value that begins with `-` stands behind `=`: `{}=…`", words::line(option, 60)))
}

/// Where the options of the innermost verb are listed. No word but a verb's own name is repeated.
fn overview(arguments: &[OsString]) -> String {
    use clap::CommandFactory;
    let (mut command, mut verbs) = (crate::args::Bastide::command(), String::new());
    for word in arguments.iter().skip(1).filter_map(|word| word.to_str()).filter(|word| !word.starts_with('-')) {
        let Some(found) = command.find_subcommand(word).cloned() else { break };
        verbs += &format!(" {}", found.get_name());
        command = found;
    }
    let what = if command.has_subcommands() { "verbs" } else { "options" };
    let whose = if verbs.is_empty() { "the" } else { "its" };
    format!("`bastide{verbs} --help` lists {whose} {what}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn told(line: &[&str]) -> String {
        let arguments: Vec<OsString> = std::iter::once(&"bastide").chain(line).map(OsString::from).collect();
        let error = crate::args::Bastide::try_parse_from(&arguments).expect_err("misuse");
        misuse(&error, &arguments).render(false)
    }

    #[test]
    fn each_misuse_says_what_to_write() {
        for (line, cause, hint) in [
            (
                &["run", "true"][..],
                "unexpected argument 'true' found",
                "put `--` before the program: `bastide run -- true`",
            ),
            (&["run", "--fresh-home", "ls", "x"], "'ls'", "`bastide run … -- ls …`"),
            (&["run", "--workspac", "x"], "'--workspac'", "'--workspace'"),
            (&["run", "--timeout", "-1"], "`--timeout <T>` '-1': expected a positive", "`bastide run --help`"),
            (&["run", "--allow", "http://x"], "a host, not a URL: `x`", "`bastide run --help`"),
            (&["run", "--name", ""], "`--name <N>` '': ", "`bastide run --help`"),
            (&["run", "--name", "-x", "--", "true"], "'-x'", "`--name=…`"),
            (&["run", "--mode", "x"], "invalid value 'x'", "`bastide run --help`"),
            (&["dif"], "unrecognized subcommand 'dif'", "'diff'"),
            (&[], "a verb is missing", "`bastide --help`"),
            (&["trust"], "<FILE>", "`bastide trust --help`"),
            (&["vault", "set", "github"], "--to <HOST[:PORT]>", "`bastide vault set --help` lists its options"),
            (&["policy", "import"], "<FILE>", "`bastide policy import --help` lists its options"),
            (&["--json", "log", "prune"], "--before <DATE>", "`bastide log prune --help` lists its options"),
            (
                &["log", "prune", "--before", "x"],
                "expected a day such as",
                "`bastide log prune --help` lists its options",
            ),
            (&["declassify", "--home"], "--all", "`bastide declassify --help` lists its options"),
            (&["declassify", "--all", "a.md"], "cannot be used with", "`bastide declassify --help` lists its options"),
        ] {
            let (told, told_line) = (told(line), told(line).replace("\n  ", " "));
            assert!(told.starts_with("error[E-FACE-010]: "), "{told}");
            let (first, second) = told_line.split_once("\nhint: ").expect("a hint");
            assert!(first.contains(cause) && second.contains(hint), "{line:?}: {told}");
        }
    }

    #[test]
    fn what_may_be_a_secrets_value_is_not_repeated() {
        for line in [
            &["vault", "set", "github", "ghp_012345"][..],
            &["vault", "set", "github", "--to", "a.example", "ghp_012345"],
            &["vault", "set", "github", "--value=ghp_012345", "--to", "a.example"],
            &["vault", "set", "github", "--ghp_012345"],
            &["vault", "rm", "github", "ghp_012345"],
            &["vault", "list", "ghp_012345"],
        ] {
            let told = told(line).replace("\n  ", " ");
            assert!(
                told.contains("never an argument") && told.contains("< FILE`") && !told.contains("ghp_0"),
                "{told}"
            );
        }
        for line in [&["vault", "set", "GHP_012345", "--to", "a.example"][..], &["vault", "rm", "GHP_012345"]] {
            let told = told(line);
            assert!(told.contains("`<NAME>`: expected at most 64") && !told.contains("GHP_0"), "{told}");
        }
    }

    #[test]
    fn a_variable_is_not_repeated() {
        for line in
            [&["run", "--env", "MY KEY=sk-012345"][..], &["run", "--env", "sk-012345"], &["run", "--env=sk-012345"]]
        {
            let told = told(line);
            assert!(told.contains("`--env <K=V>`: ") && !told.contains("sk-0"), "{told}");
        }
    }
}
