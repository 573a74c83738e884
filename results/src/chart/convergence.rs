//! How long a search takes to converge on each workload: the published figure's form, with what it left out.

use super::axis::{Along, Axis, Origin, Reach, Scale, Tally, three_digits};
use super::figure::{ChartError, Figure, groups};
use super::layout::{Swatch, header, notes, widen};
use super::panel::Panel;
use super::scene::{Anchor, Fill, Groups, Point, Scene};
use super::style::{BAND, FRAME, INK, LABEL, Look, MARGIN, Rgb, SMALL, SOFT_INK, WHITE};
use super::text::{Ruler, Weight};

/// The time of one arm on one workload, over its runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConvergenceBar {
    /// Which arm; arms of one name share a colour: "no fingerprinting", "first pass", "warm pass", "reset".
    pub arm: String,
    /// The (restricted) mean, in the unit of the axis; `None` where it was not measured.
    pub time: Option<f64>,
    /// The lower and the upper end of its interval.
    pub interval: Option<(f64, f64)>,
    /// How many runs it is the mean of.
    pub runs: u32,
    /// In how many of them the visit ended before the search had converged: then the mean is a lower bound.
    pub censored: u32,
}

/// What one workload shows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Reduction {
    /// There is next to nothing to converge to, so that no reduction is printed.
    Null,
    /// It was not computed.
    #[default]
    Unknown,
    /// By which share the time became shorter, from 0 to 1; below zero where it became longer.
    Share {
        /// The share.
        value: f64,
        /// Both ends of its interval, where there are repeats.
        interval: Option<(f64, f64)>,
    },
}

/// One workload: a group of bars.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConvergenceGroup {
    /// Its name.
    pub workload: String,
    /// From left to right.
    pub bars: Vec<ConvergenceBar>,
    /// Of the warm pass against no fingerprinting.
    pub reduction: Reduction,
    /// What was published for that workload, as a share; `None` where nothing was.
    pub published: Option<f64>,
}

/// Bars of convergence time, grouped by workload, with the reduction and the published one under each group.
///
/// A bar of which a run did not converge before its visit ended carries an arrow and a number with `>` (no run did) or
/// `≥` (some did). The bars of a null are hollow. On a logarithmic axis, where a bar has no beginning, markers take
/// their place.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvergenceChart {
    /// What the chart shows, in one line.
    pub title: String,
    /// Under which conditions; may be empty.
    pub subtitle: String,
    /// The axis of the times.
    pub axis: Axis,
    /// From left to right.
    pub groups: Vec<ConvergenceGroup>,
    /// Whose the published shares are: "paper".
    pub published_name: String,
    /// Stand under the chart, one paragraph each.
    pub notes: Vec<String>,
}

const HEIGHT: f64 = 250.0;
/// The narrowest place for a bar with its number.
const SLOT: f64 = 36.0;
const BAR: f64 = 25.0;
const BETWEEN_GROUPS: f64 = 34.0;
const CAPTION: f64 = 22.0;
/// Above the highest value, for its arrow and its number.
const HEADROOM: f64 = 32.0;
const LINE: f64 = 16.0;

/// A bar with what the axis can hold.
struct Held<'a> {
    bar: &'a ConvergenceBar,
    time: Option<f64>,
    interval: Option<(f64, f64)>,
}

impl ConvergenceChart {
    /// Lays the chart out.
    ///
    /// # Errors
    /// [`ChartError::TooManyGroups`] beyond [`super::MOST_GROUPS`] arms.
    pub fn figure(&self) -> Result<Figure, ChartError> {
        let ruler = Ruler::new()?;
        let bars = || self.groups.iter().flat_map(|group| &group.bars);
        let arms = groups(bars().map(|bar| bar.arm.as_str()))?;
        let mut tally = Tally::default();
        let held: Vec<Vec<Held<'_>>> = self
            .groups
            .iter()
            .map(|group| group.bars.iter().map(|bar| self.held(bar, &mut tally)).collect())
            .collect();
        let values = held.iter().flatten().flat_map(|bar| {
            let ends = bar.interval.map(|(low, high)| [low, high]);
            bar.time.into_iter().chain(ends.into_iter().flatten())
        });
        let reach = Reach::around(self.axis.scale, Origin::Zero, values, Along::Up(HEIGHT), &ruler);

        let widest = |texts: &mut dyn Iterator<Item = String>| {
            texts.map(|text| ruler.width(&text, SMALL, Weight::Regular)).fold(0.0, f64::max)
        };
        let ticks = widest(&mut reach.iter().flat_map(|reach| &reach.ticks).map(|tick| tick.label.clone()));
        let left = MARGIN + ticks.max(24.0) + 10.0;
        let slot = (widest(&mut held.iter().flatten().map(Held::number)) + 8.0).max(SLOT);
        let widths: Vec<f64> = self.groups.iter().map(|group| group.width(&ruler, slot, self)).collect();
        let right = left + widths.iter().sum::<f64>().max(360.0);

        let mut scene = Scene::new(right + MARGIN);
        let mut marks = Vec::new();
        if bars().any(|bar| bar.censored > 0) {
            marks.push((Swatch::Arrow, "a lower bound: visits ended before it had converged".to_owned()));
        }
        if self.groups.iter().any(|group| group.reduction == Reduction::Null) {
            marks.push((Swatch::HollowBar, "a null: nothing to converge to".to_owned()));
        }
        let scale = self.axis.scale;
        let swatch = |look: Look| match scale {
            Scale::Linear => Swatch::Bar(look.colour),
            Scale::Log10 => Swatch::Marker(look, Fill::Solid),
        };
        let legend = [arms.iter().map(|(name, look)| (swatch(look), name.to_owned())).collect(), marks];
        let header_end = header(&mut scene, &ruler, &self.title, &self.subtitle, &legend);
        let top = header_end + CAPTION + HEADROOM;
        let panel = Panel { left, right, top, bottom: top + HEIGHT, padding: 0.0, reach: None };

        let (at, caption) = (Point { x: MARGIN, y: header_end + CAPTION / 2.0 }, self.axis.caption());
        scene.text(at, &caption, LABEL, Weight::Regular, Anchor::Start, INK);
        widen(&mut scene, at.x + ruler.width(&caption, LABEL, Weight::Regular));
        let mut x = left;
        let mut end = panel.bottom;
        let mut places = Vec::new();
        for (group, width) in self.groups.iter().zip(&widths) {
            if group.reduction == Reduction::Null {
                let from = Point { x: x + 4.0, y: header_end + CAPTION };
                scene.rectangle(from, Point { x: x + width - 4.0, y: panel.bottom }, BAND);
            }
            end =
                end.max(self.draw_words(&mut scene, &ruler, group, x + width / 2.0, (*width, panel.bottom)));
            places.push(x + width / 2.0);
            x += width;
        }
        panel.draw_upright(&mut scene, reach.as_ref(), panel.bottom);
        let corner = Point { x: left, y: panel.bottom };
        scene.line(Point { x: left, y: header_end + CAPTION }, corner, 1.0, FRAME);
        scene.line(corner, Point { x: right, y: panel.bottom }, 1.0, FRAME);
        match &reach {
            Some(reach) => {
                let field = Field { panel: &panel, reach, arms: &arms, slot };
                for ((group, bars), centre) in self.groups.iter().zip(&held).zip(places) {
                    field.draw(&mut scene, bars, centre, group.reduction == Reduction::Null);
                }
            }
            None => panel.say_no_data(&mut scene),
        }
        let left_out = tally.note();
        let told = self.notes.iter().map(String::as_str).chain(left_out.as_deref());
        scene.height = notes(&mut scene, &ruler, told, end) + MARGIN / 2.0;
        let description = format!("{} of {} workloads", self.axis.caption(), self.groups.len());
        Ok(Figure::new(scene, self.title.clone(), description))
    }

    fn held<'a>(&self, bar: &'a ConvergenceBar, tally: &mut Tally) -> Held<'a> {
        let scale = self.axis.scale;
        let interval = bar.interval.and_then(|(low, high)| {
            let (low, high) = (tally.admit(scale, Some(low))?, tally.admit(scale, Some(high))?);
            Some((low.min(high), low.max(high)))
        });
        Held { bar, time: tally.admit(scale, bar.time), interval }
    }

    /// The workload and both reductions, under a group. Returns where they end.
    fn draw_words(
        &self,
        scene: &mut Scene,
        ruler: &Ruler,
        group: &ConvergenceGroup,
        centre: f64,
        (width, bottom): (f64, f64),
    ) -> f64 {
        let mut y = bottom + LINE;
        for (words, size, weight, ink) in group.words(self) {
            for line in ruler.wrap(&words, size, weight, width - 10.0) {
                scene.text(Point { x: centre, y }, &line, size, weight, Anchor::Middle, ink);
                y += LINE;
            }
        }
        y - LINE / 2.0
    }
}

impl ConvergenceGroup {
    /// Wide enough for its bars, for the longest word of its name and for its reductions.
    fn width(&self, ruler: &Ruler, slot: f64, chart: &ConvergenceChart) -> f64 {
        let width = |text: &str, size, weight| ruler.width(text, size, weight);
        let words = self.words(chart);
        let whole = words.iter().skip(1).map(|(text, size, weight, _)| width(text, *size, *weight));
        let name = self.workload.split_whitespace().map(|word| width(word, LABEL, Weight::Bold));
        let longest = whole.chain(name).fold(0.0, f64::max);
        (self.bars.len().max(1) as f64 * slot + BETWEEN_GROUPS).max(longest + 16.0)
    }

    fn words(&self, chart: &ConvergenceChart) -> Vec<(String, f64, Weight, Rgb)> {
        let ours = match self.reduction {
            Reduction::Null => "null: no reduction".to_owned(),
            Reduction::Unknown => "not computed".to_owned(),
            Reduction::Share { value, .. } if !value.is_finite() => "not computed".to_owned(),
            Reduction::Share { value, interval } => {
                let interval = interval.filter(|(low, high)| low.is_finite() && high.is_finite());
                let ends = interval.map(|(low, high)| [low.max(high), low.min(high)]);
                let digits = digits(ends.into_iter().flatten().chain([value]));
                match ends {
                    // Shorter by 85 % to 94 % is −94 % to −85 %.
                    Some([low, high]) => format!(
                        "ours {} % [{}, {}]",
                        change(value, digits),
                        change(low, digits),
                        change(high, digits)
                    ),
                    None => format!("ours {} %", change(value, digits)),
                }
            }
        };
        let mut words =
            vec![(self.workload.clone(), LABEL, Weight::Bold, INK), (ours, SMALL, Weight::Regular, INK)];
        if let Some(published) = self.published.filter(|share| share.is_finite()) {
            let text =
                format!("{} {} %", chart.published_name, change(published, digits([published].into_iter())));
            words.push((text, SMALL, Weight::Regular, SOFT_INK));
        }
        words
    }
}

/// How many digits after the point tell these shares apart from a total reduction.
fn digits(mut shares: impl Iterator<Item = f64>) -> usize {
    usize::from(shares.any(|share| share > 0.985 && share < 1.0))
}

/// A share by which something became shorter, as a change in per cent: 0.893 is "−89".
fn change(shorter: f64, digits: usize) -> String {
    let per_cent = (-shorter * 100.0).clamp(-99_999.0, 99_999.0);
    let size = format!("{:.digits$}", per_cent.abs());
    let sign = match per_cent {
        _ if size.chars().all(|letter| matches!(letter, '0' | '.')) => "±",
        below if below < 0.0 => "−",
        _ => "+",
    };
    format!("{sign}{size}")
}

impl Held<'_> {
    /// What stands above the bar.
    fn number(&self) -> String {
        let Some(time) = self.time else { return "–".to_owned() };
        let bound = match self.bar.censored {
            0 => "",
            all if all >= self.bar.runs => "> ",
            _ => "≥ ",
        };
        format!("{bound}{}", three_digits(time))
    }
}

/// Where bars stand.
struct Field<'a> {
    panel: &'a Panel,
    reach: &'a Reach,
    arms: &'a Groups,
    slot: f64,
}

impl Field<'_> {
    fn y(&self, value: f64) -> f64 {
        self.panel.y(self.reach.share(value), self.panel.bottom)
    }

    fn draw(&self, scene: &mut Scene, bars: &[Held<'_>], centre: f64, null: bool) {
        let first = centre - (bars.len() as f64 - 1.0) / 2.0 * self.slot;
        for (index, bar) in bars.iter().enumerate() {
            self.draw_bar(scene, bar, first + index as f64 * self.slot, null);
        }
    }

    fn draw_bar(&self, scene: &mut Scene, bar: &Held<'_>, x: f64, null: bool) {
        let look = self.arms.look(&bar.bar.arm);
        let linear = self.reach.scale() == Scale::Linear;
        let zero = if linear { self.y(0.0) } else { self.panel.bottom };
        let mut top = zero;
        let whole = bar.time.map(|time| self.y(time));
        if let (Some(y), true) = (whole, linear) {
            let (from, to) =
                (Point { x: x - BAR / 2.0, y: y.min(zero) }, Point { x: x + BAR / 2.0, y: y.max(zero) });
            if null {
                scene.hollow(from, to, look.colour);
            } else {
                scene.rectangle(from, to, look.colour);
            }
            top = from.y;
        }
        if let Some((low, high)) = bar.interval {
            let (low, high) = (self.y(low), self.y(high));
            // A white edge, so that it is seen on a dark bar as well as above it.
            for (width, colour) in [(3.5, WHITE), (1.5, INK)] {
                scene.line(Point { x, y: low }, Point { x, y: high }, width, colour);
                for y in [low, high] {
                    scene.line(Point { x: x - 4.5, y }, Point { x: x + 4.5, y }, width, colour);
                }
            }
            top = top.min(high);
        }
        if let (Some(y), false) = (whole, linear) {
            let fill = if null { Fill::Hollow } else { Fill::Solid };
            scene.marker(Point { x, y }, look, fill);
            top = top.min(y - 5.0);
        }
        if bar.time.is_some() && bar.bar.censored > 0 {
            scene.arrow(Point { x, y: top - 7.0 }, INK);
            top -= 12.0;
        }
        let at = Point { x, y: top - 9.0 };
        scene.text(at, &bar.number(), SMALL, Weight::Regular, Anchor::Middle, INK);
    }
}
