//! Providers that fail, and streams that are torn: what of it is recorded.

use super::*;

/// What a failing provider says, whole.
fn failing(status: &str, headers: &str, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{headers}Content-Length: {length}\r\n\r\n");
    (head + body).into_bytes()
}

fn failing_provider(case: &str, _: &[u8]) -> Vec<Step> {
    let error = r#"{"type":"error","error":{"type":"x","message":"slow down, please"}}"#;
    vec![Say(match case {
        "limited" => failing("429 Too Many Requests", "Retry-After: 7\r\n", "application/json", error),
        "fails" => failing("500 Internal Server Error", "", "application/json", error),
        "streams" => failing("529 Overloaded", "", "text/event-stream", "event: error\ndata: {\"type\":\"error\"}\n\n"),
        "page" => failing("503 Service Unavailable", "", "text/html", "<h1>gone</h1>"),
        _ => fine(),
    })]
}

#[test]
fn what_a_provider_says_of_its_failure_is_passed_on_recorded_and_costs_no_tokens() {
    let scene = scene_with(failing_provider, true, |_, _, policy| policy.inference.tokens = Some(50));
    for (case, error) in [
        ("limited", "the provider answers 429: slow down, please"),
        ("fails", "the provider answers 500: slow down, please"),
        ("streams", "the provider answers 529"),
        ("page", "the provider answers 503"),
    ] {
        let [Say(said)] = &failing_provider(case, b"")[..] else { panic!("one step") };
        let came = scene.ask(Way::Model, &[case]).pop().unwrap();
        assert_eq!((&came.bytes, came.clean), (said, true), "{case}");
        let to = scene.to(Way::Model);
        let body = json!({"model": format!("claude-case-{case}"), "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]});
        let asked = asked("/v1/messages", "Connection: close\r\n", &body.to_string());
        assert_eq!(scene.cell.inside(move || to.ask(&asked)).bytes, *said, "{case}");
        for model in ["gpt", "claude"] {
            let reasons = scene.reasons(&format!("{model}-case-{case}"));
            assert!(reasons.contains(error), "{model} {case}: {reasons}");
        }
    }
    let record = scene.cell.record();
    let answers = record.lines().filter(|line| line.contains("\"kind\":\"answered\""));
    assert_eq!(answers.filter(|line| line.contains("\"whole\":false")).count(), 8, "{record}");
    // Of 50 tokens none is used; the first answer takes 42, and the next one may still be asked for.
    for _ in 0..2 {
        assert_eq!(scene.ask(Way::Model, &["fine"])[0].bytes, fine());
    }
    let came = scene.ask(Way::Model, &["fine"]).pop().unwrap();
    let text = String::from_utf8_lossy(&came.bytes).into_owned();
    assert!(text.starts_with("HTTP/1.1 429") && text.contains("budget of 50 tokens"), "{text}");
}

#[test]
fn a_request_that_fails_counts_as_one() {
    let scene = scene_with(failing_provider, true, |_, _, policy| policy.inference.requests = Some(3));
    for case in ["limited", "fails", "fine"] {
        scene.ask(Way::Model, &[case]);
    }
    let came = scene.ask(Way::Model, &["fine"]).pop().unwrap();
    assert!(String::from_utf8_lossy(&came.bytes).contains("budget of 3 requests"), "{came:?}");
}

pub(super) const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

/// A piece of what a model says.
pub(super) fn piece(text: &str) -> String {
    json!({"choices": [{"index": 0, "delta": {"content": text}}]}).to_string()
}

/// Events, with these ends of lines.
pub(super) fn events(data: &[&str], end: &str) -> String {
    data.iter().map(|data| format!("data: {data}{end}{end}")).collect()
}

/// The same as an answer.
pub(super) fn stream(body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn streaming(case: &str, _: &[u8]) -> Vec<Step> {
    let (first, second) = (piece("caf"), piece("é au lait"));
    let all = [&first, &second, STOP, "[DONE]"];
    let text = |text: String| vec![Say(stream(text.as_bytes()))];
    match case {
        "lf" => text(events(&all, "\n")),
        "crlf" => text(events(&all, "\r\n")),
        "cr" => text(events(&all, "\r")),
        "mixed" => text(format!(
            ": hello\r\n\r\nevent: x\rdata: {first}\n\rid: 1\ndata:{second}\r\r\n{}",
            events(&[STOP, "[DONE]"], "\n")
        )),
        "letter-cut" => {
            let whole = stream(events(&all, "\n").as_bytes());
            let at = whole.windows(2).position(|two| two == "é".as_bytes()).unwrap() + 1;
            vec![Say(whole[..at].to_vec()), Rest(50), Say(whole[at..].to_vec())]
        }
        "done-lacks" => text(events(&[&first, &second, STOP], "\n")),
        "end-lacks" => text(events(&[&first, &second], "\n")),
        "event-cut" => text(events(&[&first], "\n") + "data: " + &second[..30]),
        "no-json" => text(events(&[&first, "{\"choices\":[", STOP, "[DONE]"], "\n")),
        "no-shape" => text(events(&[&first, r#"{"choices":"x"}"#, "[DONE]"], "\n")),
        "error" => text(events(&[&first, r#"{"error":{"message":"too busy"}}"#], "\n")),
        "junk-behind" => text(events(&all, "\n") + &events(&["{junk"], "\n")),
        "event-long" => text(format!("data: {}", "x".repeat(17 << 20))),
        "reset-behind" => then(answer("Content-Length: 9999\r\n", &events(&all, "\n")), Reset),
        "stream-reset" => {
            let whole = stream(events(&all, "\n").as_bytes());
            then(whole[..whole.len() - 1].to_vec(), Reset)
        }
        "json-cut" => vec![Say(answer(&format!("Content-Length: {}\r\n", BODY.len() - 9), &BODY[..BODY.len() - 9]))],
        "json-twice" => vec![Say(answer(&format!("Content-Length: {}\r\n", 2 * BODY.len()), &BODY.repeat(2)))],
        "json-broken-off" => then(answer("Content-Length: 999\r\n", BODY), Leave),
        "page" => vec![Say(failing("200 OK", "", "text/html", "<h1>log in</h1>"))],
        _ => vec![Say(fine())],
    }
}

#[test]
fn a_torn_stream_is_never_recorded_as_whole() {
    let scene = watched(streaming);
    let before = scene.gate.descriptors();
    // What is passed on, whether it is recorded as whole, and the error with it.
    let cases = [
        ("lf", true, true, ""),
        ("crlf", true, true, ""),
        ("cr", true, true, ""),
        ("mixed", true, true, ""),
        ("letter-cut", true, true, ""),
        ("done-lacks", true, true, ""),
        ("end-lacks", true, false, "ends without saying so"),
        ("event-cut", true, false, "ends without saying so"),
        ("no-json", false, false, "not JSON"),
        ("no-shape", false, false, "is not"),
        ("error", true, false, "too busy"),
        ("junk-behind", false, false, "not JSON"),
        ("event-long", false, false, "an event of more than"),
        ("reset-behind", false, false, "not JSON"),
        ("stream-reset", false, false, "reset"),
        ("json-cut", true, false, "not JSON"),
        ("json-twice", true, false, "not JSON"),
        ("json-broken-off", false, false, "ended the connection"),
        ("page", true, false, "not JSON"),
    ];
    let names: Vec<&str> = cases.iter().map(|(name, ..)| *name).collect();
    let came = scene.ask(Way::Model, &names);
    let record = scene.cell.record();
    let find = |text: String| record.lines().map(event).find(|event| event.to_string().contains(&text));
    let mut wrong = String::new();
    for ((name, passed, complete, error), came) in cases.into_iter().zip(came) {
        let model = find(format!("\"model\":\"gpt-case-{name}\"")).unwrap_or_default();
        let told = find(format!("\"model\":\"g{}\"", model["seq"])).unwrap_or_default();
        let said = streaming(name, b"").into_iter().filter_map(|step| match step {
            Say(bytes) => Some(bytes),
            _ => None,
        });
        let whole = whole(&came.bytes, came.clean);
        let same = came.bytes == said.collect::<Vec<_>>().concat();
        let told_error = told["error"].as_str().or(told["complaint"].as_str()).unwrap_or_default();
        let refused = whole.as_ref().is_some_and(|(status, _)| *status == 502) || whole.is_none() && !came.clean;
        if (if passed { !same } else { !refused })
            || told["whole"] != complete
            || !told_error.contains(error)
            || error.is_empty() != told_error.is_empty()
        {
            writeln!(wrong, "{name}: passed {same}, refused {refused}, {told}").unwrap();
        }
    }
    none(&wrong);
    // What is held back leads to what was asked.
    assert!(
        scene.reasons("case-no-json").contains("answer held back: what the model answers cannot be read: not JSON")
    );
    let heard = record.lines().filter(|line| line.contains("café au lait")).count();
    assert_eq!(heard, 8, "however its lines end, and wherever it breaks off");
    scene.is_as_before(before, &READ);
}
