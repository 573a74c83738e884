//! Records of runs: what was found, beside what it takes to find it again.
//!
//! A run is a directory `<root>/<date>-<name>/`:
//!
//! | file | what it holds |
//! |---|---|
//! | `README.md` | for people: what it shows, the exact command, versions, kernel, device, seed, tables and charts |
//! | `meta.json` | the same for programs, with the version of this schema ([`SCHEMA`]) |
//! | `data.jsonl` | the raw rows, one JSON value a line, each handed to the kernel as it is made |
//! | `<stem>.csv` | a table |
//! | `<stem>.svg`, `<stem>.png` | a chart |
//!
//! A [`Run`] is written while it goes on: a process that dies, or a disk that fills up, loses at most the row that was
//! being written, and a row is never found in half. All other files appear whole or not at all. [`Run::resume`] goes on
//! with one that was interrupted, part by part, and ends with the rows of one that was not.
//!
//! ```
//! use results::record::{Meta, Run, Table, rows};
//!
//! # let root = tempfile::tempdir()?;
//! let date = results::record::date_of(std::time::SystemTime::now());
//! let meta = Meta {
//!     title: "Sensitivity of four schedulers".into(),
//!     shows: "How much one knob of each scheduler matters.".into(),
//!     command: ["tunerd-lab", "emulated", "--seed", "7"].map(String::from).to_vec(),
//!     seed: Some(7),
//!     kernel: "Linux 6.18.0 x86_64".into(),
//!     device: "loop0 on an emulated hdd".into(),
//!     versions: [("tunerd-lab".to_owned(), "0.1.0".to_owned())].into(),
//!     ..Meta::default()
//! };
//! let mut run = Run::create(root.path(), date, "sensitivity", meta)?;
//! run.append(&serde_json::json!({ "setting": "mq-deadline", "mean_ms": 38.0 }))?;
//! let mut table = Table::new(&["setting", "mean (ms)"]);
//! table.row(["mq-deadline".into(), "38.0".into()]);
//! run.table("latency", "Mean latency", &table)?;
//! let dir = run.finish()?;
//! assert!(dir.ends_with(format!("{date}-sensitivity")));
//! assert_eq!(rows::<serde_json::Value>(&dir)?.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod lines;
mod meta;
mod readme;
mod resume;
mod run;
mod table;

pub use error::RecordError;
pub use meta::{Exhibit, ExhibitKind, Manifest, Meta, SCHEMA, State};
pub(crate) use readme::{one_line, shell};
pub use resume::Resumed;
pub use run::{Run, date_of, manifest, rows};
pub use table::Table;
pub use time::Date;
