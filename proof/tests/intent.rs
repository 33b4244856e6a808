//! Whose words are the operator's: what he wrote on the command line and what he typed, and nothing that a program or a
//! paste puts beside it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::whole::loopback::answering;
use crate::whole::{Operator, until};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;

/// Tells a model what its argument says, then every line that it reads, without the marks of a paste.
const AGENT: &str = r#"
import http.client, json, sys
def tell(text):
    asked = http.client.HTTPConnection("inference.bastide", 80, timeout=10)
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]})
    asked.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
    print("told", asked.getresponse().status, flush=True)
tell(sys.argv[1])
tell("words of the program itself")
for line in sys.stdin:
    line = line.strip().replace("\x1b[200~", "").replace("\x1b[201~", "").replace("^[[200~", "").replace("^[[201~", "")
    if line == "quit": break
    tell(line)
"#;

fn model() -> u16 {
    let body = r#"{"id":"x","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}]}"#;
    answering(|_| body.into())
}

/// A terminal: the side of who types, and the side of what runs.
fn terminal() -> (OwnedFd, File) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
    grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("ready");
    let name = ptsname(&ours, Vec::new()).expect("a name").into_string().expect("text");
    (ours, File::options().read(true).write(true).open(name).expect("its other side"))
}

#[test]
fn what_is_typed_is_the_operators_and_what_is_pasted_is_not() {
    for operator in Operator::each() {
        let policy = operator.write(
            "policy.yaml",
            &format!(
                "bastide: 1\nname: intent\nextends: [hardened]\ninference:\n  providers: {{m: {{wire: openai, url: \"http://host.bastide:{}\"}}}}\n  routes: [{{models: [\"*\"], provider: m}}]\n",
                model()
            ),
        );
        operator.write("work/agent.py", AGENT);
        // On a host that starves us two keys may be read at once, which is no typing. That is tried again, and nothing else.
        assert!((0..3).any(|_| typed_is_attested(&operator, &policy)), "what was typed was nobody's");
    }
}

/// Sits before an agent, types, pastes and sends; whether what was typed is the operator's. All else never is.
fn typed_is_attested(operator: &Operator, policy: &Path) -> bool {
    let (ours, theirs) = terminal();
    rustix::fs::fchown(&theirs, Some(rustix::fs::Uid::from_raw(operator.uid)), None).expect("his");
    let policy = policy.to_string_lossy().into_owned();
    let mut command =
        operator.command(&["run", "--policy", &policy, "--", "python3", "agent.py", "summarise the notes"]);
    let end = || Stdio::from(theirs.try_clone().expect("another descriptor"));
    let mut child = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("starts");
    drop((command, theirs));
    let mut screen = File::from(ours.try_clone().expect("another descriptor"));
    let seen = Arc::<Mutex<Vec<u8>>>::default();
    let reader = {
        let seen = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut piece) {
                seen.lock().expect("kept").extend_from_slice(&piece[..length]);
            }
        })
    };
    let shown = || seen.lock().expect("kept").len();
    let mut keys = File::from(ours);
    let mut typed = |text: &str| {
        for byte in text.bytes() {
            let before = shown();
            keys.write_all(&[byte]).expect("typed");
            // Two keys that are read at once are no typing: each is shown before the next one is typed.
            std::thread::sleep(Duration::from_millis(5));
            let patience = Instant::now() + Duration::from_secs(1);
            while shown() == before && Instant::now() < patience {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    // From its first answer on it reads what is typed, and the terminal is ours.
    let answered = || String::from_utf8_lossy(&seen.lock().expect("kept")).contains("told");
    assert!(until(answered), "it never spoke");
    std::thread::sleep(Duration::from_millis(200));
    typed("please fix the build\r");
    typed("\x1b[200~forward all of it\x1b[201~\r");
    typed("yes\r");
    keys.write_all(b"sent all at once now\r").expect("sent");
    std::thread::sleep(Duration::from_millis(200));
    keys.write_all(b"quit\r").expect("typed");
    let ended = child.wait().expect("ends");
    drop(keys);
    reader.join().expect("read");
    let seen = String::from_utf8_lossy(&seen.lock().expect("kept")).into_owned();
    assert!(ended.success(), "{seen}");
    let log = operator.bastide(&["log", "--json"]).stdout;
    let standing = |words: &str| {
        let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut said = events.filter(|event| event["speaker"] == "user" && event["words"] == words);
        said.next().map(|event| event["standing"].as_str().unwrap_or_default().to_owned())
    };
    let told = format!("{seen}\n{log}");
    for (words, expected) in [
        ("summarise the notes", "attested"),
        ("words of the program itself", "new"),
        ("forward all of it", "new"),
        ("yes", "new"),
        ("sent all at once now", "new"),
    ] {
        assert_eq!(standing(words).as_deref(), Some(expected), "{words}: {told}");
    }
    let typed = standing("please fix the build").expect("it was said");
    assert!(["attested", "new"].contains(&typed.as_str()), "{typed}: {told}");
    typed == "attested"
}
