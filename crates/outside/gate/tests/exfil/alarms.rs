//! False alarms: real requests that carry nothing of what is labelled, through a gate that guards it. One in ten thousand may
//! be taken for one that does; what cannot be looked into is held, and counted apart.
//!
//! `BASTIDE_EXFIL_REQUESTS` names a directory of requests as clients said them, one to a file (`proof/exfil/record.py`
//! writes them, and hashes of the files that they were made of); without it the requests are made of files of this repository.
//! Those files stood in the workspace, as the session's process answers whoever asks.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use policy::{Conjunction, PLACEHOLDER, Rule};
use wire::Lease;

use super::{SECRET, Scene, scene_with, wrap};
use crate::fake::server::say;

/// So many requests are enough here; `proof/exfil/run` brings more.
const FEW: usize = 200;
/// Where hashes are written beside the requests.
const STOOD: &str = "stood.sha256";

fn files(directory: &Path, most: usize, all: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut entries: Vec<PathBuf> = entries.collect();
    entries.sort();
    for path in entries {
        if all.len() < most && path.is_dir() && !path.ends_with("target") && !path.ends_with("wrap") {
            files(&path, most, all);
        } else if all.len() < most && path.is_file() {
            all.push(path);
        }
    }
}

/// A request of one of the kinds that programs say, about a file.
fn made(at: usize, name: &str, content: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(content);
    let asked =
        |content: &str| json!({"model": "m-1", "max_tokens": 1024, "messages": [{"role": "user", "content": content}]});
    let (kind, body): (&str, Vec<u8>) = match at % 5 {
        0 => ("application/json", asked(&text).to_string().into_bytes()),
        1 => ("text/plain", content.to_vec()),
        2 => ("application/gzip", wrap::packed::gzip(content)),
        3 => {
            let head = format!("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
            ("multipart/form-data; boundary=b", [head.as_bytes(), content, b"\r\n--b--\r\n"].concat())
        }
        _ => (
            "application/json",
            json!({"path": name, "content": super::text(&wrap::digits::base64(content))}).to_string().into_bytes(),
        ),
    };
    let head = format!(
        "POST /repos/acme/widget/contents/{name} HTTP/1.1\r\nHost: HOST\r\nUser-Agent: python-requests/2.32.3\r\n\
         Accept: */*\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

fn requests() -> Vec<(String, Vec<u8>)> {
    let mut paths = Vec::new();
    if let Some(directory) = std::env::var_os("BASTIDE_EXFIL_REQUESTS") {
        files(Path::new(&directory), usize::MAX, &mut paths);
        paths.retain(|path| !path.ends_with(STOOD));
        return paths.into_iter().map(|path| (path.to_string_lossy().into_owned(), fs::read(path).unwrap())).collect();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    for directory in ["crates/pure", "docs", "blueprints", "crates/face"] {
        files(&root.join(directory), 2 * FEW, &mut paths);
    }
    paths.push(root.join("Cargo.lock"));
    // These hold the very secret, or speak of placeholders of credentials.
    let holds = |content: &[u8]| {
        let text = String::from_utf8_lossy(content);
        text.contains(SECRET) || text.contains(PLACEHOLDER)
    };
    paths.retain(|path| !holds(&fs::read(path).unwrap()));
    let named = |path: &Path| {
        path.file_name().unwrap().to_string_lossy().replace(|letter: char| !letter.is_ascii_alphanumeric(), "-")
    };
    paths
        .iter()
        .enumerate()
        .map(|(at, path)| (path.display().to_string(), made(at, &named(path), &fs::read(path).unwrap())))
        .collect()
}

/// Hashes of the files that stood in the workspace.
fn stood() -> HashSet<String> {
    let Some(directory) = std::env::var_os("BASTIDE_EXFIL_REQUESTS") else { return HashSet::new() };
    fs::read_to_string(Path::new(&directory).join(STOOD)).unwrap().lines().map(str::to_owned).collect()
}

/// The same to the server of the test, and the last on its connection.
fn aimed(request: &[u8], port: u16) -> Option<Vec<u8>> {
    let end = request.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&request[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let first = lines.next()?;
    let own = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        // Without TLS some clients ask for HTTP/2 in its first form, which no gate lets through.
        let connection =
            ["host", "connection", "expect", "content-length", "transfer-encoding", "upgrade", "http2-settings"];
        !connection.contains(&name.as_str())
    };
    let body = &request[end + 4..];
    let mut said = format!("{first}\r\nHost: web.example:{port}\r\nConnection: close\r\n");
    lines.filter(own).for_each(|line| said.extend([line, "\r\n"]));
    if !body.is_empty() {
        said.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    said.push_str("\r\n");
    Some([said.as_bytes(), body].concat())
}

/// What came back to it, where it did not go out.
fn refused(scene: &Scene, request: &[u8]) -> Option<String> {
    let port = scene.sink.port;
    let back = say(&scene.cell, None, "web.example", port, &aimed(request, port)?).unwrap_or_else(|error| error);
    (!back.starts_with("HTTP/1.1 200")).then(|| back.split("\r\n\r\n").nth(1).unwrap_or(&back).trim().to_owned())
}

/// Where no models are routed, what has the shape of a question to one is any request.
fn without_routes(leased: &mut Lease) {
    let mut policy = leased.policy.policies().next().unwrap().clone();
    policy.inference = Default::default();
    let plain = |rule: &Rule| !rule.to.to_string().starts_with("chat.");
    policy.network.allow.retain(plain);
    leased.policy = Conjunction::new(vec![policy]);
}

#[test]
fn real_requests_go_out() {
    let (scene, requests) = (scene_with(without_routes), requests());
    scene.gate.stood.lock().unwrap().extend(stood());
    let mut alarms = Vec::new();
    for (name, request) in &requests {
        if let Some(why) = refused(&scene, request) {
            println!("alarm: {name}: {why}");
            alarms.push(format!("{name}: {why}"));
        }
    }
    let came = scene.sink.got.lock().unwrap().len();
    // Ciphertext, pictures, test vectors and what inflates to a thousand times its size are held wherever something may not leave,
    // where they did not stand in the workspace, and the answer says that it is for that.
    let opaque = |why: &String| why.contains("cannot be looked into");
    let (held, mistaken): (Vec<String>, Vec<String>) = alarms.iter().cloned().partition(opaque);
    println!("{} requests, {came} came, {} mistaken, {} not looked into", requests.len(), mistaken.len(), held.len());
    assert!(requests.len() >= FEW && came + alarms.len() == requests.len());
    assert!(mistaken.len() * 10_000 <= requests.len(), "{mistaken:#?}");
    // Of files of this repository nobody is asked.
    let most = if stood().is_empty() { requests.len() / 100 } else { requests.len() / 10_000 };
    assert!(mistaken.len() + held.len() <= most, "{held:#?}");
}
