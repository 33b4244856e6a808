//! Looking up names with resolvers that a test plays.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use gate::resolver::Resolver;
use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::{RData, Record, RecordType};
use policy::DnsName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// An answer of `count` addresses to A, none to AAAA.
fn answer(query: &[u8], count: u8, change: impl FnOnce(&mut Message)) -> Vec<u8> {
    let mut message = Message::from_vec(query).unwrap();
    message.metadata.message_type = MessageType::Response;
    let question = message.queries[0].clone();
    if question.query_type == RecordType::A {
        for last in 1..=count {
            let data = RData::A(Ipv4Addr::new(9, 9, 9, last).into());
            message.add_answer(Record::from_rdata(question.name.clone(), 1, data));
        }
    }
    change(&mut message);
    message.to_vec().unwrap()
}

async fn datagrams(socket: UdpSocket, change: fn(&mut Message)) {
    let mut query = [0; 512];
    loop {
        let (length, from) = socket.recv_from(&mut query).await.unwrap();
        socket.send_to(&answer(&query[..length], 1, change), from).await.unwrap();
    }
}

async fn streams(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut query = vec![0; stream.read_u16().await.unwrap().into()];
        stream.read_exact(&mut query).await.unwrap();
        let bytes = answer(&query, 40, |_| {});
        stream.write_u16(u16::try_from(bytes.len()).unwrap()).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
    }
}

/// What a lookup gives with a resolver whose datagrams are changed so, and one behind it that answers.
fn lookup(change: fn(&mut Message)) -> std::io::Result<Vec<IpAddr>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let first = listener.local_addr().unwrap();
        tokio::task::spawn_local(datagrams(UdpSocket::bind(first).await.unwrap(), change));
        tokio::task::spawn_local(streams(listener));
        let second = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let nameservers: Vec<SocketAddr> = vec![first, second.local_addr().unwrap()];
        tokio::task::spawn_local(datagrams(second, |_| {}));
        let known = [IpAddr::from([192, 0, 2, 7]), IpAddr::from([192, 0, 2, 6])];
        let hosts = vec![("known.example".to_owned(), known[0]), ("KNOWN.example".to_owned(), known[1])];
        let resolver = Resolver::new(nameservers, hosts);
        assert_eq!(resolver.lookup(&DnsName::parse("Known.example").unwrap()).await.unwrap(), known);
        resolver.lookup(&DnsName::parse("web.example").unwrap()).await
    })
}

#[test]
fn a_truncated_answer_is_asked_for_again_over_tcp_and_bounded() {
    let addresses = lookup(|message| message.metadata.truncation = true).unwrap();
    assert_eq!(addresses.len(), 16);
}

#[test]
fn a_resolver_that_fails_is_followed_by_the_next() {
    let addresses = lookup(|message| message.metadata.response_code = ResponseCode::ServFail).unwrap();
    assert_eq!(addresses, [IpAddr::from([9, 9, 9, 1])]);
}

#[test]
fn an_answer_to_another_question_is_not_taken() {
    let addresses = lookup(|message| message.metadata.id = message.metadata.id.wrapping_add(1)).unwrap();
    assert_eq!(addresses, [IpAddr::from([9, 9, 9, 1])]);
}

/// A session that began in one network found no name in the next.
#[test]
fn resolvers_and_names_are_replaced_while_questions_are_asked() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let gone = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let at = socket.local_addr().unwrap();
        let answers = tokio::task::spawn_local(datagrams(socket, |_| {}));
        let resolver = Resolver::new(vec![gone.local_addr().unwrap()], Vec::new());
        let name = DnsName::parse("web.example").unwrap();
        let waits = resolver.lookup(&name);
        resolver.replace(vec![at], vec![("Own.example".to_owned(), IpAddr::from([192, 0, 2, 7]))]);
        assert_eq!(resolver.lookup(&name).await.unwrap(), [IpAddr::from([9, 9, 9, 1])]);
        let own = resolver.lookup(&DnsName::parse("own.example").unwrap()).await.unwrap();
        assert_eq!(own, [IpAddr::from([192, 0, 2, 7])]);
        drop(waits);
        answers.abort();
    });
}

/// A packet that was lost on the way refused a connection.
#[test]
fn a_question_that_was_lost_is_asked_again() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let resolver = Resolver::new(vec![socket.local_addr().unwrap()], Vec::new());
        let asked = tokio::task::spawn_local(async move {
            // Both kinds are lost once; what comes again is the same question.
            let (mut lost, mut query) = (Vec::new(), [0; 512]);
            loop {
                let (length, from) = socket.recv_from(&mut query).await.unwrap();
                let question = (from, query[..length].to_vec());
                if lost.contains(&question) {
                    socket.send_to(&answer(&query[..length], 1, |_| {}), from).await.unwrap();
                } else {
                    lost.push(question);
                }
            }
        });
        let found = resolver.lookup(&DnsName::parse("web.example").unwrap()).await.unwrap();
        assert_eq!(found, [IpAddr::from([9, 9, 9, 1])]);
        asked.abort();
    });
}

#[test]
fn a_name_that_does_not_exist_has_no_address() {
    let change: fn(&mut Message) = |message| {
        message.answers.clear();
        message.metadata.response_code = ResponseCode::NXDomain;
    };
    assert_eq!(lookup(change).unwrap(), [] as [IpAddr; 0]);
}
