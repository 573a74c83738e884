//! The one look: colours, shapes and sizes.
//!
//! The colours of groups are those of Okabe and Ito ("Color Universal Design", 2008), which people with any of the
//! common kinds of colour-blindness tell apart, in an order that also keeps the lightness of the first four well
//! apart. Each colour has a shape of its own, which is what is left where no colour is.

/// Red, green and blue, each 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rgb(pub(crate) u8, pub(crate) u8, pub(crate) u8);

pub(crate) const WHITE: Rgb = Rgb(255, 255, 255);
/// Titles, labels and the marks of a model.
pub(crate) const INK: Rgb = Rgb(30, 30, 30);
/// Captions, tick labels and notes; at least 4.5:1 against white.
pub(crate) const SOFT_INK: Rgb = Rgb(95, 95, 95);
pub(crate) const FRAME: Rgb = Rgb(150, 150, 150);
pub(crate) const GRID: Rgb = Rgb(218, 218, 218);
pub(crate) const FAINT_GRID: Rgb = Rgb(240, 240, 240);
/// Behind a row that is marked.
pub(crate) const BAND: Rgb = Rgb(236, 236, 226);

/// The shape of a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Circle,
    Square,
    Triangle,
    Diamond,
    TriangleDown,
    Cross,
    Pentagon,
}

/// How one group looks wherever it appears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) colour: Rgb,
    pub(crate) shape: Shape,
}

/// How many groups (or series) one chart can tell apart.
pub const MOST_GROUPS: usize = LOOKS.len();

pub(crate) const LOOKS: [Look; 7] = [
    Look { colour: Rgb(0, 114, 178), shape: Shape::Circle },
    Look { colour: Rgb(230, 159, 0), shape: Shape::Square },
    Look { colour: Rgb(0, 158, 115), shape: Shape::Triangle },
    Look { colour: Rgb(40, 40, 40), shape: Shape::Diamond },
    Look { colour: Rgb(204, 121, 167), shape: Shape::TriangleDown },
    Look { colour: Rgb(86, 180, 233), shape: Shape::Pentagon },
    Look { colour: Rgb(213, 94, 0), shape: Shape::Cross },
];

/// What a legend shows a marker of, where the group does not matter.
pub(crate) const ANY_GROUP: Look = Look { colour: SOFT_INK, shape: Shape::Circle };

/// Families to look for in this order: the one the PNG is drawn with, then one of nearly the same widths that other
/// platforms have, then whatever is there.
pub(crate) const FONT_FAMILY: &str = "DejaVu Sans, Verdana, Geneva, sans-serif";

// Sizes are pixels of a figure at 100 %.
pub(crate) const TITLE: f64 = 16.0;
pub(crate) const LABEL: f64 = 12.0;
pub(crate) const SMALL: f64 = 11.0;
/// From the edges of a figure to anything in it.
pub(crate) const MARGIN: f64 = 16.0;
pub(crate) const MARKER_RADIUS: f64 = 4.5;

#[cfg(test)]
mod tests {
    use super::*;

    /// CIE L*, 0 (black) to 100 (white): what is left of a colour on paper without colours.
    fn lightness(Rgb(red, green, blue): Rgb) -> f64 {
        let linear = |channel: u8| {
            let share = f64::from(channel) / 255.0;
            if share <= 0.040_45 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        let luminance = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
        if luminance <= 216.0 / 24_389.0 {
            luminance * 24_389.0 / 27.0
        } else {
            116.0 * luminance.cbrt() - 16.0
        }
    }

    #[test]
    fn the_first_four_groups_differ_in_grey() {
        for (index, one) in LOOKS[..4].iter().enumerate() {
            for other in &LOOKS[..index] {
                let apart = (lightness(one.colour) - lightness(other.colour)).abs();
                assert!(apart >= 10.0, "{one:?} and {other:?} are {apart:.1} apart");
            }
        }
    }

    #[test]
    fn no_two_groups_share_a_shape() {
        for (index, one) in LOOKS.iter().enumerate() {
            assert!(
                LOOKS[..index].iter().all(|other| other.shape != one.shape && other.colour != one.colour)
            );
        }
    }

    #[test]
    fn text_stands_out_from_the_paper_and_from_a_band() {
        for ink in [INK, SOFT_INK] {
            for ground in [WHITE, BAND] {
                assert!(lightness(ground) - lightness(ink) >= 50.0, "{ink:?} on {ground:?}");
            }
        }
    }
}
