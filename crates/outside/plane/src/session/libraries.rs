//! The shared libraries that a program is linked with, and which of them lie where nothing comes in: the loader would
//! end the program inside, with words that name no remedy.
//!
//! The files are anybody's: all that is read is bounded, and what is not understood is left to the loader.

use std::cell::OnceCell;
use std::collections::{HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::locate::plain;
use super::paths::Paths;

/// Libraries of one program that are looked for. The rest is left to the loader.
const MOST_LIBRARIES: usize = 256;
/// Places that are looked at for all of them.
const MOST_LOOKS: usize = 16_384;
/// Directories of one search path.
const MOST_DIRECTORIES: usize = 64;
/// Segments of a program, entries of its dynamic section, and bytes of a name or search path.
const MOST_SEGMENTS: usize = 64;
const MOST_ENTRIES: usize = 1024;
const MOST_TEXT: usize = 4096;
/// Bytes of one file of the loader's configuration, and such files.
const MOST_CONFIGURATION: u64 = 64 * 1024;
const MOST_FILES: usize = 64;

/// Where every loader looks at last. A library there needs only what lies there, too, and is not looked into.
const SYSTEM: [&str; 5] = ["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"];

/// What a program or library says of itself to the loader.
#[derive(Debug, Default, PartialEq, Eq)]
struct Linked {
    machine: u16,
    needed: Vec<OsString>,
    /// Its own name, by which others may mean it.
    name: Option<OsString>,
    /// DT_RUNPATH, else DT_RPATH.
    search: Option<OsString>,
}

/// One that was found, with where its libraries are looked for.
struct Object {
    linked: Linked,
    search: Vec<PathBuf>,
    /// A part of its search path was not understood.
    unsure: bool,
}

/// Where a library is.
enum Found {
    /// Inside, and not looked into.
    System,
    Inside(Object),
    /// On the host alone.
    Outside(PathBuf, Object),
    Nowhere,
}

/// What one look for all libraries of a program holds.
struct Search {
    given: Vec<PathBuf>,
    configured: OnceCell<Vec<PathBuf>>,
    /// Places that may still be looked at.
    looks: usize,
}

/// The surroundings in which the loader will look.
pub(super) struct Loader<'s> {
    /// LD_LIBRARY_PATH, as it will be inside.
    pub(super) given: &'s str,
    /// The working directory.
    pub(super) directory: &'s Path,
    /// Where paths lead.
    pub(super) paths: &'s Paths,
    /// Whether a path is visible inside.
    pub(super) shows: &'s dyn Fn(&Path) -> bool,
}

impl Loader<'_> {
    /// The libraries of a program that are on this host and not inside, and those that these need in turn. Empty for
    /// what is no program of the machine's own kind.
    pub(super) fn out_of_reach(&self, program: &Path) -> Vec<PathBuf> {
        let Some(first) = self.object(program, None) else { return Vec::new() };
        let mut search = Search {
            given: directories(OsStr::new(&self.given.replace(';', ":")), None, self.directory).0,
            configured: OnceCell::new(),
            looks: MOST_LOOKS,
        };
        let (mut known, mut outside) = (HashSet::new(), Vec::new());
        let mut queue = VecDeque::from([first]);
        while let Some(object) = queue.pop_front() {
            for name in &object.linked.needed {
                if known.len() >= MOST_LIBRARIES || !known.insert(name.clone()) {
                    continue;
                }
                let found = match self.find(name, &object, &mut search) {
                    Found::System | Found::Nowhere => continue,
                    Found::Inside(found) => found,
                    Found::Outside(path, found) => {
                        outside.push(path);
                        found
                    }
                };
                known.extend(found.linked.name.clone());
                queue.push_back(found);
            }
        }
        outside
    }

    /// Looks for a library in the loader's order. One that is inside counts before one that is not, since that is the
    /// one which the loader will find.
    fn find(&self, name: &OsStr, by: &Object, search: &mut Search) -> Found {
        let written = name.as_bytes();
        if written.contains(&b'$') {
            return Found::Nowhere;
        }
        let path = written.contains(&b'/');
        let usual: Vec<PathBuf> = if path {
            vec![self.directory.to_owned()]
        } else {
            let multiarch = format!("{}-linux-gnu", std::env::consts::ARCH);
            let system = SYSTEM.iter().flat_map(|place| [PathBuf::from(place), Path::new(place).join(&multiarch)]);
            by.search.iter().chain(&search.given).cloned().chain(system).collect()
        };
        // Only what was not found so far costs a look at the loader's configuration.
        let last = || if path { &[] } else { search.configured.get_or_init(configured).as_slice() };
        let mut outside = None;
        for place in usual.iter().chain(std::iter::once_with(last).flatten()) {
            let Some(left) = search.looks.checked_sub(1) else { return Found::Nowhere };
            search.looks = left;
            let path = place.join(name);
            let Some(real) = self.paths.real(&path) else { continue };
            let shown = (self.shows)(&path) && (self.shows)(&real);
            if shown && SYSTEM.iter().any(|place| real.starts_with(place)) {
                return Found::System;
            }
            // Of another machine, it is passed over by the loader as well.
            let found = self.object(&path, Some(by)).filter(|one| one.linked.machine == by.linked.machine);
            match found {
                Some(found) if shown => return Found::Inside(found),
                Some(found) => drop(outside.get_or_insert((path, found))),
                None => {}
            }
        }
        match outside {
            Some((path, found)) if !by.unsure => Found::Outside(path, found),
            _ => Found::Nowhere,
        }
    }

    /// Reads one. What is searched for its own libraries is searched for those of its libraries as well: so musl does,
    /// and glibc for DT_RPATH; to look there too refuses nothing that would have started.
    fn object(&self, path: &Path, by: Option<&Object>) -> Option<Object> {
        let linked = read(path)?;
        let (mut search, mut unsure) = match &linked.search {
            Some(text) => directories(text, path.parent(), self.directory),
            None => (Vec::new(), false),
        };
        if let Some(by) = by {
            search.extend(by.search.iter().filter(|place| !search.contains(place)).cloned().collect::<Vec<_>>());
            search.truncate(MOST_DIRECTORIES);
            unsure |= by.unsure;
        }
        Some(Object { linked, search, unsure })
    }
}

/// The directories of a search path, and whether one of them was not understood.
fn directories(text: &OsStr, origin: Option<&Path>, directory: &Path) -> (Vec<PathBuf>, bool) {
    let (mut found, mut unsure) = (Vec::new(), false);
    for part in text.as_bytes().split(|&byte| byte == b':').filter(|part| !part.is_empty()).take(MOST_DIRECTORIES) {
        let rest = part.strip_prefix(b"$ORIGIN").or_else(|| part.strip_prefix(b"${ORIGIN}"));
        let place = match (rest, origin) {
            (Some(rest), Some(origin)) if rest.is_empty() || rest[0] == b'/' => {
                let mut place = origin.as_os_str().to_owned();
                place.push(OsStr::from_bytes(rest));
                PathBuf::from(place)
            }
            // Not from a program's own directory, but from the one it is started in.
            _ => directory.join(OsStr::from_bytes(part)),
        };
        if place.as_os_str().as_bytes().contains(&b'$') {
            unsure = true;
        } else {
            found.push(plain(&place));
        }
    }
    (found, unsure)
}

/// The directories that the host's /etc/ld.so.conf names, and the files that it includes.
fn configured() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let included = fs::read_dir("/etc/ld.so.conf.d").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = included.filter(|path| path.extension().is_some_and(|end| end == "conf")).collect();
    files.sort_unstable();
    for file in std::iter::once(PathBuf::from("/etc/ld.so.conf")).chain(files).take(MOST_FILES) {
        let small = fs::metadata(&file).is_ok_and(|meta| meta.is_file() && meta.len() <= MOST_CONFIGURATION);
        let text = if small { fs::read_to_string(&file).unwrap_or_default() } else { String::new() };
        found.extend(text.lines().map(str::trim).filter(|line| line.starts_with('/')).map(PathBuf::from));
    }
    found.truncate(MOST_DIRECTORIES);
    found
}

/// Reads the dynamic section of a 64-bit program or library; none for what is neither.
fn read(path: &Path) -> Option<Linked> {
    // A FIFO that took the file's place meanwhile must not hold us up.
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).ok()?;
    let file = File::options().read(true).custom_flags(flags).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    linked(&|at, size| {
        let mut bytes = vec![0; size];
        let read = file.read_at(&mut bytes, at).ok()?;
        bytes.truncate(read);
        Some(bytes)
    })
}

/// A part of a program: where it lies in memory and in the file.
struct Segment {
    kind: u64,
    offset: u64,
    address: u64,
    size: u64,
}

/// The same, from what `bytes` gives: as many as are there, of those that are asked for at a place.
fn linked(bytes: &dyn Fn(u64, usize) -> Option<Vec<u8>>) -> Option<Linked> {
    const LOADED: u64 = 1;
    const DYNAMIC: u64 = 2;
    const PROGRAM_HEADER: usize = 56;
    const ENTRY: usize = 16;
    let head = bytes(0, 64)?;
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (table, size, count) = (number(&head, 32, 8)?, number(&head, 54, 2)?, number(&head, 56, 2)?);
    if size != PROGRAM_HEADER as u64 {
        return None;
    }
    let table = bytes(table, PROGRAM_HEADER * usize::try_from(count).ok()?.min(MOST_SEGMENTS))?;
    let segment = |one: &[u8]| {
        let (kind, offset) = (number(one, 0, 4)?, number(one, 8, 8)?);
        Some(Segment { kind, offset, address: number(one, 16, 8)?, size: number(one, 32, 8)? })
    };
    let segments: Vec<Segment> = table.chunks_exact(PROGRAM_HEADER).filter_map(segment).collect();
    let dynamic = segments.iter().find(|segment| segment.kind == DYNAMIC)?;
    let size = usize::try_from(dynamic.size).ok()?.min(MOST_ENTRIES * ENTRY);
    let dynamic = bytes(dynamic.offset, size)?;
    let entries = dynamic.chunks_exact(ENTRY).map_while(|one| Some((number(one, 0, 8)?, number(one, 8, 8)?)));
    let entries: Vec<(u64, u64)> = entries.take_while(|(tag, _)| *tag != 0).collect();
    let first = |wanted: u64| entries.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value);
    // The names lie at an address, which is a place in the file by the segment that is loaded there.
    let strings = first(5)?;
    let within =
        |one: &&Segment| one.kind == LOADED && strings.checked_sub(one.address).is_some_and(|at| at < one.size);
    let loaded = segments.iter().find(within)?;
    let strings = loaded.offset.checked_add(strings - loaded.address)?;
    let text = |at: u64| {
        let text = bytes(strings.checked_add(at)?, MOST_TEXT)?;
        let end = text.iter().position(|&byte| byte == 0)?;
        (end > 0).then(|| OsString::from_vec(text[..end].to_vec()))
    };
    let needed = entries.iter().filter(|(tag, _)| *tag == 1).take(MOST_LIBRARIES);
    Some(Linked {
        machine: u16::try_from(number(&head, 18, 2)?).ok()?,
        needed: needed.filter_map(|(_, at)| text(*at)).collect(),
        name: first(14).and_then(text),
        search: first(29).or_else(|| first(15)).and_then(text),
    })
}

/// A number as a program writes it, the lowest byte first.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(size)?)?;
    Some(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn gcc(directory: &Path, arguments: &[&str]) {
        let made = Command::new("gcc").current_dir(directory).args(arguments).status().expect("gcc");
        assert!(made.success(), "{arguments:?}");
    }

    /// `tools/tool` needs `libfirst.so` in `first`, which needs `libsecond.so.2` in `second`, a link into `real`.
    fn tool(room: &Path) -> PathBuf {
        for directory in ["tools", "first", "second", "real"] {
            fs::create_dir(room.join(directory)).expect("made");
        }
        let text = "int second(void) { return 7; }\n";
        fs::write(room.join("second.c"), text).expect("written");
        fs::write(room.join("first.c"), "int second(void); int first(void) { return second(); }\n").expect("written");
        fs::write(room.join("tool.c"), "int first(void); int main(void) { return first(); }\n").expect("written");
        let soname = "-Wl,-soname,libsecond.so.2";
        gcc(room, &["-shared", "-fPIC", "-o", "real/libsecond.so.2.1", "second.c", soname]);
        std::os::unix::fs::symlink("../real/libsecond.so.2.1", room.join("second/libsecond.so.2")).expect("linked");
        let (new, old) =
            ("-Wl,--enable-new-dtags,-rpath,$ORIGIN/../second", "-Wl,--disable-new-dtags,-rpath,$ORIGIN/../first");
        gcc(room, &["-shared", "-fPIC", "-o", "first/libfirst.so", "first.c", "second/libsecond.so.2", new]);
        gcc(room, &["-o", "tools/tool", "tool.c", "-Lfirst", "-lfirst", "-Wl,--allow-shlib-undefined", old]);
        room.join("tools/tool")
    }

    const NONE: [PathBuf; 0] = [];

    fn out_of_reach(program: &Path, given: &str, shown: &[PathBuf]) -> Vec<PathBuf> {
        let system = ["/usr", "/lib", "/lib64"].map(PathBuf::from);
        let shows = |path: &Path| system.iter().chain(shown).any(|tree| path.starts_with(tree));
        Loader { given, directory: Path::new("/"), paths: &Paths::default(), shows: &shows }.out_of_reach(program)
    }

    #[test]
    fn libraries_are_found_as_the_loader_finds_them() {
        let room = tempfile::tempdir().expect("a directory");
        let room = room.path().canonicalize().expect("real");
        let tool = tool(&room);
        assert_eq!(Command::new(&tool).status().expect("runs").code(), Some(7), "the loader's own word");
        let (first, second) = (room.join("first/libfirst.so"), room.join("second/libsecond.so.2"));
        assert_eq!(out_of_reach(&tool, "", &[]), [first.clone(), second.clone()]);
        assert_eq!(out_of_reach(&tool, "", &[room.join("first")]), std::slice::from_ref(&second));
        // A link is of no use without what it leads to.
        assert_eq!(out_of_reach(&tool, "", &[room.join("first"), room.join("second")]), [second]);
        assert_eq!(out_of_reach(&tool, "", std::slice::from_ref(&room)), NONE);
        // One that is inside serves, wherever another one is.
        fs::create_dir(room.join("inside")).expect("made");
        for library in ["first/libfirst.so", "second/libsecond.so.2"] {
            let name = Path::new(library).file_name().expect("a name");
            fs::copy(room.join(library), room.join("inside").join(name)).expect("copied");
        }
        let inside = room.join("inside");
        assert_eq!(out_of_reach(&tool, "", std::slice::from_ref(&inside)).len(), 2);
        assert_eq!(out_of_reach(&tool, &inside.to_string_lossy(), std::slice::from_ref(&inside)), NONE);
        // What is on no path is the loader's to tell.
        fs::remove_file(&first).expect("removed");
        assert_eq!(out_of_reach(&tool, "", &[]), NONE);
    }

    #[test]
    fn what_is_no_program_or_lies_needs_nothing() {
        let room = tempfile::tempdir().expect("a directory");
        let file = room.path().join("file");
        for content in
            [&b""[..], b"#!/bin/sh", b"\x7fELF\x02\x01", &[b"\x7fELF\x02\x01".as_slice(), &[255; 100]].concat()]
        {
            fs::write(&file, content).expect("written");
            assert_eq!(read(&file), None);
        }
        rustix::fs::mkfifoat(rustix::fs::CWD, room.path().join("fifo"), 0o600.into()).expect("made");
        assert_eq!(read(&room.path().join("fifo")), None);
        assert_eq!(read(room.path()), None);
        let (text, origin) = ("$ORIGIN:${ORIGIN}/x:/a/$LIB:b::$ORIGINAL", Path::new("/o"));
        let (found, unsure) = directories(OsStr::new(text), Some(origin), Path::new("/w"));
        assert_eq!(found, ["/o", "/o/x", "/w/b"].map(PathBuf::from));
        assert!(unsure);
    }

    proptest::proptest! {
        /// A program of somebody else's making, with any words in its headers, is read to an end within bounds.
        #[test]
        fn any_headers_are_read_or_refused(changes in proptest::collection::vec((0_usize..0x400, 0_u8..), 0..12)) {
            let mut file = fs::read("/bin/true").expect("a program");
            for (at, byte) in changes {
                file[at] = byte;
            }
            let read = linked(&|at, size| {
                assert!(size <= 64 * 1024, "{size}");
                let at = usize::try_from(at).ok()?.min(file.len());
                Some(file[at..file.len().min(at + size)].to_vec())
            });
            if let Some(read) = read {
                proptest::prop_assert!(read.needed.len() <= MOST_LIBRARIES);
                proptest::prop_assert!(read.needed.iter().all(|name| !name.is_empty() && name.len() < MOST_TEXT));
            }
        }
    }
}
