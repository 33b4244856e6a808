//! Where a call goes that takes something from there, or fills in a form: addresses that the operator's words lead to.

use policy::Role;

use super::call::Call;
use super::described::DESCRIBED;
use super::ground::{Scene, Stands};
use super::place::{is_beneath, places};
use super::shape::{Shape, address, host, shape, shapes};

impl Scene<'_> {
    /// Where an address is only read from: it may be any that the operator's words lead to.
    pub(super) fn visits(&self, value: &str, role: Role) -> Result<String, (String, String)> {
        if role != Role::Target || shape(value) != Some(Shape::Url) {
            return Ok("it only reads".into());
        }
        let site = host(value);
        if let Some(by) = self.site(&site) {
            return Ok(by);
        }
        if self.visited(&site) {
            return Ok("an earlier call went to that site".into());
        }
        if self.beyond {
            return Err((value.to_owned(), "more was read than can be looked through".into()));
        }
        if let Some(by) = self.chooser().linked(value).or_else(|| self.sent_link(value)) {
            return Ok(by);
        }
        match self.stands(&site) {
            Stands::Nowhere if self.describes(value) => Err((value.to_owned(), DESCRIBED.into())),
            Stands::Nowhere => Ok("nothing that was read says it".into()),
            Stands::Given(at, _) => Err((value.to_owned(), self.unchosen(at))),
        }
    }

    /// A site that the operator named.
    pub(super) fn site(&self, site: &str) -> Option<String> {
        let named = |text: &String| {
            shapes(text).iter().any(|(range, found)| *found == Shape::Url && host(&text[range.clone()]) == site)
        };
        (is_here(site) || self.texts.iter().any(named)).then(|| "the operator named the site".into())
    }

    /// Whether a call that went on named this site.
    fn visited(&self, site: &str) -> bool {
        self.given.iter().any(|one| {
            !one.asked.is_empty()
                && places(one.asked).iter().any(|place| shape(place) == Some(Shape::Url) && host(place) == site)
        })
    }

    /// Where a form is filled in: at a site that the operator named, or beneath a page of it that he did.
    pub(super) fn fills_at(&self, call: &Call<'_>, value: &str) -> bool {
        let named = |text: &String| {
            let mut found = shapes(text).into_iter().filter(|(_, found)| *found == Shape::Url);
            found.any(|(range, _)| is_beneath(value, &address(&text[range])))
        };
        shape(value) == Some(Shape::Url)
            && (is_here(&host(value)) || self.texts.iter().any(named) || self.sent_site(call, value))
    }

    /// Whether one of the places that the call is about told this of itself: the fields of a form stand in its page.
    pub(super) fn told_there(&self, own: &[String], value: &str) -> bool {
        let at = |one: &usize| places(self.given[*one].asked).iter().any(|place| own.contains(place));
        (0..self.given.len()).filter(at).any(|at| self.holds(at, value))
    }
}

fn is_here(site: &str) -> bool {
    matches!(site, "localhost" | "127.0.0.1" | "0.0.0.0") || site.ends_with(".localhost")
}
