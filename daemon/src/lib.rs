//! tunerd finds, for each disk and for each kind of work that the disk is doing right now, the I/O scheduler
//! settings that serve it best, remembers them, and puts them back when the same kind of work returns.
//!
//! [`engine`] decides and touches nothing; [`ab`] compares two settings on live traffic, [`advise`]
//! says which are worth comparing; [`run`] waits, samples and lets the guard write; [`config`] and
//! [`cli`] say what was asked; [`store`] remembers; [`control`] answers `status`, `pause` and `resume`;
//! [`commands`] are the subcommands that do one thing and end.

pub mod ab;
pub mod advise;
pub mod cli;
pub mod commands;
pub mod config;
pub mod control;
pub mod engine;
pub mod run;
pub mod store;
