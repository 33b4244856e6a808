use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use rustix::fs::XattrFlags;

use super::*;

struct Room {
    room: tempfile::TempDir,
}

impl Room {
    fn new(files: &[(&str, &str)]) -> Room {
        let room = Room { room: tempfile::tempdir().expect("a directory") };
        for part in ["lower", "upper", "into"] {
            fs::create_dir(room.at(part)).expect("made");
        }
        files.iter().for_each(|(path, text)| room.write(path, text));
        room
    }

    fn at(&self, path: &str) -> PathBuf {
        self.room.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    }

    fn mark(&self, path: &str, mark: &str, value: &[u8]) {
        let name = format!("user.overlay.{mark}");
        rustix::fs::setxattr(self.at(path), name.as_str(), value, XattrFlags::empty()).expect("marked");
    }

    fn copy(&self, granted: &[(&str, bool)], left_out: &[&str]) -> Result<Copied, Error> {
        let granted: Vec<(PathBuf, bool)> = granted.iter().map(|(path, write)| (path.into(), *write)).collect();
        let left_out: Vec<PathBuf> = left_out.iter().map(PathBuf::from).collect();
        let (lower, upper) = (self.at("lower"), self.at("upper"));
        View::open((&lower, Some(&upper)), &self.at("into"), &granted, &left_out)?.copy()
    }

    /// Every file of the copy with its text, and links with where they point.
    fn copied(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut open = vec![self.at("into")];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(&directory).expect("listed").flatten() {
                let name = entry.path().strip_prefix(self.at("into")).expect("below").to_string_lossy().into_owned();
                let kind = entry.file_type().expect("a kind");
                if kind.is_dir() {
                    open.push(entry.path());
                } else if kind.is_symlink() {
                    let to = fs::read_link(entry.path()).expect("a link");
                    found.push((name, format!("-> {}", to.display())));
                } else {
                    found.push((name, fs::read_to_string(entry.path()).expect("read")));
                }
            }
        }
        found.sort();
        found
    }
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn the_copy_is_what_the_cell_sees_of_what_was_granted() {
    let room = Room::new(&[
        ("lower/src/a", "old"),
        ("lower/src/b", "kept"),
        ("lower/src/gone", "x"),
        ("lower/src/deep/c", "below"),
        ("lower/src/anew/hidden", "x"),
        ("lower/private/key", "x"),
        ("upper/src/a", "new"),
        ("upper/src/gone", ""),
        ("upper/src/anew/d", "made"),
        ("upper/other", "x"),
    ]);
    room.mark("upper/src/gone", "whiteout", b"");
    room.mark("upper/src/anew", "opaque", b"y");
    symlink("../private/key", room.at("lower/src/link")).expect("a link");
    let copied = room.copy(&[("src", true)], &["src/deep"]).expect("copied");
    let expected =
        pairs(&[("src/a", "new"), ("src/anew/d", "made"), ("src/b", "kept"), ("src/link", "-> ../private/key")]);
    assert_eq!(room.copied(), expected);
    assert_eq!((copied.missing, copied.left), (Vec::new(), 0));
}

/// What a session made and what it called things are its words; what it only touched, or has from the original, are not.
#[test]
fn what_the_cell_made_is_told_from_what_it_found() {
    let room = Room::new(&[
        ("lower/src/a", "old"),
        ("lower/src/touched", "same"),
        ("lower/src/b", "kept"),
        ("upper/src/a", "new"),
        ("upper/src/touched", "same"),
        ("upper/src/made/c", "made"),
        ("upper/out/d", "not granted"),
    ]);
    symlink("words that lead nowhere", room.at("upper/src/way")).expect("a link");
    let mut copied = room.copy(&[("src", true)], &[]).expect("copied");
    copied.made.sort();
    copied.named.sort();
    assert_eq!(copied.made, [Path::new("src/a"), Path::new("src/made/c")]);
    assert_eq!(copied.named, ["c", "made", "way", "words that lead nowhere"]);
}

#[test]
fn a_grant_that_is_a_link_or_behind_one_or_hidden_is_none() {
    let room =
        Room::new(&[("lower/real/a", "x"), ("lower/secret/b", "x"), ("upper/real/gone", ""), ("lower/real/gone", "x")]);
    room.mark("upper/real/gone", "whiteout", b"");
    symlink("real", room.at("lower/way")).expect("a link");
    symlink("/etc/passwd", room.at("upper/out")).expect("a link");
    let wished =
        [("way", false), ("way/a", false), ("out", false), ("secret/b", false), ("none", false), ("real/gone", false)];
    let copied = room.copy(&wished, &["secret"]).expect("copied");
    let mut missing: Vec<_> = copied.missing.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    missing.sort();
    assert_eq!(missing, ["none", "out", "real/gone", "secret/b", "way", "way/a"]);
    assert_eq!(room.copied(), []);
}

#[test]
fn what_is_only_to_be_read_is_closed_and_the_nearest_grant_counts() {
    let room = Room::new(&[("lower/a/b/c", "x"), ("lower/a/d", "x")]);
    room.copy(&[("a", false), ("a/b", true)], &[]).expect("copied");
    let mode = |path: &str| fs::metadata(room.at(path)).expect("there").permissions().mode() & 0o222;
    assert_eq!((mode("into/a/d"), mode("into/a")), (0, 0));
    assert!(mode("into/a/b/c") != 0 && mode("into/a/b") != 0);
    let granted = [("a".into(), false), ("a/b".into(), true)];
    for (path, may) in [("a", false), ("a/d", false), ("a/b", true), ("a/b/c", true), ("ab", false), ("", false)] {
        assert_eq!(writable(&granted, Path::new(path)), may, "{path}");
    }
    // So that it can be removed by who made it.
    fs::set_permissions(room.at("into/a"), fs::Permissions::from_mode(0o755)).expect("opened");
}

#[test]
fn no_bit_that_lends_a_right_comes_along() {
    let room = Room::new(&[("lower/tool", "x")]);
    fs::set_permissions(room.at("lower/tool"), fs::Permissions::from_mode(0o4755)).expect("set");
    room.copy(&[("", true)], &[]).expect("copied");
    assert_eq!(fs::metadata(room.at("into/tool")).expect("there").permissions().mode() & 0o7777, 0o755);
}
