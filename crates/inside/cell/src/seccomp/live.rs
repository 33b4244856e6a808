//! The filters in a forked child of the test: what the kernel really answers.

use super::{AGENT, PID1, WATCHER, compile, install, install_watcher, wake_up_in_sync};
use std::os::fd::{AsFd, AsRawFd};

/// Runs `body` in a forked child and returns its exit code, or minus the signal that ended it.
fn in_child(body: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child runs `body`, which makes system calls and allocates nothing that another thread's lock could
    // hold up (glibc re-initialises malloc in the child), and leaves by `_exit`, never through the test harness.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: prctl with plain numbers; what the agent's process has set before any filter.
            unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
            let code = body();
            // SAFETY: ends this process; runs no destructor of the parent's.
            unsafe { libc::_exit(code) }
        }
        child => {
            assert!(child > 0, "fork failed");
            let mut status = 0;
            // SAFETY: `status` outlives the call; the child is ours and is reaped once.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { -libc::WTERMSIG(status) }
        }
    }
}

/// The errno of a raw call, 0 where it succeeded.
fn errno(number: libc::c_long, a: libc::c_long, b: libc::c_long, c: libc::c_long) -> i32 {
    // SAFETY: used with calls that the filter refuses, or that take integers; no pointer is passed but null.
    let result = unsafe { libc::syscall(number, a, b, c, 0 as libc::c_long, 0 as libc::c_long) };
    if result >= 0 { 0 } else { std::io::Error::last_os_error().raw_os_error().unwrap_or(-1) }
}

/// Forks and runs /bin/true; its exit code.
fn run_true() -> i32 {
    in_child(|| {
        let arguments = [c"true".as_ptr(), std::ptr::null()];
        // SAFETY: both strings are static and the array ends in null.
        unsafe { libc::execv(c"/bin/true".as_ptr(), arguments.as_ptr()) };
        127
    })
}

#[test]
fn the_agents_filter_holds_in_a_live_process() {
    let program = compile(&AGENT).expect("compiles");
    let code = in_child(|| {
        if install(&program).is_err() {
            return 1;
        }
        let namespace = libc::c_long::from(libc::CLONE_NEWUSER | libc::SIGCHLD);
        let checks = [
            errno(libc::SYS_clone, namespace, 0, 0) == libc::EPERM,
            errno(libc::SYS_unshare, libc::c_long::from(libc::CLONE_NEWUSER), 0, 0) == libc::EPERM,
            errno(libc::SYS_clone3, 0, 0, 0) == libc::ENOSYS,
            errno(libc::SYS_io_uring_setup, 1, 0, 0) == libc::EPERM,
            errno(libc::SYS_bpf, 0, 0, 0) == libc::EPERM,
            errno(libc::SYS_socket, 2, 1, 262) == libc::EPERM,
            errno(libc::SYS_socket, 2, 1, 1 << 32 | 262) == libc::EPERM,
            errno(libc::SYS_socket, 2, 1, 6) == 0,
            errno(libc::SYS_ioctl, 0, libc::TIOCSTI as libc::c_long, 0) == libc::EPERM,
            errno(libc::SYS_ioctl, 0, 1 << 32 | libc::TIOCSTI as libc::c_long, 0) == libc::EPERM,
            errno(libc::SYS_ioctl, 0, libc::TIOCSETD as libc::c_long, 0) == libc::EPERM,
            errno(libc::SYS_ioctl, 0, 1 << 32 | libc::TIOCSETD as libc::c_long, 0) == libc::EPERM,
            errno(libc::SYS_personality, 0x0400_0000, 0, 0) == libc::EPERM,
            errno(1199, 0, 0, 0) == libc::ENOSYS,
            run_true() == 0,
        ];
        checks.iter().position(|held| !held).map_or(0, |index| 10 + index as i32)
    });
    assert_eq!(code, 0, "10 + the failed check");
}

/// A limit of 1 and no other keeps a dump from a program that the host names for it.
#[test]
fn the_limit_of_core_dumps_stays_as_it_was_set() {
    let program = compile(&AGENT).expect("compiles");
    let limit = |value| libc::rlimit { rlim_cur: value, rlim_max: value };
    let code = in_child(|| {
        let (mut seen, none) = (limit(7), limit(0));
        // SAFETY: a structure that lives for the call.
        let set = |resource, to: &libc::rlimit| unsafe { libc::setrlimit(resource, to) };
        if set(libc::RLIMIT_CORE, &limit(1)) != 0 || install(&program).is_err() {
            return 1;
        }
        let prlimit = |new: *const libc::rlimit, old: *mut libc::rlimit| {
            // SAFETY: null, or structures that live for the call.
            unsafe { libc::syscall(libc::SYS_prlimit64, 0, libc::RLIMIT_CORE, new, old) }
        };
        // SAFETY: a structure that lives for the call.
        let raw = unsafe { libc::syscall(libc::SYS_setrlimit, libc::RLIMIT_CORE, &raw const none) };
        // Who wants no dump is told that there is none, and there is none.
        let told = raw == 0 && set(libc::RLIMIT_CORE, &none) == 0 && prlimit(&none, std::ptr::null_mut()) == 0;
        let both = prlimit(&none, &raw mut seen) == -1 && seen.rlim_cur == 7;
        let asked = prlimit(std::ptr::null(), &raw mut seen) == 0;
        let stays = asked && (seen.rlim_cur, seen.rlim_max) == (1, 1);
        // Others sink as ever.
        let files = set(libc::RLIMIT_NOFILE, &none) == 0;
        [told, both, stays, files].iter().position(|held| !held).map_or(0, |index| 10 + index as i32)
    });
    assert_eq!(code, 0, "10 + the failed check");
}

/// Who has the same uid may set them, and pid 1 and what the operator starts in a cell have it.
#[test]
fn a_process_sets_no_limits_but_its_own() {
    let program = compile(&AGENT).expect("compiles");
    let code = in_child(|| {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        let mut seen = libc::rlimit { rlim_cur: 7, rlim_max: 7 };
        // SAFETY: asks for a number, and makes a child that only waits.
        let (parent, other) = unsafe { (libc::getppid(), libc::fork()) };
        if other == 0 {
            // SAFETY: waits to be ended, and leaves by `_exit`.
            unsafe {
                libc::pause();
                libc::_exit(0);
            }
        }
        if install(&program).is_err() {
            return 1;
        }
        let prlimit = |pid: libc::pid_t, resource: libc::c_long, new: *const libc::rlimit, old: *mut libc::rlimit| {
            // SAFETY: null, or structures that live for the call.
            unsafe { libc::syscall(libc::SYS_prlimit64, pid, resource, new, old) == 0 }
        };
        let nobody = std::ptr::null_mut();
        let refused = [parent, other, 1].into_iter().all(|pid| {
            !prlimit(pid, libc::RLIMIT_NOFILE.into(), &none, nobody)
                && !prlimit(pid, libc::RLIMIT_CORE.into(), &none, nobody)
        });
        let asked = prlimit(other, libc::RLIMIT_NOFILE.into(), std::ptr::null(), &raw mut seen) && seen.rlim_cur != 7;
        let own = prlimit(0, libc::RLIMIT_NOFILE.into(), &none, nobody);
        // SAFETY: plain numbers; the child is this one's own.
        let nice = unsafe {
            let set = libc::setpriority(libc::PRIO_PROCESS, other.cast_unsigned(), 19);
            libc::kill(other, libc::SIGKILL);
            set == 0 && errno(libc::SYS_setpriority, 0, 0, 19) == 0
        };
        [refused, asked, own, nice].iter().position(|held| !held).map_or(0, |index| 10 + index as i32)
    });
    assert_eq!(code, 0, "10 + the failed check");
}

/// A lease on a file that is bound would hold up who opens it outside.
#[test]
fn no_lease_is_taken() {
    let program = compile(&AGENT).expect("compiles");
    let file = std::fs::File::open(std::env::current_exe().expect("a file")).expect("open");
    let own = file.as_raw_fd();
    let code = in_child(|| {
        let lease = || errno(libc::SYS_fcntl, own.into(), libc::F_SETLEASE.into(), libc::F_UNLCK.into());
        // Without the filter it is another answer: there is none to give up.
        if lease() == libc::EPERM || install(&program).is_err() {
            return 1;
        }
        let deleg = errno(libc::SYS_fcntl, own.into(), 1040, 0);
        i32::from(lease() != libc::EPERM || deleg != libc::EPERM) * 2
    });
    assert_eq!(code, 0);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn x32_is_refused_in_a_live_process() {
    let program = compile(&AGENT).expect("compiles");
    let code = in_child(|| match install(&program) {
        Ok(()) => errno(libc::SYS_getpid | 0x4000_0000, 0, 0, 0),
        Err(_) => 99,
    });
    assert_eq!(code, libc::EPERM);
}

#[test]
fn pid_1_cannot_start_programs() {
    let program = compile(&PID1).expect("compiles");
    let code = in_child(|| match install(&program) {
        Ok(()) => i32::from(
            errno(libc::SYS_execve, 0, 0, 0) != libc::EPERM || errno(libc::SYS_socket, 1, 1, 0) != libc::EPERM,
        ),
        Err(_) => 99,
    });
    assert_eq!(code, 0);
}

#[test]
fn the_watcher_gives_one_listener() {
    let program = compile(&WATCHER).expect("compiles");
    let code = in_child(|| match install_watcher(&program) {
        Err(_) => 1,
        Ok(listener) if wake_up_in_sync(listener.as_fd()).is_err() => 2,
        Ok(_listener) => match install_watcher(&program) {
            Err(errno) if errno == rustix::io::Errno::BUSY => 0,
            _ => 3,
        },
    });
    assert_eq!(code, 0);
}

/// Small real programs that must work; one that this host lacks is passed over.
const GUESTS: [(&str, &str); 6] = [
    (
        "git",
        "d=$(mktemp -d) && cd $d && git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m a && rm -rf $d",
    ),
    (
        "python3",
        "python3 -c 'import os,socket,subprocess,threading;t=threading.Thread(target=print);t.start();t.join();socket.socket();subprocess.check_call([\"true\"])'",
    ),
    (
        "node",
        "node -e 'new (require(\"worker_threads\").Worker)(\"\",{eval:true});require(\"child_process\").execSync(\"true\")'",
    ),
    ("gdb", "gdb -nx -batch -ex run -ex 'info registers' --args true 2>&1 | grep -q 'exited normally'"),
    ("rustc", "d=$(mktemp -d) && echo 'fn main(){}' > $d/a.rs && rustc -o $d/a $d/a.rs && $d/a && rm -rf $d"),
    ("mkfifo", "d=$(mktemp -d) && mkfifo $d/p && ! mknod $d/w c 0 0 2>/dev/null && rm -rf $d"),
];

#[test]
fn guests_work_under_the_agents_filter() {
    let program = compile(&AGENT).expect("compiles");
    for (name, script) in GUESTS {
        let script = format!("command -v {name} >/dev/null || exit 0; {{ {script}; }} >/dev/null");
        let script = std::ffi::CString::new(script).expect("no null");
        let code = in_child(|| {
            if install(&program).is_err() {
                return 99;
            }
            let arguments = [c"sh".as_ptr(), c"-c".as_ptr(), script.as_ptr(), std::ptr::null()];
            // SAFETY: the strings outlive the call and the array ends in null.
            unsafe { libc::execv(c"/bin/sh".as_ptr(), arguments.as_ptr()) };
            127
        });
        assert_eq!(code, 0, "{name}");
    }
}

#[test]
fn the_filters_stay_small() {
    // Every instruction is verified and translated again at each start of a cell.
    let length = |profile| compile(profile).expect("compiles").len();
    assert!(length(&AGENT) <= 500 && length(&PID1) <= 200, "{} and {}", length(&AGENT), length(&PID1));
}
