//! A gate that root starts becomes another user before it reads its lease, and keeps nothing of root.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Gid;
use rustix::thread::{CapabilitiesSecureBits, set_capabilities_secure_bits, set_thread_groups};

const OWN: u32 = 54_321;

/// Starts it as somebody with groups, whom the kernel lets keep capabilities with another user.
fn start(words: &'static [&'static str], prepare: fn()) -> (Child, UnixStream) {
    // Ids and securebits are a thread's, and inherited.
    let starting = std::thread::spawn(move || {
        prepare();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_bastide-gate"));
        command.args(words).stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null()).env_clear();
        (command.spawn().unwrap(), ours)
    });
    starting.join().unwrap()
}

fn with_all_that_is_root() {
    set_thread_groups(&[Gid::ROOT, Gid::from_raw(4)]).unwrap();
    set_capabilities_secure_bits(CapabilitiesSecureBits::NO_SETUID_FIXUP).unwrap();
}

fn status(child: &Child) -> Vec<String> {
    let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn nothing_of_root_is_left_when_it_waits_for_its_lease() {
    for words in [&["--user", "54321"][..], &["--user", "54321", "broker"]] {
        let (mut child, channel) = start(words, with_all_that_is_root);
        let ids = format!(" {OWN} {OWN} {OWN} {OWN}");
        let wanted = ["Name: bastide-gate".into(), format!("Uid:{ids}"), format!("Gid:{ids}"), "Groups:".into()];
        let sets = ["Inh", "Prm", "Eff", "Amb"].map(|set| format!("Cap{set}: 0000000000000000"));
        let wanted: Vec<String> = wanted.into_iter().chain(sets).collect();
        let missing = || wanted.iter().find(|line| !status(&child).contains(line));
        for _ in 0..500 {
            if missing().is_none() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(missing(), None, "{:#?}", status(&child));
        drop(channel);
        child.wait().unwrap();
    }
}

#[test]
fn one_that_cannot_become_its_user_does_not_run() {
    let powerless = || set_capabilities_secure_bits(CapabilitiesSecureBits::NO_ROOT).unwrap();
    let nothing: fn() = || ();
    for (words, prepare) in [
        (&["--user", "54321"][..], powerless as fn()),
        (&["--user", "0"], nothing),
        (&["--user", "4294967295"], nothing),
        (&["--user", "-1"], nothing),
        (&["--user"], nothing),
        (&["broker", "--user", "54321"], nothing),
    ] {
        let (mut child, channel) = start(words, prepare);
        assert_eq!(child.wait().unwrap().code(), Some(125), "{words:?}");
        drop(channel);
    }
}
