//! The command line as a layer of the configuration.

use super::raw::{Field, RawConfig, RawConfirmed, RawFingerprint, RawGenetic, RawLoop, RawSampler};
use crate::cli::{Duty, RunArgs};
use toml::Spanned;

fn field<T>(value: Option<T>) -> Field<T> {
    value.map(|value| Spanned::new(0..0, value))
}

fn list<T>(values: Vec<T>) -> Field<Vec<T>> {
    field((!values.is_empty()).then_some(values))
}

impl From<RunArgs> for RawConfig {
    fn from(args: RunArgs) -> Self {
        Self {
            mode: field(args.mode),
            strategy: field(args.strategy),
            objective: field(args.objective),
            devices: list(args.devices),
            exclude: list(args.exclude),
            state_dir: field(args.state_dir),
            run_dir: field(args.run_dir),
            socket_group: field(args.socket_group),
            seed: field(args.seed),
            on_exit: None,
            hints: field(args.hints),
            timing: RawLoop {
                window: field(args.window),
                window_bios: field(args.window_bios),
                window_bytes: field(args.window_bytes),
                window_max: field(args.window_max),
                debounce: field(args.debounce),
                slice: field(args.slice),
                settle: field(args.settle),
                children: field(args.children),
            },
            fingerprint: RawFingerprint { rule: field(args.rule), ..RawFingerprint::default() },
            genetic: RawGenetic {
                reintroduce: field(args.reintroduce),
                on_change: field(args.on_change),
                ranges: field(args.ranges),
                knobs: list(args.knobs),
                tune_scheduler: field(args.tune_scheduler.then_some(true)),
                decay: field(args.decay),
            },
            confirmed: RawConfirmed {
                pause: field(args.pause),
                pause_max: field(args.pause_max),
                ..RawConfirmed::default()
            },
            sampler: RawSampler {
                source: field(args.source),
                continuous: field(args.duty.map(|duty| duty == Duty::Continuous)),
                latency_one_in: field(args.latency_one_in),
            },
            limits: std::collections::BTreeMap::new(),
        }
    }
}
