//! What a gate has to know of the host: resolvers, names, and the proxy that the host goes out through.

use std::fs;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use policy::{DnsName, Host};
use wire::Proxy;
use wire::command::Problem;

use crate::problem::{NOT_RUN, problem};

/// More lines of a host's file are not read.
const MAX_NAMES: usize = 1024;
/// The port of DNS.
const DNS: u16 = 53;

/// The host's resolvers, in order.
pub(super) fn nameservers() -> Vec<SocketAddr> {
    let text = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    named_there(&text, |zone| fs::read_to_string(format!("/sys/class/net/{zone}/ifindex")).ok()?.trim().parse().ok())
}

/// The resolvers that a text of that form names. One with a zone is reached through that interface alone: as of a router that
/// announces itself by an address of the link.
fn named_there(text: &str, index: impl Fn(&str) -> Option<u32>) -> Vec<SocketAddr> {
    let server = |line: &str| {
        let named = line.trim().strip_prefix("nameserver")?.split_whitespace().next()?;
        let Some((address, zone)) = named.split_once('%') else {
            return Some(SocketAddr::new(named.parse::<IpAddr>().ok()?, DNS));
        };
        let plain = !zone.contains('/') && !zone.starts_with('.');
        let scope = zone.parse().ok().or_else(|| plain.then(|| index(zone)).flatten())?;
        Some(SocketAddrV6::new(address.parse().ok()?, DNS, 0, scope).into())
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

/// The proxy that the operator's variables name, as every tool reads them, and the words of NO_PROXY that say nothing
/// here: such destinations go through the proxy like all others.
///
/// # Errors
/// When a proxy is named that cannot be used: to go round it silently would be the one wrong answer.
pub(super) fn upstream(variable: impl Fn(&str) -> Option<String>) -> Result<Option<(Proxy, Vec<String>)>, Problem> {
    let first = |names: &[&'static str]| {
        names.iter().find_map(|name| variable(name).filter(|value| !value.is_empty()).map(|value| (*name, value)))
    };
    let named = first(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"]);
    let Some((name, url)) = named else { return Ok(None) };
    let words = first(&["NO_PROXY", "no_proxy"]).map(|(_, words)| words).unwrap_or_default();
    let words = words.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned);
    let (bypass, odd): (Vec<String>, Vec<String>) = words.partition(|word| understood(word));
    match parse(&url, bypass) {
        Some(proxy) => Ok(Some((proxy, odd))),
        // The value may hold a password: only its variable is named.
        None => Err(problem(
            "E-PLANE-051",
            format!("{name} names a proxy that cannot be used: only `http://[USER:PASSWORD@]HOST[:PORT]` can"),
            &format!("correct it, or `unset {name}` to connect directly"),
            NOT_RUN,
        )),
    }
}

/// Whether a word of NO_PROXY is one that the gate takes: `*`, a name or suffix, an address, a network.
fn understood(word: &str) -> bool {
    let name = word.strip_prefix("*.").or_else(|| word.strip_prefix('.')).unwrap_or(word);
    let network = || {
        word.split_once('/').is_some_and(|(address, length)| {
            address.parse::<IpAddr>().is_ok_and(|address| {
                length.parse::<u8>().is_ok_and(|length| length <= if address.is_ipv4() { 32 } else { 128 })
            })
        })
    };
    word == "*" || word.parse::<IpAddr>().is_ok() || network() || DnsName::parse(name).is_ok()
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
    let decoded = user.map(percent_decoded);
    if decoded.as_ref().is_some_and(|user| user.iter().any(u8::is_ascii_control)) || Host::parse(&host).is_err() {
        return None;
    }
    let authorization = decoded.map(|user| format!("Basic {}", base64(&user)));
    Some(Proxy { host, port, authorization, bypass })
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

    /// On a host whose router announces itself as resolver no name was found.
    #[test]
    fn resolvers_of_a_link_keep_their_interface() {
        let text = "search lan\n nameserver 192.0.2.1 # first\nnameserver fe80::1%eth0\nnameserver fe80::2%../eth0\n\
                    nameserver fe80::3%gone\nnameserver fe80::4%7\nnameserver 2001:db8::1\n";
        let found = named_there(text, |zone| (zone == "eth0").then_some(3));
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["192.0.2.1:53", "[fe80::1%3]:53", "[fe80::4%7]:53"]);
        // As they ride in the lease.
        let said = serde_json::to_string(&found).expect("said");
        assert_eq!(serde_json::from_str::<Vec<SocketAddr>>(&said).expect("read"), found);
    }

    #[test]
    fn a_proxy_is_read_as_tools_read_it() {
        let set = |name: &str| match name {
            "https_proxy" => Some("http://us%65r:p%40ss@proxy.corp:3128/".to_owned()),
            "NO_PROXY" => Some("localhost, .corp, 10.0.0.0/8,*.lan,10.*,host:3000".to_owned()),
            _ => None,
        };
        let (found, odd) = upstream(set).expect("usable").expect("a proxy");
        assert_eq!((found.host.as_str(), found.port), ("proxy.corp", 3128));
        assert_eq!(found.authorization.as_deref(), Some("Basic dXNlcjpwQHNz"));
        assert_eq!(found.bypass, ["localhost", ".corp", "10.0.0.0/8", "*.lan"]);
        assert_eq!(odd, ["10.*", "host:3000"]);
        assert_eq!(parse("[::1]:8080", Vec::new()).map(|proxy| (proxy.host, proxy.port)), Some(("::1".into(), 8080)));
    }

    /// Each of these once connected directly, without a word.
    #[test]
    fn a_proxy_that_cannot_be_used_is_never_gone_round() {
        for (name, url) in [
            ("HTTPS_PROXY", "socks5://127.0.0.1:9"),
            ("all_proxy", "https://user:secret@proxy.corp"),
            ("HTTP_PROXY", "http://proxy.corp:port"),
            ("http_proxy", "http://a%0ab:c@proxy.corp"),
        ] {
            let refused = upstream(|asked| (asked == name).then(|| url.to_owned())).expect_err(url);
            assert!(refused.cause.contains(name) && !refused.cause.contains("secret"), "{refused}");
        }
        let plain = upstream(|asked| (asked == "http_proxy").then(|| "http://proxy.corp".to_owned()));
        assert!(plain.expect("usable").is_some() && upstream(|_| None).expect("none").is_none());
    }
}
