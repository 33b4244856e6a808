//! Looks up what an allowed name stands for, with the host's own names and resolvers: over UDP, and over TCP where
//! the answer does not fit.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use policy::DnsName;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// How long one resolver may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// After which a datagram counts as lost, and is sent again: the same one, so that who forges an answer has no more to guess at.
const LOST: Duration = Duration::from_secs(1);
/// Resolvers that are asked for one name, as the C library does.
const MAX_SERVERS: usize = 3;
/// Longest answer over UDP that is read.
const MAX_ANSWER: usize = 4096;
/// Addresses of one kind that are kept: a connection tries them one after the other.
const MAX_ADDRESSES: usize = 16;

/// The host's names and resolvers.
#[derive(Debug, Clone)]
pub struct Resolver {
    /// Of a question those that were known when it was asked.
    known: RefCell<Rc<Known>>,
}

#[derive(Debug)]
struct Known {
    /// Asked in order until one answers.
    nameservers: Vec<SocketAddr>,
    /// Names that need no resolver, in lower case as [`DnsName`] has them.
    hosts: HashMap<String, Vec<IpAddr>>,
}

impl Resolver {
    /// Asks these resolvers, but for these names.
    #[must_use]
    pub fn new(nameservers: Vec<SocketAddr>, hosts: Vec<(String, IpAddr)>) -> Resolver {
        Resolver { known: RefCell::new(Rc::new(Known::of(nameservers, hosts))) }
    }

    /// Asks these from here on: the host came to another network.
    pub fn replace(&self, nameservers: Vec<SocketAddr>, hosts: Vec<(String, IpAddr)>) {
        *self.known.borrow_mut() = Rc::new(Known::of(nameservers, hosts));
    }

    /// Every address of a name; none when it does not exist.
    ///
    /// # Errors
    /// When no resolver answers.
    pub async fn lookup(&self, name: &DnsName) -> io::Result<Vec<IpAddr>> {
        let known = Rc::clone(&self.known.borrow());
        if let Some(addresses) = known.hosts.get(name.as_str()) {
            return Ok(addresses.clone());
        }
        let mut failure = io::Error::other("no resolver is configured");
        for &server in known.nameservers.iter().take(MAX_SERVERS) {
            let (v4, v6) = tokio::join!(ask(server, name, RecordType::A), ask(server, name, RecordType::AAAA));
            match (v4, v6) {
                (Ok(v4), Ok(v6)) => return Ok([v4, v6].concat()),
                // Some resolvers fail at one kind: the other is as good.
                (Ok(one), Err(_)) | (Err(_), Ok(one)) if !one.is_empty() => return Ok(one),
                (Err(error), _) | (_, Err(error)) => failure = error,
            }
        }
        Err(failure)
    }
}

impl Known {
    fn of(nameservers: Vec<SocketAddr>, all: Vec<(String, IpAddr)>) -> Known {
        let mut hosts: HashMap<String, Vec<IpAddr>> = HashMap::new();
        for (name, address) in all {
            hosts.entry(name.to_ascii_lowercase()).or_default().push(address);
        }
        Known { nameservers, hosts }
    }
}

async fn ask(server: SocketAddr, name: &DnsName, kind: RecordType) -> io::Result<Vec<IpAddr>> {
    let name = Name::from_ascii(format!("{name}.")).map_err(io::Error::other)?;
    let mut query = Message::new(random()?, MessageType::Query, OpCode::Query);
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(name, kind));
    let answer = timeout(PATIENCE, exchange(server, &query)).await??;
    match answer.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => Ok(addresses(&answer, kind)),
        code => Err(io::Error::other(format!("the resolver answered: {code}"))),
    }
}

/// An id that an answer's forger has to guess. Straight from the kernel: a library that opens /dev/random for it would
/// meet the filter.
fn random() -> io::Result<u16> {
    let mut bytes = [0; 2];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())? {
        2 => Ok(u16::from_ne_bytes(bytes)),
        _ => Err(io::Error::other("the kernel gave no random bytes")),
    }
}

async fn exchange(server: SocketAddr, query: &Message) -> io::Result<Message> {
    let bytes = query.to_vec().map_err(io::Error::other)?;
    let answer = by_datagram(server, query, &bytes).await?;
    if answer.metadata.truncation { by_stream(server, query, &bytes).await } else { Ok(answer) }
}

async fn by_datagram(server: SocketAddr, query: &Message, bytes: &[u8]) -> io::Result<Message> {
    let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    // A socket, and so a random port, for each question.
    let socket = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    // Connected, so that the kernel drops what another sender forges. Never bound: the filter refuses that.
    connect(&socket, &server)?;
    let socket = UdpSocket::from_std(socket.into())?;
    socket.send(bytes).await?;
    let mut buffer = [0; MAX_ANSWER];
    loop {
        let Ok(length) = timeout(LOST, socket.recv(&mut buffer)).await else {
            socket.send(bytes).await?;
            continue;
        };
        let length = length?;
        if let Some(answer) = fitting(query, &buffer[..length]) {
            return Ok(answer);
        }
    }
}

async fn by_stream(server: SocketAddr, query: &Message, bytes: &[u8]) -> io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], bytes].concat()).await?;
    let mut answer = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut answer).await?;
    fitting(query, &answer).ok_or_else(|| io::Error::other("the resolver answered something else"))
}

/// The answer to this very question.
fn fitting(query: &Message, bytes: &[u8]) -> Option<Message> {
    let answer = Message::from_vec(bytes).ok()?;
    let meta = &answer.metadata;
    let ours = meta.id == query.metadata.id && meta.message_type == MessageType::Response;
    (ours && answer.queries == query.queries).then_some(answer)
}

fn addresses(answer: &Message, kind: RecordType) -> Vec<IpAddr> {
    let address = |data: &RData| match data {
        RData::A(a) if kind == RecordType::A => Some(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) if kind == RecordType::AAAA => Some(IpAddr::V6(aaaa.0)),
        _ => None,
    };
    answer.answers.iter().filter_map(|record| address(&record.data)).take(MAX_ADDRESSES).collect()
}
