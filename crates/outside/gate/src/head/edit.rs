//! Changes a head that was written here: its lines are known to be plain.

/// What is changed.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Edit<'e> {
    /// Headers that are left out, by their names in lower case; `_` counts as `-`.
    pub(crate) without: &'e [&'e str],
    /// One that is put at the end.
    pub(crate) with: Option<(&'e str, &'e str)>,
    /// The body has this length and is not in chunks.
    pub(crate) length: Option<usize>,
    /// The answer may not be compressed.
    pub(crate) readable: bool,
    /// The same, though it may be of a part alone.
    pub(crate) plain: bool,
    /// Another target in the request line, and another host, with its port where that is not the usual one.
    pub(crate) to: Option<(&'e str, &'e str)>,
}

/// The head with the change in it.
pub(crate) fn edit(head: &[u8], change: &Edit<'_>) -> Vec<u8> {
    let text = head.strip_suffix(b"\r\n\r\n").unwrap_or(head);
    let mut lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut out = Vec::with_capacity(head.len() + 256);
    first(&mut out, lines.next().unwrap_or_default(), change);
    for line in lines {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        match change.to {
            Some((_, host)) if name.eq_ignore_ascii_case(b"host") => put(&mut out, "Host", host),
            _ if change.drops(name) => {}
            _ => out.extend_from_slice(&[line, b"\r\n"].concat()),
        }
    }
    if let Some(length) = change.length {
        put(&mut out, "Content-Length", &length.to_string());
    }
    if change.readable || change.plain {
        put(&mut out, "Accept-Encoding", "identity");
    }
    if let Some((name, value)) = change.with {
        put(&mut out, name, value);
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Whether the program says its body only when it was told to go on.
pub(crate) fn waits(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n');
    lines.any(|line| line.trim_ascii().eq_ignore_ascii_case(b"expect: 100-continue"))
}

/// Whether it tells the destination to end the connection.
pub(crate) fn ends(head: &[u8]) -> bool {
    head.split(|byte| *byte == b'\n').any(|line| line == b"Connection: close\r")
}

fn first(out: &mut Vec<u8>, line: &[u8], change: &Edit<'_>) {
    let mut words = line.splitn(3, |byte| *byte == b' ');
    match (change.to, words.next(), words.nth(1)) {
        (Some((target, _)), Some(method), Some(version)) => {
            out.extend_from_slice(&[method, b" ", target.as_bytes(), b" ", version].concat());
        }
        _ => out.extend_from_slice(line),
    }
    out.extend_from_slice(b"\r\n");
}

fn put(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
}

impl Edit<'_> {
    fn drops(&self, name: &[u8]) -> bool {
        let is = |other: &str| super::fields::same(&String::from_utf8_lossy(name), other);
        let framing = self.length.is_some() && ["content-length", "transfer-encoding", "expect"].into_iter().any(is);
        let coding = self.readable && ["accept-encoding", "range", "if-range"].into_iter().any(is);
        let coding = coding || self.plain && is("accept-encoding");
        framing || coding || self.without.iter().copied().any(is)
    }
}
