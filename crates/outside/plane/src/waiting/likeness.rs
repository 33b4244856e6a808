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

/// Whether this process is bound by what /proc does not tell whole, so that nobody can be said to be like it: a Landlock
/// domain, which is taken with `no new privileges` (or by who has all power anyway), or filters of which only the number is
/// told. Those that the first process has are everybody's here, as in a container.
pub(super) fn is_confined() -> bool {
    let told = |process: &str| -> Option<Vec<String>> {
        let text = String::from_utf8(read(&format!("/proc/{process}/status")).ok()?).ok()?;
        Some(
            text.lines()
                .filter(|line| line.starts_with("NoNewPrivs:") || line.starts_with("Seccomp"))
                .map(str::to_owned)
                .collect(),
        )
    };
    told("self").is_none_or(|own| confines(&own, told("1").as_deref()))
}

fn confines(own: &[String], first: Option<&[String]>) -> bool {
    let says = |line: &str| own.iter().any(|own| own == line);
    let free = says("Seccomp:\t0");
    // A kernel that does not count filters tells nothing.
    let counted = own.iter().any(|line| line.starts_with("Seccomp_filters:"));
    let filters =
        |lines: &[String]| lines.iter().filter(|line| line.starts_with("Seccomp")).cloned().collect::<Vec<_>>();
    !says("NoNewPrivs:\t0") || !(free || counted && first.is_some_and(|first| filters(first) == filters(own)))
}

/// What a file of /proc says, with room for the whole at once: no size is told for it.
fn read(path: &str) -> io::Result<Vec<u8>> {
    const ROOM: u64 = 16 * 1024;
    let mut told = Vec::with_capacity(ROOM as usize);
    File::open(path)?.take(ROOM).read_to_end(&mut told)?;
    told.shrink_to_fit();
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
    fn who_is_bound_by_what_is_not_told_is_like_nobody() {
        let lines = |text: &str| text.split(' ').map(|line| line.replace('=', ":\t")).collect::<Vec<_>>();
        let judged = |own: &str, first: &str| confines(&lines(own), Some(&lines(first)));
        let (free, contained) =
            ("NoNewPrivs=0 Seccomp=0 Seccomp_filters=0", "NoNewPrivs=0 Seccomp=2 Seccomp_filters=1");
        assert!(!judged(free, free) && !judged(contained, contained) && !judged(free, contained));
        assert!(judged(contained, free), "its own filter");
        assert!(judged("NoNewPrivs=0 Seccomp=2 Seccomp_filters=2", contained), "one more than everybody's");
        assert!(judged("NoNewPrivs=1 Seccomp=0 Seccomp_filters=0", free), "perhaps a Landlock domain");
        assert!(judged("NoNewPrivs=0 Seccomp=2", "NoNewPrivs=0 Seccomp=2"), "not counted");
        assert!(confines(&lines(contained), None) && confines(&[], None));
    }

    #[test]
    fn who_is_gone_is_like_nobody() {
        assert!(Likeness::of("0").is_err());
    }
}
