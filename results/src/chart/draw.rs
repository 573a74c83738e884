//! A scene to SVG by plotters, and that SVG to PNG by resvg.
//!
//! There is one drawing, the SVG; the PNG is that drawing on a raster, so the two cannot differ. plotters can fill a
//! bitmap itself, but without a font library of the system it puts each letter on a whole pixel and leaves out the
//! letter's own margin, which tears words apart; resvg shapes text properly from the same embedded font.

use super::figure::ChartError;
use super::scene::{Anchor, Item, Point, Scene};
use super::style::{FONT_FAMILY, Rgb, WHITE};
use super::text::Weight;
use plotters::backend::{DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontFamily, FontStyle, RGBColor, ShapeStyle, TextStyle};
use resvg::{tiny_skia, usvg};
use std::num::NonZeroU8;
use std::sync::Arc;

/// Steps to a pixel at 100 %: plotters' coordinates are whole numbers.
const FINE: f64 = 10.0;
/// Of a text's size, downwards: centred on small letters alone, labels with capitals and digits seem too high.
const SINK: f64 = 0.08;
/// plotters takes the height of a line and writes it divided by this as the size of the font.
const LINE_TO_FONT: f64 = 1.24;

/// Of a raster, four bytes each: far more than a chart needs, far less than would exhaust a machine.
const MOST_PIXELS: u64 = 100_000_000;

/// `scene` as SVG that names itself by `title` and `description` for those who cannot see it.
pub(crate) fn svg(scene: &Scene, title: &str, description: &str) -> Result<String, ChartError> {
    let size = (pixels(scene.width), pixels(scene.height));
    let fine = FINE as u32;
    let mut drawn = String::new();
    {
        let mut backend = SVGBackend::with_string(&mut drawn, (size.0 * fine, size.1 * fine));
        let corner = |width: u32, height: u32| ((width * fine) as i32, (height * fine) as i32);
        backend.draw_rect((0, 0), corner(size.0, size.1), &filled(WHITE), true).map_err(drawing)?;
        for item in &scene.items {
            draw(&mut backend, item)?;
        }
        backend.present().map_err(drawing)?;
    }
    // The head that plotters writes gives the fine steps as the size; a viewer shall take the pixels.
    let head_end = drawn.find('>').map_or(0, |at| at + 1);
    let body = drawn.get(head_end..).unwrap_or_default();
    let (width, height) = size;
    let (fine_width, fine_height) = (width * fine, height * fine);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {fine_width} {fine_height}\">\n<title>{}</title>\n<desc>{}</desc>{body}",
        escaped(title),
        escaped(description)
    ))
}

/// `svg` on a raster of `scale` times its size.
pub(crate) fn png(svg: &str, scale: NonZeroU8) -> Result<Vec<u8>, ChartError> {
    let mut fonts = usvg::fontdb::Database::new();
    for weight in [Weight::Regular, Weight::Bold] {
        fonts.load_font_source(usvg::fontdb::Source::Binary(Arc::new(weight.font())));
    }
    let options = usvg::Options { fontdb: Arc::new(fonts), ..usvg::Options::default() };
    let tree = usvg::Tree::from_str(svg, &options).map_err(|error| ChartError::Raster(error.to_string()))?;
    let scale = u32::from(scale.get());
    let size = tree.size();
    let (width, height) = (size.width().round() as u32 * scale, size.height().round() as u32 * scale);
    let too_large =
        || ChartError::Raster(format!("{width} by {height} pixels, expected at most {MOST_PIXELS}"));
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(too_large());
    }
    let mut raster = tiny_skia::Pixmap::new(width, height).ok_or_else(too_large)?;
    raster.fill(tiny_skia::Color::WHITE);
    let enlarged = tiny_skia::Transform::from_scale(scale as f32, scale as f32);
    resvg::render(&tree, enlarged, &mut raster.as_mut());
    raster.encode_png().map_err(|error| ChartError::Raster(error.to_string()))
}

fn draw(backend: &mut SVGBackend<'_>, item: &Item) -> Result<(), ChartError> {
    match item {
        Item::Line { points, width, colour } => {
            let style = ShapeStyle { stroke_width: fine(*width).max(1) as u32, ..filled(*colour) };
            backend.draw_path(points.iter().map(place), &style)
        }
        Item::Surface { corners, colour } => {
            backend.fill_polygon(corners.iter().map(place), &filled(*colour))
        }
        Item::Disc { centre, radius, colour } => {
            backend.draw_circle(place(centre), fine(*radius).max(1) as u32, &filled(*colour), true)
        }
        Item::Text { at, text, size, weight, anchor, colour } => {
            let style = match weight {
                Weight::Regular => FontStyle::Normal,
                Weight::Bold => FontStyle::Bold,
            };
            let end = match anchor {
                Anchor::Start => HPos::Left,
                Anchor::Middle => HPos::Center,
                Anchor::End => HPos::Right,
            };
            let font = (FontFamily::Name(FONT_FAMILY), size * FINE * LINE_TO_FONT, style);
            let ink = rgb(*colour);
            let style = TextStyle::from(font).color(&ink).pos(Pos::new(end, VPos::Center));
            backend.draw_text(text, &style, place(&Point { x: at.x, y: at.y + size * SINK }))
        }
    }
    .map_err(drawing)
}

fn drawing(error: impl std::fmt::Display) -> ChartError {
    ChartError::Draw(error.to_string())
}

fn place(point: &Point) -> (i32, i32) {
    (fine(point.x), fine(point.y))
}

/// Whole fine steps; what is out of range saturates.
fn fine(pixels: f64) -> i32 {
    (pixels * FINE).round() as i32
}

/// Whole pixels, at least one; what is out of range saturates far above what a raster can be.
fn pixels(length: f64) -> u32 {
    length.ceil().clamp(1.0, 100_000.0) as u32
}

fn rgb(Rgb(red, green, blue): Rgb) -> RGBColor {
    RGBColor(red, green, blue)
}

fn filled(colour: Rgb) -> ShapeStyle {
    rgb(colour).filled()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}
