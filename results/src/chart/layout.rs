//! What stands above and below the panels: title, legend and notes.

use super::scene::{Anchor, Fill, Point, Scene};
use super::style::{BAND, FRAME, INK, LABEL, Look, MARGIN, Rgb, SMALL, SOFT_INK, TITLE};
use super::text::{Ruler, Weight};

/// What stands before the words of a legend's entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Swatch {
    Marker(Look, Fill),
    /// The ground of a marked row.
    Band,
    /// The upright stroke of a model.
    Stroke,
    /// A bar of this colour.
    Bar(Rgb),
    /// A bar that stands for no effect.
    HollowBar,
    /// The small dot of one among many.
    Dot(Rgb),
    /// A line of this width and colour.
    Line(f64, Rgb),
    /// The dashed line of a reference.
    Dashes(Rgb),
    /// The arrow of a value that is a lower bound.
    Arrow,
    /// A cell without a value.
    EmptyCell,
}

const SWATCH_WIDTH: f64 = 18.0;
const BETWEEN_ENTRIES: f64 = 20.0;
const LEGEND_LINE: f64 = 20.0;

/// Title, subtitle and legend, with `width` to fill; one line of the legend to each of `legend`, or more where it does
/// not fit. Returns where they end.
pub(crate) fn header(
    scene: &mut Scene,
    ruler: &Ruler,
    title: &str,
    subtitle: &str,
    legend: &[Vec<(Swatch, String)>],
) -> f64 {
    let mut y = MARGIN + TITLE / 2.0;
    y = paragraph(scene, ruler, title, (TITLE, Weight::Bold, INK), y);
    y = paragraph(scene, ruler, subtitle, (LABEL, Weight::Regular, SOFT_INK), y);
    y += 6.0;
    for entries in legend.iter().filter(|entries| !entries.is_empty()) {
        let mut x = MARGIN;
        for (swatch, words) in entries {
            let width = SWATCH_WIDTH + ruler.width(words, LABEL, Weight::Regular);
            if x > MARGIN && x + width > scene.width - MARGIN {
                (x, y) = (MARGIN, y + LEGEND_LINE);
            }
            draw_swatch(scene, *swatch, Point { x: x + 6.0, y });
            scene.text(Point { x: x + SWATCH_WIDTH, y }, words, LABEL, Weight::Regular, Anchor::Start, INK);
            x += width;
            widen(scene, x);
            x += BETWEEN_ENTRIES;
        }
        y += LEGEND_LINE;
    }
    y
}

/// Notes under the panels, from `y` on. Returns where they end.
pub(crate) fn notes<'a>(
    scene: &mut Scene,
    ruler: &Ruler,
    notes: impl Iterator<Item = &'a str>,
    y: f64,
) -> f64 {
    let mut y = y + SMALL * 1.5;
    for note in notes {
        y = paragraph(scene, ruler, note, (SMALL, Weight::Regular, SOFT_INK), y);
    }
    y
}

fn paragraph(
    scene: &mut Scene,
    ruler: &Ruler,
    text: &str,
    (size, weight, ink): (f64, Weight, Rgb),
    y: f64,
) -> f64 {
    let mut y = y;
    for line in ruler.wrap(text, size, weight, scene.width - 2.0 * MARGIN) {
        scene.text(Point { x: MARGIN, y }, &line, size, weight, Anchor::Start, ink);
        widen(scene, MARGIN + ruler.width(&line, size, weight));
        y += size * 1.5;
    }
    y
}

/// What is wider than the figure makes the figure wider.
pub(crate) fn widen(scene: &mut Scene, to: f64) {
    scene.width = scene.width.max(to + MARGIN);
}

fn draw_swatch(scene: &mut Scene, swatch: Swatch, at: Point) {
    match swatch {
        Swatch::Marker(look, fill) => scene.marker(at, look, fill),
        Swatch::Band => {
            let (from, to) = (Point { x: at.x - 7.0, y: at.y - 7.0 }, Point { x: at.x + 7.0, y: at.y + 7.0 });
            scene.rectangle(from, to, BAND);
            let corners = [from, Point { x: to.x, y: from.y }, to, Point { x: from.x, y: to.y }, from];
            scene.path(corners.to_vec(), 1.0, FRAME);
        }
        Swatch::Bar(colour) => bar(scene, at, |scene, from, to| scene.rectangle(from, to, colour)),
        Swatch::HollowBar => bar(scene, at, |scene, from, to| scene.hollow(from, to, INK)),
        Swatch::EmptyCell => bar(scene, at, Scene::hatch),
        Swatch::Dot(colour) => scene.dot(at, colour),
        Swatch::Line(width, colour) => {
            scene.line(Point { x: at.x - 7.0, ..at }, Point { x: at.x + 7.0, ..at }, width, colour);
        }
        Swatch::Dashes(colour) => {
            scene.dashes(Point { x: at.x - 7.0, ..at }, Point { x: at.x + 7.0, ..at }, colour);
        }
        Swatch::Arrow => scene.arrow(at, INK),
        Swatch::Stroke => {
            scene.line(Point { x: at.x, y: at.y - 7.0 }, Point { x: at.x, y: at.y + 7.0 }, 3.0, INK);
        }
    }
}

fn bar(scene: &mut Scene, at: Point, draw: impl FnOnce(&mut Scene, Point, Point)) {
    draw(scene, Point { x: at.x - 6.0, y: at.y - 6.0 }, Point { x: at.x + 6.0, y: at.y + 6.0 });
}
