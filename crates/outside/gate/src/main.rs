//! The gate's program: one lease on descriptor 0, one cell, then the end. Or, as `broker`, one token. `--user ID` before
//! that says whom to become, where root starts it.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

/// Nothing was served.
const REFUSED: u8 = 125;

fn main() -> ExitCode {
    // It is executed by a descriptor, whose number would be its name.
    let _ = rustix::thread::set_name(c"bastide-gate");
    let words: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    match run(&words.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bastide-gate: {failure}");
            ExitCode::from(REFUSED)
        }
    }
}

fn run(words: &[&str]) -> Result<(), String> {
    let words = match words {
        ["--user", id, rest @ ..] => {
            let id = id.parse().map_err(|_| format!("`{id}` is no number of a user"))?;
            gate::user::become_user(id).map_err(|error| error.to_string())?;
            rest
        }
        all => all,
    };
    let channel = std::io::stdin().as_fd().try_clone_to_owned().map_err(|error| error.to_string())?;
    let channel = UnixStream::from(channel);
    match words {
        [] => gate::serve::run(channel).map_err(|failure| failure.to_string()),
        ["broker"] => gate::broker::run(channel).map_err(|failure| failure.to_string()),
        _ => Err("the only words are `--user ID` and `broker`".into()),
    }
}
