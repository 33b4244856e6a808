//! TLS where requests are decided: the program speaks to this gate under the cell's own authority, and the gate to the
//! destination as any client does. One name on every level: the name that was looked up, the one that the handshake
//! names, and the request's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use policy::Host;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::{Acceptor, NoServerSessionStorage};
use rustls::{AlertDescription, CipherSuite, ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{LazyConfigAcceptor, TlsConnector, client, server};

use crate::asked::Asked;
use crate::petition;

/// The protocol that is spoken to destinations.
const PROTOCOL: &[u8] = b"http/1.1";
/// The one that programs are offered first, as by most servers: some make few connections and say all on them.
const NEWER: &[u8] = b"h2";
/// Hosts whose certificates are kept ready.
const READY: usize = 1024;
/// How long a certificate holds before and after it was made: clocks differ.
const BEFORE: time::Duration = time::Duration::days(2);
const AFTER: time::Duration = time::Duration::days(90);

/// The cell's authority, and what this host trusts.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Of every certificate: what tells them apart is the name.
    key: KeyPair,
    provider: Arc<CryptoProvider>,
    ready: RefCell<HashMap<Host, Arc<ServerConfig>>>,
    outside: TlsConnector,
    /// The same where HTTP/2 is needed.
    newer: TlsConnector,
}

impl std::fmt::Debug for Authority {
    /// Without the keys.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Authority")
    }
}

/// Why there is no TLS with a program.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The handshake names another host than the one that was looked up, or none.
    #[error("the TLS handshake names `{named}`, and the connection is to `{host}`")]
    OtherName {
        /// The name in the handshake.
        named: String,
        /// The destination.
        host: Host,
    },
    /// The program does not take the authority of its cell.
    #[error(
        "the program does not trust the authority of its cell ({0:?}): it has certificates of its own, or expects one \
         certificate; let it pass unread by a rule of its own, or set the variable that names its certificates"
    )]
    Untrusted(AlertDescription),
    /// The program offers protocols that are not read.
    #[error("the program offers neither HTTP/2 nor HTTP/1.1 within TLS")]
    Protocol,
    /// It does not go on.
    #[error("the TLS handshake was not whole in time")]
    Slow,
    /// Anything else.
    #[error("the TLS handshake failed: {0}")]
    Failed(String),
}

impl Authority {
    /// Takes the authority out of a lease.
    ///
    /// # Errors
    /// When its key cannot be read.
    pub fn new(lease: &wire::Tls) -> Result<Authority, String> {
        let key = KeyPair::from_pem(&lease.key).map_err(|error| error.to_string())?;
        let issuer = Issuer::new(authority(&lease.name), key);
        let provider = Arc::new(provider());
        let outside = connector(&provider, &lease.roots)?;
        let newer = with(&outside, NEWER);
        let key = KeyPair::generate().map_err(|error| error.to_string())?;
        Ok(Authority { issuer, key, provider, ready: RefCell::default(), outside, newer })
    }

    /// Speaks TLS with a program that connected to this host.
    ///
    /// # Errors
    /// [`Refused`].
    pub(crate) async fn accept<S>(&self, inside: S, host: &Host) -> Result<server::TlsStream<S>, Refused>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let begun = LazyConfigAcceptor::new(Acceptor::default(), inside).await.map_err(|error| refused(&error))?;
        let named = begun.client_hello().server_name().map(str::to_owned).unwrap_or_default();
        let same = match host {
            Host::Name(name) => Host::parse(&named).is_ok_and(|other| other == Host::Name(name.clone())),
            // An address is never named in a handshake.
            Host::Address(_) => named.is_empty(),
        };
        if !same {
            return Err(Refused::OtherName { named, host: host.clone() });
        }
        let config = self.ready(host).map_err(Refused::Failed)?;
        begun.into_stream(config).await.map_err(|error| refused(&error))
    }

    /// Speaks TLS with a destination, whose certificate is checked as this host checks any.
    ///
    /// # Errors
    /// Why not, in words.
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
        asked: &Asked,
    ) -> Result<client::TlsStream<TcpStream>, String> {
        let newer = asked.is_newer();
        let stream = connect(if newer { &self.newer } else { &self.outside }, stream, &asked.host).await?;
        if newer && stream.get_ref().1.alpn_protocol() != Some(NEWER) {
            return Err("it does not speak HTTP/2, which gRPC needs".into());
        }
        Ok(stream)
    }

    /// What a program that connects to this host is shown.
    fn ready(&self, host: &Host) -> Result<Arc<ServerConfig>, String> {
        if let Some(config) = self.ready.borrow().get(host) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.make(host)?);
        let mut ready = self.ready.borrow_mut();
        if ready.len() >= READY {
            ready.clear();
        }
        ready.insert(host.clone(), Arc::clone(&config));
        Ok(config)
    }

    fn make(&self, host: &Host) -> Result<ServerConfig, String> {
        let name = match host {
            Host::Name(name) => name.as_str().to_owned(),
            Host::Address(address) => address.to_canonical().to_string(),
        };
        let mut params = CertificateParams::new(vec![name]).map_err(|error| error.to_string())?;
        let now = time::OffsetDateTime::now_utc();
        (params.not_before, params.not_after) = (now - BEFORE, now + AFTER);
        params.distinguished_name = DistinguishedName::new();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&self.key, &self.issuer).map_err(|error| error.to_string())?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(text)?.with_no_client_auth();
        let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).map_err(text)?;
        config.ignore_client_order = true;
        config.alpn_protocols = vec![NEWER.to_vec(), PROTOCOL.to_vec()];
        if *host == petition::own() {
            // All that is ever said there is one refusal, in HTTP/1.1.
            config.alpn_protocols = vec![PROTOCOL.to_vec()];
        }
        // A cell could fill what is kept of its sessions, for every host: it keeps them itself, sealed by a key that is new
        // for each host and every few hours.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(text)?;
        config.send_tls13_tickets = 1;
        Ok(config)
    }
}

/// What TLS is made of. A handshake hashes thirty times: SHA-256 comes first, which processors do themselves and SHA-384 not.
fn provider() -> CryptoProvider {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    provider
}

/// Speaks TLS with a destination, by these roots and without an authority.
///
/// # Errors
/// Why not, in words.
pub(crate) async fn outside(
    roots: &str,
    stream: TcpStream,
    host: &Host,
) -> Result<client::TlsStream<TcpStream>, String> {
    let connector = connector(&Arc::new(provider()), roots)?;
    connect(&connector, stream, host).await
}

fn connector(provider: &Arc<CryptoProvider>, pem: &str) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    // Some systems' bundles hold certificates that no TLS takes: one of them is not all.
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok));
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider)).with_safe_default_protocol_versions();
    let mut outside = builder.map_err(text)?.with_root_certificates(roots).with_no_client_auth();
    outside.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(TlsConnector::from(Arc::new(outside)))
}

/// The same for another protocol.
fn with(connector: &TlsConnector, protocol: &[u8]) -> TlsConnector {
    let mut config = ClientConfig::clone(connector.config());
    config.alpn_protocols = vec![protocol.to_vec()];
    TlsConnector::from(Arc::new(config))
}

async fn connect(
    connector: &TlsConnector,
    stream: TcpStream,
    host: &Host,
) -> Result<client::TlsStream<TcpStream>, String> {
    let name = match host {
        Host::Name(name) => ServerName::try_from(name.as_str().to_owned()).map_err(|error| error.to_string())?,
        Host::Address(address) => ServerName::from(*address),
    };
    connector.connect(name, stream).await.map_err(|error| error.to_string())
}

/// Whether a program chose HTTP/2.
pub(crate) fn is_newer<S>(inside: &server::TlsStream<S>) -> bool {
    inside.get_ref().1.alpn_protocol() == Some(NEWER)
}

/// Longest beginning of a connection in which a handshake names its host.
const HELLO: usize = 64 * 1024;

/// Passes the beginning of a connection on, if it is a TLS handshake that names this host. `first` came already. Gives how
/// many bytes went out.
///
/// # Errors
/// When it is none, or names another.
pub(crate) async fn pass_hello(
    inside: &mut TcpStream,
    outside: &mut TcpStream,
    mut first: Vec<u8>,
    host: &Host,
) -> io::Result<u64> {
    let mut acceptor = Acceptor::default();
    let mut heard = 0;
    loop {
        while heard < first.len() {
            heard += acceptor.read_tls(&mut &first[heard..])?;
        }
        match acceptor.accept() {
            Ok(Some(hello)) => {
                let named = hello.client_hello().server_name().map(str::to_owned).unwrap_or_default();
                if Host::parse(&named).is_ok_and(|named| named == *host) {
                    return outside.write_all(&first).await.map(|()| first.len() as u64);
                }
                return Err(io::Error::other(Refused::OtherName { named, host: host.clone() }.to_string()));
            }
            Ok(None) if first.len() < HELLO => {}
            _ => return Err(io::Error::other("nothing but TLS passes unread there, and this is none")),
        }
        first.reserve(1024);
        if inside.read_buf(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// What signs is known by its name and key alone; the certificate itself is in the cell.
fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn refused(error: &io::Error) -> Refused {
    use AlertDescription::{BadCertificate, CertificateUnknown, DecryptError, UnknownCA, UnsupportedCertificate};
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(
            alert @ (BadCertificate | CertificateUnknown | DecryptError | UnknownCA | UnsupportedCertificate),
        )) => Refused::Untrusted(*alert),
        Some(rustls::Error::NoApplicationProtocol) => Refused::Protocol,
        _ => Refused::Failed(error.to_string()),
    }
}
