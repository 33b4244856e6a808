//! The git unit, with a real git in a real overlay.
#![allow(clippy::unwrap_used, missing_docs)]

mod workspace_room;

use plane::workspace::*;
use std::fs;
use std::path::Path;
use workspace_room::*;

fn repository() -> Room {
    let mut room = Room::new();
    room.outside("git init -q -b main .; echo 1 > a; git add a; git commit -qm one; echo 2 >> a; git commit -qam two");
    room.begin();
    room
}

fn sound(room: &Room) {
    let said = room.outside("git fsck --full --strict 2>&1; git status --porcelain");
    assert!(!said.contains("error") && !said.contains("missing") && !said.contains("bad"), "{said}");
}

#[test]
fn commits_branches_tags_and_merges_arrive() {
    again_as_user("commits_branches_tags_and_merges_arrive");
    let mut room = repository();
    room.inside(
        "git checkout -qb feature/x; echo f > f; git add f; git commit -qm three; git checkout -q main; \
         echo m > m; git add m; git commit -qm four; git merge -q --no-edit feature/x; git tag -am v1 v1",
    );
    let unit = room.change(".git").git.unwrap();
    assert_eq!((unit.commits, unit.fault), (3, None), "{}", unit.summary());
    assert!(unit.summary().contains("3 commits on "), "{}", unit.summary());
    let outcome = room.apply();
    assert!(outcome.left.is_empty(), "{:?}", outcome.left);
    assert!(outcome.merged.contains(&".git".into()));
    let rest = room.changes();
    assert!(rest.is_empty(), "{rest:?}");
    sound(&room);
    let log =
        room.outside("git log --oneline main; git log -1 feature/x --format=%s; git tag; git reflog; git status -s");
    assert!(log.contains("Merge branch 'feature/x'") && log.contains("three") && log.contains("v1"), "{log}");
    assert_eq!(room.outside("git status --porcelain; ls .git/*.lock .git/refs/heads/*.lock 2>/dev/null || true"), "");
}

#[test]
fn a_repack_arrives_as_a_pack_and_deletes_nothing() {
    again_as_user("a_repack_arrives_as_a_pack_and_deletes_nothing");
    let mut room = repository();
    room.outside("git branch old; git pack-refs --all; seq 3000 > big; git add big; git commit -qm big");
    std::thread::sleep(std::time::Duration::from_millis(20));
    let mut again = Room { dir: tempfile::tempdir().unwrap(), workspace: None };
    std::mem::swap(&mut room, &mut again);
    fs::rename(again.lower(), room.lower()).unwrap();
    room.begin();
    let before = room.outside("git count-objects -v");
    room.inside("seq 3001 > big; git commit -qam more; git branch -D old; git gc -q --prune=now");
    let unit = room.change(".git").git.unwrap();
    assert!(unit.summary().contains("1 packs"), "{}", unit.summary());
    let outcome = room.apply();
    assert!(outcome.left.is_empty(), "{:?}", outcome.left);
    sound(&room);
    assert_eq!(room.outside("git log -1 --format=%s; git branch"), "more\n* main\n");
    let after = room.outside("git count-objects -v");
    let loose = |said: &str| said.lines().next().unwrap().to_owned();
    assert_eq!(loose(&before), loose(&after));
}

/// Else every session that made a commit waits for a review for ever, as soon as anybody makes another one outside.
#[test]
fn what_was_merged_of_a_repository_is_no_change_whatever_becomes_of_it_outside() {
    again_as_user("what_was_merged_of_a_repository_is_no_change_whatever_becomes_of_it_outside");
    let mut room = Room::new();
    room.outside("git init -q -b main .; echo 1 > a; git add a; git commit -qm one; echo 2 >> a; git commit -qam two");
    room.outside("git branch gone; git pack-refs --all; sleep 0.02");
    room.begin();
    room.inside("echo 3 > c; git add c; git commit -qm three; git checkout -qb x; git branch -qD gone; git gc -q");
    let unit = room.change(".git").git.unwrap();
    assert!(unit.held.is_empty(), "{unit:?}");
    assert!(room.apply().left.is_empty());
    room.outside("echo 4 > c; git commit -qam four; git checkout -q main; git merge -q x; git branch gone");
    assert!(room.changes().is_empty(), "{:?}", room.changes());
    // What the cell does once more is one again.
    room.inside("echo 5 > d; git add d; git commit -qm five");
    let unit = room.change(".git").git.unwrap();
    assert!(unit.moves.iter().any(|moved| moved.name == "refs/heads/x"), "{unit:?}");
    sound(&room);
    assert_eq!(room.outside("git log --format=%s"), "four\nthree\ntwo\none\n");
}

/// What git writes anew by itself, or the cell takes out of a reflog, once kept all its commits from arriving.
#[test]
fn reflogs_that_were_written_anew_keep_no_commit_back() {
    again_as_user("reflogs_that_were_written_anew_keep_no_commit_back");
    for (before, script) in [
        ("git worktree add -q ../tree", "git commit -qam three; git gc -q"),
        ("", "git reflog expire --expire=now --all; git commit -qam three"),
        ("", "git commit -qam three; git reflog delete HEAD@{1}"),
        ("echo s >> a; git stash -q; echo t >> a; git stash -q", "git stash drop -q; git commit -qam three"),
        ("echo s >> a; git stash -q; echo t >> a; git stash -q", "git stash drop -q stash@{1}; git commit -qam three"),
    ] {
        let mut room = Room::new();
        room.outside(
            "git init -q -b main .; echo 1 > a; git add a; git commit -qm one; echo 2 >> a; git commit -qam two",
        );
        room.outside(before);
        let old = room.outside("git reflog --format=%H\\ %gs");
        std::thread::sleep(std::time::Duration::from_millis(20));
        room.begin();
        room.inside(&format!("echo 3 >> a; {script}"));
        let stashes = room.inside("git stash list --format=%H");
        let outcome = room.apply();
        assert!(outcome.left.is_empty(), "{script}: {:?}", outcome.left);
        sound(&room);
        assert_eq!(room.outside("git log --format=%s"), "three\ntwo\none\n", "{script}");
        assert_eq!(room.outside("git stash list --format=%H"), stashes, "{script}");
        // What was added stands on what stood there.
        let new = room.outside("git reflog --format=%H\\ %gs");
        assert!(new.ends_with(&old) && new.len() > old.len(), "{script}: {new}");
    }
}

#[test]
fn a_reflog_with_more_than_lines_stops_the_whole_unit() {
    let mut room = repository();
    room.inside("echo 3 >> a; git commit -qam three; printf '\\033[2J' >> .git/logs/HEAD");
    let before = room.picture(&room.lower().join(".git"));
    let outcome = room.apply();
    assert!(outcome.left.contains(&(".git".into(), Reason::GitUnsafe)), "{outcome:?}");
    assert_eq!(room.picture(&room.lower().join(".git")), before);
}

/// Else the index would arrive without the commit that it is of.
#[test]
fn a_repository_whose_refs_are_not_read_is_left_whole() {
    let mut room = repository();
    room.inside("echo 3 >> a; git commit -qam three; mkdir .git/reftable; echo 1 > .git/reftable/tables.list");
    assert_eq!(room.change(".git").git.unwrap().fault, Some(Fault::RefFormat));
    let before = room.picture(&room.lower().join(".git"));
    let outcome = room.apply();
    assert!(outcome.left.contains(&(".git".into(), Reason::Refused)), "{outcome:?}");
    assert_eq!(room.picture(&room.lower().join(".git")), before);
}

#[test]
fn a_new_repository_arrives_without_its_config_and_hooks() {
    again_as_user("a_new_repository_arrives_without_its_config_and_hooks");
    let mut room = Room::new();
    room.begin();
    room.inside(
        "git init -q -b main sub; cd sub; echo 1 > a; git add a; git config core.fsmonitor 'touch /tmp/never'; \
         git config core.sshCommand evil; git -c core.fsmonitor=false commit -qm one; mkdir -p .git/hooks; echo evil > .git/hooks/pre-commit",
    );
    let change = room.change("sub/.git");
    let unit = change.git.clone().unwrap();
    assert!(unit.fresh && unit.fault.is_none(), "{unit:?}");
    assert!(unit.held.contains(&("hooks/pre-commit".into(), Held::Hook)), "{:?}", unit.held);
    assert!(unit.held.contains(&("config".into(), Held::Config)));
    let outcome = room.apply();
    assert!(outcome.left.is_empty(), "{:?}", outcome.left);
    assert_eq!(room.outside("cd sub; git log --format=%s; git status --porcelain; git fsck 2>&1"), "one\n");
    assert!(!fs::read_to_string(room.lower().join("sub/.git/config")).unwrap().contains("fsmonitor"));
    assert!(!room.lower().join("sub/.git/hooks/pre-commit").exists());
}

#[test]
fn a_worktree_with_its_common_directory() {
    again_as_user("a_worktree_with_its_common_directory");
    let mut room = Room::new();
    // The common directory is an original of its own: the overlay that this room has.
    room.outside("git init -q -b main --bare .; git worktree add -q --orphan -b topic ../tree");
    room.outside("cd ../tree; echo 1 > a; git add a; git commit -qm one");
    std::thread::sleep(std::time::Duration::from_millis(20));
    room.begin();
    room.inside("cd ../tree; echo 2 > a; git commit -qam two");
    room.outside("cd ../tree; echo 2 > a");
    let change = room.change("");
    assert_eq!(change.kind, Kind::Git);
    let outcome = room.apply();
    assert!(outcome.left.is_empty(), "{:?}", outcome.left);
    assert_eq!(
        room.outside("cd ../tree; git log --format=%s; git status --porcelain; git fsck 2>&1 | grep -v notice || true"),
        "two\none\n"
    );
}

#[test]
fn a_branch_that_moved_outside_stops_the_whole_unit() {
    again_as_user("a_branch_that_moved_outside_stops_the_whole_unit");
    let mut room = repository();
    room.inside("echo in > in; git add in; git commit -qm inside");
    room.outside("echo out > out; git add out; git commit -qm outside");
    let before = room.picture(&room.lower().join(".git"));
    let change = room.change(".git");
    assert_eq!(change.conflict, Some(Conflict::ChangedOutside));
    let outcome = room.apply();
    assert!(outcome.left.contains(&(".git".into(), Reason::Conflict)), "{outcome:?}");
    assert_eq!(room.picture(&room.lower().join(".git")), before);
    sound(&room);
}

/// Of commits made on both sides the session's could only be thrown away.
#[test]
fn commits_of_both_sides_are_brought_beside_each_other_for_git_to_merge() {
    again_as_user("commits_of_both_sides_are_brought_beside_each_other_for_git_to_merge");
    let mut room = repository();
    // Whatever git would run there, nobody runs.
    room.outside(
        "for hook in reference-transaction post-merge update; do printf '#!/bin/sh\\ntouch ran\\n' > .git/hooks/$hook; \
         chmod +x .git/hooks/$hook; done",
    );
    room.inside(
        "echo in > in; git add in; git commit -qm inside; git checkout -qb feat/x; echo x > x; git add x; git commit -qm x; \
         git gc -q; git config core.pager evil; echo y >> x; git commit -qam y",
    );
    room.outside("echo out > out; git add out; git -c core.hooksPath=/dev/null commit -qm outside");
    let state =
        "git rev-parse main HEAD; cat .git/HEAD .git/config; git ls-files -s; git reflog; git status --porcelain; ls";
    let before = room.outside(state);
    let change = room.change(".git");
    assert_eq!(change.conflict, Some(Conflict::ChangedOutside));
    let brought = room.workspace().bring_beside(&change, "0abc1").unwrap();
    let refs = ["refs/bastide/0abc1/feat/x", "refs/bastide/0abc1/main"];
    assert_eq!((brought.refs.iter().map(String::as_str).collect::<Vec<_>>(), brought.why), (refs.to_vec(), None));
    assert_eq!(room.outside(state), before);
    sound(&room);
    assert_eq!(room.outside("git log --format=%s refs/bastide/0abc1/feat/x -4"), "y\nx\ninside\ntwo\n");
    // Once more nothing is to be done, and it is told again; also where git packed them.
    for packs in ["true", "git -c core.hooksPath=/dev/null pack-refs --all"] {
        room.outside(packs);
        let (picture, change) = (room.picture(&room.lower().join(".git")), room.change(".git"));
        assert_eq!(room.workspace().bring_beside(&change, "0abc1").unwrap(), brought);
        assert_eq!(room.picture(&room.lower().join(".git")), picture);
    }
    room.outside("git -c core.hooksPath=/dev/null merge -q --no-edit refs/bastide/0abc1/main");
    assert_eq!(room.outside("cat in out; ls ran 2>/dev/null || true"), "in\nout\n");
    sound(&room);
}

/// What is brought in decides nothing: a branch that was made outside meanwhile, and packed, was taken for one that the cell removed.
#[test]
fn what_is_brought_in_leaves_a_conflict_one() {
    let mut room = repository();
    room.inside("echo in > in; git add in; git commit -qm inside; git pack-refs --all");
    room.outside("git branch only-outside; git pack-refs --all");
    let change = room.change(".git");
    assert_eq!(change.conflict, Some(Conflict::ChangedOutside));
    assert_eq!(room.workspace().bring_beside(&change, "0abc1").unwrap().refs, ["refs/bastide/0abc1/main"]);
    assert!(room.apply().left.contains(&(".git".into(), Reason::Conflict)));
    assert_eq!(room.outside("git branch --format='%(refname:short)'"), "main\nonly-outside\n");
    assert_eq!(room.outside("git log -1 --format=%s"), "two\n");
    sound(&room);
}

/// What a hostile cell made of its objects and refs reaches the original's in no way.
#[test]
fn commits_that_are_not_what_they_say_are_brought_in_nowhere() {
    let own = "echo in > in; git add in; git commit -qm inside; ";
    let object = "$(git rev-parse HEAD:in | sed 's,^..,.git/objects/&/,')";
    for (script, why) in [
        (format!("{own} rm -f {object}"), Some(Unbrought::Incomplete)),
        (format!("{own} chmod u+w {object}; git cat-file -p HEAD~1 | head -c 9 > {object}"), Some(Unbrought::Left)),
        ("echo new | git hash-object -w --stdin > .git/refs/heads/main".to_owned(), Some(Unbrought::Incomplete)),
        (
            format!(
                "{own} git update-ref refs/heads/main $(printf 'tree %s\\nparent %040d\\n\\n' $(git rev-parse HEAD^{{tree}}) 1 | \
                 git hash-object -w --literally -t commit --stdin)"
            ),
            Some(Unbrought::Incomplete),
        ),
        // A name that is none for git, or says something else to who reads it.
        (
            format!(
                "{own} git checkout -q --detach; git update-ref refs/heads/main HEAD~1; mv .git/HEAD .git/x; echo junk > .git/HEAD"
            ),
            None,
        ),
        (format!("{own} git branch -m $(printf 'a%s' 'b\u{202e}c')"), None),
    ] {
        let mut room = repository();
        room.inside(&script);
        room.outside("echo out > out; git add out; git commit -qm outside");
        let picture = room.picture(&room.lower().join(".git"));
        let change = room.change(".git");
        let brought = room.workspace().bring_beside(&change, "0abc1").unwrap();
        assert_eq!((brought.why, brought.refs), (why, Vec::new()), "{script}");
        let now = room.picture(&room.lower().join(".git"));
        assert_eq!(now, picture, "{script}");
        sound(&room);
    }
}

#[test]
fn a_branch_that_moves_between_review_and_merge_stops_the_whole_unit() {
    let mut room = repository();
    room.inside("echo in > in; git add in; git commit -qm inside");
    let changes = room.changes();
    room.outside("echo out > out; git add out; git commit -qm outside");
    let before = room.picture(&room.lower().join(".git"));
    let outcome = room.workspace().apply(&changes, &Filter::default()).unwrap();
    assert!(outcome.left.contains(&(".git".into(), Reason::Conflict)), "{outcome:?}");
    assert_eq!(room.picture(&room.lower().join(".git")), before);
    // So does somebody who holds git's own lock.
    let mut room = repository();
    room.inside("echo in > in; git add in; git commit -qm inside");
    fs::write(room.lower().join(".git/refs/heads/main.lock"), "").unwrap();
    assert!(room.apply().left.contains(&(".git".into(), Reason::Conflict)));
    assert!(room.lower().join(".git/refs/heads/main.lock").exists(), "another's lock is not ours to remove");
    assert_eq!(room.outside("git log -1 --format=%s"), "two\n");
}

#[test]
fn hostile_git_directories_are_refused_or_held() {
    let commit = "echo 3 > c; git add c; git commit -qm three; ";
    for (script, fault) in [
        ("echo /tmp > .git/objects/info/alternates", Fault::FalseHistory),
        ("git rev-parse HEAD > .git/shallow", Fault::FalseHistory),
        ("git replace HEAD HEAD~1", Fault::FalseHistory),
        ("mkdir -p .git/info; git rev-parse HEAD > .git/info/grafts", Fault::FalseHistory),
        ("echo ref: ../../../etc/passwd > .git/refs/heads/x", Fault::RefContent),
        ("printf '%s refs/heads/../../x\\n' $(git rev-parse HEAD) > .git/packed-refs", Fault::RefName),
        ("git rev-parse HEAD > \".git/refs/heads/a$(printf '\\001')b\"", Fault::RefName),
        ("git rev-parse HEAD > .git/refs/heads/-x", Fault::RefName),
        ("echo 1111111111111111111111111111111111111111 > .git/refs/heads/x", Fault::MissingObject),
        ("ln -sf /etc/passwd .git/refs/heads/x", Fault::NotData),
        ("rm .git/HEAD", Fault::RefContent),
    ] {
        let mut room = repository();
        room.inside(&format!("{commit}{script}"));
        let before = room.picture(&room.lower().join(".git"));
        let change = room.change(".git");
        assert_eq!(change.git.unwrap().fault, Some(fault), "{script}");
        let outcome = room.apply();
        assert!(outcome.left.contains(&(".git".into(), Reason::Refused)), "{script}: {outcome:?}");
        assert_eq!(room.picture(&room.lower().join(".git")), before, "{script}");
    }
}

#[test]
fn planted_hooks_and_settings_are_held_while_commits_arrive() {
    let mut room = repository();
    room.inside(
        "echo 3 > c; git add c; git commit -qm three; mkdir -p .git/hooks .git/modules/m/hooks; echo evil > .git/hooks/pre-commit; \
         echo evil > .git/modules/m/hooks/x; git config core.fsmonitor evil; mkdir -p .git/info; echo '* filter=evil' > .git/info/attributes; \
         mkdir -p .git/rebase-merge; echo 'exec evil' > .git/rebase-merge/git-rebase-todo",
    );
    let unit = room.change(".git").git.unwrap();
    for held in [Held::Hook, Held::Submodule, Held::Config, Held::Todo] {
        assert!(unit.held.iter().any(|(_, why)| *why == held), "{held:?}: {:?}", unit.held);
    }
    assert!(room.apply().left.is_empty());
    assert_eq!(room.outside("git log -1 --format=%s"), "three\n");
    for path in ["hooks/pre-commit", "modules", "info/attributes", "rebase-merge"] {
        assert!(!room.lower().join(".git").join(path).exists(), "{path}");
    }
    assert!(!fs::read_to_string(room.lower().join(".git/config")).unwrap().contains("fsmonitor"));
    // What is held is all that is left, and said.
    assert!(room.change(".git").git.unwrap().is_empty());
}

#[test]
fn objects_that_are_not_what_their_names_say_stop_the_whole_unit() {
    for swap in [
        // A loose object under another's name.
        "new=$(git rev-parse HEAD:c); old=$(git rev-parse HEAD); p() { echo .git/objects/$(echo $1 | cut -c1-2)/$(echo $1 | cut -c3-); }; \
         chmod u+w $(p $new); cp $(p $old) $(p $new)",
        // A pack whose index lies: two entries exchange their places.
        "git repack -adq; i=$(ls .git/objects/pack/*.idx); chmod u+w $i; python3 -c \"
import sys,struct
b=bytearray(open('$i','rb').read()); n=struct.unpack('>I',b[1028:1032])[0]; o=1032+n*24
b[o:o+4],b[o+4:o+8]=b[o+4:o+8],b[o:o+4]; open('$i','wb').write(b)\"",
        // A pack that was changed.
        "git repack -adq; i=$(ls .git/objects/pack/*.pack); chmod u+w $i; printf x >> $i",
    ] {
        let mut room = repository();
        room.inside(&format!("echo 3 > c; git add c; git commit -qm three; {swap}"));
        let before = room.picture(&room.lower().join(".git"));
        let outcome = room.apply();
        assert!(outcome.left.contains(&(".git".into(), Reason::GitUnsafe)), "{swap}: {outcome:?}");
        assert_eq!(room.picture(&room.lower().join(".git")), before, "{swap}");
        assert!(room.lower().join("c").exists(), "the rest is merged all the same");
    }
}

#[test]
fn a_git_directory_that_became_something_else_is_refused() {
    for script in ["rm -rf .git", "rm -rf .git; ln -s /tmp .git", "rm -rf .git; echo gitdir: /tmp > .git"] {
        let mut room = repository();
        room.inside(script);
        let outcome = room.apply();
        assert!(outcome.left.contains(&(".git".into(), Reason::Refused)), "{script}: {outcome:?}");
        sound(&room);
    }
    let mut room = repository();
    room.inside("git worktree add -q wt; git init -q --bare bare; echo '[core]fsmonitor=evil' > bare/config");
    let outcome = room.apply();
    assert!(outcome.left.contains(&("wt/.git".into(), Reason::Refused)), "{outcome:?}");
    assert!(outcome.left.iter().any(|(path, why)| path == Path::new("bare/config") && *why == Reason::GitHeld));
    assert!(room.lower().join("wt/a").exists() && !room.lower().join("bare/config").exists());
}

#[test]
fn a_crash_before_any_step_leaves_a_repository_whole() {
    let script = "echo 3 > c; git add c; git commit -qm three; git checkout -qb x; echo 4 > c; git commit -qam four";
    for limit in 0..400 {
        let mut room = repository();
        room.inside(script);
        let changes = room.changes();
        let done = room.workspace().apply_in(&changes, &Filter::default(), &mut Steps::limited(limit)).is_ok();
        room.workspace().recover().unwrap();
        let log = room
            .outside("git fsck --full 2>&1; git log --format=%s HEAD; find . -name '.bastide*'; find . -name '*.lock'");
        assert!(log == "two\none\n" || log == "four\nthree\ntwo\none\n", "step {limit}: {log}");
        if done {
            assert!(limit > 20);
            return;
        }
    }
    panic!("never done");
}
