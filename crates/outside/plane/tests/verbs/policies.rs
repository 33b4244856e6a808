//! Policies: read by a descriptor that was judged, looked at by `policy …`, asked by `why --file`; and trust.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use ::record::{Kind, Verdict};
use plane::policy_file::{look_at_policy, read_policy, read_policy_beside};
use wire::command::{Checked, FileAnswer, PolicyRequest, Problem, Reply, Request};

use crate::room::{Room, connect, here, select};

const SMALL: &str = "bastide: 1\nname: small\nextends: [strict]\n";

fn file(room: &Room, name: &str, text: &str) -> PathBuf {
    let path = room.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    path
}

fn refused(room: &Room, path: &Path) -> Problem {
    let problem = read_policy(Some(path), &room.place.home, room.store()).unwrap_err();
    assert_eq!(problem.exit, 125, "{problem}");
    assert!(!problem.cause.chars().any(char::is_control), "{}", problem.cause);
    // The same is no under `policy check`, where nothing was to be run.
    assert_eq!(room.no(Request::Policy(PolicyRequest::Check { file: path.to_owned() })).exit, 1);
    problem
}

#[test]
fn blueprints_and_files_of_the_operator_are_read() {
    let room = Room::new();
    let read = |path: Option<&str>| read_policy(path.map(Path::new), &room.place.home, room.store()).unwrap().name;
    assert_eq!((read(None), read(Some("strict"))), ("hardened".into(), "strict".into()));
    let path = file(&room, "p/small.yaml", SMALL);
    assert_eq!(read(path.to_str()), "small");
    // That a directory on the way is a link is the operator's business.
    symlink(room.path("p"), room.path("link")).unwrap();
    assert_eq!(read(room.path("link/small.yaml").to_str()), "small");
}

#[test]
fn what_is_no_plain_file_of_the_operators_own_is_refused() {
    let room = Room::new();
    let small = file(&room, "p/small.yaml", SMALL);
    symlink(&small, room.path("p/link.yaml")).unwrap();
    assert_eq!(refused(&room, &room.path("p/link.yaml")).code, "E-PLANE-075");
    let fifo = room.path("p/fifo.yaml");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o644.into(), 0).unwrap();
    assert_eq!(refused(&room, &fifo).code, "E-PLANE-075");
    assert_eq!(refused(&room, Path::new("/dev/zero")).code, "E-PLANE-075");
    assert_eq!(refused(&room, &room.path("p")).code, "E-PLANE-075");
    assert_eq!(refused(&room, &room.path("p/absent\x1b[2J.yaml")).code, "E-PLANE-074");
    let huge = file(&room, "p/huge.yaml", SMALL);
    fs::File::options().write(true).open(&huge).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(refused(&room, &huge).code, "E-PLANE-062");
    fs::write(room.path("p/bytes.yaml"), b"bastide: 1\nname: \xff\n").unwrap();
    assert_eq!(refused(&room, &room.path("p/bytes.yaml")).code, "E-PLANE-063");
    for mode in [0o664, 0o646, 0o602] {
        fs::set_permissions(&small, fs::Permissions::from_mode(mode)).unwrap();
        let problem = refused(&room, &small);
        assert_eq!(problem.code, "E-PLANE-065");
        assert!(problem.hint.unwrap().starts_with("`chmod go-w "));
    }
    fs::set_permissions(&small, fs::Permissions::from_mode(0o600)).unwrap();
    // The file itself was safe, and yet another one was read in its place: its directory was open to everybody.
    for (mode, code) in [(0o777, Some("E-PLANE-065")), (0o775, Some("E-PLANE-065")), (0o1777, None), (0o755, None)] {
        fs::set_permissions(room.path("p"), fs::Permissions::from_mode(mode)).unwrap();
        let read = read_policy(Some(&small), &room.place.home, room.store());
        assert_eq!(read.err().map(|problem| problem.code).as_deref(), code, "{mode:o}");
    }
    let hint = |path: &Path| refused(&room, path).hint.unwrap();
    assert!(hint(&room.path("p")).contains("a file in it") && hint(Path::new("blue")).contains("`strict`"));
    assert!(hint(&room.path("p/absent.yaml")).starts_with("there is no such file"));
    assert!(look_at_policy(Some(&small), &room.place.home).is_ok());
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&small, Some(4242), None).unwrap();
        assert_eq!(refused(&room, &small).code, "E-PLANE-064");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let room = Room::new();
    let path = file(&room, "p/bad.yaml", "bastide: 1\nname: bad\nnetwork:\n  allow:\n    - {to: \"0x7f.1\"}\n");
    let problem = refused(&room, &path);
    assert_eq!(problem.code, "E-POLICY-011");
    assert!(problem.cause.starts_with(&format!("{}:5:", path.display())), "{}", problem.cause);
    assert!(problem.hint.is_some());
}

#[test]
fn what_is_extended_lies_beside_and_is_judged_alike() {
    let room = Room::new();
    let top = |extends: &str| file(&room, "p/top.yaml", &format!("bastide: 1\nname: top\nextends: [\"{extends}\"]\n"));
    file(&room, "p/base.yaml", "bastide: 1\nname: base\nextends: [strict]\nlimits: {pids: 7}\n");
    let policy = read_policy(Some(&top("base.yaml")), &room.place.home, room.store()).unwrap();
    assert_eq!((policy.name.as_str(), policy.limits.pids), ("top", Some(7)));
    symlink(room.path("p/base.yaml"), room.path("p/link.yaml")).unwrap();
    let problem = refused(&room, &top("link.yaml"));
    assert_eq!(problem.code, "E-PLANE-075");
    assert!(problem.cause.contains("top.yaml:3:"), "{}", problem.cause);
    assert_eq!(refused(&room, &top("top.yaml")).code, "E-POLICY-005", "a cycle");
    file(&room, "elsewhere.yaml", SMALL);
    for outside in ["../elsewhere.yaml", "/etc/passwd", "p/../base.yaml", ".", ".."] {
        assert_eq!(refused(&room, &top(outside)).code, "E-POLICY-004", "{outside}");
    }
    let write = |n: usize| {
        file(&room, &format!("p/{n}.yaml"), &format!("bastide: 1\nname: n\nextends: [{}.yaml]\n", n + 1));
    };
    (0..40).for_each(write);
    assert_eq!(refused(&room, &room.path("p/0.yaml")).code, "E-POLICY-005", "too deep");
}

#[test]
fn a_policy_where_an_agent_works_counts_only_as_it_was_trusted() {
    let room = Room::new();
    let path = file(&room, "work/sub/small.yaml", SMALL);
    let (home, store) = (&room.place.home, room.store());
    assert!(read_policy(Some(&path), home, store).is_ok(), "no agent was ever there");
    let work = room.path("work");
    let beside = || read_policy_beside(Some(&path), home, store, &[&work]).map_err(|problem| problem.code);
    assert_eq!(beside().err(), Some("E-PLANE-066".into()), "one is about to be let in");
    drop(room.ended("work", &[]));
    let problem = read_policy(Some(&path), home, store).unwrap_err();
    assert_eq!((problem.code.as_str(), problem.exit), ("E-PLANE-066", 125));
    assert!(problem.hint.unwrap().contains(&format!("bastide trust {}", path.display())));
    // Looking at it puts nothing in force; that `run` would refuse it is said.
    let (before, last) = room.ask(Request::Policy(PolicyRequest::Check { file: path.clone() }));
    assert!(last.is_ok() && matches!(&before[0], Reply::Notice { text } if text.contains("trusted")), "{before:?}");
    let Reply::Text { text } = room.yes(Request::Trust { file: path.clone() }) else { panic!() };
    assert!(text.contains(&path.display().to_string()) && text.contains("sha256:  "), "{text}");
    assert!(read_policy(Some(&path), home, store).is_ok() && beside().is_ok());
    // Through another name of its directory it is the same file.
    symlink(room.path("work/sub"), room.path("alias")).unwrap();
    assert!(read_policy(Some(&room.path("alias/small.yaml")), home, store).is_ok());
    fs::write(&path, format!("{SMALL}# one byte more\n")).unwrap();
    assert_eq!(read_policy(Some(&path), home, store).unwrap_err().code, "E-PLANE-066");
    assert_eq!(read_policy(Some(&room.path("alias/small.yaml")), home, store).unwrap_err().code, "E-PLANE-066");
    let Reply::Text { text } = room.yes(Request::Trust { file: path.clone() }) else { panic!() };
    assert!(text.contains("before:  "), "{text}");
    assert!(read_policy(Some(&path), home, store).is_ok());
    // A file that it extends must be trusted, too.
    fs::write(&path, "bastide: 1\nname: small\nextends: [base.yaml]\n").unwrap();
    file(&room, "work/sub/base.yaml", SMALL);
    room.yes(Request::Trust { file: path.clone() });
    assert_eq!(read_policy(Some(&path), home, store).unwrap_err().code, "E-PLANE-066");
    room.yes(Request::Trust { file: room.path("work/sub/base.yaml") });
    assert!(read_policy(Some(&path), home, store).is_ok());
}

const RULES: &str = "[[rules]]\nid = 'acme'\nregex = '''acme-(\\d{8})'''\n[[rules]]\nid = 'file'\npath = '''x$'''\n";

#[test]
fn a_file_of_rules_is_read_as_a_policy_is() {
    let room = Room::new();
    let with = |name: &str, rules: &str| file(&room, name, &format!("{SMALL}secrets: [{{rules: {rules}}}]\n"));
    let rules = file(&room, "p/rules.toml", RULES);
    let read = |path: &Path| read_policy(Some(path), &room.place.home, room.store()).unwrap();
    let found = read(&with("p/beside.yaml", "rules.toml"));
    assert_eq!(found.secrets[0].rules[0].regex, r"acme\x{2D}([0-9]{8})");
    // What is printed names the file in full, and reads back to the same.
    let printed = found.to_yaml();
    assert!(printed.contains(&format!("  - {{rules: \"{}\"}}\n", rules.display())), "{printed}");
    assert_eq!(read(&file(&room, "q/printed.yaml", &printed)), found);
    let check = Request::Policy(PolicyRequest::Check { file: room.path("p/beside.yaml") });
    let Reply::Policy(Checked { yes: true, text, .. }) = room.yes(check) else { panic!() };
    assert!(text.contains("secrets: 1 rules of ") && text.contains("not applied: `file`: it is about names"), "{text}");
    // It is the operator's alone, in no workspace of an agent's, and says what is wrong with it where that is.
    fs::set_permissions(&rules, fs::Permissions::from_mode(0o666)).unwrap();
    let problem = refused(&room, &room.path("p/beside.yaml"));
    assert!(problem.code == "E-PLANE-065" && problem.cause.contains("rules.toml"), "{problem}");
    let bad = file(&room, "p/bad.toml", "[[rules]]\nid = 'b'\nregex = '''(?=a)'''\n");
    let problem = refused(&room, &with("p/bad.yaml", "bad.toml"));
    assert_eq!(problem.code, "E-POLICY-056");
    assert!(problem.cause.starts_with(&format!("{}:3:9: rules that cannot be used: `b`", bad.display())), "{problem}");
    assert!(problem.hint.unwrap().contains("`except: [b]`"));
    assert_eq!(refused(&room, &with("p/none.yaml", "none.toml")).code, "E-PLANE-074");
    assert_eq!(refused(&room, &with("p/up.yaml", "../p/rules.toml")).code, "E-POLICY-056");
    let extends = file(&room, "p/ext.yaml", "bastide: 1\nname: x\nextends: [/etc/passwd]\n");
    assert_eq!(refused(&room, &extends).code, "E-POLICY-004");
    let work = room.path("work");
    let there = file(&room, "work/rules.toml", RULES);
    let outside = with("p/there.yaml", &there.display().to_string());
    let beside =
        || read_policy_beside(Some(&outside), &room.place.home, room.store(), &[&work]).map_err(|found| found.code);
    assert_eq!(beside().err(), Some("E-PLANE-066".into()));
    room.yes(Request::Trust { file: there });
    assert!(beside().is_ok());
}

#[test]
fn only_a_regular_file_of_bounded_size_is_trusted() {
    let room = Room::new();
    let path = file(&room, "work/x", "x");
    symlink(&path, room.path("link")).unwrap();
    assert_eq!(room.no(Request::Trust { file: room.path("link") }).code, "E-PLANE-075");
    assert_eq!(room.no(Request::Trust { file: room.path("work") }).code, "E-PLANE-075");
    fs::File::options().write(true).open(&path).unwrap().set_len(1 << 30).unwrap();
    let problem = room.no(Request::Trust { file: path });
    assert_eq!((problem.code.as_str(), problem.exit), ("E-PLANE-062", 1));
    fs::write(room.store().trust(), "{").unwrap();
    let problem = read_policy(None, &room.place.home, room.store()).unwrap_err();
    assert_eq!(problem.code, "E-PLANE-068", "nothing is trusted by guess");
}

fn checked(room: &Room, request: PolicyRequest) -> Checked {
    match room.yes(Request::Policy(request)) {
        Reply::Policy(checked) => checked,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_policy_answers_questions_about_itself() {
    let room = Room::new();
    let text = "bastide: 1\nname: own\nextends: [hardened]\nnetwork: {allow: [{to: \"a.example:443\"}]}\n\
                tests:\n  - {connect: \"a.example:443\", expect: allow}\n";
    let own = file(&room, "p/own.yaml", text);
    let shown = checked(&room, PolicyRequest::Show { file: Some(own.clone()) }).text;
    let again = file(&room, "p/again.yaml", &shown);
    let same = checked(&room, PolicyRequest::Diff { old: own.clone(), new: again });
    assert_eq!((same.yes, same.text.as_str()), (true, "no difference\n"), "what is shown reads as the same policy");
    assert!(checked(&room, PolicyRequest::Show { file: None }).text.contains("name: \"hardened\""));
    let explain = |request: &str| {
        let request = request.to_owned();
        checked(&room, PolicyRequest::Explain { file: own.clone(), request, program: None })
    };
    assert!(explain("a.example").yes && explain("a.example:443").yes);
    let other = explain("b.example:443");
    assert!(!other.yes && other.text.contains("{to: \"b.example:443\"}"), "{}", other.text);
    assert!(explain("/usr/bin/env").yes);
    assert!(!explain("/root/.ssh/id_rsa").yes);
    let wider = checked(&room, PolicyRequest::Diff { old: "hardened".into(), new: own.clone() });
    assert!(!wider.yes && wider.text.contains("a.example:443"), "{}", wider.text);
    assert!(checked(&room, PolicyRequest::Diff { old: own.clone(), new: "strict".into() }).yes);
    assert!(checked(&room, PolicyRequest::Test { file: own.clone() }).yes);
    let failing = file(&room, "p/failing.yaml", &text.replace("expect: allow", "expect: deny"));
    let failed = checked(&room, PolicyRequest::Test { file: failing });
    assert!(!failed.yes && failed.text.contains("FAILED"), "{}", failed.text);
    let none = file(&room, "p/none.yaml", "bastide: 1\nname: none\n");
    assert!(!checked(&room, PolicyRequest::Test { file: none }).yes, "no examples prove nothing");
    for bad in ["", "a b", "relative/path", "/a/../b", "a:99999", "localhost:80", "GET a.localhost/x"] {
        let request = PolicyRequest::Explain { file: own.clone(), request: bad.into(), program: None };
        assert_eq!(room.no(Request::Policy(request)).exit, 1, "{bad}");
    }
}

#[test]
fn a_preset_is_named_with_its_arguments_wherever_a_blueprint_is() {
    let room = Room::new();
    let name = || PathBuf::from("github:acme/widget");
    let shown = checked(&room, PolicyRequest::Show { file: Some(name()) }).text;
    assert!(shown.contains("\"/repos/acme/widget/**\"") && !shown.contains("{owner}"), "{shown}");
    let again = file(&room, "p/again.yaml", &shown);
    assert!(checked(&room, PolicyRequest::Diff { old: name(), new: again }).yes);
    assert!(
        checked(&room, PolicyRequest::Check { file: name() }).yes
            && checked(&room, PolicyRequest::Test { file: name() }).yes
    );
    let own = file(&room, "p/own.yaml", "bastide: 1\nname: own\nextends: [hardened, \"github:acme/widget\"]\n");
    let explain = |request: &str| {
        let request = format!("GET api.github.com{request}");
        checked(&room, PolicyRequest::Explain { file: own.clone(), request, program: None }).yes
    };
    assert!(explain("/repos/acme/widget") && !explain("/repos/acme/other"));
    let listed = checked(&room, PolicyRequest::Presets);
    assert!(
        listed.text.contains("github:OWNER/REPOSITORY\n") && listed.text.contains("telegram:CHAT\n"),
        "{}",
        listed.text
    );
    assert!(listed.data.as_array().is_some_and(|all| all.len() > 8 && all.iter().all(|one| one["about"].is_string())));
    // One that is wrong is no file's name, here or where a policy extends it.
    for (wrong, hint) in
        [("github:acme", "github:OWNER/REPOSITORY"), ("npm:acme", "npm:@acme"), ("slack", "slack:CHANNEL")]
    {
        let problem = refused(&room, Path::new(wrong));
        assert_eq!(problem.code, "E-POLICY-028");
        assert!(problem.hint.as_deref().unwrap().contains(hint), "{problem:?}");
        let text = format!("bastide: 1\nname: own\nextends: [hardened, \"{wrong}\"]\n");
        let problem = refused(&room, &file(&room, "p/wrong.yaml", &text));
        assert_eq!(problem.code, "E-POLICY-028");
        assert!(problem.cause.contains("wrong.yaml:3:21: "), "{problem:?}");
    }
    assert_eq!(refused(&room, Path::new("gitlab:acme/widget")).code, "E-PLANE-074");
}

#[test]
fn a_run_suggests_the_smallest_policy_of_what_it_asked() {
    let room = Room::new();
    let session = room.ended(
        "work",
        &[
            connect("b.example", 443, Verdict::Refused),
            connect("a.example", 443, Verdict::Allowed),
            connect("a.example", 443, Verdict::Allowed),
            connect("evil\nallow: [\"*\"]", 443, Verdict::Allowed),
            // A head that is none, said to the door itself.
            connect("proxy.bastide", 3128, Verdict::Refused),
            connect("bastide.internal", 80, Verdict::Refused),
            Kind::Resolve { name: "named.example".into(), verdict: Verdict::Refused, reason: None, times: 1 },
            Kind::Resolve { name: "b.example".into(), verdict: Verdict::Refused, reason: None, times: 1 },
            Kind::Resolve { name: "evil\nallow:".into(), verdict: Verdict::Refused, reason: None, times: 1 },
        ],
    );
    let suggested = checked(&room, PolicyRequest::Suggest(select(&session.record.id)));
    assert!(suggested.text.starts_with("# observed, not judged"), "{}", suggested.text);
    let policy = look_at_policy(Some(&file(&room, "p/s.yaml", &suggested.text)), &room.place.home).unwrap();
    let rules: Vec<_> = policy.network.allow.iter().map(|rule| rule.to.to_string()).collect();
    assert_eq!(rules, ["a.example:443", "b.example:443"], "{}", suggested.text);
    let own: Vec<_> = suggested.text.lines().filter(|line| line.contains("the door's own: ")).collect();
    assert!(own.len() == 2 && own[1].ends_with("proxy.bastide:3128"), "{own:?}");
    // What was refused by its name alone was left out without a word, and it told to test what holds no examples.
    let left: Vec<_> = suggested.text.lines().filter(|line| line.contains("before a port was asked for")).collect();
    assert!(left.len() == 2 && left[1].ends_with(": named.example"), "{left:?}");
    assert!(suggested.text.contains("`bastide policy check FILE`"), "{}", suggested.text);
    // What it ran under but for its network stays.
    let hardened = look_at_policy(None, &room.place.home).unwrap();
    assert!(suggested.text.contains("\nextends: [hardened]\n"), "{}", suggested.text);
    let stays = |policy: &policy::Policy| policy.files == hardened.files && policy.limits == hardened.limits;
    assert!(stays(&policy) && policy.network.default == policy::Default::Deny);
    let mut own = hardened.clone();
    own.files.read.push(policy::CanonicalPath::parse("/opt/network:\"x").unwrap());
    own.environment.insert("A".into(), "b\nnetwork:\n".into());
    let session = room.begin("work", Some(own.clone()));
    let suggested = checked(&room, PolicyRequest::Suggest(select(&session.record.id)));
    let policy = look_at_policy(Some(&file(&room, "p/own.yaml", &suggested.text)), &room.place.home).unwrap();
    assert_eq!((policy.files, policy.environment), (own.files, own.environment), "{}", suggested.text);
}

#[test]
fn what_becomes_of_a_path_is_computed() {
    let mut room = Room::new();
    drop(room.ended("work", &[]));
    room.place.home = "/home/somebody".into();
    let asked = |directory: &str, path: &Path| -> FileAnswer {
        match room.yes(Request::WhyFile { select: here(&room.path(directory)), path: path.to_owned() }) {
            Reply::File(answer) => answer,
            other => panic!("{other:?}"),
        }
    };
    let told = |path: &Path| {
        let answer = asked("work", path);
        (answer.access, answer.option)
    };
    let option = |text: &str| Some(text.to_owned());
    assert_eq!(told(Path::new("/opt/tool")), ("absent".into(), option("--read /opt/tool")));
    assert_eq!(told(Path::new("/opt/a tool's")), ("absent".into(), option("--read '/opt/a tool'\\''s'")));
    assert_eq!(told(Path::new("/usr/bin/env")), ("read-only".into(), option("--write /usr/bin/env")));
    assert_eq!(told(&room.path("work/src/x")), ("reviewed".into(), None));
    assert_eq!(told(&room.path("work/.envrc")), ("guarded".into(), None));
    assert_eq!(told(Path::new("/home/somebody/.ssh")), ("private".into(), option("--read /home/somebody/.ssh")));
    assert_eq!(told(Path::new("/etc/passwd")), ("made".into(), None));
    // Where no session worked, the default policy answers.
    assert_eq!(asked("nowhere", Path::new("/opt/tool")).policy, "hardened");
    let path = PathBuf::from("/a/../b");
    assert_eq!(room.no(Request::WhyFile { select: here(&room.path("work")), path }).code, "E-PLANE-067");
}

#[test]
fn what_can_be_extended_is_said_where_a_name_is_none() {
    let room = Room::new();
    for (name, code) in [("hardend", "E-PLANE-074"), ("bsae.yaml", "E-PLANE-074"), ("./base.yaml", "E-POLICY-004")] {
        let top = file(&room, "p/top.yaml", &format!("bastide: 1\nname: top\nextends: [\"{name}\"]\n"));
        let problem = refused(&room, &top);
        let hint = problem.hint.unwrap_or_default();
        assert_eq!(problem.code, code, "{name}");
        assert!(hint.contains("`hardened` and `strict`") && hint.contains("beside this one"), "{name}: {hint}");
    }
}

/// The policy lets it be changed, and the kernel does not.
#[test]
fn a_file_of_another_user_is_told_as_what_cannot_be_changed() {
    use std::os::unix::fs::MetadataExt;
    let room = Room::new();
    let mut session = room.ended("work", &[]);
    fs::create_dir(room.path("work/src")).unwrap();
    let meta = fs::metadata(room.path("work")).unwrap();
    session.record.trees[0].owner = Some((meta.uid() + 1, meta.gid() + 1));
    session.save().unwrap();
    let told = |path: &str| match room.yes(Request::WhyFile { select: here(&room.path("work")), path: room.path(path) })
    {
        Reply::File(answer) => (answer.access, answer.rule.unwrap_or_default()),
        other => panic!("{other:?}"),
    };
    let whose = format!("of user {}, and a program inside is user {}", meta.uid(), meta.uid() + 1);
    for path in ["work/src", "work/src/new"] {
        assert_eq!(told(path), ("foreign".into(), whose.clone()), "{path}");
    }
    for path in ["work", "work/new"] {
        assert_eq!(told(path).0, "reviewed", "{path}");
    }
}

#[test]
fn every_code_is_explained() {
    let room = Room::new();
    for code in ["E-PLANE-011", "e-plane-066", "E-POLICY-003"] {
        let Reply::Text { text } = room.yes(Request::Explain { code: code.into() }) else { panic!() };
        assert!(text.starts_with(&code.to_uppercase()) && text.len() > 60);
    }
    assert_eq!(room.no(Request::Explain { code: "E-X\x1b[2J".into() }).code, "E-PLANE-070");
}
