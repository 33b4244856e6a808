//! Copies a file with its holes: a program inside can make one of any length that takes no room at all, and as bytes it would fill
//! the operator's disk.

use rustix::fs::SeekFrom;
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Seek, Write};

/// Copies the first `length` bytes, as far as the file goes, into an empty one.
///
/// # Errors
/// The kernel's.
pub(super) fn copy(from: &mut File, into: &mut File, length: u64) -> io::Result<()> {
    let (mut at, mut end) = (0, 0);
    while let Some((data, hole)) = data(from, at, length)? {
        from.seek(io::SeekFrom::Start(data))?;
        into.seek(io::SeekFrom::Start(data))?;
        let copied = io::copy(&mut (&mut *from).take(hole - data), into)?;
        end = data + copied;
        // It became shorter meanwhile.
        if copied < hole - data {
            break;
        }
        at = hole;
    }
    into.flush()?;
    let whole = from.metadata()?.len().min(length);
    into.set_len(whole.max(end.min(length)))
}

/// Where the next data begin and end; none where nothing but a hole is left.
fn data(from: &File, at: u64, length: u64) -> io::Result<Option<(u64, u64)>> {
    if at >= length {
        return Ok(None);
    }
    match rustix::fs::seek(from, SeekFrom::Data(at)) {
        Ok(data) if data < length => {
            let hole = rustix::fs::seek(from, SeekFrom::Hole(data))?.min(length);
            Ok((hole > data).then_some((data, hole)))
        }
        Ok(_) | Err(Errno::NXIO) => Ok(None),
        // A file system that knows no holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(Some((at, length))),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileExt, MetadataExt};

    #[test]
    fn a_hole_takes_no_room_and_data_arrive() {
        let length = 1 << 40;
        for marks in [&[][..], &[0], &[700 << 20, 900 << 30], &[length - 1], &[3, length + 5]] {
            let [mut from, mut into] = [(); 2].map(|()| tempfile::tempfile().expect("a file"));
            from.set_len(length).expect("sized");
            for mark in marks {
                from.write_all_at(b"x", *mark).expect("written");
            }
            copy(&mut from, &mut into, length).expect("copied");
            let meta = into.metadata().expect("there");
            assert!(meta.len() == length && meta.blocks() * 512 <= 1 << 20, "{} of {}", meta.blocks(), meta.len());
            for mark in marks.iter().filter(|mark| **mark < length) {
                let mut byte = [0];
                into.read_exact_at(&mut byte, *mark).expect("read");
                assert_eq!(&byte, b"x", "{mark}");
            }
        }
    }

    #[test]
    fn no_more_is_copied_than_was_there_at_first() {
        for (there, length, copied) in [(10, 4, 4), (10, 10, 10), (3, 10, 3), (0, 10, 0)] {
            let [mut from, mut into] = [(); 2].map(|()| tempfile::tempfile().expect("a file"));
            from.write_all_at(&vec![b'x'; there], 0).expect("written");
            copy(&mut from, &mut into, length).expect("copied");
            let mut bytes = Vec::new();
            into.rewind().and_then(|()| into.read_to_end(&mut bytes)).expect("read");
            assert_eq!(bytes, vec![b'x'; copied]);
        }
    }
}
