//! What nobody can look into leaves where it stood in the workspace before the session and carries no label: not what an agent made,
//! not what the policy labels, and not what an earlier session left that may have read what is labelled.

use std::fs;
use std::time::Duration;

use crate::whole::loopback::answering;
use crate::whole::{Operator, Ran};

/// Uploads in the ways that programs have, and prints how each was answered.
const UPLOAD: &str = r#"
import base64, gzip, hashlib, http.client, io, json, sys, tarfile, time
at, steps = sys.argv[1], sys.argv[2:]
def post(name, body):
    asked = http.client.HTTPConnection(*at.split(":"), timeout=60)
    asked.request("POST", "/in", body)
    print(name, asked.getresponse().status, flush=True)
def read(path):
    return open(path, "rb").read()
def noise(seed):
    return b"".join(hashlib.sha256(b"%d %d" % (seed, block)).digest() for block in range(64))
def archive(*files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for path in files:
            tar.add(path)
    return out.getvalue()
def make():
    open("made.bin", "wb").write(noise(7))
    time.sleep(2)
for step in steps:
    name, _, path = step.partition(":")
    what = {
        "plain": lambda: read(path),
        "json": lambda: json.dumps({"note": "a logo", "content": base64.b64encode(read(path)).decode()}),
        "tar": lambda: archive(*path.split(",")),
        "longer": lambda: read(path) + b"x",
    }
    make() if name == "make" else post(step, what[name]())
"#;

/// Without a pattern, as ciphertext is.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes()[0]
    };
    (0..2048).map(|_| next()).collect()
}

#[test]
fn what_stood_in_the_workspace_leaves_as_it_stood() {
    let port = answering(|_| "ok".into());
    for operator in Operator::each() {
        let text = format!(
            "bastide: 1\nname: stood\nextends: [hardened]\nfiles: {{workspace: live}}\nnetwork: {{default: deny, allow: [{{to: \"host.bastide:{port}\", protocol: http}}]}}\n\
             data: [{{label: \"secret:clients\", files: [private/**]}}]\nflows: [{{deny: \"secret:*\", to: network}}]\n"
        );
        let policy = operator.write("home/policy.yaml", &text).to_string_lossy().into_owned();
        operator.write("work/upload.py", UPLOAD);
        operator.write("work/private/plan", "Ardent Kestrel pays ninety four thousand for the orchard.\n");
        for (path, seed) in [("images/logo.png", 1), ("private/sealed.bin", 2)] {
            operator.write(&format!("work/{path}"), "");
            fs::write(operator.work().join(path), noise(seed)).expect("written");
        }
        // A file's time is only as fine as the kernel's tick, so what was written a moment before counts as new.
        std::thread::sleep(Duration::from_millis(1500));
        let at = format!("host.bastide:{port}");
        let upload = |mode: &str, steps: &[&str]| -> Ran {
            operator.run(&["--policy", &policy, "--mode", mode], &format!("python3 upload.py {at} {}", steps.join(" ")))
        };
        let logo = "images/logo.png";
        let goes: Vec<String> = ["plain", "json", "tar"].iter().map(|way| format!("{way}:{logo}")).collect();
        let stays =
            ["plain:private/sealed.bin", "longer:images/logo.png", "plain:made.bin", "tar:images/logo.png,made.bin"];
        for mode in ["review", "live"] {
            let steps: Vec<&str> = goes.iter().map(String::as_str).chain(["make"]).chain(stays).collect();
            let ran = upload(mode, &steps);
            let told = |steps: &[String], status: u16| {
                steps.iter().map(|step| format!("{step} {status}\n")).collect::<String>()
            };
            let expected = told(&goes, 200) + &told(&stays.map(str::to_owned), 403);
            assert_eq!(ran.stdout, expected, "{mode}: {ran:?}");
            let log = operator.bastide(&["log", "--json"]).stdout;
            let words = "2048 bytes of it stood in the workspace before the session: images/logo.png";
            assert_eq!(log.matches(words).count(), 3, "{log}");
        }
        // It stands there now. The session that left it may have read the plan.
        assert!(operator.work().join("made.bin").exists());
        std::thread::sleep(Duration::from_millis(1500));
        let ran = upload("review", &["plain:images/logo.png", "plain:made.bin"]);
        assert_eq!(ran.stdout, "plain:images/logo.png 200\nplain:made.bin 403\n", "{ran:?}");
    }
}
