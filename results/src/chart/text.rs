//! How wide a text is, and where it breaks.

use super::figure::ChartError;
use skrifa::instance::{LocationRef, Size};
use skrifa::metrics::GlyphMetrics;
use skrifa::{FontRef, MetadataProvider};

/// The weight of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    Regular,
    Bold,
}

impl Weight {
    /// The font that draws it.
    pub(crate) fn font(self) -> &'static [u8] {
        match self {
            Self::Regular => dejavu::sans::regular(),
            Self::Bold => dejavu::sans::bold(),
        }
    }
}

/// Measures text in the fonts that charts are drawn with.
pub(crate) struct Ruler {
    regular: FontRef<'static>,
    bold: FontRef<'static>,
}

impl Ruler {
    pub(crate) fn new() -> Result<Self, ChartError> {
        let open =
            |weight: Weight| FontRef::new(weight.font()).map_err(|error| ChartError::Font(error.to_string()));
        Ok(Self { regular: open(Weight::Regular)?, bold: open(Weight::Bold)? })
    }

    /// The width in pixels of `text` at `size` pixels to the em. Kerning is not looked at: it brings letters closer,
    /// so nothing turns out wider than it was measured.
    pub(crate) fn width(&self, text: &str, size: f64, weight: Weight) -> f64 {
        let font = match weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
        };
        let map = font.charmap();
        // In font units, so that a width is proportional to the size.
        let metrics = GlyphMetrics::new(font, Size::unscaled(), LocationRef::default());
        let em = f64::from(font.metrics(Size::unscaled(), LocationRef::default()).units_per_em);
        let units: f64 = text
            .chars()
            .map(|letter| {
                let glyph = map.map(letter).unwrap_or_default();
                f64::from(metrics.advance_width(glyph).unwrap_or_default())
            })
            .sum();
        units / em * size
    }

    /// The lines of `text`, broken at spaces so that none is wider than `most` pixels, as far as its words allow.
    pub(crate) fn wrap(&self, text: &str, size: f64, weight: Weight, most: f64) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            if let Some(line) = lines.last_mut() {
                let longer = format!("{line} {word}");
                if self.width(&longer, size, weight) <= most {
                    *line = longer;
                    continue;
                }
            }
            lines.push(word.to_owned());
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_the_font() {
        let ruler = Ruler::new().unwrap();
        // DejaVu Sans gives every digit 1303 of 2048 units.
        let digits = ruler.width("0123456789", 12.0, Weight::Regular);
        assert!((digits - 10.0 * 12.0 * 1303.0 / 2048.0).abs() < 0.01, "{digits}");
        assert!(ruler.width("mean", 12.0, Weight::Bold) > ruler.width("mean", 12.0, Weight::Regular));
        assert!(ruler.width("", 12.0, Weight::Regular).abs() < f64::EPSILON);
    }

    #[test]
    fn lines_break_at_spaces_and_lose_no_word() {
        let ruler = Ruler::new().unwrap();
        let text = "four schedulers on one emulated disk with a readerwhosenameislong";
        let lines = ruler.wrap(text, 12.0, Weight::Regular, 120.0);
        assert!(lines.len() > 2);
        assert_eq!(lines.join(" "), text);
        for line in lines.iter().filter(|line| line.contains(' ')) {
            assert!(ruler.width(line, 12.0, Weight::Regular) <= 120.0, "{line}");
        }
        assert!(ruler.wrap(" ", 12.0, Weight::Regular, 120.0).is_empty());
    }
}
