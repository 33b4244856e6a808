//! Servers and programs that do not keep to the rules: slow, silent, cut off, too long, badly certified. Whatever they do,
//! a program gets a whole answer, or words that name an event, or a connection that is cut; never a part that looks whole.
#![allow(clippy::unwrap_used)]

mod fake;

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fake::dns::address;
use fake::script::Step::{Drip, End, Hang, Leave, Reset, Rest, Say};
use fake::script::{Came, Play, Step, To, blurting, stage, trusting, whole};
use fake::server::{Ca, authority, certified, params, provider, shows};
use fake::{Cell, Gate, ORDINARY, OUTSIDE, lease};
use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::{RData, Record, RecordType};
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
        leased.credentials = vec![Lent { name: "key".into(), value, to: target, paths: Vec::new() }];
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
                let told = ["note", "reason", "error"].map(|field| event[field].as_str().unwrap_or_default());
                write!(text, "{} ", told.concat()).unwrap();
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

fn misbehaving(case: &str, _: &[u8]) -> Vec<Step> {
    let (whole, chunks) = (fine(), chunked());
    let half = |of: &[u8]| of[..of.len() - 60].to_vec();
    match case {
        "silent" => vec![Hang],
        "slow-head" => vec![Drip(whole[..60].to_vec(), 10), Say(whole[60..].to_vec())],
        "slow-body" => vec![Say(half(&whole)), Drip(whole[whole.len() - 60..].to_vec(), 10)],
        "dripping-head" => vec![Drip([&b"HTTP/1.1 200 OK\r\nX: "[..], &[b'x'; 280]].concat(), 25), Hang],
        "reset" => vec![Reset],
        "leaves" => vec![Leave],
        "head-reset" => then(whole[..30].to_vec(), Reset),
        "head-leaves" => then(whole[..30].to_vec(), Leave),
        "body-reset" => then(half(&whole), Reset),
        "body-leaves" => then(half(&whole), Leave),
        "body-silent" => then(half(&whole), Hang),
        "chunk-reset" => then(half(&chunks), Reset),
        "chunk-leaves" => then(half(&chunks), Leave),
        "last-chunk-lacks" => then(chunks[..chunks.len() - 5].to_vec(), Leave),
        "last-line-lacks" => then(chunks[..chunks.len() - 2].to_vec(), Leave),
        "chunk-torn" => {
            let first = chunks.windows(6).position(|six| six == b"\r\n68\r\n").unwrap() + 2;
            [then(chunks[..first].to_vec(), Say(b"zz\r\nzz\r\n0\r\n\r\n".to_vec())), vec![Hang]].concat()
        }
        "to-the-end" => vec![Say(answer("", BODY)), End],
        "to-the-end-reset" => then(answer("", BODY), Reset),
        "long-head" => vec![Say(answer(&format!("X: {}\r\n", "x".repeat(1 << 20)), BODY)), Hang],
        "many-headers" => vec![Say(answer(&"X-1: y\r\n".repeat(10_000), BODY)), Hang],
        "endless-status" => vec![Say([b"HTTP/1.1 200 ", &b"x".repeat(1 << 20)[..]].concat()), Hang],
        "no-http" => vec![Say(b"SSH-2.0-OpenSSH_9\r\n".to_vec()), Hang],
        "noise" => vec![Say(vec![0xa5; 1000]), Hang],
        "hints" => vec![Say([&b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".repeat(3)[..], &whole].concat())],
        "hints-flood" => vec![Say(b"HTTP/1.1 102 Processing\r\n\r\n".repeat(50_000)), Hang],
        "goes-on" => vec![Say([&whole[..], b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"].concat()), Hang],
        "coded" => vec![Say(answer(&format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n", BODY.len()), BODY))],
        "coded-twice" => {
            let coding = "Content-Encoding: identity\r\ncontent-encoding: br\r\n";
            vec![Say(answer(&format!("{coding}Content-Length: {}\r\n", BODY.len()), BODY))]
        }
        "two-lengths" => {
            vec![Say(answer(&format!("Content-Length: {0}\r\nContent-Length: {0}\r\n", BODY.len()), BODY))]
        }
        "bare-lines" => {
            vec![Say(format!("HTTP/1.1 200 OK\nContent-Length: {}\n\n{BODY}", BODY.len()).into_bytes())]
        }
        "bare-line" => {
            let length = BODY.len();
            vec![Say(answer(&format!("X: y\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n"), BODY))]
        }
        "extended" => {
            let text = String::from_utf8(chunks).unwrap();
            vec![Say(text.replace("32\r\n", "32;a=b\r\n").replace("0\r\n\r\n", "0\r\nX-Sum: 1\r\n\r\n").into_bytes())]
        }
        _ => vec![Say(whole)],
    }
}

/// What comes of each on a connection that nobody reads, and where the answer is read.
const MISBEHAVIOUR: [(&str, Gets, Gets); 32] = [
    ("silent", Told("does not answer"), Told("does not answer")),
    ("slow-head", Whole, Whole),
    ("slow-body", Whole, Whole),
    ("dripping-head", Told("head"), Told("head")),
    ("reset", Told("reset"), Told("reset")),
    ("leaves", Told("ended"), Told("ended")),
    ("head-reset", Told("reset"), Told("reset")),
    ("head-leaves", Told("ended"), Told("ended")),
    ("body-reset", Cut("reset"), Cut("reset")),
    ("body-leaves", Cut("ended"), Cut("ended")),
    ("body-silent", Cut("does not go on"), Cut("does not go on")),
    ("chunk-reset", Cut("reset"), Cut("reset")),
    ("chunk-leaves", Cut("ended"), Cut("ended")),
    ("last-chunk-lacks", Cut("ended"), Cut("ended")),
    ("last-line-lacks", Cut("ended"), Cut("ended")),
    ("chunk-torn", Cut("cannot be told"), Cut("cannot be told")),
    ("to-the-end", Whole, Whole),
    ("to-the-end-reset", Cut("reset"), Cut("reset")),
    ("long-head", Told("head"), Told("head")),
    ("many-headers", Told("head"), Told("head")),
    ("endless-status", Told("head"), Told("head")),
    ("no-http", Told("head"), Told("head")),
    ("noise", Told("head"), Told("head")),
    ("hints", Whole, Whole),
    ("hints-flood", Told("head"), Told("head")),
    ("goes-on", Whole, Whole),
    ("coded", Whole, Told("compressed")),
    ("coded-twice", Whole, Told("compressed")),
    ("two-lengths", Whole, Told("cannot be told")),
    ("bare-lines", Whole, Told("cannot be told")),
    ("bare-line", Whole, Told("cannot be told")),
    ("extended", Whole, Told("cannot be told")),
];

#[test]
fn a_server_that_fails_is_told_of_or_cut_and_nothing_of_it_passes_as_whole() {
    let cases = MISBEHAVIOUR.map(|(name, passed, _)| (name, passed));
    all_come_out(&scene(misbehaving), &PASSED, &cases);
}

#[test]
fn the_same_where_the_answer_is_read() {
    let cases = MISBEHAVIOUR.map(|(name, _, read)| (name, read));
    all_come_out(&watched(misbehaving), &READ, &cases);
}

/// Servers whose handshake is not one to go on with: their names, where they are, and why not.
fn handshakes(servers: &Ca) -> Vec<(&'static str, u16, &'static str)> {
    let names = ["tls.example", "lent.example", "chat.example"];
    let mut expired = params(&names);
    (expired.not_before, expired.not_after) = (rcgen::date_time_ymd(2019, 1, 1), rcgen::date_time_ymd(2020, 1, 1));
    let mut early = params(&names);
    (early.not_before, early.not_after) = (rcgen::date_time_ymd(2090, 1, 1), rcgen::date_time_ymd(2091, 1, 1));
    let own = rcgen::KeyPair::generate().unwrap();
    let own = shows(&params(&names).self_signed(&own).unwrap(), &own);
    let shown = |config| stage(Some(config), misbehaving);
    let partial = |pause: u64| vec![Say(vec![22, 3, 3, 0, 200]), Drip(vec![0; 100], pause), Hang];
    vec![
        ("expired", shown(certified(servers, expired)), "expired"),
        ("early", shown(certified(servers, early)), "not valid yet"),
        ("self-signed", shown(own), "UnknownIssuer"),
        ("stranger", shown(certified(&authority("strangers"), params(&names))), "UnknownIssuer"),
        ("wrong-name", shown(certified(servers, params(&["other.example"]))), "not valid for name"),
        ("wants-one", shown(wants_certificate(servers, &names)), "CertificateRequired"),
        ("alert", blurting(vec![Say(vec![21, 3, 3, 0, 2, 2, 40]), Hang]), "HandshakeFailure"),
        ("no-tls", blurting(vec![Say(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), Hang]), "no TLS with"),
        ("mute", blurting(vec![Hang]), "does not answer"),
        ("dripping", blurting(partial(100)), "does not answer"),
        ("hello-reset", blurting(vec![Reset]), "no TLS with"),
        ("hello-leaves", blurting(vec![Leave]), "no TLS with"),
    ]
}

/// A server that asks programs for a certificate, which it says only when all else was said.
fn wants_certificate(servers: &Ca, names: &[&str]) -> Arc<rustls::ServerConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(servers.der().clone()).unwrap();
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params(names).signed_by(&key, servers).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = rustls::ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let config = config.with_client_cert_verifier(verifier.build().unwrap());
    Arc::new(config.with_single_cert(vec![certificate.der().clone()], key.into()).unwrap())
}

#[test]
fn a_handshake_that_is_none_is_told_and_nothing_is_said() {
    for (watches, ways) in [(false, &[Way::Tls][..]), (true, &READ)] {
        let mut servers = Vec::new();
        let scene = scene_with(misbehaving, watches, |ca, _, policy| {
            servers = handshakes(ca);
            for (name, port, _) in &servers {
                policy.network.allow.push(to(&OUTSIDE.to_string(), *port));
                let credential = watches.then(|| Credential { name: "key".into(), position: Position::bearer() });
                let host = if watches { "lent.example" } else { "tls.example" };
                policy.network.allow.push(Rule { credential, ..http(host, *port) });
                let mut models = models(*port);
                models.providers.truncate(1);
                models.providers[0].name = (*name).into();
                models.routes.truncate(1);
                models.routes[0].models = vec![ValuePattern::parse(&format!("gpt-case-{name}")).unwrap()];
                models.routes[0].provider = (*name).into();
                if watches {
                    policy.network.allow.extend(models.rules());
                    policy.inference.providers.extend(models.providers);
                    policy.inference.routes.splice(0..0, models.routes);
                }
            }
        });
        let before = scene.gate.descriptors();
        let mut wrong = String::new();
        for way in ways {
            for (name, port, why) in &servers {
                let mut to = scene.to(*way);
                let mut said = String::from_utf8(scene.request(*way, name, false)).unwrap();
                if *way != Way::Model {
                    to.address.set_port(*port);
                    said = said.replace(&format!(":{}", scene.tls), &format!(":{port}"));
                }
                let came = scene.cell.inside(move || to.ask(said.as_bytes()));
                let got = gets(&scene, name, &came);
                if !fits(&got, Told(why)) {
                    writeln!(wrong, "{way:?} {name}: {got:?}\n    not {why:?}").unwrap();
                }
            }
        }
        none(&wrong);
        scene.is_as_before(before, ways);
    }
}

/// What a failing provider says, whole.
fn failing(status: &str, headers: &str, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{headers}Content-Length: {length}\r\n\r\n");
    (head + body).into_bytes()
}

fn failing_provider(case: &str, _: &[u8]) -> Vec<Step> {
    let error = r#"{"type":"error","error":{"type":"x","message":"slow down, please"}}"#;
    vec![Say(match case {
        "limited" => failing("429 Too Many Requests", "Retry-After: 7\r\n", "application/json", error),
        "fails" => failing("500 Internal Server Error", "", "application/json", error),
        "streams" => failing("529 Overloaded", "", "text/event-stream", "event: error\ndata: {\"type\":\"error\"}\n\n"),
        "page" => failing("503 Service Unavailable", "", "text/html", "<h1>gone</h1>"),
        _ => fine(),
    })]
}

#[test]
fn what_a_provider_says_of_its_failure_is_passed_on_recorded_and_costs_no_tokens() {
    let scene = scene_with(failing_provider, true, |_, _, policy| policy.inference.tokens = Some(50));
    for (case, error) in [
        ("limited", "the provider answers 429: slow down, please"),
        ("fails", "the provider answers 500: slow down, please"),
        ("streams", "the provider answers 529"),
        ("page", "the provider answers 503"),
    ] {
        let [Say(said)] = &failing_provider(case, b"")[..] else { panic!("one step") };
        let came = scene.ask(Way::Model, &[case]).pop().unwrap();
        assert_eq!((&came.bytes, came.clean), (said, true), "{case}");
        let to = scene.to(Way::Model);
        let body = json!({"model": format!("claude-case-{case}"), "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]});
        let asked = asked("/v1/messages", "Connection: close\r\n", &body.to_string());
        assert_eq!(scene.cell.inside(move || to.ask(&asked)).bytes, *said, "{case}");
        for model in ["gpt", "claude"] {
            let reasons = scene.reasons(&format!("{model}-case-{case}"));
            assert!(reasons.contains(error), "{model} {case}: {reasons}");
        }
    }
    let record = scene.cell.record();
    let answers = record.lines().filter(|line| line.contains("\"kind\":\"answered\""));
    assert_eq!(answers.filter(|line| line.contains("\"whole\":false")).count(), 8, "{record}");
    // Of 50 tokens none is used; the first answer takes 42, and the next one may still be asked for.
    for _ in 0..2 {
        assert_eq!(scene.ask(Way::Model, &["fine"])[0].bytes, fine());
    }
    let came = scene.ask(Way::Model, &["fine"]).pop().unwrap();
    let text = String::from_utf8_lossy(&came.bytes).into_owned();
    assert!(text.starts_with("HTTP/1.1 429") && text.contains("budget of 50 tokens"), "{text}");
}

#[test]
fn a_request_that_fails_counts_as_one() {
    let scene = scene_with(failing_provider, true, |_, _, policy| policy.inference.requests = Some(3));
    for case in ["limited", "fails", "fine"] {
        scene.ask(Way::Model, &[case]);
    }
    let came = scene.ask(Way::Model, &["fine"]).pop().unwrap();
    assert!(String::from_utf8_lossy(&came.bytes).contains("budget of 3 requests"), "{came:?}");
}

const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

/// A piece of what a model says.
fn piece(text: &str) -> String {
    json!({"choices": [{"index": 0, "delta": {"content": text}}]}).to_string()
}

/// Events, with these ends of lines.
fn events(data: &[&str], end: &str) -> String {
    data.iter().map(|data| format!("data: {data}{end}{end}")).collect()
}

fn stream(body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn streaming(case: &str, _: &[u8]) -> Vec<Step> {
    let (first, second) = (piece("caf"), piece("é au lait"));
    let all = [&first, &second, STOP, "[DONE]"];
    let text = |text: String| vec![Say(stream(text.as_bytes()))];
    match case {
        "lf" => text(events(&all, "\n")),
        "crlf" => text(events(&all, "\r\n")),
        "cr" => text(events(&all, "\r")),
        "mixed" => text(format!(
            ": hello\r\n\r\nevent: x\rdata: {first}\n\rid: 1\ndata:{second}\r\r\n{}",
            events(&[STOP, "[DONE]"], "\n")
        )),
        "letter-cut" => {
            let whole = stream(events(&all, "\n").as_bytes());
            let at = whole.windows(2).position(|two| two == "é".as_bytes()).unwrap() + 1;
            vec![Say(whole[..at].to_vec()), Rest(50), Say(whole[at..].to_vec())]
        }
        "done-lacks" => text(events(&[&first, &second, STOP], "\n")),
        "end-lacks" => text(events(&[&first, &second], "\n")),
        "event-cut" => text(events(&[&first], "\n") + "data: " + &second[..30]),
        "no-json" => text(events(&[&first, "{\"choices\":[", STOP, "[DONE]"], "\n")),
        "no-shape" => text(events(&[&first, r#"{"choices":"x"}"#, "[DONE]"], "\n")),
        "error" => text(events(&[&first, r#"{"error":{"message":"too busy"}}"#], "\n")),
        "junk-behind" => text(events(&all, "\n") + &events(&["{junk"], "\n")),
        "event-long" => text(format!("data: {}", "x".repeat(17 << 20))),
        "reset-behind" => then(answer("Content-Length: 9999\r\n", &events(&all, "\n")), Reset),
        "stream-reset" => {
            let whole = stream(events(&all, "\n").as_bytes());
            then(whole[..whole.len() - 1].to_vec(), Reset)
        }
        "json-cut" => vec![Say(answer(&format!("Content-Length: {}\r\n", BODY.len() - 9), &BODY[..BODY.len() - 9]))],
        "json-twice" => vec![Say(answer(&format!("Content-Length: {}\r\n", 2 * BODY.len()), &BODY.repeat(2)))],
        "json-broken-off" => then(answer("Content-Length: 999\r\n", BODY), Leave),
        "page" => vec![Say(failing("200 OK", "", "text/html", "<h1>log in</h1>"))],
        _ => vec![Say(fine())],
    }
}

#[test]
fn a_torn_stream_is_never_recorded_as_whole() {
    let scene = watched(streaming);
    let before = scene.gate.descriptors();
    // What is passed on, whether it is recorded as whole, and the error with it.
    let cases = [
        ("lf", true, true, ""),
        ("crlf", true, true, ""),
        ("cr", true, true, ""),
        ("mixed", true, true, ""),
        ("letter-cut", true, true, ""),
        ("done-lacks", true, true, ""),
        ("end-lacks", true, false, "ends without saying so"),
        ("event-cut", true, false, "ends without saying so"),
        ("no-json", false, false, "not JSON"),
        ("no-shape", false, false, "is not"),
        ("error", true, false, "too busy"),
        ("junk-behind", false, false, "not JSON"),
        ("event-long", false, false, "an event of more than"),
        ("reset-behind", false, false, "not JSON"),
        ("stream-reset", false, false, "reset"),
        ("json-cut", true, false, "not JSON"),
        ("json-twice", true, false, "not JSON"),
        ("json-broken-off", false, false, "ended the connection"),
        ("page", true, false, "not JSON"),
    ];
    let names: Vec<&str> = cases.iter().map(|(name, ..)| *name).collect();
    let came = scene.ask(Way::Model, &names);
    let record = scene.cell.record();
    let find = |text: String| record.lines().map(event).find(|event| event.to_string().contains(&text));
    let mut wrong = String::new();
    for ((name, passed, complete, error), came) in cases.into_iter().zip(came) {
        let model = find(format!("\"model\":\"gpt-case-{name}\"")).unwrap_or_default();
        let told = find(format!("\"model\":\"g{}\"", model["seq"])).unwrap_or_default();
        let said = streaming(name, b"").into_iter().filter_map(|step| match step {
            Say(bytes) => Some(bytes),
            _ => None,
        });
        let whole = whole(&came.bytes, came.clean);
        let same = came.bytes == said.collect::<Vec<_>>().concat();
        let told_error = told["error"].as_str().unwrap_or_default();
        let refused = whole.as_ref().is_some_and(|(status, _)| *status == 502) || whole.is_none() && !came.clean;
        if (if passed { !same } else { !refused })
            || told["whole"] != complete
            || !told_error.contains(error)
            || error.is_empty() != told_error.is_empty()
        {
            writeln!(wrong, "{name}: passed {same}, refused {refused}, {told}").unwrap();
        }
    }
    none(&wrong);
    let heard = record.lines().filter(|line| line.contains("café au lait")).count();
    assert_eq!(heard, 8, "however its lines end, and wherever it breaks off");
    scene.is_as_before(before, &READ);
}

/// Answers in two pieces, cut where the case says; with what it was asked in it, or with a secret.
fn cutting(case: &str, said: &[u8]) -> Vec<Step> {
    let (kind, at) = case.rsplit_once('-').unwrap_or((case, "0"));
    let whole = match kind {
        "chunks" => chunked(),
        "stream" => {
            let text = events(&[&piece("é"), STOP, "[DONE]"], "\r\n");
            let text = format!("5\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n", &text[..5], text.len() - 5, &text[5..]);
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n{text}").into()
        }
        "secret" => {
            let text = format!("1f\r\n<{}>\r\n2\r\n{}\r\nb\r\n{}>\r\n0\r\n\r\n", &KEY[..29], &KEY[..2], &KEY[2..12]);
            let text = text.replace("1f\r\n", &format!("{:x}\r\n", 31));
            format!("HTTP/1.1 200 OK\r\nX-Key: {KEY}\r\nTransfer-Encoding: chunked\r\n\r\n{text}").into()
        }
        "echo" => answer(&format!("Content-Length: {}\r\n", said.len()), &String::from_utf8_lossy(said)),
        "hints" => [&b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"[..], &fine()].concat(),
        _ => fine(),
    };
    match at.parse::<usize>() {
        Ok(at) if at > 0 && at < whole.len() => vec![Say(whole[..at].to_vec()), Rest(2), Say(whole[at..].to_vec())],
        _ => vec![Say(whole)],
    }
}

/// What comes back to each of these, said one after another on one connection, each in two pieces that are cut at a place.
fn one_by_one(scene: &Scene, way: Way, said: Vec<(Vec<u8>, usize)>) -> Vec<Vec<u8>> {
    let to = scene.to(way);
    // Side by side: most of the time they wait.
    let parts: Vec<Vec<_>> = said.chunks(said.len().div_ceil(8)).map(<[_]>::to_vec).collect();
    scene.cell.inside(move || {
        let asking = parts.into_iter().map(|part| {
            let to = to.clone();
            std::thread::spawn(move || {
                let mut speaks = None;
                let answers = part.into_iter().map(|(said, at)| {
                    let mut on = speaks.take().unwrap_or_else(|| to.connect().unwrap());
                    on.say_cut(&said, at).unwrap();
                    let answer = on.hear();
                    let last = matches!(way, Way::Forwarded | Way::Unread);
                    speaks = Some(on).filter(|_| !last);
                    answer
                });
                answers.collect::<Vec<_>>()
            })
        });
        let asking: Vec<_> = asking.collect();
        asking.into_iter().flat_map(|one| one.join().unwrap()).collect()
    })
}

#[test]
fn an_answer_is_the_same_wherever_it_is_cut() {
    let passed = PASSED.map(|way| (way, vec!["fine", "chunks", "hints"]));
    let read = [(Way::Lent, vec!["fine", "chunks", "secret"]), (Way::Model, vec!["fine", "stream"])];
    for (scene, ways) in [(scene(cutting), &passed[..]), (watched(cutting), &read)] {
        let before = scene.gate.descriptors();
        for (way, kinds) in ways {
            for kind in kinds {
                let [Say(whole)] = &cutting(&format!("{kind}-0"), b"")[..] else { panic!("one step") };
                let said = (0..whole.len()).map(|at| (scene.request(*way, &format!("{kind}-{at}"), true), 0));
                let answers = one_by_one(&scene, *way, said.collect());
                assert_eq!(answers.len(), whole.len());
                let first = String::from_utf8_lossy(&answers[0]).into_owned();
                assert!(*kind == "secret" || answers[0] == *whole, "{way:?} {kind}: {first}");
                assert!(!first.contains(&KEY[..12]) && !first.contains(&KEY[2..12]), "{first}");
                for (at, answer) in answers.iter().enumerate() {
                    assert_eq!(String::from_utf8_lossy(answer), first, "{way:?} {kind} cut at {at}");
                }
            }
        }
        scene.is_as_before(before, &[ways[0].0]);
        let record = scene.cell.record();
        assert!(!record.contains("\"note\"") && !record.contains("\"whole\":false"), "nothing broke off");
    }
}

/// Requests with a body, as it is and in chunks.
fn with_bodies(scene: &Scene, way: Way) -> [Vec<u8>; 2] {
    let head = String::from_utf8(scene.request(way, "echo-0", true)).unwrap();
    let (head, body) = head.split_once("\r\n\r\n").unwrap();
    let body = if body.is_empty() { "what is said" } else { body };
    let head = head.replacen("GET", "POST", 1).replace(&format!("\r\nContent-Length: {}", body.len()), "");
    let length = body.len();
    let chunks = format!("3\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n", &body[..3], length - 3, &body[3..]);
    [
        format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes(),
        format!("{head}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}").into_bytes(),
    ]
}

#[test]
fn a_request_is_the_same_wherever_it_is_cut() {
    for (scene, ways) in [(scene(cutting), &PASSED[..]), (watched(cutting), &READ)] {
        let before = scene.gate.descriptors();
        for way in ways {
            for said in with_bodies(&scene, *way) {
                let answers = one_by_one(&scene, *way, (0..said.len()).map(|at| (said.clone(), at)).collect());
                let first = String::from_utf8_lossy(&answers[0]).into_owned();
                // The server gives back what it was sent; what a model is asked is written anew.
                assert!(first.contains("what is") || first.contains("gpt-case-echo-0"), "{way:?}: {first}");
                for (at, answer) in answers.iter().enumerate() {
                    assert_eq!(String::from_utf8_lossy(answer), first, "{way:?} cut at {at}");
                }
            }
        }
        scene.is_as_before(before, &[ways[0]]);
    }
}

/// What comes of a program that says a request in pieces, with so many milliseconds between the bytes.
fn dripped(scene: &Scene, way: Way, fast: Vec<u8>, slow: Vec<u8>, pause: u64) -> Came {
    let to = scene.to(way);
    scene.cell.inside(move || {
        let (begun, mut speaks) = (Instant::now(), to.connect().unwrap());
        let mut saying = || {
            speaks.say(&fast)?;
            slow.iter().try_for_each(|byte| {
                std::thread::sleep(Duration::from_millis(pause));
                speaks.say(&[*byte])
            })
        };
        let _ = saying();
        let (bytes, clean) = speaks.hear_all();
        Came { bytes, clean, took: begun.elapsed() }
    })
}

#[test]
fn a_program_that_is_slow_is_told_and_nothing_waits_for_it() {
    for (watches, ways) in [(false, &PASSED[..]), (true, &READ)] {
        let scene = scene_with(cutting, watches, |_, _, _| {});
        let before = scene.gate.descriptors();
        let mut wrong = String::new();
        for way in ways {
            let whole = scene.request(*way, "fine-0", false);
            let text = String::from_utf8(whole.clone()).unwrap().replacen("GET", "POST", 1);
            let length = text.lines().find(|line| line.starts_with("Content-Length")).map(str::to_owned);
            let head = match length {
                Some(length) => text.split("\r\n\r\n").next().unwrap().replace(&length, "Content-Length: 90"),
                None => text.trim_end().to_owned() + "\r\nContent-Length: 90",
            } + "\r\n\r\n";
            let torn = head.replace("Content-Length: 90", "Transfer-Encoding: chunked");
            // Where nobody looks, a body may take its time: it goes out as it comes.
            let body = if watches { Told("not there in time") } else { Whole };
            let stops = if watches { "not there in time" } else { "does not go on with its request" };
            let chunks = if watches { Told("cannot be told apart") } else { Cut("cannot be told apart") };
            let some = |count: usize| vec![b'x'; count];
            let (slowly, soon) = (whole[..30].to_vec(), whole[30..].to_vec());
            for (name, fast, slow, pause, wanted) in [
                ("head drips", Vec::new(), whole.clone(), 50, Told("not whole in time")),
                ("head stops", slowly.clone(), Vec::new(), 0, Told("not whole in time")),
                ("head is slow", slowly, soon, 2, Whole),
                ("body drips", head.clone().into_bytes(), some(90), 40, body),
                ("body stops", head.clone().into_bytes(), some(5), 1, Told(stops)),
                ("chunks torn", torn.into_bytes(), b"zz\r\nzz\r\n".to_vec(), 1, chunks),
            ] {
                let came = dripped(&scene, *way, fast, slow, pause);
                let mut got = gets(&scene, "fine-0", &came);
                if let (Ok(Cut(_)), Cut(words)) = (&got, wanted) {
                    // Its connection names no case where it is decided as a whole.
                    got = Ok(Cut(if scene.cell.record().contains(words) { words } else { "" }));
                }
                if !fits(&got, wanted) {
                    writeln!(wrong, "{way:?} {name}: {got:?}\n    not {wanted:?}").unwrap();
                }
            }
        }
        none(&wrong);
        scene.is_as_before(before, &[ways[0]]);
    }
}

#[test]
fn a_handshake_inside_that_does_not_go_on_is_ended() {
    let scene = scene(misbehaving);
    let before = scene.gate.descriptors();
    let mut to = scene.to(Way::Tls);
    to.tls = None;
    for slow in [0, 100] {
        let (to, begun) = (to.clone(), Instant::now());
        let (bytes, clean) = scene.cell.inside(move || {
            let mut speaks = to.connect().unwrap();
            speaks.say(&[22, 3, 1, 0, 200]).unwrap();
            let _ = (0..slow).try_for_each(|_| {
                std::thread::sleep(Duration::from_millis(40));
                speaks.say(&[1])
            });
            speaks.hear_all()
        });
        assert!(bytes.is_empty() && !clean && begun.elapsed() < BOUND, "{:?}", begun.elapsed());
    }
    assert!(scene.cell.record().contains("the TLS handshake was not whole in time"));
    scene.is_as_before(before, &[Way::Tls]);
}

/// Says more than any buffer holds.
fn endless(case: &str, _: &[u8]) -> Vec<Step> {
    match case {
        "much" => vec![Say(answer(&format!("Content-Length: {}\r\n", 64 << 20), &"x".repeat(64 << 20))), Hang],
        _ => vec![Say(fine())],
    }
}

#[test]
fn a_program_that_does_not_read_is_cut_off() {
    for (watches, ways) in [(false, &PASSED[..]), (true, &[Way::Lent][..])] {
        let scene = scene_with(endless, watches, |_, _, _| {});
        let before = scene.gate.descriptors();
        for (count, way) in ways.iter().enumerate() {
            let (to, said) = (scene.to(*way), scene.request(*way, "much", false));
            let begun = Instant::now();
            let held = scene.cell.inside(move || {
                let mut speaks = to.connect().unwrap();
                speaks.say(&said).unwrap();
                Box::leak(Box::new(speaks));
            });
            let unread = || scene.cell.record().matches("does not read its answer").count();
            while unread() <= count && begun.elapsed() < BOUND {
                std::thread::sleep(Duration::from_millis(20));
            }
            assert_eq!(unread(), count + 1, "{way:?}");
            drop(held);
        }
        scene.is_as_before(before, &[ways[0]]);
    }
}

/// A resolver whose answer to the question for addresses is another one each time, the last for ever.
fn fickle(answers: &'static [Ipv4Addr]) -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind((OUTSIDE, 0)).unwrap();
    let (at, asked) = (socket.local_addr().unwrap(), Arc::<AtomicUsize>::default());
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            let mut message = Message::from_vec(&query[..length]).unwrap();
            message.metadata.message_type = MessageType::Response;
            let question = message.queries[0].clone();
            if question.query_type == RecordType::A {
                let turn = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
                message.add_answer(Record::from_rdata(question.name, 0, RData::A(answers[turn].into())));
            }
            socket.send_to(&message.to_vec().unwrap(), from).unwrap();
        }
    });
    (at, asked)
}

#[test]
fn a_name_that_changes_its_address_is_judged_each_time() {
    const PRIVATE: Ipv4Addr = Ipv4Addr::new(10, 62, 0, 99);
    for (watches, way, name) in [
        (false, Way::Plain, "plain.example"),
        (false, Way::Unread, "free.example"),
        (false, Way::Tls, "tls.example"),
        (true, Way::Lent, "lent.example"),
        (true, Way::Model, "chat.example"),
    ] {
        fake::also(&format!("{PRIVATE}/32"));
        let (resolver, asked) = fickle(&[OUTSIDE, PRIVATE, Ipv4Addr::LOCALHOST, Ipv4Addr::new(169, 254, 169, 254)]);
        let scene = scene_with(misbehaving, watches, |_, leased, _| {
            leased.hosts.retain(|(host, _)| host != name);
            leased.nameservers = vec![resolver];
        });
        // At the very port, so that whoever connects there arrives.
        let reached = Arc::<AtomicUsize>::default();
        for port in [scene.plain, scene.tls] {
            for at in [PRIVATE, Ipv4Addr::LOCALHOST] {
                let (listener, reached) = (TcpListener::bind((at, port)).unwrap(), Arc::clone(&reached));
                std::thread::spawn(move || listener.incoming().for_each(|_| drop(reached.fetch_add(1, Ordering::SeqCst))));
            }
        }
        let before = scene.gate.descriptors();
        // One connection stays where it was made, whatever its name becomes.
        if way != Way::Unread {
            let said = (0..3).map(|_| (scene.request(way, "fine", true), 0)).collect();
            let to = scene.to(way);
            let answers = scene.cell.inside(move || {
                let mut speaks = to.connect().unwrap();
                let mut answers = Vec::new();
                for (said, at) in said {
                    let (said, at): (Vec<u8>, usize) = (said, at);
                    speaks.say_cut(&said, at).unwrap();
                    answers.push(speaks.hear());
                }
                answers
            });
            assert_eq!(answers, vec![fine(); 3], "{way:?}");
            assert_eq!(asked.load(Ordering::SeqCst), 1, "{way:?}");
        } else {
            assert_eq!(scene.ask(way, &["fine"])[0].bytes, fine());
        }
        for address in ["10.62.0.99", "127.0.0.1", "169.254.169.254"] {
            let came = scene.ask(way, &["fine"]).pop().unwrap();
            let got = gets(&scene, "fine", &came);
            assert!(fits(&got, Told(address)), "{way:?} {address}: {got:?}");
        }
        assert_eq!(reached.load(Ordering::SeqCst), 0, "{way:?}");
        for _ in 0..200 {
            if scene.gate.descriptors() <= before {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(scene.gate.descriptors() <= before, "{way:?}");
    }
}
