//! Tokens that are derived from a secret at an OAuth endpoint. The plane speaks to no network: a gate without a cell does,
//! which is told the endpoint and the secret, and answers a token.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use policy::{Host, HostPattern, Target};
use vault::{Entry, Value, Vault};
use wire::command::{Derives, Grant, Problem, SecretText};
use wire::{Proxy, TokenAnswer, TokenRequest};
use zeroize::Zeroizing;

use super::gates::Gates;
use super::{host, roots};
use crate::problem::{NOT_RUN, problem, quoted};

/// How long a broker may take: more than it gives its endpoint.
const PATIENCE: Duration = Duration::from_secs(40);

/// How a broker reaches its endpoint.
#[derive(Debug, Clone, Default)]
pub(crate) struct Way {
    /// The operator's own certificates.
    pub(crate) roots: Option<String>,
    /// The proxy that connections go through.
    pub(crate) proxy: Option<Proxy>,
    /// Where brokers come from. None where nothing is lent.
    pub(crate) gates: Option<Gates>,
}

/// A token, and for how many seconds it holds.
pub(super) struct Derived {
    pub(super) value: Value,
    pub(super) expires: Option<u64>,
}

/// Derives one. What the endpoint gives in the secret's place is kept in the vault before the token is used.
///
/// # Errors
/// When there is none, or what takes the secret's place cannot be kept.
pub(super) fn token(way: &Way, vault: &Vault, entry: &Entry, derives: &Derives) -> Result<Derived, Problem> {
    let failed = |cause: String| {
        let cause = format!("no token can be derived from `{}`: {cause}", entry.name());
        let hint = format!("log in anew where it was issued, then `bastide vault set {} …`", entry.name());
        problem("E-PLANE-089", cause, &hint, NOT_RUN)
    };
    let request = request(way, entry, derives).map_err(failed)?;
    match ask(way, &request).map_err(|error| failed(error.to_string()))? {
        TokenAnswer::Failed { why } => Err(failed(quoted(&why))),
        TokenAnswer::Token { access, refresh, expires } => {
            if let Some(refresh) = refresh.filter(|refresh| refresh.expose() != entry.value().expose()) {
                let renewed = Value::parse(&refresh).map_err(|error| failed(error.to_string()))?;
                vault.set(&entry.renewed(renewed)).map_err(|error| failed(error.to_string()))?;
            }
            let value = Value::parse(&access).map_err(|error| failed(error.to_string()))?;
            Ok(Derived { value, expires })
        }
    }
}

fn request(way: &Way, entry: &Entry, derives: &Derives) -> Result<TokenRequest, String> {
    let (tls, to, path) = endpoint(&derives.url).ok_or("its endpoint is no `https://HOST[:PORT]/PATH`")?;
    let text = |text: &str| SecretText::from(text.to_owned());
    let secret = text(entry.value().expose());
    let (grant, named) = match derives.grant {
        Grant::Refresh => ("refresh_token", "refresh_token"),
        Grant::Client => ("client_credentials", "client_secret"),
    };
    let mut fields = vec![("grant_type", text(grant)), (named, secret), ("client_id", text(&derives.client))];
    fields.extend(derives.scope.as_deref().map(|scope| ("scope", text(scope))));
    Ok(TokenRequest {
        version: wire::VERSION,
        to,
        tls,
        path,
        fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        json: derives.json,
        roots: roots::trusted(way.roots.as_deref()).map_err(|problem| problem.cause)?,
        nameservers: host::nameservers(),
        hosts: host::hosts(),
        upstream_proxy: way.proxy.clone(),
    })
}

/// Whether it is within TLS, where, and the path.
fn endpoint(url: &str) -> Option<(bool, Target, String)> {
    let (tls, rest) = match url.split_once("://")? {
        ("https", rest) => (true, rest),
        ("http", rest) => (false, rest),
        _ => return None,
    };
    let (authority, path) = rest.split_at(rest.find('/')?);
    let (host, port) = Host::parse_with_port(authority).ok()?;
    let host = match host {
        Host::Name(name) => HostPattern::Exact(name),
        Host::Address(address) => HostPattern::Address(address),
    };
    let port = Some(port.unwrap_or(if tls { 443 } else { 80 }));
    Some((tls, Target { host, port }, path.to_owned()))
}

fn ask(way: &Way, request: &TokenRequest) -> io::Result<TokenAnswer> {
    let gates = way.gates.as_ref().ok_or_else(|| io::Error::other("there is no program for a broker"))?;
    let (mut ours, theirs) = UnixStream::pair()?;
    ours.set_read_timeout(Some(PATIENCE))?;
    let mut child = gates.start(theirs.into(), Some("broker"))?;
    let answered = (|| {
        ours.write_all(&Zeroizing::new(wire::encode(request).map_err(io::Error::other)?))?;
        hear(&mut ours)
    })();
    let _ = child.kill();
    let _ = child.wait();
    answered
}

fn hear(from: &mut UnixStream) -> io::Result<TokenAnswer> {
    let mut decoder = wire::Decoder::new();
    let mut bytes = Zeroizing::new([0; 16 * 1024]);
    loop {
        let length = from.read(&mut *bytes)?;
        if length == 0 {
            return Err(io::Error::other("the broker ended without an answer"));
        }
        if let Some(answer) = decoder.push(&bytes[..length]).map_err(io::Error::other)?.pop() {
            return Ok(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_one_host_and_a_path() {
        let read = |url: &str| endpoint(url).map(|(tls, to, path)| format!("{tls} {to} {path}"));
        assert_eq!(read("https://auth.example/oauth/token").as_deref(), Some("true auth.example:443 /oauth/token"));
        assert_eq!(read("http://host.bastide:8080/t").as_deref(), Some("false host.bastide:8080 /t"));
        for bad in ["auth.example/token", "ftp://a/b", "https://auth.example", "https:///a", "https://a b/c"] {
            assert!(endpoint(bad).is_none(), "{bad}");
        }
    }
}
