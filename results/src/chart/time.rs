//! Values over time, above lanes of what went on meanwhile.

use super::axis::{Along, Axis, Origin, Reach, Scale, Tally};
use super::figure::{ChartError, Figure, groups};
use super::lanes::LaneSize;
use super::layout::{Swatch, header, notes, widen};
use super::panel::Panel;
use super::scene::{Anchor, Fill, Point, Scene};
use super::style::{INK, LABEL, Look, MARGIN, SMALL};
use super::text::{Ruler, Weight};

/// How points are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// Straight from point to point: something that is sampled.
    Line,
    /// A value holds until the next point: a setting, or the best so far.
    Steps,
}

/// One series of values.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Stands in the legend.
    pub name: String,
    /// How its points are joined.
    pub trace: Trace,
    /// Time and value, in the units of the axes and in the order of time. Where a point cannot be drawn the line breaks.
    pub points: Vec<(f64, f64)>,
}

/// Something that went on for a while: a class of work, say.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its lane, which all spans of that name share.
    pub lane: String,
    /// When it began, in the unit of the time axis.
    pub from: f64,
    /// When it ended.
    pub to: f64,
}

/// Series over time, with a lane below them for every kind of thing that went on.
///
/// Lanes stand in the order in which their names first appear, each with its name at the left: there may be more of
/// them than there are colours.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeChart {
    /// What the chart shows, in one line.
    pub title: String,
    /// Under which conditions; may be empty.
    pub subtitle: String,
    /// "time", in a unit of its own; always linear.
    pub time_label: String,
    /// The unit of time: "s".
    pub time_unit: String,
    /// The axis of the values.
    pub value: Axis,
    /// The lines.
    pub series: Vec<Series>,
    /// What stands in the lanes.
    pub spans: Vec<Span>,
    /// Stand under the panel, one paragraph each.
    pub notes: Vec<String>,
}

const WIDTH: f64 = 680.0;
const HEIGHT: f64 = 230.0;
const PADDING: f64 = 9.0;
const LANES: LaneSize = LaneSize { lane: 18.0, bar: 11.0 };
const BEFORE_LANES: f64 = 8.0;
const CAPTION: f64 = 22.0;
/// Between the markers on a line, which tell series apart where no colour does.
const BETWEEN_MARKERS: f64 = 70.0;

/// What the axes can hold.
struct Held<'a> {
    /// Runs of points without a gap, with the series they are of.
    runs: Vec<(&'a Series, Vec<(f64, f64)>)>,
    spans: Vec<(&'a str, f64, f64)>,
    lanes: Vec<&'a str>,
}

impl TimeChart {
    /// Lays the chart out.
    ///
    /// # Errors
    /// [`ChartError::TooManyGroups`] beyond [`super::MOST_GROUPS`] series.
    pub fn figure(&self) -> Result<Figure, ChartError> {
        let ruler = Ruler::new()?;
        let looks = groups(self.series.iter().map(|one| one.name.as_str()))?;
        let mut tally = Tally::default();
        let held = self.held(&mut tally);

        let values = held.runs.iter().flat_map(|(_, run)| run.iter().map(|(_, value)| *value));
        let upright = Along::Up(HEIGHT - 2.0 * PADDING);
        let values = Reach::around(self.value.scale, Origin::Data, values, upright, &ruler);
        let times = held.runs.iter().flat_map(|(_, run)| run.iter().map(|(time, _)| *time));
        let times = times.chain(held.spans.iter().flat_map(|(_, from, to)| [*from, *to]));
        let across = Along::Across(WIDTH - 2.0 * PADDING);
        let times = Reach::around(Scale::Linear, Origin::Data, times, across, &ruler);

        let tick_labels =
            values.iter().flat_map(|reach| &reach.ticks).map(|tick| (tick.label.as_str(), SMALL));
        let left = held
            .lanes
            .iter()
            .map(|lane| (*lane, LABEL))
            .chain(tick_labels)
            .map(|(text, size)| ruler.width(text, size, Weight::Regular))
            .fold(24.0, f64::max);
        let left = MARGIN + left + 10.0;
        let mut scene = Scene::new(left + WIDTH + MARGIN + 8.0);
        let legend = looks.iter().map(|(name, look)| (Swatch::Marker(look, Fill::Solid), name.to_owned()));
        let top = header(&mut scene, &ruler, &self.title, &self.subtitle, &[legend.collect()]) + CAPTION;
        let bottom = top + HEIGHT;
        let lanes = held.lanes.len() as f64 * LANES.lane;
        let end = if held.lanes.is_empty() { bottom } else { bottom + BEFORE_LANES + lanes + 2.0 };
        let panel = Panel { left, right: left + WIDTH, top, bottom: end, padding: PADDING, reach: times };

        let (at, caption) = (Point { x: MARGIN, y: top - CAPTION / 2.0 }, self.value.caption());
        scene.text(at, &caption, LABEL, Weight::Regular, Anchor::Start, INK);
        widen(&mut scene, at.x + ruler.width(&caption, LABEL, Weight::Regular));
        panel.draw_upright(&mut scene, values.as_ref(), bottom);
        let time = Axis::new(&self.time_label, &self.time_unit, Scale::Linear);
        let drawn = panel.draw(&mut scene, &ruler, &time);
        LANES.draw(&mut scene, &panel, bottom + BEFORE_LANES, &held.lanes, &held.spans);
        if let Some(values) = &values {
            let place = |(time, value): &(f64, f64)| {
                let y = panel.y(values.share(*value), bottom);
                panel.x(*time).map(|x| Point { x, y })
            };
            for (series, run) in &held.runs {
                let points: Vec<Point> = run.iter().filter_map(place).collect();
                // The markers of series that lie on each other must not.
                let index = looks.iter().position(|(name, _)| name == series.name).unwrap_or_default();
                let first_marker = index as f64 / looks.iter().count().max(1) as f64;
                draw_run(&mut scene, series.trace, &points, looks.look(&series.name), first_marker);
            }
        }
        let left_out = tally.note();
        let told = self.notes.iter().map(String::as_str).chain(left_out.as_deref());
        scene.height = notes(&mut scene, &ruler, told, drawn) + MARGIN / 2.0;
        Ok(Figure::new(scene, self.title.clone(), self.description(&time, held.lanes.len())))
    }

    fn held(&self, tally: &mut Tally) -> Held<'_> {
        let mut held = Held { runs: Vec::new(), spans: Vec::new(), lanes: Vec::new() };
        for series in &self.series {
            let mut run = Vec::new();
            for (time, value) in &series.points {
                let value = tally.admit(self.value.scale, Some(*value));
                match value.and_then(|value| Some((tally.admit(Scale::Linear, Some(*time))?, value))) {
                    Some(point) => run.push(point),
                    None => held.runs.push((series, std::mem::take(&mut run))),
                }
            }
            held.runs.push((series, run));
        }
        held.runs.retain(|(_, run)| !run.is_empty());
        for span in &self.spans {
            if !held.lanes.contains(&span.lane.as_str()) {
                held.lanes.push(&span.lane);
            }
            if let Some((from, to)) = tally.admit_span(span.from, span.to) {
                held.spans.push((&span.lane, from, to));
            }
        }
        held
    }

    fn description(&self, time: &Axis, lanes: usize) -> String {
        let series = self.series.len();
        format!("{series} series of {} over {}, and {lanes} lanes", self.value.caption(), time.caption())
    }
}

/// Draws points without a gap, the first of their markers after `first_marker` of the distance between two.
pub(crate) fn draw_run(scene: &mut Scene, trace: Trace, points: &[Point], look: Look, first_marker: f64) {
    let path = match trace {
        Trace::Line => points.to_vec(),
        Trace::Steps => points
            .first()
            .copied()
            .into_iter()
            .chain(points.windows(2).flat_map(|pair| match pair {
                [one, next] => vec![Point { x: next.x, y: one.y }, *next],
                _ => vec![],
            }))
            .collect(),
    };
    if path.len() > 1 {
        scene.path(path, 2.0, look.colour);
    }
    // A lone point is all there is to see of it.
    if let [alone] = points {
        scene.marker(*alone, look, Fill::Solid);
        return;
    }
    let mut next = points.first().map_or(0.0, |first| first.x + first_marker * BETWEEN_MARKERS);
    for point in points {
        if point.x >= next {
            scene.marker(*point, look, Fill::Solid);
            next = point.x + BETWEEN_MARKERS;
        }
    }
}
