//! What a figure is made of before anything draws it: lines, surfaces, markers and texts, in pixels at 100 %.

use super::style::{EMPTY, GRID, LOOKS, Look, MARKER_RADIUS, Rgb, Shape, WHITE};
use super::text::Weight;

/// A point, right and down from the upper left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
}

/// Which end of a text lies at its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// Whether the inside of a marker has its colour or is white.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    Solid,
    Hollow,
}

/// Of one among many.
pub(crate) const DOT_RADIUS: f64 = 2.2;
/// Between the lines of a hatching.
const HATCH: f64 = 6.0;
/// The length of a dash and the gap after it.
const DASH: f64 = 7.0;

/// One thing to draw.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    Line { points: Vec<Point>, width: f64, colour: Rgb },
    Surface { corners: Vec<Point>, colour: Rgb },
    Disc { centre: Point, radius: f64, colour: Rgb },
    Text { at: Point, text: String, size: f64, weight: Weight, anchor: Anchor, colour: Rgb },
}

/// All of a figure, drawn in the order of `items`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scene {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) items: Vec<Item>,
}

impl Scene {
    pub(crate) fn new(width: f64) -> Self {
        Self { width, height: 0.0, items: Vec::new() }
    }

    pub(crate) fn line(&mut self, from: Point, to: Point, width: f64, colour: Rgb) {
        self.path(vec![from, to], width, colour);
    }

    pub(crate) fn path(&mut self, points: Vec<Point>, width: f64, colour: Rgb) {
        self.items.push(Item::Line { points, width, colour });
    }

    pub(crate) fn rectangle(&mut self, from: Point, to: Point, colour: Rgb) {
        let corners = vec![from, Point { x: to.x, y: from.y }, to, Point { x: from.x, y: to.y }];
        self.items.push(Item::Surface { corners, colour });
    }

    /// A line of text whose small letters are centred on `at.y`.
    pub(crate) fn text(
        &mut self,
        at: Point,
        text: &str,
        size: f64,
        weight: Weight,
        anchor: Anchor,
        ink: Rgb,
    ) {
        // XML has no way to write most control characters, and no chart has a use for them.
        let text = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        self.items.push(Item::Text { at, text, size, weight, anchor, colour: ink });
    }

    pub(crate) fn marker(&mut self, centre: Point, look: Look, fill: Fill) {
        self.shape(centre, MARKER_RADIUS + 0.9, look.shape, look.colour);
        if fill == Fill::Hollow {
            self.shape(centre, MARKER_RADIUS - 1.2, look.shape, WHITE);
        }
    }

    /// A marker small enough to be seen inside a hollow one.
    pub(crate) fn core(&mut self, centre: Point, look: Look) {
        self.shape(centre, MARKER_RADIUS - 2.6, look.shape, look.colour);
    }

    /// One among many.
    pub(crate) fn dot(&mut self, centre: Point, colour: Rgb) {
        self.items.push(Item::Disc { centre, radius: DOT_RADIUS, colour });
    }

    /// The frame of a rectangle, white inside.
    pub(crate) fn hollow(&mut self, from: Point, to: Point, colour: Rgb) {
        self.rectangle(from, to, WHITE);
        let corners = [from, Point { x: to.x, y: from.y }, to, Point { x: from.x, y: to.y }, from];
        self.path(corners.to_vec(), 1.5, colour);
    }

    /// A rectangle that holds no value: grey and hatched, as no colour of a map is.
    pub(crate) fn hatch(&mut self, from: Point, to: Point) {
        self.rectangle(from, to, EMPTY);
        let (width, height) = (to.x - from.x, to.y - from.y);
        let count = ((width + height) / HATCH).floor().clamp(0.0, 1000.0);
        for index in 1..=count as u32 {
            // From the left or lower edge up to the upper or right one.
            let along = f64::from(index) * HATCH;
            let (begin, end) = (along.min(height), along.min(width));
            let begin = Point { x: from.x + (along - begin), y: from.y + begin };
            self.line(begin, Point { x: from.x + end, y: from.y + (along - end) }, 1.0, GRID);
        }
    }

    /// A dashed line.
    pub(crate) fn dashes(&mut self, from: Point, to: Point, colour: Rgb) {
        let (dx, dy) = (to.x - from.x, to.y - from.y);
        let count = (dx.hypot(dy) / DASH).ceil().clamp(1.0, 2000.0);
        let at = |share: f64| Point { x: from.x + share * dx, y: from.y + share * dy };
        for index in 0..count as u32 {
            let begin = f64::from(index) / count;
            self.line(at(begin), at((begin + 0.6 / count).min(1.0)), 1.5, colour);
        }
    }

    /// An arrow that points up: the value is at least that.
    pub(crate) fn arrow(&mut self, centre: Point, colour: Rgb) {
        self.shape(centre, MARKER_RADIUS, Shape::Triangle, colour);
    }

    /// That stored genes were brought back.
    pub(crate) fn reintroduction(&mut self, centre: Point) {
        self.shape(centre, MARKER_RADIUS, Shape::TriangleDown, LOOKS[6].colour);
    }

    fn shape(&mut self, centre: Point, radius: f64, shape: Shape, colour: Rgb) {
        if shape == Shape::Circle {
            self.items.push(Item::Disc { centre, radius, colour });
            return;
        }
        let corners = outline(shape)
            .iter()
            .map(|(x, y)| Point { x: centre.x + x * radius, y: centre.y + y * radius })
            .collect();
        self.items.push(Item::Surface { corners, colour });
    }
}

/// The corners of a shape for a radius of 1, with surfaces near those of a disc, so that no group looks larger.
fn outline(shape: Shape) -> &'static [(f64, f64)] {
    match shape {
        Shape::Circle => &[],
        Shape::Square => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        Shape::Triangle => &[(0.0, -1.2), (1.2, 0.95), (-1.2, 0.95)],
        Shape::TriangleDown => &[(0.0, 1.2), (-1.2, -0.95), (1.2, -0.95)],
        Shape::Diamond => &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
        Shape::Pentagon => &[(0.0, -1.15), (1.1, -0.36), (0.68, 0.93), (-0.68, 0.93), (-1.1, -0.36)],
        Shape::Cross => &[
            (-0.4, -1.2),
            (0.4, -1.2),
            (0.4, -0.4),
            (1.2, -0.4),
            (1.2, 0.4),
            (0.4, 0.4),
            (0.4, 1.2),
            (-0.4, 1.2),
            (-0.4, 0.4),
            (-1.2, 0.4),
            (-1.2, -0.4),
            (-0.4, -0.4),
        ],
    }
}

/// Names in the order in which they first appear, each with its look.
pub(crate) struct Groups {
    names: Vec<String>,
}

impl Groups {
    /// The number of names where there are more than there are looks.
    pub(crate) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Result<Self, usize> {
        let mut known: Vec<String> = Vec::new();
        for name in names {
            if !known.iter().any(|one| one == name) {
                known.push(name.to_owned());
            }
        }
        if known.len() > LOOKS.len() { Err(known.len()) } else { Ok(Self { names: known }) }
    }

    pub(crate) fn look(&self, name: &str) -> Look {
        self.names
            .iter()
            .position(|one| one == name)
            .and_then(|index| LOOKS.get(index))
            .copied()
            .unwrap_or(LOOKS[0])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Look)> {
        self.names.iter().map(String::as_str).zip(LOOKS)
    }
}
