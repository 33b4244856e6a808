//! Reflogs: of what a cell did to one, what it added arrives; what stood there stays.
//!
//! git writes them anew by itself: `git gc` takes out what is old, `git stash drop` takes out a line. That is no reason to
//! leave the commits beside it behind.

use super::part::is_name;
use std::collections::HashSet;
use std::path::Path;

/// What stands in a reflog after the merge; `None` where the cell's holds anything but lines of one.
pub(super) fn grown(path: &Path, old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    // The stashes are the lines themselves: one that was dropped is gone, as a branch that was deleted is.
    if new.starts_with(old) || path.ends_with("logs/refs/stash") {
        return lines_of_a_log(new.strip_prefix(old).unwrap_or(new)).then(|| new.to_vec());
    }
    let known: HashSet<&[u8]> = old.split_inclusive(ends).map(told).collect();
    let lines: Vec<&[u8]> = new.split_inclusive(ends).collect();
    let last = lines.iter().rposition(|line| known.contains(told(line)));
    let added = lines[last.map_or(0, |last| last + 1)..].concat();
    let joins = old.is_empty() || old.ends_with(b"\n");
    (joins && lines_of_a_log(&added)).then(|| [old, &added].concat())
}

/// Whether bytes are whole lines of a reflog, or nothing.
pub(in super::super) fn lines_of_a_log(bytes: &[u8]) -> bool {
    let line = |line: &[u8]| {
        let text = String::from_utf8_lossy(line);
        let mut words = text.splitn(3, ' ');
        let (old, new, rest) = (words.next(), words.next(), words.next());
        old.is_some_and(is_name) && new.is_some_and(is_name) && rest.is_some_and(|rest| !rest.contains(steers))
    };
    bytes.is_empty() || (bytes.ends_with(b"\n") && bytes[..bytes.len() - 1].split(ends).all(line))
}

/// What a line says. Of one without a message git leaves the tab out at first, and writes it when it writes the log anew.
fn told(line: &[u8]) -> &[u8] {
    line.trim_ascii_end()
}

fn ends(byte: &u8) -> bool {
    *byte == b'\n'
}

fn steers(c: char) -> bool {
    c.is_control() && c != '\t'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(old: &str, new: &str, message: &str) -> String {
        format!("{} {} n <n@e> 1 +0000{message}\n", old.repeat(40), new.repeat(40))
    }

    fn merged(path: &str, old: &str, new: &str) -> Option<String> {
        grown(Path::new(path), old.as_bytes(), new.as_bytes()).map(|log| String::from_utf8(log).expect("text"))
    }

    #[test]
    fn what_was_added_arrives_and_what_git_took_out_stays() {
        let (one, two, three) = (line("0", "1", ""), line("1", "2", "\ttwo"), line("2", "3", "\tthree"));
        let log = |lines: &[&String]| lines.iter().map(|line| line.as_str()).collect::<String>();
        let (old, all) = (log(&[&one, &two]), log(&[&one, &two, &three]));
        let tabbed = line("0", "1", "\t");
        for new in [&all, &log(&[&two, &three]), &log(&[&one, &three]), &three, &log(&[&tabbed, &two, &three])] {
            assert_eq!(merged("logs/HEAD", &old, new).as_deref(), Some(all.as_str()), "{new}");
        }
        for new in [&one, &log(&[&two]), &String::new(), &old] {
            assert_eq!(merged("logs/HEAD", &old, new).as_deref(), Some(old.as_str()), "{new}");
        }
        // Of stashes what was dropped is gone.
        assert_eq!(merged(".git/logs/refs/stash", &old, &two).as_deref(), Some(two.as_str()));
    }

    #[test]
    fn what_is_no_line_never_arrives() {
        let (old, ok) = (line("0", "1", "\tone"), line("1", "2", "\ttwo"));
        let cut = old.trim_end();
        for junk in ["junk\n", "\n", "\u{1b}[2J\n", "no end"] {
            for new in [format!("{old}{junk}"), format!("{ok}{junk}"), junk.to_owned(), format!("{junk}{ok}")] {
                assert_eq!(merged("logs/HEAD", &old, &new), None, "{new:?}");
                assert_eq!(merged("logs/refs/stash", &old, &new), None, "{new:?}");
            }
        }
        // Nothing can be put behind a line that does not end.
        assert_eq!(merged("logs/HEAD", cut, &ok), None);
    }
}
