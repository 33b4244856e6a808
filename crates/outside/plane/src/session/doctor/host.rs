//! What of this host explains a layer or a limit that it does not give. Only looks.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

/// `CAP_SYS_ADMIN`, as a bit.
const ADMIN: u64 = 1 << 21;
/// `OVERLAYFS_SUPER_MAGIC`.
const OVERLAY: u64 = 0x794c_7630;
/// The number that the kernel gives to its first pid namespace.
const FIRST_PIDS: &str = "pid:[4026531836]";
/// Namespaces that can be counted, as `user.max_…_namespaces` calls them.
const COUNTED: [&str; 7] = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"];

/// One host, as this process sees it.
#[derive(Debug, Clone, Default)]
pub(super) struct Host {
    pub(super) uid: u32,
    /// As `uname -r` prints it.
    pub(super) kernel: String,
    /// What it calls itself, where it is a container.
    pub(super) container: Option<&'static str>,
    /// `CAP_SYS_ADMIN` is held.
    pub(super) admin: bool,
    /// A seccomp filter is on us already.
    pub(super) filtered: bool,
    /// An AppArmor profile is on us already.
    pub(super) profiled: bool,
    /// Something lies over parts of /proc: the kernel then gives no fresh one.
    pub(super) masked: bool,
    /// The state lies on an overlay, on which no other can be laid.
    pub(super) state_on_overlay: bool,
    /// AppArmor lets only programs with a profile make user namespaces.
    pub(super) apparmor_restricts: bool,
    /// `kernel.unprivileged_userns_clone` is 0.
    pub(super) clone_forbidden: bool,
    /// How many namespaces of each kind there may be.
    pub(super) most: Vec<(&'static str, u64)>,
    pub(super) systemd: bool,
    /// Control groups of version 2 are mounted.
    pub(super) unified: bool,
    /// Dumps of core are handed to a program, and no limit can be set here that stops it.
    pub(super) dumps: bool,
    /// The user is the one as whom a cell sees every owner that it does not know.
    pub(super) nobody: bool,
    /// The launcher's path.
    pub(super) cell: PathBuf,
}

impl Host {
    pub(super) fn look() -> Host {
        let status = read("/proc/self/status").unwrap_or_default();
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let held = field("CapEff:").and_then(|text| u64::from_str_radix(text, 16).ok()).unwrap_or(0);
        let set = |path: &str, value: &str| read(path).is_some_and(|text| text == value);
        let own = std::env::current_exe().unwrap_or_default();
        let most = |name: &'static str| {
            Some((name, read(&format!("/proc/sys/user/max_{name}_namespaces"))?.parse::<u64>().ok()?))
        };
        Host {
            uid: rustix::process::geteuid().as_raw(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            container: container(),
            admin: held & ADMIN != 0,
            filtered: field("Seccomp:") == Some("2"),
            profiled: read("/proc/self/attr/apparmor/current").is_some_and(|name| is_profile(&name)),
            masked: read("/proc/self/mountinfo").is_some_and(|text| is_masked(&text)),
            state_on_overlay: state().is_some_and(|path| on_overlay(&path)),
            apparmor_restricts: set("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
            clone_forbidden: set("/proc/sys/kernel/unprivileged_userns_clone", "0"),
            most: COUNTED.into_iter().filter_map(most).collect(),
            systemd: Path::new("/run/systemd/system").is_dir(),
            unified: Path::new("/sys/fs/cgroup/cgroup.controllers").exists(),
            dumps: read("/proc/sys/kernel/core_pattern").is_some_and(|pattern| pattern.starts_with('|'))
                && getrlimit(Resource::Core).maximum == Some(0),
            nobody: is_nobody(),
            cell: own.parent().unwrap_or(Path::new("/")).join("bastide-cell"),
        }
    }

    /// What is printed of it.
    pub(super) fn facts(&self) -> Vec<(String, String)> {
        let machine = rustix::system::uname().machine().to_string_lossy().into_owned();
        let user = if self.uid == 0 { "root".to_owned() } else { format!("uid {}", self.uid) };
        let modules = read("/sys/kernel/security/lsm").unwrap_or_else(|| "not readable".into());
        let facts = [
            ("kernel", format!("{} {machine}", self.kernel)),
            ("user", user),
            ("security modules", modules),
            ("container", self.container.unwrap_or("none found").into()),
        ];
        let dumps = "handed to a program of the host's, whatever the cell does: only a limit of 1 stops that, and here it may \
                     not be above 0 (`ulimit -H -c`)";
        let dumps = self.dumps.then(|| ("core dumps", dumps.to_owned()));
        facts.into_iter().chain(dumps).map(|(name, fact)| (name.to_owned(), fact)).collect()
    }
}

/// Whether this user is the one that the kernel names in place of owners that a user namespace does not know. His cell
/// cannot tell the host's own trees from his.
pub(in crate::session) fn is_nobody() -> bool {
    let stand_in = read("/proc/sys/kernel/overflowuid").and_then(|uid| uid.parse().ok());
    stand_in == Some(rustix::process::geteuid().as_raw())
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// The container that this host is: it says so, or its processes are not numbered as the kernel's first ones.
fn container() -> Option<&'static str> {
    if Path::new("/.dockerenv").exists() {
        return Some("docker");
    }
    if Path::new("/run/.containerenv").exists() {
        return Some("podman");
    }
    let said = read("/proc/1/environ").is_some_and(|variables| variables.contains("container="));
    let numbered = fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link.as_os_str() != FIRST_PIDS);
    (said || numbered).then_some("a container")
}

fn is_profile(name: &str) -> bool {
    !name.is_empty() && name != "unconfined"
}

/// Whether anything lies over /proc; that which hosts mount for foreign programs is no matter.
fn is_masked(mountinfo: &str) -> bool {
    let places = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    places.into_iter().any(|at| at.starts_with("/proc/") && at != "/proc/sys/fs/binfmt_misc")
}

fn state() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")))
}

/// By the nearest directory that is there.
fn on_overlay(path: &Path) -> bool {
    let found = path.ancestors().find_map(|path| rustix::fs::statfs(path).ok());
    found.is_some_and(|of| u64::try_from(of.f_type) == Ok(OVERLAY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_over_proc_is_seen() {
        let plain = "55 54 0:33 / /proc rw,nosuid - proc proc rw\n60 55 0:40 / /proc/sys/fs/binfmt_misc rw - x x rw\n";
        assert!(!is_masked(plain));
        assert!(is_masked(&format!("{plain}45 55 0:33 /keys /proc/keys rw,nosuid - tmpfs tmpfs rw\n")));
        assert!(is_profile("docker-default (enforce)") && !is_profile("unconfined") && !is_profile(""));
    }

    #[test]
    fn this_host_is_seen() {
        let host = Host::look();
        assert_eq!(host.uid, rustix::process::geteuid().as_raw());
        assert!(host.kernel.contains('.') && host.cell.ends_with("bastide-cell"));
        assert_eq!(host.facts()[0].0, "kernel");
    }
}
