//! What a program in the cell asks its resolver.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RData, RecordType};

/// One question over UDP, or over TCP, to any resolver.
pub fn ask(server: &str, name: &str, kind: RecordType, stream: bool) -> Message {
    let mut query = Message::new(7, MessageType::Query, OpCode::Query);
    query.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    let bytes = query.to_vec().unwrap();
    let server: SocketAddr = server.parse().unwrap();
    let mut answer = vec![0; 1500];
    if stream {
        let mut connection = TcpStream::connect(server).unwrap();
        let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        connection.write_all(&[&length[..], &bytes].concat()).unwrap();
        connection.read_exact(&mut answer[..2]).unwrap();
        answer.truncate(u16::from_be_bytes([answer[0], answer[1]]).into());
        connection.read_exact(&mut answer).unwrap();
    } else {
        let any: SocketAddr = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }.parse().unwrap();
        let socket = UdpSocket::bind(any).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.connect(server).unwrap();
        socket.send(&bytes).unwrap();
        let length = socket.recv(&mut answer).unwrap();
        answer.truncate(length);
    }
    Message::from_vec(&answer).unwrap()
}

/// The address that the resolver gives.
pub fn address(name: &str) -> std::net::IpAddr {
    match ask("198.18.0.1:53", name, RecordType::A, false).answers[0].data {
        RData::A(a) => a.0.into(),
        ref other => panic!("{other:?}"),
    }
}
