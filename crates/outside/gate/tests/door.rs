//! The door on loopback, told by a test where each connection was going.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::fake::OUTSIDE;
use gate::door::Door;
use gate::flood::{Flood, Rate};
use gate::ledger::Ledger;
use gate::naming::Naming;
use gate::original::Original;
use gate::passage::Passage;
use gate::refusals::Refusals;
use gate::relay::Buffers;
use gate::resolver::Resolver;
use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::{RData, Record, RecordType};
use policy::{Conjunction, DnsName, Policy, Rule, Target};
use record::{Origin, Redactor, Segment, Writer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Notify, Semaphore};

/// The address that the first name of a session is given.
const FIRST: Ipv4Addr = Ipv4Addr::new(198, 18, 1, 0);

/// Where a connection was going, as the test tells.
#[derive(Clone, Copy)]
enum Told {
    Named,
    Door,
    Unknown,
}

struct Tells(Told, u16);

impl Original for Tells {
    fn of(&self, stream: &TcpStream, _: SocketAddr) -> io::Result<SocketAddr> {
        match self.0 {
            Told::Named => Ok((FIRST, self.1).into()),
            Told::Door => stream.local_addr(),
            Told::Unknown => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// What a client got, and the events.
struct Seen {
    reply: io::Result<Vec<u8>>,
    record: String,
    accepted: bool,
}

/// One connection to port `port` of `web.example` (or to the door itself), with these rules. Where no nameserver says
/// it, the name leads to `at`.
async fn visit(rules: &[&str], at: Ipv4Addr, told: Told, segment: Option<&str>, by_dns: bool) -> Seen {
    let server = TcpListener::bind((OUTSIDE, 0)).await.unwrap();
    let port = server.local_addr().unwrap().port();
    let mut policy = Policy { name: "test".into(), ..Policy::default() };
    policy.network.allow =
        rules.iter().map(|rule| Rule::to(Target::parse(&rule.replace("PORT", &port.to_string())).unwrap())).collect();
    let naming = Naming::new(&Conjunction::new(Vec::new()), 4, &[DnsName::parse("web.example").unwrap()]).unwrap();
    let kept = tempfile();
    let file =
        segment.map_or_else(|| kept.1.try_clone().unwrap(), |path| File::options().write(true).open(path).unwrap());
    let origin = Origin { session: "s1".into(), segment: Segment::Gate };
    let resolver = if by_dns {
        Resolver::new(vec![nameserver().await], Vec::new())
    } else {
        Resolver::new(Vec::new(), vec![("web.example".into(), at.into())])
    };
    let ledger = RefCell::new(Ledger::new(file, Writer::new(&origin), Redactor::new()));
    let door = Rc::new(Door {
        passage: Passage {
            risks: gate::risk::Risks::new(&[], false),
            lets_own: false,
            desk: gate::petition::Desk::new(1),
            asking: gate::stood::Asking::default(),
            aside: gate::aside::Aside::default(),
            generation: RefCell::new(Rc::new(gate::generation::Generation::new(
                Conjunction::new(vec![policy]),
                Vec::new(),
                true,
            ))),
            replaced: Notify::new(),
            held: gate::consent::Held::default(),
            naming: RefCell::new(naming),
            ledger,
            resolver,
            upstream: None,
            flows: gate::flows::Flows::new(
                &Conjunction::new(Vec::new()),
                &[],
                true,
                gate::flows::Tree::new("s1", File::open("/dev/null").unwrap(), File::open("/dev/null").unwrap()),
            ),
            stdio: gate::stdio::Stdio::new(Vec::new(), tokio::sync::mpsc::unbounded_channel().0, 1).unwrap(),
            models: gate::models::Models::default(),
            servers: gate::mcp::Servers::default(),
            refusals: RefCell::new(Refusals::new(std::time::Instant::now())),
            pace: RefCell::new(spent()),
            request_pace: RefCell::new(spent()),
            stopped_pace: RefCell::new(spent()),
            behind: Notify::new(),
            opening: Semaphore::new(1),
        },
        programs: None,
        authority: None,
        room: gate::collect::Room::default(),
        pool: gate::outside::Pool::default(),
        original: Tells(told, port),
        slots: Arc::new(Semaphore::new(1)),
        buffers: Buffers::default(),
        idle: Duration::from_secs(60),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::task::spawn_local(door.serve(listener));
    let echo = tokio::task::spawn_local(async move {
        let (mut stream, _) = server.accept().await.unwrap();
        let mut text = [0; 4];
        stream.read_exact(&mut text).await.unwrap();
        stream.write_all(&text).await.unwrap();
    });
    let reply = talk(address).await;
    tokio::task::yield_now().await;
    let record = std::fs::read_to_string(&kept.0).unwrap();
    std::fs::remove_file(&kept.0).unwrap();
    Seen { reply, record, accepted: echo.is_finished() }
}

/// A pace that makes every connection wait for a moment, and drops none.
fn spent() -> Flood {
    let now = std::time::Instant::now();
    let mut pace = Flood::new(now, Rate { burst: 1.0, rate: 50.0 });
    assert!(pace.admit(now, 0) && !pace.admit(now, 0));
    pace
}

async fn talk(address: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"ping").await?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await?;
    Ok(reply)
}

fn tempfile() -> (std::path::PathBuf, File) {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("bastide-gate-{}-{count}", std::process::id()));
    let file = File::create(&path).unwrap();
    (path, file)
}

/// Answers [`OUTSIDE`] to A and nothing to AAAA, after one answer with a foreign id.
async fn nameserver() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::task::spawn_local(async move {
        let mut buffer = [0; 512];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let mut message = Message::from_vec(&buffer[..length]).unwrap();
            message.metadata.message_type = MessageType::Response;
            let question = message.queries[0].clone();
            let id = message.metadata.id;
            for (id, octets) in [(id.wrapping_add(1), [10, 0, 0, 1]), (id, OUTSIDE.octets())] {
                message.metadata.id = id;
                message.answers.clear();
                if question.query_type == RecordType::A {
                    let data = RData::A(std::net::Ipv4Addr::from(octets).into());
                    message.add_answer(Record::from_rdata(question.name.clone(), 1, data));
                }
                socket.send_to(&message.to_vec().unwrap(), from).await.unwrap();
            }
        }
    });
    address
}

fn run(rules: &[&str], told: Told, segment: Option<&str>, by_dns: bool) -> Seen {
    run_at(OUTSIDE, rules, told, segment, by_dns)
}

fn run_at(at: Ipv4Addr, rules: &[&str], told: Told, segment: Option<&str>, by_dns: bool) -> Seen {
    crate::fake::outside();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, visit(rules, at, told, segment, by_dns))
}

fn assert_reset(seen: &Seen) {
    assert_eq!(seen.reply.as_ref().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!(!seen.accepted);
}

const BOTH: &[&str] = &["web.example:PORT", "10.62.0.1:PORT"];

#[test]
fn an_allowed_name_is_reached_and_recorded() {
    for by_dns in [false, true] {
        let seen = run(BOTH, Told::Named, None, by_dns);
        assert_eq!(seen.reply.unwrap(), b"ping");
        assert!(seen.record.contains("\"allowed\"") && seen.record.contains("web.example"), "{}", seen.record);
    }
}

#[test]
fn a_name_that_no_rule_allows_is_reset_and_recorded() {
    let seen = run(&["other.example"], Told::Named, None, false);
    assert_reset(&seen);
    assert!(seen.record.contains("\"refused\"") && seen.record.contains("suggestion"), "{}", seen.record);
}

#[test]
fn a_name_that_resolves_to_a_special_address_is_reset() {
    let seen = run(&["web.example:PORT"], Told::Named, None, false);
    assert_reset(&seen);
    assert!(seen.record.contains("does not name"), "{}", seen.record);
}

#[test]
fn a_name_that_resolves_to_loopback_is_reset_whatever_is_named() {
    for at in [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED, FIRST] {
        let seen = run_at(at, &["web.example:PORT", "0.0.0.0/0"], Told::Named, None, false);
        assert_reset(&seen);
        assert!(seen.record.contains("which no rule opens"), "{}", seen.record);
    }
}

#[test]
fn the_door_itself_is_no_destination() {
    let seen = run(BOTH, Told::Door, None, false);
    assert_reset(&seen);
    assert!(seen.record.contains("the door itself"), "{}", seen.record);
}

#[test]
fn what_cannot_be_recorded_is_not_connected() {
    assert_reset(&run(BOTH, Told::Named, Some("/dev/full"), false));
}

#[test]
fn a_connection_that_was_going_nobody_knows_where_is_reset_and_recorded() {
    let seen = run(BOTH, Told::Unknown, None, false);
    assert_reset(&seen);
    assert!(seen.record.contains("\"refused\"") && seen.record.contains("is not known"), "{}", seen.record);
}
