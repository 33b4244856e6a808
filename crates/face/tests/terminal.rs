//! `bastide run`, and a secret that is typed, on a real terminal: a pty of the test's own, in a session of its own.

mod fake;

use fake::{Beside, pty};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Terminal {
    master: OwnedFd,
    slave: OwnedFd,
    seen: String,
}

impl Terminal {
    fn new() -> Self {
        let (master, slave) = pty();
        tcsetwinsize(&master, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).expect("size");
        Self { master, slave, seen: String::new() }
    }

    /// Starts `line` in a shell that leads the terminal's session.
    fn start(&self, beside: &Beside, line: &str, interactive: bool) -> Child {
        let shell = if interactive { &["-c", "bash", "--norc", "--noprofile", "-i"][..] } else { &["-c", "sh", "-c"] };
        let mut command = Command::new("setsid");
        command.args(shell).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/home/nobody").env("PS1", "prompt> ");
        command.env("BASTIDE", beside.bastide()).env("HISTFILE", "/dev/null").current_dir(beside.directory.path());
        if !interactive {
            command.arg(line);
        }
        let end = || Stdio::from(self.slave.try_clone().expect("slave"));
        command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("shell")
    }

    fn say(&self, text: &str) {
        rustix::io::write(&self.master, text.as_bytes()).expect("typed");
    }

    /// The shell says that the job stopped, and takes it to the foreground again.
    fn goes_on(&mut self) {
        self.until("Stopped");
        self.until("prompt> ");
        self.say("fg\n");
        self.until("continued");
    }

    /// The job ends, and then the shell.
    fn leave(&mut self, shell: &mut Child) {
        self.until("changed: nothing");
        self.until("prompt> ");
        self.say("exit\n");
        shell.wait().expect("ends");
    }

    /// Reads until `text` was seen after what was already taken.
    fn until(&mut self, text: &str) -> String {
        self.until_saying(text, "")
    }

    /// The same, saying something again and again: a shell that reads acts on a signal once it has read.
    fn until_saying(&mut self, text: &str, line: &str) -> String {
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            if !line.is_empty() {
                self.say(line);
            }
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            assert!(Instant::now() < limit, "no {text:?} in {:?}", self.seen);
            let mut wanted = [PollFd::new(&self.master, PollFlags::IN)];
            let _ = poll(&mut wanted, Some(&Timespec { tv_sec: 1, tv_nsec: 0 }));
            if wanted[0].revents().contains(PollFlags::IN) {
                let mut bytes = [0; 4096];
                let read = rustix::io::read(&self.master, &mut bytes).unwrap_or(0);
                self.seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        }
    }

    fn shows(&self) -> bool {
        tcgetattr(self.slave.as_fd()).expect("attributes").local_modes.contains(LocalModes::ECHO)
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(self.slave.as_fd()).expect("attributes").local_modes.contains(LocalModes::ICANON)
    }
}

#[test]
fn raw_while_it_runs_sized_and_resized_then_put_back() {
    let (beside, mut terminal) = (Beside::with("run"), Terminal::new());
    let program = "trap 'echo size $(stty size)' WINCH; echo first $(stty size); read line; echo got $line; while read line && [ x$line != xend ]; do :; done; exit 0";
    let mut shell = terminal.start(
        &beside,
        &format!("$BASTIDE run -- sh -c \"{}\"; echo exit $?", program.replace('$', "\\$")),
        false,
    );
    terminal.until("first 24 80");
    assert!(terminal.is_raw());
    tcsetwinsize(&terminal.master, Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 }).expect("size");
    terminal.until_saying("size 30 100", "words\r");
    terminal.say("end\r");
    let end = terminal.until("exit 0");
    assert!(end.contains("\u{1b}[?25h") && end.contains("allowed: nothing\r\n"), "{end:?}");
    assert!(!terminal.is_raw());
    assert!(shell.wait().expect("ends").success());
}

#[test]
fn a_query_does_not_reach_the_terminal() {
    let (beside, mut terminal) = (Beside::with("run"), Terminal::new());
    let line = "$BASTIDE run -- printf 'a\\033[cb\\033]52;c;eA==\\007c'; echo; echo exit $?";
    let mut shell = terminal.start(&beside, line, false);
    let seen = terminal.until("exit 0");
    assert!(seen.contains("abc") && !seen.contains("52;c"), "{seen:?}");
    shell.wait().expect("ends");
}

/// A program left another screen, in red, with letters drawn as lines, black on black, in a link.
#[test]
fn what_was_printed_leaves_the_terminal_as_it_was() {
    let bytes: Vec<String> =
        b"\x1b[?1049h\x1b[31m\x1b]11;#000\x1b\\\x1b]10;#000\x1b\\\x1b]8;;http://h/\x1b\\\x1b(0words"
            .iter()
            .map(u8::to_string)
            .collect();
    let script = format!("{{\"reply\":\"output\",\"bytes\":[{}]}}\n{{\"reply\":\"log-end\"}}", bytes.join(","));
    let (beside, mut terminal) = (Beside::with(&script), Terminal::new());
    let mut shell = terminal.start(&beside, "$BASTIDE logs fix; echo exit $?", false);
    let printed = terminal.until("words");
    assert!(printed.contains("\u{1b}[31m"), "{printed:?}");
    let end = terminal.until("exit 0");
    assert!(end.contains("[?1047l") && end.contains("\u{1b}[0m") && end.contains("\u{1b}(B"), "{end:?}");
    assert!(["]8;;", "]104", "]110", "]111"].iter().all(|word| end.contains(&format!("{word}\u{1b}\\"))), "{end:?}");
    shell.wait().expect("ends");
}

/// Who leaves a log that goes on by ^C was left in red, in letters drawn as lines.
#[test]
fn a_log_that_is_left_by_a_key_leaves_the_terminal_as_it_was() {
    let bytes: Vec<String> = b"\x1b[31m\x1b(0words".iter().map(u8::to_string).collect();
    let script = format!("{{\"reply\":\"output\",\"bytes\":[{}]}}\nwait", bytes.join(","));
    let (beside, mut terminal) = (Beside::with(&script), Terminal::new());
    let mut shell = terminal.start(&beside, "trap : INT; $BASTIDE logs --follow fix; echo exit $?", false);
    terminal.until("words");
    terminal.say("\x03");
    let end = terminal.until("exit 130");
    assert!(end.contains("\u{1b}[0m") && end.contains("\u{1b}(B"), "{end:?}");
    shell.wait().expect("ends");
}

#[test]
fn control_z_stops_the_job_and_fg_goes_on() {
    let (beside, mut terminal) = (Beside::with("run"), Terminal::new());
    let mut shell = terminal.start(&beside, "", true);
    terminal.until("prompt> ");
    let program = "trap 'kill -STOP \\$\\$' TSTP; trap 'echo cont''inued' CONT; echo rea''dy; read a; read a; echo re''ad \\$a; exit 5";
    terminal.say(&format!("$BASTIDE run -- sh -c \"{program}\"; echo exi''t $?\n"));
    terminal.until("ready");
    assert!(terminal.is_raw());
    terminal.say("\u{1a}");
    terminal.goes_on();
    assert!(terminal.is_raw());
    terminal.say("one\r");
    terminal.say("two\r");
    terminal.until("read");
    terminal.leave(&mut shell);
}

#[test]
fn control_z_with_piped_input_stops_the_job_too() {
    let (beside, mut terminal) = (Beside::with("run"), Terminal::new());
    let mut shell = terminal.start(&beside, "", true);
    terminal.until("prompt> ");
    let program = "trap 'echo cont''inued; exit 6' CONT; echo rea''dy; while :; do sleep 0.05; done";
    terminal.say(&format!(": | $BASTIDE run -- sh -c \"{program}\"; echo exi''t $?\n"));
    terminal.until("ready");
    assert!(!terminal.is_raw());
    terminal.say("\u{1a}");
    terminal.goes_on();
    terminal.leave(&mut shell);
}

#[test]
fn a_stop_from_outside_gives_the_terminal_back() {
    let (beside, mut terminal) = (Beside::with("run"), Terminal::new());
    let mut shell = terminal.start(&beside, "", true);
    terminal.until("prompt> ");
    let program = "trap 'echo cont''inued' CONT; echo rea''dy; read a; read a; echo re''ad \\$a; exit 5";
    terminal.say(&format!("$BASTIDE run -- sh -c \"{program}\"; echo exi''t $?\n"));
    terminal.until("ready");
    assert!(terminal.is_raw());
    let client = foreground(&terminal);
    rustix::process::kill_process(client, rustix::process::Signal::TSTP).expect("sent");
    terminal.until("\u{1b}[?25h");
    terminal.goes_on();
    assert!(terminal.is_raw());
    terminal.say("one\r");
    terminal.say("two\r");
    terminal.leave(&mut shell);
}

/// The leader of the job that has the terminal: the client.
fn foreground(terminal: &Terminal) -> rustix::process::Pid {
    rustix::termios::tcgetpgrp(&terminal.master).expect("a job")
}

#[test]
fn a_terminal_that_the_program_has_itself_is_put_back() {
    let (beside, mut terminal) = (Beside::with("direct"), Terminal::new());
    let line =
        "$BASTIDE run --accept-risk without-relayed-stdio -- sh -c 'stty raw -echo; echo ready; read a'; echo exit $?";
    let mut shell = terminal.start(&beside, line, false);
    terminal.until("ready");
    assert!(terminal.is_raw());
    terminal.say("x\n");
    terminal.until("exit 0");
    assert!(!terminal.is_raw());
    assert!(shell.wait().expect("ends").success());
}

#[test]
fn a_terminal_that_hangs_up_ends_the_session() {
    let (beside, mut terminal) = (Beside::with("run"), Terminal::new());
    let file = beside.directory.path().join("pid");
    let program = format!("trap '' HUP; echo \\$\\$ > {}; echo rea''dy; exec sleep 100", file.display());
    let line = format!("exec $BASTIDE run -- sh -c \"{program}\"");
    let mut shell = terminal.start(&beside, &line, false);
    terminal.until("ready");
    let pid = std::fs::read_to_string(file).expect("pid").trim().to_owned();
    let Terminal { master, slave, .. } = terminal;
    drop((master, slave));
    assert!(!shell.wait().expect("ends").success());
    let limit = Instant::now() + Duration::from_secs(10);
    while std::path::Path::new(&format!("/proc/{pid}")).exists() {
        assert!(Instant::now() < limit, "the program outlived its terminal");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A terminal on which the value of a secret is asked for: its client's process id, and the shell around it.
fn asked_for_a_secret(beside: &Beside) -> (Terminal, rustix::process::Pid, Child) {
    let mut terminal = Terminal::new();
    let client = "echo pid $$ .; exec \"$BASTIDE\" vault set github --to api.github.com";
    let shell = terminal.start(beside, &format!("trap : INT QUIT; sh -c '{client}'; echo code $?"), false);
    let told = terminal.until("value of `github` (not shown): ");
    let pid = told.split_whitespace().nth(1).and_then(|pid| pid.parse().ok()).and_then(rustix::process::Pid::from_raw);
    assert!(!terminal.shows());
    (terminal, pid.expect("a process id"), shell)
}

const KEPT: &str = r#"{"reply":"text","text":"kept"}"#;

#[test]
fn a_secret_is_typed_unseen() {
    let beside = Beside::with(KEPT);
    let (mut terminal, _, mut shell) = asked_for_a_secret(&beside);
    // What follows the line is for nobody: a shell would show and run it.
    terminal.say("hunter2-hunxx\x7f\x7fter2\nhunter3\n");
    let seen = terminal.until("code 0");
    assert!(seen.contains("kept") && !seen.contains("hun") && terminal.shows(), "{seen:?}");
    shell.wait().expect("ends");
    let request = beside.asked();
    let wire::command::Request::Vault(wire::command::VaultRequest::Set { value, .. }) = request else { panic!() };
    assert_eq!(value.expose(), "hunter2-hunter2\n");
}

/// Whatever ends the question: nothing is asked of the plane, and the terminal shows again what is typed.
#[test]
fn a_secret_that_is_not_given_leaves_the_terminal_as_it_was() {
    let long = "hunter2-".repeat(600) + "\n";
    for (typed, code) in [("hunter2\x03", "code 130"), ("hunter2\x1c", "code 131"), (&long, "code 1")] {
        let beside = Beside::with(KEPT);
        let (mut terminal, _, mut shell) = asked_for_a_secret(&beside);
        terminal.say(typed);
        let seen = terminal.until(code);
        assert!(!seen.contains("hun") && terminal.shows(), "{seen:?}");
        assert!(!beside.directory.path().join("script.asked").exists());
        shell.wait().expect("ends");
    }
    let beside = Beside::with(KEPT);
    let (mut terminal, client, mut shell) = asked_for_a_secret(&beside);
    terminal.say("hunter2");
    rustix::process::kill_process(client, rustix::process::Signal::TERM).expect("sent");
    let seen = terminal.until("code 143");
    assert!(!seen.contains("hun") && terminal.shows(), "{seen:?}");
    shell.wait().expect("ends");
}

/// Such a terminal prints what others obey.
#[test]
fn a_dumb_terminal_gets_no_sequence() {
    let (beside, mut terminal) = (Beside::with("run"), Terminal::new());
    for (term, coloured) in [("TERM=dumb", false), ("env -u TERM", false), ("TERM=xterm", true)] {
        let mut shell = terminal.start(&beside, &format!("{term} $BASTIDE nonsense; echo exit $?"), false);
        let told = terminal.until("exit 2");
        assert_eq!(told.contains('\u{1b}'), coloured, "{term}: {told:?}");
        shell.wait().expect("ends");
    }
    let mut shell = terminal.start(&beside, "TERM=dumb $BASTIDE run -- echo words; echo exit $?", false);
    let told = terminal.until("exit 0");
    assert!(told.contains("words") && !told.contains('\u{1b}'), "{told:?}");
    shell.wait().expect("ends");
}
