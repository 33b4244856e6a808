//! The walls: starts one cell as its plan says, and becomes its pid 1. As `bastide-cell probe` inside a cell it
//! tries the walls as an agent would; as `bastide-cell enter` it
//! goes into a cell that stands.

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
mod shares;
mod stdio;
mod wipe;

#[global_allocator]
static MEMORY: wipe::Forgetting = wipe::Forgetting;

fn main() -> std::process::ExitCode {
    match std::env::args_os().nth(1) {
        Some(verb) if verb == "probe" => probe::run(),
        Some(verb) if verb == "enter" => init::enter(),
        _ => launch::run(),
    }
    .into()
}
