//! Pool, library and policy together, in the published order.

use crate::{
    GenerationReport, Key, Library, LibraryError, Moilanen, Observed, Recall, Reintroduction, report::Bred,
};
use serde::{Deserialize, Serialize};

/// Genes that were put into child 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Injected {
    /// Whose.
    pub key: Key,
    /// The genes, and whether they were stored or are the defaults.
    pub recall: Recall,
}

/// What the end of a generation came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// The generation.
    pub report: GenerationReport,
    /// What the library made of it; `None` if the generation was idle or had too few scores to breed.
    pub observed: Option<Observed>,
    /// What was put into child 1 of the next one, if the fingerprint has changed.
    pub injected: Option<Injected>,
}

/// Ends a generation: breeds the next, lets the library observe this one under its fingerprint, and if the policy
/// says so puts that fingerprint's genes into child 1. `key` is `None` for an idle generation.
///
/// The order is the paper's (update top performers, then reintroduce), except that a workload is unseen if it was
/// so *before* this generation: otherwise its first generation would be its own memory, and the defaults would
/// never be tried.
///
/// # Errors
/// [`LibraryError::Negative`] for a fitness that the library's scale does not know; the next generation is bred,
/// nothing is stored and nothing injected then.
pub fn end_generation(
    pool: &mut Moilanen,
    library: &mut Library,
    policy: &mut Reintroduction<Key>,
    key: Option<&Key>,
    now_unix_ms: u64,
) -> Result<Round, LibraryError> {
    let unseen = key.is_none_or(|key| library.top(key).is_none());
    let report = pool.finish_generation();
    let observed = match key {
        Some(key) => observe(pool, library, key, &report, now_unix_ms)?,
        None => None,
    };
    let injected = policy.on_generation_end(key).map(|what| {
        let recall = if unseen {
            Recall::Unseen(pool.space().defaults())
        } else {
            library.recall(&what.class, pool.space())
        };
        inject(pool, what.class, recall)
    });
    Ok(Round { report, observed, injected })
}

/// A change of fingerprint has been confirmed: under [`When::AtOnce`](crate::When::AtOnce) ends the running
/// generation, lets the library observe it under the fingerprint it had (`from`), and puts the new one's genes
/// into child 1, which is next. Otherwise, and where nothing has changed, does nothing and answers `None`.
///
/// # Errors
/// As [`end_generation`].
pub fn change_now(
    pool: &mut Moilanen,
    library: &mut Library,
    policy: &mut Reintroduction<Key>,
    from: Option<&Key>,
    to: &Key,
    now_unix_ms: u64,
) -> Result<Option<Round>, LibraryError> {
    let Some(what) = policy.on_confirmed_change(to) else {
        return Ok(None);
    };
    let report = pool.abort_generation();
    let observed = match from {
        Some(from) => observe(pool, library, from, &report, now_unix_ms)?,
        None => None,
    };
    let recall = library.recall(&what.class, pool.space());
    let injected = Some(inject(pool, what.class, recall));
    Ok(Some(Round { report, observed, injected }))
}

fn observe(
    pool: &Moilanen,
    library: &mut Library,
    key: &Key,
    report: &GenerationReport,
    now_unix_ms: u64,
) -> Result<Option<Observed>, LibraryError> {
    match (report.bred, report.mean_fitness, &report.mean_genes) {
        (Bred::Yes, Some(fitness), Some(genes)) => {
            library.observe(key, fitness, &pool.space().by_name(genes), now_unix_ms).map(Some)
        }
        _ => Ok(None),
    }
}

fn inject(pool: &mut Moilanen, key: Key, recall: Recall) -> Injected {
    // Both the library and the defaults answer with genomes of the pool's own space, and there is a child 0.
    let fits = pool.inject(0, recall.genome());
    debug_assert_eq!(fits, Ok(()));
    Injected { key, recall }
}
