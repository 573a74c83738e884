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
/// A cell without a value.
pub(crate) const EMPTY: Rgb = Rgb(244, 244, 244);
/// Of what went on over time: darker than the grid, lighter than ink.
pub(crate) const SPAN: Rgb = Rgb(70, 100, 130);
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

/// Of a map, from low to high: the colours of viridis (van der Walt and Smith, 2015, in the public domain), whose lightness
/// rises evenly, for eyes of every kind and on paper without colours.
const WARMTH: [Rgb; 10] = [
    Rgb(68, 1, 84),
    Rgb(72, 40, 120),
    Rgb(62, 73, 137),
    Rgb(49, 104, 142),
    Rgb(38, 130, 142),
    Rgb(31, 158, 137),
    Rgb(53, 183, 121),
    Rgb(110, 206, 88),
    Rgb(181, 222, 43),
    Rgb(253, 231, 37),
];

/// The colour of a share from 0 to 1.
pub(crate) fn warmth(share: f64) -> Rgb {
    let at = share.clamp(0.0, 1.0) * (WARMTH.len() - 1) as f64;
    let below = at.floor() as usize;
    let (Some(one), Some(next)) = (WARMTH.get(below), WARMTH.get(below + 1).or(WARMTH.last())) else {
        return WARMTH[0];
    };
    let mix =
        |one: u8, next: u8| (f64::from(one) + (f64::from(next) - f64::from(one)) * at.fract()).round() as u8;
    Rgb(mix(one.0, next.0), mix(one.1, next.1), mix(one.2, next.2))
}

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
    fn a_map_grows_lighter_from_low_to_high() {
        let steps: Vec<f64> = (0..=100).map(|step| lightness(warmth(f64::from(step) / 100.0))).collect();
        assert!(steps.windows(2).all(|pair| pair[0] < pair[1]), "{steps:?}");
        assert!(steps[100] - steps[0] > 60.0, "{steps:?}");
        assert_eq!([warmth(f64::NEG_INFINITY), warmth(7.0)], [WARMTH[0], WARMTH[9]]);
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
