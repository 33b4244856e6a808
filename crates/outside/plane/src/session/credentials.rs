//! What is known to hold an operator's credentials: never visible inside, unless that one was accepted by name.

use std::path::{Path, PathBuf};

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

/// Every known place of credentials in a home.
pub(super) fn places(home: &Path) -> impl Iterator<Item = PathBuf> {
    IN_HOME.iter().map(move |place| home.join(place))
}

/// The place of credentials that a path is, or lies in.
pub(super) fn holds(home: &Path, path: &Path) -> Option<PathBuf> {
    places(home).find(|place| path.starts_with(place))
}

/// Variables whose names say that they hold a secret.
pub(super) fn secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL"].iter().any(|word| name.contains(word))
}

/// Whether a value looks like a secret, given its variable's name.
pub(super) fn secret_looking(name: &str, value: &str) -> bool {
    const PREFIXES: &[&str] =
        &["sk-", "ghp_", "gho_", "ghs_", "github_pat_", "AKIA", "ASIA", "xox", "AIza", "eyJ", "-----BEGIN", "glpat-"];
    let random = value.len() > 16
        && value.bytes().any(|byte| byte.is_ascii_digit())
        && value.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !value.contains([' ', '/']);
    (value.len() > 12 && PREFIXES.iter().any(|prefix| value.starts_with(prefix))) || (secret_name(name) && random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_no_secret() {
        assert!(!secret_looking("OPENAI_API_KEY", "unused"));
        assert!(secret_looking("OPENAI_API_KEY", "a1b2c3d4e5f6a7b8c9d0"));
        assert!(secret_looking("X", "ghp_abcdefghijklmnop"));
        assert!(!secret_looking("PATH", "/usr/bin:/bin:/usr/local/bin0"));
        let home = Path::new("/home/u");
        assert!(
            holds(home, Path::new("/home/u/.ssh/id")).is_some() && holds(home, Path::new("/home/u/.rustup")).is_none()
        );
    }
}
