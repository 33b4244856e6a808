//! The door of a cell: names without addresses, one decision per connection, nothing forwarded that was not
//! decided.

pub mod dns;
pub mod door;
pub mod ledger;
pub mod names;
pub mod original;
pub mod resolver;
