//! Certificate roots beside the system's: the operator's own, such as a company's, and the cell's authority. Merged into
//! one bundle, which lies over the system's inside. Variables say the same to programs that look nowhere else.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use wire::command::Problem;

use super::layout::Layout;
use crate::problem::{NOT_RUN, problem, quoted, state};

/// Where systems keep their bundle.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Variables that programs read instead: OpenSSL, Node, Python, curl, git, cargo, pip, codex.
const VARIABLES: [&str; 8] = [
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
    "PIP_CERT",
    "CODEX_CA_CERTIFICATE",
];
/// Longest bundle, in bytes.
const LONGEST: u64 = 8 << 20;

/// What was laid over the system's bundle, and what it holds.
#[derive(Debug, Default)]
pub(super) struct Roots {
    /// Variables that name the bundle inside.
    pub(super) variables: Vec<(&'static str, String)>,
    /// What this host trusts, the operator's own with it and the cell's authority without.
    pub(super) trusted: String,
}

/// Lays the merged bundle over the system's; nothing without roots of his own, unless the cell has an authority.
///
/// # Errors
/// When the operator's file cannot be read, holds no certificate, or holds a private key.
pub(super) fn bring_in(
    layout: &mut Layout,
    session: &Path,
    named: Option<&str>,
    authority: Option<&str>,
) -> Result<Roots, Problem> {
    let own = named.filter(|file| !file.is_empty() && !BUNDLES.contains(file));
    if own.is_none() && authority.is_none() {
        return Ok(Roots::default());
    }
    let places = places();
    let trusted = trusted(named)?;
    let file = session.join("roots.pem");
    let inside = format!("{}\n{}", trusted.trim_end(), authority.unwrap_or_default());
    write(&file, &inside).map_err(|error| state("write", &file, &error))?;
    // Where the system has no bundle there is nothing to lie over: the first place then holds ours.
    let over: Vec<PathBuf> =
        if places.is_empty() { vec![BUNDLES[0].into()] } else { places.iter().map(PathBuf::from).collect() };
    let inside = over[0].to_string_lossy().into_owned();
    over.iter().try_for_each(|place| layout.cover(&file, place))?;
    Ok(Roots { variables: VARIABLES.map(|name| (name, inside.clone())).to_vec(), trusted })
}

fn places() -> Vec<&'static str> {
    BUNDLES.into_iter().filter(|bundle| Path::new(bundle).is_file()).collect()
}

/// What this host trusts, the operator's own with it.
///
/// # Errors
/// As [`bring_in`].
pub(super) fn trusted(named: Option<&str>) -> Result<String, Problem> {
    let system = places().first().map(|bundle| read(Path::new(bundle))).transpose()?.unwrap_or_default();
    match named.filter(|file| !file.is_empty() && !BUNDLES.contains(file)) {
        Some(own) => merge(&system, &read(Path::new(own))?, own),
        None => Ok(system),
    }
}

fn merge(system: &str, own: &str, name: &str) -> Result<String, Problem> {
    let refuse = |cause: &str| {
        let cause = format!("`SSL_CERT_FILE` names `{}`, which {cause}", quoted(name));
        Err(problem("E-PLANE-048", cause, "name a file of certificates in PEM form, or unset SSL_CERT_FILE", NOT_RUN))
    };
    if own.contains("PRIVATE KEY-----") {
        return refuse("holds a private key");
    }
    if !own.contains("-----BEGIN CERTIFICATE-----") {
        return refuse("holds no certificate");
    }
    Ok(format!("{}\n{}\n", system.trim_end(), own.trim()))
}

fn read(path: &Path) -> Result<String, Problem> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
    read.map(|_| text).map_err(|error| {
        let cause = format!("certificates cannot be read from `{}`: {error}", quoted(&path.to_string_lossy()));
        problem("E-PLANE-048", cause, "name a file of certificates in PEM form, or unset SSL_CERT_FILE", NOT_RUN)
    })
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let _ = fs::remove_file(path);
    File::options().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certificates_are_merged() {
        let certificate = "-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----\n";
        assert_eq!(merge("system\n", certificate, "x").expect("merged"), format!("system\n{certificate}"));
        assert!(merge("", "nothing", "x").is_err());
        assert!(merge("", &format!("{certificate}-----BEGIN PRIVATE KEY-----"), "x").is_err());
    }

    #[test]
    fn without_roots_of_his_own_nothing_changes() {
        let mut layout = Layout::new(super::super::paths::Paths::default(), false, false);
        for named in [None, Some(""), Some(BUNDLES[0])] {
            let roots = bring_in(&mut layout, Path::new("/nowhere"), named, None).expect("nothing to do");
            assert!(roots.variables.is_empty() && roots.trusted.is_empty());
        }
        assert!(layout.steps.is_empty());
    }
}
