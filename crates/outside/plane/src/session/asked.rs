//! What the operator asked, checked and completed: one policy, one workspace, one home, one command.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy::{CanonicalPath, Host, HostError, Policy, Rule, Target, WorkspaceMode};
use record::Redactor;
use wire::command::{Problem, Run};
use wire::{Proxy, Secret};

use super::children::Adopted;
use super::locate::plain;
use super::names::Names;
use super::paths::Paths;
use super::risks::{self, Accepted};
use super::servers::Serves;
use super::{credentials, host};
use crate::policy_file;
use crate::problem::{NOT_RUN, problem, quoted};
use crate::store::{Options, ParentRecord, Store};

/// The name of the private home where the operator has none.
const NO_HOME: &str = "/home/agent";

/// A request that may be carried out.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) run: Box<Run>,
    pub(super) policy: Arc<Policy>,
    pub(super) accepted: Accepted,
    pub(super) workspace: PathBuf,
    /// The operator's home: the name that the private one has inside.
    pub(super) home: PathBuf,
    pub(super) workdir: PathBuf,
    pub(super) mode: WorkspaceMode,
    /// What options add to the policy of a file.
    pub(super) options: Options,
    /// Paths that the operator named, rather than a blueprint.
    pub(super) expressly: Vec<PathBuf>,
    /// Places of credentials that stay hidden.
    pub(super) hidden: Vec<PathBuf>,
    /// Credentials that were let in by name.
    pub(super) secrets: Vec<Secret>,
    /// The proxy that this host goes out through.
    pub(super) upstream: Option<Proxy>,
    /// Where paths lead.
    pub(super) paths: Paths,
    /// Other names of the trees that come in.
    pub(super) names: Names,
    /// Answers that the operator wrote, and the file's name.
    pub(super) answers: Option<(Vec<policy::Written>, String)>,
    /// Lines for the operator.
    pub(super) notices: Vec<String>,
    /// Of a sub-agent: what its parent's plane gave it.
    pub(super) adopted: Option<Box<Adopted>>,
    /// Of a server: what the plane of who speaks to it gave it.
    pub(super) serves: Option<Box<Serves>>,
}

impl Asked {
    /// Keeps what was let in out of the record.
    pub(super) fn redactor(&self) -> Redactor {
        let mut redactor = Redactor::new();
        for secret in &self.secrets {
            // One too short to be looked for would blank ordinary words.
            let _ = redactor.add(&secret.name, &secret.value);
        }
        redactor
    }

    /// A variable of the operator's.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        variable(&self.run, name)
    }

    /// The session further up, where one asked for this.
    pub(super) fn parent(&self) -> Option<&ParentRecord> {
        let adopted = self.adopted.as_ref().map(|adopted| &adopted.parent);
        adopted.or(self.serves.as_ref().map(|serves| &serves.parent))
    }

    /// Every policy that must allow, ceiling first.
    pub(super) fn policies(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.adopted.iter().flat_map(|adopted| &adopted.above).chain([&self.policy])
    }
}

fn variable<'r>(run: &'r Run, name: &str) -> Option<&'r str> {
    run.surroundings.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// The state directory that this operator's variables name.
pub(super) fn store(run: &Run) -> Result<Store, Problem> {
    Store::open(variable(run, "HOME"), variable(run, "XDG_STATE_HOME"))
}

/// A request as far as it is known before any policy is read.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) run: Box<Run>,
    pub(super) accepted: Accepted,
    pub(super) workspace: PathBuf,
    pub(super) home: PathBuf,
    paths: Paths,
}

/// Checks what needs no policy.
pub(super) fn begin(run: Box<Run>, store: &Store) -> Result<Begun, Problem> {
    let accepted = risks::accept(&run.accept_risks)?;
    // Without a home of his own the operator's is nowhere; inside there must be one.
    let home = variable(&run, "HOME").filter(|home| home.len() > 1 && home.starts_with('/'));
    let home = home.map_or_else(|| PathBuf::from(NO_HOME), |home| plain(Path::new(home)));
    let paths = Paths::default();
    let workspace = workspace(&run, &home, store, &paths)?;
    Ok(Begun { run, accepted, workspace, home, paths })
}

impl Begun {
    /// A variable of the operator's.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        variable(&self.run, name)
    }
}

/// Checks the rest, and completes it by the policy; `read` is that of who names none, for a home, where it was read
/// already.
pub(super) fn complete(begun: Begun, store: &Store, read: Option<(PathBuf, Policy)>) -> Result<Box<Asked>, Problem> {
    let Begun { run, accepted, workspace, home, paths } = begun;
    let mut policy = match read {
        Some((of, policy)) if run.policy.is_none() && of == home => policy,
        _ => policy_file::read_policy_beside(run.policy.as_deref(), &home, store, &[&workspace])?,
    };
    let options = options(&run)?;
    let expressly = options.read.iter().chain(&options.write).map(|path| PathBuf::from(path.as_str())).collect();
    policy.network.allow.extend(run.allow.iter().map(|host| allow(host)).collect::<Result<Vec<_>, _>>()?);
    // The flag may only narrow what the policy says, unless the policy is the shipped default.
    let mode = match run.mode {
        Some(asked) if run.policy.is_some() && asked > policy.files.workspace => return Err(wider(asked, &policy)),
        Some(asked) => asked,
        None => policy.files.workspace,
    };
    options.complete(&mut policy);
    policy.files.workspace = mode;
    let named = policy.files.read.iter().chain(&policy.files.write).map(|path| Path::new(path.as_str()));
    let trees = std::iter::once(workspace.as_path()).chain(named);
    let names = Names::of(&paths, trees.clone());
    let hidden = credentials::keep_out(&run, &accepted, (&home, &paths, &names), trees)?;
    keeps_off_the_state(&policy, store, &names)?;
    keeps_off_what_is_made(&policy)?;
    let secret = |(name, value): &&(String, String)| wire::looks_secret(name, value);
    let secrets = run.environment.iter().filter(secret);
    let secrets = secrets.map(|(name, value)| Secret { name: name.clone(), value: value.clone() }).collect();
    let (upstream, odd) = host::upstream(|name| variable(&run, name).map(str::to_owned))?.unzip();
    let odd = odd.unwrap_or_default();
    let notice = |word: &String| {
        format!("NO_PROXY: `{}` says nothing here; such destinations go through the proxy", quoted(word))
    };
    let notices = odd.iter().map(notice).collect();
    let workdir = run.workdir.as_ref().map_or_else(|| workspace.clone(), |path| plain(&run.directory.join(path)));
    let answers = run.answers.as_deref().map(|file| answers(file, &home, store, &workspace)).transpose()?;
    Ok(Box::new(Asked {
        policy: Arc::new(policy),
        answers,
        accepted,
        workspace,
        home,
        workdir,
        mode,
        options,
        expressly,
        hidden,
        secrets,
        upstream,
        paths,
        names,
        notices,
        run,
        adopted: None,
        serves: None,
    }))
}

/// Answers that the operator wrote, and the file's name.
fn answers(
    file: &Path,
    home: &Path,
    store: &Store,
    workspace: &Path,
) -> Result<(Vec<policy::Written>, String), Problem> {
    let lines = policy_file::read_answers_beside(file, home, store, &[workspace])?;
    Ok((lines, file.to_string_lossy().into_owned()))
}

/// Options about what the cell is made from.
fn options(run: &Run) -> Result<Options, Problem> {
    let named = |paths: &[PathBuf]| {
        paths.iter().map(|path| canonical(&plain(&run.directory.join(path)))).collect::<Result<Vec<_>, _>>()
    };
    Ok(Options { read: named(&run.read)?, write: named(&run.write)?, mode: run.mode, time: run.timeout })
}

/// What an agent could change of the plane's state would change what the plane does.
fn keeps_off_the_state(policy: &Policy, store: &Store, names: &Names) -> Result<(), Problem> {
    let root = store.real();
    let touches = |path: &Path| names.within(path).iter().any(|name| name.starts_with(root) || root.starts_with(name));
    let inside = |path: &Path| names.of_tree(path).iter().any(|name| name.starts_with(root));
    let write = policy.files.write.iter().map(|path| Path::new(path.as_str())).find(|path| touches(path));
    let read = policy.files.read.iter().map(|path| Path::new(path.as_str())).find(|path| inside(path));
    match write.or(read) {
        None => Ok(()),
        Some(path) => Err(problem(
            "E-PLANE-052",
            format!("`{}` holds the plane's own state, or lies in it", quoted(&path.to_string_lossy())),
            "name a directory that is not the plane's",
            NOT_RUN,
        )),
    }
}

/// What the cell makes itself is not brought in beside it, nor is what holds that: the cell could not be laid out, or would show
/// what every answer about its files denies.
fn keeps_off_what_is_made(policy: &Policy) -> Result<(), Problem> {
    let named = policy.files.read.iter().chain(&policy.files.write).map(|path| Path::new(path.as_str()));
    let made =
        |path: &Path| policy::MADE.iter().find(|made| Path::new(made).starts_with(path) || path.starts_with(made));
    let Some((path, made)) = named.filter_map(|path| Some((path, made(path)?))).next() else { return Ok(()) };
    let shown = quoted(&path.to_string_lossy());
    let (cause, hint) = if path.starts_with(made) {
        let hint = format!("leave it out: inside `{made}` is the cell's own, and the host's is absent");
        (format!("`{shown}` cannot come in: the cell makes it itself"), hint)
    } else {
        let hint =
            format!("name what in it is wanted, such as `--read {}`", if shown == "/" { "/opt" } else { "/etc/ssl" });
        (format!("`{shown}` cannot come in: the cell makes `{made}` in it itself"), hint)
    };
    Err(problem("E-PLANE-041", cause, &hint, NOT_RUN))
}

fn canonical(path: &Path) -> Result<CanonicalPath, Problem> {
    let text = path.to_string_lossy();
    CanonicalPath::parse(&text).map_err(|error| {
        problem("E-PLANE-042", format!("bad path `{text}`: {error}"), "name an absolute path", NOT_RUN)
    })
}

fn allow(host: &str) -> Result<Rule, Problem> {
    Target::written(host).map(Rule::to).map_err(|error| {
        let hint = match error {
            HostError::Loopback | HostError::Localhost => {
                let port = Host::parse_with_port(host).ok().and_then(|(_, port)| port);
                let port = port.map_or_else(|| "PORT".to_owned(), |port| port.to_string());
                format!(
                    "for a port of this host's own: `--allow host.bastide:{port}`, and `host.bastide:{port}` inside"
                )
            }
            _ => "write `--allow HOST[:PORT]`".to_owned(),
        };
        problem("E-PLANE-043", format!("bad host `--allow {}`: {error}", quoted(host)), &hint, NOT_RUN)
    })
}

fn wider(asked: WorkspaceMode, policy: &Policy) -> Problem {
    let word = asked.name();
    problem(
        "E-PLANE-044",
        format!("`--mode {word}` is wider than what policy `{}` allows", policy.name),
        &format!("write `workspace: {word}` into the policy"),
        NOT_RUN,
    )
}

/// The workspace's real path. What holds everything, or the plane's own state, is no workspace.
fn workspace(run: &Run, home: &Path, store: &Store, paths: &Paths) -> Result<PathBuf, Problem> {
    let asked = run.workspace.as_ref().map_or_else(|| run.directory.clone(), |path| run.directory.join(path));
    let found = paths.real(&asked).filter(|path| path.is_dir());
    let path = found.ok_or_else(|| {
        let cause = format!("the workspace `{}` is no directory", asked.display());
        problem("E-PLANE-045", cause, "name a directory: `--workspace DIR`", NOT_RUN)
    })?;
    if let Err(error) = rustix::fs::access(&path, rustix::fs::Access::EXEC_OK) {
        let cause = format!("the workspace `{}` may not be entered: {}", path.display(), std::io::Error::from(error));
        return Err(problem("E-PLANE-045", cause, "work in a directory of your own: `--workspace DIR`", NOT_RUN));
    }
    let home = paths.real_or_same(home);
    let names = Names::of(paths, [path.as_path()].into_iter()).within(&path);
    let holds = |place: &Path| names.iter().any(|name| place.starts_with(name));
    let named = if path == Path::new("/") {
        Some("the whole host")
    } else if holds(&home) && home != Path::new("/") {
        Some("your home directory")
    } else if holds(store.real()) || names.iter().any(|name| name.starts_with(store.real())) {
        Some("the plane's own state")
    } else if [
        "/usr", "/etc", "/bin", "/sbin", "/lib", "/lib64", "/proc", "/sys", "/dev", "/run", "/boot", "/tmp", "/var",
    ]
    .iter()
    .any(|system| path == Path::new(system))
    {
        Some("a directory of the system")
    } else {
        None
    };
    match named {
        None => Ok(path),
        Some(what) => Err(problem(
            "E-PLANE-046",
            format!("the workspace `{}` is {what}", path.display()),
            "work in a directory of its own: `mkdir work && cd work`, or `--workspace DIR`",
            NOT_RUN,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// It was taken, and meant nothing: inside it is the cell's own.
    #[test]
    fn the_hosts_loopback_is_allowed_by_its_one_name() {
        for (host, hint) in [
            ("localhost:8080", "--allow host.bastide:8080"),
            ("LOCALHOST.", "--allow host.bastide:PORT"),
            ("*.localhost:80", "--allow host.bastide:PORT"),
            ("127.0.0.1:8080", "--allow host.bastide:8080"),
            ("127.1.2.3", "--allow host.bastide:PORT"),
            ("[::1]:9", "--allow host.bastide:9"),
            ("::1", "--allow host.bastide:PORT"),
            ("0.0.0.0:80", "--allow host.bastide:80"),
        ] {
            let problem = allow(host).expect_err(host);
            assert_eq!(problem.code, "E-PLANE-043");
            assert!(problem.cause.contains(&format!("`--allow {host}`")), "{}", problem.cause);
            assert!(problem.hint.is_some_and(|text| text.contains(hint)), "{host}");
        }
        for host in ["host.bastide:8080", "localhost.example:80", "mylocalhost", "10.0.0.1:80"] {
            assert!(allow(host).is_ok(), "{host}");
        }
        assert!(allow("a b").expect_err("no host").hint.is_some_and(|hint| hint.contains("HOST[:PORT]")));
    }

    /// It ended in a wall that did not hold, with the advice to leave that out.
    #[test]
    fn what_the_cell_makes_itself_does_not_come_in_beside_it() {
        let room = tempfile::tempdir().expect("a directory");
        let home = room.path().canonicalize().expect("real").join("home");
        let work = home.join("work");
        fs::create_dir_all(&work).expect("made");
        let complete = |read: &str, write: bool| {
            let run = Run {
                directory: work.clone(),
                surroundings: vec![("HOME".into(), home.to_string_lossy().into_owned())],
                ..Run::default()
            };
            let run = match write {
                true => Run { write: vec![read.into()], ..run },
                false => Run { read: vec![read.into()], ..run },
            };
            let store = store(&run)?;
            super::complete(begin(Box::new(run), &store)?, &store, None)
        };
        for path in
            ["/proc", "/proc/self", "/dev", "/dev/shm", "/sys/fs", "/etc", "/etc/passwd", "/etc/resolv.conf", "/"]
        {
            for write in [false, true] {
                let problem = complete(path, write).expect_err(path);
                // What holds the state as well is refused for that.
                assert!(["E-PLANE-041", "E-PLANE-052"].contains(&problem.code.as_str()), "{path}: {problem:?}");
                assert!(problem.hint.is_some_and(|hint| !hint.contains("--accept-risk")), "{path}");
            }
            assert_eq!(complete(path, false).expect_err(path).code, "E-PLANE-041", "{path}");
        }
        for path in ["/etc/ssl", "/etcetera", "/usr", "/procedure"] {
            assert!(complete(path, false).is_ok(), "{path}");
        }
    }

    #[test]
    fn a_workspace_in_a_place_of_credentials_is_refused_as_a_tree_that_is_read_is() {
        let room = tempfile::tempdir().expect("a directory");
        let home = room.path().canonicalize().expect("real").join("home");
        let team = home.join(".password-store/team");
        fs::create_dir_all(&team).expect("made");
        let complete = |risks: &[&str]| {
            let run = Run {
                directory: team.clone(),
                surroundings: vec![("HOME".into(), home.to_string_lossy().into_owned())],
                accept_risks: risks.iter().map(|risk| (*risk).to_owned()).collect(),
                ..Run::default()
            };
            let store = store(&run)?;
            super::complete(begin(Box::new(run), &store)?, &store, None)
        };
        assert_eq!(complete(&[]).expect_err("a credential").code, "E-PLANE-047");
        let asked = complete(&["credential-inside"]).expect("let in");
        assert!(!asked.hidden.contains(&home.join(".password-store")) && asked.hidden.contains(&home.join(".aws")));
    }
}
