//! Rules about requests in the whole: a policy's words, real clients in a cell, a real server outside, and what is told
//! of it afterwards.

use std::io::{BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use crate::whole::Operator;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A server on the host's loopback that keeps the first lines of what it was asked; within TLS, where it has that.
fn server(tls: Option<Arc<ServerConfig>>) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let (port, asked) = (listener.local_addr().expect("an address").port(), Arc::<Mutex<Vec<String>>>::default());
    let kept = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (kept, tls) = (Arc::clone(&kept), tls.clone());
            std::thread::spawn(move || match tls {
                None => answer(stream, &kept),
                Some(tls) => {
                    let session = ServerConnection::new(tls).expect("a session");
                    answer(StreamOwned::new(session, stream), &kept);
                }
            });
        }
    });
    (port, asked)
}

/// One request after the other, as long as the client wants.
fn answer(stream: impl Read + Write, kept: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let Some(first) = crate::whole::first_line(&mut reader) else { return };
        kept.lock().expect("kept").push(first);
        if reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
            return;
        }
    }
}

/// Makes connections of one request each, and closes each as soon as it has its answer; tells how many of its own ports are
/// then waiting, and how many of the other side's.
const ONE_BY_ONE: &str = r#"
import socket, sys
port = int(sys.argv[1])
for _ in range(100):
    with socket.create_connection(("host.bastide", port)) as one:
        one.sendall(b"GET /a HTTP/1.1\r\nHost: host.bastide:%d\r\nConnection: close\r\n\r\n" % port)
        said = b""
        while not said.endswith(b"\r\n\r\nok"):
            said += one.recv(4096)
rows = [row.split() for name in ("tcp", "tcp6") for row in open("/proc/net/" + name)]
ends = [(row[1][-4:], row[2][-4:]) for row in rows if row[3] == "06"]
print([sum(end[side] == "%04X" % port for end in ends) for side in (1, 0)])
"#;

#[test]
fn a_busy_client_does_not_run_out_of_ports() {
    for operator in Operator::each() {
        let (port, _) = server(None);
        let text = format!(
            "bastide: 1\nname: mine\nextends: [hardened]\nnetwork:\n  allow:\n    - {{to: \"host.bastide:{port}\", \
             methods: [GET]}}\n"
        );
        let file = operator.write("home/policy.yaml", &text).to_string_lossy().into_owned();
        operator.write("work/one-by-one.py", ONE_BY_ONE);
        let reuse = "/proc/sys/net/ipv4/tcp_tw_reuse";
        let ran = operator.run(&["--policy", &file], &format!("python3 one-by-one.py {port}; cat {reuse}"));
        assert_eq!(ran.stdout, "[0, 100]\n1\n", "{ran:?}");
    }
}

#[test]
fn real_clients_are_held_to_methods_and_paths() {
    for operator in Operator::each() {
        let (port, asked) = server(None);
        let place = format!("host.bastide:{port}");
        let text = format!(
            "bastide: 1\nname: mine\nextends: [hardened]\nnetwork:\n  allow:\n    - {{to: \"{place}\", methods: [GET, \
             POST], paths: [/a/**]}}\n  deny:\n    - {{to: \"{place}\", paths: [/a/secret/**]}}\ntests:\n  - {{request: \
             \"GET {place}/a/x\", expect: allow}}\n  - {{request: \"GET {place}/a/secret%2Fx\", expect: deny}}\n  - \
             {{connect: \"{place}\", expect: read}}\n"
        );
        let file = operator.write("home/policy.yaml", &text).to_string_lossy().into_owned();
        let tested = operator.bastide(&["policy", "test", &file]);
        assert_eq!(tested.exit, 0, "{tested:?}");
        let fetch = format!(
            "u=http://{place}; curl -s -o /dev/null -w '%{{http_code}} %{{num_connects}}\\n' $u/a/x --next -s -o /dev/null -w \
             '%{{http_code}} %{{num_connects}}\\n' -d body $u/a/y; \
             for at in b a/secret/x a/%73ecret/x; do curl -s -o /dev/null -w '%{{http_code}}\\n' $u/$at; done; \
             curl -s -X DELETE $u/a/x; \
             curl -s -p -x http://proxy.bastide:3128 -o /dev/null -w '%{{http_code}}\\n' $u/a/tunnel; \
             curl -s -x http://proxy.bastide:3128 -o /dev/null -w '%{{http_code}}\\n' $u/b; \
             python3 -c \"import urllib.request as r; print(r.urlopen('$u/a/python').status)\""
        );
        let ran = operator.run(&["--policy", &file], &fetch);
        let smallest =
            format!("{{to: \"{place}\", programs: [\"/usr/bin/curl\"], methods: [DELETE], paths: [\"/a/x\"]}}");
        let lines: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(lines[..5], ["200 1", "200 0", "403", "403", "403"], "{ran:?}");
        assert!(lines[5].contains("DELETE /a/x") && lines[6].ends_with(&smallest), "{ran:?}");
        assert!(lines[7].starts_with("the operator finds it by: bastide why g"), "{ran:?}");
        assert_eq!(lines[8..], ["200", "403", "200"], "{ran:?}");
        let got = asked.lock().expect("kept").clone();
        let expected = ["GET /a/x", "POST /a/y", "GET /a/tunnel", "GET /a/python"].map(|one| format!("{one} HTTP/1.1"));
        assert_eq!(got, expected);
        // What is told of it: the last refusal, the log, and the smallest policy.
        let why = operator.bastide(&["why"]);
        assert!(why.stdout.contains("GET /b") && why.stdout.contains("methods: [GET], paths: [\"/b\"]"), "{why:?}");
        let log = operator.bastide(&["log"]);
        assert!(log.stdout.contains("request `POST /a/y` (send) of `/usr/bin/curl`"), "{log:?}");
        let told = operator.bastide(&["policy", "suggest"]);
        assert!(told.stdout.contains("methods: [POST], paths: [\"/a/y\"]"), "{told:?}");
        let asked = |request: &str| operator.bastide(&["policy", "explain", &file, request]);
        let explained = asked(&format!("DELETE {place}/a/x"));
        assert!(explained.exit == 1 && explained.stdout.contains("no rule matches"), "{explained:?}");
        assert_eq!(asked(&format!("GET {place}/a/x")).exit, 0);
        assert!(asked(&place).stdout.contains("each request is decided by itself"));
    }
}

#[test]
fn a_server_that_is_not_named_about_requests_is_not_read() {
    for operator in Operator::each() {
        let (port, asked) = server(None);
        let place = format!("host.bastide:{port}");
        let script = format!(
            "exec 3<>/dev/tcp/host.bastide/{port}; printf 'ODD //x/../y HTTP/1.1\\r\\n\\r\\n' >&3; head -c 15 <&3"
        );
        let ran = operator.run(&["--allow", &place], &format!("bash -c \"{script}\""));
        assert_eq!(ran.stdout, "HTTP/1.1 200 OK", "{ran:?}");
        assert_eq!(*asked.lock().expect("kept"), ["ODD //x/../y HTTP/1.1"]);
    }
}

/// A company's authority as PEM, and a server that it vouches for.
fn company() -> (String, Arc<ServerConfig>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["host.bastide".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &ca).expect("signed");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).expect("a config");
    (ca.pem(), Arc::new(config))
}

/// Real clients find the cell's authority by themselves, and the company's server is checked by the company's roots.
#[test]
fn real_clients_are_held_to_the_same_within_tls() {
    for operator in Operator::each() {
        let (roots, config) = company();
        let (port, asked) = server(Some(config));
        let place = format!("host.bastide:{port}");
        let text = format!(
            "bastide: 1\nname: mine\nextends: [hardened]\nnetwork:\n  allow: [{{to: \"{place}\", methods: [GET], paths: \
             [/a/**]}}]\n"
        );
        let file = operator.write("home/policy.yaml", &text).to_string_lossy().into_owned();
        let roots = operator.write("home/company.pem", &roots);
        let script = format!(
            "u=https://{place}; curl -s -o /dev/null -w '%{{http_code}}\\n' $u/a/curl; \
             curl -s -o /dev/null -w '%{{http_code}}\\n' $u/b; \
             curl -s -x http://proxy.bastide:3128 -o /dev/null -w '%{{http_code}}\\n' $u/a/tunnel; \
             python3 -c \"import urllib.request as r; print(r.urlopen('$u/a/python').status)\"; \
             node -e \"fetch('$u/a/node').then(answer => console.log(answer.status))\"; \
             git ls-remote $u/a/git.git 2>&1 | grep -c certificate; \
             grep -c 'PRIVATE KEY' $SSL_CERT_FILE; env | grep -c 'PRIVATE KEY'; \
             curl -s --cacert /etc/hostname $u/a/pinned || echo pinned $?"
        );
        let arguments = ["run", "--policy", &file, "--", "sh", "-c", &script];
        let output = operator.command(&arguments).env("SSL_CERT_FILE", &roots).output().expect("starts");
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines: Vec<&str> = stdout.lines().collect();
        assert_eq!(lines[..5], ["200", "403", "200", "200", "200"], "{output:?}");
        assert_eq!(lines[5..8], ["0", "0", "0"], "{output:?}");
        assert!(lines[8].starts_with("pinned "), "{output:?}");
        let got = asked.lock().expect("kept").clone();
        let paths: Vec<&str> = got.iter().filter_map(|line| line.split(' ').nth(1)).collect();
        let expected = ["/a/curl", "/a/tunnel", "/a/python", "/a/node", "/a/git.git/info/refs?service=git-upload-pack"];
        assert_eq!(paths[..5], expected);
        assert!(operator.bastide(&["log"]).stdout.contains("request `GET /a/node` of"));
    }
}

/// Real clients that speak HTTP/2: streams are held to the same, one by one, on connections of their own making.
#[test]
fn real_clients_are_held_to_the_same_by_http_2() {
    for operator in Operator::each() {
        let (roots, config) = company();
        let ((port, asked), (plain, plainly)) = (server(Some(config)), server(None));
        let place = format!("host.bastide:{port}");
        let text = format!(
            "bastide: 1\nname: mine\nextends: [hardened]\nnetwork:\n  allow:\n    - {{to: \"{place}\", methods: [GET, \
             POST], paths: [/a/**]}}\n    - {{to: \"host.bastide:{plain}\", methods: [GET], paths: [/a/**]}}\n"
        );
        let file = operator.write("home/policy.yaml", &text).to_string_lossy().into_owned();
        let roots = operator.write("home/company.pem", &roots);
        let node = "const http2 = require('http2'); const session = http2.connect(process.argv[2]); \
                    const ask = (method, path) => new Promise(done => { \
                    const stream = session.request({':method': method, ':path': path}); let status; \
                    stream.on('response', head => status = head[':status']); stream.on('data', () => {}); \
                    stream.on('end', () => done(status)); stream.end(); }); \
                    Promise.all([ask('GET', '/a/node'), ask('GET', '/b'), ask('DELETE', '/a/node'), ask('GET', '/a/node/2')]) \
                    .then(all => { console.log(all.join(' ')); session.close(); });";
        let node = operator.write("work/ask.js", node);
        let script = format!(
            "u=https://{place}; told='%{{http_version}} %{{http_code}}\n'; curl -s -o /dev/null -w \"$told\" $u/a/curl; \
             curl -s -o /dev/null -w \"$told\" $u/b; \
             curl -s -o /dev/null -w \"$told\" -H 'Host: other.example' $u/a/other; \
             curl -s -x http://proxy.bastide:3128 -o /dev/null -w \"$told\" $u/a/tunnel; \
             curl -s -o /dev/null -w \"$told\" --http2-prior-knowledge http://host.bastide:{plain}/a/plain; \
             curl -s -o /dev/null -w \"$told\" --http2 http://host.bastide:{plain}/a/upgrade; \
             head -c 3000000 /dev/zero >zero; curl -s -o /dev/null -w \"$told\" --data-binary @zero $u/a/large; \
             curl -sZ -o /dev/null -w \"$told\" \"$u/a/many/[1-20]\" | sort | uniq -c; \
             node {} $u",
            node.file_name().expect("a name").to_string_lossy()
        );
        let arguments = ["run", "--policy", &file, "--", "sh", "-c", &script];
        let output = operator.command(&arguments).env("SSL_CERT_FILE", &roots).output().expect("starts");
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines: Vec<&str> = stdout.lines().map(str::trim).collect();
        let expected = ["2 200", "2 403", "2 421", "2 200", "2 200", "1.1 400", "2 200", "20 2 200", "200 403 403 200"];
        assert_eq!(lines, expected, "{output:?}");
        let got = asked.lock().expect("kept").clone();
        let (many, others): (Vec<_>, Vec<_>) = got.iter().partition(|line| line.starts_with("GET /a/many/"));
        let mut others: Vec<&str> = others.iter().filter_map(|line| line.strip_suffix(" HTTP/1.1")).collect();
        others[3..].sort_unstable();
        assert_eq!(others, ["GET /a/curl", "GET /a/tunnel", "POST /a/large", "GET /a/node", "GET /a/node/2"]);
        assert_eq!(many.len(), 20);
        assert_eq!(*plainly.lock().expect("kept"), ["GET /a/plain HTTP/1.1"]);
        // Each is told of, with the program that said it.
        let log = operator.bastide(&["log"]);
        assert!(
            log.stdout.contains("request `DELETE /a/node` (delete) of `") && log.stdout.contains("node`"),
            "{log:?}"
        );
        assert!(operator.bastide(&["why"]).stdout.contains("/a/node"), "{log:?}");
    }
}
