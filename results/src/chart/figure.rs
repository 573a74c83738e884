//! A laid-out chart, ready to be written.

use super::scene::Scene;
use super::style::MOST_GROUPS;
use super::{draw, scene::Groups};
use crate::atomic;
use std::io;
use std::num::NonZeroU8;
use std::path::{Path, PathBuf};

/// Why a chart could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    /// More groups or series than a reader can tell apart.
    #[error("{found} groups in one chart, expected at most {MOST_GROUPS}")]
    TooManyGroups {
        /// How many there are.
        found: usize,
    },
    /// The embedded font cannot be read.
    #[error("the embedded font: {0}")]
    Font(String),
    /// The drawing library failed.
    #[error("drawing: {0}")]
    Draw(String),
    /// The raster cannot be made.
    #[error("raster: {0}")]
    Raster(String),
    /// A file cannot be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The scale of the PNGs that [`Figure::write`] writes: sharp on screens of twice the density, and on paper.
const WRITTEN_SCALE: NonZeroU8 = NonZeroU8::MIN.saturating_add(1);

/// A laid-out chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    scene: Scene,
    title: String,
    description: String,
}

impl Figure {
    pub(crate) fn new(scene: Scene, title: String, description: String) -> Self {
        Self { scene, title, description }
    }

    #[cfg(test)]
    pub(crate) fn scene(&self) -> &Scene {
        &self.scene
    }

    /// Width and height in pixels at 100 %.
    pub fn size(&self) -> (u32, u32) {
        (self.scene.width.ceil() as u32, self.scene.height.ceil() as u32)
    }

    /// The figure as an SVG document. Text is text, in a family that falls back to the viewer's own.
    ///
    /// # Errors
    /// [`ChartError::Draw`] where the drawing library fails.
    pub fn svg(&self) -> Result<String, ChartError> {
        draw::svg(&self.scene, &self.title, &self.description)
    }

    /// The figure as a PNG of `scale` times [`Self::size`], drawn with the embedded font.
    ///
    /// # Errors
    /// As [`Self::svg`], and [`ChartError::Raster`] beyond 100 million pixels.
    pub fn png(&self, scale: NonZeroU8) -> Result<Vec<u8>, ChartError> {
        draw::png(&self.svg()?, scale)
    }

    /// Writes `<dir>/<stem>.svg` and `<dir>/<stem>.png`, each whole or not at all, and returns their paths.
    ///
    /// # Errors
    /// As [`Self::png`], and [`ChartError::Write`] with the file that could not be written.
    pub fn write(&self, dir: &Path, stem: &str) -> Result<[PathBuf; 2], ChartError> {
        // Both are drawn before either is written: a chart that cannot be drawn leaves no half of itself.
        let svg = self.svg()?;
        let png = draw::png(&svg, WRITTEN_SCALE)?;
        let [svg_path, png_path] = ["svg", "png"].map(|kind| dir.join(format!("{stem}.{kind}")));
        for (path, bytes) in [(&svg_path, svg.as_bytes()), (&png_path, png.as_slice())] {
            atomic::write(path, bytes).map_err(|source| ChartError::Write { path: path.clone(), source })?;
        }
        Ok([svg_path, png_path])
    }
}

/// Names with their looks.
pub(crate) fn groups<'a>(names: impl Iterator<Item = &'a str>) -> Result<Groups, ChartError> {
    Groups::of(names).map_err(|found| ChartError::TooManyGroups { found })
}
