use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use policy::Policy;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::control::{Answer, Ask, Counts, Hello, MAX_OPEN, Replacement, Told};

use super::*;

const LONG: Duration = Duration::from_secs(5);

/// Somewhere no address of 108 bytes reaches.
fn deep() -> (tempfile::TempDir, std::path::PathBuf) {
    let room = tempfile::tempdir().expect("a directory");
    let deep = room.path().join("d".repeat(150)).join("e".repeat(150));
    fs::create_dir_all(&deep).expect("made");
    (room, deep)
}

fn replace(name: &str) -> Order {
    let policy = Policy { name: name.into(), ..Policy::default() };
    let (credentials, labelled, changes) = (Vec::new(), Vec::new(), Vec::new());
    Order::Replace(Box::new(Replacement { policy, credentials, labelled, changes, replaces: 1, undoes: false }))
}

/// One who asks, message by message.
struct Asker(UnixStream);

impl Asker {
    fn silent(deep: &Path) -> Asker {
        let (family, flags) = (AddressFamily::UNIX, SocketFlags::CLOEXEC);
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None).expect("a socket");
        listener::connect(&socket, deep, NAME).expect("connected");
        let stream = UnixStream::from(socket);
        stream.set_read_timeout(Some(LONG)).expect("set");
        Asker(stream)
    }

    /// With its greeting.
    fn greeted(deep: &Path, control: &mut Control) -> Asker {
        let mut asker = Asker::silent(deep);
        asker.say(&Hello::OURS);
        control.turn(Instant::now());
        assert!(matches!(asker.hear(), Some(Greeting::Hello { version: 2, .. })));
        asker
    }

    fn say<T: Serialize>(&mut self, message: &T) {
        self.0.write_all(&wire::encode(message).expect("a frame")).expect("said");
    }

    fn ask(&mut self, number: u32, order: Order) {
        self.say(&Ask { number, order });
    }

    /// The next message; none where it was let go.
    fn hear<T: DeserializeOwned>(&mut self) -> Option<T> {
        let mut prefix = [0; 4];
        self.0.read_exact(&mut prefix).ok()?;
        let mut frame = vec![0; 4 + u32::from_le_bytes(prefix) as usize];
        frame[..4].copy_from_slice(&prefix);
        self.0.read_exact(&mut frame[4..]).ok()?;
        Some(wire::decode(&frame).expect("a message"))
    }

    fn answer(&mut self) -> Option<(u32, Answer)> {
        self.hear().map(|told| match told {
            Told::Answer { number, answer } => (number, answer),
            Told::Event { .. } => panic!("{told:?}"),
        })
    }

    /// The code of a refusal in the place of a greeting.
    fn code(&mut self) -> Option<(String, String)> {
        self.hear().map(|greeting| match greeting {
            Greeting::Refused(problem) => (problem.code, problem.cause),
            Greeting::Hello { .. } => panic!("{greeting:?}"),
        })
    }
}

fn any(_: &Order) -> bool {
    true
}

#[test]
fn an_order_is_heard_in_a_long_path_and_answered() {
    let (_room, deep) = deep();
    let mut control = Control::open(&deep).expect("it listens");
    let meta = fs::symlink_metadata(deep.join(NAME)).expect("there");
    assert!(meta.file_type().is_socket() && meta.permissions().mode() & 0o777 == 0o600);
    let asked = std::thread::spawn({
        let deep = deep.clone();
        move || ask(&deep, replace("mine"))
    });
    let until = Instant::now() + LONG;
    let (order, asking) = loop {
        control.turn(Instant::now());
        if let Some(next) = control.next(any) {
            break next;
        }
        assert!(Instant::now() < until, "nothing was asked");
        std::thread::sleep(Duration::from_millis(1));
    };
    let Order::Replace(heard) = order else { panic!("{}", order.name()) };
    assert_eq!(heard.policy.name, "mine");
    let own = format!("uid {} with ", rustix::process::geteuid().as_raw());
    assert!(asking.who().starts_with(&own) && asking.who().contains(&format!("(process {})", std::process::id())));
    asking.answer(&Answer::InForce { revision: 2 });
    let answer = asked.join().expect("asked").expect("answered");
    assert_eq!(answer, Answer::InForce { revision: 2 });
    drop(control);
    assert!(!deep.join(NAME).exists());
    assert!(ask(&deep, replace("mine")).is_err(), "nobody listens");
}

/// One that takes long does not hold the others up, and each answer says whose it is.
#[test]
fn a_connection_stays_for_several_orders_and_answers_come_as_they_are_ready() {
    let (_room, deep) = deep();
    let mut control = Control::open(&deep).expect("it listens");
    let mut asker = Asker::greeted(&deep, &mut control);
    asker.ask(7, replace("slow"));
    asker.ask(8, Order::State);
    control.turn(Instant::now());
    let (_, slow) = control.next(any).expect("the first");
    let (order, quick) = control.next(any).expect("the second, though the first is not answered");
    assert_eq!(order.name(), "state");
    quick.answer(&Answer::Done);
    slow.answer(&Answer::InForce { revision: 2 });
    assert_eq!(asker.answer(), Some((8, Answer::Done)));
    assert_eq!(asker.answer(), Some((7, Answer::InForce { revision: 2 })));
    asker.ask(9, Order::Pause);
    control.turn(Instant::now());
    assert!(control.next(|order| order.name() != "pause").is_none(), "it waits until it can be carried out");
    assert_eq!(control.next(any).map(|(order, _)| order.name()), Some("pause"));
}

#[test]
fn whoever_has_asked_too_much_is_not_heard_until_it_is_answered() {
    let (_room, deep) = deep();
    let mut control = Control::open(&deep).expect("it listens");
    let mut asker = Asker::greeted(&deep, &mut control);
    let mut other = Asker::greeted(&deep, &mut control);
    for number in 0..20 {
        asker.ask(number, Order::State);
    }
    other.ask(1, Order::Pause);
    control.turn(Instant::now());
    let mut open = Vec::new();
    while let Some(next) = control.next(any) {
        open.push(next);
        control.turn(Instant::now());
    }
    assert_eq!(open.len(), MAX_OPEN + 1, "of both, and of the first no more than that");
    assert_eq!(open[1].0.name(), "pause", "who had one comes last");
    for (_, asking) in open {
        asking.answer(&Answer::Done);
    }
    control.turn(Instant::now());
    assert!(control.next(any).is_some(), "it is heard again");
}

/// However slow or odd they are, the loop goes on, and who comes after them is heard.
#[test]
fn peers_that_say_nothing_half_of_it_or_too_much_are_let_go() {
    let (_room, deep) = deep();
    let mut control = Control::open(&deep).expect("it listens");
    let now = Instant::now();
    let mut silent = Asker::silent(&deep);
    let mut half = Asker::silent(&deep);
    half.0.write_all(&wire::encode(&Hello::OURS).expect("a frame")[..9]).expect("said");
    let mut endless = Asker::silent(&deep);
    endless.0.write_all(&u32::MAX.to_le_bytes()).expect("said");
    let mut nonsense = Asker::silent(&deep);
    nonsense.say(&"hello");
    let mut twice = Asker::silent(&deep);
    twice.say(&Hello::OURS);
    twice.say(&Hello::OURS);
    control.turn(now);
    assert_eq!(control.peers.len(), 2, "two may still say something");
    for asker in [&mut endless, &mut nonsense] {
        assert_eq!(asker.code().expect("told").0, "E-PLANE-100");
    }
    assert!(matches!(twice.hear(), Some(Greeting::Hello { .. })));
    assert_eq!(twice.code().expect("told").0, "E-PLANE-100");
    let due = control.due().expect("they have their time");
    assert!(due > now && due <= Instant::now() + Duration::from_secs(2));
    control.turn(due);
    assert_eq!((silent.code(), half.code()), (None, None));
    assert!(control.peers.is_empty() && control.due().is_none());
}

/// Eight that want nothing must not shut the ninth out for good.
#[test]
fn one_that_wants_nothing_is_let_go_after_a_while_and_one_that_is_told_stays() {
    let (_room, deep) = deep();
    let mut control = Control::open(&deep).expect("it listens");
    let mut follower = Asker::greeted(&deep, &mut control);
    follower.ask(1, Order::Events);
    let mut idle = Asker::greeted(&deep, &mut control);
    control.turn(Instant::now());
    let (_, asking) = control.next(any).expect("asked");
    control.follow(&asking).expect("there is room");
    asking.answer(&Answer::Done);
    assert_eq!(follower.answer(), Some((1, Answer::Done)));
    control.turn(Instant::now() + Duration::from_secs(60));
    assert_eq!(control.peers.len(), 1);
    assert_eq!(idle.hear::<Told>(), None);
    control.tell(&Happened::Started);
    assert_eq!(follower.hear(), Some(Told::Event { event: Happened::Started }));
    let mut others: Vec<Asker> = (1..MOST_FOLLOW).map(|_| Asker::greeted(&deep, &mut control)).collect();
    let mut late = Asker::greeted(&deep, &mut control);
    others.iter_mut().chain([&mut late]).for_each(|asker| asker.ask(1, Order::Events));
    control.turn(Instant::now());
    let mut told = Vec::new();
    while let Some((_, asking)) = control.next(any) {
        told.push(control.follow(&asking));
    }
    assert_eq!(told.iter().filter(|told| told.is_ok()).count(), MOST_FOLLOW - 1);
    assert_eq!(told.last().expect("there").as_ref().expect_err("one too many").code, "E-PLANE-102");
}

#[test]
fn one_that_does_not_read_what_it_is_told_is_let_go() {
    let (_room, deep) = deep();
    let mut control = Control::open(&deep).expect("it listens");
    let mut asker = Asker::greeted(&deep, &mut control);
    asker.ask(1, Order::Events);
    control.turn(Instant::now());
    let (_, asking) = control.next(any).expect("asked");
    control.follow(&asking).expect("there is room");
    asking.answer(&Answer::Done);
    for allowed in 0..100_000 {
        control.tell(&Happened::Counted(Counts { allowed, ..Counts::default() }));
    }
    control.turn(Instant::now());
    assert!(control.peers.is_empty());
    // What it did get is whole, and in order.
    assert_eq!(asker.answer(), Some((1, Answer::Done)));
    for expected in 0..100 {
        let Some(Told::Event { event: Happened::Counted(counts) }) = asker.hear() else { panic!("cut") };
        assert_eq!(counts.allowed, expected);
    }
}

#[test]
fn other_versions_are_refused_in_words_and_who_left_is_forgotten() {
    let (_room, deep) = deep();
    let mut control = Control::open(&deep).expect("it listens");
    let mut first = Asker::silent(&deep);
    first.say(&serde_json::json!({"version": 1, "order": {"order": "replace"}}));
    let mut later = Asker::silent(&deep);
    later.say(&Hello { least: 3, most: 5 });
    let mut left = Asker::greeted(&deep, &mut control);
    left.ask(1, replace("mine"));
    control.turn(Instant::now());
    for (asker, versions) in [(&mut first, "1 to 1"), (&mut later, "3 to 5")] {
        let (code, cause) = asker.code().expect("told");
        assert!(code == "E-PLANE-100" && cause.ends_with(versions), "{cause}");
    }
    assert_eq!(control.wanted().count(), 2);
    drop(left);
    assert!(control.next(any).is_none(), "it no longer waits");
}

#[test]
fn an_unknown_order_is_answered_and_the_connection_goes_on() {
    let (_room, deep) = deep();
    let mut control = Control::open(&deep).expect("it listens");
    let mut asker = Asker::greeted(&deep, &mut control);
    asker.say(&serde_json::json!({"number": 5, "order": {"order": "spawn\u{1b}", "task": "x"}}));
    asker.ask(6, Order::State);
    control.turn(Instant::now());
    let Some((5, Answer::Refused(problem))) = asker.answer() else { panic!("not answered") };
    assert!(problem.code == "E-PLANE-100" && !problem.cause.contains('\u{1b}'), "{problem}");
    assert!(control.next(any).is_some_and(|(order, _)| order.name() == "state"));
}

/// The same user in other namespaces may be the agent. Where none can be made, nothing is shown.
#[test]
fn who_comes_from_other_namespaces_is_refused() {
    let (_room, deep) = deep();
    let mut control = Control::open(&deep).expect("it listens");
    let script = format!(
        "import socket\ns = socket.socket(socket.AF_UNIX)\nimport os\nos.chdir({:?})\ns.connect('control')\nprint(s.recv(9999).decode(errors='replace'))",
        deep.to_string_lossy()
    );
    let mut command = std::process::Command::new("unshare");
    command.args(["--user", "--map-root-user", "python3", "-c", &script]).stdout(std::process::Stdio::piped());
    let child = command.stderr(std::process::Stdio::null()).spawn().expect("unshare");
    let until = Instant::now() + Duration::from_secs(10);
    let ended = std::thread::spawn(move || child.wait_with_output().expect("ended"));
    while !ended.is_finished() && Instant::now() < until {
        control.turn(Instant::now());
        assert!(control.peers.is_empty(), "it was let in");
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = ended.join().expect("ended");
    if output.status.success() {
        assert!(String::from_utf8_lossy(&output.stdout).contains("another user namespace"), "{output:?}");
    }
}
