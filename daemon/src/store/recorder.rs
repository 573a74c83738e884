//! A store on a thread of its own: tuning never waits for a disk, and goes on where one is full.

use super::{Row, RunRow, Store, StoreError};
use crate::engine::ConfirmedEntry;
use genetic::Library;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Rows that wait while the store cannot be written: more than two hours of one disk, about 2 MiB. Beyond
/// that the oldest go.
const BACKLOG: usize = 4_096;
/// Rows that one transaction takes when the store has come back.
const BATCH: usize = 256;
/// After how many appended rows the oldest are looked at.
const PRUNE_EVERY: u64 = 10_000;
/// First and longest wait before a write is tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How the store fares.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Health {
    /// What is wrong, while something is; tuning goes on without the store.
    pub error: Option<String>,
    /// Rows that wait to be written.
    pub waiting: u64,
    /// Rows that were lost because too many waited.
    pub lost: u64,
    /// Rows written since the start.
    pub written: u64,
}

/// Device, scheduler and objective.
type Whose = (String, String, String);
type Entries = BTreeMap<String, ConfirmedEntry>;

enum Message {
    Row(Row),
    Top { device: String, library: Box<Library>, at_unix_ms: u64 },
    Pool { device: String, scheduler: String, state: String, at_unix_ms: u64 },
    Confirmed { whose: Whose, entries: Entries, at_unix_ms: u64 },
    Finish(SyncSender<()>),
}

/// The handle of the writing thread. Nothing here blocks or fails: what cannot be kept is counted.
#[derive(Debug)]
pub struct Recorder {
    sender: SyncSender<Message>,
    health: Arc<Mutex<Health>>,
}

impl Recorder {
    /// Starts writing to `store`; its rows belong to `run`.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub fn start(store: Store, run: RunRow) -> std::io::Result<Self> {
        Self::start_with(store, run, RETRY)
    }

    pub(super) fn start_with(
        store: Store,
        run: RunRow,
        retry: (Duration, Duration),
    ) -> std::io::Result<Self> {
        // Bounded, so that a store that hangs (not fails) cannot grow the daemon either.
        let (sender, inbox) = sync_channel(BACKLOG);
        let health = Arc::new(Mutex::new(Health::default()));
        let writer = Writer {
            state_dir: store.state_dir().to_owned(),
            store: Some(store),
            run,
            begun: false,
            backlog: Backlog::default(),
            failing: None,
            retry,
            health: Arc::clone(&health),
            since_pruned: 0,
        };
        std::thread::Builder::new().name("store".to_owned()).spawn(move || writer.work(&inbox))?;
        Ok(Self { sender, health })
    }

    /// Appends a row.
    pub fn append(&self, row: Row) {
        self.send(Message::Row(row));
    }

    /// Keeps a device's top genes as they are now.
    pub fn save_top(&self, device: &str, library: Library, at_unix_ms: u64) {
        self.send(Message::Top { device: device.to_owned(), library: Box::new(library), at_unix_ms });
    }

    /// Keeps a pool, so that a later start goes on from it. `state` is the pool as JSON.
    pub fn save_pool(&self, device: &str, scheduler: &str, state: String, at_unix_ms: u64) {
        self.send(Message::Pool {
            device: device.to_owned(),
            scheduler: scheduler.to_owned(),
            state,
            at_unix_ms,
        });
    }

    /// Keeps what is known for a device's fingerprints under a scheduler, by an objective.
    pub fn save_confirmed(
        &self,
        device: &str,
        scheduler: &str,
        objective: &str,
        entries: BTreeMap<String, ConfirmedEntry>,
        at_unix_ms: u64,
    ) {
        let whose = (device.to_owned(), scheduler.to_owned(), objective.to_owned());
        self.send(Message::Confirmed { whose, entries, at_unix_ms });
    }

    /// How the store fares.
    #[must_use]
    pub fn health(&self) -> Health {
        lock(&self.health).clone()
    }

    /// Waits until everything sent so far is written, or could not be, but no longer than `patience`; whether it
    /// was in time.
    #[must_use]
    pub fn finish(&self, patience: Duration) -> bool {
        let (done, told) = sync_channel(1);
        let begun = Instant::now();
        let mut message = Message::Finish(done);
        loop {
            match self.sender.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(back)) => {
                    if begun.elapsed() >= patience {
                        return false;
                    }
                    message = back;
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
        }
        told.recv_timeout(patience.saturating_sub(begun.elapsed())).is_ok() && self.health().waiting == 0
    }

    fn send(&self, message: Message) {
        if self.sender.try_send(message).is_err() {
            lock(&self.health).lost += 1;
        }
    }
}

fn lock(health: &Mutex<Health>) -> MutexGuard<'_, Health> {
    health.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What waits to be written: every row in order, and the latest of each state.
#[derive(Default)]
struct Backlog {
    rows: VecDeque<Row>,
    tops: BTreeMap<(String, String), (Box<Library>, u64)>,
    pools: BTreeMap<(String, String), (String, u64)>,
    confirmed: BTreeMap<Whose, (Entries, u64)>,
}

impl Backlog {
    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.tops.is_empty() && self.pools.is_empty() && self.confirmed.is_empty()
    }

    fn len(&self) -> u64 {
        (self.rows.len() + self.tops.len() + self.pools.len() + self.confirmed.len()) as u64
    }

    /// Takes a row; whether another was lost for it.
    fn push(&mut self, row: Row) -> bool {
        let full = self.rows.len() >= BACKLOG;
        if full {
            self.rows.pop_front();
        }
        self.rows.push_back(row);
        full
    }
}

struct Failing {
    until: Instant,
    delay: Duration,
}

struct Writer {
    state_dir: PathBuf,
    store: Option<Store>,
    run: RunRow,
    begun: bool,
    backlog: Backlog,
    failing: Option<Failing>,
    retry: (Duration, Duration),
    health: Arc<Mutex<Health>>,
    since_pruned: u64,
}

impl Writer {
    fn work(mut self, inbox: &Receiver<Message>) {
        let mut waiting_for_finish = Vec::new();
        loop {
            let message = match &self.failing {
                None => inbox.recv().map_err(|_gone| RecvTimeoutError::Disconnected),
                Some(failing) => inbox.recv_timeout(failing.until.saturating_duration_since(Instant::now())),
            };
            match message {
                Ok(message) => self.take(message, &mut waiting_for_finish),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.write();
                    return;
                }
            }
            // What came meanwhile goes into the same transaction.
            while let Ok(message) = inbox.try_recv() {
                self.take(message, &mut waiting_for_finish);
            }
            let due = self.failing.as_ref().is_none_or(|failing| Instant::now() >= failing.until);
            if due || !waiting_for_finish.is_empty() {
                self.write();
            }
            lock(&self.health).waiting = self.backlog.len();
            for done in waiting_for_finish.drain(..) {
                // Whoever asked may have given up.
                let _ = SyncSender::try_send(&done, ());
            }
        }
    }

    fn take(&mut self, message: Message, finishing: &mut Vec<SyncSender<()>>) {
        match message {
            Message::Row(row) => {
                if self.backlog.push(row) {
                    lock(&self.health).lost += 1;
                }
            }
            Message::Top { device, library, at_unix_ms } => {
                let objective = library.config().objective.clone();
                self.backlog.tops.insert((device, objective), (library, at_unix_ms));
            }
            Message::Pool { device, scheduler, state, at_unix_ms } => {
                self.backlog.pools.insert((device, scheduler), (state, at_unix_ms));
            }
            Message::Confirmed { whose, entries, at_unix_ms } => {
                self.backlog.confirmed.insert(whose, (entries, at_unix_ms));
            }
            Message::Finish(done) => finishing.push(done),
        }
    }

    /// Writes all that waits, or as much as can be.
    fn write(&mut self) {
        let mut batch = BATCH;
        while !self.backlog.is_empty() {
            let rows = self.backlog.rows.len().min(batch);
            let written = if rows > 0 { self.write_rows(rows) } else { self.write_states() };
            match written {
                Ok(()) => {
                    batch = BATCH;
                    self.recovered();
                }
                Err(error) if error.is_passing() => return self.failed(&error),
                // One row of them is what is wrong: it would fail for ever and hold up the rest.
                Err(_) if rows > 1 => batch = 1,
                Err(error) => {
                    tracing::warn!("{error}; it is lost");
                    lock(&self.health).lost += if rows > 0 { 1 } else { self.backlog.len() };
                    if self.backlog.rows.pop_front().is_none() {
                        self.backlog = Backlog::default();
                    }
                }
            }
        }
    }

    fn write_rows(&mut self, rows: usize) -> Result<(), StoreError> {
        let rows = self.backlog.rows.iter().take(rows).cloned().collect::<Vec<_>>();
        self.store()?.together(|store| rows.iter().try_for_each(|row| store.append(row)))?;
        self.backlog.rows.drain(..rows.len());
        lock(&self.health).written += rows.len() as u64;
        self.since_pruned += rows.len() as u64;
        if self.since_pruned >= PRUNE_EVERY {
            self.since_pruned = 0;
            self.store()?.prune()?;
        }
        Ok(())
    }

    fn write_states(&mut self) -> Result<(), StoreError> {
        let states = std::mem::take(&mut self.backlog);
        let written = self.store().and_then(|store| {
            store.together(|store| {
                for ((device, _), (library, at_unix_ms)) in &states.tops {
                    store.save_top(device, library, *at_unix_ms)?;
                }
                for ((device, scheduler), (state, at_unix_ms)) in &states.pools {
                    store.save_pool(device, scheduler, state, *at_unix_ms)?;
                }
                for ((device, scheduler, objective), (entries, at_unix_ms)) in &states.confirmed {
                    store.save_confirmed(device, scheduler, objective, entries, *at_unix_ms)?;
                }
                Ok(())
            })
        });
        if written.is_err() {
            self.backlog = states;
        }
        written
    }

    /// The store, opened anew where it was given up, with the run begun.
    fn store(&mut self) -> Result<&Store, StoreError> {
        let mut store = match self.store.take() {
            Some(store) => store,
            None => {
                let (store, moved) = Store::open(&self.state_dir)?;
                if let Some(moved) = moved {
                    tracing::warn!("{moved}");
                }
                self.begun = false;
                store
            }
        };
        let begun = if self.begun { Ok(()) } else { store.begin_run(&self.run).map(drop) };
        self.begun = self.begun || begun.is_ok();
        let store = self.store.insert(store);
        begun.map(|()| &*store)
    }

    fn recovered(&mut self) {
        if self.failing.take().is_some() {
            lock(&self.health).error = None;
            tracing::info!("{}: the store can be written again", self.state_dir.display());
        }
    }

    fn failed(&mut self, error: &StoreError) {
        if error.wants_reopening() {
            self.store = None;
        }
        let delay = match &self.failing {
            None => {
                // Once, not at every try.
                tracing::warn!("{error}; tuning goes on, and what is learned waits in memory");
                self.retry.0
            }
            Some(failing) => {
                tracing::debug!("{error}");
                (failing.delay * 2).min(self.retry.1)
            }
        };
        self.failing = Some(Failing { until: Instant::now() + delay, delay });
        lock(&self.health).error = Some(error.to_string());
    }
}
