//! What a call says, and how much: nothing that only others named, and not their words from beginning to end.

use std::collections::HashSet;

use policy::Effect;

use super::account;
use super::call::Call;
use super::choice::plain;
use super::described::DESCRIBED;
use super::ground::{Scene, Stands};
use super::shape::{Shape, host, shapes};
use super::text::{numbers, seen, told};
use super::words::{Word, phrase, tells, words};

/// Words that somebody else wrote, from which on a text is his and no coincidence.
const COPIED: usize = 4;

impl Scene<'_> {
    /// What names somebody, or somewhere, within a longer text: none may be one that only others named.
    pub(super) fn carries(&self, text: &str, sites: bool) -> Result<String, (String, String)> {
        let text = &*seen(text);
        for (range, shape) in shapes(text) {
            let value = &text[range];
            let named = match shape {
                Shape::Url => self.site(&host(value)).is_some() || self.sent_link(value).is_some(),
                Shape::Mail => self.meant(value, "email").is_some(),
                Shape::Number if sites => true,
                Shape::Number => self.meant(value, "number").is_some() || self.says_account(&account::plain(value)),
            };
            let wanted = if shape == Shape::Url { host(value) } else { value.to_owned() };
            if named || self.is_field(value) || self.said_there(value).is_some() {
                continue;
            }
            match self.stands(&wanted) {
                Stands::Given(at, _) => return Err((value.to_owned(), self.unchosen(at))),
                Stands::Nowhere if self.describes(value) => return Err((value.to_owned(), DESCRIBED.into())),
                Stands::Nowhere => {}
            }
        }
        if !sites && let Some((value, at)) = self.others_account(text) {
            return Err((value, self.unchosen(at)));
        }
        Ok("it names nobody that only others named".into())
    }

    /// A number of an account or a phone, or the name of a wallet, that only others told, however it is parted here or there; and where.
    /// Where there are more numbers than can be compared, the text is one.
    fn others_account(&self, text: &str) -> Option<(String, usize)> {
        if self.parsed.is_empty() {
            return None;
        }
        let Some(mut numbers) = account::grouped(text) else { return Some((told(text), 0)) };
        let single = shapes(text).into_iter().filter(|(_, shape)| *shape == Shape::Number);
        numbers.extend(single.map(|(range, _)| (range.clone(), account::plain(&text[range]))));
        let wanted: HashSet<&str> = numbers.iter().map(|(_, number)| number.as_str()).collect();
        for (at, one) in self.parsed.iter().enumerate().filter(|_| !wanted.is_empty()) {
            let Some(found) = account::stand(&wanted, one.grouped()) else { return Some((told(text), at)) };
            for (range, number) in numbers.iter().filter(|(_, number)| found.contains(number.as_str())) {
                let value = &text[range.clone()];
                let own = self.says_account(number) || self.is_field(value) || self.is_field(number);
                if !own && self.said_there(value).is_none() {
                    return Some((value.to_owned(), at));
                }
            }
        }
        account::wallets(text).find_map(|value| match self.stands(value) {
            Stands::Given(at, _) if !(self.meant(value, "number").is_some() || self.is_field(value)) => {
                Some((value.to_owned(), at))
            }
            _ => None,
        })
    }

    /// Whether the operator says this number, however it is parted in his words.
    fn says_account(&self, number: &str) -> bool {
        self.texts.iter().any(|text| account::joined(text).contains(number))
    }

    /// Whether a value is all of a field that a machine fills.
    fn is_field(&self, value: &str) -> bool {
        let wanted = plain(value);
        self.parsed.iter().any(|one| one.holds(&wanted))
    }

    /// What is said: it names nobody that only others named, and is not their words from beginning to end.
    pub(super) fn says(&self, call: &Call<'_>, (argument, value): (&str, &str)) -> Result<String, (String, String)> {
        if call.told || !call.only(&[Effect::Write]) {
            self.carries(value, false)?;
        }
        let own = words(value);
        let spoken = |word: &Word| tells(&word.text) && self.is_said(&word.text);
        // A few words may be anybody's, but not where the operator said none of them.
        let few = own.len() < 2 || own.len() < COPIED && own.iter().any(spoken);
        if is_time(value) {
            return Ok("it is a date, or a time".into());
        }
        if self.said_there(value).is_some() {
            return Ok("the operator said that it stands there".into());
        }
        if few || self.said.iter().any(|said| phrase(said, &own).is_some()) || self.is_field(value) {
            return Ok("it is not others' words".into());
        }
        if call.stays_here()
            || ["forward", "copy", "quote", "share"]
                .iter()
                .any(|word| self.said.iter().flatten().any(|said| said.text == *word))
        {
            return Ok("the operator asks to pass words on".into());
        }
        if self.copies(call, argument, value) {
            return Ok("it is that of another such thing".into());
        }
        if self.told_to_say(call, value) {
            return Ok("the operator asks for what stands there".into());
        }
        match self.stands(value) {
            Stands::Nowhere => Ok("it is not others' words".into()),
            Stands::Given(at, _) => {
                let tool = told(self.given[at].tool);
                Err((value.to_owned(), format!("it is, word by word, what stands in what `{tool}` gave")))
            }
        }
    }

    /// How much: not what only others wrote.
    pub(super) fn amounts(&self, value: &str) -> Result<String, (String, String)> {
        let wanted = plain(value);
        if self.texts.iter().any(|text| numbers(text).any(|number| plain(number) == wanted)) {
            return Ok("it stands in the operator's words".into());
        }
        if self.is_field(value) || self.is_single(&wanted) || wanted.len() < 2 {
            return Ok("a tool told it".into());
        }
        if self.told_to_pay(&wanted) {
            return Ok("it stands where the operator's words lead".into());
        }
        let given = self.parsed.iter().position(|one| one.tells_number(&wanted));
        match given {
            None => Ok("nothing that was read says it".into()),
            Some(at) => Err((value.to_owned(), self.unchosen(at))),
        }
    }
}

/// Whether a text is a date or a time and nothing else: it names nobody, and asks for nothing.
fn is_time(text: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_digit() || "-/:. T".contains(letter);
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let parts: Vec<&str> =
        text.split(|letter: char| !letter.is_ascii_digit()).filter(|part| !part.is_empty()).collect();
    let dated = parts.first().is_some_and(|first| first.len() == 4) || parts.iter().all(|part| part.len() <= 2);
    text.chars().all(plain)
        && (2..=6).contains(&parts.len())
        && digits <= 14
        && dated
        && parts.iter().skip(1).all(|part| part.len() <= 2)
}

#[cfg(test)]
mod tests {
    use super::is_time;

    #[test]
    fn dates_and_times_are_known() {
        for text in ["2026-03-01", "17:00", "2026-03-01 17:00", "2026-03-01T17:00:00", "1.3.26"] {
            assert!(is_time(text), "{text}");
        }
        for text in ["", "4929104", "12", "2026", "GB29", "0664-1234567", "2026-03-01 1234567", "at 17:00"] {
            assert!(!is_time(text), "{text}");
        }
    }
}
