//! From the flags of `bastide run` to what the plane is asked: absolute paths, chosen surroundings, streams.
//!
//! Paths are made absolute against the working directory and not resolved: the plane judges names as typed.

use crate::args;
use crate::errors::Error;
use crate::sayable::{absolute, sayable};
use std::io::IsTerminal;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use wire::command::{Run, SURROUNDINGS, Stream, Terminal};

/// How long what the policy asks waits for who runs something at a terminal.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// What the plane is asked for these flags. Refuses what a cell must not be given.
///
/// # Errors
/// A workspace that holds everything, a variable that looks like a secret, a directory that is gone.
pub fn asked(flags: &args::Run) -> Result<Run, Error> {
    let directory = working_directory()?;
    super::refused::workspace(flags.workspace.as_deref(), &directory)?;
    super::refused::secrets(&flags.env, &flags.accept_risk)?;
    program(&flags.command)?;
    let absolute = |path: &PathBuf| absolute(path, &directory);
    Ok(Run {
        command: flags.command.iter().map(|word| word.clone().into_vec()).collect(),
        policy: flags.policy.as_deref().map(|policy| named(policy, &directory)).transpose()?,
        workspace: flags.workspace.as_ref().map(absolute).transpose()?,
        mode: flags.mode.map(Into::into),
        allow: flags.allow.clone(),
        read: flags.read.iter().map(absolute).collect::<Result<_, _>>()?,
        write: flags.write.iter().map(absolute).collect::<Result<_, _>>()?,
        environment: flags.env.clone(),
        accept_risks: flags.accept_risk.clone(),
        name: flags.name.clone(),
        workdir: flags.workdir.as_ref().map(absolute).transpose()?,
        timeout: flags.timeout.map(|time| time.as_secs()),
        fresh_home: flags.fresh_home,
        patience: patience(flags),
        answers: flags.answers.as_ref().map(absolute).transpose()?,
        ..surrounded(directory)
    })
}

/// Who runs something at a terminal is there to be asked, at another one; a script is not.
fn patience(flags: &args::Run) -> Option<u32> {
    let said = flags.patience.or_else(|| std::io::stdin().is_terminal().then_some(PATIENCE));
    said.map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX))
}

/// A run that names nothing: what `doctor` measures, and what every other begins with.
#[must_use]
pub fn surrounded(directory: PathBuf) -> Run {
    let terminals = [std::io::stdin().is_terminal(), std::io::stdout().is_terminal(), std::io::stderr().is_terminal()];
    Run {
        directory,
        streams: terminals.map(|terminal| if terminal { Stream::Terminal } else { Stream::Pipe }),
        terminal: size(),
        surroundings: std::env::vars_os().filter_map(surrounding).collect(),
        ..Run::default()
    }
}

/// The working directory.
///
/// # Errors
/// When it is gone, or its name cannot be passed on.
pub fn working_directory() -> Result<PathBuf, Error> {
    let failed = |cause| Error::Host { what: "read the current directory", cause };
    sayable(std::env::current_dir().map_err(failed)?)
}

/// A policy is a file, or, where no such file is, the bare name of a blueprint or a preset with its arguments.
///
/// # Errors
/// When the name cannot be passed on.
pub fn named(policy: &Path, directory: &Path) -> Result<PathBuf, Error> {
    let file = directory.join(policy);
    let bare = policy.components().count() == 1 && policy.extension().is_none();
    let preset = policy.to_str().and_then(|text| text.split_once(':')).is_some_and(|(name, _)| !name.contains('/'));
    sayable(if (bare || preset) && !file.exists() { policy.to_owned() } else { file })
}

/// A program whose name is empty is a variable that was not set.
fn program(command: &[std::ffi::OsString]) -> Result<(), Error> {
    if !command.first().is_some_and(|program| program.is_empty()) {
        return Ok(());
    }
    let hint = "name one, as in `bastide run -- ls`, or leave `--` out too";
    Err(Error::Usage { cause: "the program's name is empty".to_owned(), hint: hint.to_owned(), run: true })
}

fn surrounding((name, value): (std::ffi::OsString, std::ffi::OsString)) -> Option<(String, String)> {
    let name = name.into_string().ok()?;
    let chosen = SURROUNDINGS.contains(&name.as_str()) || name.starts_with("LC_");
    if chosen { Some((name, value.into_string().ok()?)) } else { None }
}

fn size() -> Option<Terminal> {
    let found = [
        rustix::termios::tcgetwinsize(rustix::stdio::stdin()),
        rustix::termios::tcgetwinsize(rustix::stdio::stdout()),
        rustix::termios::tcgetwinsize(rustix::stdio::stderr()),
    ];
    let size = found.into_iter().find_map(Result::ok)?;
    Some(Terminal { rows: size.ws_row, columns: size.ws_col })
}

impl From<args::Mode> for policy::WorkspaceMode {
    fn from(mode: args::Mode) -> Self {
        match mode {
            args::Mode::Review => Self::Review,
            args::Mode::Live => Self::Live,
            args::Mode::ReadOnly => Self::ReadOnly,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn only_chosen_variables_are_told() {
        let told = |name: &str| surrounding((OsStr::new(name).to_owned(), OsStr::new("v").to_owned())).is_some();
        assert!(told("PATH") && told("LC_ALL") && told("no_proxy"));
        assert!(!told("ANTHROPIC_API_KEY") && !told("SSH_AUTH_SOCK") && !told("AWS_SECRET_ACCESS_KEY"));
    }

    #[test]
    fn a_blueprint_is_a_bare_name_without_a_file() {
        let directory = tempfile::tempdir().expect("directory");
        std::fs::write(directory.path().join("mine"), "").expect("file");
        let named = |policy: &str| named(Path::new(policy), directory.path()).expect("said");
        assert_eq!(named("hardened"), Path::new("hardened"));
        assert_eq!(named("mine"), directory.path().join("mine"));
        assert_eq!(named("./hardened"), directory.path().join("./hardened"));
        assert_eq!(named("p.yaml"), directory.path().join("p.yaml"));
        assert_eq!(named("github:acme/widget.js"), Path::new("github:acme/widget.js"));
        assert_eq!(named("./a:b/c"), directory.path().join("./a:b/c"));
        std::fs::write(directory.path().join("a:b"), "").expect("file");
        assert_eq!(named("a:b"), directory.path().join("a:b"));
    }
}
