//! The door of a cell: names without addresses, one decision per connection, nothing forwarded that was not
//! decided.

pub mod dns;
pub mod names;
