//! Sub-agents: sessions beside their parent's, asked for from inside a cell and never wider than who asks; real cells,
//! started by root and by an ordinary user.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::whole::{Operator, Ran};
use serde_json::Value;

const LONG: Duration = Duration::from_secs(60);

/// What programs inside ask by: `ask VERB JSON` prints the answer.
pub(crate) const ASK: &str = r#"
import json, sys, urllib.error, urllib.request
verb, body = sys.argv[1], sys.argv[2].encode()
try:
    with urllib.request.urlopen(urllib.request.Request("http://bastide.internal/" + verb, body, {"Content-Type": "application/json"}), timeout=120) as got:
        print(got.read().decode())
except urllib.error.HTTPError as no:
    print(no.read().decode())
"#;

/// Asks, and prints the answer after a word by which it is found.
const SHELL: &str = "ask() { printf '%s ' \"$1\"; python3 ask.py \"$2\" \"$3\"; }; set -u; ";

pub(crate) struct Family {
    pub(crate) operator: Operator,
    policy: String,
}

impl Family {
    fn new(operator: Operator, agents: &str) -> Family {
        let text = format!("bastide: 1\nname: mine\nextends: [hardened]\n{agents}\n");
        let policy = operator.write("home/policy.yaml", &text).to_string_lossy().into_owned();
        operator.write("work/ask.py", ASK);
        operator.write("work/README.md", "read me\n");
        operator.write("work/src/a", "one\n");
        operator.write("work/private/b", "not for children\n");
        Family { operator, policy }
    }

    pub(crate) fn each(agents: &str) -> Vec<Family> {
        Operator::each().into_iter().map(|operator| Family::new(operator, agents)).collect()
    }

    fn arguments(&self, script: &str) -> Vec<String> {
        let script = format!("{SHELL}{script}");
        let all = ["run", "--timeout", "120s", "--policy", &self.policy, "--", "sh", "-c", &script];
        all.map(str::to_owned).to_vec()
    }

    pub(crate) fn run(&self, script: &str) -> Ran {
        self.operator.bastide(&self.arguments(script))
    }

    /// Starts one that goes on.
    pub(crate) fn start(&self, script: &str) -> Running<'_> {
        let mut command = self.operator.command(&self.arguments(script));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Running { family: self, child: command.spawn().expect("starts") }
    }

    pub(crate) fn sessions(&self) -> Vec<Value> {
        let ran = self.operator.bastide(&["ls", "--json"]);
        let all: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        let list = all.as_array().cloned().or_else(|| all["sessions"].as_array().cloned());
        list.unwrap_or_else(|| panic!("a list: {all}"))
    }

    pub(crate) fn children(&self) -> Vec<Value> {
        self.sessions().into_iter().filter(|one| one["parent"].is_object()).collect()
    }

    pub(crate) fn show(&self, id: &str) -> Value {
        let ran = self.operator.bastide(&["show", id, "--json"]);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    }
}

pub(crate) struct Running<'f> {
    family: &'f Family,
    child: Child,
}

impl Running<'_> {
    pub(crate) fn until<T>(&self, what: &str, holds: impl Fn() -> Option<T>) -> T {
        let until = Instant::now() + LONG;
        loop {
            if let Some(found) = holds() {
                return found;
            }
            assert!(Instant::now() < until, "{what}: {:?}", self.family.sessions());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until so many children run, and gives them.
    pub(crate) fn running(&self, count: usize) -> Vec<Value> {
        self.until("they run", || {
            let all = self.family.children();
            let running: Vec<_> = all.into_iter().filter(|one| one["live"]["cell"].is_number()).collect();
            (running.len() == count).then_some(running)
        })
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program's `ask WORD …` was answered.
pub(crate) fn answer(ran: &Ran, word: &str) -> Value {
    let found = ran.stdout.lines().find_map(|line| line.strip_prefix(&format!("{word} ")));
    let text = found.unwrap_or_else(|| panic!("no answer to `{word}`: {ran:?}"));
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub(crate) fn is_alive(pid: u64) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

const SPAWN: &str = r#"ask spawn spawn '{"task": "add a line", "command": ["sh", "-c", "cat; cat README.md; ls; cat private/b; echo more >> src/a; echo x >> README.md; echo new > src/new"],
    "files": [{"path": "src", "access": "write"}, {"path": "README.md", "access": "read"}]}' ; ask wait wait '{"child": 1}'; ask result result '{"child": 1}'; cat src/a"#;

#[test]
fn a_child_sees_what_it_was_granted_and_gives_back_words_and_a_patch() {
    for family in Family::each("agents: {}") {
        let ran = family.run(&SPAWN.replace("\n   ", ""));
        let spawned = answer(&ran, "spawn");
        assert_eq!((&spawned["answer"], &spawned["child"]), (&"spawned".into(), &1.into()), "{ran:?}");
        assert_eq!(answer(&ran, "wait")["children"][0]["standing"]["state"], "ended", "{ran:?}");
        let result = answer(&ran, "result");
        let words = result["words"].as_str().expect("words");
        assert!(words.contains("add a line") && words.contains("read me"), "{result}");
        assert!(!words.contains("not for children") && !words.contains("private"), "{result}");
        let patch = result["patch"].as_str().expect("a patch");
        assert!(patch.contains("+more") && patch.contains("b/src/new") && !patch.contains("README"), "{result}");
        // The parent has its own, unchanged; the operator merges the child's as any other's.
        assert!(ran.stdout.ends_with("one\n"), "{ran:?}");
        let children = family.children();
        let id = children[0]["id"].as_str().expect("an id").to_owned();
        let diff = family.operator.bastide(&["diff", &id]);
        assert!(diff.stdout.contains("+more"), "{diff:?}");
        let applied = family.operator.bastide(&["apply", &id]);
        let read = |path: &str| fs::read_to_string(family.operator.work().join(path)).unwrap_or_default();
        assert_eq!((read("src/a"), read("src/new")), ("one\nmore\n".into(), "new\n".into()), "{applied:?}");
        assert_eq!(read("README.md"), "read me\n");
        let rest = family.operator.bastide(&["diff", &id]).stdout;
        assert!(!rest.contains("conflict") && !rest.contains("+more"), "what is merged is no conflict: {rest}");
        // The tree, and what led to the child.
        let listed = family.operator.bastide(&["ls"]).stdout;
        assert!(listed.contains(&format!("\n  {id}")), "{listed}");
        let parent = children[0]["parent"]["session"].as_str().expect("a parent").to_owned();
        assert_eq!(family.show(&parent)["children"][0]["session"], id.as_str());
        let why = family.operator.bastide(&["why", "p2", &id]);
        assert!(why.stdout.contains(&parent) && why.stdout.contains("add a line"), "{why:?}");
    }
}

#[test]
fn a_child_sees_its_parents_workspace_and_not_the_original() {
    for family in Family::each("agents: {}") {
        let script = r#"echo changed > src/a; rm README.md; mkdir -p made/deep; echo x > made/deep/er; ln -s /etc/passwd src/link; ln -s src way; mkdir .vscode; echo 1 > .vscode/tasks.json;
            ask spawn spawn '{"task": "t", "command": ["sh", "-c", "cat src/a made/deep/er; ls -a; echo child >> src/a; test -w made/deep/er || echo closed"],
            "files": [{"path": "src", "access": "write"}, {"path": "made", "access": "read"}, {"path": "README.md", "access": "read"}, {"path": "way", "access": "read"}, {"path": "src/link", "access": "read"}, {"path": ".vscode", "access": "read"}, {"path": "way/a", "access": "write"}]}';
            ask wait wait '{}'; ask result result '{"child": 1}'"#;
        let ran = family.run(&script.replace("\n           ", ""));
        let spawned = answer(&ran, "spawn");
        let cut: Vec<&str> =
            spawned["cut"].as_array().expect("a list").iter().filter_map(|cut| cut["what"].as_str()).collect();
        for what in ["file README.md", "file way", "file .vscode", "file way/a"] {
            assert!(cut.contains(&what), "{what}: {spawned}");
        }
        let result = answer(&ran, "result");
        let words = result["words"].as_str().expect("words");
        assert!(words.contains("changed\nx\n") && words.contains("closed"), "{result}");
        assert!(!words.contains("README") && !words.contains("way") && !words.contains(".vscode"), "{result}");
        // The parent's own change was not merged: a merge of the child's would take it along unseen.
        let id = family.children()[0]["id"].as_str().expect("an id").to_owned();
        let applied = family.operator.bastide(&["apply", &id]);
        let read = fs::read_to_string(family.operator.work().join("src/a")).expect("there");
        assert_eq!(read, "one\n", "{applied:?}");
        assert!(format!("{applied:?}").contains("conflict"), "{applied:?}");
        // He sees what stands there, and takes it along by the very path.
        let shown = family.operator.bastide(&["diff", &id]).stdout;
        assert!(shown.contains("-changed\n+one\n") && shown.contains("-one\n+changed\n+child\n"), "{shown}");
        let over = family.operator.bastide(&["apply", &id, "--over", "src/a"]);
        assert!(over.exit == 0 && over.stdout.contains("kept 'src/a' as it was outside:"), "{over:?}");
        let read = fs::read_to_string(family.operator.work().join("src/a")).expect("there");
        assert_eq!(read, "changed\nchild\n");
        let log = family.operator.bastide(&["log", &id]).stdout;
        assert!(log.contains("over what was changed outside: mode "), "{log}");
    }
}

#[test]
fn nothing_gives_a_child_more_than_its_parent_has() {
    let policy =
        "agents: {depth: 2, tokens: 1000, time: 60s}\nnetwork: {default: deny, allow: [{to: \"a.example:443\"}]}";
    for family in Family::each(policy) {
        let secret = family.operator.write("home/secret", "hunter2\n");
        let secret = secret.to_string_lossy();
        let script = format!(
            r#"ask wide spawn '{{"task": "t", "command": ["sh", "-c", "id; cat {secret}; python3 ask.py whoami {{}}; ls /proc/1/root"], "files": [{{"path": ".", "access": "read"}}],
            "network": ["a.example:443", "b.example", "*.example"], "credentials": ["github"], "tools": ["send_*"], "inference": {{"models": ["claude-*"]}},
            "budget": {{"tokens": 5000, "time": 9999, "egress": 5}}}}'; ask wait wait '{{}}'; ask result result '{{"child": 1}}';
            ask there spawn '{{"task": "t", "command": ["{secret}"]}}'; ask nowhere spawn '{{"task": "t", "command": ["{secret}-not"]}}';
            ask policy spawn '{{"task": "t", "command": ["true"], "policy": "open"}}'; ask climbs spawn '{{"task": "t", "command": ["true"], "files": [{{"path": "../home", "access": "read"}}]}}';
            ask root spawn '{{"task": "t", "command": ["true"], "files": [{{"path": "/etc", "access": "read"}}]}}'"#
        );
        let ran = family.run(&script.replace("\n           ", ""));
        let wide = answer(&ran, "wide");
        let cut: Vec<String> = wide["cut"]
            .as_array()
            .unwrap_or_else(|| panic!("{ran:?}"))
            .iter()
            .map(|cut| format!("{} by {}", cut["what"].as_str().unwrap_or(""), cut["by"].as_str().unwrap_or("")))
            .collect();
        for what in [
            "network b.example",
            "network *.example",
            "credential github",
            "tool send_*",
            "model claude-*",
            "tokens 5000",
            "time",
            "egress",
        ] {
            assert!(cut.iter().any(|cut| cut.starts_with(what)), "{what}: {cut:?}");
        }
        assert!(
            wide["budget"]["tokens"].as_u64() <= Some(1000) && wide["budget"]["time"].as_u64() <= Some(60),
            "{wide}"
        );
        let result = answer(&ran, "result");
        assert!(!format!("{result}").contains("hunter2"), "{result}");
        // Whether something outside is there is not told.
        let (there, nowhere) = (answer(&ran, "there"), answer(&ran, "nowhere"));
        assert_eq!((&there["answer"], &there["why"]), (&"denied".into(), &nowhere["why"]), "{ran:?}");
        for word in ["policy", "climbs", "root"] {
            assert_eq!(answer(&ran, word)["reason"], "unfit", "{word}: {ran:?}");
        }
    }
}

#[test]
fn depth_width_and_number_end_in_words() {
    for family in Family::each("agents: {depth: 1, children: 2, total: 3, rate: 100/s}") {
        let sleep = r#"{"task": "t", "command": ["sleep", "600"]}"#;
        let below = r#"{"task": "t", "command": ["python3", "ask.py", "spawn", "{\"task\": \"t\", \"command\": [\"true\"]}"], "files": [{"path": "ask.py", "access": "read"}]}"#;
        let script = format!(
            "ask one spawn '{below}'; ask w wait '{{}}'; ask r result '{{\"child\": 1}}'; ask two spawn '{sleep}'; ask three spawn '{sleep}'; ask four spawn '{sleep}'; ask cancel cancel '{{\"child\": 2}}'; ask w2 wait '{{\"child\": 2}}'; ask five spawn '{sleep}'"
        );
        let ran = family.run(&script);
        let words = answer(&ran, "r")["words"].as_str().expect("words").to_owned();
        assert!(words.contains("not-granted"), "{words}");
        assert_eq!(
            (&answer(&ran, "two")["answer"], &answer(&ran, "three")["answer"]),
            (&"spawned".into(), &"spawned".into())
        );
        for (word, why) in [("four", "at once"), ("five", "in one session")] {
            let no = answer(&ran, word);
            assert_eq!(no["reason"], "too-much", "{no}");
            assert!(no["why"].as_str().is_some_and(|said| said.contains(why)), "{no}");
        }
        // All ended with their parent.
        assert!(family.children().iter().all(|one| one["state"] == "ended"), "{:?}", family.children());
    }
}

#[test]
fn a_killed_plane_takes_all_below_with_it() {
    for family in Family::each("agents: {depth: 2, children: 4}") {
        let inner = r#"{\"task\": \"t\", \"command\": [\"sleep\", \"600\"]}"#;
        let outer = format!(
            r#"{{"task": "t", "command": ["sh", "-c", "python3 ask.py spawn \"$1\"; sleep 600", "x", "{inner}"], "files": [{{"path": "ask.py", "access": "read"}}]}}"#
        );
        let running = family.start(&format!("ask a spawn '{outer}'; sleep 600"));
        let children = running.running(2);
        let cells: Vec<u64> = children.iter().filter_map(|one| one["live"]["cell"].as_u64()).collect();
        let planes: Vec<u64> = children.iter().filter_map(|one| one["live"]["pid"].as_u64()).collect();
        let parent = family.sessions().into_iter().find(|one| one["parent"].is_null()).expect("the first");
        let plane = parent["live"]["pid"].as_u64().expect("a process");
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(i32::try_from(plane).expect("a pid")).expect("a pid"),
            rustix::process::Signal::KILL,
        )
        .expect("killed");
        running.until("all are gone", || (!cells.iter().chain(&planes).any(|pid| is_alive(*pid))).then_some(()));
        let states: Vec<_> = running.until("all ended", || {
            let all = family.sessions();
            all.iter().all(|one| one["state"] != "running").then_some(all)
        });
        assert_eq!(states.len(), 3, "{states:?}");
    }
}

#[test]
fn a_killed_child_is_told_of_and_what_it_did_not_use_comes_back() {
    for family in Family::each("agents: {children: 4, tokens: 100}") {
        let running = family.start(
            r#"ask one spawn '{"task": "t", "command": ["sleep", "600"], "budget": {"tokens": 100}}' > one; ask none spawn '{"task": "t", "command": ["true"], "budget": {"tokens": 1}}' > none;
            ask w wait '{"child": 1, "seconds": 60}' > w; ask two spawn '{"task": "t", "command": ["sleep", "600"], "budget": {"tokens": 100}}' > two; sleep 600"#,
        );
        let child = running.running(1).remove(0);
        let parent = child["parent"]["session"].as_str().expect("a parent").to_owned();
        let upper = family.operator.room.join("state/bastide/sessions").join(&parent).join("changes/0/upper");
        let read = |name: &str| fs::read_to_string(upper.join(name)).unwrap_or_default();
        running.until("nothing was left", || read("none").contains("too-much").then_some(()));
        let plane = child["live"]["pid"].as_u64().expect("a process");
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(i32::try_from(plane).expect("a pid")).expect("a pid"),
            rustix::process::Signal::KILL,
        )
        .expect("killed");
        running.until("it is told of", || read("w").contains("lost").then_some(()));
        // It asked no model: all came back, once.
        running.until("the next has it", || read("two").contains("\"spawned\"").then_some(()));
        let used = &family.show(&parent)["children"][0]["used"];
        assert_eq!(used["tokens"], 0, "{used}");
    }
}

#[test]
fn a_pause_and_a_stop_are_of_the_whole_tree() {
    for family in Family::each("agents: {}") {
        let busy = r#"{"task": "t", "command": ["sh", "-c", "while :; do echo x >> src/a; sleep 0.005; done"], "files": [{"path": "src", "access": "write"}]}"#;
        let running = family.start(&format!("ask a spawn '{busy}'; sleep 600"));
        let child = running.running(1).remove(0);
        let (id, cell) =
            (child["id"].as_str().expect("an id").to_owned(), child["live"]["cell"].as_u64().expect("a pid"));
        let parent = child["parent"]["session"].as_str().expect("a parent").to_owned();
        let file = family.operator.room.join("state/bastide/sessions").join(&id).join("changes/0/upper/src/a");
        let length = || fs::metadata(&file).map_or(0, |meta| meta.len());
        let moves = |from: u64| running.until("progress", || (length() > from).then_some(length()));
        moves(0);
        let paused = family.operator.bastide(&["pause", &parent]);
        assert!(paused.stdout.contains("one sub-agent with it"), "{paused:?}");
        let before = length();
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(length(), before, "it stands still");
        let resumed = family.operator.bastide(&["resume", &parent]);
        assert_eq!(resumed.exit, 0, "{resumed:?}");
        moves(before);
        let stopped = family.operator.bastide(&["stop", &parent, "--timeout", "1s"]);
        assert_eq!(stopped.exit, 0, "{stopped:?}");
        running.until("it is gone", || (!is_alive(cell)).then_some(()));
        running.until("it ended", || (family.show(&id)["state"] == "ended").then_some(()));
    }
}

/// What one reads and another says: the words carry the label from child to parent, and through two.
#[test]
fn no_label_is_lost_through_two_children() {
    let policy = "agents: {depth: 2}\ndata: [{label: \"secret:clients\", files: [private/**]}]\nflows: [{deny: \"secret:*\", to: network}]";
    for family in Family::each(policy) {
        let first = r#"{"task": "read", "command": ["sh", "-c", "cat private/b"], "files": [{"path": "private", "access": "read"}]}"#;
        let ran = family.run(&format!(
            "ask a spawn '{first}'; ask w wait '{{}}'; ask r result '{{\"child\": 1}}'; ask b spawn '{{\"task\": \"say what I tell you\", \"command\": [\"true\"]}}'; ask w2 wait '{{\"child\": 2}}'; ask r2 result '{{\"child\": 2}}'"
        ));
        for word in ["r", "r2"] {
            let labels = answer(&ran, word)["labels"].to_string();
            assert!(labels.contains("secret:clients"), "{word}: {ran:?}");
        }
    }
}

/// What a sub-agent changed carries what it and its parent could read when the operator merges it, and so does its parent's home: the
/// sub-agent was given no labelled file, and its parent heard its words.
#[test]
fn what_a_child_leaves_carries_what_its_parent_could_read() {
    let policy = "agents: {}\ndata: [{label: \"secret:clients\", files: [private/**]}]";
    for family in Family::each(policy) {
        let child = r#"{"task": "write", "command": ["sh", "-c", "echo two > src/made"], "files": [{"path": "src", "access": "write"}]}"#;
        let ran = family.run(&format!("ask a spawn '{child}'; ask w wait '{{}}'; ask r result '{{\"child\": 1}}'"));
        let id = family.children()[0]["id"].as_str().unwrap_or_else(|| panic!("{ran:?}")).to_owned();
        let labels = |more: &[&str]| {
            let ran = family.operator.bastide(&[&["--json", "labels"], more].concat());
            serde_json::from_str::<Value>(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))["places"]
                .clone()
        };
        let places = labels(&[]);
        let homes: Vec<&Value> = places.as_array().expect("places").iter().filter(|one| one["home"] == true).collect();
        assert_eq!(homes.len(), 1, "a sub-agent's home ends with it: {places}");
        assert!(homes[0].to_string().contains("secret:clients"), "{places}");
        let applied = family.operator.bastide(&["apply", &id]);
        assert_eq!(applied.exit, 0, "{applied:?}");
        let merged = labels(&["--workspace", &family.operator.work().to_string_lossy()]).to_string();
        assert!(merged.contains("src/made") && merged.contains("secret:clients") && merged.contains(&id), "{merged}");
        let log = family.operator.bastide(&["log", &id]).stdout;
        assert!(log.contains("what it may read carries") && log.contains("secret:clients"), "{log}");
    }
}

#[test]
fn words_go_both_ways_and_a_report_is_the_result() {
    for family in Family::each("agents: {}") {
        let child = r#"{"task": "t", "command": ["sh", "-c", "python3 ask.py wait \"{}\"; python3 ask.py send \"$1\"; python3 ask.py report \"$2\"", "x", "{\"words\": \"from below\"}", "{\"words\": \"all done\", \"result\": true}"], "files": [{"path": "ask.py", "access": "read"}], "key": "one"}"#;
        let ran = family.run(&format!(
            "ask a spawn '{child}'; ask again spawn '{child}'; ask s send '{{\"child\": 1, \"words\": \"from above\"}}'; ask m wait '{{\"seconds\": 60}}'; ask w wait '{{\"child\": 1}}'; ask r result '{{\"child\": 1}}'; ask up send '{{\"words\": \"to nobody\"}}'; cat \"$HOME\"/none"
        ));
        let again = answer(&ran, "again");
        assert_eq!((&again["child"], &again["again"]), (&1.into(), &true.into()), "{ran:?}");
        let message = &answer(&ran, "m")["messages"][0];
        assert_eq!(message["words"], "from below", "{ran:?}");
        let result = answer(&ran, "r");
        assert_eq!(result["words"], "all done", "{ran:?}");
        assert_eq!(answer(&ran, "up")["reason"], "no-such", "{ran:?}");
        // What it printed is kept with its session.
        let id = family.children()[0]["id"].as_str().expect("an id").to_owned();
        let kept = family.operator.room.join("state/bastide/sessions").join(id).join("stdout");
        assert!(fs::read_to_string(kept).expect("kept").contains("from above"));
    }
}

/// An agent that is asked for by its name is started as one that nobody sits before: codex without its own sandbox, which a
/// cell refuses, each with the petition's server, and with a word in the place of its key.
#[test]
fn an_agent_by_its_name_begins_as_it_works_in_a_cell() {
    let policy = "agents: {}\ninference: {routes: [{models: [\"claude-*\"], provider: anthropic}]}\nfiles: {read: [PROGRAMS, /usr, /bin, /lib, /lib64]}\nenv: {IS_SANDBOX: \"said by the operator\"}";
    for operator in Operator::each() {
        let told = "#!/bin/sh\necho \"$0 $@\"; cat; env\n";
        for agent in ["claude", "codex"] {
            let path = operator.write(&format!("programs/{agent}"), told);
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("executable");
        }
        let programs = operator.room.join("programs").to_string_lossy().into_owned();
        let vault = operator.command(&["vault", "set", "anthropic", "--to", "api.anthropic.com:443"]);
        assert!(piped(vault, "sk-vault-0123456789\n"), "the vault");
        let family = Family::new(operator, &policy.replace("PROGRAMS", &programs));
        let spawn = |agent: &str, more: &str| {
            format!("ask {agent} spawn '{{\"task\": \"look around\", \"agent\": \"{agent}\"{more}}}'")
        };
        let script = format!(
            "{}; {}; {}; ask w1 wait '{{\"child\": 1}}'; ask w2 wait '{{\"child\": 2}}'; ask r1 result '{{\"child\": 1}}'; ask r2 result '{{\"child\": 2}}'",
            spawn("claude", ", \"inference\": {\"models\": [\"claude-*\"]}"),
            spawn("codex", ""),
            spawn("other", "")
        );
        let mut command = family.operator.command(&family.arguments(&script));
        command.env("PATH", format!("{programs}:/usr/local/bin:/usr/bin:/bin"));
        let ran = Ran::of(command.output().expect("starts"));
        let words = |word: &str| answer(&ran, word)["words"].as_str().map(str::to_owned).unwrap_or_default();
        let (claude, codex) = (words("r1"), words("r2"));
        for part in [
            "-p --dangerously-skip-permissions",
            "http://bastide.internal/mcp",
            "look around",
            "ANTHROPIC_API_KEY=unused",
            "IS_SANDBOX=said by the operator",
        ] {
            assert!(claude.contains(part), "{part}: {claude} {ran:?}");
        }
        for part in ["--dangerously-bypass-approvals-and-sandbox", "http://bastide.internal/mcp", "look around"] {
            assert!(codex.contains(part), "{part}: {codex} {ran:?}");
        }
        assert!(!codex.contains("API_KEY"), "{codex}");
        assert!(answer(&ran, "other")["why"].as_str().is_some_and(|why| why.contains("codex")), "{ran:?}");
    }
}

/// Says something on the standard input of a command; whether it ended well.
fn piped(mut command: std::process::Command, text: &str) -> bool {
    use std::io::Write;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("starts");
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("said");
    child.wait().expect("waited").success()
}

/// A server on the host's loopback, and what was said to it.
fn server() -> (u16, std::sync::Arc<std::sync::Mutex<String>>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("an address").port();
    let heard = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let all = heard.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
            let mut bytes = [0; 8192];
            while let Ok(read @ 1..) = stream.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
                all.lock().expect("whole").push_str(&text);
                if text.ends_with("-end") {
                    break;
                }
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        }
    });
    (port, heard)
}

/// A program that says what it reads to that server, and prints what came of it.
fn tell(port: u16) -> String {
    format!(
        "import sys, urllib.request\nwords = sys.stdin.read().strip()\ntry:\n    print(urllib.request.urlopen(\"http://host.bastide:{port}/\", data=(words + \"-end\").encode(), timeout=10).status)\nexcept Exception as no:\n    print(\"no\", no)\n"
    )
}

/// What a parent says to its child in a command, a file that it made or a name that it gave is as labelled as a task.
#[test]
fn what_a_parent_says_otherwise_than_in_a_task_may_not_leave_either() {
    let (port, heard) = server();
    let policy = format!(
        "agents: {{rate: 60/m}}\nnetwork: {{allow: [{{to: \"host.bastide:{port}\", methods: [POST]}}]}}\ndata: [{{label: \"secret:clients\", files: [private/**]}}]\nflows: [{{deny: \"secret:*\", to: network}}]"
    );
    let tell = tell(port);
    let words =
        |number: u32| format!("the harbour{number} beside the river will be sold long before anybody hears of it");
    for family in Family::each(&policy) {
        family.operator.write("work/tell.py", &tell);
        let number = port.to_string();
        let child = |says: &str| {
            let files = r#"[{"path": "tell.py", "access": "read"}, {"path": "out", "access": "read"}]"#;
            format!(
                r#"{{"task": "t", "command": ["sh", "-c", "{says} | python3 tell.py"], "files": {files}, "network": ["host.bastide:{number}"]}}"#
            )
        };
        let all =
            ["echo nothing special".to_owned(), format!("echo {}", words(1)), "cat out/note".into(), "ls out".into()];
        let mut script = format!("mkdir -p 'out/{}'; echo '{}' > out/note; ", words(3), words(2));
        for (at, says) in (1..).zip(&all) {
            script += &format!(
                "ask s{at} spawn '{}'; ask w{at} wait '{{\"child\": {at}}}'; ask r{at} result '{{\"child\": {at}}}'; ",
                child(says)
            );
        }
        let ran = family.run(&script);
        assert_eq!(answer(&ran, "r1")["words"], "200", "{ran:?}");
        for word in ["r2", "r3", "r4"] {
            let said = answer(&ran, word)["words"].to_string();
            assert!(said.contains("no HTTP Error 403"), "{word}: {said} {ran:?}");
        }
        let told = heard.lock().expect("whole").clone();
        assert!(told.contains("nothing special") && !told.contains("harbour"), "{told}");
    }
}

/// A child reads what is secret and tells it turned round; its parent can say that nowhere, nor have another child say it.
#[test]
fn what_a_child_said_in_other_letters_may_not_leave() {
    let (port, heard) = server();
    let policy = format!(
        "agents: {{}}\nnetwork: {{allow: [{{to: \"host.bastide:{port}\"}}]}}\ndata: [{{label: \"secret:clients\", files: [private/**]}}]\nflows: [{{deny: \"secret:*\", to: network}}]"
    );
    let tell = tell(port);
    for family in Family::each(&policy) {
        family.operator.write("work/tell.py", &tell);
        family.operator.write(
            "work/private/b",
            "Ardent Kestrel pays ninety four thousand for the orchard beside the river in June\n",
        );
        let first = r#"{"task": "read", "command": ["sh", "-c", "rev private/b"], "files": [{"path": "private", "access": "read"}]}"#;
        let second = r#"{\"task\": \"$words\", \"command\": [\"python3\", \"tell.py\"], \"files\": [{\"path\": \"tell.py\", \"access\": \"read\"}], \"network\": [\"host.bastide:PORT\"]}"#
            .replace("PORT", &port.to_string());
        let script = format!(
            "printf 'open '; echo nothing special | python3 tell.py; ask a spawn '{first}'; ask w wait '{{}}'; python3 ask.py result '{{\"child\": 1}}' > r.json; words=$(python3 -c 'import json; print(json.load(open(\"r.json\"))[\"words\"])'); printf 'kept '; echo \"$words\" | python3 tell.py; ask b spawn \"{second}\"; ask w2 wait '{{\"child\": 2}}'; ask r2 result '{{\"child\": 2}}'"
        );
        let ran = family.run(&script);
        let line = |word: &str| ran.stdout.lines().find(|line| line.starts_with(word)).unwrap_or_default().to_owned();
        assert_eq!(line("open "), "open 200", "{ran:?}");
        assert!(line("kept ").contains("no HTTP Error 403"), "{ran:?}");
        // Whether the task is refused or the child cannot tell it: it does not leave.
        let told = heard.lock().expect("whole").clone();
        assert!(told.contains("nothing special") && !told.contains("tnedrA") && !told.contains("lertseK"), "{told}");
    }
}

/// A copy of the workspace for each sub-agent was nobody's on the disk, and stayed until `rm`.
#[test]
fn copies_for_sub_agents_count_as_their_parents_and_go_when_nothing_waits_in_them() {
    const CHILD: &str =
        r#"{"task": "t", "command": ["sh", "-c", "WHAT"], "files": [{"path": ".", "access": "write"}]}"#;
    let below = |family: &Family| {
        let parents = family.sessions().into_iter().filter(|one| one["parent"].is_null());
        let told = parents.map(|one| family.show(one["id"].as_str().expect("an id"))["disk"]["below"].as_u64());
        told.map(Option::unwrap_or_default).sum::<u64>()
    };
    for family in Family::each("agents: {}\nlimits: {disk: 8MiB}") {
        family.operator.write("work/big", &"x".repeat(5_000_000));
        let child = CHILD.replace("WHAT", "true");
        let ran = family.run(&format!("ask one spawn '{child}'; ask ended wait '{{\"child\": 1}}'"));
        assert_eq!(answer(&ran, "ended")["children"][0]["standing"]["exit"], 0, "{ran:?}");
        assert_eq!(below(&family), 0, "nothing waits in it: {:?}", family.sessions());

        let child = CHILD.replace("WHAT", "echo x > new");
        let ran = family.run(&format!(
            "ask one spawn '{child}'; ask ended wait '{{\"child\": 1}}'; ask two spawn '{child}'; \
             head -c 5000000 /dev/zero > more; sleep 100"
        ));
        assert_eq!(answer(&ran, "one")["answer"], "spawned", "{ran:?}");
        let two = answer(&ran, "two");
        assert!(
            two["answer"] == "denied" && two["why"].as_str().is_some_and(|why| why.contains("disk limit")),
            "{two}"
        );
        assert!(ran.exit != 0 && ran.stderr.contains("its sub-agents see"), "{ran:?}");
        assert!(below(&family) > 5_000_000, "{:?}", family.sessions());
        let listed = family.operator.bastide(&["ls"]).stdout;
        assert!(listed.contains("DISK") && listed.contains(" MiB"), "{listed}");
        let changed = family.children().into_iter().find(|one| one["disk"]["own"].as_u64() > Some(5_000_000));
        let id = changed.expect("one that changed something")["id"].as_str().expect("an id").to_owned();
        assert_eq!(family.operator.bastide(&["discard", &id]).exit, 0);
        assert_eq!(below(&family), 0, "{:?}", family.sessions());
    }
}
