//! Checks a copy of an object: it must be what its name says, or it is not imported.

use super::super::{Tree, seal};
use super::pack;
use flate2::read::ZlibDecoder;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::PathBuf;

/// Largest object, inflated: a few bytes can inflate to a thousand times as many.
pub(super) const LARGEST: u64 = 1 << 30;

/// What a copy must be.
#[derive(Clone, Debug)]
pub(in super::super) enum Object {
    /// A loose object of this name.
    Loose(String),
    /// A pack whose trailer is right; the string is its name's hash.
    Pack(String),
    /// The index of the pack that was staged here: every object in it is resolved and hashed.
    Index(PathBuf),
}

impl Object {
    /// Whether the copy is what it must be.
    pub(in super::super) fn check(&self, copy: &mut File, lower: &Tree) -> bool {
        if copy.rewind().is_err() {
            return false;
        }
        match self {
            Self::Loose(name) => loose(copy, name),
            Self::Pack(hash) => pack::whole(copy, hash.len() / 2),
            Self::Index(staged) => lower.file(staged).is_ok_and(|pack| pack::verify(copy, &pack).is_some()),
        }
    }
}

fn loose(copy: &mut File, name: &str) -> bool {
    let mut inflated = BufReader::new(ZlibDecoder::new(&mut *copy));
    let Some((header, size)) = header(&mut inflated) else { return false };
    let mut hash = Hash::new(name.len() / 2);
    hash.update(&header);
    let (mut read, mut block) = (0, vec![0; 64 << 10]);
    loop {
        match inflated.read(&mut block) {
            Ok(0) => return read == size && seal::hex(&hash.finish()) == name && at_end(inflated),
            Ok(n) => {
                read += n as u64;
                hash.update(&block[..n]);
                if read > size {
                    return false;
                }
            }
            Err(_) => return false,
        }
    }
}

/// Nothing may follow the compressed stream.
fn at_end(inflated: BufReader<ZlibDecoder<&mut File>>) -> bool {
    let decoder = inflated.into_inner();
    let taken = decoder.total_in();
    decoder.into_inner().metadata().is_ok_and(|stat| stat.len() == taken)
}

/// Reads `TYPE SIZE\0`.
pub(super) fn header(from: &mut impl Read) -> Option<(Vec<u8>, u64)> {
    let mut header = Vec::new();
    while header.last() != Some(&0) {
        let mut byte = [0];
        from.read_exact(&mut byte).ok()?;
        header.push(byte[0]);
        if header.len() > 32 {
            return None;
        }
    }
    let text = std::str::from_utf8(&header[..header.len() - 1]).ok()?;
    let (kind, size) = text.split_once(' ')?;
    let size = size.parse().ok().filter(|size| *size <= LARGEST)?;
    ["commit", "tree", "blob", "tag"].contains(&kind).then_some((header, size))
}

/// SHA-1 or SHA-256, as the repository uses.
pub(super) enum Hash {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hash {
    pub(super) fn new(bytes: usize) -> Self {
        if bytes == 32 { Self::Sha256(Sha256::new()) } else { Self::Sha1(Sha1::new()) }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hash) => hash.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha1(hash) => hash.finalize().to_vec(),
            Self::Sha256(hash) => hash.finalize().to_vec(),
        }
    }
}
