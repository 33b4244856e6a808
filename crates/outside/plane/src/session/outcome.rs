//! What a session came to, from its record and its changes.

use std::path::Path;

use plan::Layer;
use record::Wall;
use wire::command::{Outcome, Problem};

use super::asked::Asked;
use super::doctor::{host, remedies};
use super::ending::Changed;
use super::mounts;
use super::serve::End;
use crate::problem::{problem, quoted};
use crate::store::{SessionDirectory, Tally, tally};

/// Why nothing was run.
#[derive(Debug)]
pub(super) struct Unrun {
    pub(super) problem: Problem,
    /// The boundary layer that does not hold, where it is that.
    pub(super) layer: Option<Layer>,
}

impl From<Problem> for Unrun {
    fn from(problem: Problem) -> Unrun {
        Unrun { problem, layer: None }
    }
}

/// Sums a session up; one whose program did not begin is a problem instead.
pub(super) fn sum_up(
    session: &SessionDirectory,
    asked: &Asked,
    end: End,
    limits: Vec<Wall>,
    changed: Changed,
) -> Result<Outcome, Unrun> {
    if let Some(failure) = &end.failure {
        let problem = mounted_beneath(failure, session, asked).unwrap_or_else(|| not_run(failure));
        return Err(Unrun { problem, layer: failure.layer });
    }
    let mut warnings = end.warnings;
    let tally = tally(session).unwrap_or_else(|error| {
        warnings.push(format!("the record could not be read: {error}"));
        Tally::default()
    });
    Ok(Outcome {
        session: session.record.id.clone(),
        exit: end.exit,
        reason: end.reason,
        layers: end.layers,
        limits,
        accepted_risks: asked.accepted.names.clone(),
        allowed: tally.allowed,
        refused: tally.refused,
        models: tally.models,
        changed: changed.paths,
        changed_count: changed.count,
        last_refusal: tally.last_refusal.map(|id| id.to_string()),
        warnings,
        merged: end.merged,
    })
}

/// A link or a file where a directory has to be, or anything where a link has to be.
fn in_the_way(errno: i32) -> bool {
    [rustix::io::Errno::LOOP, rustix::io::Errno::NOTDIR, rustix::io::Errno::EXIST]
        .iter()
        .any(|one| one.raw_os_error() == errno)
}

/// An ordinary user may not see what lies below a mount, and so may not lay an overlay over a tree that has one.
fn mounted_beneath(failure: &plan::Failure, session: &SessionDirectory, asked: &Asked) -> Option<Problem> {
    let refused =
        failure.errno == rustix::io::Errno::INVAL.raw_os_error() && failure.doing.starts_with("mount overlay");
    if !refused || failure.layer != Some(Layer::PrivateRoot) {
        return None;
    }
    let trees = session.record.trees.iter().map(|tree| tree.path.as_path());
    let read = asked.policy.files.read.iter().map(|path| Path::new(path.as_str()));
    let mount = mounts::first(trees.chain(read))?;
    Some(problem(
        "E-CELL-003",
        format!("the private root cannot be laid out: `{}` is a mount of its own", quoted(&mount.to_string_lossy())),
        "unmount it, name a directory that has no mount in it (`--workspace DIR`), or start as root",
        failure.exit,
    ))
}

/// The walls could not be built, or the command not started.
fn not_run(failure: &plan::Failure) -> Problem {
    let errno = std::io::Error::from_raw_os_error(failure.errno);
    let cause = if failure.errno == 0 { failure.doing.clone() } else { format!("cannot {}: {errno}", failure.doing) };
    match failure.layer {
        // What an earlier session left in the kept home must not choose the operator's advice.
        Some(_) if in_the_way(failure.errno) => problem(
            "E-CELL-001",
            format!("the private root cannot be laid out: {cause}"),
            "something in the private home is in the way of a path that you named: `--fresh-home`",
            failure.exit,
        ),
        Some(Layer::SocketShadow) if host::is_nobody() => problem(
            "E-CELL-001",
            format!(
                "the layer `socket-shadow` does not hold: this user's uid stands for every owner that a cell does not know, so that \
                 the host's own trees seem to be his: {cause}"
            ),
            remedies::NOBODY,
            failure.exit,
        ),
        Some(layer) => problem(
            "E-CELL-001",
            format!("the layer `{}` does not hold: {cause}", layer.name()),
            // Who can have the wall is not to be talked out of it.
            &format!(
                "`bastide doctor` says what is missing; where nothing is, a path or a limit of this run is in the way, and no \
                 layer is to be left out for it; to run without it: `--accept-risk without-{}`",
                layer.name()
            ),
            failure.exit,
        ),
        None if failure.errno == rustix::io::Errno::NOEXEC.raw_os_error() => problem(
            "E-CELL-002",
            cause,
            "a script begins with a line such as `#!/bin/sh`; or run it by its interpreter: `bastide run -- sh FILE`",
            failure.exit,
        ),
        // Counted for each user, over all that he runs.
        None if failure.errno == rustix::io::Errno::TOOMANYREFS.raw_os_error() => problem(
            "E-CELL-002",
            cause,
            "programs of this user hold more descriptors in messages that nobody took than he may have files open: `ulimit -n` says how \
             many, raise it or end who holds them (`bastide ls`)",
            failure.exit,
        ),
        None => problem("E-CELL-002", cause, "`bastide help E-CELL-002` says what to look at", failure.exit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_leads_to_what_can_be_done() {
        let said = |errno: rustix::io::Errno, layer| {
            let failure =
                plan::Failure { layer, doing: "report to the plane".into(), errno: errno.raw_os_error(), exit: 125 };
            not_run(&failure).hint.unwrap_or_default()
        };
        assert!(said(rustix::io::Errno::TOOMANYREFS, None).contains("ulimit -n"));
        assert!(said(rustix::io::Errno::NOEXEC, None).contains("#!/bin/sh"));
        assert!(said(rustix::io::Errno::PERM, Some(Layer::Seccomp)).contains("without-seccomp"));
        assert!(said(rustix::io::Errno::LOOP, Some(Layer::PrivateRoot)).contains("--fresh-home"));
    }
}
