//! `bastided`: answers one client on descriptor 0, or as `bastided wait` the next one that comes ([`plane::waiting`]). As
//! `bastided daemon` it stands in front of sessions until nobody needs that ([`plane::daemon`]), and as `bastided answer` it
//! answers one who came there; as `bastided beneath` it answers the plane of a session, for which it holds another one.

use plane::channel::{Client, Origin};
use plane::{answer, daemon, waiting};

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
        None => answer_one(false, answer::answer),
        Some(verb) if verb == daemon::ANSWER => answer_one(true, answer::answer),
        Some(verb) if verb == answer::BENEATH => answer_one(false, answer::answer_for_a_session),
        Some(verb) if verb == "wait" => waiting::wait(),
        Some(verb) if verb == "daemon" => daemon::serve_alone(),
        Some(_) => FAILED,
    }
    .into()
}

/// Who came by the daemon has his place there at descriptor 1.
fn answer_one(by_daemon: bool, answer: fn(&mut Client) -> u8) -> u8 {
    let taken = |fd| rustix::io::fcntl_dupfd_cloexec(fd, 3);
    let Ok(stdin) = taken(rustix::stdio::stdin()) else { return FAILED };
    // Nothing that is started later may hold the client's socket as its stdin, or the place as its stdout.
    let Ok(nothing) = std::fs::File::options().read(true).write(true).open("/dev/null") else { return FAILED };
    if rustix::stdio::dup2_stdin(&nothing).is_err() {
        return FAILED;
    }
    let origin = if by_daemon {
        let Ok(place) = taken(rustix::stdio::stdout()) else { return FAILED };
        if rustix::stdio::dup2_stdout(&nothing).is_err() {
            return FAILED;
        }
        Origin::Daemon(place)
    } else {
        Origin::Ours
    };
    answer(&mut Client::of(stdin, origin))
}
