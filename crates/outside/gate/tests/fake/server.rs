//! A server of whole requests, within TLS or without, and a program that says them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::dns::address;
use super::{Cell, Elsewhere, OUTSIDE, PUBLIC};

pub type Ca = CertifiedIssuer<'static, KeyPair>;
pub type Handler = fn(&str, &[u8]) -> Vec<u8>;

pub fn authority(name: &str) -> Ca {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    Ca::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A certificate for these names.
pub fn params(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
}

/// What a server shows that has such a certificate of this authority.
pub fn certified(of: &Ca, params: CertificateParams) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    shows(&params.signed_by(&key, of).unwrap(), &key)
}

/// What a server shows that has this certificate.
pub fn shows(certificate: &Certificate, key: &KeyPair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    Arc::new(config)
}

/// The head and the body of a request.
pub type Got = (String, Vec<u8>);

/// It keeps what it was sent, and answers what its handler says.
pub struct Server {
    pub port: u16,
    pub got: Arc<Mutex<Vec<Got>>>,
}

impl Server {
    pub fn plain(handler: Handler) -> Server {
        Server::with(None, handler)
    }

    pub fn tls(of: &Ca, names: &[&str], handler: Handler) -> Server {
        Server::with(Some(certified(of, params(names))), handler)
    }

    /// On another host.
    pub fn at(elsewhere: Elsewhere, handler: Handler) -> Server {
        let listener = elsewhere.does(|| TcpListener::bind((PUBLIC, 0)).unwrap());
        Server::on(listener, None, handler)
    }

    fn with(config: Option<Arc<ServerConfig>>, handler: Handler) -> Server {
        Server::on(TcpListener::bind((OUTSIDE, 0)).unwrap(), config, handler)
    }

    fn on(listener: TcpListener, config: Option<Arc<ServerConfig>>, handler: Handler) -> Server {
        let (port, got) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<Got>>>::default());
        let kept = Arc::clone(&got);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, kept) = (config.clone(), Arc::clone(&kept));
                std::thread::spawn(move || match config {
                    Some(config) => {
                        let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
                        serve(&mut stream, &kept, handler);
                        stream.conn.send_close_notify();
                        let _ = stream.flush();
                    }
                    None => serve(&mut { stream }, &kept, handler),
                });
            }
        });
        Server { port, got }
    }

    /// Heads and bodies that came so far.
    pub fn got(&self) -> Vec<(String, String)> {
        let got = self.got.lock().unwrap();
        got.iter().map(|(head, body)| (head.clone(), String::from_utf8_lossy(body).into_owned())).collect()
    }
}

fn serve(stream: &mut (impl Read + Write), kept: &Mutex<Vec<Got>>, handler: Handler) {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body).unwrap();
        let answer = handler(&head, &body);
        let last = head.contains("Connection: close");
        kept.lock().unwrap().push((head, body));
        if stream.write_all(&answer).is_err() || last {
            return;
        }
    }
}

/// An answer with a length.
pub fn ok(kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// What comes back to a program that says this to `host`, within TLS under the authority `trusts` or without.
pub fn say(cell: &Cell, trusts: Option<&Ca>, host: &str, port: u16, said: &[u8]) -> Result<String, String> {
    let (said, host) = (said.to_vec(), host.to_owned());
    let trusts = trusts.map(|ca| ca.der().clone());
    cell.inside(move || {
        let to: SocketAddr = (address(&format!("{host}.")), port).into();
        let mut stream = TcpStream::connect(to).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut got = Vec::new();
        let end = match trusts {
            None => {
                stream.write_all(&said).map_err(|error| error.to_string())?;
                stream.read_to_end(&mut got)
            }
            Some(trusts) => {
                let mut roots = RootCertStore::empty();
                roots.add(trusts).unwrap();
                let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
                let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
                let name = ServerName::try_from(host).unwrap();
                let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream);
                stream.write_all(&said).map_err(|error| error.to_string())?;
                stream.read_to_end(&mut got)
            }
        };
        let text = String::from_utf8_lossy(&got).into_owned();
        if text.is_empty() { Err(format!("{end:?}")) } else { Ok(text) }
    })
}

/// A request that is the last on its connection.
pub fn request(method: &str, host: &str, port: u16, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let start = format!("{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n");
    format!("{start}{headers}{length}\r\n{body}").into_bytes()
}
