//! The door of a cell: names without addresses, one decision per connection, nothing forwarded that was not
//! decided.

pub mod answers;
mod asked;
mod body;
pub mod chunks;
pub mod confine;
pub mod diag;
mod dial;
pub mod dns;
pub mod door;
mod exchange;
pub mod flood;
pub mod forward;
pub mod head;
pub mod lease;
pub mod ledger;
pub mod meters;
pub mod names;
pub mod naming;
pub mod original;
mod own;
pub mod passage;
pub mod programs;
pub mod refusals;
pub mod relay;
mod reply;
mod requests;
pub mod resolver;
pub mod serve;
pub mod sightings;
mod starts;
mod stream;
pub mod tls;
pub mod upstream;
