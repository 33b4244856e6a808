//! What this gate answers, in bytes of HTTP/1.1, taken apart for a stream of HTTP/2. Where an answer ends is told by the same
//! code as everywhere; what HTTP/2 cannot say is not said by halves.

use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Response, StatusCode};

use crate::reply::{Part, Reply};

/// An answer that does not fit into a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it does not fit into HTTP/2, which the program speaks")]
pub struct Unsayable;

/// Takes one answer apart, and interim ones before it.
#[derive(Debug)]
pub struct Answer {
    reply: Reply,
    head: Vec<u8>,
    /// What frames the body, behind the last of what it carries.
    frame: Vec<u8>,
}

/// What some bytes of an answer say.
#[derive(Debug, Default)]
pub struct Said {
    /// Heads that became whole with them; all but the last are interim.
    pub heads: Vec<Response<()>>,
    /// What they carry.
    pub body: Vec<u8>,
    /// What stands behind that, where it is the last.
    pub trailers: HeaderMap,
}

impl Answer {
    /// Nothing of an answer yet; `bare` is the answer to HEAD.
    #[must_use]
    pub const fn new(bare: bool) -> Answer {
        // Chunks with something beside their data are refused before, where somebody looks at them.
        Answer { reply: Reply::new(bare, false), head: Vec::new(), frame: Vec::new() }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`Unsayable`], also of what comes behind the answer.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Said, Unsayable> {
        let (mut said, mut parts) = (Said::default(), Vec::new());
        let taken = self.reply.take_with(bytes, &mut |part, range| parts.push((part, range)));
        // What is odd is told once more from where it began.
        let odd = parts.iter().any(|(part, _)| matches!(part, Part::Odd | Part::NoHead));
        if taken < bytes.len() || self.reply.is_odd() || odd {
            return Err(Unsayable);
        }
        let mut at = 0;
        for (part, range) in parts {
            self.frame.extend_from_slice(&bytes[at..range.start]);
            at = range.end;
            match part {
                Part::Head { last } => {
                    self.head.extend_from_slice(&bytes[range]);
                    if last {
                        said.heads.push(head(&std::mem::take(&mut self.head))?);
                    }
                }
                Part::Body => {
                    self.frame.clear();
                    said.body.extend_from_slice(&bytes[range]);
                }
                Part::Odd | Part::NoHead => {}
            }
        }
        self.frame.extend_from_slice(&bytes[at..]);
        if self.is_whole() {
            said.trailers = trailers(&self.frame)?;
        }
        Ok(said)
    }

    /// Whether nothing more can come.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.reply.is_whole()
    }

    /// Whether its end is the connection's.
    #[must_use]
    pub const fn ends_with_the_connection(&self) -> bool {
        self.reply.ends_with_the_connection()
    }
}

fn head(bytes: &[u8]) -> Result<Response<()>, Unsayable> {
    let text = bytes.strip_suffix(b"\r\n\r\n").ok_or(Unsayable)?;
    let mut lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let status = status(lines.next().unwrap_or_default())?;
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = without_hop(fields(lines)?);
    if status == StatusCode::NO_CONTENT || status.is_informational() {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    Ok(response)
}

/// What stands between the last chunk and the end: the rest of one chunk, the size of that, and lines.
fn trailers(frame: &[u8]) -> Result<HeaderMap, Unsayable> {
    let text = frame.strip_prefix(b"\r\n").unwrap_or(frame);
    let Some(size) = text.iter().position(|byte| *byte == b'\n') else { return Ok(HeaderMap::new()) };
    let Some(text) = text[size + 1..].strip_suffix(b"\r\n\r\n") else { return Ok(HeaderMap::new()) };
    let mut trailers =
        without_hop(fields(text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)))?);
    trailers.remove(CONTENT_LENGTH);
    Ok(trailers)
}

fn fields<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Result<HeaderMap, Unsayable> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Unsayable)?;
        let name = HeaderName::from_bytes(&line[..colon]).map_err(|_| Unsayable)?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).map_err(|_| Unsayable)?;
        headers.try_append(name, value).map_err(|_| Unsayable)?;
    }
    Ok(headers)
}

/// The status of `HTTP/1.1 200 OK`; what is said behind it means nothing.
fn status(line: &[u8]) -> Result<StatusCode, Unsayable> {
    let plain = line.iter().all(|byte| *byte >= b' ' && *byte != 127);
    let rest = line.strip_prefix(b"HTTP/1.").filter(|_| plain).ok_or(Unsayable)?;
    let [b'0'..=b'9', b' ', digits @ ..] = rest else { return Err(Unsayable) };
    let (digits, reason) = digits.split_at_checked(3).ok_or(Unsayable)?;
    if !matches!(reason.first(), None | Some(b' ')) {
        return Err(Unsayable);
    }
    let status = StatusCode::from_bytes(digits).map_err(|_| Unsayable)?;
    if status == StatusCode::SWITCHING_PROTOCOLS { Err(Unsayable) } else { Ok(status) }
}

/// Without what speaks of the connection to the server.
fn without_hop(mut headers: HeaderMap) -> HeaderMap {
    let options = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<HeaderName> = options
        .flat_map(|value| value.split(','))
        .filter_map(|option| option.trim().parse().ok())
        // It frames the body: no server can have it dropped.
        .filter(|name| name != CONTENT_LENGTH)
        .collect();
    let own = ["keep-alive", "proxy-connection"].map(HeaderName::from_static);
    for name in named.iter().chain(&own).chain(&[CONNECTION, TRANSFER_ENCODING, UPGRADE]) {
        headers.remove(name);
    }
    headers
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Statuses, headers, body, and whether that is all; told at once and byte by byte.
    fn told(text: &[u8], bare: bool) -> Result<(Vec<String>, Vec<u8>, bool), Unsayable> {
        let (cut, mut answer, mut said) = (text.chunks(1), Answer::new(bare), Said::default());
        let pieces = cut.map(|piece| answer.take(piece)).try_for_each(|some| {
            let some = some?;
            said.heads.extend(some.heads);
            said.body.extend(some.body);
            said.trailers.extend(some.trailers);
            Ok(())
        });
        let show = |said: Said, whole| {
            let show = |head: Response<()>| {
                let field =
                    |(name, value): (&HeaderName, &HeaderValue)| format!(" {name}={}", value.as_bytes().escape_ascii());
                head.status().as_str().to_owned() + &head.headers().iter().map(field).collect::<String>()
            };
            let trailers =
                said.trailers.iter().map(|(name, value)| format!("{name}={}", value.as_bytes().escape_ascii()));
            let trailers: Vec<String> = trailers.collect();
            (said.heads.into_iter().map(show).chain(trailers).collect(), said.body, whole)
        };
        let cut = pieces.map(|()| show(said, answer.is_whole()));
        let mut once = Answer::new(bare);
        let whole = once.take(text).map(|said| show(said, once.is_whole()));
        assert_eq!(cut, whole, "{}", text.escape_ascii());
        whole
    }

    #[test]
    fn an_answer_is_said_as_it_was_without_what_speaks_of_its_connection() {
        for (text, heads, body, whole) in [
            (
                &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Y: z\r\nx-y: \xc3\xa9\r\n\r\nhi"[..],
                "200",
                &b"hi"[..],
                true,
            ),
            (b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "200", b"hi", true),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\nh\r\n0\r\nA: b\r\n\r\n", "200", b"h", true),
            (b"HTTP/1.0 200 OK\r\nA: b\r\n\r\nhi", "200 a=b", b"hi", false),
            (
                b"HTTP/1.1 200 OK\r\nConnection: close, x\r\nX: 1\r\nKeep-Alive: 2\r\nContent-Length: 0\r\n\r\n",
                "200 content-length=0",
                b"",
                true,
            ),
            (b"HTTP/1.1 204 No\r\nUpgrade: h2c\r\nContent-Length: 4\r\n\r\n", "204", b"", true),
        ] {
            let (said, carried, ends) = told(text, false).unwrap();
            assert!(said.concat().starts_with(heads), "{said:?}");
            assert_eq!((&carried[..], ends), (body, whole), "{}", text.escape_ascii());
        }
        let ends = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0;x\r\nA: b\r\nConnection: x\r\nC: d\r\n\r\n";
        assert_eq!(told(ends, false), Ok((vec!["200".into(), "a=b".into(), "c=d".into()], b"hi".to_vec(), true)));
        let interim = b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
        assert_eq!(told(interim, false).unwrap().0, ["103 link=x", "200 content-length=1"]);
        let bare = told(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true);
        assert_eq!(bare, Ok((vec!["200 content-length=9".into()], Vec::new(), true)));
    }

    #[test]
    fn what_does_not_fit_is_not_said() {
        for text in [
            &b"HTTP/1.1 101 Switching\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\nContent-Length: 1\n\nx",
            b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA b\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA: \x01\r\n\r\n",
            b"HTTP/1.1 2000\r\n\r\n",
            b"HTTP/1.1 99 x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n",
            b"SSH-2.0-x\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n4\r\nT: u\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA b\r\n\r\n",
        ] {
            let mut answer = Answer::new(false);
            assert_eq!(answer.take(text).map(drop), Err(Unsayable), "{}", text.escape_ascii());
        }
    }
}
