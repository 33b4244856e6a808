//! What a sub-agent prints, kept in its session's directory, and its task on its standard input: nobody sits at a terminal. Of a
//! server only what it says to standard error is kept: the other two are its line.

use std::fs::File;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

/// Most bytes of one stream that are kept.
const MOST: u64 = 4 << 20;
/// The end of what was printed, as the parent hears it, in bytes.
const WORDS: usize = 16 * 1024;
const PIECE: usize = 16 * 1024;

/// The streams of one sub-agent.
#[derive(Debug)]
pub(in crate::session) struct Outlet {
    directory: PathBuf,
    input: String,
    /// Of a server: where it is spoken with.
    line: Option<OwnedFd>,
    printed: Option<JoinHandle<Vec<u8>>>,
}

impl Outlet {
    /// For a session that begins.
    pub(in crate::session) fn new(directory: &Path, task: &str, context: Option<&str>) -> Outlet {
        let input = match context {
            Some(context) => format!("{task}\n\n{context}\n"),
            None => format!("{task}\n"),
        };
        Outlet { directory: directory.to_owned(), input, line: None, printed: None }
    }

    /// For that of a server, which is spoken with on this line.
    pub(in crate::session) fn on(directory: &Path, line: OwnedFd) -> Outlet {
        Outlet { directory: directory.to_owned(), input: String::new(), line: Some(line), printed: None }
    }

    /// Takes the outer ends of standard input, output and error. Each is served by itself: a program that fills one while it
    /// waits for another is not held up.
    pub(in crate::session) fn open(&mut self, ends: Vec<OwnedFd>) {
        let mut ends = ends.into_iter().map(File::from);
        if let Some(line) = self.line.take() {
            if let (Some(stdin), Some(stdout)) = (ends.next(), ends.next()) {
                relay(line, stdin, stdout);
            }
        } else if let Some(mut stdin) = ends.next() {
            let input = std::mem::take(&mut self.input);
            // Who does not read it ends it by its own end.
            std::thread::spawn(move || stdin.write_all(input.as_bytes()));
            if let Some(stdout) = ends.next() {
                let path = self.directory.join("stdout");
                self.printed = Some(std::thread::spawn(move || keep(stdout, &path)));
            }
        }
        if let Some(stderr) = ends.next() {
            let path = self.directory.join("stderr");
            std::thread::spawn(move || keep(stderr, &path));
        }
    }

    /// The end of what it printed. To be asked when the cell is gone: its end closed the streams.
    pub(in crate::session) fn words(&mut self) -> Option<String> {
        let last = self.printed.take()?.join().ok()?;
        let text = String::from_utf8_lossy(&last).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }
}

/// Carries bytes between a line and a server's standard input and output, unread, until either ends. The end of the line is
/// that of its standard input; the end of its standard output is that of the line.
fn relay(line: OwnedFd, mut stdin: File, mut stdout: File) {
    let line = UnixStream::from(line);
    let Ok(mut says) = line.try_clone() else { return };
    std::thread::spawn(move || {
        let line = line;
        carry(&line, &mut stdin);
    });
    std::thread::spawn(move || {
        carry(&mut stdout, &mut says);
        // Also for who waits to carry something in.
        let _ = says.shutdown(Shutdown::Both);
    });
}

/// By reading and writing: `std::io::copy` would splice, and while a splice from a socket waits for more the kernel keeps the
/// pipe locked, so that its reader does not get what is there already.
fn carry(mut from: impl Read, to: &mut impl Write) {
    let mut piece = vec![0; PIECE];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return,
            Ok(read) if to.write_all(&piece[..read]).is_err() => return,
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return,
            _ => {}
        }
    }
}

/// Keeps what comes up to a bound, and gives the end of all of it.
fn keep(mut stream: File, path: &Path) -> Vec<u8> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path).ok();
    let (mut kept, mut last, mut piece) = (0u64, Vec::new(), vec![0; PIECE]);
    loop {
        let read = match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        let bytes = &piece[..read];
        let room = usize::try_from(MOST - kept).unwrap_or(usize::MAX).min(read);
        if let Some(open) = &mut file
            && open.write_all(&bytes[..room]).is_err()
        {
            file = None;
        }
        kept += room as u64;
        last.extend_from_slice(bytes);
        last.drain(..last.len().saturating_sub(WORDS));
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_kept_to_a_bound_and_its_end_is_told() {
        let room = tempfile::tempdir().expect("a directory");
        let mut outlet = Outlet::new(room.path(), "the task", Some("and more"));
        let (ours, stdin) = std::io::pipe().expect("a pipe");
        let (stdout, mut program) = std::io::pipe().expect("a pipe");
        outlet.open(vec![stdin.into(), stdout.into()]);
        let mut task = String::new();
        let mut ours = ours;
        ours.read_to_string(&mut task).expect("read");
        assert_eq!(task, "the task\n\nand more\n");
        let line = vec![b'x'; 1 << 20];
        for _ in 0..5 {
            program.write_all(&line).expect("taken");
        }
        program.write_all(b"\nthe end\n").expect("taken");
        drop(program);
        let words = outlet.words().expect("printed");
        assert!(words.ends_with("\nthe end") && words.len() <= WORDS, "{}", words.len());
        assert_eq!(std::fs::metadata(room.path().join("stdout")).expect("kept").len(), MOST);
    }

    #[test]
    fn a_line_ends_with_either_side() {
        let room = tempfile::tempdir().expect("a directory");
        let begin = || {
            let (mut ours, line) = UnixStream::pair().expect("a line");
            let (from, stdin) = std::io::pipe().expect("a pipe");
            let (stdout, to) = std::io::pipe().expect("a pipe");
            Outlet::on(room.path(), line.into()).open(vec![stdin.into(), stdout.into()]);
            ours.write_all(b"asked\n").expect("said");
            (ours, from, to)
        };
        let (mut ours, mut from, mut to) = begin();
        let mut asked = [0; 6];
        from.read_exact(&mut asked).expect("heard");
        to.write_all(b"answered\n").expect("said");
        let mut answered = [0; 9];
        ours.read_exact(&mut answered).expect("heard");
        assert_eq!((&asked, &answered), (b"asked\n", b"answered\n"));
        drop(to);
        assert_eq!(ours.read(&mut answered).expect("its end"), 0);
        let (ours, mut from, _to) = begin();
        drop(ours);
        let mut all = Vec::new();
        from.read_to_end(&mut all).expect("its end");
        assert_eq!(all, b"asked\n");
        assert!(!room.path().join("stdout").exists());
    }
}
