//! Properties that hold for every chart, rather than the pixels of one.

mod search;

use super::figure::Figure;
use super::scene::{Anchor, Item, Point, Scene};
use super::style::BAND;
use super::text::Ruler;
use super::{Axis, ChartError, CompareChart, CompareRow, Emphasis, MOST_GROUPS, Measured, RangeChart};
use super::{RangeRow, Scale, Series, Span, TimeChart, Trace};
use proptest::prelude::*;
use resvg::tiny_skia::Pixmap;
use std::num::NonZeroU8;

fn row(label: &str, group: &str, low: Option<f64>, high: Option<f64>, bar: Option<f64>) -> RangeRow {
    RangeRow { label: label.into(), group: group.into(), emphasis: Emphasis::Plain, low, high, bar }
}

fn range(rows: Vec<RangeRow>) -> RangeChart {
    RangeChart {
        title: "Sensitivity".into(),
        subtitle: "one disk".into(),
        low_name: "mean".into(),
        high_name: "p99".into(),
        marked_name: "default".into(),
        left: Axis::new("read latency", "ms", Scale::Log10),
        right: Axis::new("write rate", "MB/s", Scale::Linear),
        rows,
        notes: vec!["A note of the caller.".into()],
    }
}

fn sixteen() -> Vec<RangeRow> {
    let mut rows: Vec<_> = (0..16)
        .map(|index| {
            let group = ["none", "mq-deadline", "kyber", "bfq"][index / 4];
            let value = 3.0 + index as f64;
            row(&format!("{group} a<b={index}"), group, Some(value), Some(value * 7.0), Some(9.0 * value))
        })
        .collect();
    rows[4].emphasis = Emphasis::Marked;
    rows
}

fn compare(rows: Vec<CompareRow>) -> CompareChart {
    CompareChart {
        title: "Model and disk".into(),
        subtitle: String::new(),
        predicted_name: "model".into(),
        axis: Axis::new("rate", "IOPS", Scale::Log10),
        rows,
        notes: vec![],
    }
}

/// Left, top, right, bottom of every text.
fn boxes(scene: &Scene) -> Vec<(String, [f64; 4])> {
    let ruler = Ruler::new().unwrap();
    scene
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Text { at, text, size, weight, anchor, .. } => {
                let width = ruler.width(text, *size, *weight);
                let left = match anchor {
                    Anchor::Start => at.x,
                    Anchor::Middle => at.x - width / 2.0,
                    Anchor::End => at.x - width,
                };
                Some((text.clone(), [left, at.y - size / 2.0, left + width, at.y + size / 2.0]))
            }
            _ => None,
        })
        .collect()
}

/// What data, or the legend's samples of them, cover.
fn marks(scene: &Scene) -> Vec<[f64; 4]> {
    let bounds = |points: &[Point], around: f64| {
        points.iter().fold([f64::MAX, f64::MAX, f64::MIN, f64::MIN], |held, point| {
            [
                held[0].min(point.x - around),
                held[1].min(point.y - around),
                held[2].max(point.x + around),
                held[3].max(point.y + around),
            ]
        })
    };
    scene
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Surface { corners, colour } if *colour != BAND => Some(bounds(corners, 0.0)),
            Item::Disc { centre, radius, .. } => Some(bounds(std::slice::from_ref(centre), *radius)),
            _ => None,
        })
        .collect()
}

/// Everything lies in the figure, and no text on another or on a mark.
fn well_laid(figure: &Figure) -> Result<(), String> {
    let scene = figure.scene();
    let inside = |x: f64, y: f64| (0.0..=scene.width).contains(&x) && (0.0..=scene.height).contains(&y);
    for item in &scene.items {
        let points: &[Point] = match item {
            Item::Line { points, .. } => points,
            Item::Surface { corners, .. } => corners,
            Item::Disc { centre, .. } => std::slice::from_ref(centre),
            Item::Text { .. } => &[],
        };
        if let Some(point) = points.iter().find(|point| !inside(point.x, point.y)) {
            return Err(format!("{point:?} is outside of {} by {}", scene.width, scene.height));
        }
    }
    let (boxes, marks) = (boxes(scene), marks(scene));
    for (index, (text, one)) in boxes.iter().enumerate() {
        if !inside(one[0], one[1]) || !inside(one[2], one[3]) {
            return Err(format!("{text:?} at {one:?} is outside of {} by {}", scene.width, scene.height));
        }
        let covers = |other: &[f64; 4]| {
            one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3]
        };
        if one[0] < one[2]
            && let Some(mark) = marks.iter().find(|mark| covers(mark))
        {
            return Err(format!("{text:?} at {one:?} lies on a mark at {mark:?}"));
        }
        if let Some((other, _)) = boxes[..index].iter().find(|(_, other)| covers(other)) {
            return Err(format!("{text:?} lies on {other:?}"));
        }
    }
    Ok(())
}

fn texts(svg: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(svg).unwrap();
    document
        .descendants()
        .filter(|node| node.has_tag_name("text"))
        .map(|node| node.text().unwrap_or_default().trim().to_owned())
        .collect()
}

fn pixels(figure: &Figure, scale: u8) -> Pixmap {
    Pixmap::decode_png(&figure.png(NonZeroU8::new(scale).unwrap()).unwrap()).unwrap()
}

fn discs_and_surfaces(figure: &Figure) -> usize {
    let solid = |item: &&Item| matches!(item, Item::Disc { .. } | Item::Surface { .. });
    figure.scene().items.iter().filter(solid).count()
}

#[test]
fn every_label_appears_once_in_the_order_given() {
    let chart = range(sixteen());
    let svg = chart.figure().unwrap().svg().unwrap();
    let texts = texts(&svg);
    let labels: Vec<&String> = texts.iter().filter(|text| text.contains("a<b=")).collect();
    assert_eq!(labels, chart.rows.iter().map(|row| &row.label).collect::<Vec<_>>());
    for once in [
        "Sensitivity",
        "one disk",
        "mean",
        "p99",
        "default",
        "kyber",
        "read latency (ms), log scale",
        "write rate (MB/s)",
        "A note of the caller.",
    ] {
        assert_eq!(texts.iter().filter(|text| *text == once).count(), 1, "{once} in {texts:?}");
    }
}

#[test]
fn the_svg_keeps_inside_its_view_and_has_a_name() {
    let figure = range(sixteen()).figure().unwrap();
    let svg = figure.svg().unwrap();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let root = document.root_element();
    let view: Vec<f64> =
        root.attribute("viewBox").unwrap().split(' ').map(|number| number.parse().unwrap()).collect();
    let (width, height) = figure.size();
    assert_eq!(root.attribute("width"), Some(width.to_string().as_str()));
    assert_eq!(root.attribute("height"), Some(height.to_string().as_str()));
    let mut seen = 0;
    for node in document.descendants() {
        for (name, value) in node.attributes().map(|one| (one.name(), one.value())) {
            let limit = match name {
                "x" | "x1" | "x2" | "cx" => view[2],
                "y" | "y1" | "y2" | "cy" => view[3],
                "points" => {
                    for (at, number) in value.split([' ', ',']).filter(|one| !one.is_empty()).enumerate() {
                        let number: f64 = number.parse().unwrap();
                        assert!(number >= 0.0 && number <= view[2 + at % 2], "{name}={value}");
                    }
                    continue;
                }
                _ => continue,
            };
            seen += 1;
            let number: f64 = value.parse().unwrap();
            assert!(number >= 0.0 && number <= limit, "{name}={value}");
        }
    }
    assert!(seen > 60, "{seen}");
    let title = document.descendants().find(|node| node.has_tag_name("title")).unwrap();
    assert_eq!(title.text(), Some("Sensitivity"));
    well_laid(&figure).unwrap();
}

#[test]
fn the_png_has_the_size_it_says_and_ink_on_it() {
    let figure = range(sixteen()).figure().unwrap();
    let (width, height) = figure.size();
    for scale in [1, 2] {
        let raster = pixels(&figure, scale);
        let scale = u32::from(scale);
        assert_eq!((raster.width(), raster.height()), (width * scale, height * scale));
        let has = |red, green, blue| {
            raster
                .pixels()
                .iter()
                .filter(|one| (one.red(), one.green(), one.blue()) == (red, green, blue))
                .count()
        };
        let blue = has(0, 114, 178);
        assert!(blue > 1000, "the bars of the first group are {blue} pixels");
        // The corners are paper.
        let corner = raster.pixel(0, 0).unwrap();
        assert_eq!((corner.red(), corner.green(), corner.blue(), corner.alpha()), (255, 255, 255, 255));
    }
    // Nothing but text is in the ink's colour here; without a font there would be none.
    let raster = pixels(&figure, 2);
    let ink =
        raster.pixels().iter().filter(|one| (one.red(), one.green(), one.blue()) == (30, 30, 30)).count();
    assert!(ink > 1000, "{ink} pixels of text");
}

#[test]
fn without_rows_a_chart_says_so() {
    let empty = range(vec![]).figure().unwrap();
    let texts_of_empty = texts(&empty.svg().unwrap());
    assert_eq!(texts_of_empty.iter().filter(|text| *text == "no data").count(), 2);
    well_laid(&empty).unwrap();
    let empty = compare(vec![]).figure().unwrap();
    assert!(texts(&empty.svg().unwrap()).contains(&"no data".to_owned()));
    well_laid(&empty).unwrap();
}

#[test]
fn one_point_is_a_chart() {
    let one = range(vec![row("one", "one", Some(4.0), Some(4.0), Some(0.0))]).figure().unwrap();
    let svg = one.svg().unwrap();
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    assert!(!texts(&svg).iter().any(|text| text == "no data"));
    well_laid(&one).unwrap();
    let mut row = CompareRow { label: "one".into(), predicted: Some(5.0), measured: vec![] };
    well_laid(&compare(vec![row.clone()]).figure().unwrap()).unwrap();
    row.measured = vec![Measured { series: "none".into(), value: Some(10.0) }];
    let figure = compare(vec![row]).figure().unwrap();
    assert!(texts(&figure.svg().unwrap()).contains(&"×2.00".to_owned()));
    well_laid(&figure).unwrap();
}

#[test]
fn what_cannot_be_drawn_is_left_out_and_counted() {
    let good = || row("good", "g", Some(2.0), Some(3.0), Some(4.0));
    let bad = row("bad", "g", Some(f64::NAN), Some(0.0), Some(f64::INFINITY));
    let alone = range(vec![good(), row("bad", "g", None, None, None)]).figure().unwrap();
    let figure = range(vec![good(), bad]).figure().unwrap();
    assert_eq!(discs_and_surfaces(&figure), discs_and_surfaces(&alone), "nothing is drawn for a bad value");
    let texts = texts(&figure.svg().unwrap());
    let note = "Left out of the chart: 2 not finite; 1 not above zero, which a log scale needs.";
    assert!(texts.iter().any(|text| text == note), "{texts:?}");
    assert!(texts.iter().any(|text| text == "no data"));
    well_laid(&figure).unwrap();
}

#[test]
fn a_logarithmic_right_axis_has_markers_for_bars() {
    let mut chart = range(vec![row("a", "a", Some(1.0), Some(2.0), Some(0.0))]);
    chart.right.scale = Scale::Log10;
    let texts = texts(&chart.figure().unwrap().svg().unwrap());
    assert!(texts.iter().any(|text| text.contains("1 not above zero")), "{texts:?}");
}

#[test]
fn more_groups_than_looks_are_refused() {
    let rows = |count: usize| -> Vec<RangeRow> {
        (0..count).map(|index| row("row", &format!("group {index}"), Some(1.0), None, None)).collect()
    };
    well_laid(&range(rows(MOST_GROUPS)).figure().unwrap()).unwrap();
    let error = range(rows(MOST_GROUPS + 1)).figure().unwrap_err();
    assert!(matches!(error, ChartError::TooManyGroups { found } if found == MOST_GROUPS + 1), "{error}");
}

#[test]
fn a_word_wider_than_the_figure_makes_it_wider() {
    let word = "wide".repeat(60);
    let rows = || vec![row("a", "a", Some(1.0), Some(2.0), Some(3.0))];
    let mut by_title = range(rows());
    by_title.title = word.clone();
    let mut by_note = range(rows());
    by_note.notes = vec![word.clone()];
    let mut by_group = range(rows());
    by_group.rows[0].group = word.clone();
    let mut by_label = range(rows());
    by_label.rows[0].label = word.clone();
    for chart in [by_title, by_note, by_group, by_label] {
        let figure = chart.figure().unwrap();
        assert!(figure.size().0 > 1500, "{:?}", figure.size());
        well_laid(&figure).unwrap();
    }
    let measured = vec![Measured { series: "none".into(), value: Some(2.0) }];
    let mut by_model = compare(vec![CompareRow { label: "a".into(), predicted: Some(1.0), measured }]);
    by_model.predicted_name = word.clone();
    let mut by_caption = over_time(vec![], vec![]);
    by_caption.value.label = word;
    for figure in [by_model.figure().unwrap(), by_caption.figure().unwrap()] {
        assert!(figure.size().0 > 1500, "{:?}", figure.size());
        well_laid(&figure).unwrap();
    }
}

#[test]
fn long_numbers_keep_clear_of_the_bars() {
    let rows = |value| vec![row("a", "a", Some(1.0), Some(2.0), Some(value))];
    for value in [-2.157e242, 2.157e242, -4.01e-299, 1e-310] {
        well_laid(&range(rows(value)).figure().unwrap()).unwrap();
    }
}

#[test]
fn a_raster_that_no_machine_should_make_is_refused() {
    let mut chart = range(vec![row("a", "a", Some(1.0), Some(2.0), Some(3.0))]);
    chart.title = "w".repeat(20_000);
    let error = chart.figure().unwrap().png(NonZeroU8::MAX).unwrap_err();
    assert!(matches!(error, ChartError::Raster(_)) && error.to_string().contains("expected"), "{error}");
}

#[test]
fn both_files_are_written_or_the_error_names_the_one() {
    let dir = tempfile::tempdir().unwrap();
    let figure = range(vec![]).figure().unwrap();
    let [svg, png] = figure.write(dir.path(), "chart").unwrap();
    assert_eq!(std::fs::read_to_string(svg).unwrap(), figure.svg().unwrap());
    assert!(std::fs::read(png).unwrap().starts_with(b"\x89PNG"));
    let error = figure.write(&dir.path().join("missing"), "chart").unwrap_err();
    assert!(error.to_string().contains("chart.svg"), "{error}");
}

fn over_time(series: Vec<Series>, spans: Vec<Span>) -> TimeChart {
    TimeChart {
        title: "Over time".into(),
        subtitle: String::new(),
        time_label: "time".into(),
        time_unit: "s".into(),
        value: Axis::new("latency", "ms", Scale::Log10),
        series,
        spans,
        notes: vec![],
    }
}

fn series(name: &str, trace: Trace, values: &[f64]) -> Series {
    let points = values.iter().enumerate().map(|(at, value)| (at as f64, *value)).collect();
    Series { name: name.into(), trace, points }
}

fn span(lane: &str, from: f64, to: f64) -> Span {
    Span { lane: lane.into(), from, to }
}

/// The corners of each line as thick as those of series.
fn thick_lines(figure: &Figure) -> Vec<usize> {
    let corners = |item: &Item| match item {
        Item::Line { points, width, .. } if *width > 1.5 => Some(points.len()),
        _ => None,
    };
    figure.scene().items.iter().filter_map(corners).collect()
}

#[test]
fn a_line_breaks_where_a_point_cannot_be_drawn() {
    let values = [1.0, 2.0, 3.0, f64::NAN, 0.0, 4.0, f64::INFINITY, 6.0, 7.0];
    let broken = |trace| over_time(vec![series("one", trace, &values)], vec![]).figure().unwrap();
    // Three points, one, and two; of steps there is a corner between each two.
    assert_eq!(thick_lines(&broken(Trace::Line)), [3, 2]);
    assert_eq!(thick_lines(&broken(Trace::Steps)), [5, 3]);
    let texts = texts(&broken(Trace::Line).svg().unwrap());
    let note = "Left out of the chart: 2 not finite; 1 not above zero, which a log scale needs.";
    assert!(texts.iter().any(|text| text == note), "{texts:?}");
}

#[test]
fn every_kind_of_work_has_a_lane() {
    let spans: Vec<Span> =
        (0..9).map(|at| span(&format!("class {}", at % 8), f64::from(at), f64::from(at + 1))).collect();
    let figure = over_time(vec![series("one", Trace::Line, &[1.0, 2.0])], spans).figure().unwrap();
    let texts = texts(&figure.svg().unwrap());
    for class in 0..8 {
        assert_eq!(texts.iter().filter(|text| **text == format!("class {class}")).count(), 1, "{texts:?}");
    }
    well_laid(&figure).unwrap();
}

#[test]
fn a_span_that_ends_before_it_begins_is_left_out() {
    let figure = over_time(vec![], vec![span("a", 3.0, 1.0), span("a", 0.0, 5.0)]).figure().unwrap();
    let texts = texts(&figure.svg().unwrap());
    assert!(texts.iter().any(|text| text.contains("1 that end before they begin")), "{texts:?}");
    well_laid(&figure).unwrap();
}

#[test]
fn time_without_data_says_so_and_one_point_is_drawn() {
    let empty = over_time(vec![], vec![]).figure().unwrap();
    assert!(texts(&empty.svg().unwrap()).contains(&"no data".to_owned()));
    well_laid(&empty).unwrap();
    let one = over_time(vec![series("one", Trace::Line, &[5.0])], vec![]).figure().unwrap();
    assert_eq!(discs_and_surfaces(&one), 2, "one marker in the legend and one for the point");
    well_laid(&one).unwrap();
}

fn number() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        8 => (1e-3..1e6_f64).prop_map(Some),
        2 => any::<f64>().prop_map(Some),
        1 => Just(None),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_range_chart_is_well_laid(
        rows in prop::collection::vec(("[ -~µ]{0,60}", 0..MOST_GROUPS, number(), number(), number()), 0..20),
        title in "[ -~]{0,200}",
        log in any::<bool>(),
    ) {
        let rows = rows.into_iter()
            .map(|(label, group, low, high, bar)| row(&label, &format!("group {group}"), low, high, bar));
        let mut chart = range(rows.collect());
        chart.title = title;
        if log {
            chart.right.scale = Scale::Log10;
            chart.left.scale = Scale::Linear;
        }
        let figure = chart.figure().unwrap();
        prop_assert_eq!(well_laid(&figure), Ok(()));
        let svg = figure.svg().unwrap();
        prop_assert!(roxmltree::Document::parse(&svg).is_ok(), "{}", svg);
    }

    #[test]
    fn any_comparison_is_well_laid(
        rows in prop::collection::vec(
            ("[ -~]{0,60}", number(), prop::collection::vec(number(), 0..MOST_GROUPS)),
            0..10,
        ),
    ) {
        let rows = rows.into_iter().map(|(label, predicted, values)| CompareRow {
            label,
            predicted,
            measured: values.into_iter().enumerate()
                .map(|(index, value)| Measured { series: format!("series {index}"), value })
                .collect(),
        });
        let figure = compare(rows.collect()).figure().unwrap();
        prop_assert_eq!(well_laid(&figure), Ok(()));
        prop_assert!(roxmltree::Document::parse(&figure.svg().unwrap()).is_ok());
    }

    #[test]
    fn any_timeline_is_well_laid(
        series in prop::collection::vec(prop::collection::vec((any::<f64>(), number()), 0..30), 0..MOST_GROUPS),
        spans in prop::collection::vec((0..12_u8, any::<f64>(), -1e3..1e3_f64), 0..20),
    ) {
        let series = series.into_iter().enumerate().map(|(index, points)| Series {
            name: format!("series {index}"),
            trace: if index % 2 == 0 { Trace::Line } else { Trace::Steps },
            points: points.into_iter().map(|(time, value)| (time, value.unwrap_or(f64::NAN))).collect(),
        });
        let spans = spans.into_iter().map(|(lane, from, to)| span(&format!("lane {lane}"), from, to));
        let figure = over_time(series.collect(), spans.collect()).figure().unwrap();
        prop_assert_eq!(well_laid(&figure), Ok(()));
        prop_assert!(roxmltree::Document::parse(&figure.svg().unwrap()).is_ok());
    }
}
