//! Appending: what happened, when it happens.

use super::rows::name_of;
use super::{ChangeRow, EvaluationRow, GenerationRow, Row, RunRow, Store, StoreError};
use fingerprint::Class;
use rusqlite::{OptionalExtension, params};
use serde::Serialize;

/// Evaluations that are kept: more than eleven days of one disk at two seconds each, about 150 MiB.
const KEEP_EVALUATIONS: i64 = 500_000;
/// Generations and changes of fingerprint that are kept, of each.
const KEEP_OTHERS: i64 = 200_000;

impl Store {
    /// Begins a run: rows that follow belong to it.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub fn begin_run(&mut self, run: &RunRow) -> Result<i64, StoreError> {
        self.in_place()?;
        self.connection
            .execute(
                "INSERT INTO run (started_unix_ms, boot_id, version, seed, configuration) VALUES (?, ?, ?, ?, ?)",
                params![signed(run.started_unix_ms), run.boot_id, run.version, run.seed, run.configuration],
            )
            .map_err(self.error("begin a run"))?;
        let id = self.connection.last_insert_rowid();
        self.run = Some(id);
        Ok(id)
    }

    /// Appends one child's slice.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub fn append_evaluation(&self, row: &EvaluationRow) -> Result<(), StoreError> {
        self.in_place()?;
        let evaluation = &row.evaluation;
        self.connection
            .prepare_cached(
                "INSERT INTO evaluation (run, at_unix_ms, device, scheduler, class, generation, child, from_ns, to_ns,
                     settings, objective, fitness, void, bytes_per_s, mean_latency_ns, utilisation)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .and_then(|mut insert| {
                insert.execute(params![
                    self.run,
                    signed(row.at_unix_ms),
                    row.device,
                    row.scheduler,
                    evaluation.class.map(Class::name),
                    signed(evaluation.generation),
                    signed(evaluation.child as u64),
                    signed(evaluation.from_ns),
                    signed(evaluation.to_ns),
                    json(&evaluation.settings),
                    name_of(&evaluation.objective),
                    evaluation.fitness,
                    evaluation.void.map(|void| name_of(&void)),
                    evaluation.bytes_per_s,
                    evaluation.mean_latency_ns.map(signed),
                    evaluation.utilisation,
                ])
            })
            .map(drop)
            .map_err(self.error("append an evaluation"))
    }

    /// Appends one generation.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub fn append_generation(&self, row: &GenerationRow) -> Result<(), StoreError> {
        self.in_place()?;
        self.connection
            .prepare_cached(
                "INSERT INTO generation (run, at_unix_ms, device, scheduler, class, generation, objective, mean_fitness,
                     best_fitness, best, mutation_rate, scored, void)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .and_then(|mut insert| {
                insert.execute(params![
                    self.run,
                    signed(row.at_unix_ms),
                    row.device,
                    row.scheduler,
                    row.class.map(Class::name),
                    signed(row.generation),
                    name_of(&row.objective),
                    row.mean_fitness,
                    row.best_fitness,
                    row.best.as_ref().map(json),
                    row.mutation_rate,
                    signed(row.scored),
                    signed(row.void),
                ])
            })
            .map(drop)
            .map_err(self.error("append a generation"))
    }

    /// Appends a change of fingerprint, which begins a visit.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub fn append_change(&self, row: &ChangeRow) -> Result<(), StoreError> {
        self.in_place()?;
        self.connection
            .prepare_cached(
                "INSERT INTO visit (run, at_unix_ms, device, from_class, to_class, first_window_ns, confirmed_ns)
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
            )
            .and_then(|mut insert| {
                insert.execute(params![
                    self.run,
                    signed(row.at_unix_ms),
                    row.device,
                    row.from.map(Class::name),
                    row.to.name(),
                    signed(row.first_window_ns),
                    signed(row.confirmed_ns),
                ])
            })
            .map(drop)
            .map_err(self.error("append a change of fingerprint"))
    }

    /// Appends a row of any kind.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub fn append(&self, row: &Row) -> Result<(), StoreError> {
        match row {
            Row::Evaluation(row) => self.append_evaluation(row),
            Row::Generation(row) => self.append_generation(row),
            Row::Change(row) => self.append_change(row),
            Row::Finding(row) => self.append_finding(row),
        }
    }

    /// The latest evaluations of a device, latest first.
    ///
    /// # Errors
    /// Where the store cannot be read, or holds what this program did not write.
    pub fn evaluations(&self, device: &str, limit: u32) -> Result<Vec<EvaluationRow>, StoreError> {
        let mut query = self
            .connection
            .prepare_cached(
                "SELECT json_object('at_unix_ms', at_unix_ms, 'device', device, 'scheduler', scheduler, 'class', class,
                     'generation', generation, 'child', child, 'from_ns', from_ns, 'to_ns', to_ns,
                     'settings', json(settings), 'objective', objective, 'fitness', fitness, 'void', void,
                     'bytes_per_s', bytes_per_s, 'mean_latency_ns', mean_latency_ns, 'utilisation', utilisation)
                 FROM evaluation WHERE device = ? ORDER BY id DESC LIMIT ?",
            )
            .map_err(self.error("read evaluations"))?;
        let texts = query
            .query_map(params![device, limit], |row| row.get::<_, String>(0))
            .and_then(Iterator::collect::<Result<Vec<String>, _>>)
            .map_err(self.error("read evaluations"))?;
        texts.iter().map(|text| self.parse("evaluation", text)).collect()
    }

    /// How many visits of a fingerprint a device has seen.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn visits(&self, device: &str, class: Class) -> Result<u64, StoreError> {
        self.connection
            .query_row(
                "SELECT count(*) FROM visit WHERE device = ? AND to_class = ?",
                params![device, class.name()],
                |row| row.get::<_, i64>(0),
            )
            .map(|count| u64::try_from(count).unwrap_or(0))
            .map_err(self.error("count visits"))
    }

    /// The generations of a device that were kept, latest first.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn generations(&self, device: &str) -> Result<u64, StoreError> {
        self.connection
            .query_row("SELECT count(*) FROM generation WHERE device = ?", [device], |row| {
                row.get::<_, i64>(0)
            })
            .map(|count| u64::try_from(count).unwrap_or(0))
            .map_err(self.error("count generations"))
    }

    /// Drops the oldest rows beyond what is kept, so that the file stays bounded.
    pub(super) fn prune(&self) -> Result<(), StoreError> {
        for (table, keep) in
            [("evaluation", KEEP_EVALUATIONS), ("generation", KEEP_OTHERS), ("visit", KEEP_OTHERS)]
        {
            let last: Option<i64> = self
                .connection
                .query_row(&format!("SELECT max(id) FROM {table}"), [], |row| row.get(0))
                .optional()
                .map_err(self.error("prune"))?
                .flatten();
            if let Some(last) = last.filter(|last| *last > keep) {
                self.connection
                    .execute(&format!("DELETE FROM {table} WHERE id <= ?"), [last - keep])
                    .map_err(self.error("prune"))?;
            }
        }
        Ok(())
    }

    pub(super) fn parse<T: serde::de::DeserializeOwned>(
        &self,
        place: &str,
        text: &str,
    ) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|error| StoreError::Value {
            path: self.path.clone(),
            place: place.to_owned(),
            why: error.to_string(),
        })
    }
}

/// SQLite's integers are signed; no clock and no counter here reaches the 64th bit.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A value as JSON text. None of the types that are stored can fail to be written.
pub(super) fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
