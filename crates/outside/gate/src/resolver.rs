//! Looks up what an allowed name stands for, over UDP, with the host's own resolvers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use policy::DnsName;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// How long one resolver may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longest answer that is read.
const MAX_ANSWER: usize = 4096;

/// The host's names and resolvers.
#[derive(Debug, Clone)]
pub struct Resolver {
    /// The resolvers, asked in order until one answers.
    pub nameservers: Vec<SocketAddr>,
    /// Names that need no resolver.
    pub hosts: Vec<(String, IpAddr)>,
}

impl Resolver {
    /// Every address of a name; none when it does not exist.
    ///
    /// # Errors
    /// When no resolver answers.
    pub async fn lookup(&self, name: &DnsName) -> io::Result<Vec<IpAddr>> {
        let known = self.hosts.iter().filter(|(host, _)| host.eq_ignore_ascii_case(name.as_str()));
        let known: Vec<IpAddr> = known.map(|(_, address)| *address).collect();
        if !known.is_empty() {
            return Ok(known);
        }
        let mut failure = io::Error::other("no resolver is configured");
        for &server in &self.nameservers {
            match tokio::try_join!(ask(server, name, RecordType::A), ask(server, name, RecordType::AAAA)) {
                Ok((v4, v6)) => return Ok([v4, v6].concat()),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

async fn ask(server: SocketAddr, name: &DnsName, kind: RecordType) -> io::Result<Vec<IpAddr>> {
    let name = Name::from_ascii(format!("{name}.")).map_err(io::Error::other)?;
    let mut query = Message::query();
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(name, kind));
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    // Connected, so that the kernel drops what another sender forges.
    socket.connect(server).await?;
    socket.send(&query.to_vec().map_err(io::Error::other)?).await?;
    timeout(PATIENCE, receive(&socket, &query)).await?
}

async fn receive(socket: &UdpSocket, query: &Message) -> io::Result<Vec<IpAddr>> {
    let mut buffer = [0; MAX_ANSWER];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let Ok(answer) = Message::from_vec(&buffer[..length]) else { continue };
        let meta = &answer.metadata;
        if meta.id != query.metadata.id || meta.message_type != MessageType::Response || answer.queries != query.queries
        {
            continue;
        }
        return match meta.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => Ok(addresses(&answer)),
            code => Err(io::Error::other(format!("the resolver answered: {code}"))),
        };
    }
}

fn addresses(answer: &Message) -> Vec<IpAddr> {
    let address = |data: &RData| match data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
        _ => None,
    };
    answer.answers.iter().filter_map(|record| address(&record.data)).collect()
}
