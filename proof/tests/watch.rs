//! `bastide watch` as an operator has it: in a real terminal (tmux), over real sessions; started by root and by an ordinary
//! user.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::whole::outside::Outside;
use crate::whole::{Operator, until};
use serde_json::Value;

/// A terminal of 80 by 24 with a shell in it, and a server of tmux of its own.
struct Terminal<'o> {
    operator: &'o Operator,
    socket: PathBuf,
}

impl<'o> Terminal<'o> {
    /// Runs this line, with `$bastide` as the command; what is left of the terminal stays to be looked at.
    fn run(operator: &'o Operator, line: &str) -> Terminal<'o> {
        // A server that was ended may still be there for a moment.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("home/tmux-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let terminal = Terminal { operator, socket: operator.room.join(name) };
        let bastide = operator.command(&[""]).get_program().to_string_lossy().into_owned();
        let script = operator.write("home/line.sh", &format!("bastide={bastide}\n{line}\nexec cat\n"));
        let script = format!("exec bash {}", script.display());
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", &script]);
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        self.operator.surround(&mut command);
        command.args(["-u", "-S"]).arg(&self.socket).args(arguments).env("LANG", "C.UTF-8").env("SHELL", "/bin/bash");
        let output = command.output().expect("tmux starts");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn shown(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until it is shown.
    fn sees(&self, what: &str) {
        assert!(until(|| self.shown().contains(what)), "`{what}` never came:\n{}", self.shown());
    }

    /// Waits until the line of a session, which is chosen, says so.
    fn has(&self, session: &str, what: &str) {
        let line = format!("> {session} ");
        let has = || self.shown().lines().any(|shown| shown.starts_with(&line) && shown.contains(what));
        assert!(until(has), "`{session}` is never {what}:\n{}", self.shown());
    }

    fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Presses a key that is only heard after its prompt stood there for a while, until this holds.
    fn presses(&self, key: &str, mut holds: impl FnMut() -> bool) {
        let done = until(|| {
            self.keys(&[key]);
            std::thread::sleep(Duration::from_millis(700));
            holds()
        });
        assert!(done, "{key}:\n{}", self.shown());
    }

    /// The process of `bastide watch`.
    fn watch(&self) -> u32 {
        let shell = self.tmux(&["list-panes", "-F", "#{pane_pid}"]).trim().parse().expect("a number");
        let mut found = Vec::new();
        assert!(until(|| {
            found = crate::whole::children(shell);
            !found.is_empty()
        }));
        found[0]
    }

    /// The terminal is as it was: the first screen, the mode, the cursor, no marks on what is pasted.
    fn is_given_back(&self) {
        self.sees("after: same mode");
        let state = self.tmux(&["display", "-p", "#{alternate_on} #{cursor_flag} #{bracket_paste_flag}"]);
        assert!(state.starts_with("0 1"), "{state}");
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        let mut command = Command::new("tmux");
        self.operator.surround(&mut command);
        let _ = command.arg("-S").arg(&self.socket).arg("kill-server").output();
    }
}

const WATCH: &str = "before=$(stty -g); echo began; $bastide watch OPTIONS; echo left=$?\n\
                     [ \"$(stty -g)\" = \"$before\" ] && echo after: same mode";

fn watch(options: &str) -> String {
    WATCH.replace("OPTIONS", options)
}

/// A session that runs a script and is asked about.
fn session(operator: &Operator, outside: u16, name: &str, script: &str) -> Child {
    let text = "bastide: 1\nname: asks\nextends: [hardened]\nnetwork:\n  default: ask\nlimits: {time: 1h}\n";
    let file = operator.write("home/policy.yaml", text).to_string_lossy().into_owned();
    let mut command =
        operator.command(&["run", "--patience", "2m", "--name", name, "--policy", &file, "--", "bash", "-c", script]);
    command.env("https_proxy", format!("http://127.0.0.1:{outside}"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts")
}

fn shown(operator: &Operator, name: &str) -> Value {
    serde_json::from_str(&operator.bastide(&["show", name, "--json"]).stdout).unwrap_or_default()
}

#[test]
fn questions_are_answered_and_sessions_frozen_and_stopped_from_the_screen() {
    for operator in Operator::each() {
        let outside = Outside::new();
        let script = "curl -s --noproxy '*' -o /dev/null http://one.example/ && touch answered; exec sleep 600";
        let mut asks = session(&operator, outside.port, "asks", script);
        let terminal = Terminal::run(&operator, &watch(""));
        terminal.sees("sessions: 1 running");
        terminal.sees("1!");
        terminal.sees("1 wait for an answer");
        // The queue, the card, and a key for it.
        terminal.keys(&[":queue", "Enter"]);
        terminal.sees("one.example:80");
        terminal.keys(&["a"]);
        terminal.sees("o once, s session");
        assert!(terminal.shown().contains("wants   one.example:80, a connection"), "{}", terminal.shown());
        terminal.presses("o", || outside.asked().iter().any(|line| line == "GET /"));
        terminal.sees("allowed once");
        let log = operator.bastide(&["log", "asks"]).stdout;
        assert!(log.contains(": once, uid"), "{log}");
        // What happened, and why.
        terminal.keys(&[":timeline asks", "Enter"]);
        terminal.sees("following");
        terminal.keys(&["/one.example", "Enter"]);
        terminal.sees("with 'one.example'");
        terminal.keys(&["w"]);
        terminal.sees("program");
        terminal.keys(&["Escape"]);
        terminal.sees("timeline of asks");
        terminal.keys(&[":sessions", "Enter"]);
        // Frozen, and let go on; the gauge tells the time.
        terminal.sees("[----]  0%");
        terminal.keys(&["f"]);
        terminal.has("asks", "paused");
        assert_ne!(shown(&operator, "asks")["live"]["paused"], Value::Null);
        terminal.sees("is paused by");
        terminal.keys(&["f"]);
        terminal.sees("goes on");
        terminal.has("asks", "running");
        assert!(until(|| shown(&operator, "asks")["live"]["paused"].is_null()));
        // Stopped, after a yes.
        terminal.keys(&["K"]);
        terminal.sees("stop asks (");
        terminal.presses("y", || asks.try_wait().expect("asked").is_some());
        terminal.sees("0 running, 1 ended");
        let log = operator.bastide(&["log", "asks"]).stdout;
        assert!(log.contains("the operator stopped it"), "{log}");
        // Another one comes by itself.
        let mut other = session(&operator, outside.port, "other", "exec sleep 600");
        terminal.sees("1 running, 1 ended");
        terminal.sees("other");
        terminal.keys(&["q"]);
        terminal.sees("left=0");
        terminal.is_given_back();
        assert!(terminal.shown().contains("began"), "{}", terminal.shown());
        assert_eq!(operator.bastide(&["stop", "other"]).exit, 0);
        other.wait().expect("waited");
    }
}

#[test]
fn every_way_out_gives_the_terminal_back() {
    for operator in Operator::each() {
        for (signal, code) in [("", "left=0"), ("TERM", "left=143"), ("HUP", "left=129")] {
            let terminal = Terminal::run(&operator, &watch("--read-only"));
            terminal.sees("no sessions; `bastide run -- CMD` begins one");
            terminal.sees("read-only");
            terminal.tmux(&["resize-window", "-x", "30", "-y", "8"]);
            terminal.sees("30x8 is too small");
            terminal.tmux(&["resize-window", "-x", "80", "-y", "24"]);
            terminal.sees("no sessions");
            match signal {
                "" => terminal.keys(&["C-c"]),
                signal => {
                    let ran =
                        Command::new("kill").args([&format!("-{signal}"), &terminal.watch().to_string()]).status();
                    assert!(ran.expect("starts").success());
                }
            }
            terminal.sees(code);
            terminal.is_given_back();
        }
        // The terminal goes away.
        let terminal = Terminal::run(&operator, &watch(""));
        terminal.sees("no sessions");
        let process = format!("/proc/{}", terminal.watch());
        terminal.tmux(&["kill-server"]);
        assert!(until(|| !std::path::Path::new(&process).exists()), "it goes on without a terminal");
    }
}

#[test]
fn without_a_terminal_it_says_what_to_do_instead() {
    let operator = Operator::new(rustix::process::geteuid().as_raw());
    let ran = operator.bastide(&["watch"]);
    assert!(
        ran.exit == 2 && ran.stderr.contains("E-FACE-015") && ran.stderr.contains("bastide log --follow"),
        "{ran:?}"
    );
    let ran = operator.bastide(&["watch", "--json"]);
    assert!(ran.exit == 2 && ran.stderr.contains("log --follow --json"), "{ran:?}");
    let terminal = Terminal::run(&operator, "TERM=dumb $bastide watch; echo left=$?");
    terminal.sees("left=2");
    assert!(terminal.shown().contains("E-FACE-015"), "{}", terminal.shown());
}
