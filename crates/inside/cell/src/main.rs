//! The walls: starts one cell as its plan says, and becomes its pid 1.

mod channel;
mod confine;
mod init;
mod launch;
mod namespaces;
mod net;
mod root;
#[allow(dead_code)] // The watcher's half is not wired yet.
mod seccomp;
mod stdio;

fn main() -> std::process::ExitCode {
    launch::run().into()
}
