//! The invariants of the architecture that only the whole can show, each a named test. The others are named in
//! `proof/README.md` with the room that shows them.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use crate::whole::Operator;

/// Invariant 1.
#[test]
fn nothing_inside() {
    const CANARY: &str = "canary-7f3a9c51e0";
    for operator in Operator::each() {
        for place in ["home/.netrc", "home/.ssh/id_ed25519", "home/.aws/credentials", "home/.config/gh/hosts.yml"] {
            operator.write(place, CANARY);
        }
        let _socket = UnixListener::bind(operator.room.join("home/agent.sock")).expect("a socket");
        // Everything that a program can read: its environment, others', descriptors, every small file there is.
        let script = "env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline; ls -l /proc/[0-9]*/fd; \
                      find / -xdev -path /proc -prune -o -type s -print; \
                      find / -path /proc -prune -o -path /dev -prune -o -path /usr -prune -o -type f -size -64k -exec cat {} +; \
                      find / -path /proc -prune -o -path /usr -prune -o -print; true";
        let mut command = operator.command(&["run", "--", "sh", "-c", script]);
        for name in
            ["AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "OPENAI_API_KEY", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS"]
        {
            command.env(name, CANARY);
        }
        let output = command.output().expect("bastide starts");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("HOME=") && text.len() > 2_000, "the script did not look: {text}");
        assert!(!text.contains(CANARY), "uid {}: a credential is inside", operator.uid);
        for name in ["agent.sock", "plane.segment", "policy.json", "session.json", "bastided", "bastide-gate"] {
            assert!(!text.contains(name), "uid {}: `{name}` is inside", operator.uid);
        }
    }
}

/// Invariant 2.
#[test]
fn identity_is_the_door() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let place = format!("host.bastide:{}", server.local_addr().expect("an address").port());
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nreached");
        }
    });
    for operator in Operator::each() {
        let script = format!("exec curl -s -m 5 -H 'X-Session: other' http://{place}/");
        let (named, other) = std::thread::scope(|scope| {
            let named = scope.spawn(|| operator.run(&["--allow", &place], &script));
            let other = scope.spawn(|| operator.run(&[], &script));
            (named.join().expect("ran"), other.join().expect("ran"))
        });
        assert_eq!((named.stdout.as_str(), named.exit), ("reached", 0), "{named:?}");
        assert!(other.stdout.is_empty() && other.exit != 0, "{other:?}");
    }
}

/// Invariant 4: what is not accepted by name is refused, and a name leaves out one layer and no other.
#[test]
fn fail_closed() {
    for operator in Operator::each() {
        for name in ["without-everything", "without-", "landlock", "without-landlock,without-seccomp"] {
            let ran = operator.run(&["--accept-risk", name], "echo ran");
            assert_eq!((ran.exit, ran.stdout.as_str()), (125, ""), "{ran:?}");
        }
        for name in operator.outcome(&[], "true")["layers"].as_array().expect("layers").iter().map(name_of) {
            // An ordinary user can build no wall without a user namespace of his own: nothing is run.
            if operator.uid != 0 && name == "user-namespace" {
                let ran = operator.run(&["--accept-risk", "without-user-namespace"], "echo ran");
                assert_eq!((ran.exit, ran.stdout.as_str()), (125, ""), "{ran:?}");
                continue;
            }
            let without = operator.outcome(&["--accept-risk", &format!("without-{name}")], "true");
            for layer in without["layers"].as_array().expect("layers") {
                assert_eq!(layer["holds"] == true, name_of(layer) != name, "without {name}: {layer}");
            }
        }
    }
}

fn name_of(layer: &serde_json::Value) -> String {
    layer["name"].as_str().expect("a name").to_owned()
}

/// Prints what a program finds of its own walls, a layer and its measurement in each line, as the summary words it.
const LOOK: &str = r#"
for of in user pid net:network ipc uts cgroup; do
    echo "${of#*:}-namespace $(readlink /proc/self/ns/${of%:*})"
done
echo "host-uid uid_map" $(cat /proc/self/uid_map)
field() { sed -n "s/^$1:[[:space:]]*//p" /proc/self/status; }
echo "seccomp mode $(field Seccomp), $(field Seccomp_filters) filters"
echo "no-new-privileges NoNewPrivs $(field NoNewPrivs)"
[ "$(field Cap...)" = "$(printf '%016x\n' 0 0 0 0 0)" ] && echo "capabilities none in any set"
if (echo name >/proc/self/comm) 2>/dev/null; then echo "landlock off"; else echo "landlock on"; fi
"#;

/// Invariant 6: what is said of a layer is what the program finds on itself. No echo of the flags knows that.
#[test]
fn the_summary_is_a_measurement() {
    let host = |kind: &str| {
        let kind = if kind == "network" { "net" } else { kind };
        let link = std::fs::read_link(format!("/proc/self/ns/{kind}")).expect("a namespace");
        link.to_string_lossy().into_owned()
    };
    for operator in Operator::each() {
        let off = ["landlock", "ipc-namespace", "uts-namespace"];
        let risks = off.map(|name| format!("without-{name}"));
        let flags: Vec<&str> = risks.iter().flat_map(|risk| ["--accept-risk", risk]).collect();
        for (flags, off) in [(&[][..], &[][..]), (&flags[..], &off[..])] {
            let (outcome, words) = operator.outcome_and_words(flags, LOOK);
            let found: BTreeMap<_, _> = words.lines().filter_map(|line| line.split_once(' ')).collect();
            assert_eq!(found.len(), 11, "the script did not look: {words}");
            let layers = outcome["layers"].as_array().expect("layers");
            assert_eq!(layers.len(), 15);
            for layer in layers {
                let name = name_of(layer);
                let (holds, seen) = (layer["holds"] == true, found.get(name.as_str()).copied());
                assert_eq!(holds, !off.contains(&name.as_str()), "{layer}");
                if name == "landlock" {
                    assert_eq!(seen, Some(if holds { "on" } else { "off" }), "{layer}: {words}");
                } else if holds {
                    assert!(seen.is_none_or(|seen| layer["detail"] == seen), "{layer}: {words}");
                }
                if let Some(kind) = name.strip_suffix("-namespace") {
                    assert_eq!(seen != Some(host(kind).as_str()), holds, "{layer}: {words}");
                }
            }
            assert_eq!(outcome["accepted_risks"].as_array().map(Vec::len), Some(off.len()), "{outcome}");
        }
    }
}

/// Invariant 9: what an agent could have written is no policy until the operator trusted that very content.
#[test]
fn policy_is_never_read_from_where_an_agent_can_write() {
    for operator in Operator::each() {
        let policy = "bastide: 1\nname: mine\nextends: [hardened]\n";
        let file = operator.write("work/policy.yaml", policy).to_string_lossy().into_owned();
        let refused = operator.run(&["--policy", &file], "echo ran");
        assert_eq!((refused.exit, refused.stdout.as_str()), (125, ""), "{refused:?}");
        assert!(refused.stderr.contains("bastide trust"), "{}", refused.stderr);
        assert_eq!(operator.bastide(&["trust", &file]).exit, 0);
        assert_eq!(operator.run(&["--policy", &file], "echo ran").stdout, "ran\n");
        operator.write("work/policy.yaml", &format!("{policy}network: {{default: deny}}\n"));
        assert_eq!(operator.run(&["--policy", &file], "echo ran").exit, 125);
    }
}
