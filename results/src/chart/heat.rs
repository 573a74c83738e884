//! A map of one value over two knobs.

use super::axis::{Along, Axis, Origin, Reach, Tally};
use super::figure::{ChartError, Figure, groups};
use super::grades::{Grades, admit};
use super::layout::{Swatch, header, notes, widen};
use super::scene::{Anchor, Fill, Point, Scene};
use super::style::{FRAME, INK, LABEL, Look, MARGIN, MARKER_RADIUS, SMALL, SOFT_INK, WHITE, warmth};
use super::text::{Ruler, Weight};

/// What was measured at one place.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cell {
    /// The knob along the lower edge.
    pub across: f64,
    /// The knob along the left edge.
    pub up: f64,
    /// The value; one that no axis can hold leaves its cell empty.
    pub value: f64,
}

/// A place to point at: the default, or the best that was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeatMark {
    /// Stands in the legend.
    pub name: String,
    /// The knob along the lower edge.
    pub across: f64,
    /// The knob along the left edge.
    pub up: f64,
}

/// Colours over two knobs.
///
/// Each value of a knob that was tried has a row or column of its own; where there are too many, they share some of
/// equal width, and a cell shows the mean. On a logarithmic axis a zero has a row or column of its own at the low end.
/// What was not measured is hatched.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    /// What the chart shows, in one line.
    pub title: String,
    /// Under which conditions; may be empty.
    pub subtitle: String,
    /// The knob along the lower edge.
    pub across: Axis,
    /// The knob along the left edge.
    pub up: Axis,
    /// What the colours stand for.
    pub value: Axis,
    /// In any order; several at one place are averaged.
    pub cells: Vec<Cell>,
    /// Places to point at.
    pub marks: Vec<HeatMark>,
    /// Stand under the map, one paragraph each.
    pub notes: Vec<String>,
}

const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 300.0;
const CAPTION: f64 = 28.0;
const BEFORE_BAR: f64 = 34.0;
const BAR: f64 = 18.0;
const SHADES: u32 = 128;

/// Both axes with the means of the cells: by row, then by column.
struct Held {
    across: Grades,
    up: Grades,
    means: Vec<Vec<Option<f64>>>,
    most_in_a_cell: u32,
}

impl HeatMap {
    /// Lays the map out.
    ///
    /// # Errors
    /// [`ChartError::TooManyGroups`] beyond [`super::MOST_GROUPS`] names of marks.
    pub fn figure(&self) -> Result<Figure, ChartError> {
        let ruler = Ruler::new()?;
        let looks = groups(self.marks.iter().map(|mark| mark.name.as_str()))?;
        let mut tally = Tally::default();
        let marks: Vec<(&HeatMark, f64, f64)> = self
            .marks
            .iter()
            .filter_map(|mark| {
                let across = admit(self.across.scale, mark.across, &mut tally)?;
                Some((mark, across, admit(self.up.scale, mark.up, &mut tally)?))
            })
            .collect();
        let held = self.held(&marks, &ruler, &mut tally);
        let means = held.iter().flat_map(|held| held.means.iter().flatten().flatten().copied());
        let colours = Reach::around(self.value.scale, Origin::Data, means, Along::Up(HEIGHT), &ruler);

        let up_labels = held.iter().flat_map(|held| held.up.labels()).map(|(_, label)| label);
        let widest = up_labels.map(|label| ruler.width(label, SMALL, Weight::Regular)).fold(24.0, f64::max);
        let left = MARGIN + widest + 10.0;
        let up_caption = self.up.caption();
        let up_end = MARGIN + ruler.width(&up_caption, LABEL, Weight::Regular) + 24.0;
        let bar = (left + WIDTH + BEFORE_BAR).max(up_end);
        let bar_caption = self.value.caption();
        let bar_labels = colours.iter().flat_map(|reach| &reach.ticks).map(|tick| &tick.label);
        let bar_label =
            bar_labels.map(|label| ruler.width(label, SMALL, Weight::Regular)).fold(24.0, f64::max);
        let bar_width = ruler.width(&bar_caption, LABEL, Weight::Regular).max(BAR + 10.0 + bar_label);
        let mut scene = Scene::new(bar + bar_width + MARGIN);

        let mut legend: Vec<_> = looks
            .iter()
            .map(|(name, look)| (Swatch::Marker(inked(look), Fill::Hollow), name.to_owned()))
            .collect();
        if held.as_ref().is_some_and(|held| held.means.iter().flatten().any(Option::is_none)) {
            legend.push((Swatch::EmptyCell, "not measured".to_owned()));
        }
        let top = header(&mut scene, &ruler, &self.title, &self.subtitle, &[legend]) + CAPTION;
        let bottom = top + HEIGHT;
        for (x, caption) in [(MARGIN, &up_caption), (bar, &bar_caption)] {
            let at = Point { x, y: top - CAPTION / 2.0 };
            scene.text(at, caption, LABEL, Weight::Regular, Anchor::Start, INK);
        }
        let (corner, end) = (Point { x: left, y: top }, Point { x: left + WIDTH, y: bottom });
        match (&held, &colours) {
            (Some(held), Some(colours)) => {
                scene.hatch(corner, end);
                if let Some((from, to)) = held.across.gap() {
                    let to = Point { x: left + to, y: bottom };
                    scene.rectangle(Point { x: left + from, y: top }, to, WHITE);
                }
                if let Some((from, to)) = held.up.gap() {
                    let lower = Point { x: left + WIDTH, y: bottom - from };
                    scene.rectangle(Point { x: left, y: bottom - to }, lower, WHITE);
                }
                held.draw_cells(&mut scene, colours, left, bottom);
                for (mark, across, up) in &marks {
                    let at = Point { x: left + held.across.place(*across), y: bottom - held.up.place(*up) };
                    scene.marker(at, inked(looks.look(&mark.name)), Fill::Hollow);
                }
                draw_bar(&mut scene, colours, Point { x: bar, y: top });
            }
            _ => {
                let at = Point { x: left + WIDTH / 2.0, y: top + HEIGHT / 2.0 };
                scene.text(at, "no data", LABEL, Weight::Regular, Anchor::Middle, SOFT_INK);
            }
        }
        frame(&mut scene, corner, end);
        if let Some(held) = &held {
            held.draw_labels(&mut scene, left, bottom);
        }
        let mut y = bottom + 34.0;
        for line in ruler.wrap(&self.across.caption(), LABEL, Weight::Regular, WIDTH) {
            let at = Point { x: left + WIDTH / 2.0, y };
            scene.text(at, &line, LABEL, Weight::Regular, Anchor::Middle, INK);
            let half = ruler.width(&line, LABEL, Weight::Regular) / 2.0;
            widen(&mut scene, at.x + half);
            y += 16.0;
        }
        let averaged = held.as_ref().map_or(0, |held| held.most_in_a_cell);
        let averaged = (averaged > 1)
            .then(|| format!("A cell shows the mean of what was measured in it: up to {averaged} values."));
        let left_out = tally.note();
        let told =
            self.notes.iter().map(String::as_str).chain(averaged.as_deref()).chain(left_out.as_deref());
        scene.height = notes(&mut scene, &ruler, told, y - 8.0) + MARGIN / 2.0;
        let description = format!("{bar_caption} over {} and {up_caption}", self.across.caption());
        Ok(Figure::new(scene, self.title.clone(), description))
    }

    fn held(&self, marks: &[(&HeatMark, f64, f64)], ruler: &Ruler, tally: &mut Tally) -> Option<Held> {
        let places: Vec<(f64, f64, Option<f64>)> = self
            .cells
            .iter()
            .filter_map(|cell| {
                let across = admit(self.across.scale, cell.across, tally)?;
                let up = admit(self.up.scale, cell.up, tally)?;
                Some((across, up, tally.admit(self.value.scale, Some(cell.value))))
            })
            .collect();
        let across: Vec<f64> =
            places.iter().map(|(across, _, _)| *across).chain(marks.iter().map(|mark| mark.1)).collect();
        let up: Vec<f64> =
            places.iter().map(|(_, up, _)| *up).chain(marks.iter().map(|mark| mark.2)).collect();
        let across = Grades::around(self.across.scale, &across, Along::Across(WIDTH), ruler)?;
        let up = Grades::around(self.up.scale, &up, Along::Up(HEIGHT), ruler)?;
        // The mean as it grows, which no sum of large values can make infinite.
        let mut means = vec![vec![(0_u32, 0.0_f64); across.cells()]; up.cells()];
        for (x, y, value) in &places {
            let cell = means.get_mut(up.cell(*y)).and_then(|row| row.get_mut(across.cell(*x)));
            if let (Some((count, mean)), Some(value)) = (cell, value) {
                *count += 1;
                let share = 1.0 / f64::from(*count);
                *mean = *mean * (1.0 - share) + value * share;
            }
        }
        let most_in_a_cell = means.iter().flatten().map(|(count, _)| *count).max().unwrap_or_default();
        let means = means
            .into_iter()
            .map(|row| row.into_iter().map(|(count, mean)| (count > 0).then_some(mean)).collect())
            .collect();
        Some(Held { across, up, means, most_in_a_cell })
    }
}

impl Held {
    fn draw_cells(&self, scene: &mut Scene, colours: &Reach, left: f64, bottom: f64) {
        for (row, means) in self.means.iter().enumerate() {
            for (column, mean) in means.iter().enumerate() {
                let Some(mean) = mean else { continue };
                let (from, to) = self.across.extent(column);
                let (low, high) = self.up.extent(row);
                let corners =
                    (Point { x: left + from, y: bottom - high }, Point { x: left + to, y: bottom - low });
                scene.rectangle(corners.0, corners.1, warmth(colours.share(*mean)));
            }
        }
    }

    fn draw_labels(&self, scene: &mut Scene, left: f64, bottom: f64) {
        for (along, label) in self.across.labels() {
            let x = left + along;
            scene.line(Point { x, y: bottom }, Point { x, y: bottom + 4.0 }, 1.0, FRAME);
            let at = Point { x, y: bottom + 14.0 };
            scene.text(at, label, SMALL, Weight::Regular, Anchor::Middle, SOFT_INK);
        }
        for (along, label) in self.up.labels() {
            let y = bottom - along;
            scene.line(Point { x: left - 4.0, y }, Point { x: left, y }, 1.0, FRAME);
            let at = Point { x: left - 8.0, y };
            scene.text(at, label, SMALL, Weight::Regular, Anchor::End, SOFT_INK);
        }
    }
}

/// The colours with their values, from the upper left corner `at` down.
fn draw_bar(scene: &mut Scene, colours: &Reach, at: Point) {
    let bottom = at.y + HEIGHT;
    for shade in 0..SHADES {
        let share = f64::from(shade) / f64::from(SHADES);
        // Each up to the top and the next over it: no seams.
        let from = Point { x: at.x, y: at.y };
        scene.rectangle(from, Point { x: at.x + BAR, y: bottom - share * HEIGHT }, warmth(share));
    }
    frame(scene, at, Point { x: at.x + BAR, y: bottom });
    for tick in &colours.ticks {
        let y = bottom - tick.share * HEIGHT;
        scene.line(Point { x: at.x + BAR, y }, Point { x: at.x + BAR + 4.0, y }, 1.0, FRAME);
        let place = Point { x: at.x + BAR + 8.0, y };
        scene.text(place, &tick.label, SMALL, Weight::Regular, Anchor::Start, SOFT_INK);
    }
}

fn frame(scene: &mut Scene, from: Point, to: Point) {
    let corners = [from, Point { x: to.x, y: from.y }, to, Point { x: from.x, y: to.y }, from];
    scene.path(corners.to_vec(), 1.0, FRAME);
}

/// Marks differ by shape: their colours would be lost among those of the map.
fn inked(look: Look) -> Look {
    Look { colour: INK, ..look }
}

/// A marker at the edge of the map stays in the figure.
const _: () = assert!(MARKER_RADIUS < MARGIN);
