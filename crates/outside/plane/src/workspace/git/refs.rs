//! Refs as they stand, loose and packed; names and values are parsed once, strictly.

use super::super::{Error, Node, Stamp, Tree, beneath::absent, io};
use super::Fault;
use super::part::is_name;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// Refs by their whole name; values are an object's name or `ref: NAME`.
pub(super) type Refs = BTreeMap<String, String>;

/// More refs than any project has.
const MOST: usize = 200_000;
/// A packed-refs file of that many.
const LARGEST: u64 = 64 << 20;

/// Reads a small file; `None` if it is not there or not a file.
pub(super) fn bytes(tree: &Tree, path: &Path, most: u64) -> Result<Option<Vec<u8>>, Error> {
    let mut file = match tree.file(path) {
        Ok(file) => file.take(most + 1),
        Err(Error::Io { source, .. }) if absent(&source) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(io("read", path))?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

/// Reads one ref's value.
pub(super) fn value(tree: &Tree, path: &Path) -> Result<Result<String, Fault>, Error> {
    let text = bytes(tree, path, 4096)?.and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(text.and_then(|text| parse(text.trim_end_matches('\n'))).ok_or(Fault::RefContent))
}

fn parse(text: &str) -> Option<String> {
    let target = text.strip_prefix("ref:").map(str::trim_start);
    match target {
        Some(target) => is_ref(target).then(|| format!("ref: {target}")),
        None => is_name(text).then(|| text.to_owned()),
    }
}

/// Reads a packed-refs file.
pub(super) fn packed(tree: &Tree, path: &Path) -> Result<Result<Refs, Fault>, Error> {
    let Some(bytes) = bytes(tree, path, LARGEST)? else { return Ok(Ok(Refs::new())) };
    let Ok(text) = String::from_utf8(bytes) else { return Ok(Err(Fault::RefName)) };
    let mut refs = Refs::new();
    for line in text.lines().filter(|line| !line.starts_with(['#', '^'])) {
        match line.split_once(' ') {
            Some((value, name)) if is_name(value) && is_ref(name) => refs.insert(name.to_owned(), value.to_owned()),
            Some((value, _)) if is_name(value) => return Ok(Err(Fault::RefName)),
            _ => return Ok(Err(Fault::RefContent)),
        };
        if refs.len() > MOST {
            return Ok(Err(Fault::RefContent));
        }
    }
    Ok(Ok(refs))
}

/// Reads the loose refs of the original and its HEADs, with their stamps. Its own oddities are left out, not judged.
pub(super) fn loose(lower: &Tree, root: &Path) -> Result<(Refs, BTreeMap<String, Stamp>), Error> {
    let (mut refs, mut stamps) = (Refs::new(), BTreeMap::new());
    let mut todo = vec!["refs".to_owned()];
    let worktrees = lower.names(&root.join("worktrees")).unwrap_or_default();
    let heads = worktrees.iter().filter_map(|name| Some(format!("worktrees/{}/HEAD", name.to_str()?)));
    todo.extend(heads.chain(["HEAD".to_owned()]));
    while let Some(name) = todo.pop() {
        let path = root.join(&name);
        let stamp = Stamp::take(lower, &path, false)?;
        let node = stamp.as_ref().map(|stamp| stamp.node);
        stamps.extend(stamp.filter(|stamp| stamp.node != Node::Directory).map(|stamp| (name.clone(), stamp)));
        match node {
            Some(Node::Directory) => {
                let names = lower.names(&path)?;
                todo.extend(names.iter().filter_map(|below| Some(format!("{name}/{}", below.to_str()?))));
            }
            Some(Node::File) => {
                if let Ok(value) = value(lower, &path)? {
                    refs.insert(name, value);
                }
            }
            _ => {}
        }
        if refs.len() + todo.len() > MOST {
            return Err(Error::TooMany);
        }
    }
    Ok((refs, stamps))
}

/// Whether a text is the name of a ref beneath `refs/` that git itself would make.
pub(super) fn is_ref(name: &str) -> bool {
    let odd = |c: char| c.is_control() || " ~^:?*[\\\u{7f}".contains(c);
    let part = |part: &str| !part.is_empty() && !part.starts_with(['.', '-']) && !part.ends_with(".lock");
    name.strip_prefix("refs/").is_some_and(|rest| rest.split('/').all(part))
        && name.len() < 1024
        && !name.starts_with("refs/replace/")
        && !name.contains("..")
        && !name.contains("@{")
        && !name.ends_with('.')
        && !name.chars().any(odd)
}

/// Whether a ref's name would be taken for something else: by git, or by who reads it.
pub(super) fn misleads(name: &str) -> bool {
    let short = ["refs/heads/", "refs/tags/", "refs/remotes/"].iter().find_map(|kind| name.strip_prefix(kind));
    let last = name.rsplit('/').next().unwrap_or_default();
    let all_hex = |text: &str| matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let head = short.is_some_and(|short| short.eq_ignore_ascii_case("HEAD") || short.starts_with("refs/"));
    let state = ["refs/bisect", "refs/replace", "refs/rewritten", "refs/worktree"];
    let state =
        state.iter().any(|kind| name.strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    head || all_hex(last) || state || *record::redact::visible(name) != *name
}

/// Refs that move to where a shorter name means another one, too: a tag called like a branch, or a branch like a
/// remote's.
pub(super) fn ambiguous<'n>(mut moved: impl Iterator<Item = &'n str>, all: &Refs) -> bool {
    const KINDS: [&str; 3] = ["refs/heads/", "refs/tags/", "refs/remotes/"];
    moved.any(|name| {
        let short = KINDS.iter().find_map(|kind| Some((kind, name.strip_prefix(kind)?)));
        short.is_some_and(|(own, short)| {
            KINDS.iter().any(|kind| kind != own && all.contains_key(&format!("{kind}{short}")))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_git_would_not_make_are_none() {
        assert!(is_ref("refs/heads/feature/x-1") && is_ref("refs/stash"));
        for odd in ["refs/heads/../x", "refs/heads/a..b", "refs/heads/a\nb", "refs/heads/-x", "refs/heads/", "HEAD"] {
            assert!(!is_ref(odd), "{odd:?}");
        }
        for odd in ["refs/heads/a.lock", "refs/heads/.a", "refs//a", "refs/heads/a b", "refs/replace/x", "refs/a@{1}"] {
            assert!(!is_ref(odd), "{odd:?}");
        }
        let hex = format!("refs/heads/{}", "Ab".repeat(20));
        for odd in ["refs/heads/HEAD", &hex, "refs/heads/a\u{202e}b", "refs/bisect/bad", "refs/heads/refs/heads/x"] {
            assert!(misleads(odd), "{odd:?}");
        }
        assert!(!misleads("refs/heads/ünder/x") && !misleads("refs/stash") && !misleads("refs/remotes/origin/HEAD"));
        let all = Refs::from([("refs/heads/v1".into(), String::new()), ("refs/tags/v1".into(), String::new())]);
        assert!(ambiguous(["refs/tags/v1"].into_iter(), &all) && !ambiguous(["refs/tags/v2"].into_iter(), &all));
        assert_eq!(parse("ref: refs/heads/main").as_deref(), Some("ref: refs/heads/main"));
        assert_eq!(parse("ref: ../../etc/passwd"), None);
    }
}
