//! The demo's charts: the genes that were tried, and what their slices scored.

use crate::convergence::visit::Visit;
use anyhow::Result;
use block_types::{Knob, Settings};
use results::chart::{Axis, FitnessChart, GenePanel, GeneValue, GenesChart, Scale, Series, Span, Trace};
use std::path::{Path, PathBuf};

/// The knobs that carry the two workloads.
const SHOWN: [(Knob, &str); 2] = [(Knob::FifoBatch, ""), (Knob::WritesStarved, "")];

/// Draws both charts; answers their files.
pub(super) fn draw(
    directory: &Path,
    visits: &[Visit],
    default: &Settings,
    subtitle: &str,
) -> Result<Vec<PathBuf>> {
    let mut begin = 0.0;
    let mut ribbon = Vec::new();
    let mut begins = Vec::new();
    for visit in visits {
        begins.push(begin);
        ribbon.push(Span { lane: visit.workload.clone(), from: begin, to: begin + visit.length_s });
        begin += visit.length_s;
    }
    let recalls: Vec<f64> = visits
        .iter()
        .zip(&begins)
        .filter(|(visit, _)| visit.pass > 0)
        .filter_map(|(visit, begin)| Some(begin + visit.recalled_s?))
        .collect();
    let value =
        |settings: &Settings, knob: Knob| settings.number(knob).map(|value| GeneValue::Number(value as f64));
    let panels = SHOWN
        .iter()
        .map(|&(knob, unit)| {
            let mut children = Vec::new();
            let mut leader = Vec::new();
            for (visit, begin) in visits.iter().zip(&begins) {
                for tried in visit.tried.iter().filter(|tried| tried.at_s >= 0.0) {
                    children.extend(value(&tried.settings, knob).map(|value| (begin + tried.at_s, value)));
                }
                for step in &visit.leaders {
                    leader
                        .extend(value(&step.settings, knob).map(|value| (begin + step.at_s.max(0.0), value)));
                }
            }
            let scale = if knob == Knob::FifoBatch { Scale::Log10 } else { Scale::Linear };
            let axis = Axis::new(knob.name(), unit, scale);
            GenePanel { axis, children, leader, default: value(default, knob) }
        })
        .collect();
    let genes = GenesChart {
        title: "What was tried, and what stayed".to_owned(),
        subtitle: subtitle.to_owned(),
        time_label: "time".to_owned(),
        time_unit: "s".to_owned(),
        workload: ribbon.clone(),
        reintroductions: recalls.clone(),
        panels,
        leader_name: "confirmed".to_owned(),
        notes: Vec::new(),
    };
    let mut children = Vec::new();
    let mut defaults = Vec::new();
    for (visit, begin) in visits.iter().zip(&begins) {
        for tried in &visit.tried {
            let Some(fitness) = tried.fitness.filter(|fitness| *fitness > 0.0) else { continue };
            let point = (begin + tried.at_s.max(0.0), fitness / 1e6);
            let is_default =
                tried.settings.iter().all(|setting| default.get(setting.knob) == Some(setting.value));
            if is_default { defaults.push(point) } else { children.push(point) }
        }
    }
    let fitness = FitnessChart {
        title: "Throughput of every slice".to_owned(),
        subtitle: subtitle.to_owned(),
        time_label: "time".to_owned(),
        time_unit: "s".to_owned(),
        fitness: Axis::new("throughput", "MB/s", Scale::Log10),
        workload: ribbon,
        reintroductions: recalls,
        children_name: "a child's slice".to_owned(),
        children,
        lines: vec![Series { name: "default".to_owned(), trace: Trace::Line, points: defaults }],
        notes: vec!["Single slices are noisy; what was gained is measured afterwards, in pairs.".to_owned()],
    };
    let mut files = Vec::new();
    for (stem, figure) in [("genes", genes.figure()?), ("throughput", fitness.figure()?)] {
        figure.write(directory, stem)?;
        files.extend(["svg", "png"].map(|kind| directory.join(format!("{stem}.{kind}"))));
    }
    Ok(files)
}
