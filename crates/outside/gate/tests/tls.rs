//! Requests within TLS: decided as outside of it, under the cell's authority, to servers that are checked.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::fake::dns::address;
use crate::fake::{Cell, Gate, ORDINARY, OUTSIDE, lease};
use policy::{Conjunction, Method, Policy, Protocol, Rule};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

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

/// A server of `name`, which answers with the request line and keeps it.
fn origin(of: &Ca, name: &str) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind((OUTSIDE, 0)).unwrap();
    let (port, got) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<String>>>::default());
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, of).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let (config, kept) = (Arc::new(config), Arc::clone(&got));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            let kept = Arc::clone(&kept);
            std::thread::spawn(move || answer(stream, &kept));
        }
    });
    (port, got)
}

fn answer(mut stream: StreamOwned<ServerConnection, TcpStream>, kept: &Mutex<Vec<String>>) {
    let mut all = Vec::new();
    loop {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => all.push(byte[0]),
            _ => return,
        }
        if all.ends_with(b"\r\n\r\n") {
            let head = String::from_utf8(std::mem::take(&mut all)).unwrap();
            let first = head.lines().next().unwrap().to_owned();
            let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{first}", first.len());
            stream.write_all(reply.as_bytes()).unwrap();
            let last = head.contains("Connection: close");
            kept.lock().unwrap().push(head);
            if last {
                stream.conn.send_close_notify();
                let _ = stream.flush();
                return;
            }
        }
    }
}

struct Scene {
    cell: Cell,
    cells: Arc<Ca>,
    servers: Arc<Ca>,
    port: u16,
    got: Arc<Mutex<Vec<String>>>,
    gate: Gate,
    leased: wire::Lease,
}

/// What passes unread to `web.example`, while a rule has requests to all of `*.example` decided.
fn passing() -> Scene {
    scene_with("web.example", true, |rule| {
        let mut policy = Policy { name: "test".into(), ..Policy::default() };
        let methods = vec![Method::parse("GET").unwrap()];
        policy.network.allow = vec![
            Rule { protocol: Protocol::Http, methods, ..rule("*.example") },
            Rule { tls: policy::Tls::Pass, ..rule("web.example") },
            rule(&OUTSIDE.to_string()),
        ];
        policy
    })
}

/// `GET` alone at `web.example`, whose server has a certificate for `named` from an authority that is trusted or not.
fn scene(named: &str, trusted: bool) -> Scene {
    scene_with(named, trusted, |rule| {
        let mut policy = Policy { name: "test".into(), ..Policy::default() };
        let methods = vec![Method::parse("GET").unwrap()];
        let read = Rule { protocol: Protocol::Http, methods, ..rule("web.example") };
        policy.network.allow = vec![read, rule(&OUTSIDE.to_string())];
        policy
    })
}

fn scene_with(named: &str, trusted: bool, policy: impl Fn(&dyn Fn(&str) -> Rule) -> Policy) -> Scene {
    let (cell, cells, servers, others) = (Cell::new(), authority("cell"), authority("servers"), authority("others"));
    let (port, got) = origin(&servers, named);
    let rule = |host: &str| Rule::to(policy::Target::parse(&format!("{host}:{port}")).unwrap());
    let policy = policy(&rule);
    let mut leased = lease(&[]);
    leased.policy = Conjunction::new(vec![policy]);
    leased.tls = Some(wire::Tls {
        name: "cell".into(),
        key: cells.key().serialize_pem(),
        roots: if trusted { servers.pem() } else { others.pem() },
    });
    let gate = cell.start(&leased, ORDINARY).ready();
    Scene { cell, cells: Arc::new(cells), servers: Arc::new(servers), port, got, gate, leased }
}

/// How a program speaks.
#[derive(Clone)]
struct Says {
    tunnel: bool,
    sni: &'static str,
    trusts: CertificateDer<'static>,
    protocols: Vec<Vec<u8>>,
}

impl Scene {
    fn usual(&self) -> Says {
        Says { tunnel: false, sni: "web.example", trusts: self.cells.der().clone(), protocols: Vec::new() }
    }

    /// What comes back within TLS, or why nothing does.
    fn say(&self, says: &Says, said: String) -> Result<String, String> {
        let (port, says) = (self.port, says.clone());
        self.cell.inside(move || {
            let to: SocketAddr = match says.tunnel {
                false => (address("web.example."), port).into(),
                true => (address("proxy.bastide."), 3128).into(),
            };
            let mut stream = TcpStream::connect(to).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            if says.tunnel {
                stream.write_all(format!("CONNECT web.example:{port} HTTP/1.1\r\n\r\n").as_bytes()).unwrap();
                stream.read_exact(&mut [0; 39]).unwrap();
            }
            let mut roots = RootCertStore::empty();
            roots.add(says.trusts).unwrap();
            let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
            let mut config = config.with_root_certificates(roots).with_no_client_auth();
            config.alpn_protocols = says.protocols;
            let name = ServerName::try_from(says.sni).unwrap();
            let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream);
            stream.write_all(said.as_bytes()).map_err(|error| error.to_string())?;
            let mut got = Vec::new();
            let end = stream.read_to_end(&mut got);
            let text = String::from_utf8(got).unwrap();
            if text.is_empty() { Err(format!("{end:?}")) } else { Ok(text) }
        })
    }
}

fn ask(method: &str, path: &str, port: u16, rest: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: web.example:{port}\r\n{rest}\r\n")
}

#[test]
fn requests_within_tls_are_decided_one_by_one() {
    for tunnel in [false, true] {
        let scene = scene("web.example", true);
        let port = scene.port;
        let says = Says { tunnel, protocols: vec![b"http/1.1".to_vec()], ..scene.usual() };
        let said = [ask("GET", "/a", port, ""), ask("GET", "/b?c", port, ""), ask("DELETE", "/a", port, "")].concat();
        let got = scene.say(&says, said).unwrap();
        let expected = ["GET /a HTTP/1.1", "GET /b?c HTTP/1.1"];
        let answers = expected.map(|line| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{line}", line.len()));
        let rest = got.strip_prefix(&answers.concat()).unwrap_or_else(|| panic!("{got}"));
        assert!(rest.starts_with("HTTP/1.1 403") && rest.contains("methods: [DELETE], paths: [\"/a\"]"), "{rest}");
        let heads = scene.got.lock().unwrap().clone();
        assert_eq!(heads.len(), 2, "{heads:?}");
        assert_eq!(heads[0], format!("GET /a HTTP/1.1\r\nHost: web.example:{port}\r\n\r\n"));
        let record = scene.cell.wait_for("\"close\"");
        assert_eq!(record.matches("\"kind\":\"connect\"").count(), 1, "{record}");
        assert_eq!(record.matches("\"kind\":\"request\"").count(), 3, "{record}");
        assert!(!record.contains("PRIVATE"), "{record}");
    }
}

#[test]
fn one_name_stands_on_every_level() {
    let scene = scene("web.example", true);
    let port = scene.port;
    let got = scene.say(&Says { sni: "other.example", ..scene.usual() }, ask("GET", "/", port, ""));
    assert!(got.is_err(), "{got:?}");
    scene.cell.wait_for("the TLS handshake names `other.example`, and the connection is to `web.example`");
    for (said, name) in [
        ("GET / HTTP/1.1\r\nHost: other.example\r\n\r\n".to_owned(), "Host header differs"),
        // Its port is that of `https` within TLS.
        ("GET / HTTP/1.1\r\nHost: web.example\r\n\r\n".to_owned(), "Host header differs"),
        (ask("GET", &format!("http://web.example:{port}/"), port, ""), "Host header differs"),
        (ask("GET", "/", port, "Upgrade: websocket\r\nConnection: Upgrade\r\n"), "another protocol"),
        (ask("GET", "/../a", port, ""), "`.` or `..`"),
    ] {
        let got = scene.say(&scene.usual(), said.clone()).unwrap();
        assert!(got.starts_with("HTTP/1.1 400") && got.contains(name), "{said}: {got}");
    }
    assert!(scene.got.lock().unwrap().is_empty());
}

#[test]
fn a_program_that_trusts_others_alone_is_told_of() {
    let scene = scene("web.example", true);
    let pinned = Says { trusts: authority("its own").der().clone(), ..scene.usual() };
    assert!(scene.say(&pinned, ask("GET", "/", scene.port, "")).is_err());
    scene.cell.wait_for("does not trust the authority of its cell");
    let newer = Says { protocols: vec![b"h3".to_vec()], ..scene.usual() };
    assert!(scene.say(&newer, ask("GET", "/", scene.port, "")).is_err());
    scene.cell.wait_for("offers neither HTTP/2 nor HTTP/1.1 within TLS");
    assert!(scene.got.lock().unwrap().is_empty());
}

#[test]
fn a_server_that_this_host_does_not_trust_is_not_spoken_to() {
    for (named, trusted) in [("web.example", false), ("other.example", true)] {
        let scene = scene(named, trusted);
        let got = scene.say(&scene.usual(), ask("GET", "/secret", scene.port, "")).unwrap();
        assert!(got.starts_with("HTTP/1.1 502") && got.contains("no TLS with `web.example`"), "{got}");
        assert!(scene.got.lock().unwrap().is_empty(), "{named}");
        assert!(scene.cell.wait_for("\"close\"").contains("no TLS with"), "{}", scene.cell.record());
    }
}

#[test]
fn tls_passes_unread_to_the_very_name_and_nothing_else_does() {
    for tunnel in [false, true] {
        let scene = passing();
        let port = scene.port;
        // The program sees the server's own certificate, and asks for what it likes.
        let own = Says { tunnel, trusts: scene.servers.der().clone(), ..scene.usual() };
        let got = scene.say(&own, ask("DELETE", "/../a", port, "Connection: close\r\n")).unwrap();
        assert!(got.ends_with("DELETE /../a HTTP/1.1"), "{got}");
        let other = Says { sni: "other.example", ..own };
        assert!(scene.say(&other, ask("GET", "/", port, "")).is_err());
        assert_eq!(scene.got.lock().unwrap().len(), 1);
    }
    let scene = passing();
    let port = scene.port;
    let plain =
        scene.cell.inside(move || crate::fake::talk((address("web.example."), port).into(), b"GET / HTTP/1.1\r\n\r\n"));
    assert!(plain.is_err() || plain.is_ok_and(|text| text.is_empty()));
    scene.cell.wait_for("nothing but TLS passes unread there");
}

/// A gate that takes over speaks under the same authority.
#[test]
fn the_authority_outlives_a_gate() {
    let mut scene = scene("web.example", true);
    let said = ask("GET", "/a", scene.port, "Connection: close\r\n");
    assert!(scene.say(&scene.usual(), said.clone()).is_ok());
    scene.gate.end();
    let mut leased = scene.leased.clone();
    leased.incarnation = 2;
    leased.segment = None;
    std::fs::remove_file(scene.cell.segment()).unwrap();
    scene.gate = scene.cell.start(&leased, ORDINARY).ready();
    assert!(scene.say(&scene.usual(), said).is_ok());
}
