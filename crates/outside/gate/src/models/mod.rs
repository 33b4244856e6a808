//! Requests to models: judged by what a provider may be asked, sent to whom the policy routes them, and read, so that the
//! record holds what was said and the session knows what its model was told.

mod account;
mod ask;
mod asking;
mod attempt;
mod calls;
mod foreign;
mod grounds;
mod listen;
mod origin;
mod plan;
mod purse;
mod refusal;
mod sent;
mod shape;
mod thoughts;
mod told;
mod withheld;

pub use account::Models;
pub(crate) use account::withheld;
pub(crate) use ask::{Whole, answer};
pub(crate) use asking::{Asker, Ears, hex};
pub(crate) use attempt::is_old;
pub(crate) use grounds::{Ungrounded, line, sha256, today};
pub(crate) use listen::{Heard, Hearing};
pub(crate) use plan::{Planned, plan};
pub(crate) use purse::{Asking, Ended, Purse, Taken};
pub(crate) use record::conversation::unique as parse;
pub(crate) use refusal::{Failure, say};
pub(crate) use sent::Sent;
pub(crate) use shape::asks_a_model;
