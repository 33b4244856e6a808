//! Runs of fewer than 48 letters: what counts is the bytes that they span, on both sides, and what is public hides them.

use sense::{Bounds, Corpus, Label};

const PROGRAM: &str = r#"
fn settle(&mut self, order: &Order) -> Result<(), Odd> {
    let fee = (order.sum * 7) / 1_000 + if order.late { 40 } else { 0 };
    self.books[order.at].push((order.id, fee)); // {"messages": [{"role": "user", "content": [{"type":
    if fee > self.most { return Err(Odd::Dear(fee)); }
    Ok(())
}
"#;

fn corpus() -> Corpus {
    let mut corpus = Corpus::new();
    corpus.add(Label(1), PROGRAM.as_bytes()).expect("there is room");
    corpus
}

fn found(corpus: &Corpus, bytes: &str) -> usize {
    corpus.scan(bytes.as_bytes(), &Bounds::USUAL).found.first().map_or(0, |found| found.length)
}

/// The bytes of the program from there on.
fn part(from: &str, length: usize) -> &str {
    let at = PROGRAM.find(from).expect("it stands there");
    &PROGRAM[at..at + length]
}

#[test]
fn sixty_four_bytes_of_a_program_are_found() {
    let part = part("(order.sum * 7)", 64);
    let letters = part.bytes().filter(u8::is_ascii_alphanumeric).count();
    assert!((24..40).contains(&letters), "{letters}");
    assert_eq!(found(&corpus(), &format!("now {part}, or not")), letters);
    assert_eq!(found(&corpus(), &part.replace('\n', "\r\n\t")), letters);
}

#[test]
fn fewer_bytes_are_not() {
    assert_eq!(found(&corpus(), part("(order.sum * 7)", 48)), 0);
}

/// As many letters as in the program, in the same order, as everybody writes them.
#[test]
fn what_all_documents_of_a_kind_share_is_not_found() {
    assert_eq!(found(&corpus(), r#"{"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}"#), 0);
}

#[test]
fn what_is_spaced_anew_is_found_from_forty_letters_on() {
    let part = part("self.books[order.at]", 72);
    let close: String = part.chars().filter(char::is_ascii_alphanumeric).collect();
    assert!((40..48).contains(&close.len()), "{}", close.len());
    assert_eq!(found(&corpus(), &close), close.len());
    assert_eq!(found(&corpus(), &close[..38]), 0);
}

#[test]
fn what_is_public_hides_as_much_as_it_is_long() {
    let part = part("(order.sum * 7)", 64);
    let mut corpus = corpus();
    corpus.make_public(format!("an example: {part} and no more").as_bytes()).expect("there is room");
    assert_eq!(found(&corpus, part), 0);
    // What goes on behind it is the program's own.
    assert!(found(&corpus, self::part("(order.sum * 7)", 150)) > 48);
}
