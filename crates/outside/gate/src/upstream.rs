//! The proxy that the host itself must go through, by CONNECT. Its credential goes to it and nowhere else: not into
//! the cell, the record, an error or a debug line.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use policy::{Cidr, DnsName, Host};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wire::Proxy;

use crate::dial::dial;
use crate::reply;
use crate::resolver::Resolver;

/// How long the proxy may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest head of its answer.
const MAX_HEAD: usize = 8 * 1024;

/// An upstream proxy, read once.
pub struct Upstream {
    host: Host,
    port: u16,
    authorization: Option<String>,
    bypass: Vec<Bypass>,
}

/// A part of the lease's proxy that cannot be used. The credential is never quoted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// The proxy's host is none.
    #[error("`{0}` is no host: {1}")]
    Host(String, policy::HostError),
    /// The credential holds characters that would end its header.
    #[error("the proxy's authorization holds a control character")]
    Authorization,
    /// A bypass is neither name nor network.
    #[error("bypass `{0}` is no name, `.suffix`, address or network: {1}")]
    Bypass(String, policy::HostError),
}

#[derive(Debug, PartialEq, Eq)]
enum Bypass {
    All,
    Below(DnsName),
    Under(DnsName),
    Network(Cidr),
    Address(IpAddr),
}

impl fmt::Debug for Upstream {
    /// Without the credential.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Upstream({}:{})", self.host, self.port)
    }
}

impl Upstream {
    /// Reads the lease's words.
    ///
    /// # Errors
    /// [`UpstreamError`] naming the word that cannot be used.
    pub fn new(proxy: &Proxy) -> Result<Upstream, UpstreamError> {
        let host = Host::parse(&proxy.host).map_err(|error| UpstreamError::Host(proxy.host.clone(), error))?;
        let authorization = proxy.authorization.clone();
        if authorization.as_ref().is_some_and(|value| value.bytes().any(|byte| byte.is_ascii_control())) {
            return Err(UpstreamError::Authorization);
        }
        let bypass = proxy.bypass.iter().map(|text| Bypass::parse(text)).collect::<Result<_, _>>()?;
        Ok(Upstream { host, port: proxy.port, authorization, bypass })
    }

    /// Whether this destination is reached through the proxy. The host's own loopback never is.
    #[must_use]
    pub fn takes(&self, host: &Host) -> bool {
        let own = match host {
            Host::Name(name) => name.is_host_bastide(),
            Host::Address(address) => address.is_loopback(),
        };
        !own && !self.bypass.iter().any(|bypass| bypass.covers(host))
    }

    /// A connection to the destination through the proxy.
    ///
    /// # Errors
    /// One line on what failed.
    pub async fn open(&self, resolver: &Resolver, host: &Host, port: u16) -> Result<TcpStream, String> {
        let addresses = match &self.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => resolver.lookup(name).await.map_err(|error| format!("the upstream proxy: {error}"))?,
        };
        let (mut stream, _) = dial(&addresses, self.port).await.map_err(|why| format!("the upstream proxy: {why}"))?;
        match timeout(PATIENCE, self.connect(&mut stream, host, port)).await {
            Ok(Ok(200..=299)) => Ok(stream),
            Ok(Ok(status)) => Err(format!("the upstream proxy answered {status}")),
            Ok(Err(error)) => Err(format!("the upstream proxy: {error}")),
            Err(_) => Err("the upstream proxy does not answer".into()),
        }
    }

    async fn connect(&self, stream: &mut TcpStream, host: &Host, port: u16) -> std::io::Result<u16> {
        let mut head = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
        if let Some(authorization) = &self.authorization {
            head.push_str("Proxy-Authorization: ");
            head.push_str(authorization);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await?;
        let answer = read_head(stream).await?;
        reply::status(&answer).ok_or_else(|| std::io::ErrorKind::InvalidData.into())
    }
}

/// Reads up to the empty line and not a byte further: what follows is the destination's.
async fn read_head(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut ahead = [0; 1024];
    while head.len() < MAX_HEAD {
        let seen = stream.peek(&mut ahead).await?;
        if seen == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let old = head.len();
        head.extend_from_slice(&ahead[..seen]);
        let end = reply::end(&head, old);
        let taken = end.unwrap_or(head.len()) - old;
        stream.read_exact(&mut ahead[..taken]).await?;
        if let Some(end) = end {
            head.truncate(end);
            return Ok(head);
        }
    }
    Err(std::io::ErrorKind::InvalidData.into())
}

impl Bypass {
    fn parse(text: &str) -> Result<Bypass, UpstreamError> {
        let failed = |error| UpstreamError::Bypass(text.into(), error);
        if text == "*" {
            return Ok(Bypass::All);
        }
        if text.contains('/') {
            return Cidr::parse(text).map(Bypass::Network).map_err(failed);
        }
        if let Some(suffix) = text.strip_prefix("*.").or_else(|| text.strip_prefix('.')) {
            return DnsName::parse(suffix).map(Bypass::Below).map_err(failed);
        }
        Ok(match Host::parse(text).map_err(failed)? {
            Host::Name(name) => Bypass::Under(name),
            Host::Address(address) => Bypass::Address(address),
        })
    }

    /// A plain name covers what is below it too, as in every program that reads NO_PROXY.
    fn covers(&self, host: &Host) -> bool {
        let below = |name: &DnsName, zone: &DnsName| {
            name.as_str().strip_suffix(zone.as_str()).is_some_and(|rest| rest.ends_with('.'))
        };
        match (self, host) {
            (Bypass::All, _) => true,
            (Bypass::Below(zone), Host::Name(name)) => below(name, zone),
            (Bypass::Under(zone), Host::Name(name)) => name == zone || below(name, zone),
            (Bypass::Network(network), Host::Address(address)) => network.contains(*address),
            (Bypass::Address(one), Host::Address(address)) => one == address,
            _ => false,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn upstream(bypass: &[&str]) -> Upstream {
        let bypass = bypass.iter().map(ToString::to_string).collect();
        let authorization = Some("Basic c2VjcmV0".into());
        Upstream::new(&Proxy { host: "proxy.corp".into(), port: 8080, authorization, bypass }).unwrap()
    }

    #[test]
    fn what_is_bypassed_and_the_hosts_loopback_go_direct() {
        let upstream = upstream(&["corp.example", ".only.below", "10.0.0.0/8", "192.0.2.1"]);
        let takes = |text: &str| upstream.takes(&Host::parse(text).unwrap());
        for text in ["corp.example", "a.corp.example", "x.only.below", "10.1.2.3", "192.0.2.1", "host.bastide", "::1"] {
            assert!(!takes(text), "{text}");
        }
        for text in ["notcorp.example", "only.below", "11.1.2.3", "192.0.2.2", "example.org"] {
            assert!(takes(text), "{text}");
        }
        assert!(!super::tests::upstream(&["*"]).takes(&Host::parse("example.org").unwrap()));
    }

    #[test]
    fn the_credential_is_in_no_debug_line_and_no_error() {
        let text = format!("{:?}", upstream(&[]));
        assert!(!text.contains("c2VjcmV0"), "{text}");
        let authorization = Some("Basic c2Vj\r\nX: y".to_owned());
        let proxy = Proxy { host: "proxy.corp".into(), port: 1, authorization, bypass: Vec::new() };
        let error = Upstream::new(&proxy).unwrap_err();
        assert_eq!(error, UpstreamError::Authorization);
        assert!(!error.to_string().contains("c2Vj"));
    }
}
