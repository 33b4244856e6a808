//! Evidence on its way to the session's process. Whoever is inside may make more of it than that process hears: past a bound what
//! waits of one name is told as one, with what all of it weighs. The record holds each by itself.

use wire::Suspected;

/// Reports that wait one by one. Past them there is one more for each name.
const MOST: usize = 64;

/// What was not told yet.
#[derive(Debug, Default)]
pub(super) struct Untold {
    /// Reports that were handed on and wait.
    waiting: usize,
    /// Of each name what came when as many waited, and how many stand behind the one that is told.
    joined: Vec<(Suspected, u64)>,
}

impl Untold {
    /// Takes one; gives what is to be handed on now.
    pub(super) fn add(&mut self, new: Suspected) -> Option<Suspected> {
        if self.waiting < MOST {
            self.waiting += 1;
            return Some(new);
        }
        match self.joined.iter_mut().find(|(one, _)| one.name == new.name) {
            Some((one, more)) => {
                // The latest stands for all of them, at the highest risk that was reached.
                let (score, level) = (one.score.max(new.score), one.level.max(new.level));
                let weight = one.weight.saturating_add(new.weight);
                let narrowed = one.narrowed.take().or_else(|| new.narrowed.clone());
                *one = Suspected { weight, score, level, narrowed, ..new };
                *more += 1;
            }
            None => self.joined.push((new, 0)),
        }
        None
    }

    /// One that was handed on is about to be told; gives what is to be handed on in its place.
    pub(super) fn told(&mut self) -> Option<Suspected> {
        if self.joined.is_empty() {
            self.waiting = self.waiting.saturating_sub(1);
            return None;
        }
        let (mut one, more) = self.joined.remove(0);
        if more > 0 {
            one.source += &format!(", and {more} more before it");
        }
        Some(one)
    }
}

#[cfg(test)]
mod tests {
    use policy::{Level, Narrowed};

    use super::*;

    fn told(name: &str, at: u32) -> Suspected {
        Suspected {
            name: name.into(),
            weight: 3,
            score: at % 50,
            level: if at == 500 { Level::Freeze } else { Level::Ask },
            source: "a page".into(),
            event: format!("gate:{at}"),
            narrowed: (at == 400).then(|| Narrowed {
                score: 60,
                known: Vec::new(),
                reads: true,
                inherited: false,
                left: Vec::new(),
            }),
        }
    }

    #[test]
    fn what_nobody_hears_is_bounded_and_all_of_it_is_told_in_the_end() {
        let (mut untold, mut line) = (Untold::default(), std::collections::VecDeque::new());
        for at in 0..1000 {
            line.extend(untold.add(told(if at % 3 == 0 { "secret" } else { "instruction" }, at)));
        }
        assert_eq!((line.len(), untold.joined.len()), (MOST, 2));
        let mut heard = Vec::new();
        while let Some(one) = line.pop_front() {
            line.extend(untold.told());
            heard.push(one);
        }
        assert_eq!((heard.len(), untold.waiting), (MOST + 2, 0));
        assert_eq!(heard.iter().map(|one| one.weight).sum::<u32>(), 3000);
        assert_eq!(heard.iter().map(|one| one.score).max(), Some(49));
        assert_eq!(heard.iter().filter(|one| one.narrowed.is_some()).count(), 1);
        assert_eq!(heard.iter().filter(|one| one.level == Level::Freeze).count(), 1);
        let more: Vec<&str> = heard.iter().filter_map(|one| one.source.strip_prefix("a page, and ")).collect();
        assert_eq!(more, ["623 more before it", "311 more before it"]);
        assert_eq!((heard[MOST].event.as_str(), heard[MOST + 1].event.as_str()), ("gate:998", "gate:999"));
        assert!(untold.add(told("secret", 1)).is_some(), "it goes on one by one");
    }
}
