//! What stood at a path at one moment: the only way to see later that it changed.

use super::beneath::absent;
use super::{Error, Tree, io, seal};
use rustix::fs::{FileType, OFlags, SeekFrom, Stat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What kind of thing stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Node {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, socket or FIFO.
    Special,
}

/// Seconds and nanoseconds.
pub type Time = (i64, u64);

/// What a path looked like at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The kind of thing.
    pub node: Node,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Owner's user and group id.
    pub owner: (u32, u32),
    /// Modification time.
    pub mtime: Time,
    /// Change time, which no user can set.
    pub ctime: Time,
    /// Size in bytes.
    pub size: u64,
    /// Inode number.
    pub ino: u64,
    /// SHA-256 of a file's content or a link's target; `None` where only stat was taken.
    #[serde(with = "seal::hash", default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<[u8; 32]>,
}

impl Stamp {
    /// Takes the stamp of a path; `hash` reads a file's content too. `None` if nothing stands there.
    pub fn take(tree: &Tree, path: &Path, hash: bool) -> Result<Option<Self>, Error> {
        let Some((fd, stat)) = tree.stat(path)? else { return Ok(None) };
        let mut stamp = Self::of(&stat);
        stamp.sha256 = match stamp.node {
            Node::File if hash => match sum(tree, path) {
                Err(Error::Io { source, .. }) if absent(&source) => return Ok(None),
                other => Some(other?),
            },
            Node::Symlink => {
                let target = rustix::fs::readlinkat(&fd, "", Vec::new()).map_err(io("read link", path))?;
                Some(Sha256::digest(target.as_bytes()).into())
            }
            _ => None,
        };
        Ok(Some(stamp))
    }

    /// The stamp that a stat gives, without a hash.
    pub(super) fn of(stat: &Stat) -> Self {
        let node = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Node::File,
            FileType::Directory => Node::Directory,
            FileType::Symlink => Node::Symlink,
            _ => Node::Special,
        };
        Self {
            node,
            mode: stat.st_mode & 0o7777,
            owner: (stat.st_uid, stat.st_gid),
            mtime: (stat.st_mtime, stat.st_mtime_nsec),
            ctime: (stat.st_ctime, stat.st_ctime_nsec),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            ino: stat.st_ino,
            sha256: None,
        }
    }

    /// The mode that a merge gives: others' write bits and the special ones only where the original has them.
    pub(super) fn arriving(&self, before: Option<&Self>) -> u32 {
        const RISKY: u32 = 0o7022;
        let had = before.filter(|before| before.node == self.node).map_or(0, |before| before.mode & RISKY);
        let inherited = if self.node == Node::Directory { had & 0o2000 } else { 0 };
        if self.node == Node::Symlink { self.mode } else { (self.mode & !RISKY) | (self.mode & had) | inherited }
    }

    /// The stamp of a file of ours that is yet to be written with this content.
    pub(super) fn of_content(bytes: &[u8], mode: u32) -> Self {
        let sha256 = Some(Sha256::digest(bytes).into());
        let size = bytes.len() as u64;
        Self { node: Node::File, mode, owner: (0, 0), mtime: (0, 0), ctime: (0, 0), size, ino: 0, sha256 }
    }

    /// Whether a later stamp shows the same thing: same times on the same inode. A directory's times change with
    /// its entries, and those are judged one by one.
    pub fn same(&self, later: &Self) -> bool {
        let stat = |s: &Self| (s.mtime, s.ctime, s.size, s.ino);
        self.node == later.node
            && self.mode == later.mode
            && (self.node == Node::Directory || stat(self) == stat(later))
    }

    /// Whether a later stamp shows the same thing under another name: renaming sets the change time.
    pub(super) fn renamed(&self, later: &Self) -> bool {
        self.same(&Self { ctime: self.ctime, ..later.clone() })
    }
}

/// Whether both see the same, or both nothing.
pub(super) fn unchanged(then: Option<&Stamp>, now: Option<&Stamp>) -> bool {
    match (then, now) {
        (None, None) => true,
        (Some(then), Some(now)) => then.same(now),
        _ => false,
    }
}

/// Hashes a file's content.
pub(super) fn sum(tree: &Tree, path: &Path) -> Result<[u8; 32], Error> {
    let fd = tree.at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY)?;
    let mut file = File::from(fd);
    digest(&mut file, path)
}

/// Hashes what a file holds from where it stands: its SHA-256, but for one with a long run of zeros. Such runs cost nobody
/// who makes them anything, so they cost nothing here either, see [`Sum`].
pub(super) fn digest(file: &mut File, path: &Path) -> Result<[u8; 32], Error> {
    let (mut sum, mut block) = (Sum::default(), vec![0; BLOCK]);
    loop {
        // Where there are zeros, there may be a hole: that is not read.
        if sum.zeros > 0 {
            sum.zeros += hole(file).map_err(io("read", path))?;
        }
        match fill(file, &mut block).map_err(io("read", path))? {
            0 => return Ok(sum.finish()),
            n => sum.take(&block[..n]),
        }
    }
}

/// The same of content that is in memory.
pub(super) fn digest_of(bytes: &[u8]) -> [u8; 32] {
    let mut sum = Sum::default();
    bytes.chunks(BLOCK).for_each(|block| sum.take(block));
    sum.finish()
}

/// Zeros are looked for in whole blocks of this size.
pub(super) const BLOCK: usize = 64 << 10;
/// So many of them one after the other are a long run.
const LONG: u64 = 4;

/// A hash of content, whatever of it lies on the disk as a hole. Long runs of zeros are left out, and hashed by their places
/// beside the rest; what comes of that is turned over, so that no file without them has the same.
#[derive(Default)]
struct Sum {
    rest: Sha256,
    runs: Option<Sha256>,
    /// Blocks before this one.
    place: u64,
    /// Blocks of zeros that ended just now.
    zeros: u64,
}

impl Sum {
    fn take(&mut self, block: &[u8]) {
        if block.len() == BLOCK && block.iter().all(|byte| *byte == 0) {
            self.zeros += 1;
        } else {
            self.end_run();
            self.rest.update(block);
            self.place += 1;
        }
    }

    fn end_run(&mut self) {
        let zeros = std::mem::take(&mut self.zeros);
        if zeros >= LONG {
            let runs = self.runs.get_or_insert_default();
            runs.update(self.place.to_le_bytes());
            runs.update(zeros.to_le_bytes());
        } else {
            (0..zeros).for_each(|_| self.rest.update([0; BLOCK]));
        }
        self.place += zeros;
    }

    fn finish(mut self) -> [u8; 32] {
        self.end_run();
        let rest: [u8; 32] = self.rest.finalize().into();
        match self.runs {
            None => rest,
            Some(runs) => {
                let whole: [u8; 32] = Sha256::new().chain_update(rest).chain_update(runs.finalize()).finalize().into();
                whole.map(|byte| !byte)
            }
        }
    }
}

/// Goes over the whole blocks of a hole in which the file stands; gives how many.
pub(super) fn hole(file: &File) -> std::io::Result<u64> {
    let here = rustix::fs::seek(file, SeekFrom::Current(0))?;
    let data = match rustix::fs::seek(file, SeekFrom::Data(here)) {
        Ok(data) => data,
        // None is left.
        Err(Errno::NXIO) => rustix::fs::seek(file, SeekFrom::End(0))?,
        // The file system does not tell.
        Err(_) => here,
    };
    let blocks = data.saturating_sub(here) / BLOCK as u64;
    rustix::fs::seek(file, SeekFrom::Start(here + blocks * BLOCK as u64))?;
    Ok(blocks)
}

/// Reads as much as fits, or is left.
fn fill(file: &mut File, block: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match file.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, Write};

    fn made(write: impl Fn(&mut File)) -> [u8; 32] {
        let mut file = tempfile::tempfile().expect("a file");
        write(&mut file);
        file.rewind().expect("rewound");
        digest(&mut file, Path::new("x")).expect("read")
    }

    #[test]
    fn without_long_runs_of_zeros_it_is_the_sha_256() {
        let zeros = vec![0; BLOCK * (usize::try_from(LONG).expect("small") - 1)];
        let all = [b"".to_vec(), b"x".to_vec(), vec![7; 3 * BLOCK + 5], [&zeros[..], b"x", &zeros].concat(), zeros];
        for content in all {
            let sum = made(|file| file.write_all(&content).expect("written"));
            assert_eq!(sum, <[u8; 32]>::from(Sha256::digest(content)));
        }
    }

    #[test]
    fn a_hole_is_what_zeros_are_and_where_it_lies_counts() {
        let size = 9 * BLOCK as u64 + 100;
        let sparse = |at: u64, size: u64| {
            made(move |file| {
                file.set_len(size).expect("sized");
                file.seek(std::io::SeekFrom::Start(at)).and_then(|_| file.write_all(b"x")).expect("written");
            })
        };
        let dense = |at: usize| {
            let mut content = vec![0; usize::try_from(size).expect("small")];
            content[at] = b'x';
            made(|file| file.write_all(&content).expect("written"))
        };
        let places = [0, BLOCK - 1, BLOCK, 5 * BLOCK + 1, 9 * BLOCK + 99];
        let sums = places.map(|at| sparse(at as u64, size));
        assert_eq!(sums, places.map(dense));
        let mut all: Vec<_> = sums.into_iter().chain([sparse(0, size + 1), sparse(0, size + BLOCK as u64)]).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), places.len() + 2);
    }

    #[test]
    fn what_costs_nothing_on_the_disk_costs_no_time() {
        let since = std::time::Instant::now();
        made(|file| file.set_len(1 << 40).expect("sized"));
        assert!(since.elapsed() < std::time::Duration::from_secs(5));
    }
}
