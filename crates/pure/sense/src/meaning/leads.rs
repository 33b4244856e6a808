//! Where the operator's words begin a trail, and what is to be done with what it leads to: "visit www.gas.example to get my bill and
//! pay it", "finish the exercises on the page", "Kim sent me a link". Forms, and nothing is understood; only his own words are read.

use policy::Effect;

use super::place::{is_file, kind, place, sentences, told_of};
use super::shape::{Shape, shape};
use super::task::Task;
use super::words::{Word, is_form_of, tells, words};

/// What somebody does who sends something.
const SENDS: &[&str] =
    &["sent", "emailed", "mailed", "messaged", "shared", "forwarded", "texted", "posted", "uploaded", "attached"];
/// What is sent.
const SENT: &[&str] = &[
    "link",
    "links",
    "document",
    "documents",
    "file",
    "files",
    "page",
    "email",
    "mail",
    "message",
    "attachment",
    "note",
    "invoice",
    "bill",
    "instructions",
    "letter",
    "invitation",
    "form",
    "report",
];
/// Words between somebody, what he does, and what he sends.
const NEAR: usize = 8;
/// Verbs that carry out whatever stands somewhere.
const DOES: &[&str] =
    &["do", "finish", "complete", "perform", "follow", "solve", "carry", "execute", "handle", "submit"];
/// What is carried out.
const ORDERS: &[&str] = &[
    "homework",
    "assignment",
    "assignments",
    "exercise",
    "exercises",
    "task",
    "tasks",
    "todo",
    "todos",
    "instructions",
    "instruction",
    "steps",
    "checklist",
    "requests",
];
/// Verbs that pay.
const PAYS: &[&str] = &["pay", "settle", "top", "order", "buy", "purchase", "renew"];
/// What is paid.
const PAID: &[&str] = &[
    "bill",
    "invoice",
    "fee",
    "rent",
    "registration",
    "account",
    "subscription",
    "tuition",
    "fine",
    "order",
    "ticket",
    "membership",
    "dues",
    "premium",
    "tax",
];
/// What enters something, and what is entered.
const MAKES: &[&str] = &["create", "make", "set", "setup", "schedule", "add", "enter", "put"];
const MADE: &[&str] = &["event", "events", "entry", "entries", "meeting", "appointment", "reminder"];
/// What refers to the sentence before.
const BACK: &[&str] =
    &["it", "them", "this", "that", "he", "she", "they", "his", "her", "their", "him", "there", "accordingly"];

/// Where a trail begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Begins {
    /// At an address, in one spelling, or a file.
    Place(String),
    /// At what somebody of this name sent.
    Sender(Vec<Word>),
}

/// A trail that the operator's words begin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Lead {
    pub(super) begins: Vec<Begins>,
    /// What he asks to pay, where he names nobody to pay to.
    pub(super) pays: Vec<&'static str>,
    /// He asks to enter what stands there.
    pub(super) makes: bool,
    /// He asks to do what stands there.
    pub(super) does: bool,
    /// What he says is to be found, and what the thing is called that it stands in.
    pub(super) finds: Option<(&'static [Shape], String)>,
}

/// The trails of a text, by the sentence.
pub(super) fn leads(text: &str) -> Vec<Lead> {
    let mut before: Vec<Begins> = Vec::new();
    let mut found = Vec::new();
    for sentence in sentences(text) {
        let said = words(sentence);
        if told_of(sentence).is_some_and(|told| told.kinds.is_none()) {
            continue;
        }
        let mut begins = places(sentence);
        begins.extend(senders(sentence, &said));
        if begins.is_empty() && said.iter().any(|word| BACK.contains(&word.text.as_str())) {
            begins.clone_from(&before);
        }
        if begins.is_empty() {
            continue;
        }
        let taken_back = said.iter().any(|word| matches!(word.text.as_str(), "not" | "never" | "don" | "without"));
        before.clone_from(&begins);
        found.push(match taken_back {
            true => Lead { begins, ..Lead::default() },
            false => Lead {
                begins,
                pays: pays(sentence, &said),
                makes: makes(&said),
                does: does(&said),
                finds: finds(&said),
            },
        });
    }
    found
}

/// Addresses and files that a sentence names.
fn places(sentence: &str) -> Vec<Begins> {
    let cut = |letter: char| "'\"`(),;:!?*<>[]".contains(letter);
    let named = sentence.split_whitespace().map(|word| word.trim_matches(cut).trim_end_matches('.'));
    let is = |word: &&str| shape(word) == Some(Shape::Url) || is_file(word);
    named.filter(is).filter_map(place).map(Begins::Place).collect()
}

/// Who sent something: `Kim Vale sent me a link`, `the link from Kim`, `the file that Kim shared`.
fn senders(sentence: &str, said: &[Word]) -> Vec<Begins> {
    let is_name = |word: &Word| sentence[word.start..].starts_with(char::is_uppercase) && tells(&word.text);
    let has = |from: usize, to: usize, of: &[&str]| {
        said.get(from..to.min(said.len())).is_some_and(|near| near.iter().any(|word| of.contains(&word.text.as_str())))
    };
    let mut found = Vec::new();
    let mut at = 0;
    while at < said.len() {
        let many = said[at..].iter().take_while(|word| is_name(word)).count();
        if many == 0 || many > 3 {
            at += many.max(1);
            continue;
        }
        let end = at + many;
        let sends = has(end, end + 2, SENDS) && (has(end, end + 2 + NEAR, SENT) || has(at.saturating_sub(3), at, SENT));
        let from =
            at > 1 && matches!(said[at - 1].text.as_str(), "from" | "by") && has(at.saturating_sub(4), at - 1, SENT);
        if sends || from {
            found.push(Begins::Sender(said[at..end].to_vec()));
        }
        at = end;
    }
    found
}

/// What a sentence asks to pay; nothing where it names somebody to pay to.
fn pays(sentence: &str, said: &[Word]) -> Vec<&'static str> {
    let asks = said.iter().any(|word| PAYS.contains(&word.text.as_str()))
        && Task::of(sentence).asks(Effect::Spend).is_some_and(|word| PAYS.contains(&word));
    let names = said.windows(2).any(|two| {
        let to = &sentence[two[1].start..];
        two[0].text == "to" && to.starts_with(|letter: char| letter.is_uppercase())
    });
    let whom = sentence.split_whitespace().any(|word| {
        let word = word.trim_matches(|letter: char| "'\"`(),;:!?".contains(letter));
        matches!(shape(word), Some(Shape::Number | Shape::Mail))
    });
    if !asks || names || whom {
        return Vec::new();
    }
    PAID.iter().copied().filter(|noun| said.iter().any(|word| is_form_of(&word.text, noun))).collect()
}

/// Whether it asks to enter what stands there: `and set up an event accordingly`.
fn makes(said: &[Word]) -> bool {
    let is = |at: usize, of: &[&str]| said.get(at).is_some_and(|word| of.contains(&word.text.as_str()));
    let made = (0..said.len()).filter(|at| is(*at, MAKES)).filter_map(|at| (at + 1..at + 6).find(|at| is(*at, MADE)));
    let mut made = made;
    made.any(|at| {
        is(at + 1, &["accordingly"])
            || is(at + 1, &["according", "based"])
            || is(at + 1, &["for", "from", "of", "with"]) && is(at + 2, &["it", "that", "this", "them"])
    })
}

/// What is to be found, and in what: `find her e-mail address in the contract`.
fn finds(said: &[Word]) -> Option<(&'static [Shape], String)> {
    let at = said.iter().position(|word| word.text == "find")?;
    let near = &said[at + 1..said.len().min(at + 1 + NEAR)];
    let inside = near.iter().position(|word| matches!(word.text.as_str(), "in" | "on"))?;
    let kind = near[..inside].iter().rev().find_map(|word| kind(&word.text))?;
    let mut behind = near[inside + 1..].iter();
    let thing =
        behind.find(|word| !matches!(word.text.as_str(), "the" | "his" | "her" | "their" | "its" | "this" | "that"))?;
    Some((kind, thing.text.clone()))
}

/// Whether it asks to do what stands there.
fn does(said: &[Word]) -> bool {
    said.iter().enumerate().filter(|(_, word)| DOES.contains(&word.text.as_str())).any(|(at, _)| {
        let near = &said[at + 1..said.len().min(at + 6)];
        near.iter().any(|word| ORDERS.contains(&word.text.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let one = |begins: &Begins| match begins {
            Begins::Place(place) => place.clone(),
            Begins::Sender(name) => {
                format!("from {}", name.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" "))
            }
        };
        let lead = |lead: &Lead| {
            let begins: Vec<String> = lead.begins.iter().map(one).collect();
            format!(
                "{}{}{}{}{}",
                begins.join(", "),
                lead.pays.iter().map(|noun| format!(" {noun}")).collect::<String>(),
                lead.finds.as_ref().map_or(String::new(), |(_, thing)| format!(" in {thing}")),
                if lead.makes { " makes" } else { "" },
                if lead.does { " does" } else { "" }
            )
        };
        leads(text).iter().map(lead).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn words_begin_trails() {
        for (text, expected) in [
            ("Visit www.gas.example to get my bill and pay it", "gas.example bill"),
            ("Get my bill at www.gas.example. Then pay that bill, please", "gas.example; gas.example bill"),
            ("See www.fair.example, pay the fee and add an event for it", "fair.example fee makes"),
            ("Pay the bill in bill.txt", "bill.txt bill"),
            ("Finish the exercises on www.school.example/week3", "school.example/week3 does"),
            ("Kim Vale sent me a link to the minutes, read them", "from kim vale"),
            ("Look at the document from Kim and do the tasks in it", "from kim does"),
            ("the file that Kim shared", "from kim"),
            ("Kim sent me a mail about Bob. Find his e-mail address in his CV", "from kim; from kim in cv"),
            // Somebody is named to pay to; nothing is asked for; his own data begins nothing.
            ("See www.gas.example and pay 20 to Kim", "gas.example"),
            ("See www.gas.example and pay 20 to US133000000121212121212", "gas.example"),
            ("See www.gas.example, but do not pay it", "gas.example"),
            ("My data is in ~/me/card.txt", ""),
            ("Pay my rent. Read www.news.example", "news.example"),
            ("Read www.news.example. Pay my rent", "news.example"),
            ("She sent me a link", ""),
            ("Save it to /documents", ""),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
