//! What was learned: top genes by device, fingerprint, scheduler and objective, and pools to go on from.

use super::append::{json, signed};
use super::{Store, StoreError};
use genetic::{Fitness, Key, Library, LibraryConfig, TopGenes};
use rusqlite::{OptionalExtension, params};
use serde::Serialize;

/// Top genes and whose they are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TopRow {
    /// Device, fingerprint and scheduler.
    #[serde(flatten)]
    pub key: Key,
    /// What their fitness measures.
    pub objective: String,
    /// The genes.
    #[serde(flatten)]
    pub top: TopGenes,
}

/// Which top genes are meant; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopFilter {
    /// The device.
    pub device: Option<String>,
    /// The fingerprint's name.
    pub class: Option<String>,
    /// The scheduler's name.
    pub scheduler: Option<String>,
    /// What the fitness measures.
    pub objective: Option<String>,
}

const MATCHES: &str = "(?1 IS NULL OR device = ?1) AND (?2 IS NULL OR class = ?2)
    AND (?3 IS NULL OR scheduler = ?3) AND (?4 IS NULL OR objective = ?4)";

impl Store {
    /// The top genes that a filter lets through, by device, fingerprint, scheduler and objective.
    ///
    /// # Errors
    /// Where the store cannot be read, or holds what this program did not write.
    pub fn tops(&self, filter: &TopFilter) -> Result<Vec<TopRow>, StoreError> {
        let sql = format!(
            "SELECT device, class, scheduler, objective, entry FROM top_genes WHERE {MATCHES}
             ORDER BY device, class, scheduler, objective"
        );
        let mut query = self.connection.prepare(&sql).map_err(self.error("read top genes"))?;
        let rows = query
            .query_map(params![filter.device, filter.class, filter.scheduler, filter.objective], |row| {
                let key = Key { device: row.get(0)?, class: row.get(1)?, scheduler: row.get(2)? };
                Ok((key, row.get::<_, String>(3)?, row.get::<_, String>(4)?))
            })
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(self.error("read top genes"))?;
        rows.into_iter()
            .map(|(key, objective, entry)| {
                let top = self.parse(&format!("top_genes: {key} / {objective}"), &entry)?;
                Ok(TopRow { key, objective, top })
            })
            .collect()
    }

    /// The library of one device (or, without one, of all), for the objective that `config` names.
    ///
    /// # Errors
    /// Where the store cannot be read, or holds what a library refuses.
    pub fn load_library(&self, device: Option<&str>, config: LibraryConfig) -> Result<Library, StoreError> {
        let refused = |place: String, why: String| StoreError::Value { path: self.path.clone(), place, why };
        let filter = TopFilter {
            device: device.map(str::to_owned),
            objective: Some(config.objective.clone()),
            ..TopFilter::default()
        };
        let mut library =
            Library::new(config).map_err(|error| refused("library".to_owned(), error.to_string()))?;
        for row in self.tops(&filter)? {
            let place = format!("top_genes: {}", row.key);
            library.put(row.key, row.top).map_err(|error| refused(place, error.to_string()))?;
        }
        Ok(library)
    }

    /// Keeps the top genes of one device as a library has them now. What is stored under other keys stays.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub fn save_top(&self, device: &str, library: &Library, at_unix_ms: u64) -> Result<(), StoreError> {
        self.together(|store| {
            for (key, top) in library.iter().filter(|(key, _)| key.device == device) {
                store.put_top(key, &library.config().objective, top, at_unix_ms)?;
            }
            Ok(())
        })
    }

    /// Keeps one entry.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub fn put_top(
        &self,
        key: &Key,
        objective: &str,
        top: &TopGenes,
        at_unix_ms: u64,
    ) -> Result<(), StoreError> {
        self.in_place()?;
        self.connection
            .prepare_cached(
                "INSERT INTO top_genes (device, class, scheduler, objective, fitness, entry, updated_unix_ms)
                 VALUES (?, ?, ?, ?, ?, ?, ?)
                 ON CONFLICT DO UPDATE SET fitness = excluded.fitness, entry = excluded.entry,
                     updated_unix_ms = excluded.updated_unix_ms
                 WHERE entry <> excluded.entry",
            )
            .and_then(|mut insert| {
                insert.execute(params![
                    key.device,
                    key.class,
                    key.scheduler,
                    objective,
                    top.fitness.map(Fitness::get),
                    json(top),
                    signed(at_unix_ms),
                ])
            })
            .map(drop)
            .map_err(self.error("keep top genes"))
    }

    /// Forgets the top genes that a filter lets through; answers how many entries that were. The evaluations that
    /// led to them stay.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub fn forget(&self, filter: &TopFilter) -> Result<usize, StoreError> {
        self.in_place()?;
        self.connection
            .execute(
                &format!("DELETE FROM top_genes WHERE {MATCHES}"),
                params![filter.device, filter.class, filter.scheduler, filter.objective],
            )
            .map_err(self.error("forget top genes"))
    }

    /// Keeps a pool, as JSON, so that a later start goes on from it.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub fn save_pool(
        &self,
        device: &str,
        scheduler: &str,
        state: &str,
        at_unix_ms: u64,
    ) -> Result<(), StoreError> {
        self.in_place()?;
        self.connection
            .prepare_cached(
                "INSERT INTO pool (device, scheduler, state, updated_unix_ms) VALUES (?, ?, ?, ?)
                 ON CONFLICT DO UPDATE SET state = excluded.state, updated_unix_ms = excluded.updated_unix_ms",
            )
            .and_then(|mut insert| insert.execute(params![device, scheduler, state, signed(at_unix_ms)]))
            .map(drop)
            .map_err(self.error("keep a pool"))
    }

    /// The pool that was kept for a device and scheduler, as JSON; `None` where there is none.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn load_pool(&self, device: &str, scheduler: &str) -> Result<Option<String>, StoreError> {
        self.connection
            .query_row(
                "SELECT state FROM pool WHERE device = ? AND scheduler = ?",
                params![device, scheduler],
                |row| row.get(0),
            )
            .optional()
            .map_err(self.error("read a pool"))
    }

    /// Does several writes as one: all of them, or none. Within another such call it belongs to that one.
    ///
    /// # Errors
    /// Those of `work`, and where the store cannot be written.
    pub fn together<T>(&self, work: impl FnOnce(&Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if !self.connection.is_autocommit() {
            return work(self);
        }
        self.in_place()?;
        let transaction = self.connection.unchecked_transaction().map_err(self.error("begin"))?;
        let done = work(self)?;
        transaction.commit().map_err(self.error("commit"))?;
        Ok(done)
    }
}
