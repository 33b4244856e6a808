use policy::Amounts;
use serde_json::Value;

use super::*;
use crate::event::{Cause, Cost, Event, Known, Verdict, Wall};

/// What each class and object asks for: `metaschema` of OCSF 1.5.0, attributes with the requirement `required` that no
/// profile brings, and `constraints: at_least_one` (`|`). From https://schema.ocsf.io/1.5.0, as packaged in
/// `ocsf-json-schema` 1.2.0; `proof/exports/check` validates against the whole schema.
const REQUIRED: &[(u64, &[&str])] = &[
    (0, &[]),
    (1001, &["device", "actor", "file", "file.type_id", "file.name"]),
    (1007, &["device", "actor", "process", "process.pid|process.uid|process.cpid"]),
    (2004, &["finding_info", "finding_info.uid"]),
    (4001, &["dst_endpoint|src_endpoint"]),
    (4002, &["http_request|http_response", "http_request.url.url_string|http_request.url.path"]),
    (4003, &["dst_endpoint|src_endpoint", "query.hostname"]),
    (6002, &["app", "app.name|app.uid"]),
    (6003, &["actor", "api", "api.operation", "src_endpoint"]),
];
const OF_EACH: &[&str] = &[
    "class_uid",
    "category_uid",
    "activity_id",
    "type_uid",
    "severity_id",
    "time",
    "metadata.version",
    "metadata.product.name",
    "device.type_id",
    "device.name",
];
const ENDPOINTS: &[&str] = &["dst_endpoint", "src_endpoint"];

fn at<'v>(object: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(object, |value, key| value.get(key)).filter(|value| !value.is_null())
}

fn check(object: &Value) {
    let class = object["class_uid"].as_u64().expect("a class");
    let (_, required) = REQUIRED.iter().find(|(one, _)| *one == class).expect("a class that is known");
    for path in OF_EACH.iter().chain(*required) {
        assert!(path.split('|').any(|path| at(object, path).is_some()), "{path} is missing in {object:#}");
    }
    for endpoint in ENDPOINTS.iter().filter_map(|key| at(object, key)) {
        assert!(["ip", "uid", "name", "hostname"].iter().any(|key| endpoint.get(*key).is_some()), "{endpoint}");
    }
    if let Some(actor) = at(object, "actor") {
        assert!(actor.get("process").or(actor.get("session")).is_some(), "{actor}");
        let mut process = actor.get("process");
        while let Some(one) = process {
            assert!(one.get("pid").or(one.get("uid")).is_some(), "{one}");
            process = one.get("parent_process");
        }
    }
    assert_eq!(object["category_uid"].as_u64(), Some(class / 1000));
    let activity = object["activity_id"].as_u64().expect("an activity");
    assert_eq!(object["type_uid"].as_u64(), Some(class * 100 + activity));
    assert!(matches!(object["severity_id"].as_u64(), Some(1..=4)));
}

fn about() -> About {
    About {
        version: "0.1.0".into(),
        host: "box.example".into(),
        session: "1k3x".into(),
        name: Some("fix".into()),
        policy: "hardened".into(),
    }
}

fn told(kind: Kind) -> Value {
    let id = EventId { segment: Segment::Gate, seq: 12 };
    let cause = vec![Cause { id: EventId { segment: Segment::Plane, seq: 3 }, known: Known::Observed }];
    let object = about().event(&Entry { id, event: Event { seq: 12, at: 1_800_000_000_123_456, cause, kind } });
    check(&object);
    assert_eq!(object["metadata"]["uid"], "1k3x/g12");
    assert_eq!(object["time"], 1_800_000_000_123_u64);
    assert_eq!(object["unmapped"]["causes"][0]["id"], "p3");
    object
}

fn connect(host: &str, verdict: Verdict) -> Kind {
    Kind::Connect {
        pid: Some(7),
        program: vec!["/usr/bin/curl".into(), "/bin/sh".into()],
        host: host.into(),
        address: Some("192.0.2.1".into()),
        port: 443,
        verdict,
        rule: Some("network.allow[0]".into()),
        reason: Some("no rule names it".into()),
        suggestion: Some("{to: x}".into()),
        times: 1,
    }
}

#[test]
fn a_decision_is_a_disposition() {
    let allowed = told(connect("a.example", Verdict::Allowed));
    let told_of = |object: &Value| {
        ["class_uid", "activity_id", "action_id", "disposition_id", "status_id"].map(|key| object[key].as_u64())
    };
    assert_eq!(told_of(&allowed), [4001, 1, 1, 1, 1].map(Some));
    assert_eq!(allowed["dst_endpoint"], serde_json::json!({"hostname": "a.example", "ip": "192.0.2.1", "port": 443}));
    assert_eq!(allowed["actor"]["process"]["name"], "curl");
    assert_eq!(allowed["actor"]["process"]["parent_process"]["path"], "/bin/sh");
    let refused = told(connect("[2001:db8::1]", Verdict::Refused));
    assert_eq!(told_of(&refused), [4001, 5, 2, 2, 2].map(Some));
    assert_eq!((&refused["disposition"], &refused["dst_endpoint"]["ip"]), (&"Blocked".into(), &"2001:db8::1".into()));
    assert_eq!(
        (&refused["status_detail"], &refused["firewall_rule"]["name"]),
        (&"no rule names it".into(), &"network.allow[0]".into())
    );
    let asked = told(connect("a.example", Verdict::Asked));
    assert_eq!((asked["disposition_id"].as_u64(), &asked["status_code"]), (Some(2), &"asked".into()));
    // A name that OCSF takes for none is still told.
    assert_eq!(told(connect("b\\u{202e}.example", Verdict::Refused))["dst_endpoint"]["ip"], "192.0.2.1");
}

#[test]
fn requests_programs_and_findings_have_their_classes() {
    let request = |method: &str| Kind::Request {
        pid: None,
        program: Vec::new(),
        host: "a.example".into(),
        port: 443,
        method: method.into(),
        target: "/v1/x?y=[redacted:github]".into(),
        websocket: false,
        does: None,
        verdict: Verdict::Refused,
        rule: None,
        reason: None,
        suggestion: None,
    };
    for (method, activity) in [("GET", 3), ("POST", 6), ("PROPFIND", 99), ("", 0)] {
        let object = told(request(method));
        assert_eq!((object["class_uid"].as_u64(), object["activity_id"].as_u64()), (Some(4002), Some(activity)));
        assert!(activity != 99 || object["activity_name"] == method);
        // The schema knows no other methods than these.
        assert_eq!(object["http_request"].get("http_method").is_some(), matches!(method, "GET" | "POST"));
        assert_eq!(object["http_request"]["url"]["path"], "/v1/x?y=[redacted:github]");
    }
    let arguments = vec!["curl".into(), "-d".into(), "x".into()];
    let exec = Kind::Exec { pid: 9, parent: 7, by: "/bin/sh".into(), claimed: "/usr/bin/curl".into(), arguments };
    let exec = told(exec);
    assert_eq!((exec["class_uid"].as_u64(), &exec["process"]["cmd_line"]), (Some(1007), &"curl -d x".into()));
    assert_eq!(exec["actor"]["process"]["pid"], 7);
    let finding = told(Kind::Evidence {
        what: "secret:clients".into(),
        source: "notes/clients/a.md".into(),
        how: "base64".into(),
        quoted: "the words".into(),
    });
    assert_eq!((finding["class_uid"].as_u64(), &finding["finding_info"]["uid"]), (Some(2004), &"1k3x/g12".into()));
    assert_eq!(finding["evidences"][0]["data"]["quoted"], "the words");
}

/// Every kind of event, so that none is left out of an export or lacks what its class asks for.
#[test]
fn every_event_has_what_its_class_asks_for() {
    let id = EventId { segment: Segment::Gate, seq: 1 };
    let wall = Wall { name: "landlock".into(), holds: true, detail: "ABI 7".into() };
    let mcp = |server| Kind::Mcp {
        pid: Some(1),
        program: vec!["/a".into()],
        host: "m.example".into(),
        port: 443,
        target: "/mcp".into(),
        method: "tools/call".into(),
        name: Some("send".into()),
        words: "{}".into(),
        server,
        verdict: Verdict::Refused,
        rule: None,
        reason: None,
        suggestion: None,
    };
    let kinds = vec![
        Kind::SessionStart {
            session: "s".into(),
            command: vec!["/usr/bin/claude".into()],
            workspace: "/w".into(),
            mode: "review".into(),
            policy: "hardened".into(),
            accepted_risks: Vec::new(),
        },
        Kind::Walls { layers: vec![wall.clone()] },
        Kind::Limits { limits: vec![wall] },
        Kind::Resolve { name: "a.example".into(), verdict: Verdict::Refused, reason: Some("x".into()), times: 1 },
        mcp(false),
        mcp(true),
        Kind::Petition {
            pid: Some(1),
            program: vec!["/a".into()],
            verb: "spawn".into(),
            words: "{}".into(),
            labels: vec!["secret:a".into()],
            verdict: Verdict::Allowed,
            rule: None,
            reason: None,
        },
        Kind::PetitionAnswered { petition: id, verdict: Verdict::Refused, reason: "no children".into() },
        Kind::Said {
            speaker: "user".into(),
            form: "text".into(),
            tool: None,
            words: "w".into(),
            digest: "d".into(),
            standing: "new".into(),
        },
        Kind::Model {
            pid: None,
            program: Vec::new(),
            host: "api.example".into(),
            asked: "POST /v1/messages".into(),
            model: "m".into(),
            provider: None,
            verdict: Verdict::Allowed,
            rule: None,
            reason: None,
        },
        Kind::Answered {
            model: id,
            input: Some(1),
            output: Some(2),
            stop: None,
            whole: false,
            error: Some("cut off".into()),
            complaint: None,
            cost: Some(Cost { micros: 1, currency: "USD".into(), estimated: true }),
        },
        Kind::Close { connect: id, sent: 1, received: 2, address: Some("192.0.2.1".into()), note: Some("n".into()) },
        Kind::FileRefused { pid: None, program: None, access: vec!["read_file".into()], path: None, untold: 3 },
        Kind::GateStarted { incarnation: 1 },
        Kind::GateLost,
        Kind::Policy { revision: 2, name: "p".into(), changes: vec!["+ x".into()], undoes: None },
        Kind::PolicyNotTaken { revision: 2, reason: "r".into() },
        Kind::ChildOf { session: "s".into(), child: 1, event: id, task: "t".into(), labels: Vec::new() },
        Kind::Carried { labels: vec!["secret:x".into()], values: Vec::new(), from: Vec::new() },
        Kind::Left { place: "h".into(), paths: Vec::new(), labels: Vec::new(), values: Vec::new() },
        Kind::Declassified {
            place: "h".into(),
            paths: Vec::new(),
            labels: Vec::new(),
            contents: 1,
            who: "uid 1".into(),
            reason: None,
        },
        Kind::ChildReserved { child: 1, task: "t".into(), budget: Amounts::default(), below: 0, cut: Vec::new() },
        Kind::ChildBegan { child: 1, session: "s".into() },
        Kind::ChildEnded {
            child: 1,
            session: None,
            exit: None,
            reason: "r".into(),
            used: Amounts::default(),
            below: 0,
        },
        Kind::ServerOf { session: "s".into(), server: "files".into(), event: id },
        Kind::ServerBegins { server: "files".into(), command: vec!["/opt/mcp/files".into()] },
        Kind::ServerBegan { server: "files".into(), session: "s".into() },
        Kind::ServerEnded { server: "files".into(), session: None, exit: None, reason: "r".into() },
        Kind::WorkspaceChange { path: "src/a.rs".into(), change: "removed".into() },
        Kind::Merge { paths: vec!["a".into()], state: "merged".into() },
        Kind::Ended { exit: 3, reason: "exited".into() },
        Kind::Unknown,
    ];
    let classes: Vec<u64> = kinds.into_iter().map(|kind| told(kind)["class_uid"].as_u64().expect("a class")).collect();
    let expected = [
        6002, 0, 0, 4003, 6003, 6003, 6003, 6003, 0, 6003, 6003, 4001, 1001, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 1001, 0, 6002, 0,
    ];
    assert_eq!(classes, expected);
}
