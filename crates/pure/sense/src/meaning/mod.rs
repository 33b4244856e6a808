//! What a call of a tool means, and whether what the operator said speaks for it.
//!
//! [`effects`] and [`role`] conclude what a tool does and what its arguments are; [`Task`] what the operator's words ask for;
//! [`Scene`] holds a conversation, and [`Scene::judge`] says of one call whether it serves the task and where its targets come from.
//! Deterministic, in time that grows with the text; words are compared, and nothing is understood.

mod account;
mod call;
mod choice;
mod count;
mod delegate;
mod described;
mod effect;
mod endorse;
mod fetch;
mod ground;
mod hints;
mod leads;
mod lines;
mod links;
mod literal;
mod memory;
mod merge;
mod place;
mod repeat;
mod request;
mod results;
mod role;
mod say;
mod shape;
mod spawn;
mod task;
mod text;
mod things;
mod trail;
mod visit;
mod whose;
mod words;

pub use effect::{Effects, Tool, effects};
pub use endorse::{Came, Hashing};
pub use fetch::is_fetch;
pub use ground::{Finding, Given, Judgement, MOST_READ, Scene, Stands};
pub use hints::Hints;
pub use links::{Brought, LONGEST, Link, links, open};
pub use memory::Memory;
pub use merge::{Merged, Said, Unasked};
pub use repeat::{Order, repeats, sentences};
pub use request::{Passed, Sent};
pub use role::role;
pub use spawn::Begun;
pub use task::Task;
pub use whose::{Others, Whose};
