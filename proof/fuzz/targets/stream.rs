//! What a stream of HTTP/2 asks: the head that is written of it says the same and nothing else, to another parser as to the
//! gate's own.
#![no_main]

use gate::head::{Body, Place, parse_direct};
use gate::http2::head::head;
use http::header::{HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Uri};
use libfuzzer_sys::fuzz_target;
use policy::Host;

/// A request as the library gives it, from lines: method, scheme, authority, path, and names with values.
fn request(text: &[u8]) -> Option<Request<()>> {
    let mut lines = text.split(|byte| *byte == b'\n');
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(lines.next()?).ok()?;
    let mut parts = http::uri::Parts::default();
    let (scheme, authority, path) = (lines.next()?, lines.next()?, lines.next()?);
    if !authority.is_empty() {
        parts.scheme = Some(Scheme::try_from(scheme).ok()?);
        parts.authority = Some(Authority::try_from(authority).ok()?);
    }
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    *request.uri_mut() = Uri::from_parts(parts).ok()?;
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_lowercase(&line[..colon]).ok()?;
        request.headers_mut().try_append(name, HeaderValue::from_bytes(&line[colon + 1..]).ok()?).ok()?;
    }
    Some(request)
}

fuzz_target!(|bytes: &[u8]| {
    let [flags, text @ ..] = bytes else { return };
    let (ends, tls) = (flags & 1 > 0, flags & 2 > 0);
    let Some(request) = request(text) else { return };
    let (parts, ()) = request.into_parts();
    let Ok(written) = head(&parts, ends, tls) else { return };
    let (mut fields, authority) = ([httparse::EMPTY_HEADER; 4096], parts.uri.authority().expect("one host"));
    let mut read = httparse::Request::new(&mut fields);
    match read.parse(&written) {
        Ok(status) => assert_eq!(status, httparse::Status::Complete(written.len()), "one head and nothing else"),
        // It takes less in values and in paths than others do.
        Err(_) => {
            let end = written.windows(4).position(|four| four == b"\r\n\r\n");
            assert_eq!(end, Some(written.len() - 4), "one head and nothing else");
        }
    }
    let lines = || written.split(|byte| *byte == b'\n').skip(1);
    let named = |name: &str| {
        lines().filter(|line| line.get(..name.len() + 1).is_some_and(|start| start.eq_ignore_ascii_case(format!("{name}:").as_bytes()))).count()
    };
    assert_eq!((named("host"), named("connection"), named("upgrade")), (1, 0, 0));
    assert!(named("cookie") <= 1 && named("transfer-encoding") <= 1);
    let own = parts.headers.iter().filter(|(name, _)| *name != "host" && *name != "cookie").count();
    let added = 1 + named("cookie") + named("transfer-encoding");
    assert_eq!(lines().count(), own + added + 2, "as many lines as it has fields");
    let first = format!("{} {} HTTP/1.1\r", parts.method, parts.uri.path_and_query().map_or("", |path| path.as_str()));
    assert_eq!(written.split(|byte| *byte == b'\n').next(), Some(first.as_bytes()));
    let host = Host::parse("a.example").expect("a name");
    let place = Place { host: &host, port: if tls { 443 } else { 80 }, tls };
    if let Ok(direct) = parse_direct(&written, 0, &place) {
        let direct = direct.expect("it is whole");
        assert_eq!(direct.length, written.len());
        assert!(authority.as_str().to_ascii_lowercase().trim_end_matches('.').contains("a.example"), "{authority}");
        assert!(!direct.asks.request.is_websocket());
        assert!(!ends || direct.asks.body == Body::Length(0), "a body where there is none");
    }
});
