//! One place with its labels: a private home, or a directory that changes are merged into.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use policy::Label;
use record::Join;
use serde::{Deserialize, Serialize};

/// Paths of one place that are told apart; where there are more, what holds them is labelled.
const MOST_PATHS: usize = 4096;
/// What the operator took away, the latest.
const MOST_RELEASES: usize = 64;

/// Marks by what they are of.
type Index = HashMap<(Label, Option<PathBuf>), usize>;

/// A place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The home's own directory, or the tree.
    pub path: String,
    /// Of a home: the agent's name, and its workspace.
    pub home: Option<(String, String)>,
    /// Sessions that may write there, and since when: of those nothing is closed yet.
    pub open: BTreeMap<String, u64>,
    /// What carries which label.
    pub marks: Vec<Mark>,
    /// What the operator took away.
    pub releases: Vec<Release>,
}

/// A label of what lies there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Counted from the place, with all beneath it; none for all of it.
    pub path: Option<PathBuf>,
    /// The label.
    pub label: Label,
    /// Of secrets alone, which are known as they stand: what else a session wrote holds none of it.
    #[serde(default)]
    pub value: bool,
    /// The session that left it first, and when that began, in microseconds since the Unix epoch.
    pub session: String,
    /// The same.
    pub since: u64,
    /// The last one that did.
    pub last: String,
}

/// What the operator took away at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// When, in microseconds since the Unix epoch.
    pub at: u64,
    /// Who.
    pub who: String,
    /// Which paths; none for all of it.
    pub paths: Vec<PathBuf>,
    /// Which labels.
    pub labels: Vec<Label>,
    /// Files whose content carries them no more.
    pub contents: u64,
    /// Why, in his words.
    pub reason: Option<String>,
}

/// A content that carries labels no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Released {
    /// Its hash.
    pub sha256: String,
    /// Which.
    pub labels: Vec<Label>,
}

impl Place {
    /// Attaches the labels of a session to paths, or to all of it.
    pub fn attach(&mut self, (session, since): (&str, u64), join: &Join, paths: Option<&[PathBuf]>) {
        let labels = join.labels().map(|label| (label, false)).chain(join.values().map(|label| (label, true)));
        let labels: Vec<(Label, bool)> =
            labels.filter_map(|(label, value)| Some((Label::parse(label).ok()?, value))).collect();
        let paths: BTreeSet<Option<PathBuf>> = match paths {
            Some(paths) => few(paths.iter().map(|path| sayable(path).map(Path::to_owned)).collect()),
            None => [None].into(),
        };
        let mut index = self.index();
        for path in &paths {
            for (label, value) in &labels {
                let (label, path) = (label.clone(), path.clone());
                let (session, last) = (session.to_owned(), session.to_owned());
                self.mark(&mut index, Mark { path, label, value: *value, session, since, last });
            }
        }
        self.fold();
    }

    /// Where each mark stands, by what it is of.
    fn index(&self) -> Index {
        self.marks.iter().enumerate().map(|(at, mark)| ((mark.label.clone(), mark.path.clone()), at)).collect()
    }

    fn mark(&mut self, index: &mut Index, mark: Mark) {
        match index.entry((mark.label.clone(), mark.path.clone())) {
            Entry::Occupied(at) => {
                let known = &mut self.marks[*at.get()];
                known.value &= mark.value;
                known.last = mark.last;
            }
            Entry::Vacant(place) => {
                place.insert(self.marks.len());
                self.marks.push(mark);
            }
        }
    }

    /// So many paths that nobody would read them: what holds them is labelled, and in the end all of it.
    fn fold(&mut self) {
        let paths: BTreeSet<Option<PathBuf>> = self.marks.iter().map(|mark| mark.path.clone()).collect();
        if paths.len() <= MOST_PATHS {
            return;
        }
        let kept = few(paths);
        let mut index = Index::new();
        for mark in std::mem::take(&mut self.marks) {
            let above = |path: &PathBuf| {
                path.ancestors().find(|above| kept.contains(&Some((*above).to_owned()))).map(Path::to_owned)
            };
            let path = mark.path.as_ref().and_then(above);
            self.mark(&mut index, Mark { path, ..mark });
        }
    }

    /// Labels of what lies at a path.
    pub fn at(&self, path: &Path) -> impl Iterator<Item = &Mark> {
        self.marks.iter().filter(move |mark| mark.covers(path))
    }

    /// Takes labels away from paths, or from all of it; gives those that were there.
    pub fn release(&mut self, paths: &[PathBuf], labels: &[Label]) -> Vec<Label> {
        let meant = |mark: &Mark| {
            let named = |path: &PathBuf| mark.path.as_ref().is_some_and(|marked| marked.starts_with(path));
            (labels.is_empty() || labels.contains(&mark.label)) && (paths.is_empty() || paths.iter().any(named))
        };
        let mut gone: Vec<Label> = Vec::new();
        self.marks.retain(|mark| {
            let goes = meant(mark);
            if goes && !gone.contains(&mark.label) {
                gone.push(mark.label.clone());
            }
            !goes
        });
        gone
    }

    /// Keeps what was taken away.
    pub fn note_release(&mut self, release: Release) {
        self.releases.push(release);
        let first = self.releases.len().saturating_sub(MOST_RELEASES);
        self.releases.drain(..first);
    }

    /// What it is, for people. Without marks of its own: it stands in texts that have theirs.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.home {
            Some((agent, workspace)) => format!("the home of {agent} for {workspace}"),
            None => self.path.clone(),
        }
    }
}

impl Mark {
    /// Whether it is of what lies at this path.
    #[must_use]
    pub fn covers(&self, path: &Path) -> bool {
        self.path.as_ref().is_none_or(|marked| path.starts_with(marked))
    }
}

/// As many paths as are told apart: where there are more, what holds them; in the end all of it.
fn few(paths: BTreeSet<Option<PathBuf>>) -> BTreeSet<Option<PathBuf>> {
    let mut few = paths;
    for depth in [2, 1, 0] {
        if few.len() <= MOST_PATHS {
            break;
        }
        let above = |path: PathBuf| {
            Some(path.components().take(depth).collect()).filter(|above: &PathBuf| !above.as_os_str().is_empty())
        };
        few = few.into_iter().map(|path| path.and_then(above)).collect();
    }
    few
}

/// The path, or the nearest above it that can be written down.
fn sayable(path: &Path) -> Option<&Path> {
    path.ancestors().find(|path| path.to_str().is_some()).filter(|path| !path.as_os_str().is_empty())
}

#[cfg(test)]
mod tests {
    use record::{Event, Kind};

    use super::*;

    fn join(labels: &[&str], values: &[&str]) -> Join {
        let list = |labels: &[&str]| labels.iter().map(|&label| label.to_owned()).collect();
        let mut join = Join::default();
        let kind = Kind::Carried { labels: list(labels), values: list(values), from: Vec::new() };
        join.take(&Event { seq: 1, at: 0, cause: Vec::new(), kind });
        join
    }

    fn labels(place: &Place, path: &str) -> Vec<(String, bool)> {
        let mut all: Vec<_> =
            place.at(Path::new(path)).map(|mark| (mark.label.as_str().to_owned(), mark.value)).collect();
        all.sort();
        all.dedup();
        all
    }

    #[test]
    fn labels_stay_until_they_are_taken_away_and_only_grow_meanwhile() {
        let mut place = Place::default();
        place.attach(("s1", 1), &join(&["untrusted:agent"], &["secret:env"]), Some(&["a/b.md".into(), "c".into()]));
        place.attach(("s2", 2), &join(&["secret:env"], &[]), Some(&["a".into()]));
        let text = |label: &str| (label.to_owned(), false);
        assert_eq!(
            labels(&place, "a/b.md"),
            [text("secret:env"), ("secret:env".into(), true), text("untrusted:agent")]
        );
        assert_eq!(labels(&place, "a/x"), [text("secret:env")]);
        assert_eq!(labels(&place, "ab"), []);
        // What a secret is known by does not make less of a text's label.
        place.attach(("s3", 3), &join(&[], &["secret:env"]), Some(&["a".into()]));
        assert_eq!(labels(&place, "a/x"), [text("secret:env")]);
        assert_eq!(place.release(&["a".into()], &[]).len(), 2);
        assert_eq!(labels(&place, "a/b.md"), []);
        assert_eq!(labels(&place, "c").len(), 2);
        let env = Label::parse("secret:env").expect("a label");
        assert_eq!(place.release(&[], std::slice::from_ref(&env)), [env]);
        assert_eq!(labels(&place, "c"), [text("untrusted:agent")]);
    }

    /// Such marks were shown by their number, where the name stands in a line of the record.
    #[test]
    fn a_home_is_named_without_marks() {
        let place = Place { home: Some(("sh".into(), "/w".into())), ..Place::default() };
        assert_eq!(place.name(), "the home of sh for /w");
    }

    #[test]
    fn more_paths_than_are_told_apart_label_what_holds_them() {
        let mut place = Place::default();
        let paths: Vec<PathBuf> =
            (0..2 * MOST_PATHS).map(|at| format!("node_modules/{}/{at}", at % 9).into()).collect();
        place.attach(("s1", 1), &join(&["untrusted:agent"], &[]), Some(&paths));
        assert_eq!(place.marks.len(), 9);
        assert_eq!(labels(&place, "node_modules/3/new").len(), 1);
        let paths: Vec<PathBuf> = (0..2 * MOST_PATHS).map(|at| at.to_string().into()).collect();
        place.attach(("s1", 1), &join(&["untrusted:agent"], &[]), Some(&paths));
        assert!(place.marks.iter().any(|mark| mark.path.is_none()), "all of it");
        assert_eq!(labels(&place, "anything").len(), 1);
        use std::os::unix::ffi::OsStringExt;
        let odd = PathBuf::from(std::ffi::OsString::from_vec(b"odd/\xff/x".to_vec()));
        let mut place = Place::default();
        place.attach(("s1", 1), &join(&["untrusted:agent"], &[]), Some(std::slice::from_ref(&odd)));
        assert_eq!(place.at(&odd).count(), 1);
    }
}
