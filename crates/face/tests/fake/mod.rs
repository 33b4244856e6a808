#![allow(dead_code, unreachable_pub, missing_docs, clippy::zombie_processes)]
//! A plane for tests: a program that speaks the HTTP API, answers from a script, and holds no cell.
//!
//! `bastided` beside a linked `bastide` is a line of shell that runs this very test binary, in which the test
//! `fake::plane` becomes the plane. For `run` it starts the program on a pty or pipes, without any wall.

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use wire::api::{Asked, Form, Head, Telling};
use wire::command::{Order, Outcome, Reply, Request, Run, Stream};

const SCRIPT: &str = "BASTIDE_TEST_PLANE";

/// A directory with `bastide` and a fake `bastided`.
pub struct Beside {
    pub directory: tempfile::TempDir,
}

impl Beside {
    /// `script` is what the plane answers: `run`, `die-…`, or JSON replies, one a line.
    pub fn with(script: &str) -> Beside {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::Builder::new().prefix("face-").tempdir_in("/tmp").expect("directory");
        let bastide = directory.path().join("bastide");
        let built = env!("CARGO_BIN_EXE_bastide");
        std::fs::hard_link(built, &bastide).or_else(|_| std::fs::copy(built, &bastide).map(drop)).expect("bastide");
        std::fs::write(directory.path().join("script"), script).expect("script");
        let this = std::env::current_exe().expect("this program");
        let text = format!(
            "#!/bin/sh\n[ \"$1\" != daemon ] || {{ env >'{}'; exit; }}\nls -l /proc/$$/fd >'{}'\n{SCRIPT}='{}' exec '{}' --exact fake::plane --nocapture -q\n",
            directory.path().join("daemon").display(),
            directory.path().join("fds").display(),
            directory.path().join("script").display(),
            this.display()
        );
        let bastided = directory.path().join("bastided");
        std::fs::write(&bastided, text).expect("bastided");
        std::fs::set_permissions(&bastided, std::fs::Permissions::from_mode(0o755)).expect("executable");
        Beside { directory }
    }

    pub fn bastide(&self) -> PathBuf {
        self.directory.path().join("bastide")
    }

    /// What the plane was asked.
    pub fn asked(&self) -> Request {
        match understood(&self.said()).1 {
            Asked::Request(request, _) => *request,
            Asked::Version => panic!("no request"),
        }
    }

    /// The bytes with which it was asked.
    pub fn said(&self) -> Vec<u8> {
        std::fs::read(self.directory.path().join("script.asked")).expect("asked")
    }

    /// A command in an empty workspace of its own, with a known environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let work = self.directory.path().join("work");
        std::fs::create_dir_all(&work).expect("workspace");
        let mut command = Command::new(self.bastide());
        command.args(arguments).current_dir(work).stdin(Stdio::null());
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/home/nobody");
        command.env("BASTIDE_DAEMON", "off");
        command
    }
}

/// Becomes the plane where a script is named; otherwise nothing is tested here.
#[test]
fn plane() {
    if let Some(path) = std::env::var_os(SCRIPT).map(PathBuf::from) {
        answer(&path);
        std::process::exit(0);
    }
}

fn answer(path: &std::path::Path) {
    let script = std::fs::read_to_string(path).expect("script");
    if script == "die-at-once" {
        return;
    }
    let mut said = vec![0];
    let lent = first(&mut said[0]);
    let mut input = File::from(std::io::stdin().as_fd().try_clone_to_owned().expect("socket"));
    let asked = heard(&mut input, &mut said);
    std::fs::write(path.with_extension("asked"), &said).expect("asked");
    let Asked::Request(request, form) = asked else { panic!("no request") };
    let mut telling = Telling::new(form);
    if form == Form::Frames {
        rustix::io::write(std::io::stdin(), &wire::api::upgraded()).expect("said");
    }
    match (script.as_str(), *request) {
        ("die-after-request", _) => {}
        ("garbage", _) => drop(rustix::io::write(std::io::stdin(), b"\xff\xff\xff\xffx")),
        ("deaf", _) => wait_for_end(&mut input),
        ("direct", Request::Run(run)) => lend(&run, lent.try_into().expect("three descriptors"), input),
        (_, Request::Run(run)) if script.starts_with("run") || script.starts_with("die") => hold(&run, &script, input),
        _ => script.lines().for_each(|line| {
            if line == "wait" {
                return wait_for_end(&mut input);
            }
            let said = telling.say(&serde_json::from_str(line).expect("a reply")).expect("said");
            let _ = rustix::net::send(std::io::stdin(), &said, SendFlags::NOSIGNAL);
        }),
    }
}

/// The rest of the request: its head byte by byte, since orders may follow it.
fn heard(input: &mut File, said: &mut Vec<u8>) -> Asked {
    while Head::end(said).is_none() {
        let mut byte = [0];
        input.read_exact(&mut byte).expect("a head");
        said.extend(byte);
    }
    let length = Head::read(said).expect("a head").length;
    let head = said.len();
    said.resize(head + length, 0);
    input.read_exact(&mut said[head..]).expect("a body");
    understood(said).1
}

/// A request as a plane understands it.
pub fn understood(said: &[u8]) -> (Head, Asked) {
    let (head, body) = said.split_at(Head::end(said).expect("a head"));
    let head = Head::read(head).expect("understood");
    let asked = head.asks(body).expect("a request");
    (head, asked)
}

fn wait_for_end(input: &mut File) {
    let mut rest = Vec::new();
    let _ = input.read_to_end(&mut rest);
}

fn reply(reply: &Reply, descriptors: &[BorrowedFd<'_>]) {
    let frame = wire::encode(reply).expect("a frame");
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        assert!(rights.push(SendAncillaryMessage::ScmRights(descriptors)));
    }
    let bytes = [std::io::IoSlice::new(&frame)];
    let _ = rustix::net::sendmsg(std::io::stdin(), &bytes, &mut rights, SendFlags::NOSIGNAL);
}

/// The first byte of the request, and the descriptors that ride with it.
fn first(byte: &mut u8) -> Vec<OwnedFd> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [std::io::IoSliceMut::new(std::slice::from_mut(byte))];
    rustix::net::recvmsg(std::io::stdin(), &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC).expect("first byte");
    let rights = control.drain().filter_map(|part| match part {
        RecvAncillaryMessage::ScmRights(rights) => Some(rights.collect::<Vec<_>>()),
        _ => None,
    });
    rights.flatten().collect()
}

/// Starts the program on the client's own streams.
fn lend(run: &Run, lent: [OwnedFd; 3], input: File) {
    let mut command = Command::new("setsid");
    command.args(run.command.iter().map(|word| std::ffi::OsString::from_vec(word.clone())));
    let [stdin, stdout, stderr] = lent;
    command.stdin(stdin).stdout(stdout).stderr(stderr);
    watch(command, "run", input);
}

fn hold(run: &Run, script: &str, input: File) {
    let (outer, inner) = stdio(run.streams);
    let arguments: Vec<_> = run.command.iter().map(|word| std::ffi::OsString::from_vec(word.clone())).collect();
    let ours = outer.iter().map(AsFd::as_fd).collect::<Vec<_>>();
    reply(&Reply::Stdio { streams: run.streams }, &ours);
    if script == "die-after-stdio" {
        return;
    }
    drop(outer);
    let [stdin, stdout, stderr] = inner;
    let mut command = Command::new("setsid");
    // A controlling terminal where there is one.
    command.args(if run.streams[0] == Stream::Terminal { &["-c"][..] } else { &[] }).args(arguments);
    command.stdin(stdin).stdout(stdout).stderr(stderr);
    watch(command, script, input);
}

fn watch(mut command: Command, script: &str, input: File) {
    let child = command.spawn().expect("program");
    drop(command);
    let group = rustix::process::Pid::from_child(&child);
    reply(&Reply::Started { session: "s1".into() }, &[]);
    if script == "die-while-running" {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        return;
    }
    std::thread::spawn(move || orders(input, group));
    let options = rustix::process::WaitOptions::UNTRACED;
    loop {
        let Ok(Some((_, status))) = rustix::process::waitpid(Some(group), options) else { return };
        if let Some(signal) = status.stopping_signal() {
            reply(&Reply::Stopped { signal: signal as u8 }, &[]);
            continue;
        }
        let status = std::process::ExitStatus::from_raw(status.as_raw());
        let code = status.code().unwrap_or_else(|| 128 + status.signal().expect("ended"));
        let outcome = Outcome { session: "s1".into(), exit: code as u8, ..Outcome::default() };
        return reply(&Reply::Ended(Box::new(outcome)), &[]);
    }
}

fn orders(mut input: File, group: rustix::process::Pid) {
    let mut decoder = wire::Decoder::<Order>::new();
    let mut bytes = [0; 512];
    while let Ok(read @ 1..) = input.read(&mut bytes) {
        for order in decoder.push(&bytes[..read]).expect("orders") {
            let Order::Signal { number } = order else { continue };
            let signal = rustix::process::Signal::from_named_raw(i32::from(number)).expect("a signal");
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }
    // The client is gone: so is the session.
    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
}

fn stdio(streams: [Stream; 3]) -> (Vec<OwnedFd>, [OwnedFd; 3]) {
    let mut outer = Vec::new();
    let mut terminal = None;
    if streams.contains(&Stream::Terminal) {
        let (master, slave) = pty();
        outer.push(master);
        terminal = Some(slave);
    }
    let inner = [0, 1, 2].map(|index| match (streams[index], &terminal) {
        (Stream::Terminal, Some(slave)) => slave.try_clone().expect("pty"),
        _ => {
            let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("pipe");
            let (theirs, mine) = if index == 0 { (read, write) } else { (write, read) };
            outer.push(mine);
            theirs
        }
    });
    (outer, inner)
}

/// A pty: master and slave.
pub fn pty() -> (OwnedFd, OwnedFd) {
    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("openpt");
    grantpt(&master).expect("grantpt");
    unlockpt(&master).expect("unlockpt");
    let name = ptsname(&master, Vec::new()).expect("ptsname");
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    (master, rustix::fs::open(name.as_c_str(), flags, Mode::empty()).expect("slave"))
}
