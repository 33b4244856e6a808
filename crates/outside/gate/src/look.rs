//! Looks at an answer on its way to the program: secrets are taken out, and what a model says is read. Nothing of an answer
//! that cannot be read goes on.

use std::io;
use std::ops::Range;

use crate::reply::{Part, status};
use crate::veil::Veil;

/// Why an answer does not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unread {
    #[error("the answer is compressed, though it was asked for plainly, so what comes back with it is not seen")]
    Coded,
    #[error("where the answer ends cannot be told, so what comes back with it is not seen")]
    Odd,
    #[error("what the model answers cannot be read: {0}")]
    Answer(String),
}

/// What hears the body of an answer.
pub(crate) trait Listen {
    /// Its head is whole.
    fn begin(&mut self, status: u16, kind: &str);
    /// A piece of what its body carries.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn hear(&mut self, bytes: &[u8]) -> Result<(), Unread>;
}

/// What looks at one answer.
#[derive(Default)]
pub(crate) struct Look<'l> {
    veil: Option<Veil>,
    listener: Option<&'l mut dyn Listen>,
    /// The head, as long as it is not whole, and where its parts stand.
    before: Vec<u8>,
    parts: Vec<(Part, Range<usize>)>,
    headed: bool,
}

impl<'l> Look<'l> {
    pub(crate) fn new(veil: Option<Veil>, listener: Option<&'l mut dyn Listen>) -> Look<'l> {
        Look { veil, listener, ..Look::default() }
    }

    /// How many secrets came back.
    pub(crate) fn found(&self) -> u64 {
        self.veil.as_ref().map_or(0, |veil| veil.found)
    }

    /// Takes a piece of the answer, gives what goes on.
    ///
    /// # Errors
    /// [`Unread`].
    pub(crate) fn pass(&mut self, bytes: &[u8], parts: &[(Part, Range<usize>)], end: bool) -> io::Result<Vec<u8>> {
        let from = self.before.len();
        self.before.extend_from_slice(bytes);
        self.parts.extend(parts.iter().map(|(part, range)| (*part, from + range.start..from + range.end)));
        if !self.headed && !self.begin()? {
            return Ok(Vec::new());
        }
        let (bytes, parts) = (std::mem::take(&mut self.before), std::mem::take(&mut self.parts));
        for (part, range) in &parts {
            match (part, &mut self.listener) {
                (Part::Odd, _) => return Err(io::Error::new(io::ErrorKind::InvalidData, Unread::Odd)),
                (Part::Body, Some(listener)) => {
                    let heard = listener.hear(&bytes[range.clone()]);
                    heard.map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
                }
                _ => {}
            }
        }
        Ok(match &mut self.veil {
            Some(veil) => veil.pass(&bytes, &parts, end),
            None => bytes,
        })
    }

    /// Whether the head of the answer itself is there; those before it go with it.
    fn begin(&mut self) -> io::Result<bool> {
        let odd = |why| Err(io::Error::new(io::ErrorKind::InvalidData, why));
        let mut start = 0;
        for (part, range) in &self.parts {
            match part {
                Part::Odd => return odd(Unread::Odd),
                Part::Head { last: true } => {
                    let head = &self.before[start..range.end];
                    let status = status(head).unwrap_or(0);
                    if status >= 200 {
                        if is_coded(head) {
                            return odd(Unread::Coded);
                        }
                        if let Some(listener) = &mut self.listener {
                            listener.begin(status, &value(head, "content-type").unwrap_or_default());
                        }
                        self.headed = true;
                        return Ok(true);
                    }
                    start = range.end;
                }
                _ => {}
            }
        }
        Ok(false)
    }
}

fn is_coded(head: &[u8]) -> bool {
    value(head, "content-encoding").is_some_and(|coding| !matches!(coding.as_str(), "" | "identity"))
}

/// The values of a header, in lower case.
fn value(head: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(head);
    let named = text.split("\r\n").filter_map(|line| line.split_once(':'));
    let values: Vec<String> = named
        .filter(|(other, _)| other.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_ascii_lowercase())
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}
