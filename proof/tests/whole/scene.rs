//! Real clients with a credential that none of them has: an operator, a server that asks for it, and files that it serves.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::origin::{self, Answer, Asked, Origin, answer, keep};
use super::{Operator, Ran};

pub const VALUE: &str = "hunter2-from-the-vault";
/// `x-access-token:` and the value.
pub const BASIC: &str = "Basic eC1hY2Nlc3MtdG9rZW46aHVudGVyMi1mcm9tLXRoZS12YXVsdA==";
pub const BEARER: &str = "Bearer hunter2-from-the-vault";

/// An operator whose policy lends one secret to the requests of `/in/` at one server.
pub struct Scene {
    pub operator: Operator,
    pub origin: Origin,
    /// The header that has to arrive.
    expected: &'static str,
}

impl Scene {
    pub fn new(operator: Operator, expected: &'static str, answer: Answer) -> Scene {
        // Who does not bring it is asked for it, as servers do: a client might then try again with its own.
        let origin = Origin::new(Box::new(move |asked| match asked.all("authorization")[..] {
            [one] if one == expected => answer(asked),
            _ => origin::answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", b""),
        }));
        keep(&operator, "key", &origin.place, "/in/**", VALUE);
        Scene { operator, origin, expected }
    }

    /// Runs a script with `$u` as the server's address and `$at` as the same without `https://`.
    pub fn run(&self, options: &[&str], script: &str) -> Ran {
        let position = if self.expected == BASIC { "{name: key, basic: x-access-token}" } else { "key" };
        let rule = format!("{{to: \"{}\", paths: [/in/**], credential: {position}}}", self.origin.place);
        self.run_by(&rule, "", options, script)
    }

    /// The same by these rules, where another authority vouches for servers, too. No answer holds the secret.
    pub fn run_by(&self, rules: &str, roots: &str, options: &[&str], script: &str) -> Ran {
        let text = format!("bastide: 1\nname: mine\nextends: [hardened]\nnetwork: {{allow: [{rules}]}}\n");
        let file = self.operator.write("home/policy.yaml", &text).to_string_lossy().into_owned();
        let roots = self.operator.write("home/company.pem", &format!("{}{roots}", self.origin.roots));
        let script = format!("set -eu; at={}; u=https://$at; {script}", self.origin.place);
        let arguments =
            [&["run", "--timeout", "60s", "--policy", &file], options, &["--", "sh", "-c", &script]].concat();
        let ran = Ran::of(self.operator.command(&arguments).env("SSL_CERT_FILE", &roots).output().expect("starts"));
        assert!(!format!("{ran:?}").contains("hunter2"), "{ran:?}");
        ran
    }

    /// What arrived: each with the credential once, and with nothing of the client's own.
    pub fn asked(&self) -> Vec<Asked> {
        let asked = self.origin.asked();
        for one in &asked {
            assert_eq!(one.all("authorization"), [self.expected], "{one:?}");
            let text = format!("{:?}", one.headers);
            assert!(!text.contains("bogus") && !text.contains("Ym9ndXM"), "{one:?}");
        }
        asked
    }

    pub fn targets(&self) -> Vec<String> {
        self.asked().iter().map(|asked| format!("{} {}", asked.method, asked.target)).collect()
    }
}

/// Where a server's own files lie, removed with it: those that it serves in `in`.
pub fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a directory");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).expect("open to all");
    fs::create_dir(place.path().join("in")).expect("made");
    place
}

pub fn host(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("starts");
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Answers with the files beneath, as a registry does that is made of files.
pub fn files(root: &Path) -> Answer {
    let root = root.to_owned();
    Box::new(move |asked| {
        let path = root.join(asked.target.trim_matches('/'));
        let (path, kind) = if path.is_dir() { (path.join("index"), "text/html") } else { (path, "application/json") };
        let body = fs::read(&path);
        let status = if body.is_ok() { "200 OK" } else { "404 Not Found" };
        answer(status, &format!("Content-Type: {kind}\r\n"), &body.unwrap_or_default())
    })
}
