//! Compressed bytes and archives. Checksums are zero: no reader has to look at them.

use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

pub(crate) fn deflate(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, 6)
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let head = b"\x1f\x8b\x08\x08\0\0\0\0\0\x03notes.txt\0";
    let (sum, size) = (checksum(bytes).to_le_bytes(), (bytes.len() as u32).to_le_bytes());
    [head, &deflate(bytes)[..], &sum, &size].concat()
}

/// CRC-32, as gzip has it.
fn checksum(bytes: &[u8]) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
    !bytes.iter().fold(!0, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum)))
}

/// A stream of members that are each too short to say anything.
pub(crate) fn gzip_members(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(24).flat_map(gzip).collect()
}

/// Without its last bytes, as a stream that was broken off: none of the text was in those.
pub(crate) fn gzip_cut_off(bytes: &[u8]) -> Vec<u8> {
    let mut whole = gzip(&[bytes, b"..."].concat());
    whole.truncate(whole.len() - 9);
    whole
}

pub(crate) fn zlib(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec_zlib(bytes, 6)
}

/// A stream in a document, as PDF holds them.
pub(crate) fn zlib_within(bytes: &[u8]) -> Vec<u8> {
    [b"%PDF-1.7\n1 0 obj << /Filter /FlateDecode >>\nstream\n", &zlib(bytes)[..], b"\nendstream\n"].concat()
}

fn local_file(method: u16, packed: &[u8], size: usize) -> Vec<u8> {
    let mut out = b"PK\x03\x04\x14\0\0\0".to_vec();
    out.extend_from_slice(&method.to_le_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&(packed.len() as u32).to_le_bytes());
    out.extend_from_slice(&(size as u32).to_le_bytes());
    out.extend_from_slice(b"\x08\0\0\0memo.txt");
    out.extend_from_slice(packed);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    out
}

pub(crate) fn zip(bytes: &[u8]) -> Vec<u8> {
    local_file(8, &deflate(bytes), bytes.len())
}

pub(crate) fn zip_stored(bytes: &[u8]) -> Vec<u8> {
    local_file(0, bytes, bytes.len())
}

/// What is deflated, said to be stored: readers believe the list at the end of an archive.
#[allow(dead_code, reason = "not every program of tests lies")]
pub(crate) fn zip_that_lies(bytes: &[u8], method: u16) -> Vec<u8> {
    local_file(method, &deflate(bytes), bytes.len())
}

pub(crate) fn tar(bytes: &[u8]) -> Vec<u8> {
    let mut out = b"notes/memo.txt".to_vec();
    out.resize(100, 0);
    out.extend_from_slice(b"0000644\x000001750\x000001750\0");
    out.extend_from_slice(format!("{:011o}\x0014710000000\x00012345\x00 0", bytes.len()).as_bytes());
    out.resize(257, 0);
    out.extend_from_slice(b"ustar\x0000");
    out.resize(512, 0);
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(512) + 1024, 0);
    out
}

/// A push of two files, the second of which is the text.
pub(crate) fn git_pack(bytes: &[u8]) -> Vec<u8> {
    let mut out = b"0094 refs/heads/main\0report-status\n0000PACK\0\0\0\x02\0\0\0\x02".to_vec();
    for object in [b"fn main() {}\n", bytes] {
        // A blob; its size in groups of four and then seven bits.
        let mut size = object.len() >> 4;
        out.push(0x30 | (object.len() & 15) as u8 | if size > 0 { 0x80 } else { 0 });
        while size > 0 {
            out.push((size & 127) as u8 | if size > 127 { 0x80 } else { 0 });
            size >>= 7;
        }
        out.extend_from_slice(&zlib(object));
    }
    out.extend_from_slice(&[7; 20]);
    out
}
