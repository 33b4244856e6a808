//! `bastide standby`: a run begins in what was made ahead, or as ever; and nothing stays when the one who asked leaves.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::whole::{Operator, until};

/// `bastide standby` of an operator, ended with this value.
struct Standby(Child);

impl Standby {
    fn start(operator: &Operator) -> Standby {
        let child = operator.command(&["standby"]).stderr(Stdio::null()).spawn().expect("starts");
        let standby = Standby(child);
        assert!(until(|| standby.waiting().is_some()), "no plane waits");
        standby
    }

    /// The plane that waits and has begun its cell and gate.
    fn waiting(&self) -> Option<u32> {
        let keeper = *children(self.0.id()).first()?;
        let waiting = children(keeper).into_iter().filter(|pid| command_line(*pid).ends_with("bastided wait "));
        // Those of sessions are called the same, and are older.
        let made = |pid: &u32| part(*pid, "bastide-cell").is_some() && part(*pid, "bastide-gate").is_some();
        waiting.into_iter().rfind(|pid| made(pid) && listens(*pid))
    }

    /// Every process beneath it.
    fn all(&self) -> Vec<u32> {
        let (mut found, mut todo) = (Vec::new(), vec![self.0.id()]);
        while let Some(pid) = todo.pop() {
            let below = children(pid);
            found.extend(&below);
            todo.extend(below);
        }
        found
    }

    /// Ends it as a terminal that is closed does.
    fn end(mut self) {
        let all = self.all();
        self.0.kill().expect("killed");
        self.0.wait().expect("ended");
        assert!(until(|| all.iter().all(|pid| gone(*pid))), "something stayed: {all:?}");
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn children(pid: u32) -> Vec<u32> {
    crate::whole::children(pid).into_iter().filter(|pid| !gone(*pid)).collect()
}

fn command_line(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().replace('\0', " ")
}

/// A part that a plane started.
/// The cell's is its pid 1, which is made by a launcher that bears the same name for a moment.
fn part(plane: u32, name: &str) -> Option<u32> {
    children(plane).into_iter().rfind(|pid| command_line(*pid).contains(name))
}

/// Whether it has made what it makes ahead, and waits for whoever comes.
fn listens(plane: u32) -> bool {
    fs::read_to_string(format!("/proc/{plane}/wchan")).is_ok_and(|place| place.contains("poll"))
}

fn gone(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_none_or(|rest| rest.trim_start().is_empty() || rest.trim_start().starts_with('Z'))
}

/// Sockets at which a plane of this operator waits.
fn posts(operator: &Operator) -> Vec<PathBuf> {
    let entries = fs::read_dir(operator.room.join("state/bastide")).map(|all| all.flatten().collect::<Vec<_>>());
    let paths = entries.unwrap_or_default().into_iter().map(|entry| entry.path());
    paths.filter(|path| path.to_string_lossy().contains("/waiting-")).collect()
}

/// Control groups of the host that bear one of these names.
fn groups(names: &[String]) -> Vec<PathBuf> {
    let (mut found, mut todo) = (Vec::new(), vec![PathBuf::from("/sys/fs/cgroup")]);
    while let Some(at) = todo.pop() {
        let below = fs::read_dir(&at).map(|all| all.flatten().collect::<Vec<_>>()).unwrap_or_default();
        let below = below.into_iter().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        todo.extend(below.map(|entry| entry.path()));
        if names.iter().any(|name| at.ends_with(format!("bastide-{name}"))) {
            found.push(at);
        }
    }
    found
}

/// What is made ahead in this state, by name.
fn ahead(operator: &Operator) -> Vec<String> {
    let entries = fs::read_dir(operator.room.join("state/bastide/ahead")).map(|all| all.flatten().collect::<Vec<_>>());
    entries.unwrap_or_default().iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// A run that goes on until its input ends, and whether a plane of its own was started for it.
fn holds(mut command: Command) -> (Child, bool) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
    let mut word = [0; 3];
    std::io::Read::read_exact(child.stdout.as_mut().expect("piped"), &mut word).expect("it began");
    let own = !children(child.id()).is_empty();
    (child, own)
}

/// How often a test tries again: a client waits a few milliseconds to be taken, which a busy machine may use up.
const TRIES: usize = 20;

/// A run that goes on in what was made ahead, and the plane that waited for it.
fn held_ahead(standby: &Standby, command: impl Fn() -> Command) -> (Child, u32) {
    for _ in 0..TRIES {
        assert!(until(|| standby.waiting().is_some()), "no plane waits");
        let waiting = standby.waiting().expect("waits");
        let (mut run, own) = holds(command());
        if !own {
            return (run, waiting);
        }
        drop(run.stdin.take());
        let _ = run.wait();
    }
    panic!("each started a plane of its own")
}

const HOLD: [&str; 5] = ["run", "--", "sh", "-c", "echo ok; cat"];

#[test]
fn a_run_begins_in_what_was_made_ahead_and_another_is_made() {
    for operator in Operator::each() {
        let standby = Standby::start(&operator);
        let mut made = ahead(&operator);
        assert_eq!(made.len(), 1);
        let (mut run, first) = held_ahead(&standby, || operator.command(&HOLD));
        assert!(until(|| standby.waiting().is_some_and(|next| next != first)), "no other plane waits");
        // A second session beside the first, in the next one.
        made.extend(ahead(&operator));
        operator.write("work/note", "old");
        let ran = operator.run(&[], "cat note; echo new >note; exit 7");
        assert_eq!((ran.exit, ran.stdout.as_str()), (7, "old"), "{ran:?}");
        drop(run.stdin.take());
        assert_eq!(run.wait().expect("ended").code(), Some(0));
        assert_eq!(operator.bastide(&["apply"]).exit, 0);
        assert_eq!(fs::read_to_string(operator.work().join("note")).expect("there"), "new\n");
        assert_eq!(operator.bastide(&["log", "verify"]).exit, 0);
        made.extend(ahead(&operator));
        standby.end();
        assert!(posts(&operator).is_empty() && ahead(&operator).is_empty());
        assert!(until(|| groups(&made).is_empty()), "{:?}", groups(&made));
        assert_eq!(fs::read_dir(operator.room.join("state/bastide/running")).expect("there").count(), 0);
    }
}

/// A session gets from its plane what a process passes on: it must be what its own client would have passed on.
#[test]
fn who_would_pass_on_something_else_gets_a_plane_of_his_own() {
    for operator in Operator::each() {
        let standby = Standby::start(&operator);
        let bastide = operator.command(&HOLD).get_program().to_owned();
        for change in ["ulimit -n 200", "umask 0007", "renice -n 5 $$ >/dev/null", "echo 300 >/proc/$$/oom_score_adj"] {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("{change}; exec \"$@\""), "sh"]).arg(&bastide).args(HOLD);
            operator.surround(&mut shell);
            let (mut run, own) = holds(shell);
            assert!(own, "{change}: another's plane took it");
            drop(run.stdin.take());
            assert_eq!(run.wait().expect("ended").code(), Some(0), "{change}");
        }
        let risky = ["run", "--accept-risk", "without-landlock", "--", "sh", "-c", "echo ok; cat"];
        let (mut run, own) = holds(operator.command(&risky));
        assert!(own, "a cell without a layer began in one with every layer");
        drop(run.stdin.take());
        assert_eq!(run.wait().expect("ended").code(), Some(0));
        standby.end();
    }
}

/// What stands before the session is known is the same for all of them; what is a session's own comes later.
#[test]
fn a_cell_that_was_made_ahead_becomes_whoever_the_session_is() {
    for operator in Operator::each() {
        let standby = Standby::start(&operator);
        let privileged = operator.uid == 0 && rustix::process::geteuid().is_root();
        let owner = if privileged { 4321 } else { operator.uid };
        if privileged {
            std::os::unix::fs::chown(operator.work(), Some(owner), Some(owner)).expect("given");
        }
        let options = ["run", "--name", "another", "--env", "OWN=x", "--read", "/etc/shells", "--", "sh", "-c"];
        let look = "echo ok; cat; hostname; id -u; echo $OWN; cat /etc/hostname; stat -c %u .; echo new >note";
        let (mut run, _) = held_ahead(&standby, || operator.command(&[&options[..], &[look]].concat()));
        drop(run.stdin.take());
        let mut said = String::new();
        std::io::Read::read_to_string(&mut run.stdout.take().expect("piped"), &mut said).expect("read");
        assert_eq!(run.wait().expect("ended").code(), Some(0));
        assert_eq!(said, format!("another\n{owner}\nx\nanother\n{owner}\n"));
        assert_eq!(operator.bastide(&["apply"]).exit, 0);
        let note = fs::metadata(operator.work().join("note")).expect("merged");
        assert_eq!(std::os::unix::fs::MetadataExt::uid(&note), owner);
        standby.end();
    }
}

/// What was made ahead shows the host as it was then: when the host's mounts change, it is thrown away.
#[test]
fn what_the_host_mounts_meanwhile_is_inside() {
    for operator in Operator::each().into_iter().filter(|operator| operator.uid == 0) {
        // A host of its own, as far as mounts go.
        let script = "set -e; $BASTIDE standby 2>/dev/null & keeper=$!; trap 'kill $keeper' EXIT; \
                      waits() { for _ in $(seq 400); do [ -n \"$(ls $XDG_STATE_HOME/bastide/ahead 2>/dev/null)\" ] && return; sleep 0.05; done; exit 3; }; \
                      waits; $BASTIDE run -- sh -c 'ls /usr/local/games; echo before'; waits; \
                      mount -t tmpfs none /usr/local/games; touch /usr/local/games/later; \
                      $BASTIDE run -- ls /usr/local/games; waits; \
                      sleep 1; waits; $BASTIDE run -- ls /usr/local/games; \
                      umount /usr/local/games; $BASTIDE run -- sh -c 'ls /usr/local/games; echo after'";
        let mut shell = Command::new("unshare");
        shell.args(["--mount", "--propagation", "private", "bash", "-c", script]);
        let bastide = operator.command(&["run"]).get_program().to_owned();
        operator.surround(&mut shell);
        let ran = shell.env("BASTIDE", bastide).stderr(Stdio::null()).output().expect("runs");
        assert_eq!(String::from_utf8_lossy(&ran.stdout), "before\nlater\nlater\nafter\n");
    }
}

/// A parent in a shell that changes something of itself first; it asks for a sub-agent when its input says so.
fn parent(operator: &Operator, change: &str) -> Command {
    const ASK: &str = "import sys, urllib.request as u; print(u.urlopen(u.Request('http://bastide.internal/spawn', sys.argv[1].encode(), \
                       {'Content-Type': 'application/json'}), timeout=60).read().decode())";
    const CHILD: &str = r#"{"task": "t", "command": ["sh", "-c", "df -k --output=size /tmp; sleep 600"], "budget": {"memory": 67108864}}"#;
    let policy = operator.write("home/family.yaml", "bastide: 1\nname: family\nextends: [hardened]\nagents: {}\n");
    let script = "echo ok; read -r word; python3 -c \"$1\" \"$2\"; cat";
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{change}; exec \"$@\""), "sh"]).arg(operator.command(&["run"]).get_program());
    shell.arg("run").arg("--policy").arg(policy).args(["--", "sh", "-c", script, "sh", ASK, CHILD]);
    operator.surround(&mut shell);
    shell
}

/// Its plane is one that waited, where its parent's is what that is; it gets what was reserved for it, and ends with its parent
/// whatever becomes of who kept it ready.
#[test]
fn a_sub_agent_begins_in_what_was_made_ahead() {
    for operator in Operator::each() {
        for (change, like) in [("true", true), ("umask 0007", false)] {
            let taken = (0..if like { TRIES } else { 1 }).any(|_| sub_agent_is_taken(&operator, change, like));
            assert_eq!(taken, like, "{change}");
        }
    }
}

/// Whether the plane that waited became a sub-agent's. Its parent's is like it, or is not.
fn sub_agent_is_taken(operator: &Operator, change: &str, like: bool) -> bool {
    let standby = Standby::start(operator);
    let (mut run, first) = if like {
        held_ahead(&standby, || parent(operator, change))
    } else {
        let (run, own) = holds(parent(operator, change));
        assert!(own, "{change}");
        (run, 0)
    };
    let waiting = || standby.waiting().filter(|pid| *pid != first);
    assert!(until(|| waiting().is_some()), "none waits");
    let next = waiting().expect("waits");
    std::io::Write::write_all(run.stdin.as_mut().expect("piped"), b"now\n").expect("told");
    let sessions = || {
        let listed = operator.bastide(&["ls", "--json"]);
        let all: serde_json::Value = serde_json::from_str(&listed.stdout).expect("JSON");
        all.as_array().cloned().unwrap_or_default()
    };
    let found = |child: bool| {
        sessions().into_iter().find(|one| one["parent"].is_object() == child && one["state"] == "running")
    };
    let number = |one: &serde_json::Value| u32::try_from(one["live"]["pid"].as_u64().unwrap_or(0)).expect("a pid");
    assert!(until(|| found(true).is_some_and(|one| number(&one) != 0)), "{:?}", sessions());
    let (above, child) = (number(&found(false).expect("runs")), found(true).expect("runs"));
    let plane = number(&child);
    let taken = plane == next;
    assert_eq!(children(above).contains(&plane), !taken, "{change}");
    // A cell that was made for sessions that may use more has its bounds by now.
    let kept = operator.room.join("state/bastide/sessions").join(child["id"].as_str().expect("an id")).join("stdout");
    assert!(until(|| fs::read_to_string(&kept).is_ok_and(|said| said.contains("32768"))), "{change}");
    if taken {
        drop(standby);
    }
    let cells = children(plane);
    assert!(!gone(plane) && !cells.is_empty());
    let above = rustix::process::Pid::from_raw(i32::try_from(above).expect("a pid")).expect("a pid");
    rustix::process::kill_process(above, rustix::process::Signal::KILL).expect("killed");
    assert!(until(|| gone(plane) && cells.iter().all(|pid| gone(*pid))), "{change}: it outlives its parent");
    let _ = run.wait();
    taken
}

/// Whatever of it is killed, the next run takes place.
#[test]
fn a_run_never_depends_on_what_was_made_ahead() {
    for operator in Operator::each() {
        for part in ["client", "keeper", "plane", "bastide-cell", "bastide-gate"] {
            let standby = Standby::start(&operator);
            let waiting = standby.waiting().expect("waits");
            let victim = match part {
                "client" => standby.0.id(),
                "keeper" => children(standby.0.id())[0],
                "plane" => waiting,
                name => self::part(waiting, name).expect("there"),
            };
            let all = standby.all();
            // What ends at once is not started again.
            std::thread::sleep(Duration::from_millis(300));
            let pid = rustix::process::Pid::from_raw(i32::try_from(victim).expect("a pid")).expect("a pid");
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
            // One that dies under a run that has begun in it is another matter.
            assert!(until(|| gone(victim)), "{part} does not end");
            for _ in 0..3 {
                let ran = operator.run(&[], "echo ran");
                assert_eq!((ran.exit, ran.stdout.as_str()), (0, "ran\n"), "{part}: {ran:?}");
            }
            let mends = !["client", "keeper"].contains(&part);
            assert!(!mends || until(|| standby.waiting().is_some_and(|next| next != waiting)), "{part}: none waits");
            drop(standby);
            assert!(until(|| all.iter().all(|pid| gone(*pid))), "{part}: something stayed: {all:?}");
        }
        // A socket that nobody listens at any more is no hindrance.
        Standby::start(&operator).end();
        assert!(posts(&operator).is_empty());
    }
}

#[test]
fn one_is_enough() {
    for operator in Operator::each() {
        let standby = Standby::start(&operator);
        let second = operator.bastide(&["standby"]);
        assert_eq!(second.exit, 1, "{second:?}");
        assert!(second.stderr.contains("E-PLANE-056") && second.stderr.contains("hint:"), "{}", second.stderr);
        assert!(until(|| standby.waiting().is_some()));
        standby.end();
    }
}
