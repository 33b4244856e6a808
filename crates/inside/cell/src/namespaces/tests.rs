//! Namespaces on the real kernel, in forked children: started by root, and after dropping to an ordinary uid.

use super::*;
use plan::Identity;
use rustix::fd::AsFd;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

/// Runs the body in a forked child and gives what it wrote.
fn forked(body: impl FnOnce(&mut UnixStream)) -> String {
    let (mut ours, mut theirs) = UnixStream::pair().expect("a socket pair");
    // SAFETY: the child writes to its socket and leaves by _exit; it takes no lock of the test runner that
    // another thread could hold, but the allocator's, which glibc makes usable after fork.
    match unsafe { libc::fork() } {
        0 => {
            drop(ours);
            body(&mut theirs);
            // SAFETY: ends the child without running the test runner's exit handlers.
            unsafe { libc::_exit(0) }
        }
        child => {
            drop(theirs);
            let mut text = String::new();
            ours.read_to_string(&mut text).expect("what the child wrote");
            // SAFETY: waits for the child just made; the status is not wanted.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            text
        }
    }
}

fn identity(host: u32, privileged: bool) -> Identity {
    Identity { inside_uid: 1000, inside_gid: 1000, host_uid: host, host_gid: host, privileged, hostname: "cell".into() }
}

fn plan(host: u32) -> Plan {
    Plan { identity: identity(host, true), ..crate::root::tests::plan_of(Vec::new()) }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| error.to_string())
}

#[test]
fn an_ordinary_user_gets_every_namespace_and_stays_himself() {
    let said = forked(|out| {
        // SAFETY: plain numbers in a child with one thread; root drops to an ordinary uid.
        unsafe {
            libc::syscall(libc::SYS_setresgid, 12345, 12345, 12345);
            libc::syscall(libc::SYS_setresuid, 12345, 12345, 12345);
            // A process that changed its uid is not dumpable, and its own /proc belongs to root.
            libc::prctl(libc::PR_SET_DUMPABLE, 1);
        }
        let left = leave(Some((1000, 1000)), LayerSet::default())
            .and_then(|()| leave_last(LayerSet::default()))
            .map_err(|error| format!("{error:?}"));
        let _ = write!(out, "{left:?} {}", read("/proc/self/uid_map").split_whitespace().collect::<Vec<_>>().join(" "));
    });
    assert_eq!(said, "Ok(()) 1000 12345 1");
}

#[test]
fn root_becomes_a_host_uid_that_owns_nothing() {
    const HOST: u32 = 1_610_612_737;
    let said = forked(|out| {
        let mut owners = crate::owner::Owners::default();
        let mapped = owners.complete(&plan(HOST), host_processes().expect("/proc").as_fd());
        let left = leave(None, LayerSet::default())
            .and_then(|()| leave_groups(LayerSet::default()))
            .and_then(|()| leave_last(LayerSet::default()))
            .and_then(|()| enter_user(owners.agents().expect("made")));
        let became = left.and_then(|()| become_agent(&plan(HOST))).map_err(|error| format!("{error:?}"));
        let shadow = fs::read("/etc/shadow").is_err();
        let pattern = fs::OpenOptions::new().write(true).open("/proc/sys/kernel/core_pattern").is_err();
        let _ = write!(out, "{mapped:?} {became:?} {shadow} {pattern}");
    });
    assert_eq!(said, "Ok(()) Ok(()) true true");
}

#[test]
fn a_namespace_switched_off_is_not_made() {
    let said = forked(|out| {
        let before = fs::read_link("/proc/self/ns/ipc").ok();
        let without = [Layer::IpcNamespace].into_iter().collect();
        let left = leave(None, without).is_ok();
        let same = fs::read_link("/proc/self/ns/ipc").ok() == before;
        let uts = fs::read_link("/proc/self/ns/uts").ok() == fs::read_link(format!("/proc/{}/ns/uts", 1)).ok();
        let _ = write!(out, "{left} {same} {uts}");
    });
    assert_eq!(said, "true true false");
}
