//! The user that a gate runs as: where the plane is root one of the gate's own, which it becomes before it reads
//! anything. A process that changes its user before it executes another program has to be forked, which costs a start
//! more than the program's own; so the program does it itself, and goes on only if nothing of root is left.

use std::fmt::Display;

use rustix::process::{Gid, Uid, getegid, geteuid, getgid, getgroups, getuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid, set_thread_uid,
};

/// What could not be given up, or was kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot become the user of this gate: {0}")]
pub struct UserError(String);

/// Becomes this user and group, without others and without capabilities, for good. For a process of one thread.
///
/// # Errors
/// When that cannot be, or anything of root is left: the process must then end.
pub fn become_user(id: u32) -> Result<(), UserError> {
    if id == 0 || id == u32::MAX {
        return Err(UserError(format!("{id} is no user of a gate")));
    }
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    set_thread_groups(&[]).map_err(failed("leave all groups"))?;
    set_thread_res_gid(gid, gid, gid).map_err(failed("change the group"))?;
    set_thread_res_uid(uid, uid, uid).map_err(failed("change the user"))?;
    // The kernel does it with the user, unless somebody told it not to.
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    set_capabilities(None, sets).map_err(failed("drop the capabilities"))?;
    let is = [getuid(), geteuid()] == [uid; 2] && [getgid(), getegid()] == [gid; 2];
    let groups = getgroups().map_err(failed("read the groups"))?;
    let held = capabilities(None).map_err(failed("read the capabilities"))?;
    // Where this succeeds, the saved user is root still.
    let regained = set_thread_uid(Uid::ROOT).is_ok();
    if !is || !groups.is_empty() || held != sets || regained {
        return Err(UserError("something of root was kept".into()));
    }
    Ok(())
}

fn failed<E: Display>(what: &'static str) -> impl FnOnce(E) -> UserError {
    move |error| UserError(format!("{what}: {error}"))
}
