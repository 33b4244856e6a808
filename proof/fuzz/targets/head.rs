//! Heads of requests to the explicit proxy: what is taken lies within its bounds, is decided as soon as it is whole,
//! and is read by another parser as the same one request.
#![no_main]

use gate::chunks::Chunks;
use gate::head::{Body, MAX_HEAD, Want, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let head = match parse(bytes) {
        Ok(Some(head)) => head,
        other => {
            // A refusal may not depend on what is not there yet: a prefix is never taken.
            let half = parse(&bytes[..bytes.len() / 2]);
            assert!(!matches!((&half, &other), (Ok(Some(_)), _)), "a prefix was taken, the whole was not");
            assert!(!matches!((&half, &other), (Err(_), Ok(None))), "a refusal was taken back");
            let mut chunks = Chunks::default();
            if let Ok(taken) = chunks.take(bytes) {
                assert!(taken <= bytes.len());
            }
            return;
        }
    };
    assert!(head.length <= bytes.len() && head.length <= MAX_HEAD && head.port > 0);
    assert_eq!(parse(&bytes[..head.length]), Ok(Some(head.clone())), "what follows changes the head");
    assert_eq!(parse(&bytes[..head.length - 1]), Ok(None), "taken before it was whole");
    let Want::Forward { head: sent, body, .. } = head.want else { return };
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut request = httparse::Request::new(&mut fields);
    let status = request.parse(&sent).expect("another parser takes it");
    assert_eq!(status, httparse::Status::Complete(sent.len()), "one head and nothing else");
    assert!(request.path.is_some_and(|path| path.starts_with('/') || path == "*"));
    let named = |name: &str| request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).count();
    assert_eq!(named("host"), 1, "one destination");
    assert!(named("content-length") + named("transfer-encoding") <= 1, "one length");
    assert_eq!(named("proxy-authorization") + named("proxy-connection"), 0, "the proxy's own headers stay here");
    assert_eq!(matches!(body, Body::Chunked), named("transfer-encoding") == 1);
});
