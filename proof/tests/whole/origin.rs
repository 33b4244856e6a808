//! A server outside, within TLS, with its own authority. What it kept tells what reached it, whatever clients say.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{Operator, Ran};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    /// Every value of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// What it answers, whole: head and body.
pub type Answer = Box<dyn Fn(&Asked) -> Vec<u8> + Send + Sync>;

pub struct Origin {
    /// `host.bastide:PORT`.
    pub place: String,
    /// Its authority.
    pub roots: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Origin {
    pub fn new(answer: Answer) -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let place = format!("host.bastide:{}", listener.local_addr().expect("an address").port());
        let (roots, config) = company();
        let (asked, answer) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::new(answer));
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
                std::thread::spawn(move || serve(StreamOwned::new(session, stream), &kept, &answer));
            }
        });
        Origin { place, roots, asked }
    }

    /// What reached it so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("kept").clone()
    }
}

/// One request after the other, as long as the client wants.
fn serve(stream: impl Read + Write, kept: &Mutex<Vec<Asked>>, answer: &Answer) {
    let mut reader = BufReader::new(stream);
    while let Some(asked) = read(&mut reader) {
        kept.lock().expect("kept").push(asked.clone());
        let said = answer(&asked);
        let last = String::from_utf8_lossy(&said).contains("\r\nConnection: close\r\n");
        let written = reader.get_mut().write_all(&said).and_then(|()| reader.get_mut().flush());
        if written.is_err() || last {
            return;
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Asked> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(2) if line == "\r\n" => break,
            Ok(length) if length > 0 => lines.push(line.trim_end().to_owned()),
            _ => return None,
        }
    }
    let mut words = lines.first()?.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let headers = lines[1..].iter().filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let mut asked = Asked { method, target, headers, body: Vec::new() };
    let length = asked.all("content-length").first().map_or(0, |length| length.parse().expect("a length"));
    asked.body = vec![0; length];
    reader.read_exact(&mut asked.body).ok()?;
    Some(asked)
}

/// An answer with these lines in its head, and its length.
pub fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Answers as a server of git repositories, through `git http-backend`, as a web server starts it.
pub fn git(root: &Path, asked: &Asked) -> Vec<u8> {
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let mut command = Command::new("git");
    command.arg("http-backend").env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1").env("REMOTE_USER", "x");
    command.env("PATH_INFO", path).env("QUERY_STRING", query).env("REQUEST_METHOD", &asked.method);
    for (variable, header) in [
        ("CONTENT_TYPE", "content-type"),
        ("CONTENT_LENGTH", "content-length"),
        ("HTTP_CONTENT_ENCODING", "content-encoding"),
        ("HTTP_GIT_PROTOCOL", "git-protocol"),
    ] {
        command.env(variable, asked.all(header).first().copied().unwrap_or_default());
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("git starts");
    // One that refuses closes its end before it read all.
    let _ = child.stdin.take().expect("piped").write_all(&asked.body);
    let said = child.wait_with_output().expect("ends").stdout;
    let end = said.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&said[..end]).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
    answer(&status, &format!("{head}\r\n"), &said[end + 4..])
}

/// An authority, and what a server shows that it vouches for: a certificate and its key. All as PEM.
pub fn vouched() -> [String; 3] {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["host.bastide".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &ca).expect("signed");
    [ca.pem(), certificate.pem(), key.serialize_pem()]
}

/// An authority as PEM, and a server that it vouches for.
fn company() -> (String, Arc<ServerConfig>) {
    let [roots, certificate, key] = vouched();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).expect("a config");
    (roots, Arc::new(config))
}

/// Keeps a secret in the operator's vault.
pub fn keep(operator: &Operator, name: &str, to: &str, path: &str, value: &str) {
    let mut command = operator.command(&["vault", "set", name, "--to", to, "--path", path]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("bastide starts");
    child.stdin.take().expect("piped").write_all(value.as_bytes()).expect("taken");
    let kept = Ran::of(child.wait_with_output().expect("ends"));
    assert_eq!(kept.exit, 0, "{kept:?}");
}
