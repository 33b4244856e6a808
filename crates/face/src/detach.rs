//! `bastide run -d` and `bastide up`: begins a session that goes on without this client.

use crate::args;
use crate::errors::Error;
use crate::plane::{self, Plane};
use crate::session::{asked, refused};
use crate::verbs::print;
use crate::waiting::Knocked;
use crate::{exit, words};
use std::io::Write;
use wire::command::{Reply, Request, Stream, Terminal};

/// Of a terminal that nobody has.
const SIZE: Terminal = Terminal { rows: 24, columns: 80 };
/// Longest name that a directory gives.
const NAME: usize = 40;

/// Begins it, and prints its name, else its id. With `up`, one of that name that runs already is told instead.
///
/// # Errors
/// When nothing was run.
pub(crate) fn begin(flags: &args::Run, up: bool, json: bool) -> Result<u8, Error> {
    if flags.outcome.is_some() {
        let cause = "`--outcome` says what a session came to, and who detaches does not wait for that".to_owned();
        return Err(Error::Usage { cause, hint: "`bastide show SESSION --json` tells it later".to_owned(), run: true });
    }
    let direct = flags.accept_risk.iter().find(|risk| risk.as_str() == "without-relayed-stdio");
    if direct.is_some() {
        let cause = "the program cannot have this terminal itself and go on without it".to_owned();
        return Err(Error::Usage { cause, hint: "leave `without-relayed-stdio` out".to_owned(), run: true });
    }
    let waiting =
        if flags.accept_risk.is_empty() { plane::beside().ok().and_then(|at| Knocked::at(&at)) } else { None };
    let mut run = asked::asked(flags)?;
    run.detached = true;
    run.streams = [Stream::Terminal; 3];
    run.terminal = run.terminal.filter(|size| size.rows > 0 && size.columns > 0).or(Some(SIZE));
    if up {
        run.unless_up = true;
        let directory = run.workspace.as_ref().unwrap_or(&run.directory);
        run.name = run.name.or_else(|| Some(named(&directory.to_string_lossy())));
    }
    for name in refused::looking_secret(&flags.env) {
        say(&format!("risk accepted: credential-inside ({})", words::line(name, 60)));
    }
    let mut plane = Plane::ask_detached(&Request::Run(Box::new(run)), waiting)?;
    loop {
        match plane.reply()? {
            Reply::Notice { text } if !json => say(&format!("bastide: {}", words::line(&text, 1000))),
            Reply::Notice { .. } => {}
            Reply::Refused(problem) => return Err(Error::Plane(problem)),
            Reply::Detached { session, name, already } => {
                let shown = if json {
                    let told = serde_json::json!({"session": session, "name": name, "already": already});
                    words::json(&told.to_string())
                } else {
                    words::line(name.as_deref().unwrap_or(&session), 64)
                };
                return print(&format!("{shown}\n")).map(|_| exit::DONE);
            }
            // It ended before its program began, and said why.
            _ => return Err(Error::Language),
        }
    }
}

/// What a session is called by its directory.
fn named(directory: &str) -> String {
    let last = directory.rsplit('/').find(|part| !part.is_empty()).unwrap_or("up");
    let plain = |one: char| if one.is_ascii_alphanumeric() || matches!(one, '.' | '_' | '-') { one } else { '-' };
    let name: String = last.chars().map(plain).take(NAME).collect();
    let name = name.trim_start_matches(['.', '_', '-']);
    if name.is_empty() { "up".to_owned() } else { name.to_owned() }
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_gives_a_name_that_a_session_may_have() {
        for (directory, name) in
            [("/w/my project", "my-project"), ("/", "up"), ("/w/.hidden/", "hidden"), ("/w/\u{e9}", "up")]
        {
            assert_eq!(named(directory), name);
        }
        assert!(crate::given::name(&named(&"x".repeat(300))).is_ok());
    }
}
