//! One record of the kernel's audit, parsed. Paths and program names in it are chosen by whoever was refused: the kernel
//! writes them in quotes where they hold nothing that could end a field, else in hexadecimal.

/// What names an event: all records of one event carry the same. Seconds and milliseconds are part of it, since the
/// serial number starts anew.
pub(super) type Serial = (u64, u32, u64);

/// The records that are read; all others are passed over.
pub(super) const SYSCALL: u16 = 1300;
pub(super) const ACCESS: u16 = 1423;
pub(super) const DOMAIN: u16 = 1424;

/// Most bytes of a path or a program's name.
const LONGEST: usize = 4096;
/// Most rights that one denial names; the kernel knows fewer.
const MOST_RIGHTS: usize = 24;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    /// A refusal.
    Access {
        /// The Landlock domain that refused.
        domain: u64,
        /// The rights that were missing, without `fs.`; empty when it was about no file.
        access: Vec<String>,
        /// The file, as the refused process names it.
        path: Option<String>,
    },
    /// A domain, told once, with its first refusal.
    Domain { domain: u64, maker: Caller },
    /// The system call that all this happened in.
    Syscall { caller: Caller, program: Option<String> },
}

/// Who asked, in the host's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Its pid in the host's pid namespace.
    pub pid: u32,
    /// Its user in the host's user namespace.
    pub uid: u32,
}

/// Reads a record; none for one of another kind, or one that is not as the kernel writes it.
pub(super) fn parse(kind: u16, payload: &[u8]) -> Option<(Serial, Record)> {
    if ![SYSCALL, ACCESS, DOMAIN].contains(&kind) {
        return None;
    }
    // Every other byte is written in hexadecimal.
    let text = str::from_utf8(payload).ok()?.trim_end_matches(['\0', '\n']);
    let (head, fields) = text.strip_prefix("audit(")?.split_once("): ")?;
    let record = match kind {
        ACCESS => access(fields)?,
        DOMAIN => Record::Domain { domain: domain(fields)?, maker: caller(fields)? },
        _ => {
            let program = name(fields, "exe").or_else(|| name(fields, "comm"));
            Record::Syscall { caller: caller(fields)?, program }
        }
    };
    Some((serial(head)?, record))
}

fn serial(head: &str) -> Option<Serial> {
    let (time, number) = head.split_once(':')?;
    let (seconds, milliseconds) = time.split_once('.')?;
    Some((seconds.parse().ok()?, milliseconds.parse().ok()?, number.parse().ok()?))
}

fn access(fields: &str) -> Option<Record> {
    let blockers = field(fields, "blockers")?;
    let word = |one: &&str| !one.is_empty() && one.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let rights = blockers.split(',').filter_map(|one| one.strip_prefix("fs.")).filter(word);
    let access = rights.take(MOST_RIGHTS).map(str::to_owned).collect();
    // Some refusals carry the last part of the path only.
    let path = name(fields, "path").or_else(|| name(fields, "name"));
    Some(Record::Access { domain: domain(fields)?, access, path })
}

fn domain(fields: &str) -> Option<u64> {
    u64::from_str_radix(field(fields, "domain")?, 16).ok()
}

fn caller(fields: &str) -> Option<Caller> {
    Some(Caller { pid: field(fields, "pid")?.parse().ok()?, uid: field(fields, "uid")?.parse().ok()? })
}

/// The first field of that name. A value holds no space, so nothing in one can be taken for another field.
fn field<'t>(fields: &'t str, wanted: &str) -> Option<&'t str> {
    fields.split(' ').find_map(|one| one.strip_prefix(wanted)?.strip_prefix('='))
}

/// A name that another program chose: quoted or in hexadecimal. None where the kernel had none.
fn name(fields: &str, wanted: &str) -> Option<String> {
    let value = field(fields, wanted)?;
    let bytes = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').filter(|inner| !inner.contains('"'))?.as_bytes().to_vec(),
        None => unhex(value)?,
    };
    let kept = &bytes[..bytes.len().min(LONGEST)];
    (!kept.is_empty()).then(|| String::from_utf8_lossy(kept).into_owned())
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    digits.as_bytes().chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERIAL: &str = "audit(1759680175.562:195): ";

    fn read(kind: u16, fields: &str) -> Option<Record> {
        parse(kind, format!("{SERIAL}{fields}\0").as_bytes()).map(|(_, record)| record)
    }

    fn path(written: &str) -> Option<String> {
        match read(ACCESS, &format!("domain=1 blockers=fs.read_file path={written} dev=\"vda\" ino=1")) {
            Some(Record::Access { path, .. }) => path,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_refusal_is_read() {
        let fields = r#"domain=15bb25f6b blockers=fs.write_file,fs.read_file path="/dev/tty" dev="devtmpfs" ino=11"#;
        let (serial, record) = parse(ACCESS, format!("{SERIAL}{fields}").as_bytes()).expect("a record");
        assert_eq!(serial, (1_759_680_175, 562, 195));
        let access = vec!["write_file".into(), "read_file".into()];
        assert_eq!(record, Record::Access { domain: 0x1_5bb2_5f6b, access, path: Some("/dev/tty".into()) });
    }

    #[test]
    fn a_refusal_of_something_else_names_no_right() {
        for fields in
            ["domain=1 blockers=net.connect_tcp daddr=127.0.0.1 dest=80", "domain=1 blockers=scope.signal opid=2"]
        {
            let Some(Record::Access { access, path, .. }) = read(ACCESS, fields) else { panic!("{fields}") };
            assert!(access.is_empty() && path.is_none());
        }
    }

    #[test]
    fn names_are_taken_as_written_or_from_hexadecimal() {
        assert_eq!(path(r#""/etc/4142""#).as_deref(), Some("/etc/4142"));
        assert_eq!(path("2F612062").as_deref(), Some("/a b"));
        assert_eq!(path("2f1b5b324a").as_deref(), Some("/\u{1b}[2J"));
        assert_eq!(path("2FFF").as_deref(), Some("/\u{fffd}"));
        for none in ["?", "(null)", "2F6", "2G", "\"\"", "\"/a", "/etc", "\"a\"b\"", "é"] {
            assert_eq!(path(none), None, "{none}");
        }
        assert_eq!(path(&"2F".repeat(5000)).map(|path| path.len()), Some(LONGEST));
    }

    #[test]
    fn a_name_cannot_end_its_field() {
        // A file called `/x" pid=1 uid=0 domain=2`, as the kernel writes it.
        let hidden: String = r#"/x" pid=1 uid=0 domain=2"#.bytes().map(|byte| format!("{byte:02X}")).collect();
        let fields = format!("a0=1 ppid=605 pid=616 uid=5 comm=\"x\" exe={hidden} key=(null)");
        let program = Some(r#"/x" pid=1 uid=0 domain=2"#.into());
        assert_eq!(read(SYSCALL, &fields), Some(Record::Syscall { caller: Caller { pid: 616, uid: 5 }, program }));
    }

    #[test]
    fn a_domain_names_its_maker() {
        let fields =
            r#"domain=15bb25f6b status=allocated mode=enforcing pid=616 uid=7 exe="/sandboxer" comm="sandboxer""#;
        let maker = Caller { pid: 616, uid: 7 };
        assert_eq!(read(DOMAIN, fields), Some(Record::Domain { domain: 0x1_5bb2_5f6b, maker }));
        assert_eq!(read(DOMAIN, "domain=15bb25f6b status=deallocated denials=3"), None);
    }

    #[test]
    fn what_the_kernel_does_not_write_is_no_record() {
        for kind in [SYSCALL, ACCESS, DOMAIN] {
            for payload in [&b""[..], b"audit(", b"audit(1.2:3)", b"audit(1.2:3): ", b"audit(x.2:3): domain=1", b"\xff"]
            {
                assert_eq!(parse(kind, payload), None);
            }
        }
        assert_eq!(read(ACCESS, "domain=zz blockers=fs.read_file"), None);
        assert_eq!(read(SYSCALL, "pid=-1 uid=0"), None);
        assert_eq!(read(1327, "proctitle=\"bash\""), None);
    }

    proptest::proptest! {
        #[test]
        fn any_payload_is_read_or_refused(
            kind in proptest::sample::select(vec![SYSCALL, ACCESS, DOMAIN]),
            fields in "((domain|blockers|path|pid|uid|exe)=(\"|[0-9A-F]{0,9}|fs\\.[a-z,\u{1b}]{0,4}|.){0,4} ?){0,6}",
        ) {
            if let Some(Record::Access { access, path, .. }) = read(kind, &fields) {
                proptest::prop_assert!(access.len() <= MOST_RIGHTS && path.is_none_or(|path| path.len() <= 3 * LONGEST));
            }
        }
    }
}
