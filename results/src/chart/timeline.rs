//! A recorded workload over time: its class as a ribbon, and below it what the class was made of.

mod bins;

use super::axis::{Along, Axis, Origin, Reach, Scale, Tally};
use super::figure::{ChartError, Figure};
use super::layout::{header, notes};
use super::panel::Panel;
use super::scene::{Anchor, Point, Scene};
use super::style::{FRAME, INK, LABEL, MARGIN, Rgb, SMALL, SOFT_INK, WHITE};
use super::text::{Ruler, Weight};
use bins::{Bin, Bins, Range};

/// What the work of a window was called, in the three dimensions of a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Not mostly reads.
    pub writes: bool,
    /// Not sequential.
    pub random: bool,
    /// More than a page in the mean.
    pub large: bool,
}

impl Kind {
    const COUNT: usize = 8;

    const fn index(self) -> usize {
        (self.writes as usize) << 2 | (self.random as usize) << 1 | self.large as usize
    }

    const fn of_index(index: usize) -> Self {
        Self { writes: index & 4 != 0, random: index & 2 != 0, large: index & 1 != 0 }
    }

    fn name(self) -> String {
        let word = |condition, yes, no| if condition { yes } else { no };
        let (kind, pattern) = (word(self.writes, "write", "read"), word(self.random, "random", "sequential"));
        format!("{kind}-{pattern}-{}", word(self.large, "large", "small"))
    }

    /// The hue says read or write, the lightness sequential or random; both remain on paper without colours, since
    /// the four differ in lightness.
    const fn colour(self) -> Rgb {
        match (self.writes, self.random) {
            (false, false) => Rgb(0, 82, 136),
            (false, true) => Rgb(134, 196, 236),
            (true, false) => Rgb(176, 74, 0),
            (true, true) => Rgb(245, 184, 66),
        }
    }

    /// The height in the ribbon says small or large.
    const fn height(self) -> f64 {
        if self.large { RIBBON } else { RIBBON / 2.0 }
    }
}

/// One window of a timeline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimelineWindow {
    /// Its start in seconds on any clock.
    pub from_s: f64,
    /// Its end.
    pub to_s: f64,
    /// Its class, where it is known.
    pub kind: Option<Kind>,
    /// Reads with data.
    pub reads: u64,
    /// Writes with data.
    pub writes: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// Share of both that continues a stream, 0 to 1, where it is known.
    pub near_share: Option<f64>,
}

/// A timeline of any length in a chart of one size: where there are more windows than the eye can tell apart,
/// neighbours share a bin, which shows their mean and, fainter, their range.
///
/// Takes the windows one by one, in the order of time, and holds bins only.
///
/// ```
/// use results::chart::{Kind, TimelineChart, TimelineWindow};
///
/// let mut chart = TimelineChart::new("A week of vda", "windows of 1 s");
/// let kind = Some(Kind { writes: false, random: true, large: false });
/// for second in 0..7 * 86_400 {
///     let from_s = f64::from(second);
///     let near_share = Some(0.1);
///     chart.push(&TimelineWindow { from_s, to_s: from_s + 1.0, kind, reads: 100, writes: 3, bytes: 412 << 10, near_share });
/// }
/// assert!(chart.figure()?.svg()?.contains("time since the start (d)"));
/// # Ok::<(), results::chart::ChartError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TimelineChart {
    title: String,
    subtitle: String,
    notes: Vec<String>,
    bins: Bins,
}

const WIDTH: f64 = 720.0;
const RIBBON: f64 = 30.0;
const PANEL: f64 = 76.0;
const PADDING: f64 = 5.0;
/// Above each panel, for its caption.
const CAPTION: f64 = 20.0;
const LEGEND_LINE: f64 = 20.0;
/// From one class of the legend to the next.
const BETWEEN_ENTRIES: f64 = 18.0;
/// Of the means.
const LINE: Rgb = Rgb(30, 70, 110);
/// Of the ranges.
const RANGE: Rgb = Rgb(196, 214, 230);

/// One of the quantities below the ribbon.
struct Quantity {
    axis: Axis,
    /// Shown whether data reach them or not.
    always: &'static [f64],
    origin: Origin,
    of: fn(&Bin) -> Option<Range>,
}

fn quantities() -> [Quantity; 4] {
    let percent = |label, of| Quantity {
        axis: Axis::new(label, "%", Scale::Linear),
        always: &[0.0, 100.0],
        origin: Origin::Zero,
        of,
    };
    [
        percent("reads", |bin: &Bin| bin.read_share.range(100.0)),
        percent("near a stream", |bin: &Bin| bin.near_share.range(100.0)),
        Quantity {
            axis: Axis::new("mean size", "KiB", Scale::Log10),
            always: &[],
            origin: Origin::Data,
            of: |bin| bin.size.range(1.0 / 1024.0),
        },
        Quantity {
            axis: Axis::new("rate", "MB/s", Scale::Linear),
            always: &[],
            origin: Origin::Zero,
            of: |bin| bin.rate.range(1e-6),
        },
    ]
}

/// The unit in which so many seconds are easily read.
fn time_unit(seconds: f64) -> (&'static str, f64) {
    match seconds {
        long if long >= 3.0 * 86_400.0 => ("d", 86_400.0),
        long if long >= 3.0 * 3_600.0 => ("h", 3_600.0),
        long if long >= 300.0 => ("min", 60.0),
        short if short >= 0.5 => ("s", 1.0),
        _ => ("ms", 1e-3),
    }
}

impl TimelineChart {
    /// A chart without windows.
    #[must_use]
    pub fn new(title: &str, subtitle: &str) -> Self {
        Self {
            title: title.to_owned(),
            subtitle: subtitle.to_owned(),
            notes: Vec::new(),
            bins: Bins::default(),
        }
    }

    /// Adds a paragraph under the chart.
    pub fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// Adds the next window. One that does not begin after the last one, or does not end after it began, or is not
    /// finite, is left out and counted in a note.
    pub fn push(&mut self, window: &TimelineWindow) {
        self.bins.push(window);
    }

    /// Lays the chart out.
    ///
    /// # Errors
    /// [`ChartError::Font`] where the embedded font cannot be read.
    pub fn figure(&self) -> Result<Figure, ChartError> {
        let ruler = Ruler::new()?;
        let (unit, seconds) = time_unit(self.bins.end_s());
        let time = Axis::new("time since the start", unit, Scale::Linear);
        let end = self.bins.end_s() / seconds;
        let across = Along::Across(WIDTH - 2.0 * PADDING);
        let is_empty = self.bins.is_empty();
        let ends = [0.0, end].into_iter().filter(|_| !is_empty);
        let times = Reach::around(Scale::Linear, Origin::Data, ends, across, &ruler);

        let left = MARGIN + 44.0;
        let mut scene = Scene::new(left + WIDTH + MARGIN + 8.0);
        let mut y = header(&mut scene, &ruler, &self.title, &self.subtitle, &[]);
        y = self.draw_legend(&mut scene, &ruler, y);
        let ribbon = (y, y + RIBBON);
        let quantities = quantities();
        let bottom = ribbon.1 + quantities.len() as f64 * (CAPTION + PANEL);
        let whole =
            Panel { left, right: left + WIDTH, top: ribbon.0, bottom, padding: PADDING, reach: times };
        let drawn = whole.draw(&mut scene, &ruler, &time);
        let x = |at_s: f64| whole.x(at_s / seconds);
        self.draw_ribbon(&mut scene, &x, ribbon.1);
        let edge = |scene: &mut Scene, y| {
            scene.line(Point { x: left, y }, Point { x: left + WIDTH, y }, 1.0, FRAME);
        };
        edge(&mut scene, ribbon.1);
        let mut top = ribbon.1 + CAPTION;
        for quantity in &quantities {
            let panel =
                Panel { left, right: left + WIDTH, top, bottom: top + PANEL, padding: PADDING, reach: None };
            self.draw_quantity(&mut scene, &ruler, &panel, quantity, &x);
            edge(&mut scene, top + PANEL);
            top += CAPTION + PANEL;
        }
        let width = self.bins.shared_s().map(|width| {
            let (unit, seconds) = time_unit(width * 10.0);
            format!(
                "Each of the {} bins is {:.3} {unit} long: the class is that of most of its time, lines are means over \
                 the windows with I/O, and the bands reach from the least to the greatest of them.",
                self.bins.len(),
                width / seconds
            )
        });
        let left_out = self.bins.left_out();
        let left_out =
            (left_out > 0).then(|| format!("Left out of the chart: {left_out} windows out of order."));
        let told = self.notes.iter().map(String::as_str);
        let told = told.chain(width.as_deref()).chain(left_out.as_deref());
        scene.height = notes(&mut scene, &ruler, told, drawn) + MARGIN / 2.0;
        let description = format!("{} classes over {end:.3} {unit}", self.bins.kinds().count());
        Ok(Figure::new(scene, self.title.clone(), description))
    }

    /// The classes that occur, each as it looks in the ribbon. Returns where they end.
    fn draw_legend(&self, scene: &mut Scene, ruler: &Ruler, y: f64) -> f64 {
        let (mut x, mut y) = (MARGIN, y + 2.0);
        let mut any = false;
        for kind in self.bins.kinds() {
            let name = kind.name();
            let width = 20.0 + ruler.width(&name, LABEL, Weight::Regular);
            if x > MARGIN && x + width > scene.width - MARGIN {
                (x, y) = (MARGIN, y + LEGEND_LINE);
            }
            let height = kind.height() / 2.0;
            let (from, to) = (Point { x, y: y + 7.5 - height }, Point { x: x + 14.0, y: y + 7.5 });
            scene.rectangle(from, to, kind.colour());
            scene.text(Point { x: x + 20.0, y }, &name, LABEL, Weight::Regular, Anchor::Start, INK);
            x += width + BETWEEN_ENTRIES;
            any = true;
        }
        if any { y + LEGEND_LINE } else { y }
    }

    fn draw_ribbon(&self, scene: &mut Scene, x: &dyn Fn(f64) -> Option<f64>, bottom: f64) {
        // Neighbours of one class are one surface: fewer edges that a raster would show.
        let mut run: Option<(f64, f64, Kind)> = None;
        let flush = |scene: &mut Scene, run: Option<(f64, f64, Kind)>| {
            let Some((from, to, kind)) = run else { return };
            if let (Some(from), Some(to)) = (x(from), x(to)) {
                // However short, it was there.
                let to = Point { x: to.max(from + 0.5), y: bottom };
                scene.rectangle(Point { x: from, y: bottom - kind.height() }, to, kind.colour());
            }
        };
        for (from, to, bin) in self.bins.iter() {
            let Some(kind) = bin.kind() else { continue };
            run = match run {
                Some((begun, until, same)) if same == kind && until >= from => Some((begun, to, kind)),
                other => {
                    flush(scene, other);
                    Some((from, to, kind))
                }
            };
        }
        flush(scene, run);
    }

    fn draw_quantity(
        &self,
        scene: &mut Scene,
        ruler: &Ruler,
        panel: &Panel,
        quantity: &Quantity,
        x: &dyn Fn(f64) -> Option<f64>,
    ) {
        let at = Point { x: panel.left + 6.0, y: panel.top - CAPTION / 2.0 };
        let caption = quantity.axis.caption();
        // The lines of the time axis run through all panels, and not through words.
        let width = ruler.width(&caption, LABEL, Weight::Regular);
        let corners =
            (Point { x: at.x - 3.0, y: at.y - 8.0 }, Point { x: at.x + width + 3.0, y: at.y + 8.0 });
        scene.rectangle(corners.0, corners.1, WHITE);
        scene.text(at, &caption, LABEL, Weight::Regular, Anchor::Start, INK);
        let mut tally = Tally::default();
        let mut admit = |value| tally.admit(quantity.axis.scale, Some(value));
        let held: Vec<(f64, f64, Range)> = self
            .bins
            .iter()
            .filter_map(|(from, to, bin)| {
                let range = (quantity.of)(bin)?;
                [range.low, range.mean, range.high]
                    .into_iter()
                    .all(|value| admit(value).is_some())
                    .then_some((from, to, range))
            })
            .collect();
        let values = held.iter().flat_map(|(_, _, range)| [range.low, range.high]);
        let always = quantity.always.iter().copied().filter(|_| !held.is_empty());
        let values: Vec<f64> = values.chain(always).collect();
        let upright = Along::Up(PANEL - 2.0 * PADDING);
        let mut reach =
            Reach::around(quantity.axis.scale, quantity.origin, values.into_iter(), upright, ruler);
        // A panel this low has room for the ticks' own lines only.
        if let Some(reach) = &mut reach {
            reach.faint.clear();
        }
        panel.draw_upright(scene, reach.as_ref(), panel.bottom);
        let Some(reach) = reach else {
            let at = Point { x: panel.left + WIDTH / 2.0, y: (panel.top + panel.bottom) / 2.0 };
            scene.text(at, "not known", SMALL, Weight::Regular, Anchor::Middle, SOFT_INK);
            return;
        };
        let y = |value| panel.y(reach.share(value), panel.bottom);
        for (from, to, range) in &held {
            if range.low < range.high
                && let (Some(from), Some(to)) = (x(*from), x(*to))
            {
                scene.rectangle(Point { x: from, y: y(range.high) }, Point { x: to, y: y(range.low) }, RANGE);
            }
        }
        // A line for each stretch without a pause.
        let mut path: Vec<Point> = Vec::new();
        let mut until = f64::NEG_INFINITY;
        for (from, to, range) in &held {
            if *from > until && !path.is_empty() {
                scene.path(std::mem::take(&mut path), 1.3, LINE);
            }
            if let (Some(left), Some(right)) = (x(*from), x(*to)) {
                let y = y(range.mean);
                path.extend([Point { x: left, y }, Point { x: right, y }]);
            }
            until = *to;
        }
        if !path.is_empty() {
            scene.path(path, 1.3, LINE);
        }
    }
}

#[cfg(test)]
mod tests;
