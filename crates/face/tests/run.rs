//! `bastide run` against a plane that starts the program without walls: stdio, signals, refusals, deaths.

mod fake;

use fake::Beside;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};
use wire::command::{Request, Stream};

fn output(script: &str, arguments: &[&str]) -> Output {
    Beside::with(script).command(arguments).output().expect("bastide starts")
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const NOTHING: &str = "allowed: nothing\nrefused: nothing\nchanged: nothing\n";

/// It begins with the first run that finds none, knows no variable but those that it needs, and nobody waits for it.
#[test]
fn a_run_begins_the_daemon_unless_it_may_not() {
    for (variables, begins) in [
        (&[("SECRET_OF_THE_SHELL", "x"), ("USER", "u")][..], true),
        (&[("BASTIDE_DAEMON", "off")], false),
        (&[("CI", "true")], false),
        (&[("CI", "false")], true),
    ] {
        let beside = Beside::with("run");
        let mut command = beside.command(&["run", "--", "true"]);
        command.env_remove("BASTIDE_DAEMON").envs(variables.iter().copied());
        assert_eq!(command.output().expect("starts").status.code(), Some(0));
        let file = beside.directory.path().join("daemon");
        let until = std::time::Instant::now() + std::time::Duration::from_secs(if begins { 20 } else { 0 });
        let mut told = std::fs::read_to_string(&file).unwrap_or_default();
        while !told.contains("HOME=") && std::time::Instant::now() < until {
            std::thread::sleep(std::time::Duration::from_millis(5));
            told = std::fs::read_to_string(&file).unwrap_or_default();
        }
        assert_eq!(told.contains("HOME=/home/nobody"), begins, "{variables:?}: {told}");
        assert!(!told.contains("SECRET_OF_THE_SHELL") && !told.contains("BASTIDE_DAEMON"), "{told}");
    }
    let beside = Beside::with("run");
    let mut risky = beside.command(&["run", "--accept-risk", "without-landlock", "--", "true"]);
    assert_eq!(risky.env_remove("BASTIDE_DAEMON").output().expect("starts").status.code(), Some(0));
    assert!(!beside.directory.path().join("daemon").exists(), "what is ready has every wall");
}

#[test]
fn bytes_and_exit_code_pass_and_three_lines_follow() {
    let beside = Beside::with("run");
    let mut command = beside.command(&["run", "--", "sh", "-c", "cat; echo err >&2; exit 7"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let sent: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    let (mut stdin, input) = (child.stdin.take().expect("stdin"), sent.clone());
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("ends");
    writer.join().expect("writer").expect("written");
    assert_eq!(output.stdout, sent);
    assert_eq!((output.status.code(), words(&output)), (Some(7), format!("err\n{NOTHING}")));
}

#[test]
fn without_a_terminal_files_and_dev_null_do() {
    let beside = Beside::with("run");
    let path = beside.directory.path().join("out");
    let mut command = beside.command(&["run", "--", "sh", "-c", "cat; echo done"]);
    let status = command.stdout(std::fs::File::create(&path).expect("file")).stderr(Stdio::null()).status();
    assert_eq!(status.expect("starts").code(), Some(0));
    assert_eq!(std::fs::read_to_string(path).expect("read"), "done\n");
}

#[test]
fn what_is_asked_is_absolute_and_surroundings_are_chosen() {
    let beside = Beside::with("run");
    let arguments = ["run", "--read", "r", "--write", "/w", "--env", "A=b=c", "--timeout", "2m", "--", "true", "-x"];
    let mut command = beside.command(&arguments);
    command.env("LC_ALL", "C").env("OPENAI_API_KEY", "sk-aaaaaaaaaaaa").output().expect("starts");
    let Request::Run(run) = beside.asked() else { panic!("no run") };
    let work = beside.directory.path().join("work");
    assert_eq!((&run.directory, run.read.as_slice()), (&work, &[work.join("r")][..]));
    assert_eq!((run.write.as_slice(), run.mode, run.timeout), (&["/w".into()][..], None, Some(120)));
    assert_eq!(run.environment, [("A".to_owned(), "b=c".to_owned())]);
    assert_eq!((run.streams, run.command.len()), ([Stream::Pipe; 3], 2));
    let mut names: Vec<_> = run.surroundings.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LC_ALL", "PATH"]);
}

#[test]
fn the_outcome_is_written_and_an_unwritable_one_refused_before() {
    let beside = Beside::with("run");
    let status = beside.command(&["run", "--outcome", "o.json", "--json", "--", "false"]).output().expect("starts");
    assert_eq!(status.status.code(), Some(1));
    let text = std::fs::read_to_string(beside.directory.path().join("work/o.json")).expect("written");
    assert_eq!(words(&status), text, "one JSON line on stderr, the same in the file");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["exit"], 1);
    let beside = Beside::with("run");
    let refused = beside.command(&["run", "--outcome", "no/o.json", "--", "true"]).output().expect("starts");
    assert_eq!(refused.status.code(), Some(125));
    assert!(words(&refused).starts_with("error[E-FACE-008]") && !beside.directory.path().join("script.asked").exists());
}

#[test]
fn an_outcome_without_room_is_told_and_never_passes_for_a_program_that_did_not_run() {
    for (program, code) in [("rm -r out", 1), ("rm -r out; exit 4", 4)] {
        let beside = Beside::with("run");
        let mut command = beside.command(&["run", "--outcome", "out/o.json", "--", "sh", "-c", program]);
        std::fs::create_dir(beside.directory.path().join("work/out")).expect("made");
        let output = command.output().expect("starts");
        assert_eq!(output.status.code(), Some(code), "{}", words(&output));
        assert!(words(&output).contains("error[E-FACE-008]") && words(&output).contains("changed:"));
    }
}

#[test]
fn secrets_and_whole_homes_are_refused_before_anything_is_asked() {
    for (arguments, code) in [
        (&["run", "--env", "T=ghp_0123456789abcdef", "--", "true"][..], "E-FACE-006"),
        (&["run", "--workspace", "/", "--", "true"], "E-FACE-007"),
        (&["run", "--workspace", "/home", "--", "true"], "E-FACE-007"),
    ] {
        let beside = Beside::with("run");
        let output = beside.command(arguments).output().expect("starts");
        assert!(words(&output).starts_with(&format!("error[{code}]")), "{}", words(&output));
        assert!(!words(&output).contains("0123456789"));
        assert_eq!(output.status.code(), Some(125));
        assert!(!beside.directory.path().join("script.asked").exists());
    }
    let accepted = ["run", "--accept-risk", "credential-inside", "--env", "T=ghp_0123456789abcdef", "--", "true"];
    assert_eq!(output("run", &accepted).status.code(), Some(0));
}

#[test]
fn a_plane_that_dies_at_any_point_is_said_and_never_waited_for() {
    // A program that ran was killed with its cell: 125 would say that nothing was run.
    for (script, code) in
        [("die-at-once", 125), ("die-after-request", 125), ("die-after-stdio", 125), ("die-while-running", 137)]
    {
        let output = output(script, &["run", "--", "sleep", "100"]);
        assert_eq!(output.status.code(), Some(code), "{script}");
        assert!(words(&output).contains("error[E-FACE-003]"), "{script}: {}", words(&output));
    }
    let missing = Beside::with("run");
    std::fs::remove_file(missing.directory.path().join("bastided")).expect("removed");
    let output = missing.command(&["run", "--", "true"]).output().expect("starts");
    assert!(output.status.code() == Some(125) && words(&output).starts_with("error[E-FACE-001]"));
}

#[test]
fn signals_are_forwarded_and_death_by_one_is_passed_on() {
    let beside = Beside::with("run");
    for (signal, script, code) in [
        (Signal::TERM, "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done", 3),
        (Signal::USR1, "trap 'exit 4' USR1; echo ready; while :; do sleep 0.05; done", 4),
        (Signal::INT, "echo ready; exec sleep 100", 130),
        (Signal::HUP, "echo ready; exec sleep 100", 129),
    ] {
        let mut command = beside.command(&["run", "--", "sh", "-c", script]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
        let mut ready = [0; 6];
        child.stdout.as_mut().expect("stdout").read_exact(&mut ready).expect("ready");
        kill_process(Pid::from_child(&child), signal).expect("sent");
        assert_eq!(child.wait().expect("ends").code(), Some(code), "{signal:?}");
    }
}

#[test]
fn a_second_interrupt_before_the_start_ends_at_once() {
    let beside = Beside::with("deaf");
    let mut child = beside.command(&["run", "--", "true"]).stderr(Stdio::null()).spawn().expect("starts");
    // The request stands written once the plane has it; the client watches signals from then on or soon after.
    while !beside.directory.path().join("script.asked").exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    std::thread::sleep(std::time::Duration::from_millis(100));
    for _ in 0..2 {
        let _ = kill_process(Pid::from_child(&child), Signal::INT);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(child.wait().expect("ends").code(), Some(130));
}

#[test]
fn a_reader_that_left_gives_the_program_its_sigpipe() {
    let beside = Beside::with("run");
    let mut command = beside.command(&["run", "--", "yes"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("ends").code(), Some(128 + 13));
}

/// What the plane had open, when the client was started with two more descriptors than its streams.
fn held_by_the_plane(flags: &str) -> Vec<String> {
    let beside = Beside::with("run");
    let mut command = Command::new("sh");
    let script = format!("exec 3</etc/hostname 9<&3; exec \"$0\" run {flags} --outcome o -- true");
    command.args(["-c", &script]).arg(beside.bastide());
    let known = beside.command(&[]);
    command.envs(known.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(known.get_current_dir().expect("workspace")).stdin(Stdio::null());
    assert!(command.output().expect("starts").status.success());
    let seen = std::fs::read_to_string(beside.directory.path().join("fds")).expect("listed");
    let targets = seen.lines().filter_map(|line| line.split_once(" -> ").map(|(_, target)| target.to_owned()));
    // The listing, the script and a kept stdout are the shell's own; what is left is the socket, and our stderr.
    let own = |target: &str| ["/fds", "/bastided", "/dev/null"].iter().any(|own| target.ends_with(own));
    let mut held: Vec<_> = targets.filter(|target| !own(target)).collect();
    held.sort_unstable();
    held
}

#[test]
fn the_plane_gets_no_descriptor_but_stdio() {
    let held = held_by_the_plane("");
    assert!(held.len() == 2 && held[0].starts_with("pipe:[") && held[1].starts_with("socket:["), "{held:?}");
}

#[test]
fn what_was_left_open_goes_along_where_that_was_accepted() {
    let named = |flags| held_by_the_plane(flags).iter().filter(|target| *target == "/etc/hostname").count();
    assert_eq!(named("--accept-risk without-sealed-descriptors"), 2);
    assert_eq!(named("--accept-risk without-seccomp"), 0);
}

#[test]
fn streams_that_are_not_relayed_ride_with_the_request() {
    let arguments = ["run", "--accept-risk", "without-relayed-stdio", "--", "sh", "-c", "cat; echo err >&2; exit 7"];
    let beside = Beside::with("direct");
    let path = beside.directory.path().join("out");
    std::fs::write(beside.directory.path().join("in"), "through\n").expect("written");
    let mut command = beside.command(&arguments);
    command.stdin(std::fs::File::open(beside.directory.path().join("in")).expect("opened"));
    let output = command.stdout(std::fs::File::create(&path).expect("file")).output().expect("starts");
    assert_eq!((output.status.code(), words(&output)), (Some(7), format!("err\n{NOTHING}")));
    assert_eq!(std::fs::read_to_string(path).expect("read"), "through\n");
    // Nothing rides where nothing was accepted.
    assert_ne!(Beside::with("direct").command(&["run", "--", "true"]).output().expect("starts").status.code(), Some(0));
}

#[test]
fn signals_reach_a_program_on_the_operators_own_streams() {
    let beside = Beside::with("direct");
    let script = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done";
    let mut command = beside.command(&["run", "--accept-risk", "without-relayed-stdio", "--", "sh", "-c", script]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
    let mut ready = [0; 6];
    child.stdout.as_mut().expect("stdout").read_exact(&mut ready).expect("ready");
    kill_process(Pid::from_child(&child), Signal::TERM).expect("sent");
    assert_eq!(child.wait().expect("ends").code(), Some(3));
}
