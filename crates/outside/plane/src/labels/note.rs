//! When labels are noted: a session is open at its home, and at the trees that it merges into by itself, before anything of it
//! runs; it is closed there when its record ends. What is merged by the operator is noted before it is merged.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use policy::WorkspaceMode;
use record::Join;
use record::join::AGENT;
use wire::command::Problem;

use super::{Place, Shelf, join_of};
use crate::problem::state;
use crate::store::{SessionDirectory, Store};

/// Notes that a session may write into a home from now on, and gives what was noted before. A home that was there before anything
/// was noted was written by an agent.
///
/// # Errors
/// When the notes are damaged, or cannot be written.
pub fn note_home(
    shelf: &Shelf,
    (id, since): (&str, u64),
    home: &Path,
    (agent, workspace): (&str, &Path),
) -> Result<Place, Problem> {
    let key = key_of(home);
    let mut place = match shelf.home(&key)? {
        Some(place) => place,
        None => {
            let mut place = Place {
                path: home.to_string_lossy().into_owned(),
                home: Some((agent.to_owned(), workspace.to_string_lossy().into_owned())),
                ..Place::default()
            };
            if is_used(home).map_err(|error| state("read", home, &error))? {
                place.attach(("an earlier build", 0), &written(), None);
            }
            place
        }
    };
    let before = place.clone();
    place.open.insert(id.to_owned(), since);
    shelf.keep_home(&key, &place)?;
    Ok(before)
}

/// Notes that a session may merge into its trees from now on.
///
/// # Errors
/// As [`note_home`].
pub fn note_trees(shelf: &Shelf, session: &SessionDirectory) -> Result<(), Problem> {
    for tree in merging(session) {
        let mut place = shelf.tree(tree)?.unwrap_or_else(|| of_tree(tree));
        place.open.insert(session.record.id.clone(), session.record.started);
        shelf.keep_tree(tree, &place)?;
    }
    Ok(())
}

/// Closes a session that ended: what it may have read is on its home, and on what it merged; `whole` says that its plane was
/// killed, and may have merged more than its record says.
///
/// # Errors
/// When its record cannot be read or the notes not be written: it is to be tried again.
pub fn close(store: &Store, session: &SessionDirectory, whole: bool) -> Result<Join, Problem> {
    let failed = |error: io::Error| state("read the record of", &session.path, &error);
    let (join, merged) = join_of(session).map_err(failed)?;
    let trees: Vec<&Path> = merging(session).collect();
    if session.record.home.is_none() && trees.is_empty() {
        return Ok(join);
    }
    let shelf = Shelf::open(store)?;
    let (id, since) = (session.record.id.as_str(), session.record.started);
    if let Some(key) = &session.record.home
        && fs::symlink_metadata(store.homes().join(key)).is_ok()
    {
        let home = store.homes().join(key);
        let mut place = shelf.home(key)?.unwrap_or_else(|| Place {
            path: home.to_string_lossy().into_owned(),
            home: Some((String::new(), String::new())),
            ..Place::default()
        });
        place.attach((id, since), &join, None);
        place.open.remove(id);
        shelf.keep_home(key, &place)?;
    }
    let paths: Vec<PathBuf> = merged.into_iter().map(PathBuf::from).collect();
    for tree in trees {
        let mut place = shelf.tree(tree)?.unwrap_or_else(|| of_tree(tree));
        place.attach((id, since), &join, (!whole).then_some(paths.as_slice()));
        place.open.remove(id);
        shelf.keep_tree(tree, &place)?;
    }
    Ok(join)
}

/// The files in which a session is noted, to be brought to the disk when nobody waits for that.
#[must_use]
pub fn files(session: &SessionDirectory) -> Vec<PathBuf> {
    let home = session.record.home.iter().map(|key| Shelf::name_of_home(key));
    let names: Vec<String> = home.chain(merging(session).map(Shelf::name_of_tree)).collect();
    let at = session.store().labels();
    // The directory last: it says which they are.
    let directory = (!names.is_empty()).then(|| at.clone());
    names.into_iter().map(|name| at.join(name)).chain(directory).collect()
}

/// Notes the labels of a session on paths of a tree that are about to be merged there; gives them.
///
/// # Errors
/// As [`close`].
pub fn attach(store: &Store, session: &SessionDirectory, tree: &Path, paths: &[PathBuf]) -> Result<Join, Problem> {
    let (join, _) = join_of(session).map_err(|error| state("read the record of", &session.path, &error))?;
    let shelf = Shelf::open(store)?;
    let mut place = shelf.tree(tree)?.unwrap_or_else(|| of_tree(tree));
    place.attach((&session.record.id, session.record.started), &join, Some(paths));
    shelf.keep_tree(tree, &place)?;
    Ok(join)
}

/// A session that never began wrote nothing.
///
/// # Errors
/// When the notes cannot be read or written.
pub fn forget(store: &Store, id: &str) -> Result<(), Problem> {
    if fs::symlink_metadata(store.labels()).is_err() {
        return Ok(());
    }
    let shelf = Shelf::open(store)?;
    for kind in ["home", "tree"] {
        for (name, mut place) in shelf.all(kind)? {
            if place.open.remove(id).is_some() {
                shelf.keep(&name, &place)?;
            }
        }
    }
    Ok(())
}

/// Takes the labels of a home away that is gone itself.
///
/// # Errors
/// When they cannot be removed.
pub fn drop_home(store: &Store, home: &Path) -> Result<(), Problem> {
    if fs::symlink_metadata(store.labels()).is_err() {
        return Ok(());
    }
    Shelf::open(store)?.drop_home(&key_of(home)).map_err(|error| state("remove the labels of", home, &error))
}

/// The name of a home's directory.
fn key_of(home: &Path) -> String {
    home.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What whoever may be writing there still has, of a session whose record does not tell.
#[must_use]
pub fn may_write() -> Join {
    let mut join = written();
    join.bring(record::join::NETWORK);
    join.bring(record::join::TOOL);
    join
}

fn written() -> Join {
    let mut join = Join::default();
    join.bring(AGENT);
    join
}

fn of_tree(tree: &Path) -> Place {
    Place { path: tree.to_string_lossy().into_owned(), ..Place::default() }
}

/// Trees that a session merges into by itself.
fn merging(session: &SessionDirectory) -> impl Iterator<Item = &Path> {
    let live = session.record.mode == WorkspaceMode::Live;
    session.record.trees.iter().filter(move |tree| live && tree.view.is_none()).map(|tree| tree.path.as_path())
}

/// Whether anything lies in a home but what we put there.
fn is_used(home: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(home)? {
        if entry?.file_name() != ".gitconfig" {
            return Ok(true);
        }
    }
    Ok(false)
}
