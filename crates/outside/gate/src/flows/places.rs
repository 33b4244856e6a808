//! Where in a text stands what may not flow somewhere: the matcher says that something is found and how long it is, and the
//! shortest part in which it still is found is its place.

use std::ops::Range;

use policy::Sink;
use sense::Scan;

use super::{Flows, Stopped};

/// Parts that are taken out of one text; where there are more, none of it goes on.
const MOST: usize = 128;
/// Longer texts are looked through in pieces of so many bytes, each of which begins in the middle of the one before.
const PIECE: usize = 8 << 10;

/// A part of a text, and why it does not go on.
pub(crate) type Part = (Range<usize>, Stopped);

impl Flows {
    /// Every part of a text that may not flow there.
    ///
    /// # Errors
    /// Why none of it goes on: what it says cannot be looked into, or too much of it would have to be taken out.
    pub(crate) fn places(&self, text: &[u8], sink: Sink) -> Result<Vec<Part>, Stopped> {
        let mut found = Vec::new();
        if !self.is_active() || text.is_empty() {
            return Ok(found);
        }
        let mut left = text.to_vec();
        if left.len() > PIECE {
            if self.stops(&self.scan(&left), sink).is_none() {
                return Ok(found);
            }
            for from in (0..left.len()).step_by(PIECE / 2) {
                let piece = from..(from + PIECE).min(left.len());
                self.take_out(&mut left, piece, sink, &mut found)?;
            }
        }
        let all = 0..left.len();
        self.take_out(&mut left, all, sink, &mut found)?;
        Ok(found)
    }

    /// Takes out of a piece what is found there, until nothing is.
    fn take_out(&self, text: &mut [u8], piece: Range<usize>, sink: Sink, found: &mut Vec<Part>) -> Result<(), Stopped> {
        loop {
            let scan = self.scan(&text[piece.clone()]);
            let Some(stopped) = self.stops(&scan, sink) else { return Ok(()) };
            let place = match (self.refused(&scan.found, sink), scan.beyond, &scan.opaque) {
                _ if found.len() >= MOST => return Err(stopped),
                (Some(first), ..) => {
                    let source = first.source;
                    let length =
                        |scan: &Scan| scan.found.iter().filter(|one| one.source == source).map(|one| one.length).max();
                    self.narrow(&text[piece.clone()], first.length, &|scan| length(scan).unwrap_or(0))
                }
                (None, None, Some(opaque)) => {
                    let size = |scan: &Scan| scan.opaque.as_ref().map_or(0, |one| one.size);
                    self.narrow(&text[piece.clone()], opaque.size, &size)
                }
                _ => return Err(stopped),
            };
            let place = piece.start + place.start..piece.start + place.end;
            // Of what stands elsewhere it is no evidence.
            let stopped = self.stops(&self.scan(&text[place.clone()]), sink).unwrap_or(stopped);
            // What stands there is no letter: what is left and right of it is still compared as if it were joined.
            text[place.clone()].fill(b'\n');
            found.push((place, stopped));
        }
    }

    /// The shortest part in which as much is still found.
    fn narrow(&self, text: &[u8], most: usize, measure: &dyn Fn(&Scan) -> usize) -> Range<usize> {
        let holds = |part: &[u8]| measure(&self.scan(part)) >= most;
        // Of both bounds one holds all the time, so that what is left holds it, too.
        let (mut short, mut end) = (0, text.len());
        while short + 1 < end {
            let middle = short.midpoint(end);
            if holds(&text[..middle]) { end = middle } else { short = middle }
        }
        let (mut start, mut late) = (0, end);
        while start + 1 < late {
            let middle = start.midpoint(late);
            if holds(&text[middle..end]) { start = middle } else { late = middle }
        }
        start..end
    }
}

#[cfg(test)]
mod tests {
    use policy::{Conjunction, Flow, Label, LabelPattern, Policy};
    use wire::Labelled;

    use super::*;
    use crate::flows::Tree;

    const SECRET: &str = "hunter2-hunter2";
    const NOTE: &str = "the blue heron lands at the old mill by midnight and waits for a lamp to be lit twice";

    fn flows() -> Flows {
        let mut policy = Policy { name: "test".into(), ..Policy::default() };
        policy.flows = vec![Flow { deny: LabelPattern::parse("secret:*").expect("a pattern"), to: Some(Sink::Human) }];
        let labelled = [("secret:env", SECRET, true), ("secret:notes", NOTE, false)].map(|(label, text, exact)| {
            let label = Label::parse(label).expect("a label");
            Labelled { label, source: "a file".into(), text: text.into(), exact }
        });
        Flows::new(&Conjunction::new(vec![policy]), &labelled, true, Tree::alone())
    }

    /// The text with each part in brackets.
    fn marked(text: &str) -> String {
        let mut parts = flows().places(text.as_bytes(), Sink::Human).expect("looked into");
        parts.sort_by_key(|(place, _)| place.start);
        let (mut at, mut out) = (0, String::new());
        for (place, _) in parts {
            out += &format!("{}[]", &text[at..place.start]);
            at = place.end;
        }
        out + &text[at..]
    }

    #[test]
    fn parts_are_as_short_as_what_is_found() {
        assert_eq!(marked("nothing of any interest"), "nothing of any interest");
        assert_eq!(marked(&format!("say {SECRET}, twice {SECRET}!")), "say [], twice []!");
        // Less of a text than counts is left.
        assert_eq!(marked(&NOTE[..40]), &NOTE[..40]);
        assert_eq!(marked(&format!("Well, {NOTE} – so it says")), "Well, [] – so it says");
        assert_eq!(marked(&format!("upper {} case", NOTE.to_uppercase().replace(' ', "\n > "))), "upper [] case");
        // The values of a secret are found in hexadecimal, too: all of what is written so is its place.
        let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(marked(&format!("so {hex} it is")), "so [] it is");
    }

    #[test]
    fn long_texts_and_much_of_it() {
        let far = format!("{} {SECRET} {}", "word and so on, ".repeat(3000), "more of them, ".repeat(3000));
        assert_eq!(marked(&far), far.replace(SECRET, "[]"));
        let much = format!("{SECRET} and ").repeat(MOST + 1);
        assert!(flows().places(much.as_bytes(), Sink::Human).is_err());
        // A rule about people is about nobody else, and nothing else is about them.
        assert_eq!(flows().places(SECRET.as_bytes(), Sink::Network), Ok(vec![]));
    }

    /// A labelled file with a licence at its top, and another file with the same.
    #[test]
    fn what_everybody_has_is_no_sign() {
        let licence = &super::super::COMMON[0][..600];
        let mut policy = Policy { name: "test".into(), ..Policy::default() };
        policy.flows = vec![Flow { deny: LabelPattern::parse("secret:*").expect("a pattern"), to: None }];
        let label = Label::parse("secret:plan").expect("a label");
        let labelled = Labelled { label, source: "a file".into(), text: format!("{licence}\n{NOTE}\n"), exact: false };
        let flows = Flows::new(&Conjunction::new(vec![policy]), &[labelled], true, Tree::alone());
        let leaves =
            |text: &str| flows.judge("a:1", Sink::Network, &[text.as_bytes()], &sense::Bounds::USUAL).is_none();
        assert!(!leaves(&format!("{licence}\n{NOTE}")));
        assert!(leaves(&format!("{licence}\nnothing else of it")));
        assert!(!leaves(NOTE));
    }

    /// What an earlier session left, and could not be read: nothing goes where a rule is about its label, and all goes elsewhere.
    #[test]
    fn what_could_not_be_read_holds_back_what_a_rule_is_about() {
        let policy = |deny: &str| {
            let flows = vec![Flow { deny: LabelPattern::parse(deny).expect("a pattern"), to: None }];
            Conjunction::new(vec![Policy { flows, ..Policy::default() }])
        };
        let label = |text: &str| Label::parse(text).expect("a label");
        let judged = |deny: &str, carried: &[Label], lacking: Option<&str>| {
            let flows = Flows::new(&policy(deny), &[], true, Tree::alone());
            flows.begin_with(carried, lacking);
            assert!(carried.iter().all(|one| flows.known().contains(one)));
            flows.judge("a:1", Sink::Network, &[b"anything at all"], &sense::Bounds::USUAL)
        };
        let carried = [label("untrusted:agent"), label("secret:x")];
        let held = judged("secret:*", &carried, Some("the home holds too much")).expect("held");
        assert!(held.reason.contains("the home holds too much"), "{held:?}");
        assert_eq!(judged("secret:*", &carried[..1], Some("the home holds too much")), None);
        assert_eq!(judged("secret:*", &carried, None), None);
        // Whose words a text is, is looked for only where a rule says so.
        let text = || vec![Labelled { label: carried[0].clone(), source: "f".into(), text: NOTE.into(), exact: false }];
        let leaves = |deny: &str| {
            let flows = Flows::new(&policy(deny), &text(), true, Tree::alone());
            flows.judge("a:1", Sink::Network, &[NOTE.as_bytes()], &sense::Bounds::USUAL).is_none()
        };
        assert!(leaves("secret:*") && !leaves("untrusted:*"));
    }

    /// Texts of many kinds of parts, in an order that a number makes: what is left holds none of it, and words stay.
    #[test]
    fn what_is_left_holds_nothing_more() {
        let hex: String = SECRET.bytes().map(|byte| format!("{byte:02X} ")).collect();
        let percent: String = SECRET.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let backwards: String = NOTE.chars().rev().collect();
        let forms = [SECRET, &NOTE[10..70], &hex, &percent, &backwards, "aHVudGVyMi1odW50ZXIy", "HUNTER2-hunter2"];
        let mut state = 11_u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        for round in 0..60 {
            let (mut text, mut words, mut kept) = (String::new(), 0, String::new());
            for _ in 0..1 + next(12) {
                for _ in 0..next(20) {
                    words += 1;
                    text += &format!("word {words}, ");
                }
                text += &format!("({}) ", forms[next(forms.len())]);
            }
            let flows = flows();
            let mut parts = flows.places(text.as_bytes(), Sink::Human).expect("looked into");
            parts.sort_by_key(|(place, _)| place.start);
            let mut at = 0;
            for (place, _) in parts {
                kept += &text[at..place.start.max(at)];
                kept += "[]";
                at = place.end.max(at);
            }
            kept += &text[at..];
            assert_eq!(flows.places(kept.as_bytes(), Sink::Human), Ok(vec![]), "{round}: {text}");
            let stays = (1..=words).filter(|word| kept.contains(&format!("word {word},"))).count();
            assert!(stays * 10 >= words * 9, "{round}: {stays} of {words}: {kept}");
        }
    }

    #[test]
    fn what_cannot_be_looked_into_is_a_part_by_itself() {
        let mut state = 7_u64;
        let mut letter = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[(state >> 58) as usize])
        };
        let noise: String = (0..1200).map(|_| letter()).collect();
        let text = format!("see: {noise}\nand words go on");
        let parts = flows().places(text.as_bytes(), Sink::Human).expect("looked into");
        assert!(!parts.is_empty());
        for (place, stopped) in &parts {
            // A word behind it may be more of the same.
            assert!(place.start >= 4 && place.end <= 5 + noise.len() + 4, "{place:?}");
            assert!(stopped.reason.contains("cannot be looked into"), "{stopped:?}");
        }
    }
}
