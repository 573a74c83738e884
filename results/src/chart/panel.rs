//! One panel: a field with a horizontal axis under it.

use super::axis::{Axis, Reach};
use super::scene::{Anchor, Point, Scene};
use super::style::{FAINT_GRID, FRAME, GRID, INK, LABEL, Rgb, SMALL, SOFT_INK};
use super::text::{Ruler, Weight};

/// From the lower edge of a panel to the centre of its tick labels.
const TICK_LABEL_BELOW: f64 = 14.0;
const CAPTION_BELOW: f64 = 34.0;
const CAPTION_LINE: f64 = 16.0;

/// A field of a figure, in pixels at 100 %.
pub(crate) struct Panel {
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
    /// Kept free at both ends of the axis, so that a marker at an end stays inside.
    pub(crate) padding: f64,
    /// `None` without data.
    pub(crate) reach: Option<Reach>,
}

impl Panel {
    /// Where a value lies; `None` in a panel without data.
    pub(crate) fn x(&self, value: f64) -> Option<f64> {
        self.reach.as_ref().map(|reach| self.at(reach.share(value)))
    }

    fn at(&self, share: f64) -> f64 {
        let (from, to) = (self.left + self.padding, self.right - self.padding);
        from + share * (to - from)
    }

    /// Grid, frame, ticks and caption, which data are then drawn over. Returns where the caption ends.
    pub(crate) fn draw(&self, scene: &mut Scene, ruler: &Ruler, axis: &Axis) -> f64 {
        self.draw_grid(scene);
        self.draw_axis(scene, ruler, axis)
    }

    /// Grid and frame, or that there are no data: all of a panel that shares the axis of the one below it.
    pub(crate) fn draw_grid(&self, scene: &mut Scene) {
        if let Some(reach) = &self.reach {
            for share in &reach.faint {
                self.vertical(scene, self.at(*share), self.bottom, 1.0, FAINT_GRID);
            }
            for tick in &reach.ticks {
                self.vertical(scene, self.at(tick.share), self.bottom, 1.0, GRID);
            }
        } else {
            self.say_no_data(scene);
        }
        let (left, right) = (Point { x: self.left, y: self.bottom }, Point { x: self.right, y: self.bottom });
        scene.line(left, right, 1.0, FRAME);
        self.vertical(scene, self.left, self.bottom, 1.0, FRAME);
    }

    /// Says so in the middle of the panel.
    pub(crate) fn say_no_data(&self, scene: &mut Scene) {
        let at = Point { x: self.centre(), y: (self.top + self.bottom) / 2.0 };
        scene.text(at, "no data", LABEL, Weight::Regular, Anchor::Middle, SOFT_INK);
    }

    /// Ticks and caption under the panel. Returns where the caption ends.
    pub(crate) fn draw_axis(&self, scene: &mut Scene, ruler: &Ruler, axis: &Axis) -> f64 {
        for tick in self.reach.iter().flat_map(|reach| &reach.ticks) {
            let x = self.at(tick.share);
            let (from, to) = (Point { x, y: self.bottom }, Point { x, y: self.bottom + 4.0 });
            scene.line(from, to, 1.0, GRID);
            let at = Point { x, y: self.bottom + TICK_LABEL_BELOW };
            scene.text(at, &tick.label, SMALL, Weight::Regular, Anchor::Middle, SOFT_INK);
        }
        let mut y = self.bottom + CAPTION_BELOW;
        for line in ruler.wrap(&axis.caption(), LABEL, Weight::Regular, self.right - self.left) {
            scene.text(Point { x: self.centre(), y }, &line, LABEL, Weight::Regular, Anchor::Middle, INK);
            y += CAPTION_LINE;
        }
        y - CAPTION_LINE / 2.0
    }

    /// The grid and the ticks of a vertical axis at the left edge, from `bottom` up.
    pub(crate) fn draw_upright(&self, scene: &mut Scene, reach: Option<&Reach>, bottom: f64) {
        let Some(reach) = reach else { return };
        let across = |scene: &mut Scene, y: f64, from: f64, colour: Rgb| {
            scene.line(Point { x: from, y }, Point { x: self.right, y }, 1.0, colour);
        };
        for share in &reach.faint {
            across(scene, self.y(*share, bottom), self.left, FAINT_GRID);
        }
        for tick in &reach.ticks {
            let y = self.y(tick.share, bottom);
            across(scene, y, self.left - 4.0, GRID);
            let at = Point { x: self.left - 8.0, y };
            scene.text(at, &tick.label, SMALL, Weight::Regular, Anchor::End, SOFT_INK);
        }
    }

    /// Where a share of the vertical axis from `bottom` to the top lies.
    pub(crate) fn y(&self, share: f64, bottom: f64) -> f64 {
        let (from, to) = (bottom - self.padding, self.top + self.padding);
        from + share * (to - from)
    }

    fn centre(&self) -> f64 {
        (self.left + self.right) / 2.0
    }

    fn vertical(&self, scene: &mut Scene, x: f64, to: f64, width: f64, colour: Rgb) {
        scene.line(Point { x, y: self.top }, Point { x, y: to }, width, colour);
    }
}
