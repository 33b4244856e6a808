//! A whole cell on the real kernel: started by root, and by an ordinary uid.

use plan::{Access, Command, Door, Ending, Frame, Identity, LayerSet, Limits, Owner, PathRule, Plan, Report};
use plan::{Stdio, Step, Stream, WindowSize};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use std::fs::File;
use std::io::{IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;

const ORDINARY: u32 = 12345;
const OWN: u32 = 1_610_612_737;

fn plan_for(privileged: bool, script: &str) -> Plan {
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
            ("/usr", Access::Execute),
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
fn report(socket: &UnixStream) -> Option<(Report, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut prefix = [0; 4];
    let got =
        rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut prefix)], &mut ancillary, RecvFlags::CMSG_CLOEXEC);
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

/// What the script printed, and how it ended.
fn run(privileged: bool, script: &str) -> (String, Report) {
    let (mut ours, theirs) = UnixStream::pair().expect("a pair");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bastide-cell"));
    // A directory that only root may read would otherwise be inherited as the working directory.
    command.stdin(OwnedFd::from(theirs)).current_dir("/");
    if !privileged {
        command.uid(ORDINARY).gid(ORDINARY);
    }
    let mut launcher = command.spawn().expect("starts");
    drop(command);
    ours.write_all(&Frame::encode(&plan_for(privileged, script)).expect("encodes")).expect("sends");
    // The launcher leaves as soon as pid 1 stands; the reports wait in the socket.
    launcher.wait().expect("the launcher");
    let (mut last, mut door) = (None, Vec::new());
    while let Some((report, descriptors)) = report(&ours) {
        match report {
            Report::Stdio => {
                let mut ends = descriptors.into_iter();
                drop(ends.next());
                let (out, error) = (ends.next().expect("stdout"), ends.next().expect("stderr"));
                let reader = std::thread::spawn(move || {
                    let mut text = String::new();
                    File::from(out).read_to_string(&mut text).expect("reads");
                    File::from(error).read_to_string(&mut text).expect("reads");
                    text
                });
                last = Some(reader);
            }
            Report::Door => door = descriptors,
            Report::Started { .. } | Report::Walls(_) => {}
            ended => {
                let output = last.map(|reader| reader.join().expect("the reader")).unwrap_or_default();
                drop(door);
                return (output, ended);
            }
        }
    }
    panic!("the cell left without a word")
}

/// Started by root, and by an ordinary user.
fn ways() -> [bool; 2] {
    [true, false]
}

#[test]
fn the_command_runs_inside_and_its_exit_code_comes_out() {
    for privileged in ways() {
        let (text, ended) =
            run(privileged, "id -u; hostname 2>/dev/null || cat /proc/sys/kernel/hostname; echo $$; exit 7");
        assert_eq!(ended, Report::Ended(Ending::Exited(7)), "{text}");
        assert_eq!(text, "1000\ncell\n2\n", "privileged: {privileged}");
    }
}

#[test]
fn the_agent_holds_no_capability_and_is_filtered() {
    for privileged in ways() {
        let (text, _) = run(privileged, "grep -E '^(CapEff|CapPrm|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status");
        let fields: Vec<_> = text.split_whitespace().collect();
        let none = "0000000000000000";
        let expected = ["CapPrm:", none, "CapEff:", none, "CapBnd:", none, "NoNewPrivs:", "1", "Seccomp:", "2"];
        assert_eq!(fields, expected, "privileged: {privileged}");
    }
}

#[test]
fn what_is_not_named_is_absent_and_what_is_named_is_read_only() {
    for privileged in ways() {
        let script = "for path in /etc /root /home /sys /work; do test -e $path && echo $path; done; touch /usr/x 2>/dev/null || echo usr-refused; \
                      test -e /etc/shadow || echo shadow-absent; echo x > /tmp/x && echo tmp-writable; \
                      ls /proc/self/fd | wc -l; kill -9 1 2>/dev/null; cat /proc/1/environ 2>/dev/null || echo pid-1-closed";
        let (text, ended) = run(privileged, script);
        let expected = "usr-refused\nshadow-absent\ntmp-writable\n4\npid-1-closed\n";
        assert_eq!(text, expected, "privileged: {privileged}");
        assert_eq!(ended, Report::Ended(Ending::Exited(0)));
    }
}

#[test]
fn a_command_that_does_not_exist_is_127() {
    for privileged in ways() {
        let (_, ended) = run(privileged, "exec /no/such/program");
        assert_eq!(ended, Report::Ended(Ending::Exited(127)));
    }
}
