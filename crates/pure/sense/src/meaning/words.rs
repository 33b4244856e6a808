//! Words: a text in pieces, without case; a verb without its ending; a name of code in its parts.

/// Longest word that means anything.
const LONGEST: usize = 64;

/// Words that choose nothing: they stand in every sentence, and in what everybody writes. Sorted.
const COMMON: &[&str] = &[
    "about",
    "accordingly",
    "account",
    "address",
    "after",
    "again",
    "all",
    "also",
    "and",
    "any",
    "are",
    "based",
    "been",
    "before",
    "both",
    "but",
    "can",
    "channel",
    "com",
    "content",
    "could",
    "date",
    "day",
    "description",
    "details",
    "did",
    "document",
    "does",
    "down",
    "each",
    "email",
    "emails",
    "event",
    "every",
    "everyone",
    "file",
    "files",
    "following",
    "for",
    "from",
    "get",
    "give",
    "group",
    "had",
    "has",
    "have",
    "her",
    "here",
    "him",
    "his",
    "how",
    "http",
    "https",
    "information",
    "into",
    "its",
    "just",
    "know",
    "last",
    "let",
    "like",
    "link",
    "list",
    "mail",
    "make",
    "many",
    "may",
    "message",
    "messages",
    "money",
    "more",
    "most",
    "much",
    "must",
    "name",
    "need",
    "net",
    "new",
    "next",
    "not",
    "note",
    "now",
    "number",
    "off",
    "one",
    "only",
    "org",
    "other",
    "our",
    "out",
    "over",
    "page",
    "please",
    "said",
    "same",
    "see",
    "she",
    "should",
    "site",
    "some",
    "subject",
    "such",
    "sure",
    "task",
    "than",
    "thank",
    "thanks",
    "that",
    "the",
    "their",
    "them",
    "then",
    "there",
    "they",
    "this",
    "time",
    "title",
    "today",
    "tomorrow",
    "too",
    "transaction",
    "two",
    "under",
    "until",
    "use",
    "user",
    "very",
    "want",
    "was",
    "web",
    "webpage",
    "website",
    "were",
    "what",
    "when",
    "where",
    "which",
    "who",
    "will",
    "with",
    "without",
    "would",
    "www",
    "you",
    "your",
];

/// One word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Without case.
    pub(super) text: String,
    /// Where it begins, and where it ends.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The runs of letters and digits of a text.
pub(super) fn words(text: &str) -> Vec<Word> {
    let mut found = Vec::new();
    let mut begin = None;
    for (at, letter) in text.char_indices().chain([(text.len(), ' ')]) {
        match (letter.is_alphanumeric(), begin) {
            (true, None) => begin = Some(at),
            (false, Some(start)) => {
                found.push(Word { text: text[start..at].to_lowercase(), start, end: at });
                begin = None;
            }
            _ => {}
        }
    }
    found
}

/// The parts of a name of code: `mcp__mail__sendEmail` is `mcp`, `mail`, `send`, `email`.
pub(super) fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before = ' ';
    for letter in name.chars().take(4 * LONGEST) {
        let begins = letter.is_uppercase() && !before.is_uppercase() || !letter.is_alphanumeric();
        if begins && parts.last().is_some_and(|part| !part.is_empty()) {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut().filter(|_| letter.is_alphanumeric()) {
            part.extend(letter.to_lowercase());
        }
        before = letter;
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Whether a word is one of these, with or without an ending of English: `sends`, `paid` is no form of `pay` here.
pub(super) fn is_form_of(word: &str, of: &str) -> bool {
    let Some(rest) = word.strip_prefix(of) else {
        // Without its `e`, or with `y` in another form: `sharing`, `replies`.
        let stem = of.strip_suffix('e').and_then(|stem| word.strip_prefix(stem));
        let other = of.strip_suffix('y').and_then(|stem| word.strip_prefix(stem));
        return stem.is_some_and(|rest| matches!(rest, "ing" | "ed"))
            || other.is_some_and(|rest| matches!(rest, "ies" | "ied"));
    };
    let twice = of.chars().last().and_then(|last| rest.strip_prefix(last));
    matches!(rest, "" | "s" | "es" | "d" | "ed" | "ing") || twice.is_some_and(|rest| matches!(rest, "ed" | "ing"))
}

/// Whether a word chooses something: neither common, nor short, nor a small number.
pub(super) fn tells(word: &str) -> bool {
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    let long = if digits { word.len() >= 4 } else { word.chars().count() >= 3 };
    long && word.len() <= LONGEST && COMMON.binary_search(&word).is_err()
}

/// Where a phrase stands in a text, word by word; both without case.
pub(super) fn phrase(text: &[Word], phrase: &[Word]) -> Option<(usize, usize)> {
    if phrase.is_empty() {
        return None;
    }
    let same = |window: &[Word]| window.iter().zip(phrase).all(|(one, other)| one.text == other.text);
    let at = text.windows(phrase.len()).position(same)?;
    Some((text[at].start, text[at + phrase.len() - 1].end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart() {
        for (name, parts_of) in [
            ("send_direct_message", "send direct message"),
            ("mcp__mail__sendEmail", "mcp mail send email"),
            ("WebFetch", "web fetch"),
            ("HTTPPost", "httppost"),
            ("", ""),
        ] {
            assert_eq!(parts(name).join(" "), parts_of);
        }
    }

    #[test]
    fn endings_are_undone() {
        for (word, of) in [("sends", "send"), ("sharing", "share"), ("replied", "reply"), ("submitting", "submit")] {
            assert!(is_form_of(word, of), "{word}");
        }
        for (word, of) in [("sender", "send"), ("addresses", "add"), ("postal", "post"), ("bookmark", "book")] {
            assert!(!is_form_of(word, of), "{word}");
        }
    }

    #[test]
    fn little_words_choose_nothing() {
        assert!(COMMON.is_sorted(), "they are searched as such");
        for word in ["1", "13", "the", "file", "today", "a"] {
            assert!(!tells(word), "{word}");
        }
        for word in ["alice", "rent", "2026", "spotify"] {
            assert!(tells(word), "{word}");
        }
    }

    #[test]
    fn a_phrase_is_found_word_by_word() {
        let text = words("Pay the bill 'bill-december-2023.txt', please");
        assert_eq!(phrase(&text, &words("bill-december-2023.txt")), Some((14, 36)));
        assert_eq!(phrase(&text, &words("december")), Some((19, 27)));
        assert_eq!(phrase(&text, &words("bill november")), None);
    }
}
