//! What becomes large when it is read.

use super::programs::with_body_to_come;
use super::providers::{events, stream};
use super::servers::misbehaving;
use super::*;

/// Structure, which takes a hundred times its room when it is read: more than a gate has.
fn structure() -> String {
    format!("[{}0]", r#"{"a":0},"#.repeat(1 << 20))
}

fn large(case: &str, _: &[u8]) -> Vec<Step> {
    let body = format!("{{\"choices\":{}}}", structure());
    vec![Say(match case {
        "values" => answer(&format!("Content-Length: {}\r\n", body.len()), &body),
        "event" => stream(events(&[&body], "\n").as_bytes()),
        _ => fine(),
    })]
}

#[test]
fn structure_without_end_is_not_read_and_the_gate_lives() {
    let scene = watched(large);
    let before = scene.gate.descriptors();
    // An answer that comes whole is passed on as it is; an event of a stream is read first.
    for (case, cut) in [("values", false), ("event", true)] {
        let came = scene.ask(Way::Model, &[case]).pop().unwrap();
        assert_eq!(whole(&came.bytes, came.clean).is_none(), cut, "{case}: {} bytes", came.bytes.len());
        let reasons = scene.reasons(&format!("case-{case}"));
        assert!(reasons.contains("more values than are read"), "{case}: {reasons}");
    }
    let body = format!("{{\"model\":\"gpt-x\",\"messages\":{}}}", structure());
    for way in READ {
        let (to, head) = (scene.to(way), with_body_to_come(&scene, way, &format!("Content-Length: {}", body.len())));
        let said = [head, body.clone().into_bytes()].concat();
        let came = scene.cell.inside(move || to.ask(&said));
        let text = String::from_utf8_lossy(&came.bytes).into_owned();
        assert!(text.starts_with("HTTP/1.1 40") && text.contains("more values than are"), "{way:?}: {text}");
        assert!(text.contains("bastide why g"), "{way:?}: {text}");
    }
    scene.is_as_before(before, &READ);
}

/// What becomes a gigabyte: one letter, and what repeats it.
fn bomb() -> Vec<u8> {
    let (mut out, mut bits, mut count) = (Vec::new(), 0u32, 0);
    let mut put = |code: u32, length: u32| {
        for at in (0..length).rev() {
            bits |= (code >> at & 1) << count;
            count += 1;
            if count == 8 {
                out.push(bits as u8);
                (bits, count) = (0, 0);
            }
        }
    };
    // The last block, with codes that are known; a letter; 258 more of what stands one before; the end.
    [(1, 1), (1, 1), (0, 1), (0x71, 8)].into_iter().for_each(|(code, length)| put(code, length));
    (0..4 << 20).for_each(|_| {
        put(0b1100_0101, 8);
        put(0, 5);
    });
    [(0, 7), (0, 7)].into_iter().for_each(|(code, length)| put(code, length));
    out
}

#[test]
fn what_is_squeezed_too_far_is_held_back_and_the_gate_lives() {
    let scene = scene_with(misbehaving, true, |_, leased, policy| {
        policy.flows = vec![policy::Flow { deny: policy::LabelPattern::parse("secret:*").unwrap(), to: None }];
        leased.labelled = vec![wire::Labelled {
            label: policy::Label::parse("secret:env").unwrap(),
            source: "`TOKEN` in .env".into(),
            text: "hunter2-hunter2".into(),
            exact: true,
        }];
    });
    // No file of a workspace is known.
    scene.gate.answering(|_| None);
    let before = scene.gate.descriptors();
    let bomb = bomb();
    let gzip = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &bomb, &[0; 8]].concat();
    let zlib = [&[0x78, 0x9c][..], &bomb, &[0; 4]].concat();
    let multipart = [&b"--x\r\nContent-Type: application/gzip\r\n\r\n"[..], &gzip, b"\r\n--x--\r\n"].concat();
    for (name, headers, body) in [
        ("gzip", "Content-Encoding: gzip", gzip.clone()),
        ("gzip unsaid", "X: y", gzip),
        ("zlib", "Content-Encoding: deflate", zlib),
        ("deflate", "Content-Encoding: deflate", bomb),
        ("multipart", "Content-Type: multipart/form-data; boundary=x", multipart),
    ] {
        let length = format!("{headers}\r\nContent-Length: {}", body.len());
        let (to, head) = (scene.to(Way::Lent), with_body_to_come(&scene, Way::Lent, &length));
        let came = scene.cell.inside(move || to.ask(&[head, body].concat()));
        let got = gets(&scene, "fine-0", &came);
        assert!(fits(&got, Told("looked into")), "{name}: {got:?}");
    }
    assert!(scene.gate.status("VmHWM:") < 320 << 10, "{} KiB", scene.gate.status("VmHWM:"));
    scene.is_as_before(before, &READ);
}
