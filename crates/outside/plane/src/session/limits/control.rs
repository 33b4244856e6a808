//! Control groups, version 2 where the host delegates them, else version 1.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags};

use crate::store::cgroup_name;

/// Microseconds of the period over which processor time is counted.
const PERIOD: u64 = 100_000;
/// Where hosts mount them.
const MOUNT: &str = "/sys/fs/cgroup";

/// One control group that was made for a cell.
#[derive(Debug)]
pub(super) struct Group {
    path: PathBuf,
    version: u8,
}

impl Group {
    /// The file through which the launcher joins. It has one thread: in version 1 `tasks` moves just that, and spares
    /// the kernel a wait of 10 ms for every thread of the host.
    pub(super) fn door(&self) -> String {
        let file = if self.version == 1 { "tasks" } else { "cgroup.procs" };
        self.path.join(file).to_string_lossy().into_owned()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives a limit another value. What cannot be set is seen when it is read back.
    pub(super) fn set(&self, name: &str, value: u64) {
        if let Some((file, text)) = setting(self.version, name, value) {
            let _ = fs::write(self.path.join(file), text);
        }
    }

    /// What the kernel reads back for a limit, if this group holds it.
    pub(super) fn measured(&self, name: &str, value: u64) -> Option<String> {
        let (file, wanted) = setting(self.version, name, value)?;
        let read = fs::read_to_string(self.path.join(file)).ok()?;
        let read = read.trim();
        let same = read == wanted || rounded(read, &wanted);
        same.then(|| format!("{read} by {file}, cgroup v{}", self.version))
    }
}

/// The kernel rounds memory down to pages.
fn rounded(read: &str, wanted: &str) -> bool {
    matches!((read.parse::<u64>(), wanted.parse::<u64>()), (Ok(read), Ok(wanted)) if read <= wanted && wanted - read < 65_536)
}

/// The file and value that set a limit.
fn setting(version: u8, name: &str, value: u64) -> Option<(&'static str, String)> {
    let quota = || value * PERIOD / 1000;
    Some(match (version, name) {
        (2, "memory") => ("memory.max", value.to_string()),
        (2, "pids") => ("pids.max", value.to_string()),
        (2, "cpu") => ("cpu.max", format!("{} {PERIOD}", quota())),
        (1, "memory") => ("memory.limit_in_bytes", value.to_string()),
        (1, "pids") => ("pids.max", value.to_string()),
        (1, "cpu") => ("cpu.cfs_quota_us", quota().to_string()),
        _ => return None,
    })
}

/// Makes the groups that can hold any of the limits.
pub(super) fn make(id: &str, limits: &[(&str, u64)]) -> Vec<Group> {
    let name = cgroup_name(id);
    if limits.is_empty() {
        return Vec::new();
    }
    let Ok(own) = fs::read_to_string("/proc/self/cgroup") else { return Vec::new() };
    if let Some(group) = version_2(&own, &name, limits) {
        return vec![group];
    }
    limits.iter().filter_map(|&(controller, value)| version_1(&own, &name, controller, value)).collect()
}

/// The highest group above us that may be written and passes the controllers on; a group with processes of its own
/// may not.
fn version_2(own: &str, name: &str, limits: &[(&str, u64)]) -> Option<Group> {
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let leaf = Path::new(MOUNT).join(own);
    let mut above: Vec<&Path> = leaf.ancestors().take_while(|path| path.starts_with(MOUNT)).collect();
    above.reverse();
    above.into_iter().find_map(|parent| child(parent, name, limits))
}

fn child(parent: &Path, name: &str, limits: &[(&str, u64)]) -> Option<Group> {
    let passed = fs::read_to_string(parent.join("cgroup.subtree_control")).ok()?;
    if !limits.iter().any(|(limit, _)| passed.split_whitespace().any(|one| one == *limit)) {
        return None;
    }
    // Whoever moves a process writes to both groups' common ancestor as well: without that nothing could join.
    rustix::fs::accessat(rustix::fs::CWD, parent.join("cgroup.procs"), Access::WRITE_OK, AtFlags::EACCESS).ok()?;
    let path = parent.join(name);
    fs::create_dir(&path).ok()?;
    for &(limit, value) in limits {
        if let Some((file, text)) = setting(2, limit, value) {
            // What cannot be set is seen when it is read back.
            let _ = fs::write(path.join(file), text);
        }
    }
    let _ = fs::write(path.join("memory.swap.max"), "0");
    let _ = fs::write(path.join("memory.oom.group"), "1");
    Some(Group { path, version: 2 })
}

/// One hierarchy for each controller; a group beneath our own where that may be written.
fn version_1(own: &str, name: &str, controller: &str, value: u64) -> Option<Group> {
    let own = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let controllers = parts.next()?;
        controllers.split(',').any(|one| one == controller).then_some(parts.next()?)
    })?;
    let path = Path::new(MOUNT).join(controller).join(own.trim_start_matches('/')).join(name);
    let (file, text) = setting(1, controller, value)?;
    fs::create_dir(&path).ok()?;
    if fs::write(path.join(file), text).is_err() {
        let _ = fs::remove_dir(&path);
        return None;
    }
    Some(Group { path, version: 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_made_only_where_it_can_be_joined_and_holds_something() {
        let parent = tempfile::tempdir().expect("a directory");
        let made = |limit| child(parent.path(), "group", &[(limit, 4096)]).is_some();
        fs::write(parent.path().join("cgroup.subtree_control"), "memory pids\n").expect("writes");
        assert!(!made("memory") && !parent.path().join("group").exists(), "nothing can be moved here");
        fs::write(parent.path().join("cgroup.procs"), "").expect("writes");
        assert!(!made("cpu"), "that is not passed on");
        assert!(made("memory") && parent.path().join("group").exists());
    }
}
