//! From a checked request to a plan, a session's directory and the limits: everything before anything runs.

use std::fs::File;
use std::path::{Path, PathBuf};

use plan::{Command, Layer, Plan, Stdio, Stream, WindowSize};
use policy::WorkspaceMode;
use record::Wall;
use wire::command::{Problem, Run, Stream as Given};

use super::asked::Asked;
use super::authority::Authority;
use super::carried::{self, Begins};
use super::children::{Adopted, Within};
use super::derive::Way;
use super::early::Early;
use super::gates::Gates;
use super::ground::{self, Reads};
use super::identity::Who;
use super::labels::Found;
use super::layout::{Layout, Named, Seen, text};
use super::libraries::Loader;
use super::limits::{self, Held};
use super::locate::{self, Located, Trust};
use super::roots::{self, Roots};
use super::{environment, generation, homes, labels, lend, system};
use crate::labels::Made;
use crate::problem::{NOT_FOUND, NOT_RUN, problem, shell, state};
use crate::store::{
    DirectoryAhead, SessionDirectory, SessionRecord, Store, TreeRecord, now, remove_cgroup, stands_below,
};
use crate::workspace::{Copied, Workspace};

/// A session that is ready to start.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) plan: Plan,
    /// What its root was laid out from, in order.
    pub(super) seen: Vec<Seen>,
    pub(super) held: Held,
    /// The private home, on the host.
    pub(super) home: PathBuf,
    /// As long as this is open it is no other session's.
    pub(super) hold: Option<File>,
    /// What its gate needs to read requests within TLS.
    pub(super) tls: Option<wire::Tls>,
    /// Secrets that its gate lends to requests.
    pub(super) credentials: Vec<wire::Lent>,
    /// The labels that it begins with, and texts that carry some.
    pub(super) begins: Begins,
    /// Lines for the operator: what came in by itself.
    pub(super) notices: Vec<String>,
    /// What of the host is seen inside, read-only.
    pub(super) within: Within,
    /// Of a sub-agent: what it sees a copy of.
    pub(super) copied: Copied,
}

/// Prepares a session in a cell that stands on this foundation.
///
/// # Errors
/// Why nothing is run.
pub(super) fn prepare(
    asked: &Asked,
    store: &Store,
    early: &mut Early,
) -> Result<(Box<SessionDirectory>, Box<Prepared>), Problem> {
    let (ahead, limits_ahead) = (early.directory.take(), early.limits.take());
    let known = early.known();
    let Early { who, foundation, gates, .. } = early;
    let way = way(asked, gates);
    let credentials = lend::lend(&asked.policy, store, &way)?;
    let mut found = match (&asked.adopted, &asked.serves) {
        (Some(_), _) => Found::default(),
        // It has no workspace; what is said to it may hold what is labelled where that comes from.
        (None, Some(serves)) => {
            let labelled = serves.labelled.iter().map(|one| (one.label.clone(), one.exact));
            let heard =
                serves.heard.iter().flat_map(|words| words.labels.iter().map(|label| (label.clone(), words.exact)));
            let labels = labelled.chain(heard).collect();
            Found { labelled: serves.labelled.clone(), labels }
        }
        (None, None) => labels::find(&asked.policy, &asked.workspace)?,
    };
    let (command, located) = command(asked)?;
    let mut session = directory(asked, store, &command, ahead)?;
    let (trees, copied) = match &asked.adopted {
        Some(adopted) => adopted_trees(asked, adopted, (store, &session.path))?,
        None if asked.serves.is_some() => (Vec::new(), Copied::default()),
        None => (trees(asked, &session.path)?, Copied::default()),
    };
    let (home, hold, in_use) = home(asked, store, &mut session, &command[0])?;
    session.record.trees = trees;
    let view = session.record.trees.first().and_then(|tree| tree.view.as_ref());
    let begins = match (&asked.adopted, view) {
        (Some(adopted), Some(seen)) => {
            found = labels::find(&asked.policy, &seen.at)?;
            let labelled = labels::joined(&adopted.labelled, std::mem::take(&mut found.labelled))?;
            carried::adopted(asked, found, labelled, Made { at: &seen.at, files: &copied.made, named: &copied.named })
        }
        _ => carried::begin(asked, store, &session, (&home, &agent_name(&session.record.command[0])), found)?,
    };
    let mut layout =
        Layout::new(asked.paths.clone(), who.identity.privileged, foundation.without.contains(Layer::PrivateRoot));
    layout.known = known;
    layout.within = asked.adopted.as_ref().map(|adopted| adopted.within.clone());
    layout.hidden = hidden(asked, store);
    let mut notices = lay_out(&mut layout, asked, who, &session, &home, &located)?;
    notices.extend(in_use);
    // With neither of the two layers the whole host is visible.
    if ![Layer::PrivateRoot, Layer::Landlock].iter().all(|layer| foundation.without.contains(*layer)) {
        libraries_come_in(&layout, asked, &located)?;
    }
    let reads = generation::reads(&asked.policy, &begins.labelled);
    let reads = reads || !begins.heard.is_empty() || begins.lacking.is_some();
    let authority = reads.then(|| Authority::make(&session.record.id)).transpose()?;
    let certificate = authority.as_ref().map(|authority| authority.certificate.as_str());
    let Roots { variables: named, trusted } =
        roots::bring_in(&mut layout, &session.path, asked.variable("SSL_CERT_FILE"), certificate)?;
    let tls = authority.map(|Authority { name, key, .. }| wire::Tls { name, key, roots: trusted });
    let within = layout.shown(&session.record.trees);
    let held = limits::hold_from(limits_ahead, &session.record.id, &asked.policy.limits);
    session.record.cgroups.clone_from(&held.groups);
    if let Some(wall) = limits::missing(&held.walls, &asked.policy.limits.required) {
        let refused = unenforced(wall, &asked.policy.name);
        for group in &held.groups {
            // One that is left is found by its name at the next start.
            let _ = remove_cgroup(group);
        }
        return Err(refused);
    }
    let plan = Plan {
        version: foundation.version,
        identity: who.identity.clone(),
        without: foundation.without,
        root: layout.steps,
        landlock: layout.rules,
        door: foundation.door.clone(),
        stdio: stdio(&asked.run),
        limits: held.plan.clone(),
        command: Command {
            program: text(&located.program).unwrap_or_default(),
            arguments: command,
            environment: variables(asked, who, named),
            directory: text(&asked.workdir).unwrap_or_default(),
        },
    };
    let prepared =
        Prepared { plan, seen: layout.seen, held, home, hold, tls, credentials, begins, notices, within, copied };
    Ok((Box::new(session), Box::new(prepared)))
}

/// How a broker of this operator's reaches an endpoint.
pub(super) fn way(asked: &Asked, gates: &Gates) -> Way {
    let roots = asked.variable("SSL_CERT_FILE").map(str::to_owned);
    Way { roots, proxy: asked.upstream.clone(), gates: Some(gates.clone()) }
}

/// A limit that must be enforced and is not.
fn unenforced(wall: &Wall, policy: &str) -> Problem {
    problem(
        "E-PLANE-049",
        format!(
            "policy `{policy}` requires the limit `{}`, which this host does not enforce: {}",
            wall.name, wall.detail
        ),
        "`bastide doctor --limits` names the remedy; or take it out of `limits: required`",
        NOT_RUN,
    )
}

/// The command line, and where its program is.
fn command(asked: &Asked) -> Result<(Vec<Vec<u8>>, Located), Problem> {
    if let Some(adopted) = &asked.adopted {
        return adopted.locate((&asked.run, &asked.workspace), &asked.paths);
    }
    let search: Vec<PathBuf> =
        asked.variable("PATH").unwrap_or(environment::PATH).split(':').map(PathBuf::from).collect();
    let command = if asked.run.command.is_empty() {
        locate::default_command(&search, asked.variable("SHELL"))
    } else {
        asked.run.command.clone()
    };
    let name = String::from_utf8_lossy(&command[0]).into_owned();
    let written = asked.policy.files.write.iter().map(|path| PathBuf::from(path.as_str()));
    let trees: Vec<PathBuf> = written.chain([asked.workspace.clone()]).collect();
    let trust = Trust { trees: &trees, home: &asked.home };
    let located = locate::locate(&name, &asked.run.directory, &search, (&asked.paths, trust))?;
    Ok((command, located))
}

fn directory(
    asked: &Asked,
    store: &Store,
    command: &[Vec<u8>],
    ahead: Option<DirectoryAhead>,
) -> Result<SessionDirectory, Problem> {
    let record = SessionRecord {
        id: String::new(),
        name: asked.run.name.clone(),
        started: now(),
        ended: None,
        exit: None,
        command: command.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect(),
        mode: asked.mode,
        accepted_risks: asked.accepted.names.clone(),
        trees: Vec::new(),
        cgroups: Vec::new(),
        fresh_home: None,
        options: asked.options.clone(),
        built: Some(crate::verbs::built()),
        parent: asked.parent().cloned(),
        home: None,
        carries: true,
    };
    SessionDirectory::create_from(store, record, ahead)
}

/// The trees whose changes are reviewed: the workspace, then what the policy lets be written.
fn trees(asked: &Asked, session: &Path) -> Result<Vec<TreeRecord>, Problem> {
    let write = asked.policy.files.write.iter().map(|path| PathBuf::from(path.as_str()));
    let write = write.filter(|path| asked.expressly.contains(path) || path.is_dir());
    let paths = std::iter::once(asked.workspace.clone()).chain(write);
    let mut trees: Vec<TreeRecord> = Vec::new();
    for path in paths {
        if trees.iter().any(|tree| path.starts_with(&tree.path)) {
            continue;
        }
        if !path.is_dir() {
            let cause = format!("`{}` cannot be changed inside: it is no directory", path.display());
            return Err(problem("E-PLANE-041", cause, "name the directory that holds it: `--write DIR`", NOT_RUN));
        }
        let changes = session.join("changes").join(trees.len().to_string());
        let owner = changes_directory(&changes, &path)?;
        trees.push(TreeRecord { path, changes, owner, view: None });
    }
    Ok(trees)
}

/// The one tree of a sub-agent: a copy of what it was granted, at the name that its parent's workspace has.
fn adopted_trees(
    asked: &Asked,
    adopted: &Adopted,
    (store, session): (&Store, &Path),
) -> Result<(Vec<TreeRecord>, Copied), Problem> {
    stands_below(store, &adopted.parent.session, session).map_err(|error| state("write", session, &error))?;
    let (seen, copied) = adopted.view(session)?;
    let changes = session.join("changes").join("0");
    let owner = changes_directory(&changes, &seen.at)?;
    Ok((vec![TreeRecord { path: asked.workspace.clone(), changes, owner, view: Some(seen) }], copied))
}

/// Makes the place for a tree's changes; gives whose files a merge makes, where the plane may choose.
fn changes_directory(changes: &Path, tree: &Path) -> Result<Option<(u32, u32)>, Problem> {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(tree).map_err(|error| state("read", tree, &error))?;
    let owner = rustix::process::geteuid().is_root().then(|| (meta.uid(), meta.gid()));
    Workspace::begin(changes, tree, owner).map_err(|error| state("prepare", changes, &std::io::Error::other(error)))?;
    Ok(owner)
}

/// The name of an agent by its program.
fn agent_name(program: &str) -> String {
    Path::new(program).file_name().map_or_else(|| "agent".into(), |name| name.to_string_lossy().into_owned())
}

/// The private home that a session has or had, where that stays after it.
pub(crate) fn home_of(store: &Store, session: &SessionDirectory) -> Option<PathBuf> {
    let (program, workspace) = (session.record.command.first()?, session.record.trees.first()?);
    session.record.fresh_home.is_none().then(|| homes::place(store, &agent_name(program), &workspace.path))
}

/// The private home, what holds it, and what the operator is to know of it.
fn home(
    asked: &Asked,
    store: &Store,
    session: &mut SessionDirectory,
    agent: &[u8],
) -> Result<(PathBuf, Option<File>, Option<String>), Problem> {
    let agent = agent_name(std::str::from_utf8(agent).unwrap_or("agent"));
    let kept = if asked.run.fresh_home { None } else { homes::kept(store, &agent, &asked.workspace)? };
    let in_use = kept.is_none() && !asked.run.fresh_home;
    let (home, hold) = match kept {
        Some((home, hold)) => {
            session.record.home = home.file_name().map(|key| key.to_string_lossy().into_owned());
            (home, Some(hold))
        }
        None => {
            let home = homes::fresh(&session.path)?;
            session.record.fresh_home = Some(home.clone());
            (home, None)
        }
    };
    let notice = in_use.then(|| {
        format!("another session of `{agent}` on this workspace has its home: this one has a fresh one, until it ends")
    });
    if asked.serves.is_none() {
        homes::introduce(&home, &asked.home)?;
    }
    Ok((home, hold, notice))
}

/// Lays the private root out, from what is general to what is particular: later steps lie over earlier ones.
fn lay_out(
    layout: &mut Layout,
    asked: &Asked,
    who: &Who,
    session: &SessionDirectory,
    home: &Path,
    located: &Located,
) -> Result<Vec<String>, Problem> {
    let inside = asked.home.to_string_lossy().into_owned();
    let trees = session.record.trees.iter().map(|tree| tree.path.as_path());
    let needs = located.needs.iter().map(|need| need.path.as_path());
    let reads = Reads { policy: &asked.policy, home: &asked.home, expressly: &asked.expressly };
    ground::lay(layout, reads, trees.chain(needs))?;
    system::files(layout, who, &inside);
    layout.own(home, &asked.home)?;
    reads.under_home(layout)?;
    let mut notices = bring_in(layout, located, &session.record.trees)?;
    for tree in &session.record.trees {
        let changes = (asked.mode != WorkspaceMode::ReadOnly).then_some(tree.changes.as_path());
        let source = tree.view.as_ref().map_or(tree.path.as_path(), |view| view.at.as_path());
        layout.reviewed(source, &tree.path, changes)?;
    }
    notices.extend(unhidden(&layout.hide()));
    Ok(notices)
}

/// What stays hidden, under every name that something inside may have it by.
fn hidden(asked: &Asked, store: &Store) -> Vec<PathBuf> {
    let policys = asked.policy.files.hide.iter().map(|path| Path::new(path.as_str()));
    let named = policys.flat_map(|path| asked.names.of_hidden(path));
    // Where these lie is known already.
    let known = asked.hidden.iter().map(PathBuf::as_path).chain([store.real()]);
    let mut all: Vec<PathBuf> = named.chain(known.flat_map(|path| asked.names.with_others(path))).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Says what is to be hidden and is not there: nothing can be laid over it, and should the host make it while the session
/// runs, it is seen.
fn unhidden(absent: &[PathBuf]) -> Option<String> {
    let first = absent.first()?;
    let more = match absent.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!("not there, and seen inside if it is made while this runs: {}{more}", first.display()))
}

/// Brings in what the command needs, and says so.
fn bring_in(layout: &mut Layout, located: &Located, trees: &[TreeRecord]) -> Result<Vec<String>, Problem> {
    let mut notices = Vec::new();
    let in_tree = |path: &Path| trees.iter().any(|tree| path.starts_with(&tree.path));
    for need in located.needs.iter().filter(|need| !in_tree(&need.path)) {
        if !layout.shows(&need.path) {
            layout.read(&need.path, Named::Expressly)?;
            notices.push(format!("read-only inside: {} ({})", need.path.display(), need.reason));
        }
    }
    if let Some((path, by)) = located.asked.iter().find(|(path, _)| !layout.shows(path)) {
        return Err(problem(
            "E-PLANE-035",
            format!("`{}` asks for `{}`, which is not inside", by.display(), path.display()),
            &format!("if it may be read inside: `--read {}`", shell(&path.to_string_lossy())),
            NOT_FOUND,
        ));
    }
    for (at, target) in located.links.iter().filter(|(at, _)| !in_tree(at)) {
        layout.alias(at, target)?;
    }
    Ok(notices)
}

/// Refuses a program whose libraries are on this host and not inside, and says how they come in.
fn libraries_come_in(layout: &Layout, asked: &Asked, located: &Located) -> Result<(), Problem> {
    const NAME: &str = "LD_LIBRARY_PATH";
    let asked_for = asked.run.environment.iter().rev().find(|(name, _)| name == NAME).map(|(_, value)| value);
    let given = asked_for.or_else(|| asked.policy.environment.get(NAME)).map_or("", String::as_str);
    let shows = |path: &Path| layout.shows(path);
    let loader = Loader { given, directory: &asked.workdir, paths: &asked.paths, shows: &shows };
    let missing: Vec<PathBuf> = located.files.iter().flat_map(|file| loader.out_of_reach(file)).collect();
    let Some(first) = missing.first() else { return Ok(()) };
    let mut reads: Vec<String> = Vec::new();
    for library in &missing {
        // Where it is found, and where a link there leads.
        let real = asked.paths.real_or_same(library);
        for path in [library, &real].into_iter().filter(|path| !layout.shows(path)) {
            let directory = path.parent().unwrap_or(path);
            // A home, or what holds one, is never worth a library.
            let named = if asked.home.starts_with(directory) { path } else { directory };
            let read = format!("--read {}", shell(&named.to_string_lossy()));
            if !reads.contains(&read) {
                reads.push(read);
            }
        }
    }
    let others = match missing.len() - 1 {
        0 => String::new(),
        1 => " and one more".into(),
        more => format!(" and {more} more"),
    };
    let cause = format!(
        "`{}` needs the library `{}`{others}, which nothing lets in",
        located.program.display(),
        first.display()
    );
    Err(problem("E-PLANE-034", cause, &format!("let it in: `{}`", reads.join(" ")), NOT_FOUND))
}

fn stdio(run: &Run) -> Stdio {
    let stream = |given: Given| if given == Given::Terminal { Stream::Terminal } else { Stream::Pipe };
    let size = run.terminal.map_or(WindowSize::default(), |size| WindowSize { rows: size.rows, columns: size.columns });
    Stdio { streams: run.streams.map(stream), size }
}

fn variables(asked: &Asked, who: &Who, roots: Vec<(&'static str, String)>) -> Vec<Vec<u8>> {
    let mut own = vec![
        ("HOME", asked.home.to_string_lossy().into_owned()),
        ("USER", who.name.clone()),
        ("LOGNAME", who.name.clone()),
        ("SHELL", "/bin/sh".to_owned()),
    ];
    own.extend(roots);
    environment::make(&asked.run.surroundings, &asked.policy.environment, &asked.run.environment, &own)
}
