//! A request that makes its connection a WebSocket, as RFC 6455 has it and in no other way. Extensions are not offered on,
//! so that nothing is compressed and every frame can be read.

use super::HeadError;
use super::fields::{Fields, is_token, same};

/// What the destination gets for the headers that are of this hop.
pub(super) const ASKS: &[u8] = b"Connection: Upgrade\r\nUpgrade: websocket\r\n";

impl Fields<'_> {
    /// Whether the request asks for a WebSocket.
    ///
    /// # Errors
    /// Where it asks for another protocol, or for this one in a way that servers could read differently.
    pub(super) fn asks_for_websocket(&self, method: &str, version: &str) -> Result<bool, HeadError> {
        if self.all("upgrade").chain(self.all("http2-settings")).next().is_none() {
            return Ok(false);
        }
        let is = |name: &str, wanted: &str| {
            let mut values = self.all(name);
            values.next().is_some_and(|value| value.eq_ignore_ascii_case(wanted.as_bytes())) && values.next().is_none()
        };
        if !is("upgrade", "websocket") || self.all("http2-settings").next().is_some() {
            return Err(HeadError::Upgrade);
        }
        let mut options = self.options().peekable();
        let plain = |option: &str| option.eq_ignore_ascii_case("upgrade") || option.eq_ignore_ascii_case("keep-alive");
        let upgrades = self.options().any(|option| option.eq_ignore_ascii_case("upgrade")) && options.all(plain);
        // Some servers read `_` as `-`: each of its headers stands once in any spelling.
        let once = |name: &str| self.names().filter(|other| same(other, name)).count() == 1;
        let mut keys = self.all("sec-websocket-key");
        let key = keys.next().is_some_and(is_key) && once("sec-websocket-key");
        let versioned = is("sec-websocket-version", "13") && once("sec-websocket-version");
        let offers = self.all("sec-websocket-protocol").all(is_list) && {
            let named = self.names().filter(|other| same(other, "sec-websocket-protocol")).count();
            named == self.all("sec-websocket-protocol").count()
        };
        let answers = self.names().any(|other| same(other, "sec-websocket-accept"));
        let good = method == "GET" && version == "HTTP/1.1" && !self.has_body();
        if good && upgrades && key && versioned && offers && !answers { Ok(true) } else { Err(HeadError::Websocket) }
    }
}

/// Sixteen bytes in base64.
fn is_key(value: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    // Of the last digit only two bits are the key's.
    value.len() == 24 && value.ends_with(b"==") && value[..22].iter().all(plain) && b"AQgw".contains(&value[21])
}

/// Tokens, parted by commas.
fn is_list(value: &[u8]) -> bool {
    value
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .all(|one| !one.is_empty() && one.iter().copied().all(is_token))
}

#[cfg(test)]
mod tests {
    use policy::Host;

    use super::super::{Direct, Place, parse_direct};
    use super::*;

    const GOOD: &str = "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

    fn read(line: &str, fields: &str) -> Result<Direct, HeadError> {
        let text = format!("{line}\r\nHost: a.example\r\n{fields}\r\n");
        let host = Host::parse("a.example").expect("a name");
        parse_direct(text.as_bytes(), 0, &Place { host: &host, port: 80, tls: false }).map(|head| head.expect("whole"))
    }

    #[test]
    fn it_is_asked_for_without_extensions() {
        let more = "Sec-WebSocket-Protocol: chat, v2\r\nSec-WebSocket-Extensions: permessage-deflate\r\nOrigin: x\r\n";
        let Direct { asks, head, last, .. } =
            read("GET /chat?a=b HTTP/1.1", &format!("{GOOD}{more}")).expect("a WebSocket");
        let expected = "GET /chat?a=b HTTP/1.1\r\nHost: a.example\r\nSec-WebSocket-Version: 13\r\n\
                        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat, v2\r\nOrigin: x\r\n\
                        Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        assert_eq!((String::from_utf8_lossy(&head).as_ref(), last), (expected, false));
        assert!(asks.request.is_websocket());
        assert!(!read("GET /chat HTTP/1.1", "").expect("a request").asks.request.is_websocket());
    }

    #[test]
    fn what_servers_could_read_differently_is_refused() {
        use HeadError::{Upgrade, Websocket};
        for (line, fields, error) in [
            ("POST / HTTP/1.1", GOOD.to_owned(), Websocket),
            ("GET / HTTP/1.0", GOOD.to_owned(), Websocket),
            ("GET / HTTP/1.1", GOOD.replace("websocket", "h2c"), Upgrade),
            ("GET / HTTP/1.1", GOOD.replace("websocket", "websocket, h2c"), Upgrade),
            ("GET / HTTP/1.1", format!("{GOOD}Upgrade: websocket\r\n"), Upgrade),
            ("GET / HTTP/1.1", format!("{GOOD}HTTP2-Settings: AA\r\n"), Upgrade),
            ("GET / HTTP/1.1", GOOD.replace("keep-alive, Upgrade", "keep-alive"), Websocket),
            ("GET / HTTP/1.1", GOOD.replace("keep-alive", "close"), Websocket),
            ("GET / HTTP/1.1", GOOD.replace("keep-alive", "X-Other"), Websocket),
            ("GET / HTTP/1.1", GOOD.replace(": 13", ": 8"), Websocket),
            ("GET / HTTP/1.1", format!("{GOOD}Sec-WebSocket-Version: 13\r\n"), Websocket),
            ("GET / HTTP/1.1", format!("{GOOD}Sec_WebSocket_Version: 8\r\n"), Websocket),
            ("GET / HTTP/1.1", GOOD.replace("ZQ==", "ZR=="), Websocket),
            ("GET / HTTP/1.1", GOOD.replace("ZQ==", "ZQ="), Websocket),
            ("GET / HTTP/1.1", format!("{GOOD}Sec_WebSocket_Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), Websocket),
            ("GET / HTTP/1.1", format!("{GOOD}Sec-WebSocket-Protocol: a b\r\n"), Websocket),
            ("GET / HTTP/1.1", format!("{GOOD}Sec_WebSocket_Protocol: a\r\n"), Websocket),
            ("GET / HTTP/1.1", format!("{GOOD}Sec-WebSocket-Accept: x\r\n"), Websocket),
            ("GET / HTTP/1.1", format!("{GOOD}Content-Length: 0\r\n"), Websocket),
            ("GET / HTTP/1.1", format!("{GOOD}Transfer-Encoding: chunked\r\n"), Websocket),
        ] {
            assert_eq!(read(line, &fields), Err(error), "{line} {fields}");
        }
    }
}
