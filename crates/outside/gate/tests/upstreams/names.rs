//! Names that change, resolvers and proxies that fail, and hosts that are not there.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::{RData, Record, RecordType};

use super::servers::misbehaving;
use super::*;
use crate::fake::script::blurting;

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
    const BECOMES: [Ipv4Addr; 4] = [OUTSIDE, PRIVATE, Ipv4Addr::LOCALHOST, Ipv4Addr::new(169, 254, 169, 254)];
    for (watches, way, name) in [
        (false, Way::Plain, "plain.example"),
        (false, Way::Unread, "free.example"),
        (false, Way::Tls, "tls.example"),
        (true, Way::Lent, "lent.example"),
        (true, Way::Model, "chat.example"),
    ] {
        crate::fake::also(&format!("{PRIVATE}/32"));
        let (resolver, asked) = fickle(&BECOMES);
        let scene = scene_with(misbehaving, watches, |_, leased, _| {
            leased.hosts.retain(|(host, _)| host != name);
            leased.nameservers = vec![resolver];
        });
        // At the very port, so that whoever connects there arrives.
        let reached = Arc::<AtomicUsize>::default();
        for port in [scene.plain, scene.tls] {
            for at in [PRIVATE, Ipv4Addr::LOCALHOST] {
                let (listener, reached) = (TcpListener::bind((at, port)).unwrap(), Arc::clone(&reached));
                std::thread::spawn(move || {
                    for _ in listener.incoming() {
                        reached.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        }
        let before = scene.gate.descriptors();
        // One connection stays where it was made, whatever its name becomes.
        if way != Way::Unread {
            let (to, said) = (scene.to(way), scene.request(way, "fine", way != Way::Forwarded));
            let answers = scene.cell.inside(move || {
                let mut speaks = to.connect().unwrap();
                let mut answers = (0..3).map(|_| {
                    speaks.say(&said).unwrap();
                    speaks.hear()
                });
                [answers.next().unwrap(), answers.next().unwrap(), answers.next().unwrap()]
            });
            assert_eq!(answers, [fine(), fine(), fine()], "{way:?}");
            assert_eq!(asked.load(Ordering::SeqCst), 1, "{way:?}");
        } else {
            assert_eq!(scene.ask(way, &["fine"])[0].bytes, fine());
        }
        // Nor does one that is kept for the next, which is not for longer.
        std::thread::sleep(std::time::Duration::from_millis(1500));
        for address in ["10.62.0.99", "127.0.0.1", "169.254.169.254"] {
            let came = scene.ask(way, &["fine"]).pop().unwrap();
            let got = gets(&scene, "fine", &came);
            assert!(fits(&got, Told(address)), "{way:?} {address}: {got:?}");
        }
        assert_eq!(reached.load(Ordering::SeqCst), 0, "{way:?}");
        scene.is_as_before(before, &[]);
    }
}

/// A resolver that does this with each question.
fn resolver(answers: fn(&[u8]) -> Vec<u8>) -> SocketAddr {
    crate::fake::outside();
    let socket = UdpSocket::bind((OUTSIDE, 0)).unwrap();
    let at = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            let answer = answers(&query[..length]);
            if !answer.is_empty() {
                socket.send_to(&answer, from).unwrap();
            }
        }
    });
    at
}

/// The question as an answer with nothing in it.
fn coded(query: &[u8], code: ResponseCode) -> Vec<u8> {
    let mut message = Message::from_vec(query).unwrap();
    message.metadata.message_type = MessageType::Response;
    message.metadata.response_code = code;
    message.to_vec().unwrap()
}

#[test]
fn a_name_that_is_not_found_is_told() {
    let resolvers: [(&str, SocketAddr, &'static str); 5] = [
        ("silent", resolver(|_| Vec::new()), "cannot be looked up"),
        ("noise", resolver(|_| vec![0xa5; 200]), "cannot be looked up"),
        ("fails", resolver(|query| coded(query, ResponseCode::ServFail)), "cannot be looked up"),
        ("unknown", resolver(|query| coded(query, ResponseCode::NXDomain)), "has no address"),
        ("gone", (OUTSIDE, 9).into(), "cannot be looked up"),
    ];
    for (name, at, words) in resolvers {
        for (watches, way) in [(false, Way::Plain), (true, Way::Model)] {
            let scene = scene_with(misbehaving, watches, |_, leased, _| {
                leased.hosts.clear();
                leased.nameservers = vec![at];
            });
            let before = scene.gate.descriptors();
            let came = scene.ask(way, &["fine"]).pop().unwrap();
            let got = gets(&scene, "fine", &came);
            assert!(fits(&got, Told(words)), "{way:?} {name}: {got:?}");
            scene.is_as_before(before, &[]);
        }
    }
}

#[test]
fn a_host_that_is_not_there_is_told() {
    for (watches, ways) in [(false, &[Way::Plain, Way::Unread, Way::Tls][..]), (true, &READ)] {
        let scene = scene_with(misbehaving, watches, |_, leased, policy| {
            // Nobody listens at this address; rules name it, so that it is tried.
            let nobody = Ipv4Addr::new(10, 62, 0, 77);
            crate::fake::also(&format!("{nobody}/32"));
            let ports: Vec<u16> = policy.network.allow.iter().filter_map(|rule| rule.to.port).collect();
            policy.network.allow.extend(ports.iter().map(|port| to(&nobody.to_string(), *port)));
            leased.hosts.iter_mut().for_each(|(_, address)| *address = nobody.into());
        });
        let before = scene.gate.descriptors();
        for way in ways {
            let came = scene.ask(*way, &["fine"]).pop().unwrap();
            let got = gets(&scene, "fine", &came);
            assert!(fits(&got, Told("cannot connect")), "{way:?}: {got:?}");
        }
        scene.is_as_before(before, &[]);
    }
}

#[test]
fn an_upstream_proxy_that_fails_is_told() {
    let refused = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n".to_vec();
    for (steps, words) in [
        (vec![Reset], "the upstream proxy: "),
        (vec![Leave], "the upstream proxy: "),
        (vec![Say(refused)], "the upstream proxy answered 407"),
        (vec![Say(b"SSH-2.0-x\r\n\r\n".to_vec()), Hang], "the upstream proxy: "),
        (vec![Say(vec![b'x'; 1 << 20]), Hang], "the upstream proxy: "),
        (then(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), Reset), ""),
    ] {
        for (watches, ways) in [(false, &[Way::Plain, Way::Unread, Way::Tls][..]), (true, &READ)] {
            let scene = scene_with(misbehaving, watches, |_, leased, _| {
                let port = blurting(steps.clone());
                let host = OUTSIDE.to_string();
                leased.upstream_proxy = Some(wire::Proxy { host, port, authorization: None, bypass: Vec::new() });
            });
            let before = scene.gate.descriptors();
            for way in ways {
                let came = scene.ask(*way, &["fine"]).pop().unwrap();
                let got = gets(&scene, "fine", &came);
                assert!(fits(&got, Told(words)), "{way:?} {steps:?}: {got:?}");
            }
            scene.is_as_before(before, &[]);
        }
    }
}
