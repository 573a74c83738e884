//! What happened to a device, in the order in which it happened.

use super::{ChangeRow, GenerationRow, Store, StoreError};
use rusqlite::{Params, params};
use serde::de::DeserializeOwned;

impl Store {
    /// The latest generations of a device, earliest first.
    ///
    /// # Errors
    /// Where the store cannot be read, or holds what this program did not write.
    pub fn generation_rows(&self, device: &str, limit: u32) -> Result<Vec<GenerationRow>, StoreError> {
        self.history(
            "generation",
            "SELECT json_object('at_unix_ms', at_unix_ms, 'device', device, 'scheduler', scheduler, 'class', class,
                 'generation', generation, 'objective', objective, 'mean_fitness', mean_fitness,
                 'best_fitness', best_fitness, 'best', json(best), 'mutation_rate', mutation_rate,
                 'scored', scored, 'void', void)
             FROM generation WHERE device = ? ORDER BY id DESC LIMIT ?",
            params![device, limit],
        )
    }

    /// The latest changes of a device's fingerprint, earliest first.
    ///
    /// # Errors
    /// Where the store cannot be read, or holds what this program did not write.
    pub fn changes(&self, device: &str, limit: u32) -> Result<Vec<ChangeRow>, StoreError> {
        self.history(
            "visit",
            "SELECT json_object('at_unix_ms', at_unix_ms, 'device', device, 'from', from_class, 'to', to_class,
                 'first_window_ns', first_window_ns, 'confirmed_ns', confirmed_ns)
             FROM visit WHERE device = ? ORDER BY id DESC LIMIT ?",
            params![device, limit],
        )
    }

    /// The devices that the store knows, by name.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn devices(&self) -> Result<Vec<String>, StoreError> {
        let mut query = self
            .connection
            .prepare(
                "SELECT device FROM evaluation UNION SELECT device FROM visit UNION SELECT device FROM top_genes
                 ORDER BY 1",
            )
            .map_err(self.error("read the devices"))?;
        query
            .query_map([], |row| row.get(0))
            .and_then(Iterator::collect::<Result<Vec<String>, _>>)
            .map_err(self.error("read the devices"))
    }

    fn history<T: DeserializeOwned>(
        &self,
        place: &str,
        sql: &str,
        parameters: impl Params,
    ) -> Result<Vec<T>, StoreError> {
        let mut query = self.connection.prepare_cached(sql).map_err(self.error("read the history"))?;
        let mut texts = query
            .query_map(parameters, |row| row.get::<_, String>(0))
            .and_then(Iterator::collect::<Result<Vec<String>, _>>)
            .map_err(self.error("read the history"))?;
        texts.reverse();
        texts.iter().map(|text| self.parse(place, text)).collect()
    }
}
