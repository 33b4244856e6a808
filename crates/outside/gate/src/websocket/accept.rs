//! A server's answer that makes a WebSocket, taken as RFC 6455 has it, and written anew: what is of its hop stays here.

use policy::Request;
use sha1::{Digest, Sha1};

use crate::encode::base64;

/// What a server that speaks the protocol knows to put behind the key.
const PROOF: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Headers that are written here, or that frame what is no body.
const OWN: [&str; 7] = [
    "connection",
    "upgrade",
    "content-length",
    "transfer-encoding",
    "sec-websocket-accept",
    "sec-websocket-protocol",
    "keep-alive",
];

/// Why an answer makes no WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unopened {
    #[error("its head cannot be read")]
    Head,
    #[error("it does not change to that protocol")]
    Upgrade,
    #[error("it does not prove that it read the request")]
    Proof,
    #[error("it agrees on an extension that was not offered")]
    Extension,
    #[error("it agrees on a subprotocol that was not offered")]
    Protocol,
}

/// The head for the program.
///
/// # Errors
/// [`Unopened`].
pub(super) fn opened(head: &[u8], request: &Request) -> Result<Vec<u8>, Unopened> {
    let text = std::str::from_utf8(head).ok().and_then(|head| head.strip_suffix("\r\n\r\n")).ok_or(Unopened::Head)?;
    let mut fields = Vec::new();
    for line in text.split("\r\n").skip(1) {
        let (name, value) = line.split_once(':').ok_or(Unopened::Head)?;
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty()
            || !name.bytes().all(token)
            || value.contains(|letter: char| letter.is_control() && letter != '\t')
        {
            return Err(Unopened::Head);
        }
        fields.push((name.to_ascii_lowercase(), value.trim()));
    }
    let all =
        |name: &str| fields.iter().filter(|(other, _)| other == name).map(|(_, value)| *value).collect::<Vec<_>>();
    let asked = |name: &'static str| request.headers().filter(move |(other, _)| *other == name).map(|(_, value)| value);
    let upgrades = all("connection")
        .iter()
        .flat_map(|value| value.split(','))
        .any(|option| option.trim().eq_ignore_ascii_case("upgrade"));
    if !upgrades || !matches!(all("upgrade")[..], [one] if one.eq_ignore_ascii_case("websocket")) {
        return Err(Unopened::Upgrade);
    }
    let proof = proof(asked("sec-websocket-key").next().unwrap_or_default());
    if all("sec-websocket-accept") != [proof.as_str()] {
        return Err(Unopened::Proof);
    }
    if !all("sec-websocket-extensions").is_empty() {
        return Err(Unopened::Extension);
    }
    let offered = |protocol: &str| {
        let mut offers = asked("sec-websocket-protocol").flat_map(|value| value.split(|byte| *byte == b','));
        offers.any(|one| one.trim_ascii() == protocol.as_bytes())
    };
    let agreed = match all("sec-websocket-protocol")[..] {
        [] => String::new(),
        [one] if offered(one) => format!("Sec-WebSocket-Protocol: {one}\r\n"),
        _ => return Err(Unopened::Protocol),
    };
    let mut said = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {proof}\r\n{agreed}"
    );
    for (name, value) in fields.iter().filter(|(name, _)| !OWN.contains(&name.as_str())) {
        said += &format!("{name}: {value}\r\n");
    }
    Ok((said + "\r\n").into_bytes())
}

fn proof(key: &[u8]) -> String {
    base64(&Sha1::new().chain_update(key).chain_update(PROOF).finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nconnection: upgrade\r\n\
                        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

    fn read(fields: &str) -> Result<String, Unopened> {
        let asked = [("sec-websocket-key", &b"dGhlIHNhbXBsZSBub25jZQ=="[..]), ("sec-websocket-protocol", b"chat, v2")];
        let request = Request::new("GET", "/").expect("a request").with_headers(asked.into_iter());
        opened(format!("{fields}\r\n").as_bytes(), &request).map(|head| String::from_utf8(head).expect("text"))
    }

    #[test]
    fn it_is_taken_as_it_was_asked_for() {
        let given = read(&format!("{GOOD}sec-websocket-protocol: v2\r\nSet-Cookie: a\r\nContent-Length: 0\r\n"));
        let expected = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: v2\r\n\
                        set-cookie: a\r\n\r\n";
        assert_eq!(given.as_deref(), Ok(expected));
        use Unopened as E;
        for (fields, error) in [
            (GOOD.replace("upgrade: WebSocket\r\n", ""), E::Upgrade),
            (GOOD.replace("WebSocket", "h2c"), E::Upgrade),
            (format!("{GOOD}Upgrade: h2c\r\n"), E::Upgrade),
            (GOOD.replace(": upgrade", ": close"), E::Upgrade),
            (GOOD.replace("s3pP", "S3pP"), E::Proof),
            (format!("{GOOD}Sec-WebSocket-Accept: x\r\n"), E::Proof),
            (format!("{GOOD}Sec-WebSocket-Extensions: permessage-deflate\r\n"), E::Extension),
            (format!("{GOOD}Sec-WebSocket-Protocol: other\r\n"), E::Protocol),
            (format!("{GOOD}Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: v2\r\n"), E::Protocol),
            (format!("{GOOD}X: y\r\n folded\r\n"), E::Head),
            (format!("{GOOD}X: y\nZ: z\r\n"), E::Head),
            (format!("{GOOD}X : y\r\n"), E::Head),
        ] {
            assert_eq!(read(&fields), Err(error), "{fields}");
        }
    }
}
