//! A room with an original, a session on it, and a cell that is a real overlay in a mount namespace of its own.
#![allow(clippy::unwrap_used, missing_docs, dead_code, unreachable_pub)]

use plane::workspace::*;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

pub struct Room {
    pub dir: tempfile::TempDir,
    pub workspace: Option<Workspace>,
}

pub fn root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs one test of this binary once more as an ordinary user, if we are root.
pub fn again_as_user(test: &str) {
    if !root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let exe = dir.path().join("test");
    // Not a copy: another test's fork could hold it open for writing while it is executed.
    fs::hard_link(std::env::current_exe().unwrap(), &exe)
        .or_else(|_| std::os::unix::fs::symlink(std::env::current_exe().unwrap(), &exe))
        .unwrap();
    let out = Command::new("setpriv")
        .args(["--reuid", "12345", "--regid", "12345", "--clear-groups"])
        .arg(&exe)
        .args([test, "--exact", "--nocapture"])
        .env("TMPDIR", dir.path())
        .env("HOME", dir.path())
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = text(&out);
    assert!(out.status.success() && said.contains("1 passed"), "as an ordinary user: {said}");
}

pub fn text(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// A cell that stays: its overlay is mounted once.
pub struct Cell {
    child: Child,
    tell: Option<ChildStdin>,
    hear: BufReader<ChildStdout>,
}

impl Cell {
    /// Runs one line in it.
    pub fn inside(&mut self, line: &str) -> String {
        writeln!(self.tell.as_mut().unwrap(), "{line}").unwrap();
        let mut said = String::new();
        loop {
            let before = said.len();
            assert!(self.hear.read_line(&mut said).unwrap() > 0, "the cell ended: {said}");
            if &said[before..] == "done\n" {
                said.truncate(before);
                return said;
            }
        }
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        self.tell = None;
        let _ = self.child.wait();
    }
}

impl Room {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("lower")).unwrap();
        Self { dir, workspace: None }
    }

    pub fn lower(&self) -> PathBuf {
        self.dir.path().join("lower")
    }

    pub fn upper(&self) -> PathBuf {
        self.dir.path().join("changes/upper")
    }

    pub fn begin(&mut self) {
        let (changes, lower) = (self.dir.path().join("changes"), self.lower());
        self.workspace = Some(Workspace::begin(&changes, &lower, None).unwrap());
    }

    pub fn workspace(&mut self) -> &mut Workspace {
        self.workspace.as_mut().unwrap()
    }

    pub fn changes(&mut self) -> Vec<Change> {
        self.workspace().changes(&[]).unwrap()
    }

    pub fn change(&mut self, path: &str) -> Change {
        let changes = self.changes();
        let found = changes.iter().find(|change| change.path == Path::new(path));
        found.unwrap_or_else(|| panic!("no change of {path} in {:?}", names(&changes))).clone()
    }

    pub fn apply(&mut self) -> Outcome {
        let changes = self.changes();
        self.workspace().apply(&changes, &Filter::default()).unwrap()
    }

    /// Runs a script outside, in the original.
    pub fn outside(&self, script: &str) -> String {
        let out = shell(Command::new("sh").args(["-euc", script]).current_dir(self.lower()));
        text(&out)
    }

    /// Runs a script in a cell of its own: the overlay is mounted over the original's own path.
    pub fn inside(&self, script: &str) -> String {
        // Root inside a user's namespace leaves the overlay's work directory without permission bits.
        text(&shell(&mut self.cell(script)))
    }

    /// One cell that goes on while changes are merged, as in mode `live`.
    pub fn cell_that_stays(&self) -> Cell {
        let script = "while read -r line; do (eval \"$line\") 2>&1 || true; echo done; done";
        let mut command = self.cell(script);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (tell, hear) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Cell { child, tell, hear }
    }

    fn cell(&self, script: &str) -> Command {
        let lower = self.lower().display().to_string();
        let changes = self.dir.path().join("changes").display().to_string();
        let mount = format!(
            "mount -t overlay overlay -o userxattr,lowerdir={lower},upperdir={changes}/upper,workdir={changes}/work {lower}; \
             cd {lower}; {script}"
        );
        let mut command = Command::new("unshare");
        command.args(if root() { ["-m"].as_slice() } else { ["-Urm"].as_slice() });
        command.args(["sh", "-euc", &mount]);
        command
    }

    /// Every path of a tree with its kind, mode and content.
    pub fn picture(&self, top: &Path) -> Vec<String> {
        let (mut out, mut todo) = (Vec::new(), vec![top.to_owned()]);
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                let meta = fs::symlink_metadata(&path).unwrap();
                let body = if meta.is_symlink() {
                    fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec()
                } else if meta.is_dir() {
                    todo.push(path.clone());
                    Vec::new()
                } else {
                    fs::read(&path).unwrap()
                };
                let name = path.strip_prefix(top).unwrap().display().to_string();
                out.push(format!("{name} {:o} {}", meta.mode(), String::from_utf8_lossy(&body)));
            }
        }
        out.sort();
        out
    }
}

pub fn names(changes: &[Change]) -> Vec<String> {
    changes.iter().map(|change| change.path.display().to_string()).collect()
}

fn shell(command: &mut Command) -> Output {
    let out = command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("GIT_AUTHOR_NAME", "a")
        .env("GIT_AUTHOR_EMAIL", "a@example.org")
        .env("GIT_COMMITTER_NAME", "c")
        .env("GIT_COMMITTER_EMAIL", "c@example.org")
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    assert!(out.status.success(), "{command:?}: {}", text(&out));
    out
}
