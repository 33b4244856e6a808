//! A gate without a cell: it derives one token at one endpoint, and ends. The plane itself speaks to no network.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use policy::{Conjunction, Decision, Egress, Host, HostPattern, Policy, Request, Rule, decide};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wire::command::SecretText;
use wire::{TokenAnswer, TokenRequest};
use zeroize::Zeroizing;

use crate::confine::{confine, prepare};
use crate::dial::dial;
use crate::encode::percent;
use crate::reply::{Part, Reply};
use crate::resolver::Resolver;
use crate::tls;
use crate::upstream::Upstream;

/// How long the whole of it may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest answer.
const LONGEST: usize = 256 * 1024;
/// The longest that a token is believed to hold, in seconds: a year. It is renewed then, if the session still runs.
const LONGEST_LIFE: u64 = 366 * 86_400;
/// Words that tell why there is no token: those of RFC 6749 and RFC 8628, and of the objects that others answer. Any
/// other may be what the endpoint was sent, so it is not passed on.
const WORDS: [&str; 18] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "access_denied",
    "server_error",
    "temporarily_unavailable",
    "authorization_pending",
    "slow_down",
    "expired_token",
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "rate_limit_error",
    "overloaded_error",
    "api_error",
];
/// A connection, two questions to a resolver, tokio's own, and some room.
const DESCRIPTORS: u64 = 32;

/// Takes the request on `channel`, answers it, and is done.
///
/// # Errors
/// When the channel fails, or the walls cannot be built.
pub fn run(mut channel: UnixStream) -> io::Result<()> {
    let walls = prepare().map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let request = take(&mut channel)?;
    confine(&walls, DESCRIPTORS, 1).map_err(io::Error::other)?;
    let answer = runtime.block_on(async { timeout(PATIENCE, exchange(&request)).await });
    let answer = match answer {
        Ok(Ok(token)) => token,
        Ok(Err(why)) => TokenAnswer::Failed { why },
        Err(_) => TokenAnswer::Failed { why: "the endpoint does not answer in time".into() },
    };
    let frame = Zeroizing::new(wire::encode(&answer).map_err(io::Error::other)?);
    channel.write_all(&frame)
}

fn take(channel: &mut UnixStream) -> io::Result<TokenRequest> {
    use std::io::Read;
    let mut decoder = wire::Decoder::new();
    let mut bytes = Zeroizing::new([0; 16 * 1024]);
    loop {
        let length = channel.read(&mut *bytes)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut requests: Vec<TokenRequest> = decoder.push(&bytes[..length]).map_err(io::Error::other)?;
        match requests.pop() {
            Some(request) if requests.is_empty() && request.version == wire::VERSION => return Ok(request),
            Some(_) => return Err(io::ErrorKind::InvalidData.into()),
            None => {}
        }
    }
}

async fn exchange(request: &TokenRequest) -> Result<TokenAnswer, String> {
    let (host, port, stream) = connect(request).await?;
    let said = said(request, &host, port)?;
    let (status, body) = if request.tls {
        let mut stream = tls::outside(&request.roots, stream, &host).await?;
        ask(&mut stream, &said).await
    } else {
        let mut stream = stream;
        ask(&mut stream, &said).await
    }
    .map_err(|error| format!("the endpoint's answer broke off: {error}"))?;
    read(status, &body)
}

/// A connection to the endpoint, decided as every other is: no address of a special range, whatever the name leads to.
async fn connect(request: &TokenRequest) -> Result<(Host, u16, TcpStream), String> {
    let (host, Some(port)) = (&request.to.host, request.to.port) else { return Err("the endpoint has no port".into()) };
    let host = match host {
        HostPattern::Exact(name) => Host::Name(name.clone()),
        HostPattern::Address(address) => Host::Address(*address),
        _ => return Err("the endpoint is no one host".into()),
    };
    let own = matches!(&host, Host::Name(name) if name.is_host_bastide());
    if !request.tls && !own {
        return Err("a secret goes out within TLS only".into());
    }
    let mut policy = Policy { name: "broker".into(), ..Policy::default() };
    policy.network.allow.push(Rule::to(request.to.clone()));
    let policy = Conjunction::new(vec![policy]);
    let Decision::Allow(permit) = decide(&policy, &Egress { host: &host, port, program: None, request: None }) else {
        return Err("the endpoint is no destination".into());
    };
    let resolver = Resolver::new(request.nameservers.clone(), request.hosts.clone());
    let upstream = request.upstream_proxy.as_ref().map(Upstream::new).transpose().map_err(|error| error.to_string())?;
    if let Some(upstream) = upstream.filter(|upstream| upstream.takes(&host)) {
        let stream = upstream.open(&resolver, &host, port).await?;
        return Ok((host, port, stream));
    }
    let resolved = match &host {
        Host::Address(address) => vec![*address],
        Host::Name(_) if own => Vec::new(),
        Host::Name(name) => {
            resolver.lookup(name).await.map_err(|error| format!("`{name}` cannot be looked up: {error}"))?
        }
    };
    let pinned = permit.pin(&resolved).map_err(|refusal| refusal.to_string())?;
    let (stream, _) = dial(pinned.addresses(), port).await?;
    Ok((host, port, stream))
}

/// The request as it goes out.
fn said(request: &TokenRequest, host: &Host, port: u16) -> Result<Zeroizing<Vec<u8>>, String> {
    Request::new("POST", &request.path).map_err(|error| format!("the endpoint's path: {error}"))?;
    let (kind, body) = if request.json {
        let pairs = request.fields.iter().map(|(name, value)| (name.clone(), value.expose().into()));
        let object: serde_json::Map<String, serde_json::Value> = pairs.collect();
        ("application/json", Zeroizing::new(serde_json::Value::from(object).to_string()))
    } else {
        let pair = |(name, value): &(String, SecretText)| {
            format!("{}={}", percent(name.as_bytes()), percent(value.expose().as_bytes()))
        };
        let pairs: Vec<String> = request.fields.iter().map(pair).collect();
        ("application/x-www-form-urlencoded", Zeroizing::new(pairs.join("&")))
    };
    let at = if port == 443 && request.tls { host.to_string() } else { format!("{host}:{port}") };
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {at}\r\nContent-Type: {kind}\r\nAccept: application/json\r\nAccept-Encoding: \
         identity\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        request.path,
        body.len()
    );
    Ok(Zeroizing::new([head.as_bytes(), body.as_bytes()].concat()))
}

/// The status of the answer, and its body.
async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), said: &[u8]) -> io::Result<(u16, Zeroizing<Vec<u8>>)> {
    stream.write_all(said).await?;
    stream.flush().await?;
    let mut reply = Reply::new(false, true);
    let (mut head, mut ended, mut odd) = (Vec::new(), false, false);
    let mut body = Zeroizing::new(Vec::new());
    let mut bytes = Zeroizing::new([0; 8192]);
    while !reply.is_whole() {
        let length = stream.read(&mut *bytes).await?;
        if length == 0 {
            if reply.ends_with_the_connection() {
                break;
            }
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        reply.take_with(&bytes[..length], &mut |part, range| match part {
            Part::Head { last } => {
                // Of several heads the last one is the answer's.
                if std::mem::replace(&mut ended, last) {
                    head.clear();
                }
                head.extend_from_slice(&bytes[range]);
            }
            Part::Body => body.extend_from_slice(&bytes[range]),
            Part::Odd | Part::NoHead => odd = true,
        });
        if odd || reply.is_torn() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if head.len() + body.len() > LONGEST {
            return Err(io::Error::other("it is too long"));
        }
    }
    let status = std::str::from_utf8(&head).ok().and_then(|head| head.split(' ').nth(1)?.parse().ok());
    Ok((status.ok_or(io::ErrorKind::InvalidData)?, body))
}

/// The token that an answer holds.
fn read(status: u16, body: &[u8]) -> Result<TokenAnswer, String> {
    #[derive(serde::Deserialize)]
    struct Answer {
        access_token: Option<SecretText>,
        refresh_token: Option<SecretText>,
        expires_in: Option<u64>,
        error: Option<serde_json::Value>,
    }
    let answer: Answer =
        serde_json::from_slice(body).map_err(|_| format!("the endpoint answers {status}, and no JSON"))?;
    match answer.access_token {
        Some(access) if status == 200 && usable(&access) => {
            let refresh = answer.refresh_token.filter(usable);
            Ok(TokenAnswer::Token { access, refresh, expires: answer.expires_in.map(|life| life.min(LONGEST_LIFE)) })
        }
        _ => {
            // RFC 6749 has a word, others an object.
            let error = answer.error.as_ref();
            let word = error.and_then(|error| error.as_str().or_else(|| error["type"].as_str()));
            let word = word.map_or("no token", |word| {
                WORDS.into_iter().find(|known| *known == word).unwrap_or("an error in words of its own")
            });
            Err(format!("the endpoint answers {status}: {word}"))
        }
    }
}

/// Whether it can stand in a header.
fn usable(text: &SecretText) -> bool {
    let text = text.expose();
    (8..=SecretText::MOST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_endpoints_answer() {
        let told = |status, body: &str| match read(status, body.as_bytes()) {
            Ok(TokenAnswer::Token { access, refresh, expires }) => {
                format!("{} {:?} {expires:?}", access.expose(), refresh.map(|one| one.expose().to_owned()))
            }
            Ok(TokenAnswer::Failed { why }) | Err(why) => why,
        };
        let whole =
            r#"{"access_token":"access-1","token_type":"Bearer","expires_in":3600,"refresh_token":"refresh-2"}"#;
        assert_eq!(told(200, whole), "access-1 Some(\"refresh-2\") Some(3600)");
        assert_eq!(told(200, r#"{"access_token":"access-1"}"#), "access-1 None None");
        assert_eq!(told(400, r#"{"error":"invalid_grant"}"#), "the endpoint answers 400: invalid_grant");
        let endless = r#"{"access_token":"access-1","expires_in":9223372036854775807}"#;
        assert_eq!(told(200, endless), "access-1 None Some(31622400)");
        let object = r#"{"error":{"type":"authentication_error","message":"no"}}"#;
        assert_eq!(told(401, object), "the endpoint answers 401: authentication_error");
        // What it was sent, it may say again.
        for echo in [r#"{"error":"invalid_grant refresh-1"}"#, r#"{"error":{"type":"refresh-1"}}"#] {
            assert_eq!(told(400, echo), "the endpoint answers 400: an error in words of its own");
        }
        assert_eq!(told(500, whole), "the endpoint answers 500: no token");
        assert_eq!(told(200, "<html>"), "the endpoint answers 200, and no JSON");
        assert_eq!(told(200, "{\"access_token\":\"a b\\nc d e\"}"), "the endpoint answers 200: no token");
    }
}
