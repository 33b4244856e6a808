//! Looking for what may not leave in what may be long: aside then, as often as something else is to be found meanwhile.

use policy::Sink;
use sense::Bounds;

use super::Passage;
use crate::flows::{Look, Looked, Stopped};

/// How often one request is looked at: whoever is inside may label something again and again.
const TIMES: usize = 4;

impl Passage {
    /// What stops parts and then bytes from leaving, which may be many; else they count as said. The bytes are given back.
    pub(crate) async fn judges(&self, to: &str, sink: Sink, parts: &[&[u8]], said: &mut Vec<u8>) -> Option<Stopped> {
        let mut whole = vec![std::mem::take(said)];
        let looked = self.looks(to, parts, &mut whole, &Bounds::USUAL).await;
        *said = whole.pop().unwrap_or_default();
        match looked {
            Ok(looked) => self.flows.settle(sink, looked?),
            Err(stopped) => Some(stopped),
        }
    }

    /// Looks at parts and then at pieces, which may be long and are given back; none where nothing is looked for.
    ///
    /// # Errors
    /// [`Stopped`], where they cannot be looked at. The pieces may be lost then.
    pub(crate) async fn looks(
        &self,
        to: &str,
        parts: &[&[u8]],
        pieces: &mut Vec<Vec<u8>>,
        bounds: &Bounds,
    ) -> Result<Option<Looked>, Stopped> {
        let bytes = parts.iter().map(|part| part.len()).chain(pieces.iter().map(Vec::len)).sum();
        if !self.aside.takes(bytes) {
            let all: Vec<&[u8]> = parts.iter().copied().chain(pieces.iter().map(Vec::as_slice)).collect();
            return Ok(self.flows.look(to, &all, bounds));
        }
        let mut parts: Vec<Vec<u8>> = parts.iter().map(|part| part.to_vec()).collect();
        for _ in 0..TIMES {
            let Some(Look { corpus, window, grown }) = self.flows.begin(to) else { return Ok(None) };
            let (first, then, bounds) = (parts, std::mem::take(pieces), *bounds);
            let work = move || {
                let all: Vec<&[u8]> = first.iter().chain(&then).map(Vec::as_slice).collect();
                let alone = window.scan_alone(&corpus, &all, &bounds);
                (alone, first, then)
            };
            let (alone, first, then) =
                self.aside.run(bytes, work).await.map_err(|lost| Stopped::unseen(&lost.to_string()))?;
            (parts, *pieces) = (first, then);
            if let Some(looked) = self.flows.join(to, alone, grown, &bounds) {
                return Ok(Some(looked));
            }
        }
        Err(Stopped::unseen("what may not leave became more again and again while it was looked at"))
    }
}
