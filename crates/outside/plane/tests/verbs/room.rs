//! A state directory of its own, sessions in it, and a client that asks.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::thread::JoinHandle;

use plane::channel::{Client, pair, receive};
use plane::store::{Options, SessionDirectory, SessionRecord, Store, TreeRecord};
use plane::verbs::{Place, answer_in};
use policy::{Policy, WorkspaceMode};
use record::{Kind, Origin, Redactor, Segment, Verdict, Writer};
use wire::command::{Problem, Reply, Request, Select};
use wire::control::{Answer, Greeting, Happened, Heard, NAME, Order, Reader, Told};

/// Between its fork and its exec a child holds every lock of this process. So nobody has a room meanwhile, but for who
/// starts children.
static CHILDREN: RwLock<()> = RwLock::new(());

pub(crate) fn spawn(command: &mut Command) -> Child {
    let _nobody = CHILDREN.write().unwrap_or_else(PoisonError::into_inner);
    command.spawn().unwrap()
}

pub(crate) struct Room {
    _no_children: Option<RwLockReadGuard<'static, ()>>,
    pub(crate) directory: Directory,
    pub(crate) place: Place,
}

pub(crate) const BEGAN: u64 = 1_800_000_000_000_000;

/// Removed with its room, or somebody else's.
pub(crate) enum Directory {
    Own(tempfile::TempDir),
    Other(PathBuf),
}

impl Directory {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Directory::Own(directory) => directory.path(),
            Directory::Other(path) => path,
        }
    }
}

impl Room {
    pub(crate) fn new() -> Room {
        let guard = CHILDREN.read().unwrap_or_else(PoisonError::into_inner);
        Room { _no_children: Some(guard), ..Room::with_children() }
    }

    /// For who starts children.
    pub(crate) fn with_children() -> Room {
        Room::within(Directory::Own(tempfile::tempdir().unwrap()))
    }

    /// The room that another process made there.
    pub(crate) fn at(path: &Path) -> Room {
        Room::within(Directory::Other(path.to_owned()))
    }

    fn within(directory: Directory) -> Room {
        let home = directory.path().canonicalize().unwrap().join("home");
        fs::create_dir_all(&home).unwrap();
        let state = home.join("state");
        let store = Store::open(home.to_str(), state.to_str()).unwrap();
        Room { _no_children: None, directory, place: Place { store, home } }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.place.store
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(path)
    }

    /// When a session begins: where processes follow each other, no id comes twice.
    fn moment(&self) -> u64 {
        match self.directory {
            Directory::Own(_) => BEGAN,
            Directory::Other(_) => plane::store::now(),
        }
    }

    /// A session that is being held: on `work`, with the policy `hardened` unless another is given.
    pub(crate) fn begin(&self, work: &str, policy: Option<Policy>) -> SessionDirectory {
        self.begin_at(self.moment(), work, policy)
    }

    /// The same when the clock says this.
    pub(crate) fn begin_at(&self, started: u64, work: &str, policy: Option<Policy>) -> SessionDirectory {
        let workspace = self.path(work);
        fs::create_dir_all(&workspace).unwrap();
        let record = SessionRecord {
            id: String::new(),
            name: None,
            started,
            ended: None,
            exit: None,
            command: vec!["agent".into(), "do it".into()],
            mode: WorkspaceMode::Review,
            accepted_risks: Vec::new(),
            trees: Vec::new(),
            cgroups: Vec::new(),
            fresh_home: None,
            options: Options::default(),
            parent: None,
            built: None,
            home: None,
            carries: true,
        };
        let mut session = SessionDirectory::create(self.store(), record).unwrap();
        let changes = session.path.join("changes/0");
        session.record.trees = vec![TreeRecord { path: workspace, changes, owner: None, view: None }];
        let policy = policy.unwrap_or_else(|| plane::policy_file::look_at_policy(None, &self.place.home).unwrap());
        session.save_policy(&policy::Conjunction::new(vec![policy])).unwrap();
        session.save().unwrap();
        session
    }

    /// A session that ended in order, with these events of the gate.
    pub(crate) fn ended(&self, work: &str, events: &[Kind]) -> SessionDirectory {
        let mut session = self.begin(work, None);
        write(&session, Segment::Plane, &[started(&session), Kind::Ended { exit: 0, reason: "exited".into() }]);
        write(&session, Segment::Gate, events);
        (session.record.ended, session.record.exit) = (Some(BEGAN + 9), Some(0));
        session.save().unwrap();
        session.leave().unwrap();
        SessionDirectory::open(&session.path).unwrap()
    }

    /// Every reply but the last, and the last.
    pub(crate) fn ask(&self, request: Request) -> (Vec<Reply>, Result<Reply, Problem>) {
        let (ours, theirs) = pair().unwrap();
        let place = self.place.clone();
        let reader = std::thread::spawn(move || replies(&theirs));
        let mut client = Client::new(ours);
        let last = answer_in(&place, &mut client, request);
        // What is answered last goes over the wire, too.
        if let Ok(reply) = &last {
            client.reply(reply);
            assert!(!client.is_gone(), "the answer does not fit a frame");
        }
        drop(client);
        (reader.join().unwrap(), last)
    }

    pub(crate) fn yes(&self, request: Request) -> Reply {
        self.ask(request).1.unwrap()
    }

    pub(crate) fn no(&self, request: Request) -> Problem {
        let problem = self.ask(request).1.unwrap_err();
        assert!(plane::codes::explain(&problem.code).or_else(|| policy::read::explain_code(&problem.code)).is_some());
        assert!(!problem.cause.chars().any(char::is_control), "{}", problem.cause);
        problem
    }
}

pub(crate) fn select(session: &str) -> Select {
    Select { session: Some(session.into()), ..Select::default() }
}

pub(crate) fn here(directory: &Path) -> Select {
    Select { directory: directory.to_owned(), ..Select::default() }
}

fn replies(socket: &std::os::fd::OwnedFd) -> Vec<Reply> {
    let (mut decoder, mut all) = (wire::Decoder::new(), Vec::new());
    loop {
        let mut bytes = Vec::new();
        if !plane::channel::receive(socket, &mut bytes, &mut Vec::new()).unwrap() {
            assert!(decoder.is_empty());
            return all;
        }
        all.extend(decoder.push(&bytes).unwrap());
    }
}

pub(crate) fn started(session: &SessionDirectory) -> Kind {
    Kind::SessionStart {
        session: session.record.id.clone(),
        command: session.record.command.clone(),
        workspace: session.record.trees[0].path.to_string_lossy().into_owned(),
        mode: "review".into(),
        policy: "hardened".into(),
        accepted_risks: Vec::new(),
    }
}

/// A segment as its writer would leave it, one event each 10 µs after the session began.
pub(crate) fn text(origin: &Origin, events: &[Kind]) -> Vec<u8> {
    let (mut writer, redactor) = (Writer::new(origin), Redactor::new());
    let mut text = Vec::new();
    for (at, event) in (BEGAN..).step_by(10).zip(events) {
        text.extend(writer.append(&redactor, at, Vec::new(), event.clone()).unwrap().1);
    }
    text
}

pub(crate) fn write(session: &SessionDirectory, segment: Segment, events: &[Kind]) {
    fs::write(session.segment(segment), text(&session.origin(segment), events)).unwrap();
}

pub(crate) fn connect(host: &str, port: u16, verdict: Verdict) -> Kind {
    Kind::Connect {
        pid: Some(7),
        program: vec!["/usr/bin/curl".into(), "/bin/sh".into()],
        host: host.into(),
        address: None,
        port,
        verdict,
        rule: None,
        reason: Some("no rule names it".into()),
        suggestion: Some("{to: \"*\"}".into()),
        times: 1,
    }
}

pub(crate) fn exec(pid: u32, parent: u32, claimed: &str) -> Kind {
    Kind::Exec { pid, parent, by: "/bin/sh".into(), claimed: claimed.into(), arguments: vec![claimed.into()] }
}

pub(crate) fn file_refused(path: &str, untold: u64) -> Kind {
    let (program, access) = (Some("/usr/bin/curl".into()), vec!["write_file".into()]);
    Kind::FileRefused { pid: Some(7), program, access, path: Some(path.into()), untold }
}

/// A process that holds a session: greets each that comes, and gives it these answers. What it was asked.
pub(crate) fn scripted(session: &SessionDirectory, connections: Vec<Vec<Answer>>) -> JoinHandle<Vec<Order>> {
    let socket = session.path.join(NAME);
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        let mut asked = Vec::new();
        for answers in connections {
            let (stream, _) = listener.accept().unwrap();
            let (mut reader, mut bytes) = (Reader::default(), Vec::new());
            let mut hear = || loop {
                if let Some(heard) = reader.next_message().unwrap() {
                    break heard;
                }
                bytes.clear();
                assert!(receive(&stream, &mut bytes, &mut Vec::new()).unwrap());
                reader.push(&bytes);
            };
            let Heard::Hello(version) = hear() else { panic!("no greeting") };
            let say = |frame: Vec<u8>| std::io::Write::write_all(&mut &stream, &frame).unwrap();
            say(wire::encode(&Greeting::Hello { version, build: "1".into() }).unwrap());
            for answer in answers {
                let Heard::Ask(ask) = hear() else { panic!("no order") };
                // What happens meanwhile stands between.
                say(wire::encode(&Told::Event { event: Happened::Started }).unwrap());
                say(wire::encode(&Told::Answer { number: ask.number, answer }).unwrap());
                asked.push(ask.order);
            }
        }
        fs::remove_file(socket).unwrap();
        asked
    })
}
