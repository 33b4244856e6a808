//! The invariants of the architecture that only the whole can show, each a named test. The others are named in
//! `proof/README.md` with the room that shows them.

mod whole;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use whole::Operator;

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
    }
}

/// Invariant 6.
#[test]
fn the_summary_is_a_measurement() {
    for operator in Operator::each() {
        let all = operator.outcome(&[], "readlink /proc/self/ns/net");
        let layers = all["layers"].as_array().expect("layers");
        assert_eq!(layers.len(), 15);
        assert!(layers.iter().all(|layer| layer["holds"] == true), "{all}");
        let without = operator.outcome(&["--accept-risk", "without-landlock"], "true");
        for layer in without["layers"].as_array().expect("layers") {
            assert_eq!(layer["holds"] == true, layer["name"] != "landlock", "{layer}");
        }
        assert_eq!(without["accepted_risks"][0], "without-landlock");
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
