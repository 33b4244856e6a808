//! What is known to hold an operator's credentials: never visible inside, unless that one was accepted by name.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use wire::command::{Problem, Run};

use super::names::Names;
use super::paths::Paths;
use super::risks::{Accepted, Credential};
use crate::problem::{NOT_RUN, problem, quoted};

/// Files and directories of a home that hold logins or keys.
const IN_HOME: &[&str] = &[
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
    ".netrc",
    ".git-credentials",
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    ".pypirc",
    ".vault-token",
    ".terraform.d",
    ".config/gh",
    ".config/hub",
    ".config/gcloud",
    ".config/git/credentials",
    ".config/op",
    ".config/rclone",
    ".config/containers",
    ".config/sops",
    ".config/age",
    ".config/opencode",
    ".config/openai",
    ".local/share/keyrings",
    ".local/share/opencode",
    ".password-store",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".gem/credentials",
    ".m2/settings.xml",
    ".gradle/gradle.properties",
    ".claude",
    ".claude.json",
    ".codex",
    ".gemini",
    ".pi",
    ".openclaw",
    ".mozilla",
    ".config/google-chrome",
    ".config/chromium",
];

/// One known place of credentials.
struct Place {
    /// As the operator's HOME spells it.
    name: String,
    /// Every spelling that leads there: a tree is named by its real path, a home perhaps through a link.
    paths: Vec<PathBuf>,
}

fn places(home: &Path, known: &Paths) -> impl Iterator<Item = Place> {
    let real = known.real_or_same(home);
    IN_HOME.iter().map(move |place| {
        let written = home.join(place);
        let mut paths = vec![written.clone(), real.join(place)];
        // Most are not there, and lead nowhere. A directory on the way may be a link.
        if place.contains('/') {
            paths.extend(known.names(&written));
        } else {
            paths.extend(known.real(&written));
        }
        paths.sort_unstable();
        paths.dedup();
        Place { name: written.to_string_lossy().into_owned(), paths }
    })
}

/// Refuses credentials that nobody accepted, among the variables and in the trees that are to come in; gives the paths
/// that stay hidden.
///
/// # Errors
/// Which one was not accepted.
pub(super) fn keep_out<'t>(
    run: &Run,
    accepted: &Accepted,
    (home, paths, names): (&Path, &Paths, &Names),
    trees: impl Iterator<Item = &'t Path>,
) -> Result<Vec<PathBuf>, Problem> {
    let variables = run.environment.iter().filter(|(name, value)| wire::looks_secret(name, value));
    let mut found: Vec<String> = variables.map(|(name, _)| name.clone()).collect();
    let places: Vec<Place> = places(home, paths).collect();
    // By what stands above each tree, since there are many trees and many places.
    let known: HashMap<&Path, &Place> =
        places.iter().flat_map(|place| place.paths.iter().map(move |path| (path.as_path(), place))).collect();
    for tree in trees {
        let all = names.of_tree(tree);
        let holding = all.iter().flat_map(|name| name.ancestors()).filter_map(|above| known.get(above));
        found.extend(holding.map(|place| place.name.clone()));
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|one| seen.insert(one.clone()));
    let let_in = match &accepted.credential {
        Some(Credential::TheOnlyOne) if found.len() <= 1 => found.first().cloned(),
        Some(Credential::Named(name)) => found.iter().find(|one| named(one, name, home)).cloned(),
        _ => None,
    };
    match found.iter().find(|one| Some(*one) != let_in.as_ref()) {
        Some(other) => Err(problem(
            "E-PLANE-047",
            format!("`{}` looks like a credential, and nothing inside may hold one", quoted(other)),
            "to let this one in all the same: `--accept-risk credential-inside=NAME`",
            NOT_RUN,
        )),
        None => {
            Ok(places.into_iter().filter(|one| Some(&one.name) != let_in.as_ref()).flat_map(|one| one.paths).collect())
        }
    }
}

fn named(found: &str, name: &str, home: &Path) -> bool {
    let expanded = name.strip_prefix("~/").map(|rest| home.join(rest).to_string_lossy().into_owned());
    found == name || expanded.as_deref() == Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn kept_out(home: &Path, trees: &[&Path], risk: &str) -> Result<Vec<PathBuf>, Problem> {
        let accepted = super::super::risks::accept(&[risk.to_owned()]).expect("a risk");
        let paths = Paths::default();
        let names = Names::of(&paths, trees.iter().copied());
        keep_out(&Run::default(), &accepted, (home, &paths, &names), trees.iter().copied())
    }

    const NONE: &str = "credential-inside=NONE";

    /// A workspace in such a place was neither refused nor hidden: only `--read` and `--write` were looked at.
    #[test]
    fn no_tree_lies_in_a_place_of_credentials_unless_that_one_was_let_in() {
        let home = Path::new("/home/u");
        let (team, key) = (Path::new("/home/u/.password-store/team"), Path::new("/home/u/.aws/x"));
        for tree in [team, key] {
            let refused = kept_out(home, &[Path::new("/work"), tree], NONE).expect_err("a credential");
            assert_eq!(refused.code, "E-PLANE-047", "{refused}");
        }
        assert!(kept_out(home, &[team, key], "credential-inside").is_err(), "one, not two");
        let twice = kept_out(home, &[team, Path::new("/home/u/.password-store")], "credential-inside");
        let hidden = twice.expect("one credential, however often it is named");
        assert!(hidden.contains(&home.join(".aws")) && !hidden.contains(&home.join(".password-store")), "{hidden:?}");
        let by_name = kept_out(home, &[team], "credential-inside=~/.password-store").expect("let in");
        assert!(!by_name.contains(&home.join(".password-store")));
        assert!(kept_out(home, &[Path::new("/home/u/.rustup"), Path::new("/home/u/.sshd")], NONE).is_ok());
    }

    /// A home that is a link hid its places under a name that nothing inside has.
    #[test]
    fn a_place_is_known_by_every_spelling_that_leads_to_it() {
        let room = tempfile::tempdir().expect("a directory");
        let room = room.path().canonicalize().expect("real");
        let (real, home) = (room.join("real"), room.join("home"));
        for directory in ["real/.aws/x", "real/.config/gh", "dotfiles/ssh"] {
            fs::create_dir_all(room.join(directory)).expect("made");
        }
        std::os::unix::fs::symlink(&real, &home).expect("linked");
        std::os::unix::fs::symlink(room.join("dotfiles/ssh"), real.join(".ssh")).expect("linked");
        for tree in [home.join(".aws/x"), real.join(".aws/x"), room.join("dotfiles/ssh")] {
            assert!(kept_out(&home, &[&tree], NONE).is_err(), "{}", tree.display());
        }
        let hidden = kept_out(&home, &[&real.join(".config")], NONE).expect("holds one, and hides it");
        for place in [home.join(".config/gh"), real.join(".config/gh"), room.join("dotfiles/ssh")] {
            assert!(hidden.contains(&place), "{} in {hidden:?}", place.display());
        }
        let risk = format!("credential-inside={}", home.join(".aws").display());
        let hidden = kept_out(&home, &[&real.join(".aws/x")], &risk).expect("let in");
        assert!(!hidden.contains(&real.join(".aws")) && !hidden.contains(&home.join(".aws")), "{hidden:?}");
    }
}
