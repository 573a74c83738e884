//! The laboratory of tunerd: every figure that the project states, with the experiment that makes it again.
//!
//! [`bench`] holds what the experiments share: a loop device that cleans up after itself
//! ([`bench::loopdev::LoopDevice`]), fio as the load ([`bench::fio::Load`]), and the statistics. Each experiment is a
//! module of its own and answers a [`bench::report::Report`].
#![cfg(target_os = "linux")]

pub mod bench;
