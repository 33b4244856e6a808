use super::*;

fn read(text: &str) -> Result<Head, HeadError> {
    parse(text.as_bytes()).map(|head| head.expect("a whole head"))
}

fn forwarded(text: &str) -> String {
    match read(text).expect("a good head").want {
        Want::Forward { head, .. } => String::from_utf8(head).expect("text"),
        Want::Tunnel => panic!("a tunnel"),
    }
}

#[test]
fn what_was_looked_at_is_not_looked_at_again() {
    // A byte that no head holds shows whether it is read.
    assert_eq!(parse(b"GET \0"), Err(HeadError::Control));
    assert_eq!(parse_on(b"GET \0", 5), Ok(None));
    for text in [&b"CONNECT a.example:1 HTTP/1.1\r\nA: b\r\n\r\nrest"[..], b"GET / HTTP/1.1\r\nA\r\r", b"G\n", b"G\rT"]
    {
        let mut looked = 0;
        let bit_by_bit =
            (1..=text.len()).map(|length| (parse_on(&text[..length], std::mem::replace(&mut looked, length)), length));
        let first = bit_by_bit.map(|(told, _)| told).find(|told| *told != Ok(None));
        assert_eq!(first.unwrap_or(Ok(None)), parse(text), "{}", text.escape_ascii());
    }
}

#[test]
fn a_tunnel_names_its_host_and_port() {
    for (target, host, port) in [
        ("Good.Example:443", "good.example", 443),
        ("192.0.2.1:8080", "192.0.2.1", 8080),
        ("[2001:db8::1]:443", "[2001:db8::1]", 443),
        ("[::ffff:192.0.2.1]:443", "192.0.2.1", 443),
    ] {
        let head = read(&format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nX: y\r\n\r\n")).expect(target);
        assert_eq!((head.host.to_string().as_str(), head.port, head.want), (host, port, Want::Tunnel), "{target}");
    }
    assert!(read("CONNECT a.example:443 HTTP/1.0\r\n\r\n").is_ok());
    assert!(read("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n").is_ok());
}

#[test]
fn a_forwarded_request_loses_what_is_of_this_hop() {
    let text = "GET http://A.example:8080?q=1 HTTP/1.1\r\nHost: a.example:8080\r\nAccept: */*\r\nProxy-Authorization: x\r\n\
                Proxy-Connection: keep-alive\r\nConnection: X-Hop, upgrade\r\nX-Hop: 1\r\nUpgrade: h2c\r\n\
                HTTP2-Settings: AA\r\nTE: trailers\r\n\r\n";
    let expected = "GET /?q=1 HTTP/1.1\r\nHost: a.example:8080\r\nAccept: */*\r\nConnection: close\r\n\r\n";
    assert_eq!(forwarded(text), expected);
    assert_eq!(
        forwarded("GET HTTP://a.example HTTP/1.0\r\n\r\n"),
        "GET / HTTP/1.0\r\nHost: a.example\r\nConnection: close\r\n\r\n"
    );
}

#[test]
fn a_body_is_framed_in_one_way() {
    let body = |fields: &str| {
        let text = format!("POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n");
        read(&text).map(|head| match head.want {
            Want::Forward { body, .. } => body,
            Want::Tunnel => panic!("a tunnel"),
        })
    };
    assert_eq!(body(""), Ok(Body::Length(0)));
    assert_eq!(body("Content-Length: 12\r\n"), Ok(Body::Length(12)));
    assert_eq!(body("Transfer-Encoding: Chunked\r\n"), Ok(Body::Chunked));
    for (fields, error) in [
        ("Content-Length: 1\r\nContent-Length: 1\r\n", HeadError::TwoLengths),
        ("Content-Length: 1, 1\r\n", HeadError::Length),
        ("Content-Length: +1\r\n", HeadError::Length),
        ("Content-Length: 01\r\n", HeadError::Length),
        ("Content-Length: 0x1\r\n", HeadError::Length),
        ("Content-Length: \r\n", HeadError::Length),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", HeadError::LengthAndEncoding),
        ("Transfer-Encoding: gzip, chunked\r\n", HeadError::Encoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", HeadError::Encoding),
        ("Connection: content-length\r\nContent-Length: 1\r\n", HeadError::ConnectionNames),
    ] {
        assert_eq!(body(fields), Err(error), "{fields}");
    }
    let old = "POST http://a.example/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(read(old), Err(HeadError::Encoding));
}

#[test]
fn what_can_be_read_in_two_ways_is_refused_by_name() {
    use HeadError as E;
    for (text, error) in [
        ("GET http://a.example/ HTTP/1.1\nHost: a.example\n\n", E::BareLineFeed),
        ("GET http://a.example/ HTTP/1.1\r\nA: b\nC: d\r\n\r\n", E::BareLineFeed),
        ("GET http://a.example/ HTTP/1.1\r\nA: b\rC: d\r\n\r\n", E::BareCarriageReturn),
        ("GET http://a.example/ HTTP/1.1\r\nA: b\0\r\n\r\n", E::Control),
        ("GET http://a.example/ HTTP/1.1\r\nA: b\r\n c\r\n\r\n", E::Folded),
        ("GET http://a.example/ HTTP/1.1\r\n A: b\r\n\r\n", E::Folded),
        ("GET http://a.example/ HTTP/1.1\r\nA : b\r\n\r\n", E::Header),
        ("GET http://a.example/ HTTP/1.1\r\n: b\r\n\r\n", E::Header),
        ("GET http://a.example/ HTTP/1.1\r\nno colon\r\n\r\n", E::Header),
        ("GET  http://a.example/ HTTP/1.1\r\n\r\n", E::RequestLine),
        ("GET http://a.example/ x HTTP/1.1\r\n\r\n", E::RequestLine),
        ("GET http://a.example/\r\n\r\n", E::RequestLine),
        ("\r\nGET http://a.example/ HTTP/1.1\r\n\r\n", E::RequestLine),
        ("G(T http://a.example/ HTTP/1.1\r\n\r\n", E::Method),
        ("GET http://a.example/ HTTP/2\r\n\r\n", E::Version),
        ("GET http://a.example/ http/1.1\r\n\r\n", E::Version),
        ("GET /path HTTP/1.1\r\nHost: a.example\r\n\r\n", E::Target),
        ("OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n", E::Target),
        ("GET https://a.example/ HTTP/1.1\r\n\r\n", E::Scheme),
        ("GET ftp://a.example/ HTTP/1.1\r\n\r\n", E::Scheme),
        ("GET http://user@a.example/ HTTP/1.1\r\n\r\n", E::UserInformation),
        ("CONNECT good.example:443@a.example:443 HTTP/1.1\r\n\r\n", E::UserInformation),
        ("GET http://a.example/#x HTTP/1.1\r\n\r\n", E::Fragment),
        ("GET http://a.example\\@b.example/ HTTP/1.1\r\n\r\n", E::Host),
        ("GET http:///x HTTP/1.1\r\n\r\n", E::Host),
        ("GET http://a%2eexample/ HTTP/1.1\r\n\r\n", E::Host),
        ("GET http://0x7f.1/ HTTP/1.1\r\n\r\n", E::Host),
        ("GET http://0177.0.0.1/ HTTP/1.1\r\n\r\n", E::Host),
        ("GET http://2130706433/ HTTP/1.1\r\n\r\n", E::Host),
        ("GET http://a.example:/ HTTP/1.1\r\n\r\n", E::Port),
        ("GET http://a.example:080/ HTTP/1.1\r\n\r\n", E::Port),
        ("GET http://a.example:0/ HTTP/1.1\r\n\r\n", E::Port),
        ("GET http://a.example:65536/ HTTP/1.1\r\n\r\n", E::Port),
        ("GET http://a.example:+80/ HTTP/1.1\r\n\r\n", E::Port),
        ("CONNECT a.example HTTP/1.1\r\n\r\n", E::Port),
        ("CONNECT [fe80::1%25eth0]:443 HTTP/1.1\r\n\r\n", E::Zone),
        ("CONNECT ::1:443 HTTP/1.1\r\n\r\n", E::Host),
        ("CONNECT http://a.example:443 HTTP/1.1\r\n\r\n", E::Host),
        ("CONNECT a.example:443 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", E::ConnectBody),
        ("CONNECT a.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n", E::OtherHost),
        ("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:80\r\n\r\n", E::OtherHost),
        ("GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n", E::OtherHost),
        ("GET http://a.example:8080/ HTTP/1.1\r\nHost: a.example\r\n\r\n", E::OtherHost),
        ("GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nhost: a.example\r\n\r\n", E::TwoHosts),
        ("GET http://a.example/ HTTP/1.1\r\nHost:\r\n\r\n", E::OtherHost),
    ] {
        assert_eq!(read(text), Err(error), "{text:?}");
    }
}

#[test]
fn a_head_is_whole_or_waited_for_or_too_long() {
    let text = b"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\nrest";
    for end in 0..text.len() - 4 {
        assert_eq!(parse(&text[..end]), Ok(None), "{end}");
    }
    assert_eq!(parse(text).ok().flatten().map(|head| head.length), Some(text.len() - 4));
    assert_eq!(parse(&[b'a'; MAX_HEAD - 1]), Ok(None));
    assert_eq!(parse(&[b'a'; MAX_HEAD]), Err(HeadError::TooLong));
    let many = format!("GET http://a.example/ HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(129));
    assert_eq!(read(&many), Err(HeadError::ManyHeaders));
}
