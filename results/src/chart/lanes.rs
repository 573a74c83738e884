//! Lanes under or over a chart: what went on, a bar for as long as it did, a lane for each name.

use super::panel::Panel;
use super::scene::{Anchor, Point, Scene};
use super::style::{FAINT_GRID, INK, LABEL, SPAN};
use super::text::Weight;

/// How high lanes and their bars are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LaneSize {
    /// From one lane to the next.
    pub(crate) lane: f64,
    /// Of a bar.
    pub(crate) bar: f64,
}

impl LaneSize {
    /// The middle of a lane, counted from 0, of those that begin at `top`.
    pub(crate) fn middle(self, top: f64, index: usize) -> f64 {
        top + (index as f64 + 0.5) * self.lane
    }

    /// Draws lanes of these names from `top` on, and each span in the first lane of its name.
    pub(crate) fn draw(
        self,
        scene: &mut Scene,
        panel: &Panel,
        top: f64,
        names: &[&str],
        spans: &[(&str, f64, f64)],
    ) {
        for (index, name) in names.iter().enumerate() {
            let y = self.middle(top, index);
            scene.line(Point { x: panel.left, y }, Point { x: panel.right, y }, 1.0, FAINT_GRID);
            scene.text(Point { x: panel.left - 8.0, y }, name, LABEL, Weight::Regular, Anchor::End, INK);
        }
        for (lane, from, to) in spans {
            let index = names.iter().position(|name| name == lane);
            if let (Some(index), Some(from), Some(to)) = (index, panel.x(*from), panel.x(*to)) {
                let (y, half) = (self.middle(top, index), self.bar / 2.0);
                // However short, it went on: at least one pixel.
                let to = Point { x: to.max(from + 1.0), y: y + half };
                scene.rectangle(Point { x: from, y: y - half }, to, SPAN);
            }
        }
    }
}
