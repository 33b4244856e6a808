//! What got past the review once: each test tells how.
#![allow(clippy::unwrap_used, missing_docs)]

mod workspace_room;

use plane::workspace::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use workspace_room::*;

/// Steps `live` until nothing more happens.
fn live(room: &mut Room, guards: &[PathBuf]) {
    let mut live = Live::default();
    for _ in 0..4 {
        live.step(room.workspace(), guards).unwrap();
    }
}

fn flagged(room: &mut Room, path: &str, guards: &[PathBuf]) -> Vec<Flag> {
    let changes = room.workspace().changes(guards).unwrap();
    changes.iter().find(|change| change.path == Path::new(path)).map(|change| change.flags.clone()).unwrap_or_default()
}

/// git takes a directory for a repository that has HEAD and says by `commondir` where the rest lies. That rest has no
/// HEAD: neither looked like a repository, both were merged, and git run there obeyed the config's `core.pager`.
#[test]
fn a_repository_in_two_halves_is_held() {
    again_as_user("a_repository_in_two_halves_is_held");
    let mut room = Room::new();
    room.begin();
    room.inside(
        "mkdir -p bare common/objects common/refs/heads; echo ref: refs/heads/main > bare/HEAD; \
         echo ../common > bare/commondir; printf '[core]\\n\\tpager = touch evil\\n' > common/config; echo x > common/refs/x",
    );
    live(&mut room, &[]);
    room.apply();
    for path in ["bare/commondir", "bare/HEAD", "common/config", "common/refs", "common/refs/x"] {
        assert!(!room.lower().join(path).exists(), "{path}");
        assert!(flagged(&mut room, path, &[]).contains(&Flag::Git), "{path}");
    }
}

/// The same piece by piece, each merged before the next comes; and at the very top of the workspace.
#[test]
fn a_repository_that_is_built_step_by_step_never_becomes_one() {
    for top in ["", "deep/"] {
        let mut room = Room::new();
        fs::create_dir_all(room.lower().join("deep")).unwrap();
        room.begin();
        for (name, text) in [("config", "[core]"), ("objects/x", "x"), ("HEAD", "ref: refs/heads/a"), ("refs/x", "x")] {
            let path = room.upper().join(format!("{top}{name}"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            live(&mut room, &[]);
            room.apply();
        }
        assert!(room.lower().join(format!("{top}objects/x")).exists(), "plain files still arrive");
        assert!(!room.lower().join(format!("{top}refs")).exists());
        // Its config, or one that comes late.
        fs::write(room.upper().join(format!("{top}config")), "[core]\n\tpager = evil\n").unwrap();
        live(&mut room, &[]);
        room.apply();
        assert_eq!(fs::read_to_string(room.lower().join(format!("{top}config"))).unwrap(), "[core]");
    }
}

/// A test fixture of the original was a bare repository; its `config` changed alone, and nothing new had git's names.
#[test]
fn the_config_of_a_bare_fixture_is_held() {
    let mut room = Room::new();
    room.outside("git init -q --bare fixtures/bare.git");
    room.begin();
    room.inside("printf '[core]\\n\\tbare = true\\n\\tpager = evil\\n' > fixtures/bare.git/config");
    let before = fs::read_to_string(room.lower().join("fixtures/bare.git/config")).unwrap();
    live(&mut room, &[]);
    assert!(room.apply().left.contains(&("fixtures/bare.git/config".into(), Reason::GitHeld)));
    assert_eq!(fs::read_to_string(room.lower().join("fixtures/bare.git/config")).unwrap(), before);
}

/// `conf/secrets.json` was guarded; a link `conf` to a directory of the cell's put its own file in that place.
#[test]
fn a_link_above_a_guarded_path_is_guarded() {
    let guards = [PathBuf::from("conf/secrets.json")];
    let mut room = Room::new();
    room.begin();
    room.inside("mkdir -p evil sub; echo {} > evil/secrets.json; ln -s evil conf; ln -s ../evil sub/conf");
    for path in ["conf", "sub/conf"] {
        assert!(flagged(&mut room, path, &guards).contains(&Flag::Guarded), "{path}");
    }
    live(&mut room, &guards);
    let changes = room.workspace().changes(&guards).unwrap();
    room.workspace().apply(&changes, &Filter::default()).unwrap();
    assert!(room.lower().join("evil/secrets.json").exists() && !room.lower().join("conf").is_symlink());
}

/// The operator's `.envrc` was a link to `env.sh`, and `env.sh` was nobody's guarded name.
#[test]
fn what_a_guarded_link_of_the_original_leads_to_is_guarded() {
    let guards = [PathBuf::from(".envrc"), PathBuf::from("conf/x")];
    let mut room = Room::new();
    let lower = room.lower();
    fs::create_dir_all(lower.join("sub/scripts")).unwrap();
    for name in ["env.sh", "sub/scripts/env.sh", "full.sh", "plain.sh"] {
        fs::write(lower.join(name), "good").unwrap();
    }
    symlink("env.sh", lower.join(".envrc")).unwrap();
    symlink("hop", lower.join("sub/.envrc")).unwrap();
    symlink("scripts/env.sh", lower.join("sub/hop")).unwrap();
    symlink(lower.canonicalize().unwrap().join("real"), lower.join("conf")).unwrap();
    symlink("loop", lower.join("loop")).unwrap();
    room.begin();
    room.inside(
        "for f in env.sh sub/scripts/env.sh full.sh plain.sh; do echo evil > $f; done; ln -sfn ../plain.sh sub/hop; \
         mkdir real; echo evil > real/x",
    );
    for path in ["env.sh", "sub/scripts/env.sh", "sub/hop", "real/x"] {
        assert!(flagged(&mut room, path, &guards).contains(&Flag::Guarded), "{path}");
    }
    for path in ["plain.sh", "full.sh"] {
        assert!(!flagged(&mut room, path, &guards).contains(&Flag::Guarded), "{path}");
    }
    live(&mut room, &guards);
    assert_eq!(fs::read_to_string(lower.join("env.sh")).unwrap(), "good");
    assert_eq!(fs::read_to_string(lower.join("plain.sh")).unwrap(), "evil\n");
}

/// A directory was closed outside while the session ran; the cell's copy of it had the old mode, and a merge opened it.
#[test]
fn a_mode_that_was_set_outside_is_not_undone() {
    let mut room = Room::new();
    fs::create_dir_all(room.lower().join("d")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    room.begin();
    room.inside("echo new > d/new");
    // A new entry and the mode in one moment: both of its times are late and may be the same.
    fs::write(room.lower().join("d/outside"), "x").unwrap();
    fs::set_permissions(room.lower().join("d"), fs::Permissions::from_mode(0o700)).unwrap();
    rustix::fs::utimensat(
        rustix::fs::CWD,
        room.lower().join("d"),
        &rustix::fs::Timestamps {
            last_access: rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW },
            last_modification: rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW },
        },
        rustix::fs::AtFlags::empty(),
    )
    .unwrap();
    live(&mut room, &[]);
    room.apply();
    assert_eq!(fs::metadata(room.lower().join("d")).unwrap().permissions().mode() & 0o777, 0o700);
}

fn repository() -> Room {
    let mut room = Room::new();
    room.outside("git init -q -b main .; echo 1 > a; echo all: > Makefile; git add .; git commit -qm one");
    std::thread::sleep(std::time::Duration::from_millis(20));
    room.begin();
    room
}

fn head(room: &Room) -> String {
    room.outside("git log -1 --format=%s")
}

/// A commit with a guarded `.envrc` and a workflow went out in `live` while the files themselves were held, and the
/// diff told of three objects: the next checkout brought them to life.
#[test]
fn a_unit_has_the_flags_of_what_its_commits_and_its_index_change() {
    again_as_user("a_unit_has_the_flags_of_what_its_commits_and_its_index_change");
    let guards = [PathBuf::from(".envrc")];
    let commit = "git add -Af; git commit -qm two";
    let evil = "echo evil > .envrc; mkdir -p .github; echo on: > .github/w.yml";
    for (script, flag, shown) in [
        (format!("{evil}; {commit}"), Flag::Guarded, "100644 .envrc"),
        (format!("{evil}; {commit}"), Flag::Ci, ".github/w.yml"),
        (format!("{evil}; {commit}; git rm -qrf .envrc .github; git commit -qm three"), Flag::Guarded, "100644 .envrc"),
        (format!("{evil}; {commit}; git reset -q --hard HEAD~1; echo 2 > a; {commit}"), Flag::Guarded, ".envrc"),
        (format!("{evil}; git stash -qu"), Flag::Guarded, ".envrc"),
        (format!("{evil}; git add -Af"), Flag::Guarded, ".envrc"),
        (format!("{evil}; {commit}; git repack -adq; git prune-packed"), Flag::Guarded, "100644 .envrc"),
        (format!("{evil}; git checkout -q --orphan x; {commit}"), Flag::Ci, ".github/w.yml"),
    ] {
        let mut room = repository();
        room.inside(&script);
        let changes = room.workspace().changes(&guards).unwrap();
        let unit = changes.iter().find(|change| change.path == Path::new(".git")).unwrap();
        assert!(unit.flags.contains(&flag), "{script}: {:?}", unit.flags);
        let diff = room.workspace().diff(unit).unwrap();
        assert!(diff.contains(shown), "{script}: {diff}");
        live(&mut room, &guards);
        assert_eq!(head(&room), "one\n", "{script}");
        assert!(!room.outside("git ls-files; git stash list").contains("envrc"), "{script}");
    }
    // What is plain goes out as before, and what is old and flagged is no reason to hold it.
    let mut room = repository();
    room.inside(&format!("echo 2 > a; mkdir d; echo 3 > d/b; {commit}"));
    let unit = room.change(".git");
    assert_eq!(unit.flags, [Flag::Git]);
    assert!(room.workspace().diff(&unit).unwrap().contains("100644 d/b"));
    live(&mut room, &guards);
    assert_eq!((head(&room).as_str(), room.outside("git status --porcelain").as_str()), ("two\n", ""));
    // An old object under a new name is new all the same.
    let room = repository();
    room.outside("echo evil > harmless.txt; git add .; git commit -qm harmless");
    let mut fresh = Room { dir: room.dir, workspace: None };
    fs::remove_dir_all(fresh.dir.path().join("changes")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    fresh.begin();
    fresh.inside("git mv harmless.txt .envrc; git commit -qm two");
    live(&mut fresh, &guards);
    assert_eq!(head(&fresh), "harmless\n");
}

/// An index that said of `a` that nobody should look at it was merged with its file: git status was silent.
#[test]
fn an_index_that_hides_files_stays_in_the_cell() {
    for hide in
        ["git update-index --skip-worktree a", "git update-index --assume-unchanged a", "echo x > n; git add -N n"]
    {
        let mut room = repository();
        room.inside(&format!("echo evil > a; {hide}; echo b > b; git commit -qm two -- b 2>/dev/null || git add b; git commit -qm two || true"));
        let unit = room.change(".git").git.unwrap();
        assert!(unit.held.contains(&("index".into(), Held::Index)), "{hide}: {:?}", unit.held);
        room.apply();
        assert!(room.outside("git status --porcelain; git diff").contains(" M a"), "{hide}");
    }
    // One that only lies about the file on disk: as long, and of the time that it had.
    let mut room = repository();
    room.inside("echo 2 > a; git add a; git commit -qm two; touch -d @1000000000 a; git update-index --refresh -q; printf '3\\n' > a; touch -d @1000000000 a");
    live(&mut room, &[]);
    room.apply();
    assert_eq!(room.outside("git status --porcelain"), " M a\n");
}

/// `MERGE_HEAD` and its kind came along, and the operator's next commit had a parent that the cell chose.
#[test]
fn an_operation_in_progress_stays_in_the_cell() {
    let mut room = repository();
    room.inside(
        "echo 2 > a; git commit -qam two; git rev-parse HEAD | tee .git/MERGE_HEAD .git/FETCH_HEAD > .git/MERGE_MSG",
    );
    let unit = room.change(".git").git.unwrap();
    for name in ["MERGE_HEAD", "FETCH_HEAD", "MERGE_MSG"] {
        assert!(unit.held.contains(&(name.into(), Held::Todo)), "{name}: {:?}", unit.held);
    }
    assert!(room.apply().left.is_empty());
    assert!(!room.lower().join(".git/MERGE_HEAD").exists());
    assert_eq!((head(&room).as_str(), room.outside("git status --porcelain").as_str()), ("two\n", ""));
}

/// Names that git or a reader takes for something else; a tag that is called like a branch wins over it.
#[test]
fn ref_names_that_mislead_are_refused_or_flagged() {
    let hex = "ab".repeat(20);
    for name in ["HEAD", &hex, "a\u{202e}b", "a\u{200b}b"] {
        let mut room = repository();
        room.inside(&format!("git rev-parse HEAD > '.git/refs/heads/{name}'"));
        assert_eq!(room.change(".git").git.unwrap().fault, Some(Fault::RefName), "{name}");
    }
    let mut room = repository();
    room.inside("echo 2 > a; git commit -qam two; git tag main");
    assert!(room.change(".git").flags.contains(&Flag::Ambiguous));
    live(&mut room, &[]);
    assert_eq!(head(&room), "one\n");
}

/// Eleven megabytes of pack took eleven gigabytes of memory: a chain of deltas, each a gigabyte of nothing when it was
/// inflated, and all of them held at once.
#[test]
fn a_pack_of_huge_deltas_is_refused_in_little_memory() {
    let mut room = repository();
    room.inside(
        r#"echo 2 > a; git commit -qam two; python3 - <<'PY'
import zlib,hashlib,struct,subprocess,os
size=100<<20
def varint(kind,n):
    out=[kind<<4|n&15]; n>>=4
    while n: out[-1]|=128; out.append(n&127); n>>=7
    return bytes(out)
def offset(n):
    out=[n&127]; n>>=7
    while n: n-=1; out.insert(0,128|n&127); n>>=7
    return bytes(out)
base=b'x'; body=zlib.compress(base)
pack=b'PACK'+struct.pack('>II',2,9); offs=[len(pack)]
pack+=varint(3,len(base))+body
c=zlib.compressobj(9); delta=c.compress(b'\x01\x01')
for _ in range(size>>20): delta+=c.compress(b'\x01x'*(1<<19))
delta+=c.flush()
for i in range(8):
    offs.append(len(pack)); pack+=varint(6,size+2)+offset(offs[-1]-offs[-2])+delta
pack+=hashlib.sha1(pack).digest()
names=sorted([bytes([i])*20 for i in range(1,10)])
idx=b'\xfftOc'+struct.pack('>I',2)+b''.join(struct.pack('>I',sum(n[0]<=b for n in names)) for b in range(256))
idx+=b''.join(names)+b'\0'*36+b''.join(struct.pack('>I',o) for o in offs)+pack[-20:]
idx+=hashlib.sha1(idx).digest()
stem='.git/objects/pack/pack-'+pack[-20:].hex()
open(stem+'.pack','wb').write(pack); open(stem+'.idx','wb').write(idx)
PY"#,
    );
    let peak = || {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let before = peak();
    assert!(room.apply().left.contains(&(".git".into(), Reason::GitUnsafe)));
    let more = peak().saturating_sub(before);
    assert!(more < 300 << 10, "{more} KiB more");
}

/// A file that the cell made writable for everybody came so, and nothing in the diff told of its mode.
#[test]
fn bits_for_others_to_write_arrive_only_where_the_original_has_them() {
    let mut room = Room::new();
    for (name, mode) in [("open", 0o666), ("closed", 0o644)] {
        fs::write(room.lower().join(name), "x").unwrap();
        fs::set_permissions(room.lower().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    room.begin();
    room.inside("echo y > open; echo y > closed; chmod 777 closed; echo n > new; chmod 776 new; mkdir d; chmod 3777 d");
    let new = room.change("new");
    assert!(room.workspace().diff(&new).unwrap().starts_with("new mode 754\n"));
    room.apply();
    let mode = |name: &str| fs::metadata(room.lower().join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!([mode("open"), mode("closed"), mode("new"), mode("d")], [0o666, 0o755, 0o754, 0o755]);
    assert!(room.changes().is_empty());
}
