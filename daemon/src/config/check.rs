//! From what was written to what was meant.

use super::raw::{
    Field, Origin, RawConfig, RawConfirmed, RawFingerprint, RawGenetic, RawLimits, RawLoop, RawSampler,
};
use super::{Config, ConfigError, Limits, Objective, StrategyName, parse_bytes, parse_duration};
use block_types::{Bytes, Knob, Nanos};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use toml::Spanned;

/// One layer on its way into the configuration.
struct Layer<'a> {
    origin: &'a Origin,
}

impl Layer<'_> {
    fn error<T>(
        &self,
        key: &str,
        at: &Spanned<T>,
        found: impl Display,
        expected: impl Display,
    ) -> ConfigError {
        ConfigError::Value {
            place: self.origin.place(at.span().start),
            key: key.to_owned(),
            found: found.to_string(),
            expected: expected.to_string(),
        }
    }

    fn within<T: PartialOrd + Copy + Display>(
        &self,
        key: &str,
        field: &Field<T>,
        range: RangeInclusive<T>,
        into: &mut T,
    ) -> Result<(), ConfigError> {
        let Some(spanned) = field else { return Ok(()) };
        let value = *spanned.get_ref();
        if !range.contains(&value) {
            let expected = format!("{}‥{}", range.start(), range.end());
            return Err(self.error(key, spanned, value, expected));
        }
        *into = value;
        Ok(())
    }

    fn duration(
        &self,
        key: &str,
        field: &Field<String>,
        range: RangeInclusive<Nanos>,
        into: &mut Nanos,
    ) -> Result<(), ConfigError> {
        let Some(spanned) = field else { return Ok(()) };
        let text = spanned.get_ref();
        let value = parse_duration(text)
            .map_err(|error| self.error(key, spanned, format!("{text:?}"), error.expected))?;
        if !range.contains(&value) {
            return Err(self.error(key, spanned, value, format!("{}‥{}", range.start(), range.end())));
        }
        *into = value;
        Ok(())
    }

    fn bytes(&self, key: &str, field: &Field<String>, least: u64, into: &mut u64) -> Result<(), ConfigError> {
        let Some(spanned) = field else { return Ok(()) };
        let text = spanned.get_ref();
        let Bytes(value) = parse_bytes(text)
            .map_err(|error| self.error(key, spanned, format!("{text:?}"), error.expected))?;
        if value < least {
            return Err(self.error(
                key,
                spanned,
                format!("{value} bytes"),
                format!("at least {least} bytes"),
            ));
        }
        *into = value;
        Ok(())
    }

    fn path(&self, field: Field<PathBuf>) -> Option<PathBuf> {
        let path = field?.into_inner();
        Some(match self.origin.directory() {
            Some(directory) if path.is_relative() => directory.join(path),
            _ => path,
        })
    }
}

fn take<T>(field: Field<T>, into: &mut T) {
    if let Some(spanned) = field {
        *into = spanned.into_inner();
    }
}

/// Lays `raw` over `config`.
///
/// # Errors
/// The first value that is impossible, or that contradicts one of an earlier layer.
pub(super) fn apply(config: &mut Config, raw: RawConfig, origin: &Origin) -> Result<(), ConfigError> {
    let layer = Layer { origin };
    take(raw.mode, &mut config.mode);
    objective(config, raw.objective, &layer)?;
    take(raw.on_exit, &mut config.on_exit);
    for (key, field, into) in
        [("devices", raw.devices, &mut config.devices), ("exclude", raw.exclude, &mut config.exclude)]
    {
        *into = match field {
            Some(names) => device_names(&layer, key, names)?,
            None => std::mem::take(into),
        };
    }
    if let Some(dir) = layer.path(raw.state_dir) {
        config.state_dir = dir;
    }
    if let Some(dir) = layer.path(raw.run_dir) {
        config.run_dir = dir;
    }
    config.hints = layer.path(raw.hints).or(config.hints.take());
    config.seed = raw.seed.map(Spanned::into_inner).or(config.seed);
    config.socket_group = raw.socket_group.map(Spanned::into_inner).or(config.socket_group.take());
    timing(config, &raw.timing, &layer)?;
    thresholds(config, raw.fingerprint, &layer)?;
    genes(config, raw.genetic, &layer)?;
    confirmation(config, &raw.confirmed, &layer)?;
    sampling(config, &raw.sampler, &layer)?;
    for (knob, limits) in raw.limits {
        bounds(config, knob, &limits, &layer)?;
    }
    Ok(())
}

fn objective(config: &mut Config, raw: Field<Objective>, layer: &Layer<'_>) -> Result<(), ConfigError> {
    let Some(spanned) = raw else { return Ok(()) };
    let objective = *spanned.get_ref();
    if config.strategy == StrategyName::Moilanen
        && !matches!(objective, Objective::Throughput | Objective::Latency)
    {
        let found = format!("{:?}", objective.name());
        return Err(layer.error(
            "objective",
            &spanned,
            found,
            "throughput or latency under strategy moilanen",
        ));
    }
    config.objective = objective;
    Ok(())
}

fn device_names(
    layer: &Layer<'_>,
    key: &str,
    names: Spanned<Vec<String>>,
) -> Result<Vec<String>, ConfigError> {
    let bad = names.get_ref().iter().find(|name| {
        let name = name.strip_prefix("/dev/").unwrap_or(name);
        name.is_empty() || name.contains(['/', '\0']) || name.starts_with('.')
    });
    if let Some(bad) = bad {
        return Err(layer.error(key, &names, format!("{bad:?}"), "a device such as \"sda\" or \"/dev/sda\""));
    }
    Ok(names.into_inner())
}

fn timing(config: &mut Config, raw: &RawLoop, layer: &Layer<'_>) -> Result<(), ConfigError> {
    const MS: fn(u64) -> Nanos = Nanos::from_millis;
    let timing = &mut config.timing;
    layer.duration("loop.window", &raw.window, MS(20)..=MS(60_000), &mut timing.window.min)?;
    layer.within("loop.window_bios", &raw.window_bios, 1..=1_000_000, &mut timing.window.data_bios)?;
    layer.bytes("loop.window_bytes", &raw.window_bytes, 4_096, &mut timing.window.bytes.0)?;
    layer.duration("loop.window_max", &raw.window_max, MS(20)..=MS(600_000), &mut timing.window.max)?;
    layer.within("loop.debounce", &raw.debounce, 1..=100, &mut timing.debounce)?;
    layer.duration("loop.slice", &raw.slice, MS(100)..=MS(3_600_000), &mut timing.slice)?;
    layer.duration("loop.settle", &raw.settle, Nanos::ZERO..=MS(3_600_000), &mut timing.settle)?;
    let mut children = timing.children as u32;
    layer.within("loop.children", &raw.children, 4..=1_000, &mut children)?;
    timing.children = children as usize;
    // A window that was lengthened alone lengthens its limit too; one that contradicts a stated limit is an error.
    if timing.window.min > timing.window.max {
        match &raw.window_max {
            Some(spanned) => {
                let expected = format!("at least loop.window, which is {}", timing.window.min);
                return Err(layer.error("loop.window_max", spanned, timing.window.max, expected));
            }
            None => timing.window.max = timing.window.min,
        }
    }
    Ok(())
}

fn thresholds(config: &mut Config, raw: RawFingerprint, layer: &Layer<'_>) -> Result<(), ConfigError> {
    take(raw.rule, &mut config.rule);
    let thresholds = &mut config.thresholds;
    let key = |name| format!("fingerprint.{name}");
    layer.within(
        &key("read_write_ratio"),
        &raw.read_write_ratio,
        0.01..=1_000.0,
        &mut thresholds.read_write_ratio,
    )?;
    layer.within(&key("near_sectors"), &raw.near_sectors, 0..=1 << 40, &mut thresholds.near_sectors.0)?;
    layer.within(&key("near_share"), &raw.near_share, 0.001..=1.0, &mut thresholds.near_share)?;
    layer.within(
        &key("random_distance_sectors"),
        &raw.random_distance_sectors,
        0..=1 << 40,
        &mut thresholds.random_distance_sectors.0,
    )?;
    let mut small = thresholds.small_sectors.bytes().0;
    layer.bytes(&key("small"), &raw.small, block_types::SECTOR_BYTES, &mut small)?;
    thresholds.small_sectors = Bytes(small).sectors();
    Ok(())
}

fn genes(config: &mut Config, raw: RawGenetic, layer: &Layer<'_>) -> Result<(), ConfigError> {
    let genetic = &mut config.genetic;
    take(raw.reintroduce, &mut genetic.reintroduce);
    take(raw.on_change, &mut genetic.on_change);
    take(raw.ranges, &mut genetic.ranges);
    take(raw.tune_scheduler, &mut genetic.tune_scheduler);
    layer.within("genetic.decay", &raw.decay, 0.5..=1.0, &mut genetic.decay)?;
    if let Some(knobs) = raw.knobs {
        if knobs.get_ref().contains(&Knob::Scheduler) {
            let expected = "genetic.tune_scheduler = true for the scheduler itself";
            return Err(layer.error("genetic.knobs", &knobs, "\"scheduler\"", expected));
        }
        genetic.knobs = knobs.into_inner();
    }
    Ok(())
}

fn confirmation(config: &mut Config, raw: &RawConfirmed, layer: &Layer<'_>) -> Result<(), ConfigError> {
    const MS: fn(u64) -> Nanos = Nanos::from_millis;
    let confirmed = &mut config.confirmed;
    let mut candidates = confirmed.candidates as u32;
    layer.within("confirmed.candidates", &raw.candidates, 4..=64, &mut candidates)?;
    confirmed.candidates = candidates as usize;
    layer.within("confirmed.race_rounds", &raw.race_rounds, 1..=20, &mut confirmed.race_rounds)?;
    layer.within("confirmed.nominees", &raw.nominees, 1..=16, &mut confirmed.nominees)?;
    layer.within("confirmed.max_pairs", &raw.max_pairs, 8..=1_000, &mut confirmed.max_pairs)?;
    layer.within("confirmed.alpha", &raw.alpha, 0.000_1..=0.5, &mut confirmed.alpha)?;
    let pauses = MS(100)..=MS(7 * 24 * 3_600_000);
    layer.duration("confirmed.pause", &raw.pause, pauses.clone(), &mut confirmed.pause)?;
    layer.duration("confirmed.pause_max", &raw.pause_max, pauses.clone(), &mut confirmed.pause_max)?;
    let changes = 1..=6_000;
    layer.within(
        "confirmed.changes_per_minute",
        &raw.changes_per_minute,
        changes,
        &mut confirmed.changes_per_minute,
    )?;
    layer.duration("confirmed.calm", &raw.calm, pauses, &mut confirmed.calm)?;
    // A first pause that was lengthened alone lengthens the longest too.
    confirmed.pause_max = confirmed.pause_max.max(confirmed.pause);
    Ok(())
}

fn sampling(config: &mut Config, raw: &RawSampler, layer: &Layer<'_>) -> Result<(), ConfigError> {
    let sampler = &mut config.sampler;
    if let Some(spanned) = &raw.source {
        let text = spanned.get_ref();
        let expected = "auto, bpf, tracefs or diskstats";
        sampler.source = text
            .parse()
            .map_err(|_unknown| layer.error("sampler.source", spanned, format!("{text:?}"), expected))?;
    }
    if let Some(spanned) = &raw.continuous {
        sampler.continuous = *spanned.get_ref();
    }
    layer.within("sampler.latency_one_in", &raw.latency_one_in, 0..=1 << 20, &mut sampler.latency_one_in)
}

fn bounds(config: &mut Config, knob: Knob, raw: &RawLimits, layer: &Layer<'_>) -> Result<(), ConfigError> {
    let key = format!("limits.{knob}");
    let earlier = config.genetic.limits.get(&knob).copied();
    let min = raw.min.as_ref().map(|field| *field.get_ref()).or(earlier.and_then(|limits| limits.min));
    let max = raw.max.as_ref().map(|field| *field.get_ref()).or(earlier.and_then(|limits| limits.max));
    if let (Some(low), Some(high), Some(at)) = (min, max, raw.max.as_ref().or(raw.min.as_ref()))
        && low > high
    {
        return Err(layer.error(&key, at, format!("min {low} above max {high}"), "min at most max"));
    }
    config.genetic.limits.insert(knob, Limits { min, max });
    Ok(())
}
