//! The vault on a real directory: what comes back, what lies on the disk, and what is refused.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use vault::{Damage, Entry, Exposure, Name, Value, Vault, VaultError};
use wire::command::SecretText;

const SECRET: &str = "ghp_hunter2-hunter2";

struct Room(tempfile::TempDir);

impl Room {
    fn new() -> Room {
        Room(tempfile::tempdir().unwrap())
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join("vault").join(file)
    }

    fn vault(&self) -> Vault {
        self.try_vault().unwrap()
    }

    fn try_vault(&self) -> Result<Vault, VaultError> {
        Vault::open(&self.0.path().join("vault"))
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn entry(called: &str, value: &str, paths: &[&str]) -> Entry {
    let value = Value::parse(&SecretText::from(value.to_owned())).unwrap();
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    Entry::new(name(called), value, "api.github.com:443".into(), paths).unwrap()
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn told(error: VaultError) -> String {
    let told = format!("{error} {error:?}");
    assert!(!told.contains("hunter") && !told.contains("AGE-SECRET"), "{told}");
    told
}

#[test]
fn what_was_set_comes_back_and_what_is_listed_has_no_value() {
    let room = Room::new();
    let github = entry("github", SECRET, &["/repos/acme/**", "/user"]);
    assert!(!room.vault().set(&github).unwrap());
    let long = entry("long", &"\"\\".repeat(32 * 1024), &[]);
    assert!(!room.vault().set(&long).unwrap());
    assert_eq!(room.vault().get(&name("github")).unwrap(), github);
    assert_eq!(room.vault().get(&name("long")).unwrap(), long);
    let listed = room.vault().list().unwrap();
    assert_eq!(listed.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["github", "long"]);
    let bound = listed[0].bound.as_ref().unwrap();
    assert_eq!((bound.to.as_str(), bound.paths.as_slice()), ("api.github.com:443", github.paths()));
    assert!(bound.since > 1_700_000_000);
    assert!(!format!("{listed:?}").contains("hunter"));
}

#[test]
fn a_second_value_takes_the_first_ones_place() {
    let room = Room::new();
    room.vault().set(&entry("a", SECRET, &[])).unwrap();
    let key = fs::read(room.path("key")).unwrap();
    let other = entry("a", "another-value", &["/x"]);
    assert!(room.vault().set(&other).unwrap());
    assert_eq!(room.vault().get(&name("a")).unwrap(), other);
    assert_eq!((room.files(), fs::read(room.path("key")).unwrap()), (vec!["a.age".into(), "key".into()], key));
}

#[test]
fn what_lies_on_the_disk_is_the_owners_alone_and_says_nothing() {
    let room = Room::new();
    room.vault().set(&entry("a", SECRET, &["/repos/acme/**"])).unwrap();
    for (file, expected) in [("", 0o40700), ("key", 0o100_600), ("a.age", 0o100_600)] {
        let meta = fs::metadata(room.path(file)).unwrap();
        assert_eq!((meta.mode(), meta.uid()), (expected, rustix::process::geteuid().as_raw()), "{file}");
    }
    let sealed = fs::read(room.path("a.age")).unwrap();
    assert!(sealed.starts_with(b"age-encryption.org/v1\n"));
    for plain in ["hunter2", "github", "acme"] {
        assert!(!sealed.windows(plain.len()).any(|window| window == plain.as_bytes()), "{plain}");
    }
    // The key is one that age's own tools take.
    assert!(fs::read_to_string(room.path("key")).unwrap().starts_with("AGE-SECRET-KEY-1"));
}

#[test]
fn what_others_may_read_is_refused() {
    let room = Room::new();
    room.vault().set(&entry("a", SECRET, &[])).unwrap();
    for open in [0o640, 0o604, 0o660] {
        mode(&room.path("key"), open);
        let error = room.vault().get(&name("a")).unwrap_err();
        assert!(matches!(error, VaultError::Exposed { how: Exposure::Mode, .. }), "{error:?}");
        assert!(told(room.vault().set(&entry("b", SECRET, &[])).unwrap_err()).contains("vault/key"));
        assert!(room.vault().list().is_err());
    }
    mode(&room.path("key"), 0o600);
    for open in [0o750, 0o705, 0o711] {
        mode(&room.path(""), open);
        assert!(told(room.try_vault().err().unwrap()).contains("is open to its group or to others"));
    }
    mode(&room.path(""), 0o700);
    assert_eq!(room.vault().list().unwrap().len(), 1);
}

#[test]
fn what_belongs_to_somebody_else_is_refused() {
    let room = Room::new();
    room.vault().set(&entry("a", SECRET, &[])).unwrap();
    if !rustix::process::geteuid().is_root() {
        // An ordinary user can give nothing away, but what is root's is there to be tried.
        assert!(matches!(
            Vault::open(Path::new("/root")),
            Err(VaultError::Exposed { how: Exposure::Owner, .. } | VaultError::Host { .. })
        ));
        return;
    }
    let give = |file: &str, uid| std::os::unix::fs::chown(room.path(file), Some(uid), None).unwrap();
    give("key", 12_345);
    let error = room.vault().get(&name("a")).unwrap_err();
    assert!(matches!(error, VaultError::Exposed { how: Exposure::Owner, .. }), "{error:?}");
    give("key", 0);
    give("a.age", 12_345);
    assert_eq!(room.vault().list().unwrap()[0].bound, Err(Damage::Exposed(Exposure::Owner)));
    give("", 12_345);
    assert!(told(room.try_vault().err().unwrap()).contains("belongs to another user"));
}

#[test]
fn no_link_and_no_pipe_is_followed() {
    let room = Room::new();
    let elsewhere = Room::new();
    elsewhere.vault().set(&entry("a", SECRET, &[])).unwrap();
    room.vault();
    symlink(elsewhere.path("key"), room.path("key")).unwrap();
    let error = room.vault().set(&entry("b", SECRET, &[])).unwrap_err();
    assert!(matches!(error, VaultError::Exposed { how: Exposure::Kind, .. }), "{error:?}");
    fs::remove_file(room.path("key")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, room.path("key"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(matches!(room.vault().set(&entry("b", SECRET, &[])), Err(VaultError::Exposed { .. })));
    fs::remove_dir_all(room.path("")).unwrap();
    symlink(elsewhere.path(""), room.0.path().join("vault")).unwrap();
    assert!(matches!(room.try_vault(), Err(VaultError::Exposed { how: Exposure::Kind, .. })));
}

#[test]
fn what_a_crash_left_is_removed_and_stands_in_nobodys_way() {
    let room = Room::new();
    room.vault().set(&entry("a", SECRET, &[])).unwrap();
    let vault = room.vault();
    for left in ["a.age.new", "b.age.new", "key.new"] {
        fs::write(room.path(left), "half").unwrap();
    }
    assert!(vault.set(&entry("a", "another-value", &[])).unwrap());
    assert_eq!(room.files(), ["a.age", "key"]);
    fs::write(room.path("c.age.new"), "half").unwrap();
    assert_eq!(room.vault().list().unwrap().len(), 1);
    assert_eq!(room.files(), ["a.age", "key"]);
    // Before anything was whole: the key is made all the same.
    let fresh = Room::new();
    fresh.vault();
    fs::write(fresh.path("key.new"), "AGE-SECRET-KEY-1HALF").unwrap();
    fresh.vault().set(&entry("a", SECRET, &[])).unwrap();
    assert_eq!(fresh.files(), ["a.age", "key"]);
}

/// Who opens must not take away what somebody else is writing.
#[test]
fn who_writes_is_left_alone() {
    let room = Room::new();
    room.vault();
    let lock = fs::File::open(room.path("")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    fs::write(room.path("a.age.new"), "being written").unwrap();
    room.vault();
    assert_eq!(room.files(), ["a.age.new"]);
}

#[test]
fn a_damaged_secret_hides_no_other_and_can_be_removed() {
    let room = Room::new();
    for called in ["a", "b", "c", "d"] {
        room.vault().set(&entry(called, SECRET, &[])).unwrap();
    }
    let mut sealed = fs::read(room.path("a.age")).unwrap();
    *sealed.last_mut().unwrap() ^= 1;
    fs::write(room.path("a.age"), &sealed).unwrap();
    // Bound to what another name is for.
    fs::copy(room.path("d.age"), room.path("b.age")).unwrap();
    fs::write(room.path("c.age"), "").unwrap();
    fs::write(room.path("no name.age"), "").unwrap();
    let bounds: Vec<_> = room.vault().list().unwrap().into_iter().map(|one| one.bound.map(drop)).collect();
    assert_eq!(bounds, [Err(Damage::Sealed), Err(Damage::Content), Err(Damage::Sealed), Ok(())]);
    for called in ["a", "b", "c"] {
        assert!(told(room.vault().get(&name(called)).unwrap_err()).contains("cannot be used"));
        room.vault().remove(&name(called)).unwrap();
    }
    assert_eq!(room.vault().list().unwrap().len(), 1);
}

#[test]
fn what_is_removed_is_gone() {
    let room = Room::new();
    room.vault().set(&entry("a", SECRET, &[])).unwrap();
    room.vault().remove(&name("a")).unwrap();
    assert_eq!(room.files(), ["key"]);
    assert!(matches!(room.vault().get(&name("a")), Err(VaultError::Absent)));
    assert!(matches!(room.vault().remove(&name("a")), Err(VaultError::Absent)));
    assert!(room.vault().list().unwrap().is_empty());
}

#[test]
fn a_lost_or_damaged_key_is_not_replaced_in_silence() {
    let room = Room::new();
    room.vault().set(&entry("a", SECRET, &[])).unwrap();
    let key = fs::read(room.path("key")).unwrap();
    fs::write(room.path("key"), "AGE-SECRET-KEY-1HUNTER").unwrap();
    assert!(told(room.vault().list().unwrap_err()).contains("holds no key"));
    fs::remove_file(room.path("key")).unwrap();
    for refused in [room.vault().set(&entry("b", SECRET, &[])).err(), room.vault().list().err()] {
        assert!(matches!(refused, Some(VaultError::KeyGone(_))), "{refused:?}");
    }
    assert_eq!(room.files(), ["a.age"]);
    fs::write(room.path("key"), key).unwrap();
    mode(&room.path("key"), 0o600);
    assert_eq!(room.vault().get(&name("a")).unwrap().value().expose(), SECRET);
    // Who gives them up begins anew.
    fs::remove_file(room.path("key")).unwrap();
    room.vault().remove(&name("a")).unwrap();
    assert!(!room.vault().set(&entry("a", SECRET, &[])).unwrap());
}

#[test]
fn the_number_of_secrets_is_bounded() {
    let room = Room::new();
    room.vault().set(&entry("a", SECRET, &[])).unwrap();
    for at in 1..256 {
        fs::copy(room.path("a.age"), room.path(&format!("b{at}.age"))).unwrap();
    }
    assert!(matches!(room.vault().set(&entry("c", SECRET, &[])), Err(VaultError::Full(256))));
    assert!(room.vault().set(&entry("a", "another-value", &[])).unwrap());
}

#[test]
fn all_who_write_at_once_are_kept_under_one_key() {
    let room = Room::new();
    std::thread::scope(|scope| {
        for at in 0..8 {
            let room = &room;
            scope.spawn(move || room.vault().set(&entry(&format!("s{at}"), SECRET, &[])).unwrap());
        }
    });
    let listed = room.vault().list().unwrap();
    assert!(listed.len() == 8 && listed.iter().all(|one| one.bound.is_ok()), "{listed:?}");
}
