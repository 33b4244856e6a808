//! Sub-agents that are still being begun when their tree is paused, when they are cancelled, and when their parent's plane is
//! killed: none begins. And however much others said, one that is asked for does, and a gate takes over. Real cells, started by
//! root and by an ordinary user.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::children::{Family, Running, answer};

/// Files whose copy takes a while.
const FILES: usize = 12_000;
const BUSY: &str = r#"{"task": "t", "command": ["sh", "-c", "while :; do echo x >> src/a; sleep 0.005; done"], "files": [{"path": "src", "access": "write"}, {"path": "many", "access": "read"}]}"#;

/// A child that is being begun: its view is made, and not yet copied to the end.
fn begins(running: &Running<'_>, family: &Family) -> PathBuf {
    let sessions = family.operator.room.join("state/bastide/sessions");
    running.until("its view is made", || {
        let all = fs::read_dir(&sessions).ok()?.flatten();
        all.map(|one| one.path()).find(|path| path.join("view").is_dir())
    })
}

fn each() -> Vec<Family> {
    let all = Family::each("agents: {}");
    for family in &all {
        (0..FILES).for_each(|number| drop(family.operator.write(&format!("work/many/{number}"), "x")));
    }
    all
}

fn parent(family: &Family) -> serde_json::Value {
    family.sessions().into_iter().find(|one| one["parent"].is_null()).expect("it runs")
}

#[test]
fn a_sub_agent_that_is_being_begun_when_its_tree_is_paused_begins_when_that_goes_on() {
    for family in each() {
        let running = family.start(&format!("ask a spawn '{BUSY}'; sleep 600"));
        let child = begins(&running, &family);
        let id = parent(&family)["id"].as_str().expect("an id").to_owned();
        let paused = family.operator.bastide(&["pause", &id]);
        assert!(paused.exit == 0 && !paused.stdout.contains("sub-agent"), "it runs not yet: {paused:?}");
        // By now it waits for its parent's word.
        running.until("its walls are built", || child.join("session.json").is_file().then_some(()));
        std::thread::sleep(Duration::from_secs(2));
        let file = child.join("changes/0/upper/src/a");
        assert!(!file.exists(), "it runs though its tree is paused");
        assert_eq!(family.operator.bastide(&["resume", &id]).exit, 0);
        running.until("it begins", || file.exists().then_some(()));
        let stopped = family.operator.bastide(&["stop", &id, "--timeout", "1s"]);
        assert_eq!(stopped.exit, 0, "{stopped:?}");
    }
}

#[test]
fn a_sub_agent_that_is_being_begun_when_its_parents_plane_is_killed_never_begins() {
    for family in each() {
        let running = family.start(&format!("ask a spawn '{BUSY}'; sleep 600"));
        let child = begins(&running, &family);
        let plane = parent(&family)["live"]["pid"].as_u64().expect("a process");
        let plane = rustix::process::Pid::from_raw(i32::try_from(plane).expect("a pid")).expect("a pid");
        rustix::process::kill_process(plane, rustix::process::Signal::KILL).expect("killed");
        let id = child.file_name().expect("an id").to_string_lossy().into_owned();
        let ended = running.until("it is over", || {
            let told = family.sessions().into_iter().find(|one| one["id"] == id.as_str())?;
            (told["state"] == "ended" || told["state"] == "lost").then_some(told)
        });
        assert!(!child.join("changes/0/upper/src/a").exists(), "{ended}");
        let log = family.operator.bastide(&["log", &id]).stdout;
        assert!(log.contains("wait for the word to begin"), "{log}");
    }
}

/// Two connections: on one a sub-agent is asked for, on the other it is cancelled in the same moment.
const RACE: &str = r#"
import json, socket, time
def said(verb, body):
    body = json.dumps(body).encode()
    return b"POST /%s HTTP/1.1\r\nHost: bastide.internal\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (verb.encode(), len(body)) + body
def heard(at):
    return json.loads(at.recv(65536).split(b"\r\n\r\n", 1)[1])
lost = []
for child in range(1, 11):
    spawn, cancel, wait = (socket.create_connection(("bastide.internal", 80)) for _ in range(3))
    time.sleep(0.05)
    spawn.sendall(said("spawn", {"task": "t", "command": ["sleep", "100"]}))
    time.sleep(0.0003)
    cancel.sendall(said("cancel", {"child": child}))
    done = heard(cancel)["answer"] == "done"
    heard(spawn)
    if done:
        wait.sendall(said("wait", {"child": child, "seconds": 5}))
        states = [one["standing"]["state"] for one in heard(wait)["children"] if one["child"] == child]
        lost += [child] if states == ["running"] else []
    while True:
        again = socket.create_connection(("bastide.internal", 80))
        again.sendall(said("cancel", {"child": child}))
        heard(again)
        again.sendall(said("wait", {"child": child, "seconds": 5}))
        if heard(again)["children"][0]["standing"]["state"] != "running":
            break
print("lost", json.dumps(lost))
"#;

#[test]
fn a_sub_agent_that_is_cancelled_while_it_is_reserved_does_not_go_on() {
    for family in Family::each("agents: {rate: 60/m}") {
        family.operator.write("work/race.py", RACE);
        let ran = family.run("python3 race.py");
        assert_eq!(answer(&ran, "lost"), serde_json::json!([]), "{ran:?}");
    }
}

/// Words of which each byte is six in JSON: under three labels they would be 11 MiB of a message that holds eight.
const TALKER: &str = r#"
import json, random, urllib.request
for _ in range(40):
    words = "".join(random.choices([chr(one) for one in range(1, 9)], k=16000))
    asked = urllib.request.Request("http://bastide.internal/send", json.dumps({"words": words}).encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(asked, timeout=60).read()
"#;

/// Hears all of it, and prints how much of that was given, and how much held back.
const HEARER: &str = r#"
import json, os, subprocess, time
def ask(verb, what):
    return json.loads(subprocess.run(["python3", "ask.py", verb, json.dumps(what)], capture_output=True, text=True).stdout)
files = [{"path": one, "access": "read"} for one in ("ask.py", "talk.py")]
ask("spawn", {"task": "t", "command": ["python3", "talk.py"], "files": files})
given = held = 0
told = {"messages": [], "children": []}
while told["messages"] or not any(one["standing"]["state"] == "ended" for one in told["children"]):
    told = ask("wait", {"seconds": 30})
    assert told["answer"] == "news", told
    for message in told["messages"]:
        if message["words"].startswith("(held back"):
            assert message["labels"] == []
            held += 1
        else:
            assert message["labels"]
            given += 1
print("heard", json.dumps([given, held]), flush=True)
print("late", json.dumps(ask("spawn", {"task": "late", "command": ["true"]})), flush=True)
open("heard", "w").write("x")
while not os.path.exists("killed"):
    time.sleep(0.1)
for _ in range(60):
    told = subprocess.run(["python3", "ask.py", "whoami", "{}"], capture_output=True, text=True).stdout
    if told.startswith("{"):
        break
    time.sleep(0.5)
print("after", told, flush=True)
"#;

#[test]
fn however_much_agents_say_a_sub_agent_begins_and_a_gate_takes_over() {
    let labels = ["a", "b", "c"].map(|name| format!("{{label: \"secret:{name}\", files: [private/**]}}")).join(", ");
    let policy = format!("agents: {{}}\ndata: [{labels}]\nflows: [{{deny: \"secret:*\", to: network}}]");
    for family in Family::each(&policy) {
        family.operator.write("work/talk.py", TALKER);
        family.operator.write("work/hear.py", HEARER);
        let running = family.start("python3 hear.py > told; sleep 600");
        running.running(1);
        let upper = || {
            let id = parent(&family)["id"].as_str().expect("an id").to_owned();
            family.operator.room.join("state/bastide/sessions").join(id).join("changes/0/upper")
        };
        let told = || fs::read_to_string(upper().join("told")).unwrap_or_default();
        running.until("it has heard all", || upper().join("heard").exists().then_some(()));
        assert!(told().contains("\"spawned\""), "{}", told());
        let heard = told().lines().find_map(|line| line.strip_prefix("heard ").map(str::to_owned)).expect("heard");
        let heard: (u32, u32) = serde_json::from_str(&heard).expect("two numbers");
        assert!(heard.0 > 5 && heard.1 > 5, "{heard:?}");
        let plane = u32::try_from(parent(&family)["live"]["pid"].as_u64().expect("a process")).expect("small");
        let gate = crate::whole::children(plane).into_iter().find(|pid| {
            fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.ends_with("bastide-gate"))
                || fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("bastide-gate"))
        });
        let gate = i32::try_from(gate.expect("a gate")).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
        rustix::process::kill_process(gate, rustix::process::Signal::KILL).expect("killed");
        let id = parent(&family)["id"].as_str().expect("an id").to_owned();
        assert_eq!(family.operator.bastide(&["exec", &id, "--", "touch", "killed"]).exit, 0);
        let after = running
            .until("it asks again", || told().lines().find(|line| line.starts_with("after ")).map(str::to_owned));
        assert!(after.starts_with("after {"), "the next gate did not take over: {after}");
    }
}
