//! Rows of a low and a high value, with a bar beside them: how sensitive something is to its settings.

use super::axis::{Along, Axis, Origin, Reach, Scale, Tally, three_digits};
use super::figure::{ChartError, Figure, groups};
use super::layout::{Swatch, header, notes};
use super::panel::Panel;
use super::scene::{Anchor, Fill, Point, Scene};
use super::style::{ANY_GROUP, BAND, INK, LABEL, Look, MARGIN, MARKER_RADIUS, SMALL, SOFT_INK};
use super::text::{Ruler, Weight};

/// Whether a row stands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Emphasis {
    /// As the others.
    #[default]
    Plain,
    /// On a band, with a bold label; the legend says what for.
    Marked,
}

/// One row: a setting, say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RangeRow {
    /// Stands at the left: "mq-deadline fifo_batch=1".
    pub label: String,
    /// Rows of one group share a colour and a shape: "mq-deadline".
    pub group: String,
    /// Whether it stands out.
    pub emphasis: Emphasis,
    /// The solid marker in the left panel, in the unit of its axis; `None` where it was not measured.
    pub low: Option<f64>,
    /// The hollow marker in the left panel.
    pub high: Option<f64>,
    /// The bar in the right panel, in the unit of its axis.
    pub bar: Option<f64>,
}

/// Two panels that share their rows: a low and a high value at the left, a bar at the right.
///
/// Rows stand in the order given; a small gap parts rows of different groups. On a logarithmic right axis, where a bar
/// would have no beginning, a marker takes its place.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeChart {
    /// What the chart shows, in one line.
    pub title: String,
    /// Under which conditions; may be empty.
    pub subtitle: String,
    /// What [`RangeRow::low`] is: "mean".
    pub low_name: String,
    /// What [`RangeRow::high`] is: "p99".
    pub high_name: String,
    /// What [`Emphasis::Marked`] stands for: "default".
    pub marked_name: String,
    /// The axis of the low and high values.
    pub left: Axis,
    /// The axis of the bars.
    pub right: Axis,
    /// From top to bottom.
    pub rows: Vec<RangeRow>,
    /// Stand under the panels, one paragraph each.
    pub notes: Vec<String>,
}

const ROW: f64 = 22.0;
const BETWEEN_GROUPS: f64 = 9.0;
const LEFT_WIDTH: f64 = 360.0;
const RIGHT_WIDTH: f64 = 230.0;
const BETWEEN_PANELS: f64 = 48.0;
/// Between the bars' panel and the widest number at its right.
const BEFORE_NUMBERS: f64 = 16.0;
const BAR: f64 = 13.0;

/// A row with what its axes can hold.
struct Held<'a> {
    row: &'a RangeRow,
    low: Option<f64>,
    high: Option<f64>,
    bar: Option<f64>,
    y: f64,
}

impl RangeChart {
    /// Lays the chart out.
    ///
    /// # Errors
    /// [`ChartError::TooManyGroups`] beyond [`super::MOST_GROUPS`] groups.
    pub fn figure(&self) -> Result<Figure, ChartError> {
        let ruler = Ruler::new()?;
        let groups = groups(self.rows.iter().map(|row| row.group.as_str()))?;
        let labels =
            self.rows.iter().map(|row| ruler.width(&row.label, LABEL, Weight::Bold)).fold(0.0, f64::max);
        let left = MARGIN + labels + 10.0;
        let right = left + LEFT_WIDTH + BETWEEN_PANELS;
        let numbers = right + RIGHT_WIDTH + BEFORE_NUMBERS + self.widest_number(&ruler);
        let mut scene = Scene::new(numbers + MARGIN);

        let by_group = groups.iter().map(|(name, look)| (Swatch::Marker(look, Fill::Solid), name.to_owned()));
        let mut by_kind = vec![
            (Swatch::Marker(ANY_GROUP, Fill::Solid), self.low_name.clone()),
            (Swatch::Marker(ANY_GROUP, Fill::Hollow), self.high_name.clone()),
        ];
        if self.rows.iter().any(|row| row.emphasis == Emphasis::Marked) {
            by_kind.push((Swatch::Band, self.marked_name.clone()));
        }
        let legend = [by_group.collect(), by_kind];
        let top = header(&mut scene, &ruler, &self.title, &self.subtitle, &legend);

        let mut tally = Tally::default();
        let (held, bottom) = self.held(&mut tally, top);
        let reach = |axis: &Axis, origin, values: &[Option<f64>], length| {
            Reach::around(axis.scale, origin, values.iter().copied().flatten(), Along::Across(length), &ruler)
        };
        let lefts: Vec<Option<f64>> = held.iter().flat_map(|row| [row.low, row.high]).collect();
        let rights: Vec<Option<f64>> = held.iter().map(|row| row.bar).collect();
        let right_padding = if self.right.scale == Scale::Linear { 0.0 } else { 9.0 };
        let ranges = Panel {
            left,
            right: left + LEFT_WIDTH,
            top,
            bottom,
            padding: 9.0,
            reach: reach(&self.left, Origin::Data, &lefts, LEFT_WIDTH - 18.0),
        };
        let bars = Panel {
            left: right,
            right: right + RIGHT_WIDTH,
            top,
            bottom,
            padding: right_padding,
            reach: reach(&self.right, Origin::Zero, &rights, RIGHT_WIDTH - 2.0 * right_padding),
        };

        for row in held.iter().filter(|row| row.row.emphasis == Emphasis::Marked) {
            let from = Point { x: MARGIN - 6.0, y: row.y - ROW / 2.0 };
            let to = Point { x: numbers + 6.0, y: row.y + ROW / 2.0 };
            scene.rectangle(from, to, BAND);
        }
        let end = ranges.draw(&mut scene, &ruler, &self.left).max(bars.draw(&mut scene, &ruler, &self.right));
        for row in &held {
            let look = groups.look(&row.row.group);
            row.draw_label(&mut scene, left - 10.0);
            row.draw_range(&mut scene, &ranges, look);
            row.draw_bar(&mut scene, &bars, numbers, self.right.scale, look);
        }
        let left_out = tally.note();
        let told = self.notes.iter().map(String::as_str).chain(left_out.as_deref());
        scene.height = notes(&mut scene, &ruler, told, end) + MARGIN / 2.0;
        Ok(Figure::new(scene, self.title.clone(), self.description()))
    }

    fn widest_number(&self, ruler: &Ruler) -> f64 {
        self.rows
            .iter()
            .filter_map(|row| Tally::default().admit(self.right.scale, row.bar))
            .map(|value| ruler.width(&three_digits(value), SMALL, Weight::Regular))
            .fold(24.0, f64::max)
    }

    fn held(&self, tally: &mut Tally, top: f64) -> (Vec<Held<'_>>, f64) {
        let mut y = top;
        let mut before: Option<&str> = None;
        let mut held = Vec::new();
        for row in &self.rows {
            if before.is_some_and(|group| group != row.group) {
                y += BETWEEN_GROUPS;
            }
            before = Some(&row.group);
            held.push(Held {
                row,
                low: tally.admit(self.left.scale, row.low),
                high: tally.admit(self.left.scale, row.high),
                bar: tally.admit(self.right.scale, row.bar),
                y: y + ROW / 2.0,
            });
            y += ROW;
        }
        // A chart without rows still has room to say so.
        (held, y.max(top + 3.0 * ROW) + 4.0)
    }

    fn description(&self) -> String {
        format!(
            "{} rows; at the left {} and {} of {}, at the right {}",
            self.rows.len(),
            self.low_name,
            self.high_name,
            self.left.caption(),
            self.right.caption()
        )
    }
}

impl Held<'_> {
    fn draw_label(&self, scene: &mut Scene, end: f64) {
        let weight = match self.row.emphasis {
            Emphasis::Plain => Weight::Regular,
            Emphasis::Marked => Weight::Bold,
        };
        scene.text(Point { x: end, y: self.y }, &self.row.label, LABEL, weight, Anchor::End, INK);
    }

    fn draw_range(&self, scene: &mut Scene, panel: &Panel, look: Look) {
        let at = |value: Option<f64>| value.and_then(|value| panel.x(value)).map(|x| Point { x, y: self.y });
        let (low, high) = (at(self.low), at(self.high));
        if let (Some(low), Some(high)) = (low, high) {
            scene.line(low, high, 2.0, look.colour);
        }
        if let Some(high) = high {
            scene.marker(high, look, Fill::Hollow);
        }
        match (low, high) {
            // Where both coincide, one is seen inside the other.
            (Some(low), Some(high)) if (low.x - high.x).abs() < MARKER_RADIUS => scene.core(low, look),
            (Some(low), _) => scene.marker(low, look, Fill::Solid),
            (None, _) => {}
        }
        if low.is_none() && high.is_none() && panel.reach.is_some() {
            let at = Point { x: panel.left + 9.0, y: self.y };
            scene.text(at, "no data", SMALL, Weight::Regular, Anchor::Start, SOFT_INK);
        }
    }

    fn draw_bar(&self, scene: &mut Scene, panel: &Panel, numbers: f64, scale: Scale, look: Look) {
        let number = Point { x: numbers, y: self.y };
        let Some((value, x)) = self.bar.and_then(|value| Some((value, panel.x(value)?))) else {
            scene.text(number, "–", SMALL, Weight::Regular, Anchor::End, SOFT_INK);
            return;
        };
        match (scale, panel.x(0.0)) {
            (Scale::Linear, Some(zero)) => {
                let (from, to) = (zero.min(x), zero.max(x));
                let (upper, lower) = (self.y - BAR / 2.0, self.y + BAR / 2.0);
                scene.rectangle(Point { x: from, y: upper }, Point { x: to, y: lower }, look.colour);
            }
            _ => scene.marker(Point { x, y: self.y }, look, Fill::Solid),
        }
        scene.text(number, &three_digits(value), SMALL, Weight::Regular, Anchor::End, INK);
    }
}
