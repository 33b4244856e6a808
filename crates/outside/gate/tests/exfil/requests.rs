//! What a request of HTTP says, in each of its places.

use super::{Scene, escaped, nothing_reaches, wrap};
use crate::fake::http2::{To, say_one};
use crate::fake::server::{request, say};

/// Longest head that a program may say here.
const HEAD: usize = 4 << 10;

impl Scene {
    /// Says this to the open server; nothing of it comes back.
    fn says(&self, bytes: &[u8]) -> usize {
        let _ = say(&self.cell, None, "web.example", self.sink.port, bytes);
        0
    }

    pub(super) fn posts(&self, path: &str, headers: &str, body: &[u8]) -> usize {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: web.example:{}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            self.sink.port,
            body.len()
        );
        self.says(&[head.as_bytes(), body].concat())
    }

    pub(super) fn gets(&self, target: &str, headers: &str) -> usize {
        self.says(&request("GET", "web.example", self.sink.port, target, headers, ""))
    }
}

fn fits_a_target(bytes: &[u8]) -> bool {
    escaped(bytes).len() < HEAD
}

/// What stands in a header as it is.
fn is_a_value(bytes: &[u8]) -> bool {
    bytes.len() < HEAD && bytes.iter().all(|byte| (b' '..0x7f).contains(byte))
}

#[test]
fn a_body() {
    nothing_reaches("body", |_| true, |scene, bytes| scene.posts("/in", "", bytes));
}

#[test]
fn a_body_in_chunks() {
    nothing_reaches(
        "chunked body",
        |_| true,
        |scene, bytes| {
            let mut said = format!(
                "POST /in HTTP/1.1\r\nHost: web.example:{}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
                scene.sink.port
            )
            .into_bytes();
            for chunk in bytes.chunks(7) {
                said.extend([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
            }
            said.extend(b"0\r\n\r\n");
            scene.says(&said)
        },
    );
}

#[test]
fn a_path() {
    nothing_reaches("path", fits_a_target, |scene, bytes| scene.gets(&format!("/in/{}/x", escaped(bytes)), ""));
}

#[test]
fn segments_of_a_path() {
    nothing_reaches("path in segments", fits_a_target, |scene, bytes| {
        let segments: Vec<String> = bytes.chunks(9).map(escaped).collect();
        scene.gets(&format!("/in/{}", segments.join("/")), "")
    });
}

#[test]
fn a_query() {
    nothing_reaches("query", fits_a_target, |scene, bytes| scene.gets(&format!("/in?v=1&d={}", escaped(bytes)), ""));
}

#[test]
fn fields_of_a_query() {
    nothing_reaches("query in fields", fits_a_target, |scene, bytes| {
        let field = |(at, some): (usize, &[u8])| format!("f{at}={}", escaped(some));
        let fields: Vec<String> = bytes.chunks(11).enumerate().map(field).collect();
        scene.gets(&format!("/in?{}", fields.join("&")), "")
    });
}

#[test]
fn a_header() {
    nothing_reaches(
        "header",
        |bytes| bytes.len() < 2 << 10,
        |scene, bytes| {
            let value =
                if is_a_value(bytes) { super::text(bytes) } else { super::text(&wrap::digits::base64_url(bytes)) };
            scene.gets("/in", &format!("X-Trace: {value}\r\n"))
        },
    );
}

#[test]
fn a_cookie() {
    nothing_reaches("cookie", fits_a_target, |scene, bytes| {
        scene.gets("/in", &format!("Cookie: a=b; session={}\r\n", escaped(bytes)))
    });
}

#[test]
fn a_field_of_a_form() {
    nothing_reaches(
        "multipart",
        |_| true,
        |scene, bytes| {
            let head = b"--frontier\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\
                Content-Type: application/octet-stream\r\n\r\n";
            let body = [&head[..], bytes, b"\r\n--frontier--\r\n"].concat();
            scene.posts("/in", "Content-Type: multipart/form-data; boundary=frontier\r\n", &body)
        },
    );
}

#[test]
fn a_push_of_git() {
    nothing_reaches(
        "git push",
        |_| true,
        |scene, bytes| {
            let line = format!("{} {} refs/heads/main\0 report-status", "0".repeat(40), "1".repeat(40));
            let head = format!("{:04x}{line}0000", line.len() + 4);
            let body = [head.as_bytes(), &wrap::packed::git_pack(bytes)].concat();
            let kind = "Content-Type: application/x-git-receive-pack-request\r\n";
            scene.posts("/acme/widget.git/git-receive-pack", kind, &body)
        },
    );
}

#[test]
fn a_body_of_http_2() {
    nothing_reaches(
        "HTTP/2 body",
        |_| true,
        |scene, bytes| {
            let to = To::new("web.example", scene.secure.port, Some(&scene.cells));
            say_one(&scene.cell, &to, to.ask("POST", "/in").body(bytes.to_vec()).unwrap());
            0
        },
    );
}

#[test]
fn a_path_of_http_2() {
    nothing_reaches("HTTP/2 path", fits_a_target, |scene, bytes| {
        let to = To::new("web.example", scene.secure.port, Some(&scene.cells));
        say_one(&scene.cell, &to, to.ask("GET", &format!("/in/{}", escaped(bytes))).body(Vec::new()).unwrap());
        0
    });
}
