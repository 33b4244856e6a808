//! Clients that bring their own ways: cargo with a registry, Python's httpx, and WebSockets by Python and by Node.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::whole::origin::{answer, keep, vouched};
use crate::whole::scene::{BEARER, Scene, VALUE, files, host, place};
use crate::whole::{Operator, Ran};
use serde_json::{Value, json};

const PLAN: &str = "The plan for the north harbour is to open on the ninth of May at dawn, and nobody but the two of us \
                    may know of it before the boats are in.\n";

/// What `proof/clients` brought.
fn brought(name: &str) -> String {
    let house = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a house");
    let place = env::var_os("BASTIDE_AGENTS").map_or_else(|| house.join(".agents"), PathBuf::from).join(name);
    assert!(place.exists(), "{} is missing; hint: proof/install", place.display());
    place.to_string_lossy().into_owned()
}

#[test]
fn httpx_is_held_to_methods_and_paths_and_brings_the_vaults_token() {
    let python = brought("python");
    for operator in Operator::each() {
        let scene = Scene::new(operator, BEARER, Box::new(|asked| answer("200 OK", "", asked.target.as_bytes())));
        scene.operator.write("work/asks.py", include_str!("clients/asks.py"));
        let rule =
            format!("{{to: \"{}\", methods: [GET, POST], paths: [/in/**], credential: key}}", scene.origin.place);
        let ran = scene.run_by(&rule, "", &["--read", &python], &format!("{python}/bin/python asks.py $u"));
        assert_eq!(ran.exit, 0, "{ran:?}");
        let lines: Vec<&str> = ran.stdout.lines().collect();
        let answers = ["HTTP/1.1 200 /in/httpx?a=b+c", "/in/httpx/json", "/in/httpx/chunks", "/in/httpx/stream"];
        assert_eq!(lines[..4], answers, "{ran:?}");
        assert!(lines[4].starts_with("403 ") && lines[4].contains("DELETE /in/httpx"), "{ran:?}");
        assert_eq!(lines[5..], ["403", "/in/httpx/proxy", "[200, 200, 200, 200, 200, 200]"], "{ran:?}");
        let asked = scene.asked();
        assert_eq!(asked.len(), 11);
        assert_eq!(asked[1].body, b"{\"a\":1}");
        assert_eq!(asked[2].body, b"in parts");
    }
}

/// The parts of the toolchain that compile, where every user may read them.
fn toolchain(into: &Path) -> String {
    let root = PathBuf::from(host("rustc", &["--print", "sysroot"]).trim());
    for part in ["bin", "lib/rustlib"] {
        fs::create_dir_all(into.join(part)).expect("made");
    }
    let target = "lib/rustlib/x86_64-unknown-linux-gnu";
    let libraries = fs::read_dir(root.join("lib")).expect("listed").flatten().map(|entry| entry.path());
    let libraries =
        libraries.filter(|path| path.is_file()).map(|path| path.strip_prefix(&root).expect("in it").to_owned());
    for part in ["bin/cargo", "bin/rustc", target].map(PathBuf::from).into_iter().chain(libraries) {
        let (from, to) = (root.join(&part), into.join(&part));
        let (from, to) = (from.to_string_lossy(), to.to_string_lossy());
        // Links where the file system allows them.
        let linked = Command::new("cp").args(["-alL", &from, &to]).stderr(Stdio::null()).status().expect("starts");
        if !linked.success() {
            host("cp", &["-aLf", &from, &to]);
        }
    }
    into.to_string_lossy().into_owned()
}

/// A crate as a registry keeps it: its archive, and its line in the index.
fn publish(root: &Path, name: &str, code: &str) {
    let source = root.join(format!("{name}-1.0.0"));
    fs::create_dir_all(source.join("src")).expect("made");
    let manifest = format!("[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n");
    fs::write(source.join("Cargo.toml"), manifest).expect("written");
    fs::write(source.join("src/lib.rs"), code).expect("written");
    let archive = root.join(format!("in/{name}.crate")).to_string_lossy().into_owned();
    host("tar", &["-czf", &archive, "-C", &root.to_string_lossy(), &format!("{name}-1.0.0")]);
    let sum = host("sha256sum", &[&archive])[..64].to_owned();
    let line = json!({"name": name, "vers": "1.0.0", "deps": [], "features": {}, "yanked": false, "cksum": sum});
    let index = root.join("in/index").join(&name[..2]).join(&name[2..4]);
    fs::create_dir_all(&index).expect("made");
    fs::write(index.join(name), format!("{line}\n")).expect("written");
}

#[test]
fn cargo_builds_from_a_registry_with_the_vaults_token() {
    let room = place();
    let cargo = toolchain(&room.path().join("toolchain"));
    publish(room.path(), "works-leaf", "pub const LEAF: &str = \"leaf\";\n");
    publish(room.path(), "works-kept", "\n");
    for operator in Operator::each() {
        // A registry's token comes as it is, without a word before it.
        let scene = Scene::new(operator, VALUE, files(room.path()));
        let place = &scene.origin.place;
        let config = json!({"dl": format!("https://{place}/in/{{crate}}.crate"), "auth-required": true});
        fs::write(room.path().join("in/index/config.json"), config.to_string()).expect("written");
        let rules = format!(
            "{{to: \"{place}\", methods: [GET], paths: [\"/in/index/**\", \"/in/works-leaf.crate\"], \
             credential: {{name: key, header: Authorization}}}}"
        );
        for (name, code) in [("leaf", "const _: &str = works_leaf::LEAF;\n"), ("kept", "\n")] {
            let manifest = format!(
                "[package]\nname = \"top\"\nversion = \"1.0.0\"\nedition = \"2024\"\n[dependencies]\nworks-{name} = \
                 {{version = \"1\", registry = \"ours\"}}\n"
            );
            scene.operator.write(&format!("work/{name}/Cargo.toml"), &manifest);
            scene.operator.write(&format!("work/{name}/src/lib.rs"), code);
        }
        let script = format!(
            "export PATH={cargo}/bin:$PATH CARGO_REGISTRIES_OURS_INDEX=sparse+$u/in/index/; \
             export CARGO_REGISTRIES_OURS_CREDENTIAL_PROVIDER=cargo:token CARGO_REGISTRIES_OURS_TOKEN=bogus CARGO_NET_RETRY=0; \
             cargo check -q --manifest-path leaf/Cargo.toml; \
             cargo check -q --manifest-path kept/Cargo.toml 2>&1 && exit 1; echo ended"
        );
        let ran = scene.run_by(&rules, "", &["--read", &cargo], &script);
        assert!(ran.exit == 0 && ran.stdout.ends_with("ended\n"), "{ran:?}");
        assert!(ran.stdout.contains("got 403") && ran.stdout.contains("GET /in/works-kept.crate"), "{ran:?}");
        let mut targets = scene.targets();
        targets.sort();
        targets.dedup();
        let expected = ["index/config.json", "index/wo/rk/works-kept", "index/wo/rk/works-leaf", "works-leaf.crate"];
        assert_eq!(targets, expected.map(|path| format!("GET /in/{path}")));
    }
}

/// A server of WebSockets on the host, in Python, and what reached it.
struct Sockets {
    server: Child,
    /// `host.bastide:PORT`.
    place: String,
    got: Arc<Mutex<Vec<Value>>>,
}

impl Sockets {
    fn new(python: &str, tls: &[&str]) -> Sockets {
        let mut command = Command::new(format!("{python}/bin/python"));
        command.args(["-c", include_str!("clients/server.py")]).args(tls).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut server = command.spawn().expect("starts");
        let mut lines = BufReader::new(server.stdout.take().expect("piped")).lines();
        let first: Value = read(&mut lines).expect("it says its port");
        let got = Arc::<Mutex<Vec<Value>>>::default();
        let kept = Arc::clone(&got);
        thread::spawn(move || {
            while let Some(line) = read(&mut lines) {
                kept.lock().expect("kept").push(line);
            }
        });
        Sockets { server, place: format!("host.bastide:{}", first["port"]), got }
    }

    /// Each was asked for with the vault's token alone, and of messages there came those without the plan.
    fn kept_in(&self) {
        let got = self.got.lock().expect("kept");
        let bearer = json!([BEARER]);
        assert!(
            got.iter().filter(|line| line["path"].is_string()).all(|line| line["authorization"] == bearer),
            "{got:?}"
        );
        let count = |what: &str| got.iter().filter(|line| line[what].is_string()).count();
        assert_eq!((count("path"), count("message")), (8, 8), "{got:?}");
        let known = ["hello", "in parts"].map(Value::from);
        let messages = got.iter().filter_map(|line| line.get("message"));
        let others = messages.filter(|message| !known.contains(message)).filter_map(Value::as_str);
        assert!(others.clone().count() == 2 && others.clone().all(|text| text == "long ".repeat(10_000)), "{got:?}");
    }
}

fn read(lines: &mut std::io::Lines<BufReader<ChildStdout>>) -> Option<Value> {
    serde_json::from_str(&lines.next()?.ok()?).ok()
}

impl Drop for Sockets {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn websockets_by_python_and_node_carry_what_may_leave() {
    let (python, node, room) = (brought("python"), brought("node24"), place());
    let names = ["certificate.pem", "key.pem"].map(|name| room.path().join(name).to_string_lossy().into_owned());
    let [roots, certificate, key] = vouched();
    fs::write(&names[0], certificate).expect("written");
    fs::write(&names[1], key).expect("written");
    let shown = [names[0].as_str(), names[1].as_str()];
    for operator in Operator::each() {
        let roots = operator.write("home/company.pem", &roots);
        operator.write("work/plan.txt", PLAN);
        operator.write("work/sockets.py", include_str!("clients/sockets.py"));
        operator.write("work/sockets.mjs", include_str!("clients/sockets.mjs"));
        for (scheme, tls) in [("wss", &shown[..]), ("ws", &[])] {
            let server = Sockets::new(&python, tls);
            let place = &server.place;
            keep(&operator, scheme, place, "/ws/**", VALUE);
            let text = format!(
                "bastide: 1\nname: mine\nextends: [hardened]\ndata: [{{label: \"secret:plan\", files: [plan.txt]}}]\n\
                 network:\n  allow:\n    - {{to: \"{place}\", protocol: websocket, paths: [/ws/**], credential: {scheme}}}\n"
            );
            let file = operator.write("home/policy.yaml", &text).to_string_lossy().into_owned();
            let script = format!(
                "{python}/bin/python sockets.py {scheme}://{place} && echo node && \
                 {node}/node_modules/.bin/node sockets.mjs {scheme}://{place}"
            );
            let arguments = ["run", "--policy", &file, "--read", &python, "--read", &node, "--", "sh", "-c", &script];
            let ran = Ran::of(operator.command(&arguments).env("SSL_CERT_FILE", &roots).output().expect("starts"));
            assert_eq!(ran.exit, 0, "{ran:?}");
            let lines: Vec<&str> = ran.stdout.lines().collect();
            let held = |line: &str| line.starts_with("closed 1008 bastide (") && line.contains("secret:plan");
            let long = "heard 50000 long long long long ";
            let (python, node) = (&lines[..10], &lines[10..]);
            let passed = ["heard 5 hello", "heard 8 in parts", long, "closed 1000", "heard 5 hello", "closed 1000"];
            assert_eq!(python[..6], passed, "{ran:?}");
            assert!(python[6] == "heard 5 hello" && python[7..].iter().all(|line| held(line)), "{ran:?}");
            assert_eq!(node[..5], ["refused 403", "node", "heard 5 hello", long, "closed 1000"], "{ran:?}");
            assert!(node[5] == "heard 5 hello" && held(node[6]) && held(node[7]), "{ran:?}");
            assert_eq!(node[8..], ["refused"], "{ran:?}");
            server.kept_in();
            let why = operator.bastide(&["why"]);
            assert!(why.stdout.contains("/other/node") && why.stdout.contains("protocol: websocket"), "{why:?}");
            let told = operator.bastide(&["policy", "suggest"]).stdout;
            assert!(told.contains("protocol: websocket, paths: [\"/ws/node\""), "{told}");
            let log = operator.bastide(&["log"]).stdout;
            assert!(log.contains("request for a WebSocket `GET /ws/python` (send) of"), "{log}");
            assert!(log.contains("secret:plan") && !log.contains("hunter2"), "{log}");
        }
    }
}
