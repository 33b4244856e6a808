//! The gate's program: one lease on descriptor 0, one cell, then the end.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

/// Nothing was served.
const REFUSED: u8 = 125;

fn main() -> ExitCode {
    let Ok(channel) = std::io::stdin().as_fd().try_clone_to_owned() else { return ExitCode::from(REFUSED) };
    match gate::serve::run(UnixStream::from(channel)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bastide-gate: {failure}");
            ExitCode::from(REFUSED)
        }
    }
}
