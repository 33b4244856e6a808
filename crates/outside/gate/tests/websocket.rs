//! WebSockets, judged by what reaches a server and what comes back: within TLS and without.

use std::net::TcpStream;

use crate::fake::dns::address;
use crate::fake::held::{denied, once, rule};
use crate::fake::server::{Ca, authority, certified, params};
use crate::fake::socket::{Got, Program, Server, asks, frame, text};
use crate::fake::{Cell, Gate, ORDINARY, OUTSIDE, lease};
use policy::{
    Bounds, Conjunction, Credential, Flow, Label, LabelPattern, PathPattern, Policy, Position, Protocol, Rule, Target,
};
use wire::{GateOrder, GateReport, Labelled, Lent};

const HOST: &str = "web.example";
const SECRET: &str = "the plan for the north harbour is to open on the ninth of may at dawn";
const VALUE: &str = "s3cret-value-of-the-vault";

struct Scene {
    cell: Cell,
    cells: Ca,
    server: Server,
    gate: Gate,
    tls: bool,
}

fn to(port: u16) -> Rule {
    Rule::to(Target::parse(&format!("{HOST}:{port}")).unwrap())
}

/// WebSockets beneath `/ws`, requests beneath `/http`.
fn rules(port: u16) -> Policy {
    let paths = |text: &str| vec![PathPattern::parse(text).unwrap()];
    let mut policy = Policy { name: "test".into(), ..Policy::default() };
    policy.network.allow = vec![
        Rule { protocol: Protocol::Websocket, paths: paths("/ws/**"), ..to(port) },
        Rule { protocol: Protocol::Http, paths: paths("/http/**"), ..to(port) },
        Rule::to(Target::parse(&format!("{OUTSIDE}:{port}")).unwrap()),
    ];
    policy
}

fn scene(tls: bool, change: impl FnOnce(&mut wire::Lease, &mut Policy)) -> Scene {
    let (cell, cells, servers) = (Cell::new(), authority("cell"), authority("servers"));
    let server = Server::new(tls.then(|| certified(&servers, params(&[HOST]))));
    let (mut leased, mut policy) = (lease(&[]), rules(server.port));
    leased.tls = Some(wire::Tls { name: "cell".into(), key: cells.key().serialize_pem(), roots: servers.pem() });
    change(&mut leased, &mut policy);
    leased.policy = Conjunction::new(vec![policy]);
    let gate = cell.start(&leased, ORDINARY).ready();
    Scene { cell, cells, server, gate, tls }
}

/// What carries a label may go nowhere.
fn watching(leased: &mut wire::Lease, policy: &mut Policy) {
    policy.flows = vec![Flow { deny: LabelPattern::parse("secret:*").unwrap(), to: None }];
    let label = Label::parse("secret:plan").unwrap();
    leased.labelled = vec![Labelled { label, source: "plan.txt".into(), text: SECRET.into(), exact: false }];
}

impl Scene {
    fn open(&self, path: &str) -> Program {
        Program::open(&self.cell, self.tls.then_some(&self.cells), HOST, self.server.port, path)
    }

    fn connect(&self) -> Program {
        Program::connect(&self.cell, self.tls.then_some(&self.cells), HOST, self.server.port)
    }

    fn host(&self) -> String {
        format!("{HOST}:{}", self.server.port)
    }
}

#[test]
fn messages_go_both_ways_and_it_closes_in_order() {
    for (tls, watches) in [(false, false), (true, false), (false, true), (true, true)] {
        let scene = scene(tls, |leased, policy| {
            if watches {
                watching(leased, policy)
            }
        });
        let mut program = scene.open("/ws/echo?a=b");
        program.say(&text("hello"));
        assert_eq!(program.hear(), Ok((0x81, b"hello".to_vec())));
        let long = vec![b'.'; 200_000];
        program.say(&frame(0x82, &long, true));
        assert_eq!(program.hear(), Ok((0x82, long)));
        // In parts, with a question between them.
        program.say(&[frame(1, b"in ", true), frame(0x89, b"?", true), frame(0x80, b"parts", true)].concat());
        let mut heard = [program.hear().unwrap(), program.hear().unwrap()].to_vec();
        if !watches {
            heard.push(program.hear().unwrap());
        }
        assert!(heard.contains(&(0x8a, b"?".to_vec())), "{heard:?}");
        let whole: Vec<u8> =
            heard.iter().filter(|(first, _)| first & 0x0f < 8).flat_map(|(_, said)| said.clone()).collect();
        assert_eq!(whole, b"in parts");
        program.say(&frame(0x88, b"\x03\xe8bye", true));
        assert_eq!(program.closed(), (1000, "bye".into()));
        let Got::Head(head) = &scene.server.got()[0] else { panic!("no head") };
        assert!(
            head.starts_with("GET /ws/echo?a=b HTTP/1.1\r\n") && head.contains("\r\nUpgrade: websocket\r\n"),
            "{head}"
        );
        assert!(!head.contains("Extensions"), "{head}");
        let record = scene.cell.wait_for("\"close\"");
        assert!(
            record.contains("protocol: websocket") && record.matches("\"kind\":\"request\"").count() == 1,
            "{record}"
        );
    }
}

#[test]
fn what_is_split_at_every_byte_arrives_as_it_is() {
    let scene = scene(false, |_, _| {});
    let said = [text("one"), frame(0x89, b"p", true), frame(2, &[7; 130], true), frame(0x80, b"", true)].concat();
    let mut program = scene.open("/ws/echo");
    for byte in &said {
        program.say(&[*byte]);
    }
    let heard: Vec<_> = (0..4).map(|_| program.hear().unwrap()).collect();
    assert_eq!(heard, [(0x81, b"one".to_vec()), (0x8a, b"p".to_vec()), (2, vec![7; 130]), (0x80, Vec::new())]);
    // The other way.
    let back = [frame(1, b"to", false), frame(0x89, b"?", false), frame(0x80, &[b'y'; 300], false)].concat();
    let mut program = scene.open("/ws/drip");
    program.say(&frame(0x82, &back, true));
    let heard: Vec<_> = (0..3).map(|_| program.hear().unwrap()).collect();
    assert_eq!(heard, [(1, b"to".to_vec()), (0x89, b"?".to_vec()), (0x80, vec![b'y'; 300])]);
}

#[test]
fn it_is_allowed_where_a_rule_says_so_and_asked_for_as_it_must_be() {
    for tls in [false, true] {
        let scene = scene(tls, |_, _| {});
        let host = scene.host();
        for (path, more, status, why) in [
            ("/other", "", "403", "protocol: websocket, paths: [\\\"/other\\\"]"),
            ("/http/x", "", "403", "as a WebSocket"),
            ("/ws/../x", "", "400", "segment"),
            ("/ws/x", "Content-Length: 1\r\n", "400", "but not as one asks for a WebSocket"),
            ("/ws/x", "Sec-WebSocket-Version: 8\r\n", "400", "but not as one asks for a WebSocket"),
            ("/ws/x", "Upgrade: h2c\r\n", "400", "another protocol"),
        ] {
            let answer = scene.connect().ask(&host, path, more);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path} {more}: {answer}");
            scene.cell.wait_for(why);
        }
        // A rule about WebSockets lets no other request out.
        let mut program = scene.connect();
        program.say(format!("GET /ws/x HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        assert!(program.rest().starts_with(b"HTTP/1.1 403"));
        assert!(scene.server.got().is_empty(), "{:?}", scene.server.got());
    }
}

#[test]
fn nothing_follows_where_no_websocket_came_to_be() {
    for tls in [false, true] {
        let scene = scene(tls, |_, _| {});
        let host = scene.host();
        // What looks like a second request, and what looks like frames.
        for more in ["GET /evil HTTP/1.1\r\nHost: web.example\r\n\r\n".to_owned(), "\u{1}\u{5}GET /".to_owned()] {
            let mut program = scene.connect();
            program.say(format!("{}{more}", asks(&host, "/ws/no", "")).as_bytes());
            let answer = String::from_utf8_lossy(&program.rest()).into_owned();
            assert!(answer.starts_with("HTTP/1.1 401 ") && answer.ends_with("no name"), "{answer}");
        }
        for (path, why) in [("/ws/unproven", "prove"), ("/ws/extended", "extension")] {
            let mut program = scene.connect();
            program.say(asks(&host, path, "").as_bytes());
            let answer = String::from_utf8_lossy(&program.rest()).into_owned();
            assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains(why), "{answer}");
        }
        let heads = scene.server.got();
        assert_eq!(heads.len(), 4, "{heads:?}");
        assert!(!heads.iter().any(|got| format!("{got:?}").contains("evil")), "{heads:?}");
    }
}

#[test]
fn a_server_that_was_not_asked_makes_no_websocket() {
    let scene = scene(false, |_, _| {});
    let mut program = scene.connect();
    program.say(format!("GET /http/101 HTTP/1.1\r\nHost: {}\r\n\r\n", scene.host()).as_bytes());
    program.say(&frame(0x82, b"GET /evil HTTP/1.1\r\n\r\n", true));
    let rest = program.rest();
    assert!(!rest.windows(4).any(|some| some == b"evil"), "{}", rest.escape_ascii());
    assert!(scene.server.frames().is_empty(), "{:?}", scene.server.got());
}

#[test]
fn frames_that_are_none_end_it() {
    let scene = scene(false, |_, _| {});
    let long = [&b"\x82\xff\x80\0\0\0\0\0\0\0"[..], &[0; 4]].concat();
    for said in [
        frame(0x81, b"no mask", false),
        frame(0xc1, b"reserved", true),
        frame(0x83, b"kind", true),
        frame(0x80, b"more of nothing", true),
        [frame(1, b"a", true), frame(0x81, b"b", true)].concat(),
        frame(9, b"in parts", true),
        frame(0x89, &[0; 126], true),
        frame(0x88, b"\x03", true),
        frame(0x88, b"\x03\xee", true),
        b"\x81\xfe\0\x01aaaab".to_vec(),
        b"\x81\xff\0\0\0\0\0\0\0\x01aaaab".to_vec(),
        long,
    ] {
        let mut program = scene.open("/ws/silent");
        let before = scene.server.frames().len();
        program.say(&said);
        assert_eq!(program.closed().0, 1002, "{}", said.escape_ascii());
        // The server hears of it, and of what was whole before it.
        let after = scene.server.wait(before + 1);
        let closes = after[before..].iter().filter(|(first, _)| *first == 0x88).count();
        let parts = after[before..].iter().filter(|frame| **frame == (1, b"a".to_vec())).count();
        assert!(closes <= 1 && closes + parts == after.len() - before, "{}: {after:?}", said.escape_ascii());
    }
    // What a server says to a program.
    for said in [
        frame(0x81, b"masked", true),
        frame(0x91, b"reserved", false),
        frame(0x8b, b"kind", false),
        frame(9, b"in parts", false),
        frame(0x80, b"more of nothing", false),
        b"\x82\x7e\0\x01a".to_vec(),
        b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
    ] {
        let mut program = scene.open("/ws/raw");
        program.say(&frame(0x82, &said, true));
        let (code, why) = program.closed();
        assert!(code == 1002 && why.contains("the server says is no frame"), "{}: {why}", said.escape_ascii());
    }
    // What comes behind the end goes nowhere.
    let mut program = scene.open("/ws/echo");
    program.say(&[frame(0x88, b"\x03\xe8", true), text("late")].concat());
    assert_eq!(program.closed().0, 1000);
    assert!(!scene.server.frames().contains(&(0x81, b"late".to_vec())));
}

#[test]
fn what_carries_a_label_stays_in_however_it_is_cut() {
    for tls in [false, true] {
        let scene = scene(tls, watching);
        let (start, end) = SECRET.as_bytes().split_at(30);
        for said in [
            text(SECRET),
            frame(0x82, &SECRET.bytes().rev().collect::<Vec<_>>(), true),
            [frame(1, start, true), frame(0x89, b"between", true), frame(0, b"", true), frame(0x80, end, true)]
                .concat(),
            [frame(0x89, start, true), frame(0x8a, end, true)].concat(),
            // Cut elsewhere: a piece that comes again is taken for what every request repeats.
            [text(&SECRET[..36]), text(&SECRET[36..])].concat(),
            frame(0x88, &[b"\x03\xe8", SECRET.as_bytes()].concat(), true),
        ] {
            let mut program = scene.open("/ws/silent");
            program.say(&said);
            let (code, why) = program.closed();
            assert!(code == 1008 && why.contains("secret:plan"), "{code} {why}");
        }
        let got = format!(
            "{:?}",
            scene.server.frames().iter().map(|(_, said)| said.escape_ascii().to_string()).collect::<Vec<_>>()
        );
        assert!(!got.contains("ninth of may") && !got.contains("yam fo htnin"), "{got}");
        scene.cell.wait_for("carries secret:plan");
    }
}

#[test]
fn a_message_that_is_looked_at_has_a_bound() {
    let scene = scene(false, watching);
    let mut program = scene.open("/ws/echo");
    let fits = vec![b'.'; 1 << 20];
    program.say(&frame(0x82, &fits, true));
    assert_eq!(program.hear(), Ok((0x82, fits)));
    program.say(&frame(2, &[b'.'; 1 << 19], true));
    program.say(&frame(0, &[b'.'; 1 << 19], true));
    program.say(&frame(0x80, b"!", true)[..6]);
    assert_eq!(program.closed().0, 1009);
    // Nobody looks: it goes on as it comes.
    let scene = self::scene(false, |_, _| {});
    let mut program = scene.open("/ws/echo");
    let long = vec![b'.'; 3 << 20];
    program.say(&frame(0x82, &long, true));
    assert_eq!(program.hear(), Ok((0x82, long)));
}

#[test]
fn a_message_of_the_server_is_as_long_as_its_rule_allows() {
    let scene = scene(false, move |_, policy| policy.network.allow[0].answers.size = Some(10));
    let mut program = scene.open("/ws/echo");
    for said in ["ten bytes.", "again ten."] {
        program.say(&text(said));
        assert_eq!(program.hear().unwrap().1, said.as_bytes());
    }
    // Over two frames it is one message, of which the first part may have gone on.
    program.say(&[frame(1, b"ten bytes.", true), frame(0x80, b"!", true)].concat());
    let (code, why) = loop {
        match program.hear().unwrap() {
            (0x88, payload) => break (payload[..2].to_vec(), String::from_utf8_lossy(&payload[2..]).into_owned()),
            (_, payload) => assert!(!payload.contains(&b'!')),
        }
    };
    assert_eq!(code, 1009_u16.to_be_bytes());
    assert!(why.contains("longer than the 10 bytes") && why.contains("bastide why g"), "{why}");
    assert!(scene.cell.wait_for("WebSocket closed").contains("a message of the server is longer"));
}

#[test]
fn bounds_count_what_is_said() {
    let bounded = |bounds: Bounds| scene(false, move |_, policy| policy.network.allow[0].bounds = bounds);
    let scene = bounded(Bounds { body: Some(10), ..Bounds::default() });
    let mut program = scene.open("/ws/echo");
    for said in ["ten bytes.", "again ten."] {
        program.say(&text(said));
        assert_eq!(program.hear().unwrap().1, said.as_bytes());
    }
    program.say(&[frame(1, b"ten bytes.", true), frame(0x80, b"!", true)].concat());
    assert_eq!(program.closed().0, 1009);
    let scene = bounded(Bounds { budget: Some(1000), ..Bounds::default() });
    let mut program = scene.open("/ws/echo");
    let mut heard = 0;
    for _ in 0..20 {
        program.say(&text(&"x".repeat(100)));
        match program.hear().unwrap() {
            (0x88, payload) => {
                assert_eq!(&payload[..2], 1008_u16.to_be_bytes());
                break;
            }
            _ => heard += 1,
        }
    }
    assert!((5..9).contains(&heard), "{heard}");
    assert!(scene.connect().ask(&scene.host(), "/ws/echo", "").starts_with("HTTP/1.1 403"));
}

#[test]
fn what_is_lent_goes_with_the_request_and_none_comes_back() {
    let scene = scene(true, |leased, policy| {
        let position = Position::bearer();
        policy.network.allow[0].credential = Some(Credential { name: "key".into(), position });
        let (to, paths) = (Target::parse(HOST).unwrap(), vec![PathPattern::parse("/ws/**").unwrap()]);
        leased.credentials = vec![Lent { name: "key".into(), value: VALUE.into(), to, paths, expires: None }];
    });
    let mut program = scene.open("/ws/back");
    program.say(&text("who am I"));
    assert_eq!(program.hear(), Ok((0x81, vec![b'*'; VALUE.len()])));
    let answer = scene.connect().ask(&scene.host(), "/ws/leaks", "Authorization: mine\r\n");
    assert!(answer.contains(&"*".repeat(VALUE.len())) && !answer.contains(VALUE), "{answer}");
    // However it is cut, over frames and with others between.
    let (start, end) = VALUE.as_bytes().split_at(9);
    let back = [
        frame(1, &[b"<", start].concat(), false),
        frame(0x89, VALUE.as_bytes(), false),
        frame(0, b"", false),
        frame(0x80, &[end, b">"].concat(), false),
        frame(0x81, start, false),
    ]
    .concat();
    for path in ["/ws/raw", "/ws/drip"] {
        let mut program = scene.open(path);
        program.say(&frame(0x82, &back, true));
        let heard: Vec<_> = (0..5).map(|_| program.hear().unwrap()).collect();
        let stars = |count: usize| vec![b'*'; count];
        assert_eq!(heard[0], (1, [&b"<"[..], &stars(9)].concat()));
        assert_eq!(heard[1], (0x89, stars(VALUE.len())));
        assert_eq!(heard[3], (0x80, [&stars(VALUE.len() - 9)[..], b">"].concat()));
        assert_eq!(heard[4], (0x81, start.to_vec()), "what only begins like one");
    }
    // A placeholder is never filled in.
    let mut program = scene.open("/ws/echo");
    program.say(&text("use bastide-credential-key"));
    assert_eq!(program.closed().0, 1008);
    assert!(scene.cell.wait_for("came back and was masked").matches(VALUE).count() == 0);
}

#[test]
fn another_policy_ends_what_it_does_not_allow() {
    let mut scene = scene(true, |_, _| {});
    let mut program = scene.open("/ws/echo");
    let mut revision = 1;
    let mut replace = |gate: &mut Gate, policy: Policy| {
        revision += 1;
        let policy = Conjunction::new(vec![policy]);
        gate.order(&GateOrder::Replace {
            revision,
            policy,
            credentials: Vec::new(),
            labelled: Vec::new(),
            forgives: false,
        });
        assert_eq!(gate.report(), GateReport::Replaced { revision });
    };
    replace(&mut scene.gate, rules(scene.server.port));
    program.say(&text("still here"));
    assert_eq!(program.hear(), Ok((0x81, b"still here".to_vec())));
    let mut narrower = rules(scene.server.port);
    narrower.network.allow.remove(0);
    replace(&mut scene.gate, narrower);
    let (code, why) = program.closed();
    assert!(code == 1008 && why.contains("the policy that replaced the one before"), "{why}");
    assert!(why.starts_with("bastide (bastide why g"), "{why}");
    assert_eq!(scene.server.wait(2).last(), Some(&(0x88, 1008_u16.to_be_bytes().to_vec())));
}

#[test]
fn what_comes_early_and_a_silent_one() {
    let scene = scene(false, |leased, _| leased.bounds.idle = 2);
    // The server speaks in the same breath as it agrees, and so does the program.
    let mut program = scene.connect();
    program.say(&[asks(&scene.host(), "/ws/first", "").as_bytes(), &text("at once")].concat());
    let got = program.rest();
    assert!(
        got.windows(7).any(|some| some == b"\x81\x05first") && got.windows(9).any(|some| some == b"\x81\x07at once")
    );
    let silent = scene.open("/ws/silent").closed();
    assert!(silent.0 == 1001 && silent.1.contains("nothing for 2 seconds"), "{silent:?}");
    // One that leaves without a word leaves nothing open.
    let before = scene.gate.descriptors();
    drop(scene.open("/ws/silent"));
    let closed = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        scene.gate.descriptors() <= before
    });
    assert!(closed);
}

#[test]
fn two_thousand_idle_ones_are_cheap() {
    const COUNT: usize = 2000;
    let scene = scene(false, |leased, _| leased.bounds.connections = 4096);
    let (port, host) = (scene.server.port, scene.host());
    let before = scene.gate.status("VmRSS:");
    let target = scene.cell.inside(move || address(&format!("{HOST}.")));
    let mut open: Vec<Program> = (0..COUNT)
        .map(|_| {
            let stream = scene.cell.inside(move || TcpStream::connect((target, port)).unwrap());
            let mut program = Program::on(stream, None, HOST);
            let answer = program.ask(&host, "/ws/echo", "");
            assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
            program
        })
        .collect();
    let opened = scene.gate.status("VmRSS:");
    for _ in 0..3 {
        for program in &mut open {
            program.say(&text("ping"));
            assert_eq!(program.hear(), Ok((0x81, b"ping".to_vec())));
        }
    }
    let after = scene.gate.status("VmRSS:");
    println!("KiB before {before}, with {COUNT} {opened}, after messages {after}");
    assert!(opened - before < 24 * COUNT as u64, "{before} {opened}");
    assert!(after <= opened + 512, "{opened} {after}");
}

#[test]
fn one_that_the_operator_denies_is_not_opened() {
    let scene = scene(true, |leased, policy| {
        policy.network.default = policy::Default::Ask;
        watching(leased, policy);
    });
    let opens = |by: fn(&wire::question::Wanted) -> wire::question::Ruling| {
        std::thread::scope(|threads| {
            let opened = threads.spawn(|| {
                let mut program = scene.connect();
                let head = program.ask(&scene.host(), "/other/echo", "");
                (program, head)
            });
            let asked = rule(&scene.gate, 1, by);
            assert_eq!(asked[0].does().as_deref(), Some("GET /other/echo as a WebSocket"));
            opened.join().unwrap()
        })
    };
    let (mut program, head) = opens(denied);
    let why = String::from_utf8_lossy(&program.rest()).into_owned();
    assert!(head.starts_with("HTTP/1.1 403 ") && why.contains("the operator denied it"), "{head}{why}");
    let (mut program, head) = opens(once);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    program.say(&text("hello"));
    assert_eq!(program.hear(), Ok((0x81, b"hello".to_vec())));
    // Its messages are judged like those of any other.
    program.say(&text(SECRET));
    program.closed();
    let frames = scene.server.frames();
    assert!(frames.iter().all(|(_, payload)| !payload.starts_with(b"the plan")), "{frames:?}");
}
