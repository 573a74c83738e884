//! Every child's genes over time: how a search is seen to converge.

use super::axis::{Along, Axis, Origin, Reach, Scale, Tally};
use super::figure::{ChartError, Figure};
use super::layout::{Swatch, header, notes};
use super::ribbon::{CHILD, Field, Placed, REFERENCE, Ribbon, Timeline};
use super::scene::{Point, Scene};
use super::style::INK;
use super::text::Ruler;
use super::time::Span;

/// The value of a gene.
#[derive(Clone, Debug, PartialEq)]
pub enum GeneValue {
    /// On the axis. A zero on a logarithmic axis, which has no place for it, has a row of its own.
    Number(f64),
    /// A choice (`mq-deadline`) or a value with a meaning of its own (`off`), each in a row of its own.
    Word(String),
}

/// One gene, over time.
#[derive(Clone, Debug, PartialEq)]
pub struct GenePanel {
    /// The gene and its unit, on the scale of the knob.
    pub axis: Axis,
    /// When each child was in force, in the unit of time, and its gene.
    pub children: Vec<(f64, GeneValue)>,
    /// From when on the leader (or the incumbent) had which gene, in the order of time; each holds until the next.
    pub leader: Vec<(f64, GeneValue)>,
    /// The default, where it is known.
    pub default: Option<GeneValue>,
}

/// One panel a gene, with the workload as a ribbon above them.
///
/// Children are dots, the leader a line in steps, the default a dashed line.
#[derive(Clone, Debug, PartialEq)]
pub struct GenesChart {
    /// What the chart shows, in one line.
    pub title: String,
    /// Under which conditions; may be empty.
    pub subtitle: String,
    /// "time", in a unit of its own; always linear.
    pub time_label: String,
    /// The unit of time: "s".
    pub time_unit: String,
    /// What the disk was doing.
    pub workload: Vec<Span>,
    /// When stored genes were brought back.
    pub reintroductions: Vec<f64>,
    /// From top to bottom.
    pub panels: Vec<GenePanel>,
    /// What the line is: "leader".
    pub leader_name: String,
    /// Stand under the panels, one paragraph each.
    pub notes: Vec<String>,
}

/// More panels than this are lower, so that a figure stays a page.
const HIGH_PANELS: usize = 5;
/// Choices, from which on a panel is not readable: the rest are left out, and a note says so.
const MOST_WORDS: usize = 24;

/// A value that this chart has a place for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Spot<'a> {
    Number(f64),
    Word(&'a str),
}

struct Held<'a> {
    children: Vec<(f64, Spot<'a>)>,
    leader: Vec<(f64, Spot<'a>)>,
    default: Option<Spot<'a>>,
    /// From top to bottom: words as they came, then numbers from the largest down.
    words: Vec<&'a str>,
}

impl GenesChart {
    /// Lays the chart out.
    ///
    /// # Errors
    /// [`ChartError::Font`] where the embedded font cannot be read.
    pub fn figure(&self) -> Result<Figure, ChartError> {
        let ruler = Ruler::new()?;
        let mut tally = Tally::default();
        let ribbon = Ribbon::of(&self.workload, &self.reintroductions, &mut tally);
        let held: Vec<Held<'_>> = self.panels.iter().map(|panel| Held::of(panel, &mut tally)).collect();
        let height = if self.panels.len() > HIGH_PANELS { 66.0 } else { 92.0 };
        let field = |(panel, held): (&GenePanel, &Held<'_>)| {
            let numbers = held.spots().filter_map(|spot| match spot {
                Spot::Number(value) => Some(value),
                Spot::Word(_) => None,
            });
            let values =
                Reach::around(panel.axis.scale, Origin::Data, numbers, Along::Up(height - 18.0), &ruler);
            (panel.axis.caption(), values)
        };
        let fields: Vec<_> = self.panels.iter().zip(&held).map(field).collect();
        let fields = fields
            .into_iter()
            .zip(&held)
            .map(|((caption, values), held)| Field { caption, values, height, words: held.words.clone() })
            .collect();
        let times =
            held.iter().flat_map(|held| held.children.iter().chain(&held.leader)).map(|(time, _)| *time);
        let time = Axis::new(&self.time_label, &self.time_unit, Scale::Linear);
        let timeline = Timeline::new(&ruler, ribbon, fields, time, times);

        let mut scene = Scene::new(timeline.width());
        let mut legend = vec![
            (Swatch::Dot(CHILD), "a child".to_owned()),
            (Swatch::Line(2.0, INK), self.leader_name.clone()),
        ];
        if self.panels.iter().any(|panel| panel.default.is_some()) {
            legend.push((Swatch::Dashes(REFERENCE), "default".to_owned()));
        }
        let top = header(&mut scene, &ruler, &self.title, &self.subtitle, &[legend]);
        let end = timeline.draw(&mut scene, &ruler, top, |scene, index, placed| {
            if let Some(held) = held.get(index) {
                held.draw(scene, placed);
            }
        });
        let left_out = tally.note();
        let told = self.notes.iter().map(String::as_str).chain(left_out.as_deref());
        scene.height = notes(&mut scene, &ruler, told, end) + super::style::MARGIN / 2.0;
        let description = format!("{} genes over {}", self.panels.len(), timeline.time.caption());
        Ok(Figure::new(scene, self.title.clone(), description))
    }
}

impl<'a> Held<'a> {
    fn of(panel: &'a GenePanel, tally: &mut Tally) -> Self {
        let mut held = Self { children: Vec::new(), leader: Vec::new(), default: None, words: Vec::new() };
        let points = |points: &'a [(f64, GeneValue)], held: &mut Self, tally: &mut Tally| {
            points
                .iter()
                .filter_map(|(time, value)| {
                    let time = tally.admit(Scale::Linear, Some(*time))?;
                    Some((time, held.spot(panel.axis.scale, value, tally)?))
                })
                .collect()
        };
        held.children = points(&panel.children, &mut held, tally);
        held.leader = points(&panel.leader, &mut held, tally);
        if held.children.is_empty() && held.leader.is_empty() {
            // A default alone is no data.
            return held;
        }
        held.default = panel.default.as_ref().and_then(|value| held.spot(panel.axis.scale, value, tally));
        held.words.sort_by(|one, other| match (one.parse::<f64>(), other.parse::<f64>()) {
            // Up is more, as on an axis.
            (Ok(one), Ok(other)) => other.total_cmp(&one),
            // Words as they came, above the numbers.
            (one, other) => one.is_ok().cmp(&other.is_ok()),
        });
        held
    }

    /// Where `value` belongs; a word that is new gets a row.
    fn spot(&mut self, scale: Scale, value: &'a GeneValue, tally: &mut Tally) -> Option<Spot<'a>> {
        let word = match value {
            GeneValue::Word(word) => word.as_str(),
            GeneValue::Number(zero) if scale == Scale::Log10 && *zero == 0.0 => "0",
            GeneValue::Number(number) => return tally.admit(scale, Some(*number)).map(Spot::Number),
        };
        if !self.words.contains(&word) {
            if self.words.len() >= MOST_WORDS {
                tally.leave_out_word();
                return None;
            }
            self.words.push(word);
        }
        Some(Spot::Word(word))
    }

    fn spots(&self) -> impl Iterator<Item = Spot<'a>> + Clone {
        self.children.iter().chain(&self.leader).map(|(_, spot)| *spot).chain(self.default)
    }

    fn draw(&self, scene: &mut Scene, placed: &Placed<'_>) {
        let place = |(time, spot): &(f64, Spot<'_>)| match spot {
            Spot::Number(value) => placed.number(*time, *value),
            Spot::Word(word) => placed.word(*time, word),
        };
        let default = self.default.and_then(|spot| match spot {
            Spot::Number(value) => placed.number_y(value),
            Spot::Word(word) => placed.word_y(word),
        });
        for child in self.children.iter().filter_map(place) {
            scene.dot(child, CHILD);
        }
        if let Some(y) = default {
            let [from, to] = placed.across(y);
            scene.dashes(from, to, REFERENCE);
        }
        let leader: Vec<Point> = self.leader.iter().filter_map(place).collect();
        steps(scene, &leader, placed.end());
    }
}

/// A line that holds each value until the next, and the last until `end`.
pub(crate) fn steps(scene: &mut Scene, points: &[Point], end: f64) {
    let Some(last) = points.last() else { return };
    let corners = points.windows(2).flat_map(|pair| match pair {
        [one, next] => vec![*one, Point { x: next.x, y: one.y }],
        _ => vec![],
    });
    let mut path: Vec<Point> = corners.collect();
    path.extend([*last, Point { x: end.max(last.x), y: last.y }]);
    scene.path(path, 2.0, INK);
}
