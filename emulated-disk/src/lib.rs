//! A loop device with a disk model's latencies: a real kernel queue before a modelled disk.
#![cfg(target_os = "linux")]
