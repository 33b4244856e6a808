//! The network inside a cell: loopback that answers for every address, and a fence that leads to the door.

pub(crate) mod fence;
pub(crate) mod netlink;
mod nft;
pub(crate) mod route;
pub(crate) mod sockets;

#[cfg(test)]
mod tests;
