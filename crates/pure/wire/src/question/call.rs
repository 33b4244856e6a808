//! A question about a call of a tool: what speaks against it and where that stands, and what an answer endorses. Each
//! endorsement that is offered was tried: it lets this call go on, and none that was denied in this session.

use policy::mcp::TextPattern;
use policy::{Day, Doubted, Effect, Endorsed, Endorsement, Origin, Role, Source};
use serde::{Deserialize, Serialize};

use super::offer::{Endorses, Offer, Risk, Stand};

/// Most doubts of a call that is asked about: the operator is to see all of them.
pub const MOST_DOUBTS: usize = 16;
/// Most places that are told of each.
pub const MOST_PLACES: usize = 4;
/// Bytes of one text in it.
const MOST_TEXT: usize = 2048;
/// Days for which what an answer of `always` endorses stands.
const STANDS: u32 = 30;
/// What cannot be taken back, or reaches whoever likes: one call, one answer.
const HIGH: [Effect; 4] = [Effect::Spend, Effect::Delete, Effect::Publish, Effect::Spawn];

/// A call that is held, and all that speaks against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calling {
    /// What speaks against it.
    pub doubted: Doubted,
    /// SHA-256 of tool and arguments, in hexadecimal: an answer is for that very call.
    pub request: String,
    /// Its arguments are longer than what is shown of them.
    pub long: bool,
}

impl Calling {
    /// Whether all of it can be shown.
    pub(super) fn fits(&self) -> bool {
        let Doubted { tool, doubts, .. } = &self.doubted;
        let texts = doubts.iter().flat_map(|doubt| [&doubt.value, &doubt.why, &doubt.around]);
        let sources = doubts.iter().flat_map(|doubt| &doubt.sources);
        let named = sources.flat_map(|one| one.places.iter().chain([&one.tool, &one.sha256]).chain(&one.author));
        let arguments = doubts.iter().filter_map(|doubt| doubt.argument.as_ref());
        !doubts.is_empty()
            && doubts.len() <= MOST_DOUBTS
            && doubts.iter().all(|doubt| {
                doubt.sources.len() <= MOST_PLACES && doubt.sources.iter().all(|one| one.places.len() <= MOST_PLACES)
            })
            && self.request.len() == 64
            && texts.chain(named).chain(arguments).chain([tool]).all(|text| text.len() <= MOST_TEXT)
    }

    /// `send_mail to send`
    pub(super) fn does(&self) -> String {
        let effects: Vec<&str> = self.doubted.needs().iter().map(|effect| effect.name()).collect();
        format!("{} to {}", self.doubted.tool, effects.join(", "))
    }

    /// Whether another one is the same call. What it is known by may have been read anew meanwhile.
    pub(super) fn is_same(&self, other: &Calling) -> bool {
        self.request == other.request && self.doubted.effects == other.doubted.effects
    }

    /// Whether it goes on by what is endorsed.
    #[must_use]
    pub fn lifted(&self, by: &[Endorsement], today: Day) -> bool {
        self.doubted.lifted(by, today).is_some()
    }

    /// What may be answered to it.
    pub(super) fn offer(&self, stand: &Stand<'_>) -> Offer {
        let high: Vec<&str> =
            HIGH.iter().filter(|effect| self.doubted.effects.contains(effect)).map(|effect| effect.name()).collect();
        let mut reasons = Vec::new();
        if !high.is_empty() {
            reasons.push(format!("it would {}: that is answered call by call", high.join(", ")));
        }
        if self.long {
            reasons.push("its arguments are longer than what is shown of them".to_owned());
        }
        if self.doubted.doubts.iter().any(|doubt| doubt.sources.is_empty() && doubt.effect.is_none()) {
            reasons.push("a value stands in nothing that was read as a whole".to_owned());
        }
        let denied = stand.denied.iter().filter_map(|denied| denied.call.as_deref());
        let denied: Vec<&Calling> = denied.filter(|denied| denied.request != self.request).collect();
        let serves = |new: &[Endorsement]| {
            let all: Vec<Endorsement> = stand.endorsed.iter().chain(new).cloned().collect();
            high.is_empty()
                && !new.is_empty()
                && self.lifted(&all, stand.today)
                && denied.iter().all(|denied| !denied.lifted(&all, stand.today))
        };
        let values = Some(self.values()).filter(|values| serves(values)).unwrap_or_default();
        let source = self.source().filter(|source| serves(std::slice::from_ref(source)));
        // What holds beyond the session needs a place that can be written down.
        let placed = |one: &&Endorsement| matches!(&one.of, Endorsed::Source { source, .. } if source.tool.is_some());
        let standing = source
            .as_ref()
            .filter(|source| stand.alone && placed(source))
            .map(|source| Endorsement { until: Some(stand.today.after(STANDS)), ..source.clone() });
        Offer {
            session: !values.is_empty(),
            wide: None,
            always: standing.is_some(),
            endorses: Some(Endorses { values, source, standing }),
            risk: if high.is_empty() { Risk::Usual } else { Risk::High },
            reasons,
            credential: None,
        }
    }

    /// Each value, as what it is to the call.
    fn values(&self) -> Vec<Endorsement> {
        let doubts = self.doubted.doubts.iter().filter(|doubt| doubt.effect.is_none() && doubt.whole);
        let value = |(role, value)| Endorsement {
            of: Endorsed::Value { role, value },
            effects: self.doubted.needs(),
            until: None,
        };
        doubts.filter_map(|doubt| Some((doubt.role?, doubt.value.clone()))).map(value).collect()
    }

    /// The one source in which all of it stands, as it is, for these targets.
    fn source(&self) -> Option<Endorsement> {
        let mut values = self.doubted.doubts.iter().filter(|doubt| doubt.effect.is_none()).peekable();
        let behind = match values.peek().copied() {
            Some(first) => first,
            None => self.doubted.doubts.first()?,
        };
        let everywhere = |one: &&Source| {
            self.doubted.doubts.iter().all(|doubt| doubt.sources.iter().any(|other| other.sha256 == one.sha256))
        };
        let source = behind.sources.iter().find(everywhere)?;
        let targets = values.filter(|doubt| doubt.role == Some(Role::Target));
        let targets: Option<Vec<TextPattern>> = targets.map(|doubt| TextPattern::literal(&doubt.value)).collect();
        let of = Endorsed::Source { source: Origin::exactly(source), targets: Some(targets?) };
        Some(Endorsement { of, effects: self.doubted.needs(), until: None })
    }
}

#[cfg(test)]
pub(super) mod tests;
