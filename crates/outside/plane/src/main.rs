//! `bastided`: answers one client on descriptor 0, or as `bastided wait` the next one that comes ([`plane::waiting`]). As
//! `bastided daemon` it stands in front of sessions until nobody needs that ([`plane::daemon`]).

use plane::channel::Client;
use plane::waiting;

/// Nothing was run.
const FAILED: u8 = 125;

fn main() -> std::process::ExitCode {
    // What is made for the operator is at least his own.
    let mask = rustix::process::umask(rustix::fs::Mode::empty());
    rustix::process::umask(mask.difference(rustix::fs::Mode::RWXU));
    // Every path of a request is absolute, and programs that start elsewhere than here cannot be spawned without a fork.
    if rustix::process::chdir("/").is_err() {
        return FAILED.into();
    }
    match std::env::args_os().nth(1) {
        None => answer_one(),
        Some(verb) if verb == "wait" => waiting::wait(),
        Some(verb) if verb == "daemon" => plane::daemon::serve_alone(),
        Some(_) => FAILED,
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
