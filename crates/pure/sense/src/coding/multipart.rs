//! The bodies of a multipart body, joined: what stands between them is the sender's to choose.

/// Whether the bytes begin with a boundary and a head.
pub(super) fn looks(bytes: &[u8]) -> bool {
    let first = bytes.iter().take(80).position(|&byte| byte == b'\n').unwrap_or_default();
    bytes.starts_with(b"--") && first > 2 && bytes[first..].iter().take(80).any(|&byte| byte == b':')
}

/// The bodies, joined, without boundaries and heads.
pub(super) fn bodies(bytes: &[u8]) -> Vec<u8> {
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let boundary = lines.next().unwrap_or_default().trim_ascii_end();
    let (mut out, mut in_head) = (Vec::with_capacity(bytes.len()), true);
    for line in lines {
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
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_joined() {
        let text =
            b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none \r\n--b\r\nX: y\r\n\r\ntwo\r\n--b--\r\n";
        assert!(looks(text));
        assert_eq!(bodies(text), b"one two");
        assert!(!looks(b"-- a comment") && !looks(b"--"));
    }
}
