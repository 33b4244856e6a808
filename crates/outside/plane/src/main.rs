//! `bastided`: answers one client on descriptor 0. `bastided wait` and `bastided keep` answer the next ones, see
//! [`plane::waiting`].

use std::ffi::OsString;
use std::path::PathBuf;

use plane::channel::Client;
use plane::waiting;

/// Nothing was run.
const FAILED: u8 = 125;

fn main() -> std::process::ExitCode {
    // Every path of a request is absolute, and programs that start elsewhere than here cannot be spawned without a fork.
    if rustix::process::chdir("/").is_err() {
        return FAILED.into();
    }
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    match words.iter().map(|word| word.to_str()).collect::<Vec<_>>()[..] {
        [] => answer_one(),
        [Some("wait")] => waiting::wait(),
        [Some("keep"), _] => waiting::keep(&PathBuf::from(&words[1])),
        _ => FAILED,
    }
    .into()
}

fn answer_one() -> u8 {
    let Ok(stdin) = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3) else { return FAILED };
    // Nothing that is started later may hold the client's socket as its stdin.
    let nothing = std::fs::File::open("/dev/null");
    if !nothing.is_ok_and(|nothing| rustix::stdio::dup2_stdin(&nothing).is_ok()) {
        return FAILED;
    }
    plane::answer::answer(&mut Client::new(stdin), None)
}
