//! Rules of one host by how their paths begin, so that a request looks at those alone that may mean it. Which of them do is
//! for the rules to say: this only leaves out what cannot.

use std::collections::HashMap;

use crate::{PathPattern, Request, Rule};

/// Longest segment that is told apart here.
const LONGEST: usize = 64;
/// How many segments of a path are.
const DEPTH: usize = 8;
/// From how many rules of one host on it is worth it.
pub(super) const MANY: usize = 8;

/// The rules whose paths begin like this, and what may follow.
#[derive(Debug, Clone, Default)]
pub(super) struct Paths {
    /// Those whose paths may go on in any way, in order.
    here: Vec<usize>,
    /// By the next segment, in lower case.
    below: HashMap<Vec<u8>, Paths>,
}

impl Paths {
    pub(super) fn new(positions: &[usize], rules: &[Rule]) -> Paths {
        let mut paths = Paths::default();
        for &position in positions {
            let of = &rules[position].paths;
            if of.is_empty() {
                paths.here.push(position);
            }
            of.iter().for_each(|path| paths.put(position, path));
        }
        paths
    }

    fn put(&mut self, position: usize, path: &PathPattern) {
        let mut place = self;
        for segment in path.beginning().take(DEPTH).take_while(|segment| segment.len() <= LONGEST) {
            place = place.below.entry(segment.to_ascii_lowercase()).or_default();
        }
        if place.here.last() != Some(&position) {
            place.here.push(position);
        }
    }

    /// The first position that passes, of rules that may mean the request: in its first reading where each counts (`every`),
    /// else in any. Allocates nothing.
    pub(super) fn find(&self, request: &Request, every: bool, passes: &mut impl FnMut(usize) -> bool) -> Option<usize> {
        let readings = request.readings().iter().take(if every { 1 } else { usize::MAX });
        readings.fold(None, |best, reading| self.within(reading, best, passes))
    }

    fn within(
        &self,
        reading: &[Vec<u8>],
        mut best: Option<usize>,
        passes: &mut impl FnMut(usize) -> bool,
    ) -> Option<usize> {
        let (mut place, mut segments) = (self, reading.iter());
        loop {
            let earlier = place.here.iter().copied().take_while(|position| best.is_none_or(|best| *position < best));
            best = earlier.into_iter().find(|position| passes(*position)).or(best);
            let Some(next) = segments.next().and_then(|segment| place.next(segment)) else { return best };
            place = next;
        }
    }

    fn next(&self, segment: &[u8]) -> Option<&Paths> {
        let mut folded = [0; LONGEST];
        let folded = folded.get_mut(..segment.len())?;
        folded.copy_from_slice(segment);
        folded.make_ascii_lowercase();
        self.below.get(&*folded)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Target;

    fn rule(paths: &[String]) -> Rule {
        let paths = paths.iter().map(|path| PathPattern::parse(path).unwrap()).collect();
        Rule { paths, ..Rule::to(Target::parse("a.example").unwrap()) }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_rule_that_means_a_request_is_left_out(
            rules in prop::collection::vec(prop::collection::vec("(/(a|B|b|a\\*|\\*|\\*\\*|c\\*d)){1,4}/?", 0..3), 1..24),
            path in "(/(a|A|b|B|ab|cxd|%61|a%2Fb)){1,4}/?",
            every in any::<bool>(),
        ) {
            let rules: Vec<Rule> = rules.iter().map(|paths| rule(paths)).collect();
            let all: Vec<usize> = (0..rules.len()).collect();
            let Ok(request) = Request::new("GET", &path) else { return Ok(()) };
            let mut means = |position: usize| request.is_taken(&rules[position], every);
            let found = Paths::new(&all, &rules).find(&request, every, &mut means);
            prop_assert_eq!(found, all.iter().copied().find(|position| means(*position)));
        }
    }
}
