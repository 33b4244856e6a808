//! Requests that mean one thing to a careless reader and another to a server: none reaches one, by any way in. A table of
//! heads; what a server got is the only judge.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::fake::dns::address;
use crate::fake::{Cell, ORDINARY, OUTSIDE, lease};
use policy::{Conjunction, Method, PathPattern, Policy, Protocol, Rule, ValuePattern};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// Every way in.
#[derive(Clone, Copy, Debug)]
struct Way {
    by: By,
    tls: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    /// The door takes the connection.
    Door,
    /// `CONNECT` at the explicit proxy.
    Tunnel,
    /// A whole URL is said to that.
    Url,
}

const WAYS: [Way; 5] = [
    Way { by: By::Door, tls: false },
    Way { by: By::Tunnel, tls: false },
    Way { by: By::Url, tls: false },
    Way { by: By::Door, tls: true },
    Way { by: By::Tunnel, tls: true },
];

/// What is no evasion in a whole URL: that names the destination, and what it wants of the proxy goes no further.
const PROXYS: [&str; 3] = ["HTTP/1.1\r\n\r\nHOST", "Upgrade: h2c", "Upgrade: websocket"];

/// A request line, and the headers behind the Host header; HOST stands for the destination's authority.
const LINES: [&str; 61] = [
    // The path leaves `/a` in some server's reading.
    "GET /evil",
    "GET /",
    "GET /a/../evil",
    "GET /a/./../evil",
    "GET /a/..",
    "GET /a/%2e%2e/evil",
    "GET /a/%2E%2E/evil",
    "GET /a/.%2e/evil",
    "GET /a/%2e./evil",
    "GET /a/..%2fevil",
    "GET /a/..%2Fevil",
    "GET /a/%2e%2e%2fevil",
    "GET /a/..%5cevil",
    "GET /a/%2e%2e%5cevil",
    "GET /a/..\\evil",
    "GET /a\\..\\evil",
    "GET \\a\\evil",
    "GET /a/..;/evil",
    "GET /a/..;a=b/evil",
    "GET /a/%2e%2e;/evil",
    "GET /a/..%3b/evil",
    "GET /a;/../evil",
    "GET /a/%252e%252e/evil",
    "GET /a/%25%32%65%25%32%65/evil",
    "GET /a/..%252fevil",
    "GET /a/%c0%ae%c0%ae/evil",
    "GET /a/%e0%80%ae%e0%80%ae/evil",
    "GET /a/..%c0%afevil",
    "GET /a/%c1%a4eep/evil",
    "GET /a/..%00/evil",
    "GET /a/..%0d%0a/evil",
    "GET /a/%2/evil",
    "GET /a/%u002e%u002e/evil",
    "GET //evil",
    "GET ///evil",
    "GET /a//../evil",
    "GET /a%2f%2fevil",
    "GET /.//evil",
    "GET /a/..#/evil",
    "GET /a#/../evil",
    "GET /A/evil",
    // The path enters `/a/deep`, which is denied.
    "GET /a/deep/evil",
    "GET /a/%64eep/evil",
    "GET /a/de%65p/evil",
    "GET /a/deep%2fevil",
    "GET /a/deep%5Cevil",
    "GET /a/deep;v=1/evil",
    "GET /a/x;/../deep/evil",
    "GET /a/./deep/evil",
    "GET /a//deep/evil",
    "GET /a/%2e/deep/evil",
    "GET /a%2fdeep%2fevil",
    // The query is the denied one in some server's reading.
    "GET /a/x?key=evil",
    "GET /a/x?key=ok&key=evil",
    "GET /a/x?key=evil&key=ok",
    "GET /a/x?%6bey=%65vil",
    "GET /a/x?a=b;key=evil",
    "GET /a/x?key=%zzevil",
    // The method is another to some.
    "get /a/x",
    "DELETE /a/x",
    "GET\u{b}/evil /a/x",
];

/// Heads whose framing or destination is in doubt. The first line is complete; HOST is the usual Host header.
const HEADS: [&str; 61] = [
    "POST /a/x HTTP/1.1\r\nHOST\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nContent-Length: 5\r\nContent-Length: 5\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nContent-Length: 5, 5\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nContent-Length: 5\r\ncontent-length: 0\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nContent-Length: +5\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nContent-Length: -1\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nContent-Length: 05\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nContent-Length: 0x5\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nContent-Length: 5 5\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nContent-Length: 5e1\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nContent-Length:\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nContent-Length: 99999999999999999999\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nContent-Length : 5\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\n Content-Length: 5\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nContent_Length: 5\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nTransfer-Encoding: xchunked\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nTransfer-Encoding: chunked, identity\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nTransfer-Encoding: identity, chunked\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nTransfer-Encoding: gzip, chunked\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nTransfer-Encoding: \"chunked\"\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nTransfer-Encoding:\u{b}chunked\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nTransfer-Encoding\u{0}: chunked\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nTransfer-Encoding : chunked\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nTransfer-Encoding:\r\n chunked\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nX: y\nTransfer-Encoding: chunked\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nX: y\rTransfer-Encoding: chunked\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nX: y\r\r\nTransfer-Encoding: chunked\r\n",
    "POST /a/x HTTP/1.0\r\nHOST\r\nTransfer-Encoding: chunked\r\n",
    "GET /a/x HTTP/1.1\nHOST\n",
    "GET /a/x HTTP/1.1\r\nHOST\r\nX: y\r\n z\r\n",
    "GET /a/x HTTP/1.1\r\n\r\nHOST\r\n",
    "GET /a/x HTTP/1.1\r\nHost: evil.example\r\n",
    "GET /a/x HTTP/1.1\r\nHOST\r\nHost: evil.example\r\n",
    "GET /a/x HTTP/1.1\r\nHost: evil.example\r\nHOST\r\n",
    "GET /a/x HTTP/1.1\r\nHOST, evil.example\r\n",
    "GET /a/x HTTP/1.1\r\nHost: evil@web.example\r\n",
    "GET http://evil.example/a/x HTTP/1.1\r\nHOST\r\n",
    "GET https://evil.example/a/x HTTP/1.1\r\nHOST\r\n",
    "GET evil.example/a/x HTTP/1.1\r\nHOST\r\n",
    "GET @evil.example/a/x HTTP/1.1\r\nHOST\r\n",
    "GET /a/x\r\n",
    "GET /a/x HTTP/0.9\r\nHOST\r\n",
    "GET /a/x HTTP/2.0\r\nHOST\r\n",
    "GET /a/x HTTP/1.1 evil\r\nHOST\r\n",
    "GET /a/x HTTP/1.1\r\nHOST\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n",
    "GET /a/x HTTP/1.1\r\nHOST\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 0\r\n",
    "GET /a/x HTTP/1.1\r\nHOST\r\nConnection: content-length\r\nContent-Length: 5\r\n",
    "GET /a/x HTTP/1.1\r\nHOST\r\nX-Http-Method-Override: DELETE\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nX-HTTP-Method: DELETE\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nX_Method_Override: DELETE\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nX-Original-URL: /evil\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nX-Rewrite-URL: /evil\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nTransfer_Encoding: chunked\r\n",
    "POST /a/x HTTP/1.1\r\nHOST\r\nContent_Length: 5\r\n",
    "GET /a/x HTTP/1.1\r\nHOST\r\nContent-Length: 0\r\nTransfer_Encoding: chunked\r\n",
    "GET /a/x HTTP/1.1\r\nHOST\r\nConnection: authorization\r\nAuthorization: x\r\n",
    "GET /a/x HTTP/1.1\r\nHOST\r\nConnection: close, Host\r\n",
];

type Ca = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Ca {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    Ca::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A server that keeps every byte, and answers once for each empty line.
fn origin(tls: Option<Arc<ServerConfig>>) -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind((OUTSIDE, 0)).unwrap();
    let (port, got) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<u8>>>::default());
    let kept = Arc::clone(&got);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (kept, tls) = (Arc::clone(&kept), tls.clone());
            std::thread::spawn(move || match tls {
                None => keep(stream, &kept),
                Some(tls) => keep(StreamOwned::new(ServerConnection::new(tls).unwrap(), stream), &kept),
            });
        }
    });
    (port, got)
}

fn keep(mut stream: impl Read + Write, kept: &Mutex<Vec<u8>>) {
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut bytes) {
        kept.lock().unwrap().extend_from_slice(&bytes[..length]);
        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
            return;
        }
    }
}

fn rules(port: u16) -> Conjunction {
    let to = |host: &str| Rule::to(policy::Target::parse(&format!("{host}:{port}")).unwrap());
    let paths = |text: &str| vec![PathPattern::parse(text).unwrap()];
    let fields = |name: &str, value: &str| [(name.to_owned(), ValuePattern::parse(value).unwrap())].into();
    let http = |host: &str| Rule { protocol: Protocol::Http, ..to(host) };
    let mut policy = Policy { name: "test".into(), ..Policy::default() };
    let methods = ["GET", "POST"].map(|name| Method::parse(name).unwrap()).to_vec();
    policy.network.allow =
        vec![Rule { methods, paths: paths("/a/**"), ..http("web.example") }, to(&OUTSIDE.to_string())];
    policy.network.deny = vec![
        Rule { paths: paths("/a/deep/**"), ..http("web.example") },
        Rule { query: fields("key", "evil"), ..http("web.example") },
        Rule { headers: fields("x-http-method-override", "*"), ..http("web.example") },
    ];
    Conjunction::new(vec![policy])
}

/// Says this, and gives what comes back.
fn say(cell: &Cell, way: Way, port: u16, trusts: &CertificateDer<'static>, said: String) -> String {
    let trusts = trusts.clone();
    cell.inside(move || {
        let to: SocketAddr = match way.by {
            By::Door => (address("web.example."), port).into(),
            By::Tunnel | By::Url => (address("proxy.bastide."), 3128).into(),
        };
        let mut stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        if way.by == By::Tunnel {
            stream.write_all(format!("CONNECT web.example:{port} HTTP/1.1\r\n\r\n").as_bytes()).unwrap();
            stream.read_exact(&mut [0; 39]).unwrap();
        }
        if !way.tls {
            return converse(stream, &said);
        }
        let mut roots = RootCertStore::empty();
        roots.add(trusts).unwrap();
        let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
        let name = ServerName::try_from("web.example").unwrap();
        converse(StreamOwned::new(ClientConnection::new(config, name).unwrap(), stream), &said)
    })
}

fn converse(mut stream: impl Read + Write, said: &str) -> String {
    let mut got = Vec::new();
    if stream.write_all(said.as_bytes()).is_ok() {
        let _ = stream.read_to_end(&mut got);
    }
    String::from_utf8_lossy(&got).into_owned()
}

#[test]
fn no_evasion_reaches_a_server_by_any_way() {
    for way in WAYS {
        let (cells, servers) = (authority("cell"), authority("servers"));
        let key = KeyPair::generate().unwrap();
        let signed = CertificateParams::new(vec!["web.example".to_owned()]).unwrap().signed_by(&key, &servers).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![signed.der().clone()], key).unwrap();
        let cell = Cell::new();
        let (port, got) = origin(way.tls.then(|| Arc::new(config)));
        let mut leased = lease(&[]);
        leased.policy = rules(port);
        let (key, roots) = (cells.key().serialize_pem(), servers.pem());
        leased.tls = Some(wire::Tls { name: "cell".into(), key, roots });
        let _gate = cell.start(&leased, ORDINARY).ready();
        let host = format!("Host: web.example:{port}");
        let lines = LINES.iter().map(|line| format!("{line} HTTP/1.1\r\nHOST\r\n"));
        let heads = lines.chain(HEADS.iter().map(|head| (*head).to_owned()));
        let mut cases = 0;
        // Where the target is a path, it stands behind its destination.
        let target = |head: &str| match head.split_once(" /") {
            Some((method, rest)) if way.by == By::Url && !method.contains(' ') => {
                format!("{method} http://web.example:{port}/{rest}")
            }
            _ => head.to_owned(),
        };
        for head in heads {
            if way.by == By::Url && PROXYS.iter().any(|one| head.contains(one)) {
                cases += 1;
                continue;
            }
            let head = target(&head);
            let said = format!("{}\r\n0\r\n\r\nGET /evil HTTP/1.1\r\n{host}\r\n\r\n", head.replace("HOST", &host));
            let answer = say(&cell, way, port, cells.der(), said);
            let reached = String::from_utf8_lossy(&got.lock().unwrap()).into_owned();
            assert!(reached.is_empty(), "{way:?} {head:?}: {reached:?}");
            let refused = answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 403");
            assert!(refused, "{way:?} {head:?}: {answer:?}");
            cases += 1;
        }
        assert_eq!(cases, LINES.len() + HEADS.len());
        // The way is open for what is allowed, or nothing was shown.
        let good = target(&format!("GET /a/x?key=ok HTTP/1.1\r\n{host}\r\nConnection: close\r\n\r\n"));
        assert!(say(&cell, way, port, cells.der(), good).starts_with("HTTP/1.1 200"), "{way:?}");
        assert!(String::from_utf8_lossy(&got.lock().unwrap()).starts_with("GET /a/x?key=ok HTTP/1.1\r\n"));
    }
}
