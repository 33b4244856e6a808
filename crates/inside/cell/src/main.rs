//! The walls: starts one cell as its plan says, and becomes its pid 1. As `bastide-cell probe` inside a cell it
//! tries the walls as an agent would.

mod channel;
mod confine;
mod init;
mod launch;
mod measure;
mod namespaces;
mod net;
mod owner;
mod probe;
mod root;
mod seccomp;
mod stdio;
mod wipe;

#[global_allocator]
static MEMORY: wipe::Forgetting = wipe::Forgetting;

fn main() -> std::process::ExitCode {
    if std::env::args_os().nth(1).is_some_and(|verb| verb == "probe") {
        return probe::run().into();
    }
    launch::run().into()
}
