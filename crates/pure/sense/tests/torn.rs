//! Secrets in pieces, each wrapped by itself, in one request or in several; and what is no secret of the sort in ordinary traffic.

use sense::{Bounds, Corpus, Label, Window};

use crate::wrap::{self, packed, wrapped};

const TOKEN: &str = "Zx81kQw7Lm3TtV9bRp2NcY4d";
const PASSWORD: &str = "kp7lm29tvrw4";

/// Whether one of the requests says a secret, with those before it.
fn stopped(secrets: &[&str], requests: &[&[&[u8]]]) -> bool {
    let mut corpus = Corpus::new();
    for secret in secrets {
        corpus.add_secret(Label(1), secret.as_bytes()).expect("there is room");
    }
    let mut window = Window::new(4096);
    requests.iter().any(|parts| {
        let (scan, fresh) = window.scan(&corpus, parts, &Bounds::USUAL);
        assert_eq!(scan.beyond, None);
        window.keep(fresh);
        !scan.found.is_empty()
    })
}

const FILL: &[u8] = b" which is the first part of what was asked for and now comes the other: ";

/// Wrappings in which a piece of twelve bytes is read by itself.
const ALONE: [&str; 14] = [
    "plain",
    "gzip",
    "zlib",
    "zip",
    "hex",
    "percent of all",
    "entities",
    "json \\u",
    "utf-16",
    "rot13",
    "reversed",
    "base64",
    "base32",
    "quoted-printable",
];

fn said(how: &str, piece: &str) -> Vec<u8> {
    if how == "plain" { piece.into() } else { wrapped(&[how], piece.as_bytes()) }
}

#[test]
fn pieces_that_were_wrapped_by_themselves_are_put_together() {
    let (first, second) = TOKEN.split_at(12);
    let mut left: Vec<String> = Vec::new();
    for one in ALONE {
        for other in ALONE {
            let (first, second) = (&said(one, first)[..], &said(other, second)[..]);
            for requests in
                [&[&[first][..], &[second]][..], &[&[second], &[first]], &[&[first, second]], &[&[second, first]]]
            {
                if !stopped(&[TOKEN], requests) {
                    left.push(format!("{one} and {other} in {} requests", requests.len()));
                }
            }
        }
        let both = [&said(one, first), FILL, &said(one, second)].concat();
        if !stopped(&[TOKEN], &[&[&both]]) {
            left.push(one.into());
        }
    }
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn bare_pieces_in_several_requests_are_put_together() {
    for (secret, length) in [(TOKEN, 4), (TOKEN, 6), (TOKEN, 8), (PASSWORD, 6), (PASSWORD, 7), ("q7Kx2mZp9T", 5)] {
        for form in ["/p/@", "/x?q=@", "@", "{\"part\":\"@\"}", "a note with more words and @ in it"] {
            let mut requests: Vec<String> = secret
                .as_bytes()
                .chunks(length)
                .map(|piece| form.replace('@', std::str::from_utf8(piece).expect("it is text")))
                .collect();
            for _ in 0..2 {
                let said: Vec<[&[u8]; 2]> =
                    requests.iter().map(|said| [&b"api.example.com"[..], said.as_bytes()]).collect();
                let said: Vec<&[&[u8]]> = said.iter().map(|parts| &parts[..]).collect();
                assert!(stopped(&[secret], &said), "{secret} by {length} in {form}");
                assert!(!stopped(&[secret], &said[1..]), "{secret} by {length} in {form}");
                requests.reverse();
            }
        }
    }
}

#[test]
fn a_piece_is_forgotten_behind_so_much_that_it_may_stand_there_by_chance() {
    let more = |bytes: usize| -> String { (0..bytes / 20).map(|at| format!("line {at:08} of many\n")).collect() };
    for (secret, length, between, expected) in
        [(TOKEN, 6, 50_000, true), (TOKEN, 4, 3_000, true), (TOKEN, 4, 50_000, false), (TOKEN, 6, 200_000, false)]
    {
        let pieces: Vec<&[u8]> = secret.as_bytes().chunks(length).collect();
        let (more, (last, others)) = (more(between), pieces.split_last().expect("there are some"));
        let all: Vec<[&[u8]; 1]> = others.iter().chain([&more.as_bytes(), last]).map(|said| [*said]).collect();
        let all: Vec<&[&[u8]]> = all.iter().map(|parts| &parts[..]).collect();
        assert_eq!(stopped(&[secret], &all), expected, "{length} bytes, {between} between");
    }
}

/// A reader believes a header, or the list at the end of an archive.
#[test]
fn what_lies_about_how_it_is_packed_is_undone() {
    for method in [0, 1, 12] {
        assert!(stopped(&[TOKEN], &[&[&packed::zip_that_lies(TOKEN.as_bytes(), method)]]), "{method}");
    }
    let bounds = Bounds { raw_deflate: true, ..Bounds::USUAL };
    let mut corpus = Corpus::new();
    corpus.add_secret(Label(1), TOKEN.as_bytes()).expect("there is room");
    for ways in [&["gzip"][..], &["zlib"], &["gzip", "gzip"]] {
        let deflated = wrapped(ways, &packed::deflate(TOKEN.as_bytes()));
        assert!(!corpus.scan(&deflated, &bounds).found.is_empty(), "{ways:?}");
    }
    let twice = packed::deflate(&packed::deflate(TOKEN.as_bytes()));
    assert!(!corpus.scan(&twice, &bounds).found.is_empty());
}

/// Passwords as people make them, of words and numbers that stand in any text, and short ones of random characters.
const SECRETS: &[&str] = &[
    "Summer2024",
    "Winter2025!",
    "password1234",
    "correct-horse-battery",
    "correcthorsebattery",
    "WelcomeAcme2024",
    "changeme123",
    "letmein2024",
    "serverpassword",
    "admin-secret-key",
    "user:password",
    "localhost:5432",
    "production-database",
    "request-server",
    "MasterPassword",
    "the-quick-brown-fox",
    "securityfirst",
    "default-network-policy",
    "agent2agent",
    "version2.0.1",
    "December2026",
    "rust-lang-2024",
    "networkpolicy1",
    "testtesttest",
    "example.com:8080",
    "file-system-access",
    "P@ssw0rd2024",
    "secretsecret",
    "policy-network",
    "supersecretvalue",
    "docker-registry-prod",
    "k3x9q2mz",
    "h7Rt4kQ9",
    "q7Kx2mZp9T",
    "a8f3k2l9d0s1",
];

#[test]
fn words_and_numbers_in_ordinary_requests_are_no_secrets() {
    let mut corpus = Corpus::new();
    for secret in SECRETS {
        corpus.add_secret(Label(1), secret.as_bytes()).expect("there is room");
    }
    // In lines, in values, as a whole, and in digits.
    let mut windows = vec![Window::new(4096); 4];
    for text in texts() {
        let (lines, words) = (text.lines().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
        let mut requests: Vec<(usize, Vec<Vec<u8>>)> = vec![(3, vec![text.clone().into()])];
        requests.extend(lines.chunks(9).map(|some| (0, vec![b"POST".into(), some.join("\n").into()])));
        requests.extend(words.chunks(5).map(|some| (1, some.iter().map(|word| format!("q={word}").into()).collect())));
        requests.extend(lines.chunks(40).map(|some| (2, vec![wrap::digits::base64(some.join("\n").as_bytes())])));
        for (window, parts) in requests {
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            let (scan, fresh) = windows[window].scan(&corpus, &parts, &Bounds::USUAL);
            let whole = |secret: &&&str| {
                let said = parts.iter().any(|part| holds(part, secret));
                said || holds(text.as_bytes(), secret)
            };
            let told: Vec<&str> = scan.found.iter().map(|found| SECRETS[found.source.0 as usize]).collect();
            let mistaken: Vec<&&str> = told.iter().filter(|secret| !whole(secret)).collect();
            assert!(mistaken.is_empty(), "{mistaken:?} in {:?}", String::from_utf8_lossy(&parts.concat()));
            if told.is_empty() {
                windows[window].keep(fresh);
            }
        }
    }
}

/// Whether the letters of a secret stand there as a whole.
fn holds(bytes: &[u8], secret: &str) -> bool {
    let letters =
        |text: &str| text.chars().filter(|one| one.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    letters(&String::from_utf8_lossy(bytes)).contains(&letters(secret))
}

/// What this repository says: documents, programs, what depends on what. `BASTIDE_TEXTS` names other files, one a line.
fn texts() -> Vec<String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let more = std::env::var("BASTIDE_TEXTS").unwrap_or_default();
    let named = [
        "README.md",
        "SECURITY-MODEL.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Cargo.lock",
        "crates/pure/sense/src/env.rs",
    ];
    let all = named.iter().map(|name| root.join(name)).chain(more.lines().map(Into::into));
    all.filter_map(|path| std::fs::read(path).ok()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
}
