//! Policies of another language, OpenShell's, and presets of NemoClaw, as policies of this one.
//!
//! What the other one says is taken as its documentation tells it. Where that is permissive by default, or cannot be said
//! here, the policy is narrower, and a [`Note`] tells what was lost. Nothing is dropped in silence: a key that is not
//! known is refused.

mod endpoint;
mod files;
mod glob;
mod hosts;
mod network;
mod note;
mod programs;
mod raw;
mod requests;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Location as Mark;

use crate::Policy;
use crate::read::{Diagnostic, HARDENED, MAX_BYTES, Source, code, fail, plain, read};
use note::Notes;
pub use note::{Note, NoteKind, lines};
use raw::RawFile;

/// What every such file has.
const NEEDED: &str =
    "every preset has a `name`, every binary a `path`, every rule `allow`, every middleware `endpoints`";
/// Mappings and lists within one another.
const DEPTH: usize = 16;

/// A policy, and what to know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The policy. It stands alone, and its default is to deny.
    pub policy: Policy,
    /// In the order in which they were found.
    pub notes: Vec<Note>,
}

/// Whether a text is a policy of the other language: it has a `version` or a `preset`, and no `bastide`.
#[must_use]
pub fn is_foreign(text: &str) -> bool {
    const OTHERS: [&str; 4] = ["version", "preset", "network_policies", "filesystem_policy"];
    #[derive(Deserialize)]
    struct Keys(BTreeMap<String, IgnoredAny>);
    if text.len() > MAX_BYTES || text.lines().any(|line| line.starts_with("bastide:")) {
        return false;
    }
    let keys: Vec<String> = match serde_saphyr::from_str::<Keys>(text) {
        Ok(Keys(keys)) => keys.into_keys().collect(),
        // What cannot be read is told of in the words of its own language.
        Err(_) => text.lines().filter_map(|line| line.split_once(':')).map(|(key, _)| key.to_owned()).collect(),
    };
    let has = |name: &str| keys.iter().any(|key| key == name);
    !has("bastide") && OTHERS.iter().any(|name| has(name))
}

/// Reads a policy of the other language. `name` is what it is called; none takes the preset's, or the file's.
///
/// # Errors
/// A located [`Diagnostic`] for what is no such file, or could mean several things.
pub fn import(source: &Source, name: Option<&str>) -> Result<Imported, Diagnostic> {
    let file = source.name.as_str();
    let raw: RawFile = plain(source, DEPTH, NEEDED)?;
    match &raw.version {
        Some(version) if version.value != 1 => {
            let message = format!("unknown version `{}`", version.value);
            return Err(fail(file, version.referenced, code::VERSION, message, "versions are: 1"));
        }
        None if raw.preset.is_none() => {
            let message = "`version` is missing".into();
            return Err(fail(file, Mark::UNKNOWN, code::SHAPE, message, "write `version: 1`, or `preset` with a name"));
        }
        _ => {}
    }
    let mut notes = Notes::of(file);
    let mut policy = base()?;
    policy.name = called(name, &raw, file);
    let (none, no_middleware) = (BTreeMap::new(), BTreeMap::new());
    let entries = raw.network_policies.as_ref().unwrap_or(&none);
    of_files(&raw, &mut policy, !entries.is_empty(), &mut notes);
    let middlewares = raw.network_middlewares.as_ref().unwrap_or(&no_middleware);
    policy.network = network::read(entries, middlewares, &mut notes, file)?;
    if let Some(inference) = &raw.inference {
        let what = "`inference` says which routes to models may be taken";
        notes.lost(inference.referenced, what, "no model is asked; write `inference.routes`");
    }
    if policy.to_yaml().len() > MAX_BYTES {
        let message = format!("the policy that it becomes is longer than {MAX_BYTES} bytes");
        return Err(fail(file, Mark::UNKNOWN, code::TOO_LARGE, message, "split the file"));
    }
    Ok(Imported { policy, notes: notes.list })
}

/// What an imported policy has that the other language knows nothing of: limits, guarded names, labels.
fn base() -> Result<Policy, Diagnostic> {
    static READ: LazyLock<Result<Policy, Diagnostic>> = LazyLock::new(|| {
        let source = Source { name: "hardened".into(), text: HARDENED.into(), widens: true };
        read(&source, None, &mut |_| None).map(|policy| Policy { tests: Vec::new(), ..policy })
    });
    READ.clone()
}

fn of_files(raw: &RawFile, policy: &mut Policy, networked: bool, notes: &mut Notes) {
    let top = raw.version.as_ref().map_or(Mark::UNKNOWN, |version| version.referenced);
    match (&raw.filesystem_policy, &raw.preset) {
        (Some(section), _) => files::read(section, &mut policy.files, networked, notes),
        (None, Some(preset)) => network::told_of_base(preset.referenced, notes),
        (None, None) => files::missing(top, &mut policy.files, notes),
    }
    if raw.preset.is_none() || raw.landlock.is_some() {
        files::landlock(top, raw.landlock.as_ref(), notes);
    }
    if let Some(process) = &raw.process {
        files::process(process, notes);
    }
}

/// A name that a policy may have.
fn called(name: Option<&str>, raw: &RawFile, file: &str) -> String {
    let preset = raw.preset.as_ref().map(|preset| preset.value.name.value.as_str());
    let last = file.rsplit('/').next().unwrap_or(file);
    let stem = last.rsplit_once('.').map_or(last, |(stem, _)| stem);
    let plain = |text: &str| -> String {
        let shown: String = text.chars().filter(|letter| !letter.is_control()).take(64).collect();
        shown.trim().to_owned()
    };
    let names = [name, preset, Some(stem)].into_iter().flatten().map(plain);
    names.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| "imported".into())
}
