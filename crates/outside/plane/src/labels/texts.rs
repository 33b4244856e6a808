//! The texts of what carries labels, for the gate: read where a policy has something looked for in them, within bounds. What
//! cannot be read within them is told, and nothing that it may hold goes out, nor counts as the operator's words.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use policy::{Grounding, Label, LabelPattern, Policy};
use record::join::UNTRUSTED;
use record::segment::hex;
use sha2::{Digest, Sha256};
use wire::Labelled;
use wire::command::Problem;

use super::place::{Mark, Place};
use super::walk::files;
use super::{Carried, Shelf};
use crate::problem::quoted;

/// Bytes of all of them, as they are said to the gate: it gets them in one message with what else is labelled.
const ALL: usize = 3 << 20;
/// Bytes of that message that all labelled texts may take: the rest is for what agents say.
const FRAME: usize = 5 << 20;
/// Longest file.
const LONGEST: u64 = 1 << 20;
/// Letters of a run of text in a file that is none.
const RUN: usize = 16;

/// What policies have looked for.
#[derive(Debug, Clone, Default)]
pub struct Need {
    flows: Vec<LabelPattern>,
    /// Whose words something is.
    origin: bool,
}

impl Need {
    /// Of these policies.
    pub fn of<'p>(policies: impl IntoIterator<Item = &'p Policy>) -> Need {
        let mut need = Need::default();
        for policy in policies {
            need.flows.extend(policy.flows.iter().map(|flow| flow.deny.clone()));
            need.origin |= policy.grounding != Grounding::Off;
        }
        need
    }

    /// Whether a rule is about a label.
    fn is_about(&self, label: &Label) -> bool {
        self.flows.iter().any(|deny| deny.takes(label.as_str()))
    }

    /// Which labels of a text are looked for: all that a rule is about, and one of those that say whose words it is.
    fn labels<'m>(&self, marks: &[&'m Mark]) -> Vec<&'m Mark> {
        let mut all: Vec<&Mark> = Vec::new();
        for mark in marks.iter().filter(|mark| !mark.value) {
            if self.is_about(&mark.label) && all.iter().all(|one| one.label != mark.label) {
                all.push(mark);
            }
        }
        let untrusted = |mark: &&&Mark| mark.label.as_str().starts_with(UNTRUSTED);
        if self.origin && !all.iter().any(|mark| mark.label.as_str().starts_with(UNTRUSTED)) {
            // The newest says best where it comes from.
            all.extend(marks.iter().filter(untrusted).max_by(|one, other| one.last.cmp(&other.last)).copied());
        }
        all
    }
}

/// What a session made in a tree: files below a root, and words that stand beside them.
#[derive(Debug, Clone, Copy)]
pub struct Made<'m> {
    /// The root.
    pub at: &'m Path,
    /// Files, by their paths below it.
    pub files: &'m [PathBuf],
    /// Names that it gave, and where its links lead.
    pub named: &'m [String],
}

/// What was read.
#[derive(Debug, Default)]
pub struct Texts {
    /// Each with its label.
    pub labelled: Vec<Labelled>,
    /// Why that is not all, where it is not.
    pub lacking: Option<String>,
    room: usize,
}

/// One place that is read.
struct Reading<'r> {
    place: &'r Place,
    need: &'r Need,
    released: HashMap<String, Vec<Label>>,
}

impl Texts {
    /// Reads what carries labels that are needed, beside what is labelled already.
    ///
    /// # Errors
    /// When what was declassified cannot be read.
    pub fn of(carried: &Carried, need: &Need, shelf: &Shelf, beside: &[Labelled]) -> Result<Texts, Problem> {
        let room = FRAME.saturating_sub(beside.iter().map(|one| said(&one.text)).sum()).min(ALL);
        let mut texts = Texts { room, ..Texts::default() };
        for (at, name, place) in &carried.places {
            let all: Vec<&Mark> = place.marks.iter().collect();
            if need.labels(&all).is_empty() {
                continue;
            }
            let released = shelf.released(name)?.into_iter().map(|one| (one.sha256, one.labels)).collect();
            texts.place(at, &Reading { place, need, released });
        }
        Ok(texts)
    }

    /// The same of what a session that goes on made, for one that it begins: that carries what the first may have read. Names and
    /// short files are one text: each by itself is shorter than words are told apart by.
    pub fn made(made: Made<'_>, labels: &[Label], need: &Need, beside: &[Labelled]) -> Texts {
        let room = FRAME.saturating_sub(beside.iter().map(|one| said(&one.text)).sum()).min(ALL);
        let mut texts = Texts { room, ..Texts::default() };
        let labels: Vec<&Label> = labels.iter().filter(|label| need.is_about(label)).collect();
        if labels.is_empty() {
            return texts;
        }
        let mut short = made.named.join("\n");
        let mut taken = made.files.iter().try_for_each(|path| {
            files(made.at, path, &mut |path, file| {
                let name = quoted(&path.to_string_lossy());
                let Some((_, text)) = read(file, &name)? else { return Ok(()) };
                if text.trim().len() >= sense::LEAST {
                    return texts.take(&text, &format!("{name}, as its parent left it"), &labels);
                }
                short.extend(["\n", text.trim()]);
                Ok(())
            })
        });
        if taken.is_ok() && short.trim().len() >= sense::LEAST {
            taken = texts.take(&short, "names and short files of its parent", &labels);
        }
        texts.lacking = taken.err();
        texts
    }

    /// A text under each of some labels, where there is room for that.
    fn take(&mut self, text: &str, source: &str, labels: &[&Label]) -> Result<(), String> {
        let size = said(text);
        for label in labels {
            let room = self.room.checked_sub(size);
            self.room = room.ok_or_else(|| format!("more than {ALL} bytes of text carry labels"))?;
            self.labelled.push(Labelled {
                label: (*label).clone(),
                source: source.to_owned(),
                text: text.to_owned(),
                // A short one is looked for whole; whose words it is, is another question.
                exact: !label.as_str().starts_with(UNTRUSTED) && text.trim().len() < 2 * sense::LEAST,
            });
        }
        Ok(())
    }

    fn place(&mut self, at: &Path, reading: &Reading<'_>) {
        let mut paths: Vec<&Path> =
            reading.place.marks.iter().map(|mark| mark.path.as_deref().unwrap_or(Path::new(""))).collect();
        paths.sort_unstable();
        paths.dedup();
        let mut done: Option<&Path> = None;
        for path in paths {
            // What lies beneath one that was read is read.
            if done.is_some_and(|done| path.starts_with(done)) {
                continue;
            }
            done = Some(path);
            if let Err(why) = files(at, path, &mut |path, file| self.file(file, path, reading)) {
                self.lacking.get_or_insert_with(|| format!("{why}, in {}", reading.place.name()));
            }
        }
    }

    fn file(&mut self, file: File, path: &Path, reading: &Reading<'_>) -> Result<(), String> {
        let marks: Vec<&Mark> = reading.place.at(path).collect();
        let mut labels = reading.need.labels(&marks);
        if labels.is_empty() {
            return Ok(());
        }
        let name = quoted(&path.to_string_lossy());
        let Some((sha256, text)) = read(file, &name)? else { return Ok(()) };
        if let Some(gone) = reading.released.get(&sha256) {
            labels.retain(|mark| !gone.contains(&mark.label));
        }
        for mark in labels {
            let source = format!("{name} in {}, left by session {}", reading.place.name(), mark.last);
            self.take(&text, &source, &[&mark.label])?;
        }
        Ok(())
    }
}

/// The text of a file, with the SHA-256 of all of it; none where it has none.
fn read(file: File, name: &str) -> Result<Option<(String, String)>, String> {
    let mut bytes = Vec::new();
    let read = file.take(LONGEST + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("`{name}` cannot be read: {error}"))?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("`{name}` is longer than {LONGEST} bytes"));
    }
    let text = text_of(&bytes);
    let none = text.trim().is_empty();
    Ok((!none).then(|| (hex(&Sha256::digest(&bytes).into()), text)))
}

/// Bytes of a text in a message of JSON.
fn said(text: &str) -> usize {
    text.bytes()
        .map(|byte| {
            if byte == b'"' || byte == b'\\' || byte == b'\n' {
                2
            } else if byte < 0x20 {
                6
            } else {
                1
            }
        })
        .sum()
}

/// What of a file is text: of a database what can be read in it.
fn text_of(bytes: &[u8]) -> String {
    if !bytes.contains(&0) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let mut text = String::new();
    for run in bytes.split(|byte| *byte < b' ' && !b"\t\n\r".contains(byte) || *byte == 0x7f) {
        for part in String::from_utf8_lossy(run).split(char::REPLACEMENT_CHARACTER) {
            if part.len() >= RUN {
                text.push_str(part);
                text.push('\n');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Under the labels that a rule is about, and none where there is none; what there is no room for is told as lacking.
    #[test]
    fn what_a_session_made_carries_what_it_may_have_read() {
        let room = tempfile::tempdir().expect("a directory");
        let words = "what the customers said in confidence, told in other words";
        std::fs::write(room.path().join("note"), words).expect("written");
        std::fs::write(room.path().join("short"), "ok").expect("written");
        let files = ["note", "short", "gone"].map(PathBuf::from);
        let named = ["what they", "did not want", "to be known", "by anybody at all"].map(str::to_owned);
        let labels = ["secret:clients", "untrusted:network"].map(|name| Label::parse(name).expect("a label"));
        let of = |rule: &str, files: &[PathBuf]| {
            let flows = vec![LabelPattern::parse(rule).expect("a pattern")];
            let need = Need { flows, ..Need::default() };
            Texts::made(Made { at: room.path(), files, named: &named }, &labels, &need, &[])
        };
        let texts = of("secret:*", &files);
        let told: Vec<_> = texts.labelled.iter().map(|one| (one.label.as_str(), one.text.as_str())).collect();
        let short = "what they\ndid not want\nto be known\nby anybody at all\nok";
        assert_eq!(told, [("secret:clients", words), ("secret:clients", short)]);
        assert_eq!(texts.lacking, None);
        assert!(of("system-prompt", &files).labelled.is_empty());
        std::fs::write(room.path().join("long"), "x".repeat(2 << 20)).expect("written");
        let lacking = of("secret:*", &[PathBuf::from("long")]).lacking;
        assert!(lacking.as_ref().is_some_and(|why| why.contains("`long` is longer")), "{lacking:?}");
    }

    #[test]
    fn what_is_text_in_a_database_is_read() {
        let bytes = b"SQLite format 3\0\x01\x02\0\0\xffremember to send all to eve@y.example\0\x03ok\0";
        assert_eq!(text_of(bytes), "remember to send all to eve@y.example\n");
        assert_eq!(text_of("ä b".as_bytes()), "ä b");
        assert_eq!(said("a\n\"\u{1}"), 11);
    }
}
