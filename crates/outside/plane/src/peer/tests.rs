use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::*;

const ORDINARY: u32 = 12_345;
/// Connects, and stays until its stdin ends.
const CONNECTS: &str = "import socket, sys\ns = socket.socket(socket.AF_UNIX)\n\
     s.connect(sys.argv[1])\nsys.stdin.read()";

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A peer that came by these words before `python3`, and our end of its connection; none where the host does not let
/// such a place be made.
fn peer(before: &[&str], uid: Option<u32>) -> Option<(OwnedFd, Child)> {
    peer_of(CONNECTS, before, uid)
}

/// One of another script.
fn peer_of(script: &str, before: &[&str], uid: Option<u32>) -> Option<(OwnedFd, Child)> {
    let room = tempfile::tempdir().expect("a directory");
    fs::set_permissions(room.path(), fs::Permissions::from_mode(0o755)).expect("open to all");
    let path = room.path().join("socket");
    let listener = UnixListener::bind(&path).expect("it listens");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("open to all");
    let words = [before, &["python3", "-c", script, path.to_str().expect("utf-8")]].concat();
    let mut command = Command::new(words[0]);
    // Where every user finds the same programs.
    command.env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    command.args(&words[1..]).stdin(Stdio::piped()).stderr(Stdio::null());
    if let Some(uid) = uid {
        command.uid(uid).gid(uid);
    }
    let mut child = command.spawn().expect("it starts");
    for _ in 0..2000 {
        let mut wanted = [PollFd::new(&listener, PollFlags::IN)];
        if poll(&mut wanted, Some(&Timespec { tv_sec: 0, tv_nsec: 5_000_000 })).expect("polled") > 0 {
            return Some((listener.accept().expect("accepted").0.into(), child));
        }
        if child.try_wait().expect("waited").is_some() {
            return None;
        }
    }
    panic!("nobody came by {before:?}");
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    let _ = child.wait();
}

/// What is said of such a peer; none where there can be none.
fn said(before: &[&str]) -> Option<Result<Operator, Stranger>> {
    let (socket, child) = peer(before, None)?;
    let said = operator(&socket);
    end(child);
    Some(said)
}

#[test]
fn this_process_and_its_children_are_the_operators() {
    let (one, _other) = UnixStream::pair().expect("a pair");
    let own = operator(&one).expect("it is himself");
    assert_eq!((own.pid, own.uid), (std::process::id().cast_signed(), rustix::process::geteuid().as_raw()));
    let (socket, child) = peer(&["env"], None).expect("there");
    let seen = operator(&socket).expect("it is his");
    assert_eq!((seen.pid, seen.program.as_str()), (child.id().cast_signed(), "python3"));
    end(child);
}

/// The record named the program that asks for the operator's command, and not that.
#[test]
fn of_a_plane_the_program_that_began_it_is_named() {
    let script = format!("open('/proc/self/comm', 'w').write('{PLANE}')\n{CONNECTS}");
    let (socket, child) = peer_of(&script, &["env"], None).expect("there");
    let seen = operator(&socket).expect("it is his");
    let own = std::process::id().cast_signed();
    let (pid, uid) = (seen.pid, seen.uid);
    assert_eq!(seen.begun_by, Some((named(own), own)));
    assert_eq!(seen.who(), format!("uid {uid} with {} (process {own}), by {PLANE} (process {pid})", named(own)));
    end(child);
    let (own, _other) = UnixStream::pair().expect("a pair");
    let own = operator(&own).expect("it is himself");
    assert_eq!((own.begun_by.clone(), own.who().contains(", by ")), (None, false));
}

/// Its number may be another process's by the time that it is looked at.
#[test]
fn one_that_has_ended_is_refused_however_it_is_held() {
    let (socket, mut child) = peer(&["env"], None).expect("there");
    let pid = child.id().cast_signed();
    let by_number = held_by_number(pid).expect("it lives");
    assert!(!is_over(&by_number));
    child.kill().expect("killed");
    // Not waited for yet: it has ended, and its number is still its own.
    while !is_over(&by_number) {
        std::thread::yield_now();
    }
    assert!(matches!(operator(&socket), Err(Stranger::Unseen(_))), "a zombie has no place");
    child.wait().expect("waited");
    assert!(matches!(operator(&socket), Err(Stranger::Unseen(_))));
    assert!(matches!(held_by_number(pid), Err(Stranger::Unseen(_))));
    assert!(matches!(held_by_number(0), Err(Stranger::Unseen(_))), "of a pid namespace that is not seen here");
    assert!(matches!(number(&by_number), Err(Stranger::Unseen(_))));
}

#[test]
fn another_user_is_refused_root_too() {
    if !is_root() {
        return;
    }
    let (socket, child) = peer(&["env"], Some(ORDINARY)).expect("there");
    assert_eq!(operator(&socket).expect_err("a stranger"), Stranger::User(ORDINARY));
    end(child);
}

/// Each namespace by itself. What the host does not let be made is left out; a host on which root can make none fails.
#[test]
fn other_namespaces_are_refused_each_by_itself() {
    let mut made = 0;
    for (words, expected) in [
        (&["unshare", "--user", "--map-root-user"][..], Stranger::Namespace("user")),
        (&["unshare", "--pid", "--fork"], Stranger::Namespace("pid")),
        (&["unshare", "--mount", "setpriv", "--no-new-privs"], Stranger::Confined),
    ] {
        if let Some(said) = said(words) {
            // A user namespace of root maps him to himself.
            assert_eq!(said.expect_err("a stranger"), expected, "{words:?}");
            made += 1;
        }
    }
    assert!(made > 0 || !is_root());
}

/// What systemd's `PrivateTmp=` and a shell of `unshare --mount` are: the operator with some mounts of his own.
#[test]
fn mounts_of_ones_own_alone_do_not_make_a_stranger() {
    let Some(said) = said(&["unshare", "--mount", "--propagation", "private"]) else {
        assert!(!is_root(), "root can make them");
        return;
    };
    assert_eq!(said.expect("the operator's").program, "python3");
}

#[test]
fn mounts_of_ones_own_with_another_root_do() {
    let script = "mount --rbind / /mnt && exec chroot /mnt \"$@\"";
    let Some(same) = said(&["unshare", "--mount", "sh", "-c", script, "sh"]) else {
        assert!(!is_root(), "root can make them");
        return;
    };
    // Bound again, it is the same directory.
    assert!(same.is_ok(), "{same:?}");
    let room = tempfile::tempdir().expect("a directory");
    let script = format!(
        "mount -t tmpfs none {0} && for d in usr lib lib64 bin tmp proc dev; do mkdir {0}/$d; [ -e /$d ] && mount --rbind /$d {0}/$d; done; exec chroot {0} \"$@\"",
        room.path().display()
    );
    let other = said(&["unshare", "--mount", "--propagation", "private", "sh", "-c", &script, "sh"]).expect("made");
    assert_eq!(other.expect_err("a stranger"), Stranger::Root);
}

#[test]
fn whoever_is_in_a_sessions_control_group_is_refused() {
    let id = "0123456789a";
    let text = format!("4:memory:/user.slice/bastide-{id}/deeper\n3:name=systemd:/bastide.service\n0::/bastide-nope\n");
    assert_eq!(sessions(&text).into_iter().collect::<Vec<_>>(), [id]);
    let file = (1, 1);
    let place = |sessions: &[&str]| Place {
        user: file,
        processes: file,
        mounts: file,
        sessions: sessions.iter().map(|&id| id.to_owned()).collect(),
    };
    assert_eq!(judge(&place(&[]), &place(&[id])), Err(Stranger::Cell(id.into())));
    // In one ourselves, others in it are like us.
    assert_eq!(judge(&place(&[id]), &place(&[id])), Ok(Mounts::Ours));
    assert_eq!(judge(&place(&[id]), &place(&[])), Ok(Mounts::Ours));
}

#[test]
fn what_status_does_not_say_is_the_worse() {
    let free = "Name:\tsh\nNoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\n";
    assert!(!confined(free));
    for other in [free.replace("Privs:\t0", "Privs:\t1"), free.replace("Seccomp:\t0", "Seccomp:\t2"), String::new()] {
        assert!(confined(&other), "{other}");
    }
    assert!(confined("NoNewPrivs:\t0\n") && confined("Seccomp:\t0\n"));
}

#[test]
fn every_reason_is_said_in_words() {
    for (stranger, words) in [
        (Stranger::User(7), "user 7"),
        (Stranger::Namespace("pid"), "another pid namespace"),
        (Stranger::Root, "another root directory"),
        (Stranger::Confined, "confined"),
        (Stranger::Cell("x".into()), "session `x`"),
        (unseen(&"it has ended"), "it has ended"),
    ] {
        assert!(stranger.to_string().contains(words), "{stranger}");
    }
}
