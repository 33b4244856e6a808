//! What of a list is chosen: an item by its id, never a place. Whatever comes, goes or moves meanwhile, the next key is
//! about that item or about none.

/// A list that is looked at.
#[derive(Debug, Default)]
pub(super) struct List {
    chosen: Option<String>,
    /// Where the chosen one stands, or stood.
    at: usize,
    /// The first that is shown.
    top: usize,
    /// Something was chosen once: nothing is from here on that the operator did not choose.
    touched: bool,
    /// Only what holds this is shown.
    pub(super) filter: String,
}

impl List {
    pub(super) fn chosen(&self) -> Option<&str> {
        self.chosen.as_deref()
    }

    /// Whether a text is to be shown.
    pub(super) fn shows(&self, text: &str) -> bool {
        self.filter.is_empty() || text.to_lowercase().contains(&self.filter.to_lowercase())
    }

    /// Finds the chosen one in the list as it is now. Of a list that nobody touched the first is chosen.
    pub(super) fn settle(&mut self, ids: &[String]) {
        if let Some(chosen) = &self.chosen {
            match ids.iter().position(|id| id == chosen) {
                Some(at) => self.at = at,
                None => self.chosen = None,
            }
        }
        if self.chosen.is_none() && !self.touched {
            self.choose(ids, 0);
        }
        self.at = self.at.min(ids.len().saturating_sub(1));
    }

    /// Chooses by place.
    pub(super) fn choose(&mut self, ids: &[String], at: usize) {
        let at = at.min(ids.len().saturating_sub(1));
        if let Some(id) = ids.get(at) {
            (self.chosen, self.at, self.touched) = (Some(id.clone()), at, true);
        }
    }

    /// Chooses what lies so far from here. Where nothing is chosen, that which took the place of what was.
    pub(super) fn step(&mut self, ids: &[String], by: isize) {
        self.settle(ids);
        let by = if self.chosen.is_none() { 0 } else { by };
        self.choose(ids, self.at.saturating_add_signed(by));
    }

    /// Which part is shown in so many lines: the chosen one is in it, and it moves no further than that needs.
    pub(super) fn window(&mut self, count: usize, lines: usize) -> std::ops::Range<usize> {
        if self.at < self.top {
            self.top = self.at;
        }
        if lines > 0 && self.at >= self.top + lines {
            self.top = self.at + 1 - lines;
        }
        self.top = self.top.min(count.saturating_sub(lines));
        self.top..count.min(self.top + lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_comes_goes_or_moves_chooses_nothing_else() {
        let mut list = List::default();
        list.settle(&ids(""));
        assert_eq!(list.chosen(), None);
        list.settle(&ids("b c"));
        assert_eq!(list.chosen(), Some("b"));
        for order in ["a b c", "c b a", "b"] {
            list.settle(&ids(order));
            assert_eq!(list.chosen(), Some("b"), "{order}");
        }
        // It is gone: a key that is pressed now is about nothing.
        list.settle(&ids("a c d"));
        assert_eq!(list.chosen(), None);
        // Nor when it comes back.
        list.settle(&ids("a b c"));
        assert_eq!(list.chosen(), None);
        list.step(&ids("a c d"), 1);
        assert_eq!(list.chosen(), Some("a"));
        list.step(&ids("a c d"), 1);
        assert_eq!(list.chosen(), Some("c"));
    }

    #[test]
    fn the_chosen_one_is_always_in_sight() {
        proptest::proptest!(|(steps: Vec<(i8, u8, u8)>)| {
            let mut list = List::default();
            for (by, count, lines) in steps {
                let ids: Vec<String> = (0..count).map(|id| id.to_string()).collect();
                list.step(&ids, isize::from(by));
                let shown = list.window(ids.len(), usize::from(lines));
                proptest::prop_assert!(shown.end <= ids.len() && shown.len() <= usize::from(lines));
                if let (Some(chosen), 1..) = (list.chosen(), lines) {
                    proptest::prop_assert!(ids[shown].iter().any(|id| id == chosen));
                }
            }
        });
    }
}
