//! Heads of requests that are decided one by one: what is taken is decided as soon as it is whole, is read by another
//! parser as the same one request, and its path has no reading that climbs.
#![no_main]

use gate::head::{Body, MAX_HEAD, Place, parse_direct};
use libfuzzer_sys::fuzz_target;
use policy::{Host, Request};

/// Every `%XX` for its byte, and all else as it is.
fn decoded(path: &[u8]) -> Vec<u8> {
    let hex = |at: usize| path.get(at).and_then(|&byte| char::from(byte).to_digit(16));
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(&byte) = path.get(at) {
        match (byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

fuzz_target!(|bytes: &[u8]| {
    let host = Host::parse("web.example").expect("a host");
    let parse = |bytes: &[u8]| parse_direct(bytes, 0, &Place { host: &host, port: 8080, tls: false });
    let direct = match parse(bytes) {
        Ok(Some(direct)) => direct,
        other => {
            let half = parse(&bytes[..bytes.len() / 2]);
            assert!(!matches!((&half, &other), (Ok(Some(_)), _)), "a prefix was taken, the whole was not");
            assert!(!matches!((&half, &other), (Err(_), Ok(None))), "a refusal was taken back");
            return;
        }
    };
    assert!(direct.length <= bytes.len() && direct.length <= MAX_HEAD);
    assert_eq!(parse(&bytes[..direct.length]), Ok(Some(direct.clone())), "what follows changes the head");
    assert_eq!(parse(&bytes[..direct.length - 1]), Ok(None), "taken before it was whole");
    // What is sent is one request again, and the same.
    let again = parse(&direct.head).expect("taken").expect("whole");
    assert_eq!((&again.asks, &again.head), (&direct.asks, &direct.head));
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut request = httparse::Request::new(&mut fields);
    let status = request.parse(&direct.head).expect("another parser takes it");
    assert_eq!(status, httparse::Status::Complete(direct.head.len()), "one head and nothing else");
    assert_eq!(request.method, Some(direct.asks.request.method().as_str()));
    assert_eq!(request.path, Some(direct.asks.target.as_str()));
    let named = |name: &str| request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).count();
    assert_eq!(named("host"), 1, "one destination");
    assert!(named("content-length") + named("transfer-encoding") <= 1, "one length");
    assert_eq!(named("upgrade") + named("http2-settings"), 0, "one protocol");
    assert_eq!(matches!(direct.asks.body, Body::Chunked), named("transfer-encoding") == 1);
    // Decoded as often as one likes, and with every slash for a slash, no segment climbs.
    let mut path = direct.asks.request.path().as_bytes().to_vec();
    for _ in 0..4 {
        path = decoded(&path);
    }
    let path = String::from_utf8_lossy(&path).replace('\\', "/");
    let mut names = path.split('/').map(|part| part.split(';').next().unwrap_or_default());
    assert!(!names.any(|name| matches!(name, "." | "..")), "{path}");
    assert!(Request::new(direct.asks.request.method().as_str(), direct.asks.request.path()).is_ok());
});
