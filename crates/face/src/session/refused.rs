//! What `bastide run` refuses before it asks the plane: a workspace that holds everything, secrets in variables.
//!
//! A hint for the honest mistake. It cannot know every secret, and no value is ever shown.

use crate::errors::Error;
use crate::words;
use std::path::Path;

/// The name under which one secret may be let in.
pub const CREDENTIAL_INSIDE: &str = "credential-inside";

/// Refuses variables that look like secrets, but for one where the operator accepted it.
///
/// # Errors
/// The variable's name, or how many there are.
pub fn secrets(variables: &[(String, String)], accepted: &[String]) -> Result<(), Error> {
    let found = looking_secret(variables);
    let accepts = |name: &str| {
        let named =
            |risk: &String| risk.strip_prefix(CREDENTIAL_INSIDE).and_then(|rest| rest.strip_prefix('=')) == Some(name);
        accepted.iter().any(|risk| risk == CREDENTIAL_INSIDE || named(risk))
    };
    match found.as_slice() {
        [] => Ok(()),
        [name] if accepts(name) => Ok(()),
        [name] => Err(Error::Secret { name: words::line(name, 60), enters: false }),
        _ => Err(Error::Secrets { count: found.len() }),
    }
}

/// Refuses variables that look like secrets for a program that enters a session: it began without.
///
/// # Errors
/// The name of the first.
pub fn secrets_entering(variables: &[(String, String)]) -> Result<(), Error> {
    match looking_secret(variables).first() {
        None => Ok(()),
        Some(name) => Err(Error::Secret { name: words::line(name, 60), enters: true }),
    }
}

/// The variables whose values look like secrets, each once.
#[must_use]
pub fn looking_secret(variables: &[(String, String)]) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for (name, value) in variables {
        if wire::looks_secret(name, value) && !found.contains(&name.as_str()) {
            found.push(name);
        }
    }
    found
}

/// Refuses a workspace at /, at the home directory or above it, symbolic links followed.
///
/// # Errors
/// The path and what it is.
pub fn workspace(named: Option<&Path>, directory: &Path) -> Result<(), Error> {
    let home = std::env::var_os("HOME").map(std::path::PathBuf::from);
    holds_everything(&directory.join(named.unwrap_or(Path::new(""))), home.as_deref())
}

fn holds_everything(workspace: &Path, home: Option<&Path>) -> Result<(), Error> {
    let refused = |what| Err(Error::Workspace { path: words::name(workspace), what });
    // A workspace that cannot be resolved is judged as typed; the plane says that it is not there.
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let found = real(workspace);
    if found.parent().is_none() {
        return refused("it is the root of everything");
    }
    match home.filter(|home| home.is_absolute()).map(real) {
        Some(home) if home == found => refused("it is the home directory"),
        Some(home) if home.starts_with(&found) => refused("it holds the home directory"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn one_may_be_let_in_by_name_and_no_value_is_told() {
        let (one, accepted) = (pair("MY_TOKEN", "ghp_0123456789abcdef"), [CREDENTIAL_INSIDE.to_owned()]);
        let error = secrets(std::slice::from_ref(&one), &[]).expect_err("refused");
        assert!(error.render(false).contains("MY_TOKEN") && !error.render(false).contains("0123"));
        assert!(secrets(std::slice::from_ref(&one), &accepted).is_ok());
        let two = [one, pair("B", "sk-0123456789")];
        assert!(matches!(secrets(&two, &accepted), Err(Error::Secrets { count: 2 })));
        let Err(entering) = secrets_entering(&two) else { panic!("let in") };
        let shown = entering.render(false);
        assert!(shown.contains("`exec` lets none in") && !shown.contains("or let this one in"), "{shown}");
    }

    #[test]
    fn what_holds_the_home_directory_is_refused_through_links_too() {
        let root = tempfile::tempdir().expect("directory");
        let home = root.path().join("home/me");
        std::fs::create_dir_all(home.join("project")).expect("directories");
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&home, &link).expect("link");
        for bad in ["/", "/..", "home", "home/me", "link", "home/me/project/.."] {
            assert!(holds_everything(&root.path().join(bad), Some(&home)).is_err(), "{bad}");
            assert!(holds_everything(&root.path().join(bad), Some(&link)).is_err(), "{bad} by a link");
        }
        assert!(holds_everything(&home.join("project"), Some(&home)).is_ok());
        assert!(holds_everything(&root.path().join("elsewhere"), Some(&home)).is_ok());
    }
}
