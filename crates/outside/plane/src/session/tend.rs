//! What the plane does for a running session by the clock: merges in `live`, and looks at how much was written.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use policy::WorkspaceMode;
use record::Kind;

use crate::labels;
use crate::store::{SessionDirectory, TreeRecord, Weight, below, bytes, copy, record, sync};
use crate::workspace::{Live, Workspace};

/// Between two merges of `live`.
const MERGE: Duration = Duration::from_millis(700);
/// From the start until what it noted goes to the disk, which a start does not wait for.
const SETTLE: Duration = Duration::from_millis(300);
/// Between two looks at the disk.
const LOOK: Duration = Duration::from_secs(2);

/// The chores of one session.
#[derive(Debug)]
pub(super) struct Chores {
    live: Vec<(Workspace, Live)>,
    guards: Vec<PathBuf>,
    trees: Vec<PathBuf>,
    disk: Option<u64>,
    session: PathBuf,
    /// The copy that a sub-agent sees, once it was counted: nobody writes there.
    copy: Option<u64>,
    /// What it took when it was looked last, as it is noted.
    weight: Weight,
    /// What the start wrote and did not bring to the disk.
    notes: Vec<PathBuf>,
    settle: Option<Instant>,
    next_merge: Option<Instant>,
    next_look: Option<Instant>,
}

/// What a round of chores found.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// What the record is to say.
    pub(super) events: Vec<Kind>,
    /// Something that the operator must know.
    pub(super) warnings: Vec<String>,
    /// The disk limit was passed: so much is there.
    pub(super) too_much: Option<Weight>,
}

impl Chores {
    /// The chores that a session's mode and its limit on the disk ask for; `home` counts like the trees.
    pub(super) fn new(session: &SessionDirectory, guards: Vec<PathBuf>, disk: Option<u64>, home: &Path) -> Chores {
        let (now, trees, mode) = (Instant::now(), &session.record.trees, session.record.mode);
        let open = |tree: &TreeRecord| Workspace::open(&tree.changes, &tree.path, tree.owner).ok();
        let live = if mode == WorkspaceMode::Live {
            trees.iter().filter_map(open).map(|workspace| (workspace, Live::default())).collect()
        } else {
            Vec::new()
        };
        let next_merge = (!live.is_empty()).then_some(now + MERGE);
        let trees = trees.iter().map(|tree| tree.changes.join("upper")).chain([home.to_owned()]).collect();
        let (notes, settle) = (labels::files(session), Some(now + SETTLE));
        let (session, next_look) = (session.path.clone(), disk.map(|_| now + LOOK));
        Chores {
            live,
            guards,
            trees,
            disk,
            session,
            copy: None,
            weight: Weight::default(),
            notes,
            settle,
            next_merge,
            next_look,
        }
    }

    /// When they are next due.
    pub(super) fn due(&self) -> Option<Instant> {
        [self.settle, self.next_merge, self.next_look].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn round(&mut self, now: Instant) -> Round {
        let mut round = Round::default();
        if self.settle.is_some_and(|due| due <= now) {
            for note in std::mem::take(&mut self.notes) {
                if let Err(error) = sync(&note) {
                    round.warnings.push(format!("`{}` is not on disk: {error}", note.display()));
                }
            }
            self.settle = None;
        }
        if self.next_merge.is_some_and(|due| due <= now) {
            self.merge(&mut round);
            self.next_merge = Some(now + MERGE);
        }
        if self.next_look.is_some_and(|due| due <= now) {
            self.look(&mut round);
            self.next_look = Some(now + LOOK);
        }
        round
    }

    /// What of its disk limit is left for the copy of another sub-agent. Of its own what the last look saw counts.
    pub(super) fn left(&self) -> Option<u64> {
        self.disk.map(|limit| limit.saturating_sub(self.weight.own.saturating_add(below(&self.session))))
    }

    fn look(&mut self, round: &mut Round) {
        let copied = *self.copy.get_or_insert_with(|| copy(&self.session));
        // What it makes be recorded too: what is let out is recorded each time, as often as a program likes.
        let fixed = copied.saturating_add(record(&self.session));
        let own = self.trees.iter().map(|tree| bytes(tree)).fold(fixed, u64::saturating_add);
        let weight = Weight { own, below: below(&self.session) };
        round.too_much = self.disk.filter(|limit| weight.whole() > *limit).map(|_| weight);
        if std::mem::replace(&mut self.weight, weight) != weight
            && let Err(error) = weight.note(&self.session)
        {
            round.warnings.push(format!("how much it takes on disk is not noted: {error}"));
        }
    }

    /// The last merges, after the cell ended: twice, since what is merged must have been seen unchanged.
    pub(super) fn finish(&mut self) -> Round {
        let mut round = Round::default();
        self.merge(&mut round);
        self.merge(&mut round);
        round
    }

    fn merge(&mut self, round: &mut Round) {
        for (workspace, live) in &mut self.live {
            match live.step(workspace, &self.guards) {
                Ok(step) if !step.merged.is_empty() => {
                    let paths = step.merged.iter().map(|path| path.to_string_lossy().into_owned()).collect();
                    round.events.push(Kind::Merge { paths, state: "merged".into() });
                }
                Ok(_) => {}
                Err(error) => round.warnings.push(format!("changes could not be merged: {error}")),
            }
        }
    }
}
