//! A sub-agent from its own plane's side: what it was given, made into a session like any other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy::{Amounts, Label, Policy};
use wire::command::{ChildRun, Problem, Run, View as Parts};
use wire::petition::Access;
use wire::{Labelled, Secret, Words};

use super::{Heard, Within};
use crate::problem::{NOT_FOUND, NOT_RUN, problem, quoted, state};
use crate::session::environment;
use crate::session::locate::{self, Located, Trust, plain};
use crate::session::paths::Paths;
use crate::store::ParentRecord;
use crate::workspace::{Copied, Error, Seen, View};

/// What makes a session a sub-agent's.
#[derive(Debug)]
pub(in crate::session) struct Adopted {
    pub(in crate::session) parent: ParentRecord,
    pub(in crate::session) event: record::EventId,
    /// Every policy but its own.
    pub(in crate::session) above: Vec<Arc<Policy>>,
    pub(in crate::session) own: Arc<Policy>,
    pub(in crate::session) budget: Amounts,
    pub(in crate::session) task: String,
    pub(in crate::session) context: Option<String>,
    pub(in crate::session) labels: Vec<Label>,
    /// Those of secrets alone.
    pub(in crate::session) values: Vec<Label>,
    pub(in crate::session) lacking: Option<String>,
    pub(in crate::session) intent: Vec<String>,
    pub(in crate::session) within: Within,
    pub(in crate::session) secrets: Vec<Secret>,
    /// What left in drops from the cells of its tree.
    pub(in crate::session) drops: PathBuf,
    /// What carries a label in its parent's session.
    pub(in crate::session) labelled: Vec<Labelled>,
    heard: Vec<Words>,
    parts: Parts,
}

impl Adopted {
    /// Takes a request apart.
    ///
    /// # Errors
    /// When it holds no policy: nothing runs under none.
    pub(in crate::session) fn of(child: ChildRun) -> Result<(Run, Adopted), Problem> {
        let ChildRun {
            run,
            parent,
            child,
            event,
            task,
            context,
            policies,
            labels,
            values,
            lacking,
            labelled,
            heard,
            drops,
            secrets,
            intent,
            view,
            within,
        } = child;
        let mut above: Vec<Arc<Policy>> = (&policies).into();
        let Some(own) = above.pop().filter(|_| !above.is_empty()) else {
            let cause = "a sub-agent was asked for without its parent's policies";
            return Err(problem("E-PLANE-135", cause, "", NOT_RUN));
        };
        // As it is written too: it is asked what is seen before anything is looked at.
        let paths = Paths::default();
        let hide = own.files.hide.iter().map(|path| Path::new(path.as_str()));
        let hidden = hide.flat_map(|path| [path.to_owned()].into_iter().chain(paths.names(path))).collect();
        let parent = ParentRecord { session: parent, child, event: event.to_string(), server: None };
        let budget = Amounts::of(&own);
        let within = Within { shown: within, hidden };
        let parts = view;
        let adopted = Adopted {
            parent,
            event,
            above,
            own,
            budget,
            task,
            context,
            labels,
            values,
            lacking,
            intent,
            within,
            secrets,
            drops,
            labelled,
            heard,
            parts,
        };
        Ok((run, adopted))
    }

    /// Copies what it is granted of its parent's workspace.
    ///
    /// # Errors
    /// When there is more than is copied, or it cannot be.
    pub(in crate::session) fn view(&self, session: &Path) -> Result<(Seen, Copied), Problem> {
        let at = session.join("view");
        rustix::fs::mkdir(&at, rustix::fs::Mode::RWXU).map_err(|error| state("make", &at, &error.into()))?;
        let granted: Vec<(PathBuf, bool)> =
            self.parts.granted.iter().map(|(path, access)| (path.clone(), *access == Access::Write)).collect();
        let layers = (self.parts.lower.as_path(), self.parts.upper.as_deref());
        let copied = View::open(layers, &at, &granted, &self.parts.left_out)
            .and_then(|view| view.within(self.parts.most.unwrap_or(u64::MAX)).copy());
        let copied = copied.map_err(|error| {
            let cause = format!("what the sub-agent is to see cannot be copied: {}", quoted(&error.to_string()));
            let hint = match error {
                Error::NoRoom(_) => {
                    "grant fewer files, `bastide rm` a sub-agent that ended, or raise `limits: {disk: …}`"
                }
                _ => "grant fewer or smaller files",
            };
            problem("E-PLANE-136", cause, hint, NOT_RUN)
        })?;
        Ok((Seen { at, granted }, copied))
    }

    /// Words that it knows from the start: what its parent heard, and what that says to it, which carries whatever it may have
    /// read.
    pub(in crate::session) fn heard(&self) -> Vec<Words> {
        let said = [("the task of its parent", Some(&self.task)), ("the context of its parent", self.context.as_ref())];
        let said = said.into_iter().filter_map(|(source, text)| Some((source, text?)));
        let mut heard = Heard::of(self.heard.clone());
        said.for_each(|(source, text)| heard.begin_with(text, &self.labels, source));
        heard.all().cloned().collect()
    }

    /// Finds its command: in its workspace, which is looked at only from inside, or among what its parent sees of the host.
    /// Of nothing else it is told whether it is there.
    ///
    /// # Errors
    /// When it is not found.
    pub(in crate::session) fn locate(
        &self,
        (run, workspace): (&Run, &Path),
        paths: &Paths,
    ) -> Result<(Vec<Vec<u8>>, Located), Problem> {
        let missing = || {
            let cause = "the sub-agent's program was not found";
            problem("E-PLANE-137", cause, "name one that its parent could start", NOT_FOUND)
        };
        let first = run.command.first().ok_or_else(missing)?;
        let name = std::str::from_utf8(first).map_err(|_| missing())?;
        let path = name.contains('/').then(|| plain(&workspace.join(name)));
        if let Some(path) = path.as_ref().filter(|path| path.starts_with(workspace)) {
            return Ok((run.command.clone(), Located { program: path.clone(), ..Located::default() }));
        }
        let surroundings = run.surroundings.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_str());
        let search = surroundings.unwrap_or(environment::PATH).split(':').map(PathBuf::from);
        let search: Vec<PathBuf> = search.filter(|directory| self.within.allows(directory)).collect();
        if let Some(path) = &path
            && !(self.within.allows(path) && paths.real(path).is_some_and(|real| self.within.allows(&real)))
        {
            return Err(missing());
        }
        let trees = [workspace.to_owned()];
        let trust = Trust { trees: &trees, home: Path::new("/") };
        let mut located = locate::locate(name, workspace, &search, (paths, trust)).map_err(|_| missing())?;
        // What its parent does not see, does not come in by itself.
        located.needs.retain(|need| self.within.allows(&need.path));
        Ok((run.command.clone(), located))
    }
}
