//! A real cell and a real gate: a program inside reaches what the policy names, is known, and is refused the rest.
//! Needs `bastide-cell` beside the gate: `cargo build -p bastide-cell`.
#![allow(clippy::unwrap_used)]

mod fake;

use std::fs::File;
use std::io::{IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;

use fake::{Cell, ORDINARY, lease};
use plan::{Access, Command, Door, Frame, Identity, LayerSet, Limits, Owner, PathRule, Plan, Report};
use plan::{Stdio, Step, Stream, WindowSize};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};

/// The host's uid of a cell that root starts.
const OWN: u32 = 1_610_612_738;

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
    let resolver =
        Step::File { at: "/etc/resolv.conf".into(), content: b"nameserver 198.18.0.1\n".to_vec(), mode: 0o444 };
    let tmp = Step::Tmpfs { at: "/tmp".into(), bytes: 1 << 20, inodes: 64, mode: 0o1777 };
    let access = [("/usr", Access::Execute), ("/etc", Access::Read), ("/proc", Access::Read), ("/dev", Access::Device)];
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
            resolver,
            bind("/dev/null"),
            Step::Proc,
            tmp,
        ],
        landlock: access.map(|(at, access)| PathRule { at: at.into(), access }).to_vec(),
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

/// The next report and its descriptors.
fn report(socket: &UnixStream) -> (Report, Vec<OwnedFd>) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut prefix = [0; 4];
    let mut slices = [IoSliceMut::new(&mut prefix)];
    let got = rustix::net::recvmsg(socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC).unwrap();
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

/// What the script printed in a cell behind a gate with these rules, and the record.
fn run(privileged: bool, rules: &[&str], script: &str) -> (String, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_bastide-gate")).with_file_name("bastide-cell");
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut command = std::process::Command::new(program);
    command.stdin(OwnedFd::from(theirs)).current_dir("/").env_clear();
    if !privileged {
        command.uid(ORDINARY).gid(ORDINARY);
    }
    let mut launcher = command.spawn().expect("bastide-cell beside bastide-gate");
    drop(command);
    ours.write_all(&Frame::encode(&plan_for(privileged, script)).unwrap()).unwrap();
    launcher.wait().unwrap();
    let (mut output, mut cell, mut gate) = (None, Cell::empty(), None);
    loop {
        match report(&ours) {
            (Report::Stdio, descriptors) => {
                let out = descriptors.into_iter().nth(1).unwrap();
                output = Some(std::thread::spawn(move || {
                    let mut text = String::new();
                    File::from(out).read_to_string(&mut text).map(|_| text)
                }));
            }
            (Report::Door, descriptors) => {
                cell.door = descriptors;
                gate = Some(cell.start(&lease(rules), if privileged { 0 } else { ORDINARY }));
            }
            (Report::Ended(_), _) => break,
            (Report::Failed(failure), _) => panic!("{failure:?}"),
            _ => {}
        }
    }
    assert_eq!(gate.unwrap().ready().end(), Some(0));
    (output.unwrap().join().unwrap().unwrap(), cell.record())
}

#[test]
fn a_program_in_a_cell_is_known_and_held_to_the_policy() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n");
        }
    });
    let script = format!(
        "curl -s -m 20 http://web.example:{port}/; curl -s -m 20 -x http://proxy.bastide:3128 http://web.example:{port}/; \
         curl -s -m 20 -p -x http://proxy.bastide:3128 http://web.example:{port}/; \
         curl -s -m 20 http://other.example/; echo $?; curl -s -m 20 http://169.254.169.254/; echo $?"
    );
    for privileged in [true, false] {
        let rules = [format!("web.example:{port}"), format!("127.0.0.1:{port}")];
        let (text, record) = run(privileged, &rules.each_ref().map(String::as_str), &script);
        let (first, rest) = text.split_at("hello\nhello\nhello\n".len());
        assert_eq!(first, "hello\nhello\nhello\n", "privileged: {privileged}: {record}");
        // No such host; and either refused at connecting or reset right after.
        assert!(["6\n7\n", "6\n56\n"].contains(&rest), "privileged: {privileged}: {rest}");
        let known = record.matches("\"program\":[\"/usr/bin/curl\"").count();
        assert_eq!(known, 4, "privileged: {privileged}: {record}");
        let (exec, connect) = (record.find("\"exec\""), record.find("\"connect\""));
        assert!(exec.is_some() && exec < connect, "privileged: {privileged}: {record}");
    }
}
