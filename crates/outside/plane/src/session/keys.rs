//! Keys of petitions: one that is said twice is one effect. The second time gives the answer of the first, or waits for it.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use wire::petition::{Answer, Denial, Petition, Petitioned, Reason, Verb};

/// Keys of one session. None is forgotten: said again, it would be done again.
const MOST: usize = 4096;

/// The keys of one session.
#[derive(Debug, Default)]
pub(in crate::session) struct Keys {
    known: HashMap<(Verb, String), Known>,
    /// Which key a petition has that is being done.
    open: HashMap<u64, (Verb, String)>,
}

#[derive(Debug)]
struct Known {
    /// What was asked by it, all of it.
    digest: [u8; 32],
    /// Those that wait for its answer.
    waiting: Vec<u64>,
    answer: Option<Answer>,
}

impl Keys {
    /// What there is to answer to a petition by its key, perhaps nothing yet; none where it is to be done.
    pub(in crate::session) fn take(
        &mut self,
        Petitioned { number, petition, .. }: &Petitioned,
    ) -> Option<Vec<(u64, Answer)>> {
        let key = match petition {
            Petition::Spawn(spawn) => spawn.key.as_ref(),
            Petition::Send(send) => send.key.as_ref(),
            _ => None,
        };
        let key = key?;
        let key = (petition.verb(), key.as_str().to_owned());
        // A petition that came in a frame has this form.
        let digest: [u8; 32] = Sha256::digest(serde_json::to_vec(petition).unwrap_or_default()).into();
        let full = self.known.len() >= MOST;
        let answer = match self.known.get_mut(&key) {
            Some(known) if known.digest != digest => denied(
                Reason::Unfit,
                "this key was said before, with something else",
                "take another key for what is another thing",
            ),
            Some(Known { answer: Some(answer), .. }) => again(answer.clone()),
            Some(known) => {
                known.waiting.push(*number);
                return Some(Vec::new());
            }
            None if full => denied(Reason::TooMuch, "as many keys as may be were said", "say it without a key, once"),
            None => {
                self.known.insert(key.clone(), Known { digest, waiting: Vec::new(), answer: None });
                self.open.insert(*number, key);
                return None;
            }
        };
        Some(vec![(*number, answer)])
    }

    /// An answer, for whoever asked and for those who said the same key meanwhile.
    pub(in crate::session) fn answered(&mut self, number: u64, answer: Answer) -> Vec<(u64, Answer)> {
        let Some(key) = self.open.remove(&number) else { return vec![(number, answer)] };
        let mut all = Vec::new();
        if let Some(known) = self.known.get_mut(&key) {
            all.extend(known.waiting.drain(..).map(|waiting| (waiting, again(answer.clone()))));
            if matches!(answer, Answer::Denied(_)) {
                // Nothing was done by it: it may be said once more.
                self.known.remove(&key);
            } else {
                known.answer = Some(answer.clone());
            }
        }
        all.push((number, answer));
        all
    }
}

fn denied(reason: Reason, why: &str, hint: &str) -> Answer {
    Answer::Denied(Denial::new(reason, why, hint))
}

/// The same answer, saying that it is the first one's.
fn again(mut answer: Answer) -> Answer {
    if let Answer::Spawned(spawned) = &mut answer {
        spawned.again = true;
    }
    answer
}

#[cfg(test)]
mod tests;
