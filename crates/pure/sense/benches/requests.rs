//! What looking at a request costs as the gate gives it, part by part and behind others to the same destination:
//! `cargo bench -p bastide-sense --bench requests`. A word is the one kind to measure.

use std::hint::black_box;
use std::time::Instant;

use sense::{Bounds, Corpus, Label, Window};

/// A request in parts.
type Parts = Vec<Vec<u8>>;

fn main() {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let mut corpus = Corpus::new();
    let line = |n: usize| format!("The quarterly margin of contract {n} is {} and stays inside.\n", n * 7919 % 1000);
    corpus.add(Label(0), (0..2500).map(line).collect::<String>().as_bytes()).expect("it fits");
    for secret in 0..10 {
        corpus.add_secret(Label(9), format!("k{secret}-Zt41pQx{secret}9Lm").as_bytes()).expect("it fits");
    }
    let kinds: [(&str, &dyn Fn(usize) -> Parts); 7] = [
        ("get", &|_| get()),
        ("get other", &|count| get_other(count)),
        ("api", &|count| posted("application/json", json(700, count))),
        ("json 1K", &|count| posted("application/json", json(1 << 10, count))),
        ("text 10K", &|count| posted("text/plain", prose(10 << 10, count))),
        ("text 100K", &|count| posted("text/plain", prose(100 << 10, count))),
        ("json 1M", &|count| posted("application/json", json(1 << 20, count))),
    ];
    println!("{:<10} {:>8} {:>6} {:>10} {:>10} {:>10}", "kind", "bytes", "parts", "parts us", "again us", "new us");
    for (kind, request) in kinds {
        if only.as_deref().is_none_or(|only| only == kind) {
            measure(&corpus, kind, request);
        }
    }
}

/// Microseconds of the parts alone, of what came before to the same destination, and of what says something new.
fn measure(corpus: &Corpus, kind: &str, request: &dyn Fn(usize) -> Parts) {
    let mut window = Window::new(4 << 10);
    for count in 0..20 {
        let request = request(count);
        let parts: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
        let (scan, fresh) = window.scan(corpus, &parts, &Bounds::USUAL);
        assert!(scan.found.is_empty() && scan.beyond.is_none() && scan.opaque.is_none(), "{kind}: {scan:?}");
        window.keep(fresh);
    }
    let (again, new) = (request(19), request(1000));
    let (again, new): (Vec<&[u8]>, Vec<&[u8]>) =
        (again.iter().map(Vec::as_slice).collect(), new.iter().map(Vec::as_slice).collect());
    let bytes: usize = new.iter().map(|part| part.len()).sum();
    let parts = best(bytes, &|| drop(black_box(corpus.scan_parts(&new, &Bounds::USUAL))));
    let again = best(bytes, &|| drop(black_box(window.scan(corpus, &again, &Bounds::USUAL))));
    let said = best(bytes, &|| drop(black_box(window.scan(corpus, &new, &Bounds::USUAL))));
    println!("{kind:<10} {bytes:>8} {:>6} {parts:>10.1} {again:>10.1} {said:>10.1}", new.len());
}

/// Of many short samples the best: what else runs on the machine disturbs most of the long ones.
fn best(size: usize, scan: &dyn Fn()) -> f64 {
    let rounds = (64 << 10) / size + 1;
    let sample = |_| {
        let begin = Instant::now();
        (0..rounds).for_each(|_| scan());
        begin.elapsed().as_secs_f64() * 1e6 / rounds as f64
    };
    (0..60).map(sample).fold(f64::MAX, f64::min)
}

/// The request of `proof/bench/requests.py`.
fn get() -> Parts {
    let mut parts =
        vec!["host.bastide".into(), "GET".into(), format!("/s?{}", "q=words&".repeat(12)).into(), "s".into()];
    parts.extend((0..12).flat_map(|_| ["q".into(), "words".into()]));
    parts.extend(["host".into(), "host.bastide:40123".into(), "".into()]);
    parts
}

/// One of a browser or an agent's tool, which says something else each time.
fn get_other(count: usize) -> Parts {
    let (page, query) = (count * 7919, prose(40, count).replace([' ', '\n'], "+"));
    let mut parts: Parts =
        vec!["docs.example.com".into(), "GET".into(), format!("/search/{page}?q={query}&page={count}").into()];
    parts.extend(["search".into(), page.to_string().into(), "q".into(), query.replace('+', " ").into()]);
    parts.extend(["page".into(), count.to_string().into()]);
    parts.extend(headers("*/*"));
    parts.push(Vec::new());
    parts
}

fn posted(kind: &str, body: String) -> Parts {
    let mut parts: Parts = vec!["api.example.com".into(), "POST".into(), "/v1/log/batch".into()];
    parts.extend(["v1", "log", "batch"].map(Into::into));
    parts.extend(headers(kind));
    parts.push(body.into_bytes());
    parts
}

fn headers(kind: &str) -> Parts {
    let headers = [
        ("host", "api.example.com"),
        ("user-agent", "python-requests/2.32.3"),
        ("accept-encoding", "gzip, deflate"),
        ("accept", "*/*"),
        ("connection", "keep-alive"),
        ("content-type", kind),
    ];
    headers.into_iter().flat_map(|(name, value)| [name.into(), value.into()]).collect()
}

fn prose(size: usize, seed: usize) -> String {
    const WORDS: [&str; 16] = [
        "the", "request", "agent", "of", "file", "writes", "window", "policy", "to", "reads", "server", "in", "value",
        "network", "between", "answer",
    ];
    let (mut text, mut word) = (String::new(), seed as u64 + 1);
    while text.len() < size {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(WORDS[(word >> 33) as usize % WORDS.len()]);
        text.push_str(if (word >> 40).is_multiple_of(12) { ".\n" } else { " " });
    }
    text.truncate(size);
    text
}

/// Messages of 200 bytes, within the size.
fn json(size: usize, seed: usize) -> String {
    let text = prose(size, seed);
    let mut body = String::from(r#"{"model":"m-1","messages":["#);
    for piece in text.as_bytes().chunks(200) {
        let piece = String::from_utf8_lossy(piece).replace('\n', "\\n");
        let message = format!(r#"{{"role":"user","id":"9f1c-{}","content":"{piece}"}},"#, piece.len());
        if body.len() + message.len() > size {
            break;
        }
        body.push_str(&message);
    }
    body.trim_end_matches(',').to_owned() + "]}"
}
