//! The end of a session, after its last process: what changed and that it ended go into the record, what was made for
//! it goes away, and the state says so; then, when the outcome was told, all of it goes to disk. What cannot be put in order keeps the session marked for the next start.

use policy::WorkspaceMode;
use record::{Join, Kind};
use wire::command::Problem;

use super::serve::{End, Remains};
use crate::labels;
use crate::ledger::Merging;
use crate::store::{Ledger, SessionDirectory, clear, now, remove_cgroup, sync};
use crate::verbs::changes;

/// What the record writes of a changed path beside its name, in bytes: so there is an end to many short names, too.
const EVENT: usize = 100;

/// What remains to be done of a session whose outcome was told.
#[derive(Debug)]
pub struct Afterwards {
    session: SessionDirectory,
    ledger: Ledger,
    merging: Merging,
    remains: Remains,
    /// What it leaves behind is labelled.
    labelled: bool,
    /// Nothing of its workspace waits for anybody.
    clean: bool,
}

impl Afterwards {
    pub(super) const fn session(&self) -> &SessionDirectory {
        &self.session
    }

    /// Takes away what was made for the cell, makes durable what was written, tells the ledger of it, and lets the session
    /// leave the list of those that may need repair. Where something fails it stays there, and the next start tries again
    /// and tells.
    pub fn settle(self) {
        self.carry_out(true);
    }

    /// The same for a session that is thrown away: the ledger hears nothing of it.
    pub(super) fn settle_untold(self) {
        self.carry_out(false);
    }

    fn carry_out(mut self, told: bool) {
        self.remains.let_go();
        if self.clean {
            changes::drop_changes(&self.session);
        }
        changes::note_weight(&self.session);
        let record = &self.session.record;
        let groups = record.cgroups.iter().all(|group| remove_cgroup(group).is_ok());
        let home = record.fresh_home.as_deref().is_none_or(|home| clear(home).is_ok());
        leave_no_closed_directory(&self.session);
        let durable = self.ledger.checkpoint().is_ok() && self.session.settle().is_ok();
        let durable = durable && labels::files(&self.session).iter().all(|file| sync(file).is_ok());
        // Only what is on disk is signed.
        let merged = durable && (!told || self.merging.finish(&self.session.store()).is_ok());
        if groups && home && merged && self.labelled {
            let _ = self.session.leave();
        }
    }
}

/// The paths that differ.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pub(super) paths: Vec<String>,
    /// How many there are, where these are not all.
    pub(super) count: Option<u64>,
}

/// Ends the session, and gives the paths that differ, and what is to be done when the outcome was told: a power cut
/// until then takes what one within the last second of a program takes.
pub(super) fn finish(
    mut session: SessionDirectory,
    (mut ledger, merging): (Ledger, Merging),
    remains: Remains,
    end: &mut End,
) -> (Changed, Join, Afterwards) {
    let changed = changed(&session);
    let clean = changed.as_ref().is_ok_and(|changed| changed.paths.is_empty());
    let changed = changed.unwrap_or_else(|error| {
        end.warnings.push(format!("the changes could not be read: {}", error.cause));
        Changed::default()
    });
    let join = leave_labels(&session, &mut ledger, end);
    record(&mut ledger, &changed.paths, end);
    session.record.ended = Some(now());
    session.record.exit = Some(i32::from(end.exit));
    if let Err(problem) = session.save() {
        end.warnings.push(format!("the end of the session could not be written: {}", problem.cause));
    }
    let labelled = join.is_some();
    (changed, join.unwrap_or_default(), Afterwards { session, ledger, merging, remains, labelled, clean })
}

/// What the session leaves behind carries what it may have read, before its outcome is recorded. Where that cannot be noted it
/// stays open there, and the next start closes it.
fn leave_labels(session: &SessionDirectory, ledger: &mut Ledger, end: &mut End) -> Option<Join> {
    match labels::close(&session.store(), session, false) {
        Ok(join) => {
            let (labels, values) = (join.labels().map(str::to_owned), join.values().map(str::to_owned));
            let (labels, values): (Vec<_>, Vec<_>) = (labels.collect(), values.collect());
            // That an agent wrote it says every home.
            if session.record.home.is_some() && labels.len() + values.len() > 1 {
                let place = format!(
                    "its home for {}",
                    session
                        .record
                        .trees
                        .first()
                        .map_or_else(String::new, |tree| tree.path.to_string_lossy().into_owned())
                );
                if let Err(error) = ledger.write(Kind::Left { place, paths: Vec::new(), labels, values }) {
                    end.warnings.push(format!("the record could not be written to its end: {error}"));
                }
            }
            Some(join)
        }
        Err(problem) => {
            end.warnings.push(format!("what it leaves could not be labelled yet: {}", problem.cause));
            None
        }
    }
}

/// What the kernel leaves of an overlay's scratch is closed to everybody, so that `rm -r` of a session would stop at
/// it. Nothing depends on it any more: where it stays, it is only in the way.
fn leave_no_closed_directory(session: &SessionDirectory) {
    if session.record.mode != WorkspaceMode::ReadOnly {
        for tree in &session.record.trees {
            let _ = clear(&tree.changes.join("work/work"));
        }
    }
}

/// What came of the session is recorded; a program whose end cannot be did not end well.
fn record(ledger: &mut Ledger, changed: &[String], end: &mut End) {
    let change = |path: &String| Kind::WorkspaceChange { path: path.clone(), change: "differs".into() };
    let exit = i32::from(end.exit);
    let last = std::iter::once(Kind::Ended { exit, reason: end.reason.clone() });
    let written = changed.iter().map(change).chain(last).try_for_each(|kind| ledger.write(kind).map(drop));
    if let Err(error) = written {
        end.warnings.push(format!("the record could not be written to its end: {error}"));
        end.exit = if end.exit == 0 { 1 } else { end.exit };
    }
}

/// Every path that differs, said as the operator names it.
fn changed(session: &SessionDirectory) -> Result<Changed, Problem> {
    if session.record.mode == WorkspaceMode::ReadOnly || untouched(session) {
        return Ok(Changed::default());
    }
    Ok(fitting(changes::list(session)?.into_iter().map(|change| change.path).collect()))
}

/// As many as the last reply holds, which is one frame; the others are counted.
fn fitting(changed: Vec<String>) -> Changed {
    let (paths, count) = changes::bounded(changed, |path| path.len() + EVENT, |more| format!("({more} more)"));
    Changed { paths, count }
}

/// Nothing at all was written: there is nothing to compare.
fn untouched(session: &SessionDirectory) -> bool {
    let empty = |upper: std::path::PathBuf| std::fs::read_dir(upper).is_ok_and(|mut entries| entries.next().is_none());
    session.record.trees.iter().all(|tree| empty(tree.changes.join("upper")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cell makes names without end, and a reply that fits no frame was lost with the exit code in it.
    #[test]
    fn the_last_reply_fits_a_frame_whatever_was_changed() {
        for (count, length) in [(100_000, 1), (20_000, 4000)] {
            let Changed { paths: changed, count: all } = fitting(vec!["\u{1}".repeat(length); count]);
            let more = count - (changed.len() - 1);
            assert_eq!(changed.last(), Some(&format!("({more} more)")));
            assert_eq!(all, Some(count as u64));
            let counted = wire::command::Counted { what: "\u{1}".repeat(300), times: 1 };
            let outcome = wire::command::Outcome {
                changed,
                allowed: vec![counted.clone(); 1000],
                refused: vec![counted; 1000],
                ..Default::default()
            };
            assert!(wire::encode(&wire::command::Reply::Ended(Box::new(outcome))).is_ok());
        }
        let one = fitting(vec!["one".into()]);
        assert_eq!((&one.paths[..], one.count), (&["one".to_owned()][..], None));
    }
}
