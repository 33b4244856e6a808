//! The four programs as an operator has them, for tests of the whole: as root, and as an ordinary user.
#![allow(dead_code, missing_docs, unreachable_pub)]

pub mod loopback;
pub mod origin;
pub mod outside;
pub mod scene;
pub mod waiting;

use std::ffi::OsStr;
use std::fs;
use std::io::BufRead;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The ordinary user that tests become.
pub const ORDINARY: u32 = 12_345;
const PROGRAMS: [&str; 4] = ["bastide", "bastided", "bastide-gate", "bastide-cell"];

/// Where every user may start the programs from. A checkout may lie where only its owner can look.
fn programs() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let own = std::env::current_exe().expect("this test");
        let built = own.ancestors().nth(2).expect("the target directory");
        let place = directory("programs");
        for program in PROGRAMS {
            let (from, to) = (built.join(program), place.join(program));
            fs::hard_link(&from, &to)
                .or_else(|_| fs::copy(&from, &to).map(drop))
                .unwrap_or_else(|error| panic!("{program} is not built ({error}); hint: `make debug`"));
        }
        place
    })
}

/// A fresh directory that every user may enter.
fn directory(name: &str) -> PathBuf {
    let place = tempfile::Builder::new().prefix(&format!("bastide-{name}-")).tempdir_in("/tmp").expect("a directory");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).expect("open to all");
    place.keep()
}

/// Somebody with a home, a state and a workspace of his own, removed with him.
pub struct Operator {
    pub uid: u32,
    pub room: PathBuf,
}

impl Operator {
    pub fn new(uid: u32) -> Operator {
        let room = directory("operator");
        for part in ["home", "state", "work"] {
            fs::create_dir(room.join(part)).expect("made");
            chown(room.join(part), Some(uid), Some(uid)).expect("given");
        }
        Operator { uid, room }
    }

    /// Root and an ordinary user; an ordinary user alone when the tests are run by one.
    pub fn each() -> Vec<Operator> {
        let own = rustix::process::geteuid().as_raw();
        if own == 0 { vec![Operator::new(0), Operator::new(ORDINARY)] } else { vec![Operator::new(own)] }
    }

    pub fn home(&self) -> PathBuf {
        self.room.join("home")
    }

    pub fn work(&self) -> PathBuf {
        self.room.join("work")
    }

    /// Writes a file that belongs to the operator.
    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let full = self.room.join(path);
        let mut made = self.room.clone();
        for part in Path::new(path).parent().into_iter().flat_map(Path::components) {
            made.push(part);
            if fs::create_dir(&made).is_ok() {
                chown(&made, Some(self.uid), Some(self.uid)).expect("given");
            }
        }
        fs::write(&full, text).expect("written");
        chown(&full, Some(self.uid), Some(self.uid)).expect("given");
        full
    }

    /// `bastide ARGUMENTS`, in the workspace.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new(programs().join("bastide"));
        command.args(arguments);
        self.surround(&mut command);
        command
    }

    /// Starts something else as the operator would, in the workspace.
    pub fn ran(&self, mut command: Command) -> Ran {
        self.surround(&mut command);
        Ran::of(command.output().expect("starts"))
    }

    /// Where the operator is, who he is, and his variables.
    pub fn surround(&self, command: &mut Command) {
        command.current_dir(self.work()).env_clear().stdin(Stdio::null());
        command.env("HOME", self.home()).env("XDG_STATE_HOME", self.room.join("state"));
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("USER", "operator");
        // What began by itself would outlive the test.
        command.env("BASTIDE_DAEMON", "off");
        if self.uid != rustix::process::geteuid().as_raw() {
            command.uid(self.uid).gid(self.uid);
        }
    }

    pub fn bastide<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Ran {
        Ran::of(self.command(arguments).output().expect("bastide starts"))
    }

    /// `bastide run OPTIONS -- sh -c SCRIPT`.
    pub fn run(&self, options: &[&str], script: &str) -> Ran {
        let arguments: Vec<&str> =
            ["run"].into_iter().chain(options.iter().copied()).chain(["--", "sh", "-c", script]).collect();
        self.bastide(&arguments)
    }

    /// The outcome of a run as JSON.
    pub fn outcome(&self, options: &[&str], script: &str) -> Value {
        self.outcome_and_words(options, script).0
    }

    /// The same, with what the program printed.
    pub fn outcome_and_words(&self, options: &[&str], script: &str) -> (Value, String) {
        let file = self.room.join("home/outcome.json");
        let path = file.to_string_lossy().into_owned();
        let options: Vec<&str> = ["--outcome", &path].into_iter().chain(options.iter().copied()).collect();
        let ran = self.run(&options, script);
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("no outcome ({error}): {ran:?}"));
        (serde_json::from_str(&text).expect("JSON"), ran.stdout)
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.room);
    }
}

/// What a command said.
#[derive(Debug)]
pub struct Ran {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(output: Output) -> Ran {
        Ran {
            exit: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Whether it comes to hold, within half a minute.
pub fn until(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// Processes that this one started and that are not waited for.
pub fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// The first line of a request whose head and body have come; none where there is no more.
pub fn first_line(from: &mut impl BufRead) -> Option<String> {
    let (mut first, mut length) = (String::new(), 0);
    if from.read_line(&mut first).unwrap_or(0) == 0 {
        return None;
    }
    loop {
        let mut line = String::new();
        if from.read_line(&mut line).unwrap_or(0) <= 2 {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
    }
    from.read_exact(&mut vec![0; length]).ok()?;
    Some(first.trim_end().to_owned())
}
