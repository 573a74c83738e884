//! Fitness over time: what each child scored, beside the incumbent and the default.

use super::axis::{Along, Axis, Origin, Reach, Scale, Tally};
use super::figure::{ChartError, Figure, groups};
use super::layout::{Swatch, header, notes};
use super::ribbon::{CHILD, Field, Placed, Ribbon, Timeline};
use super::scene::{Fill, Groups, Point, Scene};
use super::style::MARGIN;
use super::text::Ruler;
use super::time::{Series, Span, Trace, draw_run};

/// Fitness over time, with the workload as a ribbon above it and a mark wherever stored genes were brought back.
#[derive(Clone, Debug, PartialEq)]
pub struct FitnessChart {
    /// What the chart shows, in one line.
    pub title: String,
    /// Under which conditions; may be empty.
    pub subtitle: String,
    /// "time", in a unit of its own; always linear.
    pub time_label: String,
    /// The unit of time: "s".
    pub time_unit: String,
    /// The axis of fitness.
    pub fitness: Axis,
    /// What the disk was doing.
    pub workload: Vec<Span>,
    /// When stored genes were brought back.
    pub reintroductions: Vec<f64>,
    /// What a dot is: "a child's slice".
    pub children_name: String,
    /// When each child's slice was, and what it scored.
    pub children: Vec<(f64, f64)>,
    /// "incumbent", "default". A line breaks where a point cannot be drawn and where the workload changes.
    pub lines: Vec<Series>,
    /// Stand under the panel, one paragraph each.
    pub notes: Vec<String>,
}

const HEIGHT: f64 = 240.0;

impl FitnessChart {
    /// Lays the chart out.
    ///
    /// # Errors
    /// [`ChartError::TooManyGroups`] beyond [`super::MOST_GROUPS`] lines.
    pub fn figure(&self) -> Result<Figure, ChartError> {
        let ruler = Ruler::new()?;
        let looks = groups(self.lines.iter().map(|line| line.name.as_str()))?;
        let mut tally = Tally::default();
        let ribbon = Ribbon::of(&self.workload, &self.reintroductions, &mut tally);
        let mut admit = |(time, value): &(f64, f64)| {
            let value = tally.admit(self.fitness.scale, Some(*value))?;
            Some((tally.admit(Scale::Linear, Some(*time))?, value))
        };
        let children: Vec<(f64, f64)> = self.children.iter().filter_map(&mut admit).collect();
        let changes: Vec<f64> = ribbon.changes().collect();
        let mut runs: Vec<(&Series, Vec<(f64, f64)>)> = Vec::new();
        for line in &self.lines {
            let mut run: Vec<(f64, f64)> = Vec::new();
            for point in &line.points {
                let Some(point) = admit(point) else {
                    runs.push((line, std::mem::take(&mut run)));
                    continue;
                };
                // The fitness of one workload says nothing of that of another.
                let change = run.last().and_then(|(before, value)| {
                    let change = changes.iter().find(|at| *before < **at && **at <= point.0)?;
                    Some((*change, *value))
                });
                if let Some(end) = change {
                    run.extend((line.trace == Trace::Steps).then_some(end));
                    runs.push((line, std::mem::take(&mut run)));
                }
                run.push(point);
            }
            runs.push((line, run));
        }
        let points = || children.iter().chain(runs.iter().flat_map(|(_, run)| run));
        let values = Reach::around(
            self.fitness.scale,
            Origin::Data,
            points().map(|(_, value)| *value),
            Along::Up(HEIGHT - 18.0),
            &ruler,
        );
        let field = Field { caption: self.fitness.caption(), values, height: HEIGHT, words: Vec::new() };
        let time = Axis::new(&self.time_label, &self.time_unit, Scale::Linear);
        let timeline = Timeline::new(&ruler, ribbon, vec![field], time, points().map(|(time, _)| *time));

        let mut scene = Scene::new(timeline.width());
        let mut legend: Vec<_> =
            looks.iter().map(|(name, look)| (Swatch::Marker(look, Fill::Solid), name.to_owned())).collect();
        legend.push((Swatch::Dot(CHILD), self.children_name.clone()));
        let top = header(&mut scene, &ruler, &self.title, &self.subtitle, &[legend]);
        let end = timeline.draw(&mut scene, &ruler, top, |scene, _, placed| {
            for (time, value) in &children {
                if let Some(at) = placed.number(*time, *value) {
                    scene.dot(at, CHILD);
                }
            }
            draw_lines(scene, placed, &runs, &looks);
        });
        let left_out = tally.note();
        let told = self.notes.iter().map(String::as_str).chain(left_out.as_deref());
        scene.height = notes(&mut scene, &ruler, told, end) + MARGIN / 2.0;
        let description = format!("{} over {}", self.fitness.caption(), timeline.time.caption());
        Ok(Figure::new(scene, self.title.clone(), description))
    }
}

fn draw_lines(scene: &mut Scene, placed: &Placed<'_>, runs: &[(&Series, Vec<(f64, f64)>)], looks: &Groups) {
    let count = looks.iter().count().max(1) as f64;
    for (line, run) in runs {
        let points: Vec<Point> =
            run.iter().filter_map(|(time, value)| placed.number(*time, *value)).collect();
        let index = looks.iter().position(|(name, _)| name == line.name).unwrap_or_default();
        draw_run(scene, line.trace, &points, looks.look(&line.name), index as f64 / count);
    }
}
