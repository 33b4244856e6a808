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

/// Whether a line may begin like a head; with `edits` over one of those places. Many bytes are looked at together: hardly any text has
/// one.
pub(super) fn has_head(bytes: &[u8], edits: Option<&[usize]>) -> bool {
    let within = |bytes: &[u8]| {
        let Some((_, dashes)) = bytes.split_at_checked(HEAD.len()) else { return false };
        let heads = bytes.iter().zip(&bytes[1..]).zip(dashes);
        heads.fold(false, |any, ((&end, &first), &dash)| any | (end == b'\n') & (first | 0x20 == b'c') & (dash == b'-'))
    };
    match edits {
        Some(edits) if edits.len() * 4 * HEAD.len() < bytes.len() => edits
            .iter()
            .any(|&edit| within(&bytes[edit.saturating_sub(HEAD.len())..bytes.len().min(edit + HEAD.len() + 1)])),
        _ => within(bytes),
    }
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
