//! Where the streams of one connection go on: each takes the place of a connection, since it may need one outside. One place
//! is that of the program's own connection, which keeps what is open there as long as it lasts.

use std::cell::RefCell;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::outside::Outside;

/// Leave to hold one connection outside; none is that of the program's own connection.
#[derive(Debug)]
pub(super) struct Place<'a>(Option<SemaphorePermit<'a>>);

/// The places of one connection.
#[derive(Debug)]
pub(super) struct Places<'a> {
    all: &'a Semaphore,
    own: RefCell<Own>,
}

/// The place of the program's own connection.
#[derive(Debug)]
enum Own {
    /// With what is open there.
    Free(Option<Box<Outside>>),
    Taken,
}

impl<'a> Places<'a> {
    pub(super) const fn new(all: &'a Semaphore) -> Places<'a> {
        Places { all, own: RefCell::new(Own::Free(None)) }
    }

    /// A place, with what is open there already; none where no more may be open.
    pub(super) fn take(&self) -> Option<(Place<'a>, Option<Outside>)> {
        match self.own.replace(Own::Taken) {
            Own::Free(outside) => Some((Place(None), outside.map(|outside| *outside))),
            Own::Taken => self.all.try_acquire().ok().map(|permit| (Place(Some(permit)), None)),
        }
    }

    /// Gives a place back, with what is open there. Gives what does not stay.
    pub(super) fn give(&self, place: &Place<'a>, outside: Option<Outside>) -> Option<Outside> {
        if place.0.is_some() {
            return outside;
        }
        let (stays, rest) = match outside {
            Some(outside) if outside.is_ready() => (Some(Box::new(outside)), None),
            rest => (None, rest),
        };
        self.own.replace(Own::Free(stays));
        rest
    }

    /// What stays open.
    pub(super) fn last(self) -> Option<Outside> {
        match self.own.into_inner() {
            Own::Free(outside) => outside.map(|outside| *outside),
            Own::Taken => None,
        }
    }
}
