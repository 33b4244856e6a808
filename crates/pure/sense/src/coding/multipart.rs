//! The bodies of a multipart body, joined: what stands between them is the sender's to choose.

use super::signs::find;

/// How a part's head goes on after its boundary.
const HEAD: &[u8] = b"content-";

/// Undoes a multipart body: the bodies after its first boundary, joined, without boundaries and heads.
pub(super) fn bodies(bytes: &[u8]) -> Option<Vec<u8>> {
    let (begin, boundary) = boundary(bytes)?;
    let (mut out, mut in_head) = (Vec::with_capacity(bytes.len() - begin), true);
    for line in bytes[begin..].split_inclusive(|&byte| byte == b'\n').skip(1) {
        if line.starts_with(boundary) {
            in_head = true;
            // The line end before a boundary is the boundary's.
            let kept = out.strip_suffix(b"\r\n").or(out.strip_suffix(b"\n")).map_or(out.len(), <[u8]>::len);
            out.truncate(kept);
        } else if in_head {
            in_head = !line.trim_ascii().is_empty();
        } else {
            out.extend_from_slice(line);
        }
    }
    Some(out)
}

/// The first boundary and where it stands: what begins with `--` on the line before a head.
fn boundary(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut before = 0;
    while let Some(end) = find(&bytes[before..], b'\n').map(|end| before + end) {
        let head = bytes.get(end + 1..end + 1 + HEAD.len()).is_some_and(|next| next.eq_ignore_ascii_case(HEAD));
        let line = &bytes[before..end];
        if head && let Some(dashes) = line.windows(2).position(|two| two == b"--") {
            return Some((before + dashes, line[dashes..].trim_ascii_end())).filter(|(_, boundary)| boundary.len() > 2);
        }
        before = end + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_joined() {
        let text = b"To: a\n\n--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none \r\n--b\r\ncontent-X: y\r\n\r\ntwo\r\n--b--\r\n";
        assert_eq!(bodies(text).as_deref(), Some(&b"one two"[..]));
        assert_eq!(bodies(b"-- a comment\nContentment: no"), None);
        assert_eq!(bodies(b"--\ncontent-type: x"), None);
    }
}
