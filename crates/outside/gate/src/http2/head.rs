//! What a stream asks, written as the head that the one parser of requests reads: it decides here, as everywhere, what is
//! a request and what is none. Refused is what that head could not say as it came.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST};
use http::request::Parts;
use http::{HeaderValue, Method};

use crate::head::HeadError;

/// Headers that speak of a connection, which is not a stream's to speak of.
const CONNECTION: &[&str] = &["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// The head of a request; `ends` says that no body follows it.
///
/// # Errors
/// [`HeadError`], where it cannot be written so that it says the same.
pub fn head(parts: &Parts, ends: bool, tls: bool) -> Result<Vec<u8>, HeadError> {
    let Parts { method, uri, headers, .. } = parts;
    if method == Method::CONNECT {
        return Err(HeadError::Connect);
    }
    let authority = uri.authority().ok_or(HeadError::NoHost)?.as_str();
    if uri.scheme_str() != Some(if tls { "https" } else { "http" }) {
        return Err(HeadError::OtherScheme);
    }
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let words = [method.as_str(), path, authority];
    // What parts words and lines in a head stands in none of them.
    if words.iter().any(|word| word.bytes().any(|byte| byte <= b' ' || byte == 127)) {
        return Err(HeadError::RequestLine);
    }
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
    for (name, value) in headers {
        match name.as_str() {
            _ if name == HOST && value.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) => {}
            _ if name == HOST => return Err(HeadError::OtherHost),
            _ if name == COOKIE => {}
            name if CONNECTION.contains(&name) => return Err(HeadError::OfConnection),
            name => put(&mut head, name, value.as_bytes())?,
        }
    }
    // A program may say its cookies in pieces; elsewhere they are one header.
    let cookies: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if !cookies.is_empty() {
        put(&mut head, "cookie", &cookies.join(&b"; "[..]))?;
    }
    match headers.get(CONTENT_LENGTH) {
        Some(length) if ends && length != "0" => return Err(HeadError::Length),
        None if !ends => put(&mut head, "transfer-encoding", b"chunked")?,
        _ => {}
    }
    head.extend_from_slice(b"\r\n");
    Ok(head)
}

/// Whether both sides speak at once in it, and its answer ends with trailers.
pub(super) fn is_grpc(parts: &Parts) -> bool {
    let kinds = parts.headers.get_all(CONTENT_TYPE).iter().map(|kind| kind.as_bytes().to_ascii_lowercase());
    let grpc = |kind: Vec<u8>| {
        let rest = kind.trim_ascii().strip_prefix(b"application/grpc");
        rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t')))
    };
    kinds.into_iter().any(grpc)
}

fn put(head: &mut Vec<u8>, name: &str, value: &[u8]) -> Result<(), HeadError> {
    if value.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 127) {
        return Err(HeadError::Control);
    }
    head.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::Request;
    use policy::Host;

    use super::*;
    use crate::head::{Body, Direct, Place, parse_direct};

    fn parts(method: &str, uri: &str, fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn read(method: &str, uri: &str, fields: &[(&str, &str)], ends: bool) -> Result<Direct, HeadError> {
        let head = head(&parts(method, uri, fields), ends, true)?;
        let host = Host::parse("a.example").unwrap();
        parse_direct(&head, 0, &Place { host: &host, port: 443, tls: true }).map(|direct| direct.unwrap())
    }

    #[test]
    fn a_stream_asks_what_its_head_says() {
        let fields =
            [("accept", "*/*"), ("cookie", "a=b"), ("te", "trailers"), ("cookie", "c=d"), ("x", "1"), ("x", "2")];
        let Direct { asks, head, last, .. } = read("GET", "https://a.example/p?q=1", &fields, true).unwrap();
        let expected =
            "GET /p?q=1 HTTP/1.1\r\nHost: a.example\r\naccept: */*\r\nx: 1\r\nx: 2\r\ncookie: a=b; c=d\r\n\r\n";
        assert_eq!((String::from_utf8_lossy(&head).as_ref(), asks.body, last), (expected, Body::Length(0), false));
        let body =
            |fields: &[(&str, &str)], ends| read("POST", "https://a.example/", fields, ends).map(|read| read.asks.body);
        assert_eq!(body(&[], false), Ok(Body::Chunked));
        assert_eq!(body(&[("content-length", "7")], false), Ok(Body::Length(7)));
        assert_eq!(body(&[("content-length", "0")], true), Ok(Body::Length(0)));
        assert_eq!(body(&[("host", "A.example")], true), Ok(Body::Length(0)));
    }

    #[test]
    fn what_a_head_cannot_say_is_refused() {
        use HeadError as E;
        let usual = "https://a.example/";
        for (method, uri, fields, error) in [
            ("CONNECT", "a.example:443", &[][..], E::Connect),
            ("GET", "/", &[], E::NoHost),
            ("GET", "http://a.example/", &[], E::OtherScheme),
            ("GET", "ftp://a.example/", &[], E::OtherScheme),
            ("GET", "https://b.example/", &[], E::OtherHost),
            ("GET", "https://a.example:444/", &[], E::OtherHost),
            ("GET", "https://b@a.example/", &[], E::OtherHost),
            ("GET", usual, &[("host", "b.example")], E::OtherHost),
            ("GET", usual, &[("host", "a.example"), ("host", "b.example")], E::OtherHost),
            ("GET", usual, &[("connection", "close")], E::OfConnection),
            ("GET", usual, &[("keep-alive", "1")], E::OfConnection),
            ("GET", usual, &[("proxy-connection", "close")], E::OfConnection),
            ("POST", usual, &[("transfer-encoding", "chunked")], E::OfConnection),
            ("GET", usual, &[("upgrade", "websocket")], E::OfConnection),
            ("GET", usual, &[("http2-settings", "AA")], E::Upgrade),
            ("POST", usual, &[("content-length", "5")], E::Length),
            ("POST", usual, &[("content-length", "0"), ("content-length", "0")], E::TwoLengths),
            ("GET", usual, &[("x-http-method-override", "DELETE")], E::Override),
        ] {
            assert_eq!(read(method, uri, fields, true).map(drop), Err(error), "{method} {uri} {fields:?}");
        }
        let long = "x".repeat(crate::head::MAX_HEAD);
        assert_eq!(read("GET", usual, &[("x", long.as_str())], true).map(drop), Err(E::TooLong));
    }

    #[test]
    fn grpc_is_known_by_its_kind() {
        let is = |kind: &str| is_grpc(&parts("POST", "https://a.example/", &[("content-type", kind)]));
        assert!(["application/grpc", "application/grpc+proto", "Application/gRPC; a=b"].into_iter().all(is));
        assert!(!["application/grpc-web", "application/json", "text/application/grpc"].into_iter().any(is));
    }
}
