//! Starts whole cells for the tests, the gate's too: what the plane does, without its judgement.

#![allow(dead_code, missing_docs, reason = "each test file uses its part")]

use plan::{Access, Command, Door, Frame, Identity, LayerSet, Limits, Measured, Order, Owner, PathRule, Plan, Report};
use plan::{Stdio, Step, Stream, WindowSize};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Child;

pub const ORDINARY: u32 = 12345;
pub const OWN: u32 = 1_610_612_737;

/// A plan that runs a script of sh with the system's programs.
pub fn plan_for(privileged: bool, script: &str) -> Plan {
    let host = if privileged { OWN } else { ORDINARY };
    let bind = |at: &str| Step::Bind {
        source: at.into(),
        at: at.into(),
        writable: false,
        executable: true,
        devices: at.starts_with("/dev/"),
        owner: Owner::Everybody,
    };
    let link = |at: &str| Step::Symlink { at: at.into(), target: format!("usr{at}") };
    Plan {
        version: plan::VERSION,
        identity: Identity {
            inside_uid: 1000,
            inside_gid: 1000,
            host_uid: host,
            host_gid: host,
            privileged,
            hostname: "cell".into(),
        },
        without: LayerSet::default(),
        root: vec![
            bind("/usr"),
            link("/bin"),
            link("/lib"),
            link("/lib64"),
            bind("/dev/null"),
            Step::Terminals { max: 16 },
            Step::Proc,
            Step::Tmpfs { at: "/tmp".into(), bytes: 1 << 20, inodes: 64, mode: 0o1777 },
        ],
        landlock: [
            ("/usr", Access::System),
            ("/proc", Access::Read),
            ("/dev", Access::Device),
            ("/tmp", Access::Write),
        ]
        .map(|(at, access)| PathRule { at: at.into(), access })
        .to_vec(),
        door: Door { tcp_port: 61001, dns_port: 61053 },
        stdio: Stdio { streams: [Stream::Pipe; 3], size: WindowSize::default() },
        limits: Limits::default(),
        command: Command {
            program: "/usr/bin/sh".into(),
            arguments: ["sh", "-c", script].map(|text| text.as_bytes().to_vec()).to_vec(),
            environment: vec![b"PATH=/usr/bin".to_vec()],
            directory: "/tmp".into(),
        },
    }
}

/// Reads one report with the descriptors that ride on it.
pub fn report(socket: &UnixStream) -> Option<(Report, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut prefix = [0; 4];
    // With a time-out on the socket the kernel does not restart a call by itself.
    let got = rustix::io::retry_on_intr(|| {
        rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut prefix)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
    });
    if got.expect("receives").bytes == 0 {
        return None;
    }
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    let mut body = vec![0; Frame::length(prefix).expect("a length")];
    (&*socket).read_exact(&mut body).expect("a body");
    Some((Frame::decode(&body).expect("a report"), descriptors))
}

/// A cell that was started, as the plane sees it.
pub struct Cell {
    pub socket: UnixStream,
    pub launcher: u32,
    /// Outer ends of stdio.
    pub stdio: Vec<OwnedFd>,
    pub door: Vec<OwnedFd>,
    pub walls: Vec<Measured>,
}

/// Starts a launcher that is told nothing yet.
pub fn spawn(privileged: bool) -> (Child, UnixStream) {
    spawn_by(&[], privileged)
}

/// The same by a program that executes what it is given, with arguments of its own.
pub fn spawn_by(by: &[&str], privileged: bool) -> (Child, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    ours.set_read_timeout(Some(std::time::Duration::from_secs(60))).expect("a bound");
    let beside = option_env!("CARGO_BIN_EXE_bastide-cell").or(option_env!("CARGO_BIN_EXE_bastide-gate"));
    let program = Path::new(beside.expect("a test of the cell or of the gate")).with_file_name("bastide-cell");
    let mut words = by.iter().map(Path::new).chain([program.as_path()]);
    let mut command = std::process::Command::new(words.next().expect("a program"));
    command.args(words.map(Path::as_os_str));
    // A directory that only root may read would otherwise be inherited as the working directory.
    command.stdin(OwnedFd::from(theirs)).current_dir("/").env_clear().env("PATH", "/usr/bin:/bin");
    if !privileged {
        command.uid(ORDINARY).gid(ORDINARY);
    }
    (command.spawn().expect("bastide-cell where it was built"), ours)
}

/// Starts a launcher and tells it the whole plan.
pub fn launch(plan: &Plan, passed: &[OwnedFd]) -> (Child, UnixStream) {
    launch_by(&[], plan, passed)
}

fn launch_by(by: &[&str], plan: &Plan, passed: &[OwnedFd]) -> (Child, UnixStream) {
    let (launcher, ours) = spawn_by(by, plan.identity.privileged);
    // A plan of another version is refused at its foundation, whose end the second frame does not outlive.
    send(&ours, &Frame::encode(&plan.foundation()).expect("encodes"), &[]);
    let begin = Frame::encode(&Order::Begin).expect("encodes");
    send(&ours, &[Frame::encode(plan).expect("encodes"), begin].concat(), passed);
    (launcher, ours)
}

/// Starts a cell up to `Report::Started`, or tells what came instead.
pub fn start(plan: &Plan, passed: &[OwnedFd]) -> Result<Cell, Report> {
    start_by(&[], plan, passed)
}

/// The same by a program that executes what it is given.
pub fn start_by(by: &[&str], plan: &Plan, passed: &[OwnedFd]) -> Result<Cell, Report> {
    let (mut launcher, ours) = launch_by(by, plan, passed);
    launcher.wait().expect("the launcher");
    let mut cell =
        Cell { socket: ours, launcher: launcher.id(), stdio: Vec::new(), door: Vec::new(), walls: Vec::new() };
    loop {
        let (said, descriptors) = report(&cell.socket).expect("the cell left without a word");
        match said {
            Report::Stdio => cell.stdio = descriptors,
            Report::Door => cell.door = descriptors,
            Report::Born { .. } => {}
            Report::Walls(walls) => cell.walls = walls,
            Report::Started { .. } => return Ok(cell),
            other => return Err(other),
        }
    }
}

fn send(socket: &UnixStream, bytes: &[u8], passed: &[OwnedFd]) {
    let borrowed: Vec<_> = passed.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !borrowed.is_empty() {
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&borrowed)));
    }
    let sent = rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::empty());
    (&*socket).write_all(&bytes[sent.expect("sends")..]).expect("sends");
}

impl Cell {
    pub fn order(&self, order: Order) {
        (&self.socket).write_all(&Frame::encode(&order).expect("encodes")).expect("sends");
    }

    /// The next report but the launcher's, which comes beside pid 1's.
    pub fn next(&self) -> Report {
        loop {
            match report(&self.socket).expect("the cell left without a word").0 {
                Report::Born { .. } => {}
                other => return other,
            }
        }
    }

    /// Everything that the agent wrote, and how it ended. For a cell with three pipes.
    pub fn finish(mut self) -> (String, Report) {
        let mut ends = std::mem::take(&mut self.stdio).into_iter();
        drop(ends.next());
        let readers: Vec<_> = ends
            .map(|end| {
                std::thread::spawn(move || {
                    let mut bytes = Vec::new();
                    let _ = File::from(end).read_to_end(&mut bytes);
                    String::from_utf8_lossy(&bytes).into_owned()
                })
            })
            .collect();
        let ended = self.next();
        (readers.into_iter().map(|reader| reader.join().expect("reads")).collect(), ended)
    }

    /// Pid 1 on the host: the child of this process that the launcher left behind.
    pub fn pid_1(&self) -> u32 {
        children().into_iter().find(|pid| holds_socket(*pid, inode(&self.socket))).expect("pid 1")
    }
}

/// Children of any thread of this process.
pub fn children() -> Vec<u32> {
    let mut all = Vec::new();
    for task in std::fs::read_dir("/proc/self/task").expect("threads") {
        let path = task.expect("a thread").path().join("children");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        all.extend(text.split_whitespace().filter_map(|word| word.parse::<u32>().ok()));
    }
    all
}

/// The number of our end of a socket pair.
pub fn inode(socket: &UnixStream) -> u64 {
    rustix::fs::fstat(socket).expect("own socket").st_ino
}

/// Whether the process's descriptor 0 is the other end of our socket: unix sockets are numbered in pairs.
pub fn holds_socket(pid: u32, ours: u64) -> bool {
    let theirs = std::fs::metadata(format!("/proc/{pid}/fd/0")).map(|of| std::os::unix::fs::MetadataExt::ino(&of));
    theirs.is_ok_and(|theirs| theirs == ours + 1 || theirs + 1 == ours)
}

/// What the script printed, and how it ended.
pub fn run(privileged: bool, script: &str) -> (String, Report) {
    run_plan(&plan_for(privileged, script))
}

/// The same of a whole plan.
pub fn run_plan(plan: &Plan) -> (String, Report) {
    match start(plan, &[]) {
        Ok(cell) => cell.finish(),
        Err(other) => (String::new(), other),
    }
}

/// Started by root, and by an ordinary user.
pub fn ways() -> [bool; 2] {
    [true, false]
}
