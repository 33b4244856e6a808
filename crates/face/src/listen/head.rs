//! The head of what an agent outside says: enough of it to know who speaks, and to which part of the door. The door reads
//! all of it once more, strictly.

use std::net::{IpAddr, SocketAddr};

use super::mux::Door;

/// Longest head.
pub(super) const LONGEST: usize = 64 * 1024;

/// A head that is whole.
#[derive(Debug)]
pub(super) struct Head {
    /// What it is for.
    pub(super) door: Door,
    /// Who says so who speaks: the token, or the bearer of a session.
    pub(super) bearer: Option<String>,
    /// Bytes of the body, where it says how many.
    pub(super) length: usize,
    /// Each host that it says it is for.
    hosts: Vec<String>,
    /// A browser says that a page of the web asks. That it fetches in the mode `cors`, others say too.
    pub(super) from_a_page: bool,
    /// What the door is told.
    pub(super) said: Vec<u8>,
}

impl Head {
    /// Whether it is for this address and no other name of it: who has a name may lead it here, and `localhost` is
    /// nobody's.
    pub(super) fn is_for(&self, at: SocketAddr) -> bool {
        let [host] = self.hosts.as_slice() else { return false };
        let name = host.strip_suffix(&format!(":{}", at.port())).or((at.port() == 80).then_some(host.as_str()));
        let address = match at.ip() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        name.is_some_and(|name| name == address || name.eq_ignore_ascii_case("localhost"))
    }
}

/// Reads a head that ends with an empty line; none where it is no HTTP.
pub(super) fn read(head: &[u8]) -> Option<Head> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let first = lines.next()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let door = if method == "CONNECT" || !target.starts_with('/') { Door::Proxy } else { Door::Inference };
    let names = match door {
        Door::Proxy => &["proxy-authorization"][..],
        Door::Inference => &["authorization", "x-api-key", "x-goog-api-key"],
    };
    let (mut bearer, mut length, mut said) = (None, 0, format!("{first}\r\n"));
    let (mut hosts, mut from_a_page) = (Vec::new(), false);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let (name, value) = (name.to_ascii_lowercase(), value.trim());
        if names.contains(&name.as_str()) {
            bearer = bearer.or_else(|| credential(value));
        }
        match name.as_str() {
            "content-length" => length = value.parse().ok()?,
            "host" => hosts.push(value.to_owned()),
            "origin" | "referer" | "sec-fetch-site" => from_a_page = true,
            _ => {}
        }
        // To the door the host has another name, and a connection is for one request: the next may be of another session.
        if door == Door::Proxy && name != "proxy-authorization"
            || door == Door::Inference && name != "host" && name != "connection"
        {
            said.push_str(line);
            said.push_str("\r\n");
        }
    }
    if door == Door::Inference {
        said.push_str("Host: inference.bastide\r\nConnection: close\r\n");
    }
    said.push_str("\r\n");
    Some(Head { door, bearer, length, hosts, from_a_page, said: said.into_bytes() })
}

/// The secret of a header: as it is, behind `Bearer`, or the password of `Basic`.
fn credential(value: &str) -> Option<String> {
    let Some((scheme, rest)) = value.split_once(' ') else { return Some(value.to_owned()) };
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    let pair = String::from_utf8(base64(rest.trim())?).ok()?;
    pair.split_once(':').map(|(_, password)| password.to_owned())
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        Some(u32::from(match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        }))
    };
    let mut out = Vec::new();
    for group in text.trim_end_matches('=').as_bytes().chunks(4) {
        let word = group.iter().try_fold(0, |word, byte| Some(word << 6 | digit(*byte)?))? << (6 * (4 - group.len()));
        out.extend_from_slice(&word.to_be_bytes()[1..group.len()]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_speaks_and_to_what() {
        let head =
            read(b"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1:8088\r\nX-Api-Key: t1\r\nContent-Length: 5\r\n\r\n")
                .expect("a head");
        assert_eq!((head.door, head.bearer.as_deref(), head.length), (Door::Inference, Some("t1"), 5));
        let said = String::from_utf8(head.said).expect("text");
        assert_eq!(
            said,
            "POST /v1/messages HTTP/1.1\r\nX-Api-Key: t1\r\nContent-Length: 5\r\nHost: inference.bastide\r\nConnection: close\r\n\r\n"
        );
        let head = read(
            b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nProxy-Authorization: Basic YTp0MQ==\r\n\r\n",
        )
        .expect("a head");
        assert_eq!((head.door, head.bearer.as_deref()), (Door::Proxy, Some("t1")));
        assert!(!String::from_utf8(head.said).expect("text").contains("Proxy-Authorization"));
        let head = read(b"GET /v1/models HTTP/1.1\r\nAuthorization: Bearer  t2\r\n\r\n").expect("a head");
        assert_eq!(head.bearer.as_deref(), Some("t2"));
        assert!(read(b"\x16\x03\x01").is_none() && read(b"GET\r\n\r\n").is_none());
    }

    #[test]
    fn what_a_page_sends_is_known() {
        let asks = |headers: &str| read(format!("POST /v1 HTTP/1.1\r\n{headers}\r\n").as_bytes()).expect("a head");
        let (four, six) = ("127.0.0.1:8088".parse().expect("one"), "[::1]:80".parse().expect("one"));
        for (host, at, expected) in [
            ("127.0.0.1:8088", four, true),
            ("LocalHost:8088", four, true),
            ("127.0.0.1", four, false),
            ("127.0.0.1:8089", four, false),
            ("evil.example:8088", four, false),
            ("localhost.evil.example:8088", four, false),
            ("127.0.0.1:8088:8088", four, false),
            ("[::1]", six, true),
            ("[::1]:80", six, true),
            ("127.0.0.1", six, false),
        ] {
            assert_eq!(asks(&format!("Host: {host}\r\n")).is_for(at), expected, "{host}");
        }
        assert!(!asks("").is_for(four) && !asks("Host: 127.0.0.1:8088\r\nhost: evil.example\r\n").is_for(four));
        for header in ["Origin: null", "referer: http://evil.example/", "Sec-Fetch-Site: cross-site"] {
            assert!(asks(&format!("{header}\r\n")).from_a_page, "{header}");
        }
        // As Node's own `fetch` does.
        assert!(!asks("sec-fetch-mode: cors\r\n").from_a_page);
    }
}
