//! The edge to the kernel's FUSE: a connection, a mount that has no place in any directory, and the protocol.

pub(crate) mod abi;
mod connection;

pub(crate) use connection::{mount, open_connection, open_file};
