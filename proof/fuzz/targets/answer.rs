//! What is answered to a stream of HTTP/2: taken apart alike however it is cut, and never more of it than it says.
#![no_main]

use gate::http2::answer::{Answer, Unsayable};
use libfuzzer_sys::fuzz_target;

type Told = (Vec<(u16, Vec<(String, Vec<u8>)>)>, Vec<u8>, bool, bool);

fn told(text: &[u8], bare: bool, size: usize) -> Result<Told, Unsayable> {
    let (mut answer, mut heads, mut body) = (Answer::new(bare), Vec::new(), Vec::new());
    for piece in text.chunks(size.max(1)) {
        let said = answer.take(piece)?;
        for head in said.heads {
            let last = heads.last().map(|(status, _): &(u16, _)| *status);
            assert!(last.is_none_or(|status| status < 200), "something behind the answer");
            let fields = head.headers().iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
            heads.push((head.status().as_u16(), fields.collect()));
        }
        body.extend(said.body);
    }
    Ok((heads, body, answer.is_whole(), answer.ends_with_the_connection()))
}

fuzz_target!(|bytes: &[u8]| {
    let [cut, text @ ..] = bytes else { return };
    let (bare, size) = (cut & 1 > 0, usize::from(cut >> 1) + 1);
    let whole = told(text, bare, text.len());
    assert_eq!(told(text, bare, size), whole, "the cut changes what is read");
    let Ok((heads, body, whole, _)) = whole else { return };
    let Some((status, fields)) = heads.last() else {
        assert!(body.is_empty() && !whole);
        return;
    };
    assert!(*status != 101 && body.len() <= text.len());
    assert!(fields.iter().all(|(name, _)| !["connection", "transfer-encoding", "upgrade", "keep-alive"].contains(&name.as_str())));
    assert!(!(bare || matches!(status, 204 | 304)) || body.is_empty());
    if let (true, false, Some((_, length))) = (whole, bare || *status == 304, fields.iter().find(|(name, _)| name == "content-length")) {
        assert_eq!(String::from_utf8_lossy(length).parse(), Ok(body.len()), "another length than it says");
    }
});
