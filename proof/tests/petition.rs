//! Petitions in the whole: programs in a cell ask at `http://bastide.internal/`, by curl, urllib and the explicit proxy, and
//! the operator is told of it. As root and as an ordinary user. MCP's official client is a case of `works/`.

use crate::whole::{Operator, Ran};
use serde_json::Value;

/// Asks by the standard library, which knows nothing of us; each answer is a line: the status, and the body.
const ASKS: &str = r#"
import json, urllib.error, urllib.request

def ask(path, body=None, proxy=None):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy} if proxy else {}))
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request("http://bastide.internal" + path, data, {"Content-Type": "application/json"})
    try:
        with opener.open(request, timeout=20) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    print(json.dumps([status, json.loads(text)]))

ask("/whoami")
ask("/report", {"words": "half of \u001b[31mit\u202e is done"})
ask("/report", {"words": "through the proxy"}, "http://proxy.bastide:3128")
ask("/spawn", {"task": "help me", "command": ["/bin/true"]})
ask("/ask", {"to": "never.example", "why": "to read the manual"})
ask("/spawn", {"task": "help me", "command": ["/bin/true"], "policy": "none"})
ask("/cancel", {"child": "s1"})
ask("/wait?child=1&seconds=0")
"#;

fn answers(ran: &Ran) -> Vec<(u64, Value)> {
    let line = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        (value[0].as_u64().expect("a status"), value[1].clone())
    };
    ran.stdout.lines().map(line).collect()
}

#[test]
fn whoever_is_inside_asks_and_the_operator_is_told() {
    for operator in Operator::each() {
        operator.write("work/asks.py", ASKS);
        let ran = operator.run(&["--name", "asks", "--allow", "api.example:443"], "exec /usr/bin/python3 asks.py");
        let all = answers(&ran);
        let statuses: Vec<u64> = all.iter().map(|(status, _)| *status).collect();
        assert_eq!(statuses, [200, 200, 200, 403, 403, 400, 400, 404], "{ran:?}");
        let words = all[0].1["words"].as_str().expect("words");
        assert!(words.contains("api.example:443") && words.contains("Policies change from outside only"), "{words}");
        // Nothing of the host: no path of the state, of a policy, or of his home.
        let state = operator.room.to_string_lossy().into_owned();
        for (_, answer) in &all {
            assert!(!answer.to_string().contains(&format!("{state}/state")), "{answer}");
        }
        assert!(all[3].1["why"].as_str().expect("why").contains("grants no children"), "{ran:?}");
        assert!(all[5].1["why"].as_str().expect("why").contains("unknown field `policy`"), "{ran:?}");
        // The record has each, with its program as a cause, and the words are data.
        let log = operator.bastide(&["log", "asks"]);
        assert!(log.stdout.contains("petition `report`") && log.stdout.contains("petition `whoami`"), "{log:?}");
        assert!(!log.stdout.contains('\u{1b}') && !log.stdout.contains('\u{202e}'), "{log:?}");
        let event = all[3].1["event"].as_str().expect("an event");
        let why = operator.bastide(&["why", event, "asks"]);
        assert!(why.stdout.contains("petition `spawn`") && why.stdout.contains("python3"), "{why:?}");
        assert_eq!(operator.bastide(&["log", "verify", "asks"]).exit, 0);
        // Last on the card, in quotes.
        let shown = operator.bastide(&["show", "asks"]);
        let card = shown.stdout.trim_end();
        assert!(card.contains("reported, in the agent's own words"), "{shown:?}");
        assert!(card.ends_with("\"through the proxy\""), "{shown:?}");
    }
}

#[test]
fn it_is_there_under_the_narrowest_policy() {
    for operator in Operator::each() {
        let policy = "bastide: 1\nname: narrow\nextends: [strict]\nnetwork: {default: deny, deny: [{to: bastide.internal}, {to: \"*.internal\"}]}\n";
        let file = operator.write("home/narrow.yaml", policy).to_string_lossy().into_owned();
        let asks = "curl -s -m 20 http://bastide.internal/whoami; echo; curl -s -m 20 http://bastide.internal/ | head -1; \
                    curl -s -m 20 -o /dev/null -w '%{http_code}\\n' http://a.bastide.internal/; \
                    curl -s -m 20 http://bastide.internal./ -o /dev/null -w '%{http_code}\\n'; \
                    curl -s -m 20 http://BASTIDE.Internal/ -o /dev/null -w '%{http_code}\\n'; \
                    curl -s -m 20 https://bastide.internal/ -o /dev/null -w '%{http_code}\\n'";
        let ran = operator.run(&["--policy", &file], asks);
        let lines: Vec<&str> = ran.stdout.lines().collect();
        let me: Value = serde_json::from_str(lines[0]).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        assert_eq!(me["policies"][0]["policy"], "narrow", "{ran:?}");
        let rest: Vec<&str> = lines.into_iter().filter(|line| !line.is_empty()).skip(1).collect();
        assert!(rest[0].starts_with("bastide: you are inside a cell"), "{ran:?}");
        assert_eq!(rest[1..], ["000", "200", "200", "000"], "{ran:?}");
    }
}
