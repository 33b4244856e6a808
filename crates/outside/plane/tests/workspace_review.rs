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
    assert!(room.apply().left.contains(&("fixtures/bare.git/config".into(), Reason::Held)));
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
