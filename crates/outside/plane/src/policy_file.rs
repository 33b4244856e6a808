//! A policy by the operator's words: the name of a blueprint or preset, or a file that only the operator or root can change.
//!
//! A file in a directory that an agent could change counts only while its content is the one that the operator
//! trusted. What a file extends is looked for beside it and judged in the same way. A file of another language is taken
//! as it is imported.

use std::path::{Component, Path, PathBuf};

use policy::import::{Imported, Note, import, is_foreign};
use policy::read::read_answers;
use policy::read::{Diagnostic, MAX_BYTES, Source, blueprint, preset};
use policy::{Policy, Written};
use wire::command::Problem;

use crate::named_file::{self, NamedFile};
use crate::problem::{NOT_RUN, problem, quoted};
use crate::store::{Store, Trust};

/// A preset whose arguments are no names; explained by [`policy::read`].
const PRESET: &str = "E-POLICY-028";
/// The policy when none is named.
pub const DEFAULT: &str = "hardened";
/// The same as it was read when this program was built.
const READ: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hardened.json"));

/// Reads a policy to put it in force: `hardened` when no path is given, a blueprint, or a file.
///
/// # Errors
/// When it cannot be read, may be changed by others, is not trusted where it must be, or is no policy.
pub fn read_policy(path: Option<&Path>, home: &Path, store: &Store) -> Result<Policy, Problem> {
    read_policy_beside(path, home, store, &[])
}

/// The same, where an agent is about to be let into these directories.
///
/// # Errors
/// As [`read_policy`].
pub fn read_policy_beside(path: Option<&Path>, home: &Path, store: &Store, trees: &[&Path]) -> Result<Policy, Problem> {
    let trust = Trust::load(store)?;
    read(path, home, &|file| trusted(file, &trust, store, trees))
}

/// Reads a file of answers to what a policy wants the operator asked; it is judged as a policy is.
///
/// # Errors
/// As [`read_policy`].
pub fn read_answers_beside(path: &Path, home: &Path, store: &Store, trees: &[&Path]) -> Result<Vec<Written>, Problem> {
    let trust = Trust::load(store)?;
    let source = source(path, &|file| trusted(file, &trust, store, trees))?;
    read_answers(&source, home.to_str()).map_err(|found| located(found, None))
}

/// Whether a file in a directory that an agent could change is one that the operator trusted.
fn trusted(file: &NamedFile, trust: &Trust, store: &Store, trees: &[&Path]) -> Result<(), Problem> {
    let here = trees.iter().find(|tree| file.path.starts_with(tree)).map(|tree| tree.to_path_buf());
    match here.or_else(|| store.tree_of(&file.path)) {
        Some(tree) if !trust.holds(&file.path, &file.content) => Err(untrusted(&file.path, &tree)),
        _ => Ok(()),
    }
}

/// Reads a policy only to answer questions about it.
///
/// # Errors
/// As [`read_policy`], but what lies in a workspace needs no trust: nothing is put in force.
pub fn look_at_policy(path: Option<&Path>, home: &Path) -> Result<Policy, Problem> {
    read(path, home, &|_| Ok(()))
}

/// Reads a policy of another language only to write it in this one.
///
/// # Errors
/// As [`look_at_policy`], and when it is none.
pub fn import_policy(path: &Path, name: Option<&str>) -> Result<Imported, Problem> {
    import(&source(path, &|_| Ok(()))?, name).map_err(|found| located(found, None))
}

/// What to know about a policy of another language; nothing where it is none, or cannot be read.
#[must_use]
pub fn notes(path: &Path) -> Vec<Note> {
    let named = path.to_str().is_some_and(|name| blueprint(name).is_some());
    let source = if named { None } else { source(path, &|_| Ok(())).ok() };
    let found = source.filter(|source| is_foreign(&source.text)).and_then(|source| import(&source, None).ok());
    found.map_or_else(Vec::new, |found| found.notes)
}

type Judge<'j> = &'j dyn Fn(&NamedFile) -> Result<(), Problem>;

fn read(path: Option<&Path>, home: &Path, judge: Judge<'_>) -> Result<Policy, Problem> {
    let path = path.unwrap_or(Path::new(DEFAULT));
    if path == Path::new(DEFAULT)
        && let Ok(policy) = serde_json::from_slice(READ)
    {
        return Ok(policy);
    }
    let source = match path.to_str().and_then(preset) {
        Some(filled) => filled.map_err(|wrong| problem(PRESET, quoted(&wrong.message), &wrong.hint, NOT_RUN))?,
        None => match path.to_str().and_then(blueprint) {
            Some(source) => source,
            None => source(path, judge)?,
        },
    };
    if is_foreign(&source.text) {
        return import(&source, None).map(|found| found.policy).map_err(|found| located(found, None));
    }
    let directory = Path::new(&source.name).parent().map(Path::to_owned);
    let mut failed = None;
    let mut resolve = |name: &str| {
        // A path is one of a file of rules, which is judged like a policy.
        let path = || if name.starts_with('/') { Some(name.into()) } else { beside(directory.as_deref()?, name) };
        let read = |path: &Path| self::source(path, judge).map_err(|problem| extended(path, problem));
        let found = blueprint(name).map(Ok).or_else(|| Some(read(&path()?)));
        found?.map_err(|problem| failed = Some(problem)).ok()
    };
    policy::read::read(&source, home.to_str(), &mut resolve).map_err(|found| located(found, failed))
}

/// A file that is extended lies beside the one that extends it: one plain name, so that all lie in one directory.
fn beside(directory: &Path, name: &str) -> Option<PathBuf> {
    let mut parts = Path::new(name).components();
    let plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(only)), None) if only == name);
    (plain && directory.is_absolute()).then(|| directory.join(name))
}

fn source(path: &Path, judge: Judge<'_>) -> Result<Source, Problem> {
    let file = named_file::read(path, MAX_BYTES).map_err(|problem| hinted(path, problem))?;
    owned(&file)?;
    enclosed(&file.path)?;
    judge(&file)?;
    let name = file.path.to_string_lossy().into_owned();
    match String::from_utf8(file.content) {
        Ok(text) => Ok(Source { name, text, widens: true }),
        Err(error) => Err(problem(
            "E-PLANE-063",
            format!("`{}` is not UTF-8: byte {} is no text", quoted(&name), error.utf8_error().valid_up_to()),
            "`iconv -t UTF-8 FILE` may help; a policy is a YAML text",
            NOT_RUN,
        )),
    }
}

/// What else may be meant where no file is: a blueprint spelt wrongly, or a file of a directory.
fn hinted(path: &Path, problem: Problem) -> Problem {
    let word = path.components().count() == 1 && path.extension().is_none();
    let hint = if path.is_dir() {
        format!("name a file in it, such as `{}`", crate::problem::shell(&path.join("policy.yaml").to_string_lossy()))
    } else if word && !path.exists() {
        "a policy is a file, one of the blueprints `hardened` and `strict`, or one of `bastide policy presets`"
            .to_owned()
    } else if !path.exists() {
        "there is no such file; `ls` its directory, and write its path in full".to_owned()
    } else {
        return problem;
    };
    Problem { hint: Some(hint), ..problem }
}

/// The same of what a policy names, which is written without a path.
fn extended(path: &Path, problem: Problem) -> Problem {
    if path.exists() || path.extension().is_some_and(|extension| extension == "toml") {
        return problem;
    }
    let hint = "what is extended is one of the blueprints `hardened` and `strict`, one of `bastide policy presets`, or a file \
                beside this one, named as it is called";
    Problem { hint: Some(hint.into()), ..problem }
}

/// Whoever may write the file makes the policy.
fn owned(file: &NamedFile) -> Result<(), Problem> {
    let (owner, mode) = (file.stat.st_uid, file.stat.st_mode & 0o7777);
    let shown = quoted(&file.path.to_string_lossy());
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        let cause = format!("`{shown}` belongs to user {owner}, who could change the policy");
        return Err(problem("E-PLANE-064", cause, "copy it to a file of your own", NOT_RUN));
    }
    if mode & 0o022 != 0 {
        let cause = format!("`{shown}` may be written by others (mode {mode:04o}), who could change the policy");
        let hint = format!("`chmod go-w {}`", crate::problem::shell(&file.path.to_string_lossy()));
        return Err(problem("E-PLANE-065", cause, &hint, NOT_RUN));
    }
    Ok(())
}

/// Whoever may rename in a directory above puts another file there. In one with the sticky bit nobody renames another's.
fn enclosed(path: &Path) -> Result<(), Problem> {
    // Nobody renames in the root.
    for directory in path.ancestors().skip(1).filter(|directory| directory.parent().is_some()) {
        let Ok(stat) = rustix::fs::stat(directory) else { continue };
        let mode = stat.st_mode & 0o7777;
        let others = stat.st_uid != 0 && stat.st_uid != rustix::process::geteuid().as_raw();
        if others || (mode & 0o022 != 0 && mode & 0o1000 == 0) {
            let (shown, whole) = (quoted(&path.to_string_lossy()), directory.to_string_lossy());
            let why = if others { format!("belongs to user {}", stat.st_uid) } else { format!("has mode {mode:04o}") };
            let cause = format!("`{}` {why}: others could put another file in the place of `{shown}`", quoted(&whole));
            let hint = format!("`chmod go-w {}`, or keep it in a directory of your own", crate::problem::shell(&whole));
            return Err(problem("E-PLANE-065", cause, &hint, NOT_RUN));
        }
    }
    Ok(())
}

fn untrusted(path: &Path, tree: &Path) -> Problem {
    problem(
        "E-PLANE-066",
        format!(
            "`{}` lies in `{}`, which an agent can change, and its present content is not trusted",
            quoted(&path.to_string_lossy()),
            quoted(&tree.to_string_lossy())
        ),
        &format!("read it, then `bastide trust {}`", crate::problem::shell(&path.to_string_lossy())),
        NOT_RUN,
    )
}

/// `file:line:column: message`, with the reader's code and hint, or those of the extended file that could not be read.
fn located(found: Diagnostic, failed: Option<Problem>) -> Problem {
    let place = found.location;
    let at = match place.line {
        0 => quoted(&place.file),
        line => format!("{}:{line}:{}", quoted(&place.file), place.column),
    };
    match failed {
        Some(problem) => Problem { cause: format!("{at}: {}", problem.cause), ..problem },
        None => {
            let cause = format!("{at}: {}", quoted(&found.message));
            Problem { code: found.code, cause, hint: found.hint, exit: NOT_RUN }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_when_this_was_built_is_what_the_text_says() {
        let source = blueprint(DEFAULT).expect("shipped");
        for home in [None, Some("/"), Some("/root"), Some("/home/u")] {
            let text = policy::read::read(&source, home, &mut |name| blueprint(name)).expect("reads");
            assert_eq!(serde_json::from_slice::<Policy>(READ).expect("reads"), text);
            for path in [None, Some(Path::new(DEFAULT))] {
                assert_eq!(look_at_policy(path, Path::new(home.unwrap_or("/home/u"))).expect("reads"), text);
            }
        }
    }
}
