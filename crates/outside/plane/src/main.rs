//! `bastided`: answers one client on descriptor 0.
//!
//! Today it is started per command and holds one session; a shared daemon will accept many clients.

use plane::channel::Client;

fn main() -> std::process::ExitCode {
    let Ok(stdin) = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3) else {
        return std::process::ExitCode::from(125);
    };
    // Nothing that is started later may hold the client's socket as its stdin.
    let nothing = std::fs::File::open("/dev/null");
    if !nothing.is_ok_and(|nothing| rustix::stdio::dup2_stdin(&nothing).is_ok()) {
        return std::process::ExitCode::from(125);
    }
    // Every path of a request is absolute, and programs that start elsewhere than here cannot be spawned without a fork.
    if rustix::process::chdir("/").is_err() {
        return std::process::ExitCode::from(125);
    }
    plane::answer::answer(&mut Client::new(stdin)).into()
}
