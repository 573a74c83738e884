//! Of the charts of a search.

use super::*;
use crate::chart::{
    Cell, ConvergenceBar, ConvergenceChart, ConvergenceGroup, FitnessChart, GenePanel, GeneValue, GenesChart,
    HeatMap, HeatMark, Reduction,
};

fn bar(arm: &str, time: f64, censored: u32) -> ConvergenceBar {
    ConvergenceBar {
        arm: arm.into(),
        time: Some(time),
        interval: Some((time * 0.8, time * 1.2)),
        runs: 3,
        censored,
    }
}

fn group(workload: &str, bars: Vec<ConvergenceBar>, reduction: Reduction) -> ConvergenceGroup {
    ConvergenceGroup { workload: workload.into(), bars, reduction, published: Some(0.89) }
}

fn convergence(groups: Vec<ConvergenceGroup>) -> ConvergenceChart {
    ConvergenceChart {
        title: "Convergence".into(),
        subtitle: String::new(),
        axis: Axis::new("convergence time", "s", Scale::Linear),
        groups,
        published_name: "paper".into(),
        notes: vec![],
    }
}

fn genes(panels: Vec<GenePanel>, workload: Vec<Span>) -> GenesChart {
    GenesChart {
        title: "Genes".into(),
        subtitle: String::new(),
        time_label: "time".into(),
        time_unit: "s".into(),
        workload,
        reintroductions: vec![4.0],
        panels,
        leader_name: "leader".into(),
        notes: vec![],
    }
}

fn gene(scale: Scale, values: &[GeneValue]) -> GenePanel {
    let children: Vec<_> = values.iter().enumerate().map(|(at, value)| (at as f64, value.clone())).collect();
    GenePanel {
        axis: Axis::new("read_ahead_kb", "KiB", scale),
        leader: children.iter().take(1).cloned().collect(),
        children,
        default: Some(GeneValue::Number(128.0)),
    }
}

fn fitness(children: Vec<(f64, f64)>, lines: Vec<Series>, workload: Vec<Span>) -> FitnessChart {
    FitnessChart {
        title: "Fitness".into(),
        subtitle: String::new(),
        time_label: "time".into(),
        time_unit: "s".into(),
        fitness: Axis::new("throughput", "MB/s", Scale::Linear),
        workload,
        reintroductions: vec![],
        children_name: "a child's slice".to_owned(),
        children,
        lines,
        notes: vec![],
    }
}

fn heat(cells: Vec<Cell>, marks: Vec<HeatMark>) -> HeatMap {
    HeatMap {
        title: "Map".into(),
        subtitle: String::new(),
        across: Axis::new("read_ahead_kb", "KiB", Scale::Log10),
        up: Axis::new("nr_requests", "requests", Scale::Log10),
        value: Axis::new("throughput", "MB/s", Scale::Linear),
        cells,
        marks,
        notes: vec![],
    }
}

fn cell(across: f64, up: f64, value: f64) -> Cell {
    Cell { across, up, value }
}

fn told(figure: &Figure) -> Vec<String> {
    well_laid(figure).unwrap();
    texts(&figure.svg().unwrap())
}

fn says(texts: &[String], text: &str) -> bool {
    texts.iter().any(|one| one == text)
}

#[test]
fn reductions_stand_beside_the_published_ones_and_nulls_have_none() {
    let share = Reduction::Share { value: 0.97, interval: Some((0.92, 0.98)) };
    let groups = vec![
        group("sequential read", vec![bar("none", 100.0, 0), bar("warm", 3.0, 0)], share),
        group("random write", vec![bar("none", 9.0, 0), bar("warm", 8.0, 0)], Reduction::Null),
        group("random read", vec![], Reduction::Share { value: -0.2, interval: None }),
    ];
    let texts = told(&convergence(groups).figure().unwrap());
    for text in [
        "ours −97 % [−98, −92]",
        "ours +20 %",
        "paper −89 %",
        "null: no reduction",
        "a null: nothing to converge to",
    ] {
        assert!(says(&texts, text), "{text:?} in {texts:?}");
    }
    assert_eq!(texts.iter().filter(|text| text.starts_with("ours")).count(), 2, "{texts:?}");
}

#[test]
fn a_visit_that_ended_first_is_a_lower_bound() {
    let bars = vec![bar("none", 180.0, 3), bar("reset", 120.0, 1), bar("warm", 2.0, 0)];
    let texts = told(&convergence(vec![group("a", bars, Reduction::Unknown)]).figure().unwrap());
    for text in ["> 180", "≥ 120", "2.00", "not computed"] {
        assert!(says(&texts, text), "{text:?} in {texts:?}");
    }
    assert!(texts.iter().any(|text| text.starts_with("a lower bound")), "{texts:?}");
}

#[test]
fn the_height_of_a_bar_is_its_time() {
    let bars = vec![bar("none", 100.0, 0), bar("warm", 25.0, 0)];
    let figure = convergence(vec![group("a", bars, Reduction::Unknown)]).figure().unwrap();
    let heights: Vec<f64> = marks(figure.scene())
        .into_iter()
        .filter(|mark| (mark[2] - mark[0] - 25.0).abs() < 1e-9)
        .map(|mark| mark[3] - mark[1])
        .collect();
    assert_eq!(heights.len(), 2, "{heights:?}");
    assert!((heights[0] / heights[1] - 4.0).abs() < 1e-6, "{heights:?}");
}

#[test]
fn a_zero_on_a_log_axis_and_every_choice_have_rows_of_their_own() {
    let number = |value| GeneValue::Number(value);
    let word = |word: &str| GeneValue::Word(word.into());
    let panels = vec![
        gene(Scale::Log10, &[number(64.0), number(0.0), number(f64::NAN), number(512.0)]),
        gene(Scale::Linear, &[word("bfq"), word("kyber"), word("bfq")]),
    ];
    let figure = genes(panels, vec![span("read-random-small", 0.0, 5.0)]).figure().unwrap();
    let texts = told(&figure);
    for text in ["0", "bfq", "kyber", "read-random-small", "reintroduced"] {
        assert!(says(&texts, text), "{text:?} in {texts:?}");
    }
    assert!(says(&texts, "Left out of the chart: 1 not finite."), "{texts:?}");
    // Six children, the one of the legend.
    let discs = figure.scene().items.iter().filter(|item| matches!(item, Item::Disc { .. })).count();
    assert_eq!(discs, 7);
}

#[test]
fn rows_of_numbers_rise_upwards() {
    let word = |word: &str| GeneValue::Word(word.into());
    let panel = gene(Scale::Linear, &[word("1"), word("0"), word("auto"), word("10"), word("2")]);
    let figure = genes(vec![GenePanel { default: None, ..panel }], vec![]).figure().unwrap();
    let rows = ["auto", "10", "2", "1", "0"].map(|row| {
        let boxes = boxes(figure.scene());
        let (_, place) = boxes.iter().find(|(text, place)| text == row && place[3] < 200.0).unwrap();
        place[1]
    });
    assert!(rows.is_sorted(), "{rows:?}");
}

#[test]
fn a_line_of_fitness_ends_where_the_workload_changes() {
    let line = series("incumbent", Trace::Steps, &[1.0, 2.0, 3.0, 4.0]);
    let spans = || vec![span("a", 0.0, 1.5), span("b", 1.5, 4.0)];
    let whole = fitness(vec![], vec![line.clone()], vec![]).figure().unwrap();
    let parted = fitness(vec![], vec![line], spans()).figure().unwrap();
    // Of steps there is a corner between each two points; the first part goes on to the change.
    assert_eq!(thick_lines(&whole), [7]);
    assert_eq!(thick_lines(&parted), [5, 3]);
    well_laid(&parted).unwrap();
}

#[test]
fn cells_are_means_and_what_was_not_measured_is_seen() {
    let cells = vec![
        cell(0.0, 64.0, 50.0),
        cell(128.0, 64.0, 100.0),
        cell(128.0, 64.0, 200.0),
        cell(512.0, 256.0, f64::INFINITY),
    ];
    let mark = HeatMark { name: "default".into(), across: 128.0, up: 256.0 };
    let texts = told(&heat(cells, vec![mark]).figure().unwrap());
    for text in [
        "default",
        "not measured",
        "128",
        "512",
        "256",
        "throughput (MB/s)",
        "A cell shows the mean of what was measured in it: up to 2 values.",
        "Left out of the chart: 1 not finite.",
    ] {
        assert!(says(&texts, text), "{text:?} in {texts:?}");
    }
}

#[test]
fn without_data_each_says_so_and_one_point_is_drawn() {
    let nothing = [
        convergence(vec![]).figure(),
        convergence(vec![group("a", vec![], Reduction::Null)]).figure(),
        genes(vec![gene(Scale::Log10, &[])], vec![]).figure(),
        genes(vec![gene(Scale::Log10, &[GeneValue::Number(f64::NAN)])], vec![span("a", 0.0, 1.0)]).figure(),
        fitness(vec![], vec![], vec![]).figure(),
        fitness(vec![(1.0, f64::NAN)], vec![], vec![span("a", 0.0, 1.0)]).figure(),
        heat(vec![], vec![]).figure(),
        heat(vec![cell(1.0, 1.0, f64::NAN)], vec![]).figure(),
    ];
    for figure in nothing {
        let figure = figure.unwrap();
        let texts = told(&figure);
        assert!(says(&texts, "no data"), "{texts:?}");
        assert!(!figure.png(NonZeroU8::MIN).unwrap().is_empty());
    }
    let one = [
        convergence(vec![group("a", vec![bar("none", 5.0, 0)], Reduction::Unknown)]).figure(),
        genes(vec![gene(Scale::Log10, &[GeneValue::Number(64.0)])], vec![]).figure(),
        fitness(vec![(1.0, 2.0)], vec![], vec![]).figure(),
        heat(vec![cell(64.0, 64.0, 5.0)], vec![]).figure(),
    ];
    for figure in one {
        let texts = told(&figure.unwrap());
        assert!(!says(&texts, "no data"), "{texts:?}");
    }
}

#[test]
fn the_genes_of_no_gene_are_a_picture() {
    told(&genes(vec![], vec![]).figure().unwrap());
    told(&genes(vec![], vec![span("a", 0.0, 1.0)]).figure().unwrap());
}

fn any_value() -> impl Strategy<Value = f64> {
    number().prop_map(|value| value.unwrap_or(f64::NAN))
}

fn any_gene() -> impl Strategy<Value = (f64, GeneValue)> {
    let value = prop_oneof![
        6 => any_value().prop_map(GeneValue::Number),
        1 => Just(GeneValue::Number(0.0)),
        1 => "[a-z<&]{0,20}".prop_map(GeneValue::Word),
    ];
    (any_value(), value)
}

fn any_spans() -> impl Strategy<Value = Vec<Span>> {
    prop::collection::vec((0..9_u8, any_value(), any_value()), 0..12).prop_map(|spans| {
        spans.into_iter().map(|(lane, from, to)| span(&format!("lane {lane}"), from, to)).collect()
    })
}

fn scale() -> impl Strategy<Value = Scale> {
    prop_oneof![Just(Scale::Linear), Just(Scale::Log10)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_convergence_is_well_laid(
        found in prop::collection::vec(
            ("[ -~]{0,40}", prop::collection::vec((number(), any_value(), any_value(), 0..4_u32), 0..5), any_value(), 0..3_u8),
            0..6,
        ),
        scale in scale(),
    ) {
        let groups = found.into_iter().map(|(workload, bars, share, kind)| ConvergenceGroup {
            workload,
            bars: bars.into_iter().enumerate().map(|(arm, (time, low, high, censored))| ConvergenceBar {
                arm: format!("arm {arm}"), time, interval: (arm > 0).then_some((low, high)), runs: 3, censored,
            }).collect(),
            reduction: match kind {
                0 => Reduction::Null,
                1 => Reduction::Unknown,
                _ => Reduction::Share { value: share, interval: Some((share, -share)) },
            },
            published: Some(share),
        });
        let mut chart = convergence(groups.collect());
        chart.axis.scale = scale;
        let figure = chart.figure().unwrap();
        prop_assert_eq!(well_laid(&figure), Ok(()));
        prop_assert!(roxmltree::Document::parse(&figure.svg().unwrap()).is_ok());
    }

    #[test]
    fn any_genes_are_well_laid(
        panels in prop::collection::vec(
            (scale(), prop::collection::vec(any_gene(), 0..20), prop::collection::vec(any_gene(), 0..4)),
            0..8,
        ),
        spans in any_spans(),
        marks in prop::collection::vec(any_value(), 0..3),
    ) {
        let panels = panels.into_iter().map(|(scale, children, leader)| GenePanel {
            axis: Axis::new("knob", "ms", scale),
            default: children.first().map(|(_, value)| value.clone()),
            children,
            leader,
        });
        let mut chart = genes(panels.collect(), spans);
        chart.reintroductions = marks;
        let figure = chart.figure().unwrap();
        prop_assert_eq!(well_laid(&figure), Ok(()));
        prop_assert!(roxmltree::Document::parse(&figure.svg().unwrap()).is_ok());
    }

    #[test]
    fn any_fitness_is_well_laid(
        children in prop::collection::vec((any_value(), any_value()), 0..20),
        lines in prop::collection::vec(prop::collection::vec((any_value(), any_value()), 0..9), 0..MOST_GROUPS),
        spans in any_spans(),
        scale in scale(),
    ) {
        let lines = lines.into_iter().enumerate().map(|(index, points)| Series {
            name: format!("line {index}"),
            trace: if index % 2 == 0 { Trace::Steps } else { Trace::Line },
            points,
        });
        let mut chart = fitness(children, lines.collect(), spans);
        chart.fitness.scale = scale;
        let figure = chart.figure().unwrap();
        prop_assert_eq!(well_laid(&figure), Ok(()));
        prop_assert!(roxmltree::Document::parse(&figure.svg().unwrap()).is_ok());
    }

    #[test]
    fn any_map_is_well_laid(
        cells in prop::collection::vec((any_value(), any_value(), any_value()), 0..60),
        marks in prop::collection::vec((any_value(), any_value()), 0..3),
        across in scale(),
        value in scale(),
    ) {
        let cells = cells.into_iter().map(|(across, up, value)| cell(across, up, value)).collect();
        let marks = marks.into_iter().enumerate()
            .map(|(index, (across, up))| HeatMark { name: format!("mark {index}"), across, up });
        let mut map = heat(cells, marks.collect());
        map.across.scale = across;
        map.value.scale = value;
        let figure = map.figure().unwrap();
        prop_assert_eq!(well_laid(&figure), Ok(()));
        prop_assert!(roxmltree::Document::parse(&figure.svg().unwrap()).is_ok());
    }
}
