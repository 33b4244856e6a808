//! What a gate has to know of the host: resolvers, names, and the proxy that the host goes out through.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use wire::Proxy;

/// More lines of a host's file are not read.
const MAX_NAMES: usize = 1024;
/// The port of DNS.
const DNS: u16 = 53;

/// The host's resolvers, in order.
pub(super) fn nameservers() -> Vec<SocketAddr> {
    let text = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let server = |line: &str| {
        let address = line.trim().strip_prefix("nameserver")?.trim();
        // A zone names an interface, which a socket address of ours does not carry.
        let address = address.split('%').next()?;
        Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, DNS))
    };
    text.lines().filter_map(server).take(3).collect()
}

/// The names of the host's /etc/hosts.
pub(super) fn hosts() -> Vec<(String, IpAddr)> {
    let text = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let mut names = Vec::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else { continue };
        names.extend(words.map(|name| (name.to_owned(), address)));
    }
    names.truncate(MAX_NAMES);
    names
}

/// The proxy that the operator's variables name, as every tool reads them.
pub(super) fn proxy(variable: impl Fn(&str) -> Option<String>) -> Option<Proxy> {
    let first = |names: &[&str]| names.iter().find_map(|name| variable(name).filter(|value| !value.is_empty()));
    let url = first(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])?;
    let bypass = first(&["NO_PROXY", "no_proxy"]).unwrap_or_default();
    let bypass = bypass.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect();
    parse(&url, bypass)
}

fn parse(url: &str, bypass: Vec<String>) -> Option<Proxy> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    if rest.contains("://") {
        return None;
    }
    let authority = rest.split('/').next()?;
    let (user, place) = match authority.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, authority),
    };
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') => (host, port.parse().ok()?),
        _ => (place, 80),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let authorization = user.map(|user| format!("Basic {}", base64(&percent_decoded(user))));
    (!host.is_empty()).then_some(Proxy { host, port, authorization, bypass })
}

/// What a URL writes with `%`.
fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (bytes[at], hex.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 3;
            }
            (byte, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, &byte| word << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[usize::try_from(word >> (18 - 6 * place) & 63).unwrap_or(0)];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_read_as_tools_read_it() {
        let set = |name: &str| match name {
            "https_proxy" => Some("http://us%65r:p%40ss@proxy.corp:3128/".to_owned()),
            "NO_PROXY" => Some("localhost, .corp".to_owned()),
            _ => None,
        };
        let found = proxy(set).expect("a proxy");
        assert_eq!((found.host.as_str(), found.port), ("proxy.corp", 3128));
        assert_eq!(found.authorization.as_deref(), Some("Basic dXNlcjpwQHNz"));
        assert_eq!(found.bypass, ["localhost", ".corp"]);
        assert!(parse("socks5://x:1", Vec::new()).is_none());
        assert_eq!(parse("[::1]:8080", Vec::new()).map(|proxy| (proxy.host, proxy.port)), Some(("::1".into(), 8080)));
    }
}
