//! The private root on the real kernel, in a forked child with a mount namespace of its own.

use super::*;
use std::fs;

pub(crate) fn plan_of(root: Vec<Step>) -> Plan {
    Plan {
        version: plan::VERSION,
        identity: plan::Identity {
            inside_uid: 1000,
            inside_gid: 1000,
            host_uid: 1000,
            host_gid: 1000,
            privileged: true,
            hostname: "cell".into(),
        },
        without: plan::LayerSet::default(),
        root,
        landlock: Vec::new(),
        door: plan::Door { tcp_port: 1, dns_port: 2 },
        stdio: plan::Stdio { streams: [plan::Stream::Pipe; 3], size: plan::WindowSize::default() },
        limits: plan::Limits::default(),
        command: plan::Command {
            program: "/bin/true".into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: "/".into(),
        },
    }
}

/// Enters the root in a thread of its own mount namespace and tells what the body returns.
fn inside<T: Send + 'static>(root: Vec<Step>, body: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(move || {
        // SAFETY: CLONE_FS and CLONE_NEWNS change only this thread's root, directory and mounts.
        let made = unsafe { libc::unshare(libc::CLONE_FS | libc::CLONE_NEWNS) };
        assert_eq!(made, 0, "needs CAP_SYS_ADMIN: {}", std::io::Error::last_os_error());
        let begun = Root::begin(plan::LayerSet::default()).expect("begins");
        begun.enter(&plan_of(root), &Owners::default()).expect("the root is built");
        body()
    })
    .join()
    .expect("the namespace's thread")
}

fn scratch(name: &str) -> String {
    let path = std::env::temp_dir().join(format!("bastide-root-{name}-{}", std::process::id()));
    fs::create_dir_all(&path).expect("a scratch directory");
    path.to_str().expect("UTF-8").to_string()
}

fn system(at: &str) -> Step {
    Step::Bind {
        source: at.into(),
        at: at.into(),
        writable: false,
        executable: true,
        devices: false,
        owner: plan::Owner::Everybody,
    }
}

#[test]
fn what_is_not_named_is_absent_and_the_root_is_sealed() {
    let (names, usr, sealed) = inside(vec![system("/usr")], || {
        let names: Vec<_> = fs::read_dir("/").expect("lists").map(|entry| entry.expect("entry").file_name()).collect();
        let usr = fs::write("/usr/planted", b"x").expect_err("read-only").raw_os_error();
        let sealed = fs::write("/planted", b"x").expect_err("read-only").raw_os_error();
        (names, usr, sealed)
    });
    assert_eq!(names, ["usr"]);
    assert_eq!(usr, Some(libc::EROFS));
    assert_eq!(sealed, Some(libc::EROFS));
}

#[test]
fn changes_stay_in_the_upper_and_the_original_is_untouched() {
    let lower = scratch("lower");
    let changes = scratch("changes");
    fs::write(format!("{lower}/kept"), "before").expect("writes");
    for name in ["upper", "work"] {
        fs::create_dir_all(format!("{changes}/{name}")).expect("makes");
    }
    let step = Step::Overlay {
        source: lower.clone(),
        at: "/work/space".into(),
        changes: Some(changes.clone()),
        owner: plan::Owner::Everybody,
    };
    inside(vec![step], || fs::write("/work/space/kept", "after").expect("copy-on-write"));
    assert_eq!(fs::read_to_string(format!("{lower}/kept")).expect("reads"), "before");
    assert_eq!(fs::read_to_string(format!("{changes}/upper/kept")).expect("reads"), "after");
    fs::remove_dir_all(lower).expect("cleans");
    fs::remove_dir_all(changes).expect("cleans");
}

#[test]
fn a_host_socket_seen_through_a_read_only_overlay_refuses() {
    let tree = scratch("sockets");
    let path = format!("{tree}/agent.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&path).expect("binds");
    let overlay =
        Step::Overlay { source: tree.clone(), at: "/seen".into(), changes: None, owner: plan::Owner::Everybody };
    let connect = || std::os::unix::net::UnixStream::connect("/seen/agent.sock").map(drop).map_err(|e| e.kind());
    assert_eq!(inside(vec![overlay], connect), Err(std::io::ErrorKind::ConnectionRefused));
    let Step::Bind { writable, executable, devices, owner, .. } = system("/usr") else { unreachable!() };
    let bound = Step::Bind { source: tree.clone(), at: "/seen".into(), writable, executable, devices, owner };
    assert_eq!(inside(vec![bound], connect), Ok(()), "without the overlay it connects");
    fs::remove_dir_all(tree).expect("cleans");
}

#[test]
fn a_hidden_path_inside_an_allowed_tree_is_unreadable() {
    let tree = scratch("hidden");
    fs::write(format!("{tree}/key"), "secret").expect("writes");
    fs::create_dir(format!("{tree}/keys")).expect("makes");
    fs::write(format!("{tree}/keys/one"), "secret").expect("writes");
    let overlay =
        Step::Overlay { source: tree.clone(), at: "/seen".into(), changes: None, owner: plan::Owner::Everybody };
    let hide = |at: &str| Step::Hide { at: at.into() };
    let steps = vec![overlay, hide("/seen/key"), hide("/seen/keys"), hide("/seen/absent")];
    let (file, inner) = inside(steps, || (fs::read("/seen/key").is_err(), fs::read("/seen/keys/one").is_err()));
    assert!(file, "the file is covered");
    assert!(inner, "the directory is covered");
    fs::remove_dir_all(tree).expect("cleans");
}

/// A kept home holds the link of the session before: the next one began nothing, and was told to do without its root.
#[test]
fn a_link_that_is_there_already_serves_and_no_other_thing_does() {
    let home = scratch("links");
    let Step::Bind { executable, devices, owner, .. } = system("/usr") else { unreachable!() };
    let bound = Step::Bind { source: home.clone(), at: "/home".into(), writable: true, executable, devices, owner };
    let steps =
        move |target: &str| vec![bound.clone(), Step::Symlink { at: "/home/link".into(), target: target.into() }];
    for _ in 0..2 {
        let led = inside(steps("/data"), || fs::read_link("/home/link").expect("a link"));
        assert_eq!(led.to_str(), Some("/data"));
    }
    let refused = std::thread::spawn(move || {
        // SAFETY: as in `inside`.
        let made = unsafe { libc::unshare(libc::CLONE_FS | libc::CLONE_NEWNS) };
        assert_eq!(made, 0, "needs CAP_SYS_ADMIN: {}", std::io::Error::last_os_error());
        let begun = Root::begin(plan::LayerSet::default()).expect("begins");
        begun.enter(&plan_of(steps("/elsewhere")), &Owners::default()).map(drop).expect_err("another link").errno
    });
    assert_eq!(refused.join().expect("ends"), Errno::EXIST);
    fs::remove_dir_all(home).expect("cleans");
}
