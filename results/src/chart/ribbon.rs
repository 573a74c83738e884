//! What charts over time share: the workload as a ribbon on top, fields below it, one axis of time under all.

use super::axis::{Along, Axis, Origin, Reach, Scale, Tally};
use super::lanes::LaneSize;
use super::layout::widen;
use super::panel::Panel;
use super::scene::{Anchor, Point, Scene};
use super::style::{FAINT_GRID, FRAME, INK, LABEL, MARGIN, Rgb, SMALL, SOFT_INK};
use super::text::{Ruler, Weight};
use super::time::Span;

const WIDTH: f64 = 680.0;
const PADDING: f64 = 9.0;
const LANES: LaneSize = LaneSize { lane: 17.0, bar: 10.0 };
/// Above a field, for its caption.
const CAPTION: f64 = 24.0;
/// More changes of the workload than this are not marked in the fields: they would be all there is to see.
const MOST_CHANGES: usize = 60;
/// The name of the lane of marks.
pub(crate) const REINTRODUCED: &str = "reintroduced";

/// The colour of the children of a generation: light, since there are many.
pub(crate) const CHILD: Rgb = Rgb(86, 180, 233);
/// The colour of a reference.
pub(crate) const REFERENCE: Rgb = Rgb(213, 94, 0);

/// The ribbon as far as an axis can hold it.
pub(crate) struct Ribbon<'a> {
    lanes: Vec<&'a str>,
    spans: Vec<(&'a str, f64, f64)>,
    marks: Vec<f64>,
}

impl<'a> Ribbon<'a> {
    /// `spans` in lanes by their names, and a lane of `marks` below them where there are any.
    pub(crate) fn of(spans: &'a [Span], marks: &[f64], tally: &mut Tally) -> Self {
        let mut ribbon = Self { lanes: Vec::new(), spans: Vec::new(), marks: Vec::new() };
        for span in spans {
            if !ribbon.lanes.contains(&span.lane.as_str()) {
                ribbon.lanes.push(&span.lane);
            }
            if let Some((from, to)) = tally.admit_span(span.from, span.to) {
                ribbon.spans.push((&span.lane, from, to));
            }
        }
        ribbon.marks = marks.iter().filter_map(|at| tally.admit(Scale::Linear, Some(*at))).collect();
        ribbon
    }

    fn times(&self) -> impl Iterator<Item = f64> + Clone {
        self.spans.iter().flat_map(|(_, from, to)| [*from, *to]).chain(self.marks.iter().copied())
    }

    fn height(&self) -> f64 {
        let rows = self.lanes.len() + usize::from(!self.marks.is_empty());
        rows as f64 * LANES.lane + if rows > 0 { 6.0 } else { 0.0 }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.lanes.iter().copied().chain((!self.marks.is_empty()).then_some(REINTRODUCED))
    }

    fn draw(&self, scene: &mut Scene, panel: &Panel, top: f64) {
        let names: Vec<&str> = self.names().collect();
        LANES.draw(scene, panel, top, &names, &self.spans);
        for mark in &self.marks {
            if let Some(x) = panel.x(*mark) {
                scene.reintroduction(Point { x, y: LANES.middle(top, self.lanes.len()) });
            }
        }
    }

    /// When the workload changes.
    pub(crate) fn changes(&self) -> impl Iterator<Item = f64> + '_ {
        self.spans.iter().skip(1).map(|(_, from, _)| *from)
    }

    /// Where the workload changes, as faint lines through a field.
    fn draw_changes(&self, scene: &mut Scene, panel: &Panel) {
        if self.spans.len() > MOST_CHANGES {
            return;
        }
        for change in self.changes() {
            if let Some(x) = panel.x(change) {
                let (from, to) = (Point { x, y: panel.top }, Point { x, y: panel.bottom });
                scene.line(from, to, 1.0, FRAME);
            }
        }
    }
}

/// A row of a field for a value that no axis has a place for: a word, or a zero on a logarithmic axis.
pub(crate) const WORD: f64 = 16.0;

/// One field: an axis of values where there are any, and a row for each word.
pub(crate) struct Field<'a> {
    pub(crate) caption: String,
    /// `None` where no value lies on an axis.
    pub(crate) values: Option<Reach>,
    /// The height of the axis.
    pub(crate) height: f64,
    /// From top to bottom, under the axis.
    pub(crate) words: Vec<&'a str>,
}

impl Field<'_> {
    fn is_empty(&self) -> bool {
        self.values.is_none() && self.words.is_empty()
    }

    fn whole(&self) -> f64 {
        let axis = if self.values.is_some() || self.is_empty() { self.height } else { 0.0 };
        axis + self.words.len() as f64 * WORD
    }
}

/// A field with its place in the figure.
pub(crate) struct Placed<'a> {
    field: &'a Field<'a>,
    panel: Panel,
    /// Where the axis ends and the words begin.
    axis_bottom: f64,
    end: f64,
}

impl Placed<'_> {
    /// Where a value at a time lies; `None` where this field has no place for it.
    pub(crate) fn number(&self, time: f64, value: f64) -> Option<Point> {
        let y = self.panel.y(self.field.values.as_ref()?.share(value), self.axis_bottom);
        Some(Point { x: self.panel.x(time)?, y })
    }

    /// Where a word at a time lies.
    pub(crate) fn word(&self, time: f64, word: &str) -> Option<Point> {
        Some(Point { x: self.panel.x(time)?, y: self.word_y(word)? })
    }

    /// Both ends of a line across the field at the height of `y`.
    pub(crate) fn across(&self, y: f64) -> [Point; 2] {
        [Point { x: self.panel.left, y }, Point { x: self.panel.right, y }]
    }

    pub(crate) fn number_y(&self, value: f64) -> Option<f64> {
        Some(self.panel.y(self.field.values.as_ref()?.share(value), self.axis_bottom))
    }

    pub(crate) fn word_y(&self, word: &str) -> Option<f64> {
        let index = self.field.words.iter().position(|one| *one == word)?;
        Some(self.axis_bottom + (index as f64 + 0.5) * WORD)
    }

    /// The end of the latest time there is: what holds until the end is drawn up to here.
    pub(crate) fn end(&self) -> f64 {
        self.end
    }
}

/// All of a chart below its legend.
pub(crate) struct Timeline<'a> {
    pub(crate) ribbon: Ribbon<'a>,
    pub(crate) fields: Vec<Field<'a>>,
    pub(crate) time: Axis,
    reach: Option<Reach>,
    /// Of all times the latest.
    last: f64,
    left: f64,
}

impl<'a> Timeline<'a> {
    /// `times` are those of the fields; those of the ribbon are added.
    pub(crate) fn new(
        ruler: &Ruler,
        ribbon: Ribbon<'a>,
        fields: Vec<Field<'a>>,
        time: Axis,
        times: impl Iterator<Item = f64> + Clone,
    ) -> Self {
        let across = Along::Across(WIDTH - 2.0 * PADDING);
        let times = times.chain(ribbon.times());
        let last = times.clone().fold(f64::NEG_INFINITY, f64::max);
        let reach = Reach::around(Scale::Linear, Origin::Data, times, across, ruler);
        let labels = fields.iter().flat_map(|field| {
            let ticks = field.values.iter().flat_map(|reach| &reach.ticks).map(|tick| tick.label.as_str());
            ticks.chain(field.words.iter().copied())
        });
        let widest = ribbon
            .names()
            .map(|name| ruler.width(name, LABEL, Weight::Regular))
            .chain(labels.map(|label| ruler.width(label, SMALL, Weight::Regular)))
            .fold(24.0, f64::max);
        Self { ribbon, fields, time, reach, last, left: MARGIN + widest + 10.0 }
    }

    /// How wide the figure is.
    pub(crate) fn width(&self) -> f64 {
        self.left + WIDTH + MARGIN + 8.0
    }

    /// Draws everything but the data from `top` on, then each field's data by `draw`. Returns where the axis ends.
    pub(crate) fn draw(
        &self,
        scene: &mut Scene,
        ruler: &Ruler,
        top: f64,
        mut draw: impl FnMut(&mut Scene, usize, &Placed<'_>),
    ) -> f64 {
        let panel = |top: f64, bottom: f64| Panel {
            left: self.left,
            right: self.left + WIDTH,
            top,
            bottom,
            padding: PADDING,
            reach: self.reach.clone(),
        };
        self.ribbon.draw(scene, &panel(top, top), top);
        let mut end = panel(top, top + self.ribbon.height());
        for (index, field) in self.fields.iter().enumerate() {
            let (at, y) = (Point { x: MARGIN, y: end.bottom + CAPTION / 2.0 }, end.bottom + CAPTION);
            scene.text(at, &field.caption, LABEL, Weight::Regular, Anchor::Start, INK);
            widen(scene, at.x + ruler.width(&field.caption, LABEL, Weight::Regular));
            end = panel(y, y + field.whole());
            end.draw_grid(scene);
            if field.is_empty() && end.reach.is_some() {
                end.say_no_data(scene);
            }
            let axis_bottom = end.bottom - field.words.len() as f64 * WORD;
            end.draw_upright(scene, field.values.as_ref(), axis_bottom);
            let until = end.x(self.last).unwrap_or(end.right);
            let placed = Placed { field, panel: end, axis_bottom, end: until };
            for word in &field.words {
                let Some(y) = placed.word_y(word) else { continue };
                let [from, to] = placed.across(y);
                scene.line(from, to, 1.0, FAINT_GRID);
                let at = Point { x: from.x - 8.0, y };
                scene.text(at, word, SMALL, Weight::Regular, Anchor::End, SOFT_INK);
            }
            self.ribbon.draw_changes(scene, &placed.panel);
            draw(scene, index, &placed);
            end = placed.panel;
        }
        end.draw_axis(scene, ruler, &self.time)
    }
}
