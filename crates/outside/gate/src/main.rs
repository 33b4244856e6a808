//! The gate's program: one lease on descriptor 0, one cell, then the end. Or, as `broker`, one token.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

/// Nothing was served.
const REFUSED: u8 = 125;

fn main() -> ExitCode {
    let Ok(channel) = std::io::stdin().as_fd().try_clone_to_owned() else { return ExitCode::from(REFUSED) };
    let channel = UnixStream::from(channel);
    let done = match std::env::args_os().nth(1) {
        None => gate::serve::run(channel).map_err(|failure| failure.to_string()),
        Some(word) if word == "broker" => gate::broker::run(channel).map_err(|failure| failure.to_string()),
        Some(_) => Err("the only word is `broker`".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bastide-gate: {failure}");
            ExitCode::from(REFUSED)
        }
    }
}
