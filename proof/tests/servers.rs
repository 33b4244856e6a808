//! Servers of MCP on standard input and output, in cells of their own: an agent's calls by the rules of its policy, a credential
//! that neither cell has, and what becomes of all when one of the processes is killed; by root and by an ordinary user. The
//! official libraries are a case of `works/`.

use std::fs;
use std::process::{Child, Stdio};

use crate::whole::origin::{Origin, answer, keep};
use crate::whole::{Operator, Ran, until};
use serde_json::{Value, json};

const VALUE: &str = "hunter2-from-the-vault";

/// A server of MCP. What it sees and reaches it tells by its tools.
const SERVER: &str = r#"
import glob, json, os, sys, time, urllib.error, urllib.request
begun, held = 0, []
def say(message):
    sys.stdout.write(json.dumps(dict(message, jsonrpc="2.0")) + "\n")
    sys.stdout.flush()
def read(path):
    try:
        return open(path, "rb").read(4096).decode("utf-8", "replace")
    except OSError as error:
        return type(error).__name__
def fetch(url, **headers):
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20).read().decode()
    except urllib.error.HTTPError as error:
        return "HTTP %d: %s" % (error.code, error.read().decode())
    except OSError as error:
        return type(error).__name__
def call(name, given):
    if name == "fetch":
        return fetch(given["url"])
    if name == "look":
        seen = {path: read(path) for path in given["paths"]}
        seen["environ"] = "".join(read(path) for path in glob.glob("/proc/[0-9]*/environ"))
        seen["running"] = "".join(read(path) for path in glob.glob("/proc/[0-9]*/cmdline"))
        seen["at"], seen["there"] = os.getcwd(), os.listdir(given["there"]) if os.path.isdir(given["there"]) else None
        return json.dumps(seen)
    if name == "begun":
        return str(begun)
    if name == "die":
        os._exit(3)
    if name == "write":
        sys.stdout.write("x" * given["bytes"] + "\n")
        sys.stdout.flush()
    return "done"
print("the server speaks", file=sys.stderr, flush=True)
for line in sys.stdin:
    message = json.loads(line)
    method, params = message.get("method"), message.get("params", {})
    if method == "initialize":
        begun += 1
        result = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}, "asked": params["capabilities"]},
                  "serverInfo": {"name": "web", "version": "1"}}
    elif method == "tools/list":
        names = ["fetch", "look", "begun", "die", "write", "wipe", "steps", "asks"]
        result = {"tools": [{"name": name, "description": "It does.", "inputSchema": {"type": "object"}} for name in names]}
    elif method == "tools/call":
        if params["name"] == "steps":
            token = params["_meta"]["progressToken"]
            for step in (1, 2):
                say({"method": "notifications/progress", "params": {"progressToken": token, "progress": step}})
        if params["name"] == "asks":
            say({"id": "own", "method": "sampling/createMessage", "params": {}})
            held.append(json.loads(sys.stdin.readline()))
            result = {"content": [{"type": "text", "text": json.dumps(held[-1])}]}
        else:
            result = {"content": [{"type": "text", "text": call(params["name"], params.get("arguments", {}))}]}
    else:
        continue
    say({"id": message["id"], "result": result})
"#;

/// Says one message to the server and prints what comes back: `mcp NAME ID METHOD PARAMS`.
const SHELL: &str = r#"set -u; at=http://web.mcp.bastide.internal/mcp
say() { printf '%s ' "$1"; curl -sS -m 60 -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' -d "$2" $at | tr '\n' ' '; echo; }
call() { say "$1" "{\"jsonrpc\": \"2.0\", \"id\": \"$1\", \"method\": \"tools/call\", \"params\": {\"name\": \"$2\", \"arguments\": $3}}"; }
"#;

struct Scene {
    operator: Operator,
    origin: Origin,
    policy: String,
    roots: String,
}

impl Scene {
    fn new(operator: Operator) -> Scene {
        let origin = Origin::new(Box::new(|asked| {
            answer("200 OK", "", format!("outside, {}", asked.all("authorization").len()).as_bytes())
        }));
        keep(&operator, "key", &origin.place, "/in/**", VALUE);
        let program = operator.write("server/mcp.py", SERVER);
        operator.write("work/secret.txt", "of the agent's workspace\n");
        operator.write("home/notes", "of the operator's home\n");
        let place = program.parent().expect("a directory").display().to_string();
        let text = format!(
            "bastide: 1\nname: mine\nextends: [hardened]\nnetwork: {{default: deny}}\nservers:\n  - name: web\n    command: \
             [/usr/bin/python3, -I, \"{}\"]\n    read: [\"{place}\"]\n    env: {{WEB: \"set\"}}\n    network: {{allow: [{{to: \
             \"{}\", paths: [/in/**], credential: key}}]}}\n    allow:\n      - {{tools: [fetch], arguments: {{url: \
             [\"https://{}/**\"]}}}}\n      - {{tools: [look, begun, die, write, steps, asks]}}\n",
            program.display(),
            origin.place,
            origin.place,
        );
        let policy = operator.write("home/policy.yaml", &text).to_string_lossy().into_owned();
        let roots = operator.write("home/company.pem", &origin.roots).to_string_lossy().into_owned();
        Scene { operator, origin, policy, roots }
    }

    fn each() -> Vec<Scene> {
        Operator::each().into_iter().map(Scene::new).collect()
    }

    fn command(&self, script: &str) -> std::process::Command {
        let script = format!("{SHELL}{script}");
        let all = ["run", "--timeout", "120s", "--policy", &self.policy, "--", "sh", "-c", &script];
        let mut command = self.operator.command(&all);
        command.env("SSL_CERT_FILE", &self.roots);
        command
    }

    fn run(&self, script: &str) -> Ran {
        let ran = Ran::of(self.command(script).output().expect("starts"));
        assert!(!format!("{ran:?}").contains("hunter2"), "{ran:?}");
        ran
    }

    fn sessions(&self) -> Vec<Value> {
        let ran = self.operator.bastide(&["ls", "--json"]);
        let all: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        all.as_array().cloned().or_else(|| all["sessions"].as_array().cloned()).unwrap_or_default()
    }

    /// Sessions of servers, the oldest first.
    fn servers(&self) -> Vec<Value> {
        let mut all: Vec<Value> = self.sessions().into_iter().filter(|one| one["parent"]["server"] == "web").collect();
        all.reverse();
        all
    }

    fn log(&self, session: &str) -> String {
        self.operator.bastide(&["log", session]).stdout
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What came back to what was said under this word.
fn said(ran: &Ran, word: &str) -> Value {
    let found = ran.stdout.lines().find_map(|line| line.strip_prefix(&format!("{word} ")));
    let text = found.unwrap_or_else(|| panic!("no answer to `{word}`: {ran:?}"));
    let text = text.trim();
    let text = text.rsplit_once("data: ").map_or(text, |(_, last)| last);
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

fn refusal(answer: &Value) -> &str {
    answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

fn is_alive(pid: &Value) -> bool {
    let pid = pid.as_u64().expect("a number");
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn calls_are_judged_and_the_server_alone_reaches_its_host_with_a_secret_that_nobody_has() {
    for scene in Scene::each() {
        let place = &scene.origin.place;
        let work = scene.operator.work().display().to_string();
        let paths =
            json!([format!("{work}/secret.txt"), scene.operator.home().join("notes"), scene.policy, "/etc/shadow"]);
        let script = format!(
            r#"say begin '{{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {{"protocolVersion": "2025-06-18", "capabilities": {{"sampling": {{}}, "roots": {{}}}}, "clientInfo": {{"name": "sh", "version": "1"}}}}}}'
            say list '{{"jsonrpc": "2.0", "id": 2, "method": "tools/list"}}'
            call fetch fetch '{{"url": "https://{place}/in/x"}}'
            call elsewhere fetch '{{"url": "https://{place}.example/in/x"}}'
            call deeper fetch '{{"url": "https://{place}/out/x"}}'
            call wipe wipe '{{}}'
            call look look '{{"paths": {paths}, "there": "{work}"}}'
            call asks asks '{{}}'
            say steps '{{"jsonrpc": "2.0", "id": "steps", "method": "tools/call", "params": {{"name": "steps", "arguments": {{}}, "_meta": {{"progressToken": "mine"}}}}}}'
            printf 'own '; curl -sS -m 20 https://{place}/in/x 2>&1 | tr '\n' ' '; echo
            printf 'plain '; curl -sS -m 20 http://web.mcp.bastide.internal/ -o /dev/null -w '%{{http_code}}'; echo
            printf 'other '; curl -sS -m 20 http://none.mcp.bastide.internal/mcp 2>&1 | tr '\n' ' '; echo
            cat /proc/[0-9]*/environ | tr '\0' '\n' | grep -c hunter; call begun begun '{{}}'; exit 0"#
        );
        let ran = scene.run(&script);
        assert_eq!(ran.exit, 0, "{ran:?}");
        // Nothing of what a program could do for it, it is told of.
        let begin = said(&ran, "begin");
        assert_eq!(begin["result"]["serverInfo"]["name"], "web", "{ran:?}");
        assert_eq!(begin["result"]["capabilities"]["asked"], json!({}), "{begin}");
        let list = said(&ran, "list");
        let names: Vec<&str> = list["result"]["tools"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|tool| tool["name"].as_str())
            .collect();
        assert_eq!(names, ["fetch", "look", "begun", "die", "write", "steps", "asks"], "{list}");
        assert_eq!(text(&said(&ran, "fetch")), "outside, 1", "{ran:?}");
        let asked = scene.origin.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_eq!(asked[0].all("authorization"), [format!("Bearer {VALUE}")]);
        // A tool that no rule names, an argument that none takes, a path that the server's own rules do not allow.
        assert!(refusal(&said(&ran, "wipe")).contains("bastide refused this"), "{ran:?}");
        assert!(refusal(&said(&ran, "elsewhere")).contains("bastide why"), "{ran:?}");
        assert!(text(&said(&ran, "deeper")).contains("HTTP 403"), "{ran:?}");
        // It sees nothing of the agent's, nor of the operator's.
        let look: Value = serde_json::from_str(text(&said(&ran, "look"))).expect("JSON");
        for path in paths.as_array().expect("a list") {
            assert_eq!(look[path.as_str().expect("a path")], "FileNotFoundError", "{look}");
        }
        assert_eq!(look["there"], Value::Null, "{look}");
        assert!(look["at"].as_str().is_some_and(|at| at.ends_with("/home")), "{look}");
        let (environ, running) = (look["environ"].as_str().expect("text"), look["running"].as_str().expect("text"));
        assert!(environ.contains("WEB=set") && !environ.contains("hunter2"), "{look}");
        assert!(running.contains("mcp.py") && !running.contains("curl"), "{look}");
        // What it asks a program for nobody hears, and it is told so.
        assert!(text(&said(&ran, "asks")).contains("nothing is asked of a program here"), "{ran:?}");
        assert!(ran.stdout.contains("\"progressToken\":\"mine\""), "{ran:?}");
        assert_eq!(text(&said(&ran, "steps")), "done");
        // The agent does not reach the server's host; where the server is, MCP alone is spoken; it was begun once.
        let line = |word: &str| ran.stdout.lines().find(|line| line.starts_with(word)).unwrap_or_default();
        assert!(!line("own ").contains("outside"), "{ran:?}");
        assert!(!line("plain ").contains("200"), "{ran:?}");
        assert!(line("other ").contains("Could not resolve"), "{ran:?}");
        assert_eq!(text(&said(&ran, "begun")), "1");
        // It was a session beside, which has ended; both records tell of it.
        let servers = scene.servers();
        let [server] = &servers[..] else { panic!("{servers:?}") };
        let (id, parent) =
            (server["id"].as_str().expect("an id"), server["parent"]["session"].as_str().expect("an id"));
        assert!(server["ended"].is_number() && server["workspace"] == "", "{server}");
        let (own, above) = (scene.log(id), scene.log(parent));
        assert!(own.contains(&format!("server `web` of session {parent}")), "{own}");
        for told in [
            "server `web` is begun in a cell of its own",
            &format!("server `web` is session {id}"),
            "server `web` ended",
        ] {
            assert!(above.contains(told), "{told}: {above}");
        }
        let why = scene.operator.bastide(&["why", "p2", id]);
        assert!(why.stdout.contains(parent), "{why:?}");
        let shown = scene.operator.bastide(&["show", id]).stdout;
        assert!(shown.contains("server `web` of"), "{shown}");
        // What it says to standard error is kept with its session, and nothing of the secret anywhere.
        let state = scene.operator.room.join("state/bastide");
        let kept = std::process::Command::new("grep").args(["-rlF", VALUE]).arg(&state).output().expect("grep starts");
        assert_eq!(String::from_utf8_lossy(&kept.stdout), "");
        let found = std::process::Command::new("grep").args(["-rlF", "the server speaks"]).arg(&state).output();
        assert!(String::from_utf8_lossy(&found.expect("grep starts").stdout).contains(id));
    }
}

#[test]
fn one_that_ends_is_begun_again_a_few_times_and_one_that_says_too_much_is_ended() {
    for scene in Scene::each() {
        let script = r#"for n in 1 2 3; do call die$n die '{}'; call up$n begun '{}'; done
            call long write '{"bytes": 5000000}'; call last begun '{}'; call again begun '{}'"#;
        let ran = scene.run(script);
        for n in 1..=3 {
            assert!(
                refusal(&said(&ran, &format!("die{n}"))).contains("the server ended before it answered"),
                "{ran:?}"
            );
            assert_eq!(text(&said(&ran, &format!("up{n}"))), "1", "{ran:?}");
        }
        assert!(refusal(&said(&ran, "long")).contains("ended before it answered"), "{ran:?}");
        for word in ["last", "again"] {
            assert!(refusal(&said(&ran, word)).contains("it ended 4 times in this session"), "{ran:?}");
        }
        assert_eq!(scene.servers().len(), 4);
    }
}

#[test]
fn a_program_that_cannot_begin_is_told_and_nothing_of_the_host_is() {
    for scene in Scene::each() {
        let text = fs::read_to_string(&scene.policy).expect("there").replace("/usr/bin/python3", "/nowhere/python3");
        scene.operator.write("home/policy.yaml", &text);
        let ran = scene.run("call x begun '{}'");
        let why = refusal(&said(&ran, "x")).to_owned();
        assert!(why.contains("nothing was run (E-PLANE-030)") && !why.contains("nowhere"), "{ran:?}");
    }
}

#[test]
fn a_server_ends_with_its_gate_and_its_sessions_plane_and_is_paused_and_stopped_with_the_session() {
    for scene in Scene::each() {
        let begin = |script: &str| {
            let mut command = scene.command(script);
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            Running(command.spawn().expect("starts"))
        };
        let running = || {
            let mut found = None;
            assert!(
                until(|| {
                    let all = scene.servers();
                    found = all.into_iter().find(|one| one["live"]["cell"].is_number());
                    found.is_some()
                }),
                "{:?}",
                scene.sessions()
            );
            found.expect("found")
        };
        let own = |server: &Value| {
            let parent = server["parent"]["session"].clone();
            scene.sessions().into_iter().find(|one| one["id"] == parent).expect("there")
        };
        let gone = |server: &Value| until(|| !is_alive(&server["live"]["cell"]) && !is_alive(&server["live"]["pid"]));
        // Its session's plane.
        let held = begin("call x begun '{}'; sleep 100");
        let server = running();
        let parent = own(&server);
        let id = parent["id"].as_str().expect("an id");
        let paused = scene.operator.bastide(&["pause", id]);
        assert_eq!(paused.exit, 0, "{paused:?}");
        let live = scene.servers().into_iter().find(|one| one["id"] == server["id"]).expect("there");
        assert!(live["live"]["paused"].is_string() || live["live"]["paused"].is_object(), "{live}");
        assert_eq!(scene.operator.bastide(&["resume", id]).exit, 0);
        let plane = parent["live"]["pid"].as_u64().expect("a number");
        whole_kill(plane);
        assert!(gone(&server), "{server}");
        drop(held);
        // Its gate: the next one begins it anew.
        let held = begin("call x begun '{}'; sleep 3; call y begun '{}'; sleep 100");
        let server = running();
        let parent = own(&server);
        let plane = u32::try_from(parent["live"]["pid"].as_u64().expect("a number")).expect("small");
        let gate = crate::whole::children(plane).into_iter().find(|pid| {
            fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.ends_with("bastide-gate"))
                || fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("bastide-gate"))
        });
        whole_kill(gate.expect("a gate").into());
        assert!(gone(&server), "{server}");
        let next = running();
        assert_ne!(next["id"], server["id"]);
        // The operator.
        let stopped = scene.operator.bastide(&["stop", parent["id"].as_str().expect("an id")]);
        assert_eq!(stopped.exit, 0, "{stopped:?}");
        assert!(gone(&next), "{next}");
        drop(held);
    }
}

fn whole_kill(pid: u64) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
}
