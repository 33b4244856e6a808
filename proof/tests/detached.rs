//! Sessions that go on by themselves: begun once, watched, typed into, entered, copied from, and removed.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::whole::{Operator, until};
use serde_json::Value;

/// A session that goes on by itself, stopped with this value.
struct Detached<'a>(&'a Operator, String);

impl<'a> Detached<'a> {
    fn begin(operator: &'a Operator, options: &[&str], script: &str) -> Detached<'a> {
        let arguments = [&["run", "-d"], options, &["--", "sh", "-c", script]].concat();
        let begun = operator.bastide(&arguments);
        assert_eq!(begun.exit, 0, "{begun:?}");
        Detached(operator, begun.stdout.trim().to_owned())
    }

    fn logs(&self) -> String {
        self.0.bastide(&["logs", &self.1]).stdout
    }

    fn show(&self) -> Value {
        serde_json::from_str(&self.0.bastide(&["show", &self.1, "--json"]).stdout).expect("JSON")
    }

    fn exec(&self, script: &str) -> crate::whole::Ran {
        self.0.bastide(&["exec", &self.1, "--", "sh", "-c", script])
    }
}

impl Drop for Detached<'_> {
    fn drop(&mut self) {
        self.0.bastide(&["stop", &self.1, "--timeout", "1s"]);
    }
}

/// `bastide …` at a terminal of its own.
struct Terminal {
    master: File,
    child: Child,
    seen: String,
}

impl Terminal {
    fn start(operator: &Operator, arguments: &[&str]) -> Terminal {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("openpt");
        grantpt(&master).expect("grantpt");
        unlockpt(&master).expect("unlockpt");
        let name = ptsname(&master, Vec::new()).expect("ptsname");
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
        let slave: OwnedFd = rustix::fs::open(name.as_c_str(), flags, rustix::fs::Mode::empty()).expect("slave");
        let size = rustix::termios::Winsize { ws_row: 20, ws_col: 60, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&slave, size).expect("a size");
        // A terminal is its user's.
        rustix::fs::fchown(&slave, Some(rustix::process::Uid::from_raw(operator.uid)), None).expect("given");
        let mut setsid = Command::new("setsid");
        let bastide = operator.command(arguments);
        setsid.args(["-c", "-w"]).arg(bastide.get_program()).args(bastide.get_args());
        operator.surround(&mut setsid);
        let end = || Stdio::from(slave.as_fd().try_clone_to_owned().expect("a copy"));
        setsid.stdin(end()).stdout(end()).stderr(end()).process_group(0);
        let child = setsid.spawn().expect("starts");
        Terminal { master: File::from(master), child, seen: String::new() }
    }

    /// Reads until it shows something, or says what it showed instead.
    fn shows(&mut self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.seen.contains(text) {
            use rustix::event::{PollFd, PollFlags, Timespec, poll};
            let ready =
                poll(&mut [PollFd::new(&self.master, PollFlags::IN)], Some(&Timespec { tv_sec: 1, tv_nsec: 0 }));
            let mut piece = [0; 4096];
            let length = if ready == Ok(1) { self.master.read(&mut piece).unwrap_or(0) } else { 0 };
            self.seen.push_str(&String::from_utf8_lossy(&piece[..length]));
            assert!(Instant::now() < deadline, "no {text:?} in {:?}", self.seen);
        }
        self.seen = self.seen.split_off(self.seen.find(text).expect("seen") + text.len());
    }

    fn types(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).expect("typed");
    }

    fn ends(mut self) -> Option<i32> {
        assert!(
            until(|| matches!(
                rustix::process::waitid(
                    rustix::process::WaitId::Pid(rustix::process::Pid::from_child(&self.child)),
                    rustix::process::WaitIdOptions::EXITED
                        | rustix::process::WaitIdOptions::NOHANG
                        | rustix::process::WaitIdOptions::NOWAIT,
                ),
                Ok(Some(_))
            )),
            "it does not end: {:?}",
            self.seen
        );
        self.child.wait().expect("ended").code()
    }
}

/// The agent has the same uid, and would read what the operator types there, passwords too, and write what he takes for his shell's.
#[test]
fn the_terminal_of_an_entered_program_is_out_of_the_agents_reach() {
    for operator in Operator::each() {
        let script = "own=$(tty); i=0; while :; do i=$((i+1)); for t in /dev/pts/[0-9]*; do \
                      [ $t = $own ] || [ -e got ] || ! (echo taken >$t) || echo $t >got; done; echo $i >round; sleep 0.02; done";
        let detached = Detached::begin(&operator, &[], script);
        let program = "tty; test -c $(tty) && exec 3<>$(tty) && echo ready; read a; echo heard $a";
        let mut terminal = Terminal::start(&operator, &["exec", &detached.1, "--", "sh", "-c", program]);
        terminal.shows("ready");
        let round = || detached.exec("cat round").stdout.trim().parse().unwrap_or(0);
        let begun: u64 = round();
        assert!(until(|| round() > begun + 3), "the agent does not go on");
        assert_eq!(detached.exec("cat got 2>/dev/null").stdout, "");
        terminal.types("words\r");
        terminal.shows("heard words");
        assert_eq!(terminal.ends(), Some(0));
    }
}

#[test]
fn a_session_goes_on_by_itself_and_is_told_by_its_name() {
    for operator in Operator::each() {
        let script = "printf 'size '; stty size; echo begun; read line; echo \"heard $line\"; exit 7";
        let detached = Detached::begin(&operator, &["--name", "long"], script);
        assert_eq!(detached.1, "long");
        assert!(until(|| detached.logs().contains("begun")), "{}", detached.logs());
        assert!(detached.logs().contains("size 24 80"), "{}", detached.logs());
        assert_eq!(detached.show()["state"], "running");
        // The size of who types is the program's; what he types reaches it; and he leaves by a key.
        let mut terminal = Terminal::start(&operator, &["attach", "long"]);
        terminal.shows("begun");
        let second = operator.bastide(&["attach", "long"]);
        assert!(second.exit == 1 && second.stderr.contains("E-PLANE-147"), "{second:?}");
        terminal.types("\x1c");
        terminal.shows("goes on");
        assert_eq!(terminal.ends(), Some(0));
        assert_eq!(detached.show()["state"], "running");
        let mut watcher = Terminal::start(&operator, &["attach", "--read-only", "long"]);
        watcher.shows("begun");
        let mut terminal = Terminal::start(&operator, &["attach", "long"]);
        terminal.shows("begun");
        terminal.types("this\r");
        terminal.shows("heard this");
        watcher.shows("heard this");
        // Both are told how it ended, with its own exit code.
        assert_eq!((terminal.ends(), watcher.ends()), (Some(7), Some(7)));
        assert!(until(|| detached.show()["state"] == "ended"));
        assert_eq!(detached.show()["exit"], 7);
        let log = operator.bastide(&["log", "long"]).stdout;
        assert!(log.contains("attach"), "who typed is not recorded: {log}");
        assert!(detached.logs().contains("heard this"));
    }
}

/// A program that paints its screen looks the same to who comes later, and what would make a terminal act is left out.
#[test]
fn the_screen_is_shown_as_it_is_now() {
    for operator in Operator::each() {
        let script = "i=0; while [ $i -lt 3000 ]; do printf '\\033[2J\\033[Hframe %s\\033[5;5Hlow %s' $i $i; i=$((i+1)); \
                      done; printf '\\033]52;c;c2VjcmV0\\a\\033[6n'; read x";
        let detached = Detached::begin(&operator, &[], script);
        assert!(until(|| detached.logs().contains("low 2999")));
        let mut terminal = Terminal::start(&operator, &["attach", "--read-only", &detached.1]);
        terminal.shows("low 2999");
        let seen = terminal.seen.clone();
        drop(terminal.child.kill());
        let _ = terminal.child.wait();
        assert!(!seen.contains("frame 2998") && !seen.contains("52;c") && !seen.contains("\x1b[6n"), "{seen:?}");
    }
}

/// It waits as for a terminal: who was slow for a moment was let go, in the middle of what it printed.
#[test]
fn a_program_that_prints_a_lot_is_watched_to_its_end() {
    for operator in Operator::each() {
        let script =
            "read x; head -c 30000000 /dev/zero | tr '\\0' x | fold -w 70; echo; echo all of it; read x; exit 7";
        let detached = Detached::begin(&operator, &[], script);
        let mut terminal = Terminal::start(&operator, &["attach", &detached.1]);
        terminal.types("go\r");
        terminal.shows("xxxx");
        // A machine that is busy with something else.
        let clients = crate::whole::children(terminal.child.id());
        let planes: Vec<u32> = clients.into_iter().flat_map(crate::whole::children).collect();
        assert_eq!(planes.len(), 1, "who shows the screen is not found");
        let signal = |signal: &str| Command::new("kill").args([signal, &planes[0].to_string()]).status().expect("sent");
        signal("-STOP");
        std::thread::sleep(Duration::from_secs(1));
        signal("-CONT");
        terminal.shows("all of it");
        terminal.types("end\r");
        assert_eq!(terminal.ends(), Some(7));
    }
}

/// Nine bytes that ask for 65,535 letters, again and again.
#[test]
fn a_screen_is_shown_soon_whatever_was_printed() {
    for operator in Operator::each() {
        let script = "printf 'A\\033[65535b%.0s' $(seq 40000); printf 'painted'; sleep 1000";
        let detached = Detached::begin(&operator, &[], script);
        assert!(until(|| detached.logs().ends_with("painted")));
        let mut terminal = Terminal::start(&operator, &["attach", "--read-only", &detached.1]);
        terminal.shows("painted");
        drop(terminal.child.kill());
        let _ = terminal.child.wait();
    }
}

#[test]
fn up_begins_one_and_no_second() {
    for operator in Operator::each() {
        let up = |name: &str| operator.bastide(&["up", "--name", name, "--json", "--", "sleep", "1000"]);
        let both: Vec<crate::whole::Ran> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..3).map(|_| scope.spawn(|| up("web"))).collect();
            all.into_iter().map(|one| one.join().expect("asked")).collect()
        });
        let told: Vec<Value> = both.iter().map(|ran| serde_json::from_str(&ran.stdout).expect("JSON")).collect();
        assert!(told.iter().all(|one| one["session"] == told[0]["session"]), "{told:?}");
        assert_eq!(told.iter().filter(|one| one["already"] == false).count(), 1, "{told:?}");
        // A name means one session: nothing else begins under it while that runs.
        for how in [&["run", "-d"][..], &["run"]] {
            let ran = operator.bastide(&[how, &["--name", "web", "--", "true"]].concat());
            let id = told[0]["session"].as_str().expect("an id");
            assert!(ran.exit == 125 && ran.stderr.contains("E-PLANE-152") && ran.stderr.contains(id), "{ran:?}");
        }
        assert_eq!(operator.bastide(&["stop", "web", "--timeout", "1s"]).exit, 0);
        let again: Value = serde_json::from_str(&up("web").stdout).expect("JSON");
        assert!(again["already"] == false && again["session"] != told[0]["session"]);
        operator.bastide(&["stop", "web", "--timeout", "1s"]);
    }
}

/// A program that is started in a cell that stands is behind the walls that the agent is behind.
#[test]
fn a_program_that_enters_is_behind_every_wall() {
    const FACTS: &str = "readlink /proc/self/ns/user /proc/self/ns/mnt /proc/self/ns/pid /proc/self/ns/net /proc/self/ns/ipc \
        /proc/self/ns/uts /proc/self/ns/cgroup; id -u; cat /proc/self/cgroup; pwd; \
        grep -E '^(NoNewPrivs|Seccomp|Seccomp_filters|Cap[A-Za-z]*|Uid|Gid|Groups):' /proc/self/status; ls /proc/self/fd | wc -l";
    for operator in Operator::each() {
        let script = format!("({FACTS}) >facts; echo ready; sleep 1000");
        let bastide = operator.command(&["x"]).get_program().to_owned();
        let place = std::path::Path::new(&bastide).parent().expect("a place").to_string_lossy().into_owned();
        let detached = Detached::begin(&operator, &["--read", &place], &script);
        assert!(until(|| detached.logs().contains("ready")), "{}", detached.logs());
        let (agent, entered) = (detached.exec("cat facts"), detached.exec(FACTS));
        assert_eq!((agent.exit, entered.exit), (0, 0), "{entered:?}");
        assert_eq!(entered.stdout, agent.stdout);
        let probed = operator.bastide(&["exec", &detached.1, "--", &format!("{place}/bastide-cell"), "probe"]);
        assert_eq!(probed.exit, 0, "a wall does not hold: {}", probed.stdout);
        assert!(probed.stdout.lines().count() > 20, "{}", probed.stdout);
        // The door is the same, and what is done there is in the record.
        let refused = detached.exec("curl -sS -m 5 http://example.com/");
        assert_ne!(refused.exit, 0, "{refused:?}");
        let log = operator.bastide(&["log", &detached.1]).stdout;
        assert!(log.contains("example.com") && log.contains("exec: sh -c"), "{log}");
        assert!(log.contains("curl"), "what it executes is not seen: {log}");
        // Neither can touch the other.
        let killed = detached.exec("kill -9 -1; kill -9 2; kill -0 1; echo $?");
        assert!(!killed.stdout.trim().is_empty() && detached.show()["state"] == "running", "{killed:?}");
        // Its stdio is its own; its exit code is passed on; what is not there is said.
        let mut piped = operator.command(&["exec", &detached.1, "--", "sh", "-c", "cat; echo err >&2; exit 5"]);
        let mut piped =
            piped.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        piped.stdin.take().expect("piped").write_all(b"through\n").expect("written");
        let piped = crate::whole::Ran::of(piped.wait_with_output().expect("ended"));
        assert_eq!((piped.exit, piped.stdout.as_str(), piped.stderr.as_str()), (5, "through\n", "err\n"));
        let absent = operator.bastide(&["exec", &detached.1, "--", "no-such-program"]);
        assert!(absent.exit == 127 && absent.stderr.contains("E-PLANE-148"), "{absent:?}");
        // It goes where the agent could, and no capability takes it further.
        assert_eq!(detached.exec("mkdir shut open; chmod 000 shut").exit, 0);
        let within =
            |place: &str| operator.bastide(&["exec", &detached.1, "--workdir", place, "--", "sh", "-c", "echo ran"]);
        let work = |place: &str| operator.work().join(place).to_string_lossy().into_owned();
        let (open, shut) = (within(&work("open")), within(&work("shut")));
        assert_eq!((open.exit, open.stdout.as_str()), (0, "ran\n"), "{open:?}");
        assert!(shut.exit != 0 && shut.stdout.is_empty(), "{shut:?}");
        // With its session it ends.
        let mut lasting = operator.command(&["exec", &detached.1, "--", "sleep", "1000"]);
        let mut lasting = lasting.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
        assert!(until(|| detached.exec("pgrep -x sleep | wc -l").stdout.trim() == "2"), "it does not begin");
        assert_eq!(operator.bastide(&["stop", &detached.1, "--timeout", "1s"]).exit, 0);
        assert!(lasting.wait().expect("ended").code() != Some(0));
    }
}

/// Whoever has the same uid may set a process's limits, and the operator's program in a cell has the agent's.
#[test]
fn a_program_that_enters_keeps_its_limits() {
    const AGENT: &str = "import os, resource, time\n\
        print('ready', flush=True)\n\
        while True:\n\
        \x20   for one in filter(str.isdigit, os.listdir('/proc')):\n\
        \x20       if int(one) in (os.getpid(), os.getppid()): continue\n\
        \x20       for limit in (resource.RLIMIT_CPU, resource.RLIMIT_NOFILE):\n\
        \x20           try: resource.prlimit(int(one), limit, (0, 0)); print('limited', one, flush=True)\n\
        \x20           except OSError: pass\n\
        \x20   time.sleep(0.01)\n";
    for operator in Operator::each() {
        operator.write("work/agent.py", AGENT);
        let detached = Detached::begin(&operator, &[], "exec python3 agent.py");
        assert!(until(|| detached.logs().contains("ready")), "{}", detached.logs());
        let worked = detached.exec(
            "n=0; while [ $n -lt 300000 ]; do n=$((n+1)); done; cat agent.py | head -c 6; ulimit -n 64; ulimit -n",
        );
        assert_eq!((worked.exit, worked.stdout.as_str()), (0, "import64\n"), "{worked:?}");
        assert!(detached.logs().trim().ends_with("ready"), "{}", detached.logs());
        assert_eq!(detached.show()["state"], "running");
    }
}

#[test]
fn files_are_copied_as_the_agent_could_and_no_link_is_followed() {
    for operator in Operator::each() {
        operator.write("work/old", "old\n");
        let secret = operator.write("home/secret", "secret\n");
        let script = format!(
            "echo new >made; chmod +x made; ln -s /etc/passwd link; ln -s {} out; mkdir d; mkfifo fifo; echo ready; sleep 1000",
            secret.display()
        );
        let detached = Detached::begin(&operator, &["--name", "c"], &script);
        assert!(until(|| detached.logs().contains("ready")));
        let cp = |from: &str, to: &str| operator.bastide(&["cp", from, to]);
        let to = operator.room.join("home/copied");
        let target = to.to_string_lossy().into_owned();
        for (name, text) in [("made", "new\n"), ("old", "old\n")] {
            let copied = cp(&format!("c:{name}"), &target);
            assert_eq!(
                (copied.exit, std::fs::read_to_string(&to).unwrap_or_default().as_str()),
                (0, text),
                "{copied:?}"
            );
        }
        assert_eq!(cp("c:made", "-").stdout, "new\n");
        for (path, code) in [
            ("link", "E-PLANE-148"),
            ("out", "E-PLANE-148"),
            ("fifo", "E-PLANE-148"),
            ("d", "E-PLANE-148"),
            ("none", "E-PLANE-148"),
            ("/etc/passwd", "E-PLANE-149"),
            ("../home/secret", "E-PLANE-14"),
            (".", "E-PLANE-149"),
        ] {
            let refused = cp(&format!("c:{path}"), &target);
            assert!(
                refused.exit == 1 && refused.stderr.contains(code) && refused.stderr.contains("hint:"),
                "{path}: {refused:?}"
            );
        }
        // In: into the overlay, so that it is reviewed like any change; never through a link.
        let host = operator.write("home/given", "given\n").to_string_lossy().into_owned();
        assert_eq!(cp(&host, "c:d/given").exit, 0);
        assert_eq!(cp(&host, "c:old").exit, 0);
        assert_eq!(detached.exec("cat d/given old").stdout, "given\ngiven\n");
        assert_eq!(std::fs::read_to_string(operator.work().join("old")).expect("there"), "old\n");
        for path in ["c:link", "c:/usr/bin/sh", "c:/etc/x", "c:d"] {
            assert_ne!(cp(&host, path).exit, 0, "{path}");
        }
        // Nor is a link of the host's replaced by what it leads to.
        symlink(operator.work().join("old"), operator.room.join("home/host-link")).expect("made");
        let linked = operator.room.join("home/host-link").to_string_lossy().into_owned();
        if operator.uid == 0 || std::fs::symlink_metadata(&linked).is_ok() {
            cp("c:made", &linked);
            assert_eq!(std::fs::read_to_string(operator.work().join("old")).expect("there"), "old\n");
        }
    }
}

#[test]
fn a_port_is_shown_on_loopback_as_long_as_somebody_wants_it() {
    for operator in Operator::each() {
        operator.write("work/index.html", "from inside\n");
        let script = "python3 -m http.server --bind 127.0.0.1 8123 >/dev/null 2>&1 & echo ready; wait";
        let detached = Detached::begin(&operator, &[], script);
        assert!(until(|| detached.exec("curl -s -m 2 http://127.0.0.1:8123/").stdout == "from inside\n"));
        let mut open = operator.command(&["open", &detached.1, "8123"]);
        let mut open = open.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
        let mut address = String::new();
        let mut said = std::io::BufReader::new(open.stdout.take().expect("piped"));
        std::io::BufRead::read_line(&mut said, &mut address).expect("told");
        assert!(address.starts_with("127.0.0.1:"), "{address}");
        let url = format!("http://{}/", address.trim());
        let get = || Command::new("curl").args(["-s", "-m", "5", "--noproxy", "*", &url]).output().expect("curl");
        for _ in 0..3 {
            assert_eq!(get().stdout, b"from inside\n");
        }
        open.kill().expect("ended");
        open.wait().expect("ended");
        assert!(until(|| !get().status.success()), "it is still shown");
        let log = operator.bastide(&["log", &detached.1]).stdout;
        assert!(log.contains("open port 8123"), "{log}");
    }
}

#[test]
fn what_ended_is_removed_and_what_nobody_reviewed_stays() {
    for operator in Operator::each() {
        let ran = operator.run(&["--name", "changed"], "echo new >note");
        assert_eq!(ran.exit, 0, "{ran:?}");
        assert_eq!(operator.run(&["--name", "plain"], "true").exit, 0);
        let running = Detached::begin(&operator, &["--name", "runs"], "sleep 1000");
        for (name, exit) in [("changed", 1), ("runs", 1), ("plain", 0)] {
            let removed = operator.bastide(&["rm", name]);
            assert_eq!(removed.exit, exit, "{name}: {removed:?}");
        }
        assert_eq!(operator.bastide(&["show", "plain"]).exit, 1);
        let dry = || -> Value {
            let told = operator.bastide(&["gc", "--before", "0d", "--dry-run", "--json"]);
            serde_json::from_str(&told.stdout).expect("JSON")
        };
        // What ended in this very second did not end before it.
        assert!(until(|| dry()["left"][0][1].is_string()), "{}", dry());
        assert_eq!(dry()["sessions"], serde_json::json!([]));
        assert_eq!(operator.bastide(&["rm", "changed", "--force"]).exit, 0);
        // What they were stays provable, and the home of the one that runs is nobody's to take.
        let checkpoint = operator.bastide(&["log", "checkpoint"]);
        let file = operator.write("home/checkpoint", &checkpoint.stdout).to_string_lossy().into_owned();
        let proved = operator.bastide(&["log", "verify", "--checkpoint", &file]);
        assert_eq!(proved.exit, 0, "{proved:?}");
        let collected: Value =
            serde_json::from_str(&operator.bastide(&["gc", "--before", "0d", "--json"]).stdout).expect("JSON");
        let homes = || std::fs::read_dir(operator.room.join("state/bastide/homes")).expect("there").count();
        assert_eq!(homes(), 1, "{collected}");
        drop(running);
        assert!(until(|| operator.bastide(&["gc", "--before", "0d"]).exit == 0 && homes() == 0));
    }
}

/// A session that was begun by other programs, as its directory says.
#[test]
fn an_upgrade_says_what_would_stop() {
    for operator in Operator::each() {
        let detached = Detached::begin(&operator, &["--name", "old"], "sleep 1000");
        let checked = operator.bastide(&["upgrade", "--check"]);
        assert_eq!(checked.exit, 0, "{checked:?}");
        let id = detached.show()["id"].as_str().expect("an id").to_owned();
        let file = operator.room.join("state/bastide/sessions").join(&id).join("session.json");
        let text = std::fs::read_to_string(&file).expect("there");
        let mut record: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
        assert_eq!(detached.show()["built"], record["built"]);
        let lease = record["built"]["lease"].as_u64().expect("a version");
        record["built"]["lease"] = (lease - 1).into();
        std::fs::write(&file, record.to_string()).expect("written");
        let checked = operator.bastide(&["upgrade", "--check", "--json"]);
        let told: Value = serde_json::from_str(&checked.stdout).expect("JSON");
        assert_eq!(checked.exit, 1, "{told}");
        assert!(told["sessions"][0]["stops"][0].as_str().is_some_and(|stop| stop.starts_with("the network")), "{told}");
    }
}
