//! The tables, and how an older store becomes a present one.

use super::StoreError;
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

/// One script for each version: the n-th leads from version n to version n + 1. Released scripts never change.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE run (
        id INTEGER PRIMARY KEY,
        started_unix_ms INTEGER NOT NULL,
        boot_id TEXT NOT NULL,
        version TEXT NOT NULL,
        seed TEXT NOT NULL,
        configuration TEXT NOT NULL
    ) STRICT;
    CREATE TABLE evaluation (
        id INTEGER PRIMARY KEY,
        run INTEGER REFERENCES run(id),
        at_unix_ms INTEGER NOT NULL,
        device TEXT NOT NULL,
        scheduler TEXT NOT NULL,
        class TEXT,
        generation INTEGER NOT NULL,
        child INTEGER NOT NULL,
        from_ns INTEGER NOT NULL,
        to_ns INTEGER NOT NULL,
        settings TEXT NOT NULL,
        objective TEXT NOT NULL,
        fitness REAL,
        void TEXT,
        bytes_per_s REAL,
        mean_latency_ns INTEGER,
        utilisation REAL,
        CHECK ((fitness IS NULL) <> (void IS NULL))
    ) STRICT;
    CREATE INDEX evaluation_of ON evaluation (device, class, at_unix_ms);
    CREATE TABLE generation (
        id INTEGER PRIMARY KEY,
        run INTEGER REFERENCES run(id),
        at_unix_ms INTEGER NOT NULL,
        device TEXT NOT NULL,
        scheduler TEXT NOT NULL,
        class TEXT,
        generation INTEGER NOT NULL,
        objective TEXT NOT NULL,
        mean_fitness REAL,
        best_fitness REAL,
        best TEXT,
        mutation_rate REAL NOT NULL,
        scored INTEGER NOT NULL,
        void INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE visit (
        id INTEGER PRIMARY KEY,
        run INTEGER REFERENCES run(id),
        at_unix_ms INTEGER NOT NULL,
        device TEXT NOT NULL,
        from_class TEXT,
        to_class TEXT NOT NULL,
        first_window_ns INTEGER NOT NULL,
        confirmed_ns INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX visit_of ON visit (device, at_unix_ms);
    CREATE TABLE top_genes (
        device TEXT NOT NULL,
        class TEXT NOT NULL,
        scheduler TEXT NOT NULL,
        objective TEXT NOT NULL,
        fitness REAL,
        entry TEXT NOT NULL,
        updated_unix_ms INTEGER NOT NULL,
        PRIMARY KEY (device, class, scheduler, objective)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE pool (
        device TEXT NOT NULL,
        scheduler TEXT NOT NULL,
        state TEXT NOT NULL,
        updated_unix_ms INTEGER NOT NULL,
        PRIMARY KEY (device, scheduler)
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE confirmed (
        device TEXT NOT NULL,
        class TEXT NOT NULL,
        scheduler TEXT NOT NULL,
        objective TEXT NOT NULL,
        standing TEXT NOT NULL,
        entry TEXT NOT NULL,
        updated_unix_ms INTEGER NOT NULL,
        PRIMARY KEY (device, class, scheduler, objective)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE trial (
        id INTEGER PRIMARY KEY,
        run INTEGER REFERENCES run(id),
        at_unix_ms INTEGER NOT NULL,
        device TEXT NOT NULL,
        scheduler TEXT NOT NULL,
        class TEXT,
        objective TEXT NOT NULL,
        told TEXT NOT NULL
    ) STRICT;
    CREATE INDEX trial_of ON trial (device, class, at_unix_ms);
    CREATE TABLE gain_check (
        id INTEGER PRIMARY KEY,
        run INTEGER REFERENCES run(id),
        at_unix_ms INTEGER NOT NULL,
        device TEXT NOT NULL,
        scheduler TEXT NOT NULL,
        class TEXT,
        objective TEXT NOT NULL,
        told TEXT NOT NULL
    ) STRICT;
    CREATE INDEX gain_check_of ON gain_check (device, class, at_unix_ms);
    CREATE TABLE violation (
        id INTEGER PRIMARY KEY,
        run INTEGER REFERENCES run(id),
        at_unix_ms INTEGER NOT NULL,
        device TEXT NOT NULL,
        scheduler TEXT NOT NULL,
        class TEXT,
        objective TEXT NOT NULL,
        told TEXT NOT NULL
    ) STRICT;
    CREATE INDEX violation_of ON violation (device, class, at_unix_ms);
    CREATE TABLE campaign (
        id INTEGER PRIMARY KEY,
        run INTEGER REFERENCES run(id),
        at_unix_ms INTEGER NOT NULL,
        device TEXT NOT NULL,
        scheduler TEXT NOT NULL,
        class TEXT,
        objective TEXT NOT NULL,
        told TEXT NOT NULL
    ) STRICT;
    CREATE INDEX campaign_of ON campaign (device, class, at_unix_ms);
",
];

/// The version of the schema that this program writes (`PRAGMA user_version`).
pub const VERSION: i64 = MIGRATIONS.len() as i64;

/// Brings a store to [`VERSION`], all or nothing.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let error = |operation| move |error| StoreError::database(path, operation, &error);
    let begun = version(connection, path)?;
    if begun == VERSION {
        return Ok(());
    }
    // Immediate: of two processes that start at once, the second waits here and then finds nothing left to do.
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(error("lock for a migration"))?;
    let from = version(&transaction, path)?;
    for (index, script) in MIGRATIONS.iter().enumerate().skip(usize::try_from(from).unwrap_or(0)) {
        transaction.execute_batch(script).map_err(error("migrate"))?;
        transaction.pragma_update(None, "user_version", index as i64 + 1).map_err(error("migrate"))?;
    }
    transaction.commit().map_err(error("commit a migration"))
}

/// The store's version; 0 for an empty file.
pub(super) fn version(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let error = |error| StoreError::database(path, "read the version", &error);
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(error)?;
    if found > VERSION {
        return Err(StoreError::Newer { path: path.to_owned(), found, expected: VERSION });
    }
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0)).map_err(error)?;
    if found < 0 || (found == 0 && tables > 0) {
        return Err(StoreError::NotOurs { path: path.to_owned() });
    }
    Ok(found)
}
