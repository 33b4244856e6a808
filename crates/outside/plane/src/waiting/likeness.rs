//! Whether a client is what a waiting plane is itself: a session gets from its plane whatever a process passes on to
//! those it starts, so a plane serves only who would have passed on the same.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// What is said of a process in /proc/PID/status and goes to its children. Capabilities and seccomp have several lines.
const PASSED_ON: [&str; 9] =
    ["Umask:", "Uid:", "Gid:", "Groups:", "Cap", "NoNewPrivs:", "Seccomp", "Cpus_allowed:", "Mems_allowed:"];
/// Whole files that say more of it. One that the kernel does not have says nothing.
const FILES: [&str; 6] = ["cgroup", "limits", "oom_score_adj", "attr/current", "loginuid", "sessionid"];
/// Namespaces; `for_children` are those of what it starts.
const NAMESPACES: [&str; 10] =
    ["cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"];
/// Which fields of /proc/PID/stat, counted behind the name: nice value, real-time priority, policy.
const SCHEDULING: [usize; 3] = [16, 37, 38];

/// What a process passes on to those it starts, as far as the kernel tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Likeness {
    root: (u64, u64),
    namespaces: Vec<Option<PathBuf>>,
    files: Vec<Option<Vec<u8>>>,
    status: Vec<String>,
    scheduling: Vec<String>,
}

impl Likeness {
    /// That of a process; `self` is this one.
    ///
    /// # Errors
    /// When it is gone, or is another's.
    pub(super) fn of(process: &str) -> io::Result<Likeness> {
        let at = |file: &str| format!("/proc/{process}/{file}");
        let root = fs::metadata(at("root"))?;
        let text = |file: &str| read(&at(file)).and_then(|told| String::from_utf8(told).map_err(io::Error::other));
        let (status, stat) = (text("status")?, text("stat")?);
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        Ok(Likeness {
            root: (root.dev(), root.ino()),
            namespaces: NAMESPACES.map(|one| fs::read_link(at(&format!("ns/{one}"))).ok()).to_vec(),
            files: FILES.map(|file| read(&at(file)).ok()).to_vec(),
            status: status.lines().filter(|line| passed_on(line)).map(str::to_owned).collect(),
            scheduling: SCHEDULING.map(|at| fields.get(at).copied().unwrap_or_default().to_owned()).to_vec(),
        })
    }
}

/// What a file of /proc says, with room for the whole at once: no size is told for it.
fn read(path: &str) -> io::Result<Vec<u8>> {
    const ROOM: u64 = 16 * 1024;
    let mut told = Vec::with_capacity(ROOM as usize);
    File::open(path)?.take(ROOM).read_to_end(&mut told)?;
    Ok(told)
}

fn passed_on(line: &str) -> bool {
    PASSED_ON.iter().any(|name| line.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    struct Other(Child);

    impl Other {
        /// `sleep`, started as the arguments say.
        fn start(words: &[&str]) -> Other {
            let (program, arguments) = words.split_first().expect("a program");
            let child = Command::new(program).args(arguments).args(["sleep", "60"]).spawn().expect("started");
            Other(child)
        }

        /// Waits until it is `sleep`.
        fn likeness(&self) -> Likeness {
            let id = self.0.id();
            for _ in 0..1000 {
                if fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|name| name == "sleep\n") {
                    return Likeness::of(&id.to_string()).expect("told");
                }
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            panic!("it never became sleep");
        }
    }

    impl Drop for Other {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn whatever_a_process_would_pass_on_tells_it_from_another() {
        let own = Likeness::of("self").expect("told");
        assert_eq!(Other::start(&["env"]).likeness(), own);
        for words in [
            &["nice", "-n", "3"][..],
            &["sh", "-c", "umask 0111; exec \"$@\"", "-"],
            &["sh", "-c", "ulimit -n 17; exec \"$@\"", "-"],
            &["sh", "-c", "echo 77 >/proc/self/oom_score_adj; exec \"$@\"", "-"],
            &["setpriv", "--no-new-privs"],
            &["chrt", "--batch", "0"],
            &["unshare", "--user", "--map-current-user"],
            &["unshare", "--user", "--net"],
        ] {
            assert_ne!(Other::start(words).likeness(), own, "{words:?}");
        }
    }

    #[test]
    fn who_is_gone_is_like_nobody() {
        assert!(Likeness::of("0").is_err());
    }
}
