//! `bastide`, the operator's command.

fn main() -> std::process::ExitCode {
    face::verbs::run(std::env::args_os().collect()).into()
}
