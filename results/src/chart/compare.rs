//! Predictions beside measurements: how far a model is from what was found.

use super::axis::{Along, Axis, Origin, Reach, Tally, three_digits};
use super::figure::{ChartError, Figure, groups};
use super::layout::{Swatch, header, notes, widen};
use super::panel::Panel;
use super::scene::{Anchor, Fill, Point, Scene};
use super::style::{FAINT_GRID, INK, LABEL, Look, MARGIN, SMALL, SOFT_INK};
use super::text::{Ruler, Weight};

/// One measurement of a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Which of the series: the scheduler, say.
    pub series: String,
    /// In the unit of the axis; `None` where it was not measured.
    pub value: Option<f64>,
}

/// One row: a workload, say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CompareRow {
    /// Stands at the left.
    pub label: String,
    /// What the model says, in the unit of the axis.
    pub predicted: Option<f64>,
    /// What was found.
    pub measured: Vec<Measured>,
}

/// To each row an upright stroke for the prediction and a marker to each measurement, tied to the stroke.
///
/// At the right stands, as a factor, the measurement that is farthest from the prediction.
#[derive(Clone, Debug, PartialEq)]
pub struct CompareChart {
    /// What the chart shows, in one line.
    pub title: String,
    /// Under which conditions; may be empty.
    pub subtitle: String,
    /// What the strokes are: "model".
    pub predicted_name: String,
    /// The axis of predictions and measurements.
    pub axis: Axis,
    /// From top to bottom.
    pub rows: Vec<CompareRow>,
    /// Stand under the panel, one paragraph each.
    pub notes: Vec<String>,
}

/// The height of one measurement in its row.
const LANE: f64 = 13.0;
/// Between the lanes of one row and those of the next.
const BETWEEN_ROWS: f64 = 14.0;
const WIDTH: f64 = 520.0;
/// For the factors at the right.
const FACTORS: f64 = 84.0;
const HEADING: f64 = 22.0;

/// A row with what the axis can hold.
struct Held<'a> {
    label: &'a str,
    predicted: Option<f64>,
    measured: Vec<(&'a str, Option<f64>)>,
    top: f64,
    height: f64,
}

impl CompareChart {
    /// Lays the chart out.
    ///
    /// # Errors
    /// [`ChartError::TooManyGroups`] beyond [`super::MOST_GROUPS`] series.
    pub fn figure(&self) -> Result<Figure, ChartError> {
        let ruler = Ruler::new()?;
        let series = groups(self.rows.iter().flat_map(|row| &row.measured).map(|one| one.series.as_str()))?;
        let labels =
            self.rows.iter().map(|row| ruler.width(&row.label, LABEL, Weight::Regular)).fold(0.0, f64::max);
        let left = MARGIN + labels + 10.0;
        let mut scene = Scene::new(left + WIDTH + FACTORS + MARGIN);
        let mut legend = vec![(Swatch::Stroke, self.predicted_name.clone())];
        legend.extend(series.iter().map(|(name, look)| (Swatch::Marker(look, Fill::Solid), name.to_owned())));
        let top = header(&mut scene, &ruler, &self.title, &self.subtitle, &[legend]) + HEADING;

        let mut tally = Tally::default();
        let (held, bottom) = self.held(&mut tally, top);
        let values = held
            .iter()
            .flat_map(|row| row.measured.iter().map(|(_, value)| *value).chain([row.predicted]))
            .flatten();
        let reach = Reach::around(self.axis.scale, Origin::Zero, values, Along::Across(WIDTH - 18.0), &ruler);
        let panel = Panel { left, right: left + WIDTH, top, bottom, padding: 9.0, reach };

        for row in held.iter().skip(1) {
            let (from, to) = (Point { x: left, y: row.top }, Point { x: panel.right, y: row.top });
            scene.line(from, to, 1.0, FAINT_GRID);
        }
        let end = panel.draw(&mut scene, &ruler, &self.axis);
        if held.iter().any(|row| row.farthest().is_some()) {
            let heading = format!("farthest found ÷ {}", self.predicted_name);
            let x = (panel.right + FACTORS).max(MARGIN + ruler.width(&heading, SMALL, Weight::Regular));
            let at = Point { x, y: top - HEADING / 2.0 };
            scene.text(at, &heading, SMALL, Weight::Regular, Anchor::End, SOFT_INK);
            widen(&mut scene, x);
        }
        for row in &held {
            row.draw(&mut scene, &panel, |name| series.look(name));
        }
        let left_out = tally.note();
        let told = self.notes.iter().map(String::as_str).chain(left_out.as_deref());
        scene.height = notes(&mut scene, &ruler, told, end) + MARGIN / 2.0;
        Ok(Figure::new(scene, self.title.clone(), self.description()))
    }

    fn held(&self, tally: &mut Tally, top: f64) -> (Vec<Held<'_>>, f64) {
        let mut y = top;
        let mut held = Vec::new();
        for row in &self.rows {
            let height = row.measured.len().max(1) as f64 * LANE + BETWEEN_ROWS;
            let admit = |one: &Measured| tally.admit(self.axis.scale, one.value);
            let values: Vec<Option<f64>> = row.measured.iter().map(admit).collect();
            held.push(Held {
                label: &row.label,
                predicted: tally.admit(self.axis.scale, row.predicted),
                measured: row.measured.iter().map(|one| one.series.as_str()).zip(values).collect(),
                top: y,
                height,
            });
            y += height;
        }
        (held, y.max(top + 60.0))
    }

    fn description(&self) -> String {
        format!(
            "{} rows; {} and what was measured, {}",
            self.rows.len(),
            self.predicted_name,
            self.axis.caption()
        )
    }
}

impl Held<'_> {
    /// The factor between a measurement and the prediction that is farthest from 1.
    fn farthest(&self) -> Option<f64> {
        let predicted = self.predicted.filter(|value| *value > 0.0)?;
        self.measured
            .iter()
            .filter_map(|(_, value)| value.filter(|value| *value > 0.0))
            .map(|value| value / predicted)
            .max_by(|one, other| one.ln().abs().total_cmp(&other.ln().abs()))
    }

    fn draw(&self, scene: &mut Scene, panel: &Panel, look: impl Fn(&str) -> Look) {
        let middle = self.top + self.height / 2.0;
        let label_end = Point { x: panel.left - 10.0, y: middle };
        scene.text(label_end, self.label, LABEL, Weight::Regular, Anchor::End, INK);
        let predicted = self.predicted.and_then(|value| panel.x(value));
        let lane = |index: usize| self.top + BETWEEN_ROWS / 2.0 + (index as f64 + 0.5) * LANE;
        let places: Vec<_> = self
            .measured
            .iter()
            .enumerate()
            .filter_map(|(index, (name, value))| {
                Some((look(name), Point { x: panel.x((*value)?)?, y: lane(index) }))
            })
            .collect();
        if let Some(x) = predicted {
            for (look, place) in &places {
                scene.line(Point { x, y: place.y }, *place, 1.5, look.colour);
            }
            let (upper, lower) = (self.top + 4.0, self.top + self.height - 4.0);
            scene.line(Point { x, y: upper }, Point { x, y: lower }, 3.0, INK);
        }
        for (look, place) in &places {
            scene.marker(*place, *look, Fill::Solid);
        }
        if predicted.is_none() && places.is_empty() && panel.reach.is_some() {
            let at = Point { x: panel.left + 9.0, y: middle };
            scene.text(at, "no data", SMALL, Weight::Regular, Anchor::Start, SOFT_INK);
        }
        let at = Point { x: panel.right + FACTORS, y: middle };
        match self.farthest() {
            Some(factor) => {
                let factor = format!("×{}", three_digits(factor));
                scene.text(at, &factor, SMALL, Weight::Regular, Anchor::End, INK);
            }
            None => scene.text(at, "–", SMALL, Weight::Regular, Anchor::End, SOFT_INK),
        }
    }
}
