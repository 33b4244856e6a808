//! Limits: what the policy wants, by what means this host can hold it, and what came of it as read back.
//!
//! Boundaries hold or nothing runs; limits hold as far as the host gives, and the summary says so.

mod control;

use std::collections::BTreeSet;
use std::path::PathBuf;

use policy::{Limit, Limits};
use record::Wall;

use control::Group;

use crate::store::remove_cgroup;

/// `RLIMIT_CORE`: no cell writes a dump of itself to where the host's handler would read it.
const CORE: u32 = 4;
/// Bytes of a dump. Too few for a file; and where the host hands dumps to a program this limit and no other stops that: of 0
/// it takes no notice. The cell's filter keeps it.
const NO_DUMP: u64 = 1;
/// `RLIMIT_NPROC`.
const PROCESSES: u32 = 6;
/// `RLIMIT_SIGPENDING`.
const PENDING: u32 = 11;
/// Signals and timers that may wait for a cell. The kernel counts them for the operator too, who could make no timer any more
/// where a cell took all: one in eight of what he may have, and no more than any program waits for.
const MOST_PENDING: u64 = 4096;
/// The agent dies before the host's own work when memory runs out; who is to die sooner still stays so.
const OOM_SCORE: i16 = 500;

/// The limits of one cell, set up on the host.
#[derive(Debug)]
pub(super) struct Held {
    /// What the cell is told.
    pub(super) plan: plan::Limits,
    /// What holds, as read back.
    pub(super) walls: Vec<Wall>,
    /// Directories to remove at the end.
    pub(super) groups: Vec<PathBuf>,
}

/// Limits that were set up before there is a session, in control groups that a cell has joined. Dropped, those go, with what
/// runs in them.
#[derive(Debug)]
pub(super) struct Ahead {
    wanted: [Option<u64>; 3],
    held: Option<Held>,
    groups: Vec<Group>,
}

impl Ahead {
    /// Sets these limits up, under this name.
    pub(super) fn make(id: &str, wanted: &Limits) -> Ahead {
        let (held, groups) = hold_in_groups(id, wanted);
        Ahead { wanted: grouped(wanted), held: Some(held), groups }
    }

    /// What the cell joins.
    pub(super) fn join(&self) -> Vec<String> {
        self.held.as_ref().map(|held| held.plan.join.clone()).unwrap_or_default()
    }

    /// Those of a session that wants these. The same groups get other bounds, where all of those can be held by them; else
    /// others are set up beside them.
    fn taken(mut self, id: &str, wanted: &Limits) -> Held {
        let Some(ahead) = self.held.take() else { return hold(id, wanted) };
        let known = if self.wanted == grouped(wanted) {
            Some(ahead.walls.iter().filter(|wall| KINDS.contains(&wall.name.as_str())).cloned().collect())
        } else {
            self.bound_anew(wanted)
        };
        if let Some(known) = known {
            let mut held = rest(wanted);
            (held.plan.rlimits, held.plan.join) = (ahead.plan.rlimits, ahead.plan.join);
            held.walls.splice(..0, known);
            held.groups = ahead.groups;
            return held;
        }
        let mut held = hold(id, wanted);
        // Empty by then.
        held.groups.extend(ahead.groups);
        held
    }

    /// What holds after these groups got the bounds of a session that wants the same kinds, as read back; none where one of
    /// them is not held.
    fn bound_anew(&self, wanted: &Limits) -> Option<Vec<Wall>> {
        let (ahead, wanted) = (self.wanted, grouped(wanted));
        if ahead.map(|value| value.is_some()) != wanted.map(|value| value.is_some()) {
            return None;
        }
        let bound = |(name, (before, value)): (&str, (Option<u64>, Option<u64>))| {
            let value = value?;
            let held = |group: &Group| {
                if before != Some(value) {
                    group.set(name, value);
                }
                group.measured(name, value)
            };
            let detail = self.groups.iter().find_map(held);
            Some(detail.map(|detail| Wall { name: name.into(), holds: true, detail }))
        };
        KINDS.into_iter().zip(ahead.into_iter().zip(wanted)).filter_map(bound).collect()
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        for group in self.held.iter().flat_map(|held| &held.groups) {
            let _ = remove_cgroup(group);
        }
    }
}

/// Limits that control groups hold.
const KINDS: [&str; 3] = ["memory", "pids", "cpu"];

fn grouped(wanted: &Limits) -> [Option<u64>; 3] {
    [wanted.memory, wanted.pids, wanted.cpu]
}

/// Sets limits up for the session of this id, or takes what was.
pub(super) fn hold_from(ahead: Option<Ahead>, id: &str, wanted: &Limits) -> Held {
    match ahead {
        Some(ahead) => ahead.taken(id, wanted),
        None => hold(id, wanted),
    }
}

/// Sets limits up for the session of this id.
pub(super) fn hold(id: &str, wanted: &Limits) -> Held {
    hold_in_groups(id, wanted).0
}

fn hold_in_groups(id: &str, wanted: &Limits) -> (Held, Vec<Group>) {
    let mut held = rest(wanted);
    let asked = KINDS.into_iter().zip(grouped(wanted));
    let asked: Vec<(&str, u64)> = asked.filter_map(|(name, value)| Some((name, value?))).collect();
    let groups = control::make(id, &asked);
    let mut walls = Vec::with_capacity(asked.len() + held.walls.len());
    for &(name, value) in &asked {
        walls.push(match groups.iter().find_map(|group| group.measured(name, value)) {
            Some(detail) => Wall { name: name.into(), holds: true, detail },
            None if name == "pids" => {
                held.plan.rlimits.push((PROCESSES, value));
                Wall { name: name.into(), holds: true, detail: format!("rlimit {value} for each user of the cell") }
            }
            None => Wall { name: name.into(), holds: false, detail: "no control group of ours on this host".into() },
        });
    }
    held.walls.splice(..0, walls);
    held.plan.join = groups.iter().map(Group::door).collect();
    held.groups = groups.iter().map(|group| group.path().to_owned()).collect();
    (held, groups)
}

/// Limits that need no control group.
fn rest(wanted: &Limits) -> Held {
    let mut held = Held {
        plan: plan::Limits {
            join: Vec::new(),
            rlimits: vec![(CORE, NO_DUMP), (PENDING, share_of_pending())],
            oom_score_adj: OOM_SCORE.max(own_score()),
        },
        walls: Vec::new(),
        groups: Vec::new(),
    };
    if let Some(seconds) = wanted.time {
        held.walls.push(Wall { name: "time".into(), holds: true, detail: format!("{seconds} s, by the plane") });
    }
    if let Some(bytes) = wanted.disk {
        let detail = format!("{bytes} bytes, looked at every two seconds: soft");
        held.walls.push(Wall { name: "disk".into(), holds: false, detail });
    }
    held
}

fn share_of_pending() -> u64 {
    let own = rustix::process::getrlimit(rustix::process::Resource::Sigpending).maximum;
    own.map_or(MOST_PENDING, |own| (own / 8).min(MOST_PENDING))
}

fn own_score() -> i16 {
    std::fs::read_to_string("/proc/self/oom_score_adj").ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// The first limit that the policy calls required and that this host does not enforce.
pub(super) fn missing<'w>(walls: &'w [Wall], required: &BTreeSet<Limit>) -> Option<&'w Wall> {
    walls.iter().find(|wall| !wall.holds && required.iter().any(|limit| limit.name() == wall.name))
}

/// How often the kernel ended a program of these groups for memory.
pub(super) fn out_of_memory(groups: &[PathBuf]) -> u64 {
    counted(groups, &["memory.events", "memory.oom_control"], "oom_kill ")
}

/// How often the kernel refused a program of these groups another process.
pub(super) fn out_of_processes(groups: &[PathBuf]) -> u64 {
    counted(groups, &["pids.events"], "max ")
}

/// What the first of these files that a group has counts under a name, of all groups.
fn counted(groups: &[PathBuf], files: &[&str], name: &str) -> u64 {
    let count = |group: &PathBuf| {
        let text = files.iter().find_map(|file| std::fs::read_to_string(group.join(file)).ok())?;
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
    };
    groups.iter().filter_map(count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_takes_all_the_signals_that_may_wait_for_the_operator() {
        let held = rest(&Limits::default()).plan.rlimits;
        let own = rustix::process::getrlimit(rustix::process::Resource::Sigpending).maximum.unwrap_or(u64::MAX);
        let share = held.iter().find(|(which, _)| *which == PENDING).map(|(_, value)| *value);
        assert!(share.is_some_and(|share| share <= own / 8), "{share:?} of {own}");
    }

    #[test]
    fn groups_that_were_made_ahead_get_the_bounds_of_their_session() {
        let limits = |memory, pids| Limits { memory: Some(memory), pids, ..Limits::default() };
        let id = |which: &str| format!("test-{which}-{}", std::process::id());
        let ahead = Ahead::make(&id("ahead"), &limits(1 << 30, Some(100)));
        let made = ahead.held.as_ref().map(|held| held.groups.clone()).unwrap_or_default();
        let held = hold_from(Some(ahead), &id("own"), &limits(64 << 20, Some(7)));
        // Where a host gives none, there are none to be bound.
        if !made.is_empty() {
            assert_eq!(held.groups, made);
            let said: Vec<&str> = held.walls.iter().map(|wall| wall.detail.split(' ').next().unwrap_or("")).collect();
            assert_eq!(said, ["67108864", "7"], "{:?}", held.walls);
        }
        held.groups.iter().for_each(|group| remove_cgroup(group).expect("removed"));
        // One that wants another kind of limit gets groups of its own, and the others go with it.
        let ahead = Ahead::make(&id("ahead"), &limits(1 << 30, Some(100)));
        let held = hold_from(Some(ahead), &id("own"), &limits(64 << 20, None));
        assert!(made.iter().all(|group| held.groups.contains(group)));
        assert!(made.is_empty() || held.groups.len() > made.len(), "{:?}", held.groups);
        held.groups.iter().for_each(|group| remove_cgroup(group).expect("removed"));
    }
}
