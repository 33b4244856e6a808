//! Servers and programs that do not keep to the rules: slow, silent, cut off, too long, badly certified. Whatever they do,
//! a program gets a whole answer, or words that name an event, or a connection that is cut; never a part that looks whole.

mod cuts;
mod handshakes;
mod large;
mod names;
mod programs;
mod providers;
mod servers;

use std::fmt::Write as _;
use std::time::Duration;

use crate::fake::dns::address;
use crate::fake::script::Step::{Hang, Leave, Reset, Rest, Say};
use crate::fake::script::{Came, Play, Step, To, stage, trusting, whole};
use crate::fake::server::{Ca, authority, certified, params};
use crate::fake::{Cell, Gate, ORDINARY, OUTSIDE, lease};
use policy::{Conjunction, Credential, Host, Inference, Policy, Position, Protocol, Provider, Route, Rule, Target};
use policy::{ValuePattern, Vendor};
use serde_json::{Value, json};
use wire::Lent;

const KEY: &str = "sk-0123456789abcdef-the-key";
/// Seconds that anything may be silent; no head may take longer either.
const IDLE: u32 = 2;
/// What ends later hangs: silence, a farewell, and a machine that has other things to do.
const BOUND: Duration = Duration::from_secs(8);
/// What every server answers that keeps to the rules, whoever asks: a model's words.
const BODY: &str = r#"{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":40,"completion_tokens":2}}"#;

/// How a program comes to its answer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// A request that is decided.
    Plain,
    /// The same by the explicit proxy.
    Forwarded,
    /// By the explicit proxy, on a connection that is decided as a whole.
    Unread,
    Tls,
    /// With a secret that is taken out of what comes back.
    Lent,
    /// To a model, whose answer is read.
    Model,
}

/// What nobody reads on its way, and what is read.
const PASSED: [Way; 4] = [Way::Plain, Way::Forwarded, Way::Unread, Way::Tls];
const READ: [Way; 2] = [Way::Lent, Way::Model];

struct Scene {
    cell: Cell,
    cells: Ca,
    gate: Gate,
    plain: u16,
    tls: u16,
}

fn to(host: &str, port: u16) -> Rule {
    Rule::to(Target::parse(&format!("{host}:{port}")).unwrap())
}

fn http(host: &str, port: u16) -> Rule {
    Rule { protocol: Protocol::Http, ..to(host, port) }
}

/// Servers of these names do as they are told.
fn scene(play: Play) -> Scene {
    scene_with(play, false, |_, _, _| {})
}

/// The same in a session that lends a secret and routes models.
fn watched(play: Play) -> Scene {
    scene_with(play, true, |_, _, _| {})
}

fn scene_with(play: Play, watches: bool, change: impl FnOnce(&Ca, &mut wire::Lease, &mut Policy)) -> Scene {
    let (cell, cells, servers) = (Cell::new(), authority("cell"), authority("servers"));
    let names = ["plain.example", "tls.example", "lent.example", "chat.example", "claude.example"];
    let (plain, tls) = (stage(None, play), stage(Some(certified(&servers, params(&names))), play));
    let mut policy = Policy { name: "test".into(), ..Policy::default() };
    policy.network.allow = [plain, tls].map(|port| to(&OUTSIDE.to_string(), port)).to_vec();
    let mut leased = lease(&[]);
    if watches {
        let credential = Some(Credential { name: "key".into(), position: Position::bearer() });
        policy.network.allow.push(Rule { credential, ..http("lent.example", tls) });
        policy.inference = models(tls);
        policy.network.allow.extend(policy.inference.rules());
        let (value, target) = (KEY.into(), Target::parse("*.example").unwrap());
        leased.credentials = vec![Lent { name: "key".into(), value, to: target, paths: Vec::new(), expires: None }];
    } else {
        let rules = [http("plain.example", plain), to("free.example", plain), http("tls.example", tls)];
        policy.network.allow.extend(rules);
    }
    leased.hosts = names.iter().chain(&["free.example"]).map(|name| ((*name).to_owned(), OUTSIDE.into())).collect();
    leased.tls = Some(wire::Tls { name: "cell".into(), key: cells.key().serialize_pem(), roots: servers.pem() });
    leased.bounds.idle = IDLE;
    change(&servers, &mut leased, &mut policy);
    leased.policy = Conjunction::new(vec![policy]);
    let gate = cell.start(&leased, ORDINARY).ready();
    Scene { cell, cells, gate, plain, tls }
}

/// `gpt-…` and `claude-…` at this port.
fn models(port: u16) -> Inference {
    let provided = |name: &str, wire: Vendor| Provider {
        name: name.into(),
        wire,
        host: Host::parse(&format!("{name}.example")).unwrap(),
        port,
        tls: true,
        base: String::new(),
        credential: wire.credential("key"),
        login: None,
    };
    let route = |models: &str, provider: &str| Route {
        models: vec![ValuePattern::parse(models).unwrap()],
        provider: provider.into(),
        model: None,
        fallback: Vec::new(),
    };
    Inference {
        providers: vec![provided("chat", Vendor::Openai), provided("claude", Vendor::Anthropic)],
        routes: vec![route("gpt-*", "chat"), route("claude-*", "claude")],
        ..Inference::default()
    }
}

impl Scene {
    fn to(&self, way: Way) -> To {
        let (name, port) = match way {
            Way::Plain => ("plain.example", self.plain),
            Way::Forwarded | Way::Unread => ("proxy.bastide", 3128),
            Way::Tls => ("tls.example", self.tls),
            Way::Lent => ("lent.example", self.tls),
            Way::Model => ("inference.bastide", 80),
        };
        let at = self.cell.inside(move || address(&format!("{name}.")));
        let secure = matches!(way, Way::Tls | Way::Lent);
        To { address: (at, port).into(), tls: secure.then(|| (trusting(&self.cells), name.to_owned())) }
    }

    /// A request in which the case is named, the last on its connection unless it goes on.
    fn request(&self, way: Way, case: &str, goes_on: bool) -> Vec<u8> {
        let end = if goes_on { "" } else { "Connection: close\r\n" };
        let (plain, tls) = (self.plain, self.tls);
        let get = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{end}\r\n");
        let path = format!("/a/case-{case}");
        let text = match way {
            Way::Plain => get(&path, &format!("plain.example:{plain}")),
            Way::Forwarded => get(&format!("http://plain.example:{plain}{path}"), &format!("plain.example:{plain}")),
            Way::Unread => get(&format!("http://free.example:{plain}{path}"), &format!("free.example:{plain}")),
            Way::Tls => get(&path, &format!("tls.example:{tls}")),
            Way::Lent => get(&path, &format!("lent.example:{tls}")),
            Way::Model => return chat(&format!("gpt-case-{case}"), end),
        };
        text.into_bytes()
    }

    /// Asks all of these at once, and gives what came of each.
    fn ask(&self, way: Way, cases: &[&str]) -> Vec<Came> {
        let to = self.to(way);
        let said: Vec<Vec<u8>> = cases.iter().map(|case| self.request(way, case, false)).collect();
        self.cell.inside(move || {
            let asking = said.into_iter().map(|said| {
                let to = to.clone();
                std::thread::spawn(move || to.ask(&said))
            });
            let asking: Vec<_> = asking.collect();
            asking.into_iter().map(|one| one.join().unwrap()).collect()
        })
    }

    /// What the record gives as a reason where this word stands, and in what followed from it.
    fn reasons(&self, word: &str) -> String {
        let record = self.cell.record();
        let mut reached: Vec<u64> = Vec::new();
        let mut text = String::new();
        for line in record.lines() {
            let event = event(line);
            let Some(seq) = event["seq"].as_u64() else { continue };
            let number = |id: &Value| id.as_str().and_then(|id| id.strip_prefix('g')?.parse::<u64>().ok());
            let causes = event["cause"].as_array().into_iter().flatten().map(|cause| &cause["id"]);
            let mut led = causes.chain([&event["connect"], &event["model"]]).filter_map(number);
            if line.contains(word) || led.any(|id| reached.contains(&id)) {
                reached.push(seq);
                let fields = ["note", "reason", "error", "complaint"];
                let told: Vec<_> = fields.iter().filter_map(|field| event[*field].as_str()).collect();
                write!(text, "{} ", told.join(": ")).unwrap();
            }
        }
        text
    }

    /// The reason of the event that a program was told of.
    fn told(&self, said: &str) -> String {
        let Some(id) = said.split("bastide why g").nth(1) else { return String::new() };
        let id: String = id.chars().take_while(char::is_ascii_digit).collect();
        let line = self.cell.record().lines().find(|line| line.contains(&format!("\"seq\":{id},"))).map(str::to_owned);
        let event = event(&line.unwrap_or_default());
        ["note", "reason"].map(|field| event[field].as_str().unwrap_or_default()).concat()
    }

    /// Nothing is left of what went wrong: no descriptor, and the next request is answered.
    fn is_as_before(&self, descriptors: usize, ways: &[Way]) {
        for way in ways {
            let came = self.ask(*way, &["fine"]).pop().unwrap();
            assert_eq!(whole(&came.bytes, came.clean), Some((200, BODY.into())), "{way:?}");
        }
        for _ in 0..500 {
            if self.gate.descriptors() <= descriptors {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{} descriptors are left of {descriptors}", self.gate.descriptors());
    }
}

/// What a line of the record says, behind its hash.
fn event(line: &str) -> Value {
    serde_json::from_str(line.split_once(' ').map_or("", |(_, json)| json)).unwrap_or_default()
}

/// A question to a model.
fn chat(model: &str, headers: &str) -> Vec<u8> {
    let body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]}).to_string();
    asked("/v1/chat/completions", headers, &body)
}

fn asked(path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let start = format!("POST {path} HTTP/1.1\r\nHost: inference.bastide\r\n{headers}");
    format!("{start}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// An answer with these headers.
fn answer(headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}\r\n{body}").into_bytes()
}

fn fine() -> Vec<u8> {
    answer(&format!("Content-Length: {}\r\n", BODY.len()), BODY)
}

fn chunked() -> Vec<u8> {
    let (first, second) = BODY.split_at(50);
    let body = format!("32\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", second.len());
    answer("Transfer-Encoding: chunked\r\n", &body)
}

/// What a program gets.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Gets {
    /// The whole answer.
    Whole,
    /// These words, and the event where the record has them.
    Told(&'static str),
    /// A connection that is cut; the record has these words.
    Cut(&'static str),
}
use Gets::{Cut, Told, Whole};

/// What came, in the same terms. A part that looks whole is none of them.
fn gets(scene: &Scene, case: &str, came: &Came) -> Result<Gets, String> {
    let text = String::from_utf8_lossy(&came.bytes);
    let shown = format!("{} … clean: {}, {:?}", text.chars().take(200).collect::<String>(), came.clean, came.took);
    if came.took > BOUND {
        return Err(format!("hangs: {shown}"));
    }
    match whole(&came.bytes, came.clean) {
        Some((200, body)) if body == BODY.as_bytes() => Ok(Whole),
        Some((400.., body)) => {
            let body = String::from_utf8_lossy(&body).into_owned();
            match scene.told(&body) {
                reason if reason.is_empty() => Err(format!("told of no event that says why: {shown}")),
                reason => Ok(Told(Box::leak(format!("{body} {reason}").into_boxed_str()))),
            }
        }
        Some(_) => Err(format!("a part that looks whole: {shown}")),
        None if came.clean => Err(format!("a part with an orderly end: {shown}")),
        None => Ok(Cut(Box::leak(scene.reasons(&format!("case-{case}")).into_boxed_str()))),
    }
}

fn fits(got: &Result<Gets, String>, wanted: Gets) -> bool {
    match (got, wanted) {
        (Ok(Whole), Whole) => true,
        (Ok(Told(got)), Told(wanted)) | (Ok(Cut(got)), Cut(wanted)) => got.contains(wanted),
        _ => false,
    }
}

/// Asks every case on every way, and shows all that is not as it should be.
fn all_come_out(scene: &Scene, ways: &[Way], cases: &[(&str, Gets)]) {
    let before = scene.gate.descriptors();
    let mut wrong = String::new();
    for way in ways {
        let names: Vec<&str> = cases.iter().map(|(name, _)| *name).collect();
        let came = scene.ask(*way, &names);
        for ((name, wanted), came) in cases.iter().zip(came) {
            // Where a connection is decided as a whole, its event names no case.
            let word = if *way == Way::Unread { "a/" } else { name };
            let got = gets(scene, word, &came);
            let cut = *way == Way::Unread
                && matches!((&got, wanted), (Ok(Cut(_)), Cut(words)) if scene.cell.record().contains(words));
            if !cut && !fits(&got, *wanted) {
                writeln!(wrong, "{way:?} {name}: {got:?}\n    not {wanted:?}").unwrap();
            }
        }
    }
    none(&wrong);
    scene.is_as_before(before, ways);
}

/// Tells all that is wrong at once.
fn none(wrong: &str) {
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// A cut in the middle of what this says, with time for it to arrive.
fn then(bytes: Vec<u8>, end: Step) -> Vec<Step> {
    vec![Say(bytes), Rest(100), end]
}
