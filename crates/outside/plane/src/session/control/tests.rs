use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;

use policy::Policy;
use wire::control::Replacement;

use super::*;

/// Somewhere no address of 108 bytes reaches.
fn deep() -> (tempfile::TempDir, std::path::PathBuf) {
    let room = tempfile::tempdir().expect("a directory");
    let deep = room.path().join("d".repeat(150)).join("e".repeat(150));
    fs::create_dir_all(&deep).expect("made");
    (room, deep)
}

fn order(name: &str) -> Order {
    let policy = Policy { name: name.into(), ..Policy::default() };
    Order::Replace(Box::new(Replacement {
        policy,
        credentials: Vec::new(),
        labelled: Vec::new(),
        changes: Vec::new(),
        replaces: 1,
        undoes: false,
    }))
}

fn frame(version: u32) -> Vec<u8> {
    wire::encode(&Ask { version, order: order("mine") }).expect("a frame")
}

fn connect(deep: &Path) -> UnixStream {
    let directory = directory(deep).expect("a directory");
    let stream = UnixStream::connect(format!("/proc/self/fd/{}/{NAME}", directory.as_raw_fd())).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
    stream
}

/// What it was answered: none where it was only let go.
fn answered(mut stream: UnixStream) -> Option<Answer> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    wire::decode(&bytes).ok()
}

fn code(stream: UnixStream) -> Option<String> {
    answered(stream).map(|answer| match answer {
        Answer::Refused(problem) => problem.code,
        other => panic!("{other:?}"),
    })
}

#[test]
fn an_order_is_heard_in_a_long_path_and_answered() {
    let (_room, deep) = deep();
    let mut control = Control::open(&deep).expect("it listens");
    let meta = fs::symlink_metadata(deep.join(NAME)).expect("there");
    assert!(meta.file_type().is_socket() && meta.permissions().mode() & 0o777 == 0o600);
    let asked = std::thread::spawn({
        let deep = deep.clone();
        move || ask(&deep, order("mine"))
    });
    let until = Instant::now() + Duration::from_secs(5);
    let (Order::Replace(heard), asking) = loop {
        control.turn(Instant::now());
        if let Some(next) = control.next() {
            break next;
        }
        assert!(Instant::now() < until, "nothing was asked");
        std::thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(heard.policy.name, "mine");
    asking.answer(&Answer::InForce { revision: 2 });
    let answer = asked.join().expect("asked").expect("answered");
    assert_eq!(answer, Answer::InForce { revision: 2 });
    drop(control);
    assert!(!deep.join(NAME).exists());
    assert!(ask(&deep, order("mine")).is_err(), "nobody listens");
}

/// However slow or odd they are, the loop goes on, and who comes after them is heard.
#[test]
fn peers_that_say_nothing_half_of_it_or_too_much_are_let_go() {
    let (_room, deep) = deep();
    let mut control = Control::open(&deep).expect("it listens");
    let now = Instant::now();
    let silent = connect(&deep);
    let mut half = connect(&deep);
    half.write_all(&frame(VERSION)[..20]).expect("said");
    let mut endless = connect(&deep);
    endless.write_all(&u32::MAX.to_le_bytes()).expect("said");
    let mut twice = connect(&deep);
    twice.write_all(&[frame(VERSION), frame(VERSION)].concat()).expect("said");
    let mut fifth = connect(&deep);
    fifth.write_all(&frame(VERSION)).expect("said");
    control.turn(now);
    assert_eq!(control.peers.len(), 2, "two may still say something");
    assert_eq!((code(endless).as_deref(), code(twice).as_deref()), (Some("E-PLANE-095"), Some("E-PLANE-095")));
    assert_eq!(control.due(), Some(now + PATIENCE));
    control.turn(now + PATIENCE);
    assert_eq!((answered(silent), answered(half)), (None, None));
    let (_, asking) = control.next().expect("the fifth was heard");
    asking.refuse(problem("E-PLANE-091", "no", "", NO));
    assert_eq!(code(fifth).as_deref(), Some("E-PLANE-091"));
    assert!(control.peers.is_empty() && control.due().is_none());
}

#[test]
fn another_version_is_refused_and_who_left_is_forgotten() {
    let (_room, deep) = deep();
    let mut control = Control::open(&deep).expect("it listens");
    let mut other = connect(&deep);
    other.write_all(&frame(VERSION + 1)).expect("said");
    let mut left = connect(&deep);
    left.write_all(&frame(VERSION)).expect("said");
    control.turn(Instant::now());
    assert_eq!(code(other).as_deref(), Some("E-PLANE-095"));
    assert_eq!(control.wanted().count(), 2);
    drop(left);
    assert!(control.next().is_none(), "it no longer waits");
}

/// The same user in other namespaces may be the agent. Where none can be made, nothing is shown.
#[test]
fn who_comes_from_other_namespaces_is_refused() {
    let (_room, deep) = deep();
    let mut control = Control::open(&deep).expect("it listens");
    let script = format!(
        "import socket\ns = socket.socket(socket.AF_UNIX)\nimport os\nos.chdir({:?})\ns.connect('control')\nprint(s.recv(9999).decode(errors='replace'))",
        deep.to_string_lossy()
    );
    let mut command = std::process::Command::new("unshare");
    command.args(["--user", "--map-root-user", "python3", "-c", &script]).stdout(std::process::Stdio::piped());
    let child = command.stderr(std::process::Stdio::null()).spawn().expect("unshare");
    let until = Instant::now() + Duration::from_secs(10);
    let ended = std::thread::spawn(move || child.wait_with_output().expect("ended"));
    while !ended.is_finished() && Instant::now() < until {
        control.turn(Instant::now());
        assert!(control.peers.is_empty(), "it was let in");
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = ended.join().expect("ended");
    if output.status.success() {
        assert!(String::from_utf8_lossy(&output.stdout).contains("another user namespace"), "{output:?}");
    }
}
