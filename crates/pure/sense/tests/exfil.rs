//! The exfiltration matrix, without a network: random pieces of documents and random secrets in every encoding, and in every
//! encoding of another, among other words. What is found is counted and printed (`--nocapture`).
//!
//! `BASTIDE_EXFIL_EACH` says how many of each there are for one encoding, `BASTIDE_EXFIL_SEED` which. As `proof/exfil/run`
//! asks for them there are a hundred times as many as here.

use std::fs;
use std::path::{Path, PathBuf};

use sense::{Bounds, Corpus, Label};

use crate::wrap::{BINARY, WRAPS};

const PROSE: Label = Label(1);
const PROGRAM: Label = Label(2);
const SECRET: Label = Label(3);

/// The shortest run of a document that has to be found.
const SPAN: usize = 64;

/// Numbers of a generator.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % most
    }

    fn of(&mut self, letters: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(letters[self.below(letters.len())])).collect()
    }
}

fn setting(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

/// What may not leave, as the corpus has it.
struct Kept {
    corpus: Corpus,
    prose: Vec<String>,
    programs: Vec<String>,
    secrets: Vec<String>,
}

fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut names: Vec<PathBuf> =
        fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path()).collect();
    names.sort();
    for path in names {
        match path.is_dir() {
            true => all.extend(files(&path, ending)),
            false if path.to_string_lossy().ends_with(ending) => all.push(path),
            false => {}
        }
    }
    all
}

/// Keys, tokens, passwords and canaries: what an `.env` file holds, and what is planted to be seen again.
fn secrets(dice: &mut Dice, count: usize) -> Vec<String> {
    const WORD: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let secret = |at: usize| match at % 6 {
        0 => format!("sk-{}", dice.of(WORD, 20)),
        1 => dice.of(b"0123456789abcdef", 40),
        2 => format!("{}/{}+{}", dice.of(WORD, 14), dice.of(WORD, 12), dice.of(WORD, 12)),
        3 => format!("canary-{}", dice.of(b"0123456789abcdef", 24)),
        4 => format!("{}!{}#{}", dice.of(WORD, 5), dice.of(WORD, 5), dice.of(WORD, 6)),
        _ => format!("{}-{}-{}", dice.of(b"0123456789abcdef", 8), dice.of(WORD, 4), dice.of(WORD, 12)),
    };
    (0..count).map(secret).collect()
}

fn kept(dice: &mut Dice) -> Kept {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let read = |path: PathBuf| fs::read_to_string(path).expect("a text");
    let prose = [files(&root.join("docs"), ".md"), files(&root.join("crates"), "README.md")].concat();
    let programs = files(&root.join("crates/pure/policy/src"), ".rs");
    let (prose, programs): (Vec<String>, Vec<String>) =
        (prose.into_iter().map(read).collect(), programs.into_iter().map(read).collect());
    let (secrets, mut corpus) = (secrets(dice, 60), Corpus::new());
    for (label, texts) in [(PROSE, &prose), (PROGRAM, &programs)] {
        for text in texts {
            corpus.add(label, text.as_bytes()).expect("there is room");
        }
    }
    for value in &secrets {
        corpus.add_secret(SECRET, value.as_bytes()).expect("there is room");
    }
    Kept { corpus, prose, programs, secrets }
}

/// So many bytes of one of the texts, at any place.
fn piece<'t>(texts: &'t [String], dice: &mut Dice, length: usize) -> &'t str {
    loop {
        let text = &texts[dice.below(texts.len())];
        let Some(room) = text.len().checked_sub(length + 1) else { continue };
        let from = text.floor_char_boundary(dice.below(room));
        return &text[from..text.ceil_char_boundary(from + length)];
    }
}

/// Words that carry nothing.
fn words(dice: &mut Dice) -> String {
    const WORDS: [&str; 12] =
        ["blue", "sum", "of", "ninety", "chairs", "went", "up", "Tuesday", "under", "lamp", "x1", "7"];
    (0..dice.below(9)).map(|_| WORDS[dice.below(WORDS.len())].to_owned() + " ").collect()
}

/// A piece among other words, as something that sends it would put it.
fn among(text: &str, dice: &mut Dice) -> Vec<u8> {
    let (before, after) = (words(dice), words(dice));
    format!("{before}{text} {after}").into_bytes()
}

/// How many there were, and what was not found.
#[derive(Default)]
struct Row {
    all: usize,
    missed: Vec<String>,
}

impl Row {
    fn found(&self) -> f64 {
        100.0 * (self.all - self.missed.len()) as f64 / self.all.max(1) as f64
    }
}

/// What is looked for in one encoding.
struct Rows {
    secrets: Row,
    prose: Row,
    programs: Row,
}

impl Rows {
    fn new() -> Rows {
        Rows { secrets: Row::default(), prose: Row::default(), programs: Row::default() }
    }

    fn take(&mut self, kept: &Kept, dice: &mut Dice, name: &str, wrap: &dyn Fn(&[u8]) -> Vec<u8>, each: usize) {
        for at in 0..each {
            let length = if at % 3 == 2 { 2 * SPAN + dice.below(200) } else { SPAN };
            let secret = kept.secrets[dice.below(kept.secrets.len())].as_str();
            let (prose, program) = (piece(&kept.prose, dice, length), piece(&kept.programs, dice, length));
            for (row, text, label) in [
                (&mut self.secrets, secret, SECRET),
                (&mut self.prose, prose, PROSE),
                (&mut self.programs, program, PROGRAM),
            ] {
                row.all += 1;
                let scan = kept.corpus.scan(&wrap(&among(text, dice)), &Bounds::USUAL);
                // The same words stand in several documents, and in programs.
                let told = |label| scan.found.iter().any(|found| found.label == label);
                if !(told(label) || label != SECRET && (told(PROSE) || told(PROGRAM))) && scan.beyond.is_none() {
                    row.missed.push(format!("{name}: {text:?}"));
                }
            }
        }
    }

    fn print(&self, what: &str) {
        for (kind, row) in [("secrets", &self.secrets), ("prose", &self.prose), ("programs", &self.programs)] {
            println!("{what:<8} {kind:<9} {:>8} {:>6} missed {:>9.4} %", row.all, row.missed.len(), row.found());
            row.missed.iter().take(6).for_each(|missed| println!("    {}", &missed[..missed.floor_char_boundary(150)]));
        }
    }

    fn hold(&self) {
        assert!(self.secrets.missed.is_empty(), "{:#?}", self.secrets.missed);
        assert!(self.prose.found() >= 99.0, "{} % of prose", self.prose.found());
        // Of few pieces a handful more may be all brackets.
        let least = if self.programs.all < 10_000 { 98.0 } else { 99.0 };
        assert!(self.programs.found() >= least, "{} % of programs", self.programs.found());
    }
}

fn dice() -> Dice {
    Dice(setting("BASTIDE_EXFIL_SEED", 20) as u64 * 2 + 0x2545_f491)
}

#[test]
fn what_may_not_leave_is_found_in_every_encoding() {
    let (mut dice, mut rows) = (dice(), Rows::new());
    let (kept, each) = (kept(&mut dice), setting("BASTIDE_EXFIL_EACH", 20));
    for row in WRAPS {
        rows.take(&kept, &mut dice, row.0, &row.1, each);
    }
    rows.print("single");
    rows.hold();
}

#[test]
fn what_may_not_leave_is_found_in_every_encoding_of_another() {
    let (mut dice, mut rows) = (dice(), Rows::new());
    let (kept, each) = (kept(&mut dice), setting("BASTIDE_EXFIL_EACH", 20).div_ceil(20));
    // A dump needs lines of its own.
    for outer in WRAPS.iter().filter(|row| BINARY.contains(&row.0)) {
        for inner in WRAPS.iter().filter(|row| row.0 != "hex dump") {
            let name = format!("{} of {}", outer.0, inner.0);
            rows.take(&kept, &mut dice, &name, &|text| outer.1(&inner.1(text)), each);
        }
    }
    rows.print("double");
    rows.hold();
}

/// The same words around nothing.
#[test]
fn what_carries_nothing_is_not_found() {
    let mut dice = dice();
    let kept = kept(&mut dice);
    for row in WRAPS {
        for _ in 0..setting("BASTIDE_EXFIL_EACH", 20) {
            let scan = kept.corpus.scan(&row.1(&among("and nothing else", &mut dice)), &Bounds::USUAL);
            assert!(scan.found.is_empty() && scan.beyond.is_none(), "{}: {scan:?}", row.0);
        }
    }
}
