//! Between knobs and genes: what a device offers becomes a space to search, and a genome becomes settings.

use crate::config::{Config, Ranges, StrategyName};
use block_types::{Elevator, Knob, KnobValue, Setting, Settings};
use genetic::{Constraint, GeneSpec, Genome, Scale, Space, SpaceError};
use schedulers::{Offer, Offered, stalls_when_lowered};
use std::collections::BTreeMap;

/// Why no space can be searched.
#[derive(Debug, thiserror::Error)]
pub enum GeneMapError {
    /// The device offers nothing to tune.
    #[error("nothing to tune: none of {wanted} is offered under scheduler {scheduler}")]
    Nothing {
        /// The knobs that were wanted.
        wanted: String,
        /// The scheduler in force.
        scheduler: String,
    },
    /// The configuration's bounds leave nothing of a knob's range.
    #[error("limits.{knob}: found {min}‥{max}, expected an overlap with the catalogue's {low}‥{high}")]
    Limits {
        /// The knob.
        knob: Knob,
        /// The bound that was set, or the catalogue's.
        min: u64,
        /// The bound that was set, or the catalogue's.
        max: u64,
        /// The catalogue's.
        low: u64,
        /// The catalogue's.
        high: u64,
    },
    /// The genes contradict one another.
    #[error(transparent)]
    Space(#[from] SpaceError),
}

/// The knobs of one device as genes.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneMap {
    space: Space,
    /// The scheduler in force; `None` where it is a gene itself.
    scheduler: Option<String>,
    notes: Vec<String>,
}

/// The name under which genes are kept whose scheduler is a gene itself.
const ANY_SCHEDULER: &str = "*";

impl GeneMap {
    /// The genes that the configuration asks for, as far as the device offers them.
    ///
    /// # Errors
    /// [`GeneMapError`] where nothing is left, or bounds contradict the catalogue's.
    pub fn new(offer: &Offer, config: &Config) -> Result<Self, GeneMapError> {
        let mut notes = Vec::new();
        let wanted = &config.genetic.knobs;
        // A trial switches back and forth, and would stall the queue in every pair.
        let stalls = |knob: Knob| config.strategy == StrategyName::Confirmed && stalls_when_lowered(knob);
        let chosen = |knob: Knob, offered: &Offered| {
            if wanted.is_empty() { offered.tuned_by_default && !stalls(knob) } else { wanted.contains(&knob) }
        };
        let tune_scheduler = config.genetic.tune_scheduler && offer.elevators.len() > 1;
        let mut knobs: BTreeMap<Knob, Offered> = offer.knobs.clone();
        if tune_scheduler {
            for (knob, offered) in offer.under_other_elevators() {
                knobs.entry(knob).or_insert(offered);
            }
        }
        let mut specs = Vec::new();
        for (&knob, offered) in knobs.iter().filter(|(knob, offered)| chosen(**knob, offered)) {
            if let Some(spec) = gene(knob, offered, config)? {
                specs.push(spec);
            }
        }
        for knob in wanted.iter().filter(|knob| !knobs.contains_key(knob)) {
            notes.push(format!("{knob} is not offered under {} and is no gene", offer.active));
        }
        if specs.is_empty() {
            return Err(GeneMapError::Nothing { wanted: words(wanted), scheduler: offer.active.to_string() });
        }
        if tune_scheduler {
            specs.push(scheduler_gene(offer));
        }
        let constraints = constraints(&specs);
        Ok(Self {
            space: Space::new(specs, constraints)?,
            scheduler: (!tune_scheduler).then(|| offer.active.to_string()),
            notes,
        })
    }

    /// Genes that do not come from a device.
    #[cfg(test)]
    pub(crate) fn of(space: Space, scheduler: &str) -> Self {
        Self { space, scheduler: Some(scheduler.to_owned()), notes: Vec::new() }
    }

    /// The space to search.
    #[must_use]
    pub const fn space(&self) -> &Space {
        &self.space
    }

    /// What was asked for and is not there, in words.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The scheduler under which the genes mean something.
    #[must_use]
    pub fn scheduler_name(&self) -> &str {
        self.scheduler.as_deref().unwrap_or(ANY_SCHEDULER)
    }

    /// The knobs, in the order of their genes.
    #[must_use]
    pub fn knobs(&self) -> Vec<Knob> {
        self.space.specs().iter().filter_map(|spec| spec.name.parse().ok()).collect()
    }
}

/// The settings that a genome of `space` stands for: of several schedulers' knobs, only those of the one that it
/// names.
#[must_use]
pub fn settings_of(space: &Space, genome: &Genome) -> Settings {
    settings_by_name(&space.by_name(genome))
}

/// The settings that genes by name stand for.
#[must_use]
pub fn settings_by_name(genes: &BTreeMap<String, u64>) -> Settings {
    let elevator = genes.get(Knob::Scheduler.name()).and_then(|&index| elevator_at(index));
    genes
        .iter()
        .filter_map(|(name, &value)| {
            let knob: Knob = name.parse().ok()?;
            let value = match knob {
                Knob::Scheduler => KnobValue::Elevator(elevator_at(value)?),
                _ => KnobValue::Number(value),
            };
            Some(Setting { knob, value })
        })
        .filter(|setting| elevator.is_none_or(|elevator| has_a_place(setting.knob, elevator)))
        .collect()
}

/// Whether a gene means something once `elevator` is in force. Under `none`, `nr_requests` is another knob: a write
/// resizes the driver's tags.
fn has_a_place(knob: Knob, elevator: Elevator) -> bool {
    knob.is_knob_of(elevator) && !(knob == Knob::NrRequests && elevator == Elevator::None)
}

/// A scheduler's allele is its place in [`Elevator::ALL`], so that it means the same on every machine.
fn elevator_at(index: u64) -> Option<Elevator> {
    Elevator::ALL.get(usize::try_from(index).ok()?).copied()
}

fn scheduler_gene(offer: &Offer) -> GeneSpec {
    let place =
        |wanted: &Elevator| Elevator::ALL.iter().position(|elevator| elevator == wanted).unwrap_or(0) as u64;
    let mut places: Vec<u64> = offer.elevators.iter().map(place).collect();
    places.sort_unstable();
    let default = offer.active.known().map_or(0, |active| place(&active));
    GeneSpec::new(Knob::Scheduler.name(), Scale::Ordinal(places), default).admitting_default()
}

fn gene(knob: Knob, offered: &Offered, config: &Config) -> Result<Option<GeneSpec>, GeneMapError> {
    let (Some(default), Some(range)) = (offered.now.number(), &offered.range) else { return Ok(None) };
    let mut scale = in_genes(&range.scale);
    let mut specials = range.specials.clone();
    if let Some(limits) = config.genetic.limits.get(&knob)
        && let Scale::Linear { min, max } | Scale::Log { min, max } = &mut scale
    {
        let (low, high) = (*min, *max);
        *min = limits.min.unwrap_or(low).max(low);
        *max = limits.max.unwrap_or(high).min(high);
        if *min > *max {
            let (min, max) = (limits.min.unwrap_or(low), limits.max.unwrap_or(high));
            return Err(GeneMapError::Limits { knob, min, max, low, high });
        }
        specials.retain(|special| {
            limits.min.is_none_or(|min| *special >= min) && limits.max.is_none_or(|max| *special <= max)
        });
    }
    let spec = GeneSpec::new(knob.name(), scale, default).with_specials(specials);
    Ok(Some(match config.genetic.ranges {
        Ranges::Catalogue => spec.admitting_default(),
        Ranges::Paper => spec.in_paper_range(),
    }))
}

fn in_genes(scale: &schedulers::Scale) -> Scale {
    match *scale {
        schedulers::Scale::Linear { min, max } => Scale::Linear { min, max },
        schedulers::Scale::Log { min, max } => Scale::Log { min, max },
        schedulers::Scale::Boolean => Scale::Boolean,
        schedulers::Scale::Ordinal(values) => Scale::Ordinal(values.to_vec()),
    }
}

/// What must hold between knobs: kyber's writes wait at least as long as its reads, and asynchronous I/O never
/// holds more than all requests.
fn constraints(specs: &[GeneSpec]) -> Vec<Constraint> {
    [(Knob::ReadLatNsec, Knob::WriteLatNsec), (Knob::AsyncDepth, Knob::NrRequests)]
        .iter()
        .filter_map(|(low, high)| Space::at_least(specs, low.name(), high.name()))
        .collect()
}

fn words(knobs: &[Knob]) -> String {
    if knobs.is_empty() {
        return "the knobs that are tuned by default".to_owned();
    }
    knobs.iter().map(|knob| knob.name()).collect::<Vec<_>>().join(", ")
}
