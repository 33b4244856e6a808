//! Reads what is said to a session. All of it is bounded, and what cannot be understood is told apart: a message whose
//! number is known can be answered, and the connection goes on.

use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Ask, Hello, MAX_HELLO};
use crate::frame::{Bodies, MAX_FRAME};

/// Longest name of an unknown order that is repeated, in characters.
const MAX_NAME: usize = 40;

/// One message.
pub enum Heard {
    /// The first: both speak this version.
    Hello(u32),
    /// An order.
    Ask(Ask),
    /// An order that this build does not know, or not in this form.
    Unknown {
        /// Its number.
        number: u32,
        /// Its name: the asker's word.
        order: String,
    },
}

/// Why nothing further can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unheard {
    /// Who asks speaks other versions.
    #[error("versions {least} to {most}")]
    Version {
        /// The oldest.
        least: u32,
        /// The newest.
        most: u32,
    },
    /// It is no such message, or longer than any.
    #[error("no message of this socket")]
    Nonsense,
}

/// Takes bytes as they come and gives messages. It held secrets perhaps: all of it is wiped.
#[derive(Debug, Default)]
pub struct Reader {
    bodies: Bodies,
    greeted: bool,
}

/// The only message of the first version.
#[derive(Deserialize)]
struct First {
    version: u32,
}

/// What every order has, whatever its version.
#[derive(Deserialize)]
struct Numbered {
    number: u32,
    order: Named,
}

#[derive(Deserialize)]
struct Named {
    order: String,
}

impl Reader {
    /// Takes bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bodies.push(bytes);
    }

    /// The next message; none when no whole one is there.
    ///
    /// # Errors
    /// When who asks cannot be understood: the stream is to be dropped.
    pub fn next_message(&mut self) -> Result<Option<Heard>, Unheard> {
        let most = if self.greeted { MAX_FRAME } else { MAX_HELLO };
        let Some(body) = self.bodies.next_body(most).map_err(|_| Unheard::Nonsense)? else { return Ok(None) };
        if self.greeted {
            return order(&body).map(Some);
        }
        self.greeted = true;
        hello(&body).map(|version| Some(Heard::Hello(version)))
    }

    /// Whether a message is half read, or the first is still to come.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.greeted || !self.bodies.is_empty()
    }
}

fn hello(body: &[u8]) -> Result<u32, Unheard> {
    if let Ok(hello) = serde_json::from_slice::<Hello>(body) {
        let Hello { least, most } = hello;
        return hello.agreed().ok_or(Unheard::Version { least, most });
    }
    match serde_json::from_slice::<First>(body) {
        Ok(First { version }) => Err(Unheard::Version { least: version, most: version }),
        Err(_) => Err(Unheard::Nonsense),
    }
}

fn order(body: &Zeroizing<Vec<u8>>) -> Result<Heard, Unheard> {
    if let Ok(ask) = serde_json::from_slice::<Ask>(body) {
        return Ok(Heard::Ask(ask));
    }
    let Numbered { number, order } = serde_json::from_slice(body).map_err(|_| Unheard::Nonsense)?;
    Ok(Heard::Unknown { number, order: order.order.chars().take(MAX_NAME).collect() })
}
