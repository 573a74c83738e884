//! What the `confirmed` strategy leaves: what is known for each fingerprint, and what it was learned from.

use super::append::{json, signed};
use super::rows::name_of;
use super::{Store, StoreError};
use crate::config::Objective;
use crate::engine::{CampaignEnded, ConfirmedEntry, GainTold, TrialTold, UNKNOWN, UNSTEADY, Violation};
use fingerprint::Class;
use genetic::Key;
use rusqlite::{ToSql, params};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Something that was found out, and when and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingRow {
    /// When, ms since 1970.
    pub at_unix_ms: u64,
    /// The device's name.
    pub device: String,
    /// The scheduler that it was found under.
    pub scheduler: String,
    /// What was to be improved.
    pub objective: Objective,
    /// What.
    pub finding: Finding,
}

/// What was found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// A nominee's trial ended.
    Trial(TrialTold),
    /// The incumbent's gain was looked at.
    GainCheck(GainTold),
    /// The guard took a setting back.
    Violation(Violation),
    /// A campaign ended.
    Campaign(CampaignEnded),
}

impl Finding {
    const fn table(&self) -> &'static str {
        match self {
            Self::Trial(_) => "trial",
            Self::GainCheck(_) => "gain_check",
            Self::Violation(_) => "violation",
            Self::Campaign(_) => "campaign",
        }
    }

    const fn class(&self) -> Option<Class> {
        match self {
            Self::Trial(told) => told.class,
            Self::GainCheck(told) => told.class,
            Self::Violation(told) => told.class,
            Self::Campaign(told) => told.class,
        }
    }

    fn told(&self) -> String {
        match self {
            Self::Trial(told) => json(told),
            Self::GainCheck(told) => json(told),
            Self::Violation(told) => json(told),
            Self::Campaign(told) => json(told),
        }
    }
}

/// What is known for one fingerprint, and whose it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConfirmedRow {
    /// Device, fingerprint and scheduler.
    #[serde(flatten)]
    pub key: Key,
    /// What was to be improved.
    pub objective: String,
    /// What is known.
    #[serde(flatten)]
    pub entry: ConfirmedEntry,
    /// When this was written, ms since 1970.
    pub updated_unix_ms: u64,
}

/// A finding as it is read back, with its date.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dated<T> {
    /// When, ms since 1970.
    pub at_unix_ms: u64,
    /// What.
    #[serde(flatten)]
    pub told: T,
}

impl Store {
    /// Appends a finding.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub fn append_finding(&self, row: &FindingRow) -> Result<(), StoreError> {
        self.in_place()?;
        let table = row.finding.table();
        self.connection
            .prepare_cached(&format!(
                "INSERT INTO {table} (run, at_unix_ms, device, scheduler, class, objective, told)
                 VALUES (?, ?, ?, ?, ?, ?, ?)"
            ))
            .and_then(|mut insert| {
                insert.execute(params![
                    self.run,
                    signed(row.at_unix_ms),
                    row.device,
                    row.scheduler,
                    row.finding.class().map(Class::name),
                    name_of(&row.objective),
                    row.finding.told(),
                ])
            })
            .map(drop)
            .map_err(self.error("append a finding"))
    }

    /// Keeps what is known for a device's fingerprints. What is stored under other keys stays.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub fn save_confirmed(
        &self,
        device: &str,
        scheduler: &str,
        objective: &str,
        entries: &BTreeMap<String, ConfirmedEntry>,
        at_unix_ms: u64,
    ) -> Result<(), StoreError> {
        self.together(|store| {
            for (class, entry) in entries {
                store
                    .connection
                    .prepare_cached(
                        "INSERT INTO confirmed (device, class, scheduler, objective, standing, entry, updated_unix_ms)
                         VALUES (?, ?, ?, ?, ?, ?, ?)
                         ON CONFLICT DO UPDATE SET standing = excluded.standing, entry = excluded.entry,
                             updated_unix_ms = excluded.updated_unix_ms
                         WHERE entry <> excluded.entry",
                    )
                    .and_then(|mut insert| {
                        insert.execute(params![
                            device,
                            class,
                            scheduler,
                            objective,
                            name_of(&entry.standing),
                            json(entry),
                            signed(at_unix_ms),
                        ])
                    })
                    .map_err(store.error("keep what is confirmed"))?;
            }
            Ok(())
        })
    }

    /// What is known for a device (or, without one, for all), by device, fingerprint, scheduler and objective.
    ///
    /// # Errors
    /// Where the store cannot be read, or holds what this program did not write.
    pub fn confirmed(&self, device: Option<&str>) -> Result<Vec<ConfirmedRow>, StoreError> {
        let mut query = self
            .connection
            .prepare(
                "SELECT device, class, scheduler, objective, entry, updated_unix_ms FROM confirmed
                 WHERE ?1 IS NULL OR device = ?1 ORDER BY device, class, scheduler, objective",
            )
            .map_err(self.error("read what is confirmed"))?;
        let rows = query
            .query_map(params![device], |row| {
                let key = Key { device: row.get(0)?, class: row.get(1)?, scheduler: row.get(2)? };
                Ok((key, row.get::<_, String>(3)?, row.get::<_, String>(4)?, row.get::<_, i64>(5)?))
            })
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(self.error("read what is confirmed"))?;
        rows.into_iter()
            .map(|(key, objective, entry, updated)| {
                let entry = self.parse(&format!("confirmed: {key} / {objective}"), &entry)?;
                let updated_unix_ms = u64::try_from(updated).unwrap_or(0);
                Ok(ConfirmedRow { key, objective, entry, updated_unix_ms })
            })
            .collect()
    }

    /// The trials of a device under one key, latest first.
    ///
    /// # Errors
    /// Where the store cannot be read, or holds what this program did not write.
    pub fn trials(
        &self,
        key: &Key,
        objective: &str,
        limit: u32,
    ) -> Result<Vec<Dated<TrialTold>>, StoreError> {
        self.findings("trial", key, objective, limit)
    }

    /// What the guard took back under one key, latest first.
    ///
    /// # Errors
    /// Where the store cannot be read, or holds what this program did not write.
    pub fn violations(
        &self,
        key: &Key,
        objective: &str,
        limit: u32,
    ) -> Result<Vec<Dated<Violation>>, StoreError> {
        self.findings("violation", key, objective, limit)
    }

    /// The campaigns under one key, latest first.
    ///
    /// # Errors
    /// Where the store cannot be read, or holds what this program did not write.
    pub fn campaigns(
        &self,
        key: &Key,
        objective: &str,
        limit: u32,
    ) -> Result<Vec<Dated<CampaignEnded>>, StoreError> {
        self.findings("campaign", key, objective, limit)
    }

    /// The ended trials of a device under all keys and objectives: the latest `limit`, in the order of time.
    ///
    /// # Errors
    /// Where the store cannot be read, or holds what this program did not write.
    pub fn trials_of(&self, device: &str, limit: u32) -> Result<Vec<Dated<TrialTold>>, StoreError> {
        self.findings_of("trial", device, limit)
    }

    /// What pairs of an incumbent and the default said, of a device under all keys and objectives: the latest `limit`, in
    /// the order of time.
    ///
    /// # Errors
    /// Where the store cannot be read, or holds what this program did not write.
    pub fn gain_checks_of(&self, device: &str, limit: u32) -> Result<Vec<Dated<GainTold>>, StoreError> {
        self.findings_of("gain_check", device, limit)
    }

    fn findings_of<T: DeserializeOwned>(
        &self,
        table: &'static str,
        device: &str,
        limit: u32,
    ) -> Result<Vec<Dated<T>>, StoreError> {
        let query = format!("SELECT at_unix_ms, told FROM {table} WHERE device = ? ORDER BY id DESC LIMIT ?");
        let mut latest = self.dated(table, &query, params![device, limit])?;
        latest.reverse();
        Ok(latest)
    }

    fn findings<T: DeserializeOwned>(
        &self,
        table: &'static str,
        key: &Key,
        objective: &str,
        limit: u32,
    ) -> Result<Vec<Dated<T>>, StoreError> {
        // Neither of these is a fingerprint, and a source knows one of them at most.
        let class = (![UNKNOWN, UNSTEADY].contains(&key.class.as_str())).then_some(&key.class);
        let query = format!(
            "SELECT at_unix_ms, told FROM {table}
             WHERE device = ? AND class IS ? AND scheduler = ? AND objective = ? ORDER BY id DESC LIMIT ?"
        );
        self.dated(table, &query, params![key.device, class, key.scheduler, objective, limit])
    }

    fn dated<T: DeserializeOwned>(
        &self,
        table: &'static str,
        query: &str,
        of: &[&dyn ToSql],
    ) -> Result<Vec<Dated<T>>, StoreError> {
        let error = "read findings";
        let mut query = self.connection.prepare_cached(query).map_err(self.error(error))?;
        let rows = query
            .query_map(of, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(self.error(error))?;
        rows.into_iter()
            .map(|(at, told)| {
                let told = self.parse(table, &told)?;
                Ok(Dated { at_unix_ms: u64::try_from(at).unwrap_or(0), told })
            })
            .collect()
    }
}
