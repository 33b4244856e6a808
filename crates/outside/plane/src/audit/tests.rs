//! The records are as kernels wrote them, read back through the whole of the parser; the kernel itself is asked where it
//! can be.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::*;

const CELL: u32 = 1_610_669_410;

/// The lines of a kernel log, which has each record's type before it.
fn hear(join: &mut Join, log: &str, ours: &dyn Fn(Caller) -> bool) -> Vec<Denial> {
    let mut found = Vec::new();
    for text in log.lines().filter_map(|text| text.trim().strip_prefix("audit: type=")) {
        let (kind, payload) = text.split_once(' ').expect("a type");
        if let Some((serial, record)) = line::parse(kind.parse().expect("a number"), payload.as_bytes()) {
            found.extend(join.take(serial, record, ours));
        }
    }
    found
}

fn denial(pid: u32, program: &str, access: &[&str], path: &str) -> Denial {
    let access = access.iter().map(|&one| one.to_owned()).collect();
    Denial { pid: Some(pid), program: Some(program.into()), access, path: path.into() }
}

/// From a demonstration of the kernel's own sandboxer with bash, 2025.
const BASH: &str = r#"
audit: type=1423 audit(1759680175.562:195): domain=15bb25f6b blockers=fs.write_file,fs.read_file path="/dev/tty" dev="devtmpfs" ino=11
audit: type=1424 audit(1759680175.562:195): domain=15bb25f6b status=allocated mode=enforcing pid=616 uid=0 exe="/sandboxer" comm="sandboxer"
audit: type=1300 audit(1759680175.562:195): arch=c000003e syscall=257 success=no exit=-13 a0=ffffffffffffff9c a1=5565c86113d1 a2=802 a3=0 items=0 ppid=605 pid=616 auid=4294967295 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=4294967295 comm="bash" exe="/usr/bin/bash" key=(null)
audit: type=1327 audit(1759680175.562:195): proctitle="bash"
audit: type=1423 audit(1759680175.570:196): domain=15bb25f6b blockers=fs.read_file path="/.bash_history" dev="virtiofs" ino=36963
audit: type=1300 audit(1759680175.570:196): arch=c000003e syscall=257 success=no exit=-13 a0=ffffffffffffff9c a1=5565c868e400 a2=0 a3=0 items=0 ppid=605 pid=616 auid=4294967295 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=4294967295 comm="bash" exe="/usr/bin/bash" key=(null)
audit: type=1327 audit(1759680175.570:196): proctitle="bash"
audit: type=1423 audit(1759680227.030:198): domain=15bb25f6b blockers=fs.write_file path="/etc/passwd" dev="virtiofs" ino=790
audit: type=1300 audit(1759680227.030:198): arch=c000003e syscall=257 success=no exit=-13 a0=ffffffffffffff9c a1=5565c86ab030 a2=441 a3=1b6 items=0 ppid=605 pid=616 auid=4294967295 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=4294967295 comm="bash" exe="/usr/bin/bash" key=(null)
"#;

#[test]
fn a_kernels_log_becomes_denials() {
    let found = hear(&mut Join::default(), BASH, &|caller| caller.pid == 616);
    let bash = "/usr/bin/bash";
    let want = [
        denial(616, bash, &["write_file", "read_file"], "/dev/tty"),
        denial(616, bash, &["read_file"], "/.bash_history"),
        denial(616, bash, &["write_file"], "/etc/passwd"),
    ];
    assert_eq!(found, want);
    assert_eq!(hear(&mut Join::default(), BASH, &|_| false), []);
}

/// Linux 6.18 with the rule `-a task,never`, which distributions ship: each record is an event of its own.
const NO_CALLS: &str = r#"
audit: type=1423 audit(1795575568.508:14): domain=1b0742c52 blockers=fs.read_file path="/etc/hostname" dev="rootfs" ino=16
audit: type=1424 audit(1795575568.508:15): domain=1b0742c52 status=allocated mode=enforcing pid=180 uid=1610669410 exe="/usr/bin/python3.11" comm="python3"
audit: type=1423 audit(1795575568.508:16): domain=1b0742c52 blockers=fs.read_file path="/etc/hostname" dev="rootfs" ino=16
audit: type=1423 audit(1795575568.508:17): domain=1b0742c52 blockers=fs.read_file path=2F746D702F61201B625A304C504633 dev="tmpfs" ino=7
audit: type=1424 audit(1795575568.656:18): domain=1b0742c52 status=deallocated denials=3
"#;

#[test]
fn a_host_without_system_calls_still_tells_the_file() {
    let census = Census::of_user(CELL);
    let mut join = Join::default();
    assert_eq!(hear(&mut join, NO_CALLS, &|caller| census.holds(caller)), []);
    assert_eq!(join.round(), [], "a system call may still come");
    let late = join.round();
    let paths: Vec<_> = late.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(paths, ["/etc/hostname", "/etc/hostname", "/tmp/a \u{1b}bZ0LPF3"]);
    assert!(late.iter().all(|one| one.pid.is_none() && one.program.is_none()));
    let mut others = Join::default();
    hear(&mut others, NO_CALLS, &|_| false);
    assert!(others.round().is_empty() && others.give_up().is_empty());
}

/// Linux 6.18 with AppArmor beside it.
const ODD_NAME: &str = r#"
audit: type=1423 audit(1795575565.012:9): domain=1b0742c45 blockers=fs.read_file path=2F746D702F61201B62307879515835 dev="tmpfs" ino=6
audit: type=1300 audit(1795575565.012:9): arch=c000003e syscall=257 success=no exit=-13 a0=ffffff9c a1=7f589e173ce0 a2=80000 a3=0 items=0 ppid=173 pid=176 auid=4294967295 uid=1610669410 gid=1610669410 euid=1610669410 suid=1610669410 fsuid=1610669410 egid=1610669410 sgid=1610669410 fsgid=1610669410 tty=(none) ses=4294967295 comm="python3" exe="/usr/bin/python3.11" subj=unconfined key=(null)
audit: type=1327 audit(1795575565.012:9): proctitle=2F7573722F62696E2F707974686F6E33
audit: type=1320 audit(1795575565.012:9):
"#;

#[test]
fn a_name_with_a_space_is_read_back() {
    let census = Census::of_user(CELL);
    let found = hear(&mut Join::default(), ODD_NAME, &|caller| census.holds(caller));
    assert_eq!(found, [denial(176, "/usr/bin/python3.11", &["read_file"], "/tmp/a \u{1b}b0xyQX5")]);
}

fn access(number: usize, path: &str) -> String {
    format!(
        "audit: type=1423 audit(1.000:{number}): domain={number:x} blockers=fs.read_file path={path} dev=\"x\" ino=1"
    )
}

fn call(number: usize, uid: u32) -> String {
    format!("audit: type=1300 audit(1.000:{number}): ppid=1 pid={number} uid={uid} comm=\"x\" exe=\"/x\"")
}

#[test]
fn only_the_cells_own_denials_are_told() {
    let census = Census::of_user(CELL);
    let log = [access(1, "\"/a\""), access(2, "\"/b\""), call(2, CELL), call(1, 0), call(2, CELL)].join("\n");
    let found = hear(&mut Join::default(), &log, &|caller| census.holds(caller));
    assert_eq!(found, [denial(2, "/x", &["read_file"], "/b")]);
}

#[test]
fn a_flood_is_bounded() {
    let (mut join, mut once) = (Join::default(), Once::default());
    let many = once::MOST_TOLD + 1000;
    let mut told = 0;
    for number in 1..=many {
        // Each three times, and a refusal that never becomes whole beside it.
        for _ in 0..3 {
            let log = [access(number, &format!("\"/f{number}\"")), access(number + many, "\"/g\""), call(number, CELL)];
            let found = hear(&mut join, &log.join("\n"), &|caller| caller.uid == CELL);
            told += found.into_iter().filter_map(|denial| once.take(denial)).count();
        }
    }
    assert_eq!(told, once::MOST_TOLD);
    assert_eq!(once.untold(), 3 * many as u64 - told as u64);
    assert_eq!(once.untold(), 0);
    assert!(format!("{join:?}").len() < 1 << 20, "what waits is bounded");
}

#[test]
fn what_an_agent_names_stays_data() {
    let hidden: String = "/\u{1b}]52;c;x\u{7}\u{202e}".bytes().map(|byte| format!("{byte:02X}")).collect();
    let log = [access(1, &hidden), call(1, CELL)].join("\n");
    let found = hear(&mut Join::default(), &log, &|_| true);
    let Some(Denial { program, access, path, .. }) = found.into_iter().next() else { panic!("told") };
    let event = record::Kind::FileRefused { pid: None, program, access, path: Some(path), untold: 0 };
    let kept = record::Redactor::new().kind(event, record::redact::Bounds::USUAL);
    assert_eq!(record::describe(&kept), r"access of `/x` to `/\u{1b}]52;c;x\u{7}\u{202e}` refused: read file");
}

/// Runs one test of this file again, as another user where one is given.
fn again(test: &str, user: Option<u32>) -> std::process::Output {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).expect("readable");
    let copy = directory.path().join("audit");
    std::fs::copy(std::env::current_exe().expect("named"), &copy).expect("copied");
    let mut command = Command::new(&copy);
    command
        .args([&format!("audit::tests::{test}"), "--exact", "--nocapture", "--ignored"])
        .current_dir("/")
        .env_clear();
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    command.output().expect("started")
}

#[test]
fn an_ordinary_user_hears_nothing() {
    if !rustix::process::geteuid().is_root() {
        assert!(Listener::open().is_none());
        return;
    }
    let output = again("nothing_is_heard", Some(12345));
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
}

#[test]
#[ignore = "run by an_ordinary_user_hears_nothing, without privilege"]
fn nothing_is_heard() {
    assert!(!rustix::process::geteuid().is_root());
    assert!(Listener::open().is_none());
}

#[test]
fn of_a_cell_that_was_refused_nothing_there_is_no_event_and_no_complaint() {
    // Where audit is off, of every cell; where it is on, the live test below says more.
    if let Some(mut watch) = Watch::over_user(CELL) {
        assert!(watch.events().is_empty());
        let (last, warning) = watch.finish();
        assert!(last.is_empty() && warning.is_none(), "{last:?} {warning:?}");
    }
}

/// Restricts itself and opens what it may not: twice the same file, once with a name that has to be encoded.
const REFUSED: &str = r#"
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
rights = ctypes.c_uint64(4)
ruleset = libc.syscall(444, ctypes.byref(rights), 8, 0)
assert ruleset >= 0 and libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.syscall(446, ruleset, 0) == 0
for name in ["/etc/hostname", "/etc/hostname", os.environ["ODD"]]:
    try:
        os.open(name, os.O_RDONLY)
    except PermissionError:
        pass
    else:
        raise SystemExit(1)
"#;

#[test]
#[ignore = "needs root and a host whose audit is on; this never turns it on"]
fn the_kernel_tells_what_landlock_refused() {
    let mut watch = Watch::over_user(CELL).expect("audit is off here, or this is not root");
    let odd = tempfile::Builder::new().prefix("a \u{1b}b").tempfile().expect("a file");
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", REFUSED]).env("ODD", odd.path()).uid(CELL).gid(CELL);
    std::fs::set_permissions(odd.path(), PermissionsExt::from_mode(0o644)).expect("readable");
    assert!(command.status().expect("python3 of the system").success());
    let mut found = Vec::new();
    // The kernel's thread hands records over on its own time.
    for _ in 0..50 {
        found.extend(watch.events());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let (last, warning) = watch.finish();
    assert_eq!(warning, None);
    let said: Vec<_> = found.iter().chain(&last).map(record::describe).collect();
    let by = |name: &str| said.iter().filter(|one| one.contains(name) && one.ends_with("refused: read file")).count();
    assert_eq!((by("`/etc/hostname`"), by("/a \\u{1b}b")), (1, 1), "{said:?}");
    assert_eq!(said.len(), 3, "{said:?}");
    assert_eq!(said[2], "files refused besides, not told one by one: 1");
}
