//! Pairs of values as points: what was foretold against what was found.

use super::axis::{Along, Axis, Origin, Reach, Tally};
use super::figure::{ChartError, Figure, groups};
use super::layout::{Swatch, header, notes, widen};
use super::panel::Panel;
use super::scene::{Anchor, Fill, Point, Scene};
use super::style::{INK, LABEL, MARGIN, SMALL, SOFT_INK};
use super::text::{Ruler, Weight};

/// One pair.
#[derive(Clone, Debug, PartialEq)]
pub struct ScatterPoint {
    /// Which of the series: the scheduler, say.
    pub series: String,
    /// On the horizontal axis.
    pub x: Option<f64>,
    /// On the upright axis.
    pub y: Option<f64>,
}

/// Points in a square whose two axes have the same quantity, with the line on which both are equal.
#[derive(Clone, Debug, PartialEq)]
pub struct ScatterChart {
    /// What the chart shows, in one line.
    pub title: String,
    /// Under which conditions; may be empty.
    pub subtitle: String,
    /// What is measured, on both axes.
    pub axis: Axis,
    /// What the horizontal axis is: "simulated".
    pub x_name: String,
    /// What the upright axis is: "measured".
    pub y_name: String,
    /// In no particular order; later ones are drawn over earlier ones.
    pub points: Vec<ScatterPoint>,
    /// Stand under the panel, one paragraph each.
    pub notes: Vec<String>,
}

const SIDE: f64 = 460.0;
const PADDING: f64 = 9.0;
const CAPTION: f64 = 22.0;

impl ScatterChart {
    /// Lays the chart out.
    ///
    /// # Errors
    /// [`ChartError::TooManyGroups`] beyond [`super::MOST_GROUPS`] series.
    pub fn figure(&self) -> Result<Figure, ChartError> {
        let ruler = Ruler::new()?;
        let series = groups(self.points.iter().map(|point| point.series.as_str()))?;
        let mut tally = Tally::default();
        let mut held = Vec::new();
        for point in &self.points {
            let (x, y) = (tally.admit(self.axis.scale, point.x), tally.admit(self.axis.scale, point.y));
            held.extend(x.zip(y).map(|(x, y)| (series.look(&point.series), x, y)));
        }
        // One reach for both axes, so that equal values lie on the diagonal.
        let values = held.iter().flat_map(|(_, x, y)| [*x, *y]);
        let length = SIDE - 2.0 * PADDING;
        let across =
            Reach::around(self.axis.scale, Origin::Data, values.clone(), Along::Across(length), &ruler);
        let upright = Reach::around(self.axis.scale, Origin::Data, values, Along::Across(length), &ruler);

        let labels = upright.iter().flat_map(|reach| &reach.ticks);
        let widest = labels.map(|tick| ruler.width(&tick.label, SMALL, Weight::Regular)).fold(24.0, f64::max);
        let left = MARGIN + widest + 10.0;
        let mut scene = Scene::new(left + SIDE + MARGIN + 8.0);
        let legend = series.iter().map(|(name, look)| (Swatch::Marker(look, Fill::Hollow), name.to_owned()));
        let top = header(&mut scene, &ruler, &self.title, &self.subtitle, &[legend.collect()]) + CAPTION;
        let bottom = top + SIDE;
        let panel = Panel { left, right: left + SIDE, top, bottom, padding: PADDING, reach: across };

        let named = |name: &str| Axis { label: format!("{name} {}", self.axis.label), ..self.axis.clone() };
        let (at, caption) = (Point { x: MARGIN, y: top - CAPTION / 2.0 }, named(&self.y_name).caption());
        scene.text(at, &caption, LABEL, Weight::Regular, Anchor::Start, INK);
        widen(&mut scene, at.x + ruler.width(&caption, LABEL, Weight::Regular));
        panel.draw_upright(&mut scene, upright.as_ref(), bottom);
        let drawn = panel.draw(&mut scene, &ruler, &named(&self.x_name));
        if let Some(upright) = &upright {
            let inside = (
                Point { x: left + PADDING, y: bottom - PADDING },
                Point { x: panel.right - PADDING, y: top + PADDING },
            );
            scene.line(inside.0, inside.1, 1.0, SOFT_INK);
            for (look, x, y) in &held {
                if let Some(x) = panel.x(*x) {
                    let at = Point { x, y: panel.y(upright.share(*y), bottom) };
                    scene.marker(at, *look, Fill::Hollow);
                }
            }
        }
        let left_out = tally.note();
        let told = self.notes.iter().map(String::as_str).chain(left_out.as_deref());
        scene.height = notes(&mut scene, &ruler, told, drawn) + MARGIN / 2.0;
        Ok(Figure::new(scene, self.title.clone(), self.description(held.len())))
    }

    fn description(&self, points: usize) -> String {
        format!("{points} points; {} and {}, {}", self.x_name, self.y_name, self.axis.caption())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scale;
    use super::super::scene::Item;
    use super::*;

    fn chart(points: Vec<ScatterPoint>) -> ScatterChart {
        ScatterChart {
            title: "Simulated and measured".into(),
            subtitle: String::new(),
            axis: Axis::new("read latency", "ms", Scale::Log10),
            x_name: "simulated".into(),
            y_name: "measured".into(),
            points,
            notes: vec![],
        }
    }

    fn point(series: &str, x: f64, y: f64) -> ScatterPoint {
        ScatterPoint { series: series.into(), x: Some(x), y: Some(y) }
    }

    #[test]
    fn equal_values_lie_on_the_diagonal() {
        let figure = chart(vec![point("a", 1.0, 1.0), point("a", 30.0, 30.0), point("b", 900.0, 900.0)]);
        let figure = figure.figure().unwrap();
        let diagonal = figure.scene().items.iter().find_map(|item| match item {
            Item::Line { points, .. } => match points.as_slice() {
                [from, to] if (from.x - to.x).abs() > 1.0 && (from.y - to.y).abs() > 1.0 => {
                    Some((*from, *to))
                }
                _ => None,
            },
            _ => None,
        });
        let (from, to) = diagonal.unwrap();
        assert!(((to.x - from.x) - (from.y - to.y)).abs() < 1e-9, "{from:?} {to:?}");
    }

    #[test]
    fn both_axes_are_named_and_what_cannot_be_drawn_is_counted() {
        let svg = chart(vec![point("a", 1.0, 2.0), point("a", 0.0, 2.0)]).figure().unwrap().svg().unwrap();
        for part in ["simulated read latency (ms)", "measured read latency (ms)", "1 not above zero"] {
            assert!(svg.contains(part), "{part}");
        }
        assert!(chart(vec![]).figure().unwrap().svg().unwrap().contains("no data"));
    }

    #[test]
    fn one_point_is_a_picture_and_so_is_none_that_can_be_drawn() {
        let svg = |points| chart(points).figure().unwrap().svg().unwrap();
        let one = svg(vec![point("a", 3.0, 4.0)]);
        assert!(!one.contains("NaN") && !one.contains("inf") && !one.contains("no data"), "{one}");
        let none = [point("a", f64::NAN, 4.0), ScatterPoint { x: None, ..point("a", 1.0, f64::INFINITY) }];
        let none = svg(none.into());
        assert!(!none.contains("NaN") && !none.contains(">inf") && none.contains("no data"), "{none}");
        assert!(none.contains("not finite"), "{none}");
    }
}
