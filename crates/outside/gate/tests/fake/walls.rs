//! A real cell: `bastide-cell` beside the gate, told a plan by the test.

use std::fs::File;
use std::io::{IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;

use plan::{Access, Command, Door, Frame, Identity, LayerSet, Limits, Owner, PathRule, Plan, Report};
use plan::{Stdio, Step, Stream, WindowSize};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};

use super::ORDINARY;

/// The host's uid of a cell that root starts.
const OWN: u32 = 1_610_612_738;

/// A running cell.
pub struct Walls {
    control: UnixStream,
    /// In the order of `plan::Report::Door`.
    pub door: Vec<OwnedFd>,
    /// The command's own.
    pub stdin: File,
    pub stdout: File,
    _stderr: File,
}

impl Walls {
    /// Starts a command in a cell of root's or of an ordinary user's; `bound` comes in at `/bound`.
    pub fn start(privileged: bool, bound: Option<&Path>, words: &[&str]) -> Walls {
        let program = Path::new(env!("CARGO_BIN_EXE_bastide-gate")).with_file_name("bastide-cell");
        let (mut control, theirs) = UnixStream::pair().unwrap();
        control.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut command = std::process::Command::new(program);
        command.stdin(OwnedFd::from(theirs)).current_dir("/").env_clear();
        if !privileged {
            command.uid(ORDINARY).gid(ORDINARY);
        }
        let mut launcher = command.spawn().expect("bastide-cell beside bastide-gate");
        drop(command);
        let plan = plan_for(privileged, bound, words);
        control.write_all(&Frame::encode(&plan.foundation()).unwrap()).unwrap();
        control.write_all(&Frame::encode(&plan).unwrap()).unwrap();
        launcher.wait().unwrap();
        let (mut stdio, mut door) = (Vec::new(), Vec::new());
        while stdio.is_empty() || door.is_empty() {
            match report(&control) {
                (Report::Stdio, descriptors) => stdio = descriptors,
                (Report::Door, descriptors) => door = descriptors,
                (Report::Failed(failure), _) => panic!("{failure:?}"),
                _ => {}
            }
        }
        let [stdin, stdout, _stderr]: [OwnedFd; 3] = stdio.try_into().unwrap();
        Walls { control, door, stdin: stdin.into(), stdout: stdout.into(), _stderr: _stderr.into() }
    }

    /// Waits until the command ended and gives what it printed.
    pub fn output(mut self) -> String {
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).unwrap();
        loop {
            match report(&self.control) {
                (Report::Ended(_), _) => return text,
                (Report::Failed(failure), _) => panic!("{failure:?}"),
                _ => {}
            }
        }
    }
}

fn plan_for(privileged: bool, bound: Option<&Path>, words: &[&str]) -> Plan {
    let host = if privileged { OWN } else { ORDINARY };
    let bind = |source: &str, at: &str| Step::Bind {
        source: source.into(),
        at: at.into(),
        writable: false,
        executable: true,
        devices: at.starts_with("/dev/"),
        owner: Owner::Everybody,
    };
    let link = |at: &str| Step::Symlink { at: at.into(), target: format!("usr{at}") };
    let resolver =
        Step::File { at: "/etc/resolv.conf".into(), content: b"nameserver 198.18.0.1\n".to_vec(), mode: 0o444 };
    let tmp = Step::Tmpfs { at: "/tmp".into(), bytes: 1 << 20, inodes: 64, mode: 0o1777 };
    let mut access =
        vec![("/usr", Access::Execute), ("/etc", Access::Read), ("/proc", Access::Read), ("/dev", Access::Device)];
    let mut root = vec![
        bind("/usr", "/usr"),
        link("/bin"),
        link("/lib"),
        link("/lib64"),
        resolver,
        bind("/dev/null", "/dev/null"),
        Step::Proc,
        tmp,
    ];
    if let Some(bound) = bound {
        root.push(bind(bound.to_str().unwrap(), "/bound"));
        access.push(("/bound", Access::Execute));
    }
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
        root,
        landlock: access.into_iter().map(|(at, access)| PathRule { at: at.into(), access }).collect(),
        door: Door { tcp_port: 61001, dns_port: 61053 },
        stdio: Stdio { streams: [Stream::Pipe; 3], size: WindowSize::default() },
        limits: Limits::default(),
        command: Command {
            program: words[0].into(),
            arguments: words.iter().map(|word| word.as_bytes().to_vec()).collect(),
            environment: vec![b"PATH=/usr/bin".to_vec()],
            directory: "/tmp".into(),
        },
    }
}

/// The next report and its descriptors.
fn report(socket: &UnixStream) -> (Report, Vec<OwnedFd>) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut prefix = [0; 4];
    let mut slices = [IoSliceMut::new(&mut prefix)];
    let read = || rustix::net::recvmsg(socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC);
    let got = rustix::io::retry_on_intr(read).unwrap();
    assert_eq!(got.bytes, 4, "the cell left without a word");
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    let mut body = vec![0; Frame::length(prefix).unwrap()];
    (&*socket).read_exact(&mut body).unwrap();
    (Frame::decode(&body).unwrap(), descriptors)
}
