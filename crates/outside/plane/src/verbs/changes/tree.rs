//! One tree of a session with what was changed in it: where the plane's verbs meet the workspace's own room.

use std::path::{Path, PathBuf};

use wire::command::{ChangeInfo, Problem};

use crate::problem::{NO, problem, quoted};
use crate::store::SessionDirectory;
use crate::workspace::{self, Change, Filter, Manifest, Merge, Steps, Tree};

pub(super) struct ChangedTree {
    upper: Option<[Tree; 3]>,
    path: PathBuf,
    owner: Option<(u32, u32)>,
    is_workspace: bool,
}

impl ChangedTree {
    pub(super) fn all(session: &SessionDirectory) -> Result<Vec<ChangedTree>, Problem> {
        let mut trees = Vec::new();
        for (index, record) in session.record.trees.iter().enumerate() {
            let upper = record.changes.join("upper");
            let upper = if upper.is_dir() {
                let journal = record.changes.join("journal");
                crate::store::private_directory(&journal).map_err(failed)?;
                Some([open(&upper)?, open(&record.path)?, open(&journal)?])
            } else {
                None
            };
            trees.push(ChangedTree { upper, path: record.path.clone(), owner: record.owner, is_workspace: index == 0 });
        }
        Ok(trees)
    }

    fn manifest(&self) -> Result<Manifest, Problem> {
        match &self.upper {
            Some([_, _, journal]) => Manifest::load(journal).map_err(failed),
            None => Ok(Manifest::default()),
        }
    }

    pub(super) fn changes(&self, guards: &[PathBuf]) -> Result<Vec<Change>, Problem> {
        let Some([upper, lower, _]) = &self.upper else { return Ok(Vec::new()) };
        workspace::scan(upper, lower, &self.manifest()?, guards).map_err(failed)
    }

    pub(super) fn diff(&self, change: &Change) -> String {
        let Some([upper, lower, _]) = &self.upper else { return String::new() };
        workspace::diff(upper, lower, change)
            .unwrap_or_else(|error| format!("cannot be shown: {}\n", quoted(&error.to_string())))
    }

    pub(super) fn recover(&mut self) -> Result<Vec<String>, Problem> {
        let Some([upper, lower, journal]) = &self.upper else { return Ok(Vec::new()) };
        let mut manifest = self.manifest()?;
        let merge = Merge { upper, lower, journal, owner: self.owner };
        let outcome = merge.recover(&mut manifest, &mut Steps::default()).map_err(failed)?;
        Ok(outcome.merged.iter().map(|path| self.name(path)).collect())
    }

    pub(super) fn apply(
        &mut self,
        guards: &[PathBuf],
        paths: &[PathBuf],
        _named: &[PathBuf],
    ) -> Result<(Vec<String>, Vec<(String, String)>), Problem> {
        let changes = self.changes(guards)?;
        let Some([upper, lower, journal]) = &self.upper else { return Ok((Vec::new(), Vec::new())) };
        let mut manifest = self.manifest()?;
        let merge = Merge { upper, lower, journal, owner: self.owner };
        let filter = Filter { paths: paths.to_vec(), ..Filter::default() };
        let outcome = merge.apply(&changes, &filter, &mut manifest, &mut Steps::default()).map_err(failed)?;
        let done = outcome.merged.iter().map(|path| self.name(path)).collect();
        Ok((done, outcome.left.iter().map(|(path, reason)| (self.name(path), format!("{reason:?}"))).collect()))
    }

    pub(super) fn discard(&mut self, paths: &[PathBuf]) -> Result<Vec<String>, Problem> {
        let changes = self.changes(&[])?;
        let Some([upper, _, _]) = &self.upper else { return Ok(Vec::new()) };
        let gone = workspace::discard(upper, &changes, paths).map_err(failed)?;
        Ok(gone.iter().map(|path| self.name(path)).collect())
    }

    pub(super) fn name(&self, path: &Path) -> String {
        let shown = if self.is_workspace { path.to_owned() } else { self.path.join(path) };
        quoted(&shown.to_string_lossy())
    }

    pub(super) fn info(&self, change: &Change, diff: String) -> ChangeInfo {
        ChangeInfo {
            path: self.name(&change.path),
            kind: format!("{:?}", change.kind).to_lowercase(),
            flags: change.flags.iter().map(|flag| format!("{flag:?}").to_lowercase()).collect(),
            held: change.refusal.map(|refusal| format!("{refusal:?}")),
            diff,
        }
    }
}

fn open(path: &Path) -> Result<Tree, Problem> {
    Tree::open(path).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> Problem {
    problem("E-PLANE-073", quoted(&error.to_string()), "`bastide help E-PLANE-073` says what is whole", NO)
}
