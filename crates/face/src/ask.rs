//! Every verb but `run` and `help`: one request, and its answer on stdout.

use crate::approve;
use crate::args::{self, Changes, Export, Format, Grant, LogVerb, Metrics, Policy, Vault, Verb, Verify, Why};
use crate::errors::Error;
use crate::first::{self, First};
use crate::given::Moment;
use crate::plane::Plane;
use crate::sayable::absolute;
use crate::session::asked::{named, surrounded, working_directory};
use crate::show::{self, Shown};
use crate::terminal::filter::Filter;
use crate::terminal::mode;
use crate::terminal::signals::{self, Signals};
use crate::verbs::{Read, print, print_bytes};
use crate::{exit, kept, secret, words};
use rustix::event::{PollFd, PollFlags, poll};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use wire::command::{
    Declassify, Derives, LedgerRequest, LedgerVerify, Places, PolicyRequest, Removal, Reply, Request, Select,
    SessionInfo, VaultRequest,
};

/// Asks what `verb` says, shows the answer, and says how to exit.
///
/// # Errors
/// When it was not done.
pub(crate) fn ask(verb: Verb, json: bool) -> Result<u8, Error> {
    let limits = matches!(&verb, Verb::Doctor(doctor) if doctor.limits);
    let (dot, all) = match &verb {
        Verb::Graph(graph) => (graph.dot, graph.all),
        _ => (false, false),
    };
    let directory = working_directory()?;
    if let Verb::Metrics(Metrics { textfile: Some(file) }) = &verb {
        return collect(file);
    }
    let verb = match verb {
        Verb::Approve(asked) => match approve::asked(asked, json) {
            approve::Asked::Once(request) => return tell(&request, json),
            approve::Asked::OfCall(question, say) => return tell(&approve::of_call(question, say)?, json),
            approve::Asked::Card(question) => return approve::one(&question, json),
            approve::Asked::InTurn => return approve::in_turn(),
        },
        other => other,
    };
    let code = tell_with(&request(verb, directory)?, &Shown { json, limits, dot, all })?;
    Ok(code)
}

/// Writes the counters for who collects them.
fn collect(file: &Path) -> Result<u8, Error> {
    let mut plane = Plane::ask(&Request::Metrics)?;
    loop {
        match plane.reply()? {
            Reply::Page { text } => return kept::write("--textfile", file, &text).map(|()| exit::DONE),
            Reply::Refused(problem) => return Err(Error::Plane(problem)),
            Reply::Notice { .. } => {}
            _ => return Err(Error::Language),
        }
    }
}

/// Asks the plane one thing.
///
/// # Errors
/// When it was not done.
pub(crate) fn tell(request: &Request, json: bool) -> Result<u8, Error> {
    tell_with(request, &Shown { json, ..Shown::default() })
}

fn tell_with(request: &Request, how: &Shown) -> Result<u8, Error> {
    let mut plane = Plane::ask(request)?;
    let mut printed = Printed::default();
    loop {
        let reply = match printed.wait(&mut plane)? {
            Next::Reply(reply) => *reply,
            Next::Signal(signal) => return Ok(exit::by_signal(signal)),
        };
        match reply {
            Reply::Refused(problem) => return Err(Error::Plane(problem)),
            Reply::Notice { text } if !how.json => {
                let _ = writeln!(std::io::stderr(), "bastide: {}", words::line(&text, 1000));
            }
            Reply::Notice { .. } => {}
            // Who no longer reads a log does not want the rest of it.
            Reply::Event(line) => {
                if print(&show::event(&line, how))? == Read::Left {
                    return Ok(exit::DONE);
                }
            }
            Reply::Line { text } => {
                if print(&show::line(&text))? == Read::Left {
                    return Ok(exit::DONE);
                }
            }
            Reply::Output { bytes } => {
                if printed.print(&bytes, how.json)? == Read::Left {
                    return Ok(exit::DONE);
                }
            }
            Reply::Opened { address } => {
                let text = if how.json { format!("{{\"address\":\"{address}\"}}\n") } else { format!("{address}\n") };
                print(&text)?;
            }
            Reply::Finished { reason, .. } => {
                let _ = writeln!(std::io::stderr(), "bastide: {}", words::line(&reason, 300));
                return Ok(exit::NO);
            }
            last if last.is_last() => {
                let (text, code) = show::last(last, how).ok_or(Error::Language)?;
                print(&text)?;
                return Ok(code);
            }
            _ => return Err(Error::Language),
        }
    }
}

/// What an agent printed, on its way to our stdout: as under `run`, a terminal gets nothing that makes it act or answer.
struct Printed {
    filter: Option<Filter>,
    /// A signal that would end us gives the terminal back first, from when it was given anything on.
    signals: Option<Signals>,
}

/// What comes next: the plane's word, or a signal that asks for the end.
enum Next {
    Reply(Box<Reply>),
    Signal(u8),
}

impl Default for Printed {
    fn default() -> Self {
        Printed { filter: std::io::stdout().is_terminal().then(Filter::new), signals: None }
    }
}

/// Whatever the agent had the terminal do, lines of ours and of whoever comes next are seen as they are.
impl Drop for Printed {
    fn drop(&mut self) {
        if self.signals.is_some() {
            let _ = mode::reset(std::io::stdout());
        }
    }
}

impl Printed {
    /// Waits for the plane, or for a signal once those are caught.
    fn wait(&mut self, plane: &mut Plane) -> Result<Next, Error> {
        let Some(signals) = &mut self.signals else { return Ok(Next::Reply(Box::new(plane.reply()?))) };
        loop {
            if let Some(signal) = signals.take().into_iter().find(|signal| signals::ends(*signal)) {
                return Ok(Next::Signal(u8::try_from(signal).unwrap_or_default()));
            }
            if let Some(reply) = plane.known() {
                return Ok(Next::Reply(Box::new(reply)));
            }
            if plane.ended() {
                return Ok(Next::Reply(Box::new(plane.reply()?)));
            }
            let mut polled = [PollFd::new(&*plane, PollFlags::IN), PollFd::new(&*signals, PollFlags::IN)];
            // Whatever came instead, it is looked at anew.
            let ready = poll(&mut polled, None).is_ok() && !polled[0].revents().is_empty();
            if ready {
                plane.receive()?;
            }
        }
    }

    fn print(&mut self, bytes: &[u8], json: bool) -> Result<Read, Error> {
        if json {
            let line = serde_json::json!({"output": String::from_utf8_lossy(bytes)});
            return print(&(words::json(&line.to_string()) + "\n"));
        }
        if self.filter.is_some() && self.signals.is_none() {
            let watched = signals::ignored().into_iter().chain(signals::beside_the_end()).collect::<Vec<_>>();
            let caught = Signals::watch(&watched).map_err(|cause| Error::Host { what: "handle signals", cause })?;
            self.signals = Some(caught);
        }
        let mut filtered = Vec::new();
        match &mut self.filter {
            Some(filter) => filter.push(bytes, &mut filtered),
            None => filtered.extend_from_slice(bytes),
        }
        print_bytes(&filtered)
    }
}

fn request(verb: Verb, directory: PathBuf) -> Result<Request, Error> {
    Ok(match verb {
        Verb::Doctor(_) => Request::Doctor(Box::new(surrounded(directory))),
        Verb::Standby => Request::Standby,
        Verb::Daemon => Request::Daemon,
        Verb::Diff(changes) => Request::Diff(changed(changes, directory)?),
        Verb::Apply(asked) => {
            let over = asked.over.iter().map(|path| absolute(path, &directory)).collect::<Result<_, _>>()?;
            Request::Apply { select: changed(asked.changes, directory)?, over }
        }
        Verb::Discard(changes) => Request::Discard(changed(changes, directory)?),
        Verb::Show(asked) => Request::Show(select(asked.session, directory)),
        Verb::Stop(asked) => Request::Stop {
            select: select(Some(asked.session), directory),
            grace: u64::try_from(asked.timeout.as_millis()).unwrap_or(u64::MAX),
        },
        Verb::Approve(_) => Request::Questions,
        Verb::Pause(asked) => Request::Pause(select(Some(asked.session), directory)),
        Verb::Resume(asked) => Request::Resume(select(Some(asked.session), directory)),
        Verb::Logs(asked) => Request::Logs { select: select(asked.session, directory), follow: asked.follow },
        Verb::Open(asked) => {
            Request::Open { select: select(Some(asked.session), directory), port: asked.port, at: asked.at }
        }
        Verb::Rm(asked) => {
            Request::Remove(Removal { sessions: asked.session, before: None, force: asked.force, dry_run: false })
        }
        Verb::Gc(asked) => Request::Remove(Removal {
            sessions: Vec::new(),
            before: Some(micros(asked.before)),
            force: asked.force,
            dry_run: asked.dry_run,
        }),
        Verb::Upgrade(_) => Request::Upgrade,
        Verb::Log(asked) => match asked.verb {
            Some(verb) => log(verb, directory)?,
            None => Request::Log { select: select(asked.session, directory), follow: asked.follow },
        },
        Verb::Metrics(_) => Request::Metrics,
        Verb::Why(asked) => why(asked, directory)?,
        Verb::Tools(asked) => Request::Tools(select(asked.session, directory)),
        Verb::Graph(asked) => Request::Graph { select: select(asked.session, directory), all: asked.all },
        Verb::Replay(asked) => Request::Replay {
            policy: asked.policy.map(|path| named(&path, &directory)).transpose()?,
            select: select(asked.session, directory),
        },
        Verb::Policy(asked) => Request::Policy(policy(asked, directory)?),
        Verb::Labels(asked) => {
            let workspace = asked.workspace.map(|path| absolute(&path, &directory)).transpose()?;
            Request::Labels(Places { session: asked.session, home: asked.home, workspace, directory })
        }
        Verb::Declassify(asked) => Request::Declassify(Box::new(declassify(asked, directory)?)),
        Verb::Trust(asked) => Request::Trust { file: absolute(&asked.file, &directory)? },
        Verb::Vault(asked) => Request::Vault(vault(asked)?),
        // `run`, `help` and what carries a program's stdio never come here.
        Verb::Ls
        | Verb::Watch(_)
        | Verb::Run(_)
        | Verb::Up(_)
        | Verb::Gate(_)
        | Verb::Tour
        | Verb::Help(_)
        | Verb::Completions(_) => Request::Ls,
        Verb::Attach(_) | Verb::Exec(_) | Verb::Cp(_) => Request::Ls,
    })
}

fn select(session: Option<String>, directory: PathBuf) -> Select {
    Select { session, directory, paths: Vec::new() }
}

fn log(verb: LogVerb, directory: PathBuf) -> Result<Request, Error> {
    Ok(Request::Ledger(match verb {
        LogVerb::Verify(Verify { session, checkpoint: None, key: None }) => {
            return Ok(Request::Verify(select(session, directory)));
        }
        LogVerb::Verify(asked) => {
            let text = |option, path: Option<PathBuf>| path.map(|path| kept::read(option, &path)).transpose();
            let (checkpoint, key) = (text("--checkpoint", asked.checkpoint)?, text("--key", asked.key)?);
            let select = asked.session.map(|session| select(Some(session), directory));
            LedgerRequest::Verify(LedgerVerify { select, checkpoint, key })
        }
        LogVerb::Checkpoint => LedgerRequest::Checkpoint,
        LogVerb::Key => LedgerRequest::Key,
        LogVerb::Prune(asked) => LedgerRequest::Prune { before: asked.before.map(micros), keep: asked.keep },
        LogVerb::Export(Export { session, format: Format::Ocsf }) => LedgerRequest::Export(select(session, directory)),
    }))
}

/// Microseconds since the Unix epoch.
fn micros(moment: Moment) -> u64 {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let seconds = match moment {
        Moment::At(seconds) => seconds,
        Moment::Ago(seconds) => now().saturating_sub(seconds),
    };
    seconds.saturating_mul(1_000_000)
}

fn changed(asked: Changes, directory: PathBuf) -> Result<Select, Error> {
    let mut paths = asked.path;
    let mut session = None;
    if let Some(word) = asked.session {
        match first::meant(&word, &directory, sessions)? {
            First::Session(name) => session = Some(name),
            First::Path(path) => paths.insert(0, path),
        }
    }
    let paths = paths.iter().map(|path| absolute(path, &directory)).collect::<Result<_, _>>()?;
    Ok(Select { session, paths, directory })
}

/// Every session that the plane knows.
fn sessions() -> Result<Vec<SessionInfo>, Error> {
    let mut plane = Plane::ask(&Request::Ls)?;
    loop {
        match plane.reply()? {
            Reply::Sessions { sessions } => return Ok(sessions),
            Reply::Refused(problem) => return Err(Error::Plane(problem)),
            Reply::Notice { .. } => {}
            _ => return Err(Error::Language),
        }
    }
}

fn why(asked: Why, directory: PathBuf) -> Result<Request, Error> {
    Ok(match asked.file {
        Some(file) => Request::WhyFile { path: absolute(&file, &directory)?, select: select(asked.id, directory) },
        // What is no event is a session, whose last refusal is meant.
        None => match (asked.id, asked.session) {
            (Some(id), None) if !is_event(&id) => Request::Why { select: select(Some(id), directory), event: None },
            (event, session) => Request::Why { select: select(session, directory), event },
        },
    })
}

/// Whether a word names an event: no session's id begins with such a letter, and a number alone follows.
fn is_event(word: &str) -> bool {
    word.strip_prefix(['p', 'g']).is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Paths of a home stay as they are: they are counted from it.
fn declassify(asked: args::Declassify, directory: PathBuf) -> Result<Declassify, Error> {
    let args::Declassify { path, all, home, workspace, session, label, reason } = asked;
    let paths = path.into_iter().map(|path| if home { Ok(path) } else { absolute(&path, &directory) });
    let paths = paths.collect::<Result<_, _>>()?;
    let workspace = workspace.map(|path| absolute(&path, &directory)).transpose()?;
    Ok(Declassify { places: Places { session, directory, home, workspace }, paths, all, labels: label, reason })
}

fn policy(asked: Policy, directory: PathBuf) -> Result<PolicyRequest, Error> {
    let file = |path: PathBuf| named(&path, &directory);
    Ok(match asked {
        Policy::Check { file: path } => PolicyRequest::Check { file: file(path)? },
        Policy::Show { file: path } => PolicyRequest::Show { file: path.map(file).transpose()? },
        Policy::Explain { file: path, request, program } => PolicyRequest::Explain {
            file: file(path)?,
            request: destination(request, &directory),
            program: program.map(|program| absolute(&program, &directory)).transpose()?,
        },
        Policy::Diff { old, new } => PolicyRequest::Diff { old: file(old)?, new: file(new)? },
        Policy::Test { file: path } => PolicyRequest::Test { file: file(path)? },
        Policy::Presets => PolicyRequest::Presets,
        Policy::Suggest(asked) => PolicyRequest::Suggest(select(asked.session, directory)),
        Policy::Import { file: path, name } => PolicyRequest::Import { file: absolute(&path, &directory)?, name },
        Policy::Apply { session, file: path } => {
            PolicyRequest::Apply { file: file(path)?, select: select(Some(session), directory) }
        }
        Policy::Undo(asked) => PolicyRequest::Undo(select(asked.session, directory)),
    })
}

fn vault(asked: Vault) -> Result<VaultRequest, Error> {
    Ok(match asked {
        Vault::Set { name, to, path, login, oauth, client_id, grant, scope, oauth_json } => {
            let grant = match grant {
                Grant::Refresh => wire::command::Grant::Refresh,
                Grant::Client => wire::command::Grant::Client,
            };
            let value = secret::read(&name)?;
            let (value, to, derives) = match login {
                Some(login) => {
                    let derives = login.derives();
                    let derives = Derives { url: oauth.unwrap_or(derives.url), ..derives };
                    (login.token(&value)?, to.unwrap_or_else(|| login.to().into()), Some(derives))
                }
                None => {
                    let derives = oauth.zip(client_id).map(|(url, client)| Derives {
                        url,
                        grant,
                        client,
                        scope,
                        json: oauth_json,
                    });
                    (value, to.unwrap_or_default(), derives)
                }
            };
            VaultRequest::Set { value, name, to, paths: path, derives }
        }
        Vault::List => VaultRequest::List,
        Vault::Rm { name } => VaultRequest::Remove { name },
    })
}

/// Methods that are known when they are typed in small letters, too.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

/// No host holds a `/`, so what does is a path, and becomes absolute, unless a method stands before it, in whatever case, or
/// it begins with `HOST:PORT` and no file is called so. Such words and a URL stay: the plane says how they are written.
fn destination(request: String, directory: &Path) -> String {
    let method = |word: &str| {
        let known = METHODS.iter().any(|method| word.eq_ignore_ascii_case(method));
        known || !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase())
    };
    let port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let place = request.split_once('/').and_then(|(place, _)| place.rsplit_once(':'));
    let is_place = place.is_some_and(|(host, digits)| !host.is_empty() && port(digits));
    let asked = request.split_once(' ').is_some_and(|(word, _)| method(word))
        || request.contains("://")
        || is_place && !directory.join(&request).exists();
    let path = request.contains('/') && !asked || matches!(request.as_str(), "." | "..");
    let absolute = if path { directory.join(&request).into_os_string().into_string().ok() } else { None };
    absolute.unwrap_or(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `src/main.rs` was sent as a host, and refused as one.
    #[test]
    fn what_no_host_can_be_is_asked_as_a_path() {
        for (typed, asked) in [
            ("src/main.rs", "/w/src/main.rs"),
            ("./x", "/w/./x"),
            ("../x", "/w/../x"),
            (".", "/w/."),
            ("..", "/w/.."),
            ("/etc/passwd", "/etc/passwd"),
            ("main.rs", "main.rs"),
            ("api.example.com:443", "api.example.com:443"),
            ("[::1]:443", "[::1]:443"),
            ("https://api.example.com/v1", "https://api.example.com/v1"),
            ("GET api.example.com:443/v1", "GET api.example.com:443/v1"),
            ("get api.example.com:443/v1", "get api.example.com:443/v1"),
            ("api.example.com:443/v1", "api.example.com:443/v1"),
            ("[::1]:443/v1", "[::1]:443/v1"),
            ("a:b/c", "/w/a:b/c"),
            (":8/c", "/w/:8/c"),
            ("./GET a/b", "/w/./GET a/b"),
            ("my notes/b", "/w/my notes/b"),
        ] {
            assert_eq!(destination(typed.into(), Path::new("/w")), asked, "{typed}");
        }
    }
}
