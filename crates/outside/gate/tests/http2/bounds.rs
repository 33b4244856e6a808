//! What one program can take of its gate by HTTP/2: places, memory, patience.

use std::time::Duration;

use bytes::Bytes;

use super::{Scene, echo};
use crate::fake::http2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, RST_STREAM, To, block, frame, hear, one,
    open, raw, say, with,
};
use crate::fake::script::Step;
use crate::fake::server::authority;

/// KiB that a flood may leave behind.
const LEFT: u64 = 8 << 10;

fn hanging(case: &str, _: &[u8]) -> Vec<Step> {
    match case {
        "hangs" => vec![Step::Hang],
        _ => vec![Step::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec())],
    }
}

fn ends(frames: &[Frame]) -> bool {
    frames.iter().any(|frame| frame.kind == GOAWAY)
}

/// Why the connection was ended.
fn reason(frames: &[Frame]) -> Option<u32> {
    let last = frames.iter().find(|frame| frame.kind == GOAWAY)?;
    Some(u32::from_be_bytes(last.payload[4..8].try_into().unwrap()))
}

/// Fields of a request to the scene's server, which hangs.
fn fields(to: &To, method: &str) -> Vec<u8> {
    let authority = format!("{}:{}", to.host, to.port);
    block(&[(":method", method), (":scheme", "https"), (":authority", &authority), (":path", "/a/case-hangs")])
}

#[test]
fn floods_end_their_connection_and_leave_nothing_behind() {
    let scene = Scene::staged(hanging, |_| {});
    let to = scene.to();
    let answers = |scene: &Scene| {
        let answer = say(&scene.cell, &scene.to(), vec![scene.get("/a/x")]).pop().unwrap().unwrap();
        assert_eq!(answer.text(), "ok");
    };
    answers(&scene);
    let before = scene.gate.status("VmRSS:");
    let (get, post) = (fields(&to, "GET"), fields(&to, "POST"));
    let many = |count: u32, each: &dyn Fn(u32) -> Vec<u8>| (0..count).flat_map(each).collect::<Vec<u8>>();
    let begun = frame(HEADERS, END_HEADERS, 1, &post);
    // One entry of 4,000 bytes, and as many mentions of it.
    let entry = [&[0x40, 1, b'x', 127, 0xa1, 0x1e][..], &[b'y'; 4000], &[0xbe; 4000]].concat();
    let given_up = |at: u32| {
        let (begin, end) =
            (frame(HEADERS, END_HEADERS | END_STREAM, at, &get), frame(RST_STREAM, 0, at, &8_u32.to_be_bytes()));
        [begin, end].concat()
    };
    let broken = block(&[(":method", "GET"), ("connection", "x")]);
    let calm = "excessive load";
    let cases: [(&str, Vec<u8>, &str); 8] = [
        ("streams given up at once", many(4000, &|at| given_up(2 * at + 1)), calm),
        (
            "streams that break the protocol",
            many(1000, &|at| frame(HEADERS, END_HEADERS | END_STREAM, 2 * at + 1, &broken)),
            calm,
        ),
        ("headers that unfold", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[&get[..], &entry].concat()), calm),
        (
            "headers without an end",
            [frame(HEADERS, END_STREAM, 1, &get), many(20_000, &|_| frame(CONTINUATION, 0, 1, &block(&[("x", "y")])))]
                .concat(),
            calm,
        ),
        (
            "headers in nothing but frames",
            [frame(HEADERS, END_STREAM, 1, &get), many(20_000, &|_| frame(CONTINUATION, 0, 1, b""))].concat(),
            calm,
        ),
        ("bodies byte by byte", [begun.clone(), many(20_000, &|_| frame(DATA, 0, 1, b"x"))].concat(), calm),
        ("bodies of nothing", [begun.clone(), many(20_000, &|_| frame(DATA, 0, 1, b""))].concat(), calm),
        // Each is answered; the last frame is no frame, and says that all came through.
        (
            "pings",
            [many(20_000, &|_| frame(PING, 0, 0, &[0; 8])), frame(HEADERS, END_HEADERS, 0, b"")].concat(),
            "unspecific",
        ),
    ];
    for (at, (what, said, reason)) in cases.into_iter().enumerate() {
        raw(&scene.cell, &to, said, ends);
        let told = |record: &str| -> Vec<String> {
            record.lines().filter(|line| line.contains("it is no HTTP/2")).map(str::to_owned).collect()
        };
        let told = (0..500).find_map(|_| {
            std::thread::sleep(Duration::from_millis(10));
            Some(told(&scene.cell.record())).filter(|told| told.len() > at)
        });
        let last = told.unwrap_or_else(|| panic!("{what}")).pop().unwrap();
        assert!(last.contains(reason), "{what}: {last}");
        answers(&scene);
    }
    let after = scene.gate.status("VmRSS:");
    println!("KiB before {before}, after {after}");
    assert!(after <= before + LEFT, "{before} {after}");
}

/// Each stream takes the place of a connection.
#[test]
fn streams_share_the_places_of_connections() {
    let scene = Scene::staged(hanging, |leased| leased.bounds.connections = 12);
    let to = scene.to();
    let idle = scene.gate.descriptors();
    let get = |path: &str| to.ask("GET", path).body(()).unwrap();
    let (hangs, usual) = (get("/a/case-hangs"), get("/a/x"));
    let gate = scene.gate.child.id();
    let descriptors = move || std::fs::read_dir(format!("/proc/{gate}/fd")).unwrap().count();
    let (most, held, refused, last) = with(&scene.cell, &to, move |send| async move {
        let mut send = send.ready().await.unwrap();
        // As many as it may, which it was told by now.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let most = send.current_max_send_streams();
        let mut waiting = Vec::new();
        for _ in 0..most {
            send = send.ready().await.unwrap();
            waiting.push(send.send_request(hangs.clone(), true).unwrap());
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let held = descriptors();
        for (_, stream) in &mut waiting {
            stream.send_reset(h2::Reason::CANCEL);
        }
        let mut refused = 0;
        for (response, _) in waiting {
            refused += usize::from(
                hear(response).await.is_err_and(|error| error.reason() == Some(h2::Reason::REFUSED_STREAM)),
            );
        }
        let (parts, ()) = usual.into_parts();
        let last = one(send, http::Request::from_parts(parts, Vec::new())).await.unwrap();
        (most, held, refused, last)
    });
    assert!((4..=8).contains(&most), "{most}");
    assert!(held <= idle + 1 + most, "{held} of {idle}");
    assert_eq!((refused, last.text().as_str()), (0, "ok"));
}

/// A program that was refused for want of a place may ask again; what goes on is not harmed.
#[test]
fn without_a_place_a_stream_is_refused_before_anything_is_done() {
    crate::fake::outside();
    let port = crate::fake::script::stage(None, hanging);
    let scene = Scene::of(port, &authority("servers"), |leased| leased.bounds.connections = 8);
    let to = scene.plain();
    let (statuses, refused) = with(&scene.cell, &to.clone(), move |send| async move {
        let get = |path: &str| to.ask("GET", path).body(Vec::new()).unwrap();
        let mut sends = vec![send];
        // Each of them was told of more streams than there are places once all are used.
        for _ in 0..3 {
            sends.push(open(&to).await);
        }
        let mut waiting = Vec::new();
        for send in &mut sends {
            one(send.clone(), get("/a/x")).await.unwrap();
            for _ in 0..send.current_max_send_streams() {
                let mut send = send.clone().ready().await.unwrap();
                waiting.push(send.send_request(to.ask("GET", "/a/case-hangs").body(()).unwrap(), true).unwrap());
            }
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut refused = 0;
        for (mut response, mut stream) in waiting {
            let soon = tokio::time::timeout(Duration::from_millis(1), &mut response).await;
            let why = soon.ok().and_then(Result::err).and_then(|error| error.reason());
            refused += usize::from(why == Some(h2::Reason::REFUSED_STREAM));
            stream.send_reset(h2::Reason::CANCEL);
        }
        let mut statuses = Vec::new();
        for send in &sends {
            statuses.push(
                one(send.clone(), get("/a/x")).await.map(|answer| answer.status).map_err(|error| error.to_string()),
            );
        }
        (statuses, refused)
    });
    assert_eq!(statuses, vec![Ok(200); 4]);
    assert!(refused > 0);
    scene.cell.wait_for("refused request: as many connections as may be are open");
}

#[test]
fn a_connection_without_streams_ends_in_order() {
    let (scene, _server) = Scene::serving(true, echo, |leased| leased.bounds.idle = 1);
    let to = scene.to();
    // One that never says anything, and one that said something.
    let get = fields(&to, "GET");
    for said in [Vec::new(), frame(HEADERS, END_HEADERS | END_STREAM, 1, &get)] {
        let frames = raw(&scene.cell, &to, said, |_| false);
        assert_eq!(reason(&frames), Some(0), "{frames:?}");
    }
    // One that does not even begin.
    let plain = scene.plain();
    let ended = scene.cell.inside(move || {
        let to = (crate::fake::dns::address(&format!("{}.", plain.host)), plain.port).into();
        crate::fake::talk(to, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r")
    });
    assert!(!ended.unwrap_or_default().contains("200"));
}

/// A program that does not read its answers holds what they wait in, and no more.
#[test]
fn answers_that_are_not_read_wait_in_a_bounded_space() {
    fn play(_: &str, _: &[u8]) -> Vec<Step> {
        let body = vec![b'x'; 16 << 20];
        vec![Step::Say([&b"HTTP/1.1 200 OK\r\nContent-Length: 16777216\r\n\r\n"[..], &body].concat())]
    }
    let scene = Scene::staged(play, |_| {});
    let to = scene.to();
    let before = scene.gate.status("VmRSS:");
    let gate = scene.gate.child.id();
    let (hangs, post) = (to.ask("GET", "/a/x").body(()).unwrap(), to.ask("POST", "/a/x").body(()).unwrap());
    let after = with(&scene.cell, &to, move |send| async move {
        let mut send = send.ready().await.unwrap();
        let mut waiting = Vec::new();
        for at in 0..32 {
            send = send.ready().await.unwrap();
            let request = if at % 2 == 0 { &hangs } else { &post };
            let (response, mut stream) = send.send_request(request.clone(), at % 2 == 0).unwrap();
            if at % 2 == 1 {
                stream.send_data(Bytes::from(vec![b'x'; 1 << 20]), false).unwrap();
            }
            waiting.push((response, stream));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let status = std::fs::read_to_string(format!("/proc/{gate}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap().to_owned();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    });
    println!("KiB before {before}, with 32 streams that wait {after}");
    assert!(after <= before + 32 * 192, "{before} {after}");
}
