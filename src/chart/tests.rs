//! What every chart promises, on whatever it is given.

use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;

/// A Sunday, 21:13:00 UTC.
const BEGIN: Millis = 1_795_381_980_000;
const HOUR: Millis = 3_600_000;

fn frame(title: &str, long: Millis) -> Frame {
    Frame {
        title: title.to_owned(),
        heading: Heading::Drawn,
        span: (BEGIN, BEGIN.saturating_add(long)),
        zone: Tz::Europe__Berlin,
    }
}

fn line(name: &str, points: &[(Millis, f64)]) -> Line {
    let points = points.iter().map(|(minute, value)| (BEGIN + minute * 60_000, *value));
    Line { name: name.to_owned(), points: points.collect() }
}

fn lines() -> Lines {
    let gap = [(0, 0.12), (10, 0.2), (20, 0.9), (40, 0.3), (50, 0.25)];
    Lines {
        frame: frame("Duration of <checkout>", HOUR),
        unit: Unit::Seconds,
        lines: vec![line("eu", &gap), line("us & them", &[(5, 0.4)])],
        gap: 10 * 60_000,
        threshold: Some(Threshold { value: 0.5, name: "alerts above 500 ms".to_owned() }),
        shades: vec![Shade {
            span: (BEGIN + 20 * 60_000, BEGIN + 30 * 60_000),
            name: "breached".to_owned(),
        }],
        marks: vec![Mark { at: BEGIN + 45 * 60_000, name: "deployed".to_owned() }],
    }
}

fn stacked() -> Stacked {
    let layers =
        vec![line("open", &[(0, 0.1), (10, 0.2)]), line("sign in", &[(0, 0.5), (10, 0.4)])];
    Stacked { frame: frame("Steps", HOUR), unit: Unit::Seconds, layers, every: 600_000 }
}

fn slots() -> Slots {
    let states = [SlotState::Passed, SlotState::Failed, SlotState::Unknown, SlotState::Missed];
    let slot = |(state, at): (SlotState, Millis)| Slot {
        at: BEGIN + at * 60_000,
        state,
        words: if state == SlotState::Failed { "expected 200".to_owned() } else { String::new() },
    };
    let slots = states.into_iter().zip(0..).map(slot).collect();
    Slots { frame: frame("Slots", HOUR / 2), every: 60_000, slots }
}

fn distribution(values: Vec<f64>) -> Distribution {
    let title = "Lateness".to_owned();
    Distribution { title, heading: Heading::Drawn, unit: Unit::Seconds, values }
}

fn waterfall() -> Waterfall {
    let request = Bar {
        name: "GET /login 200".to_owned(),
        sign: Sign::Request,
        start: 0.01,
        phases: vec![(Phase::Dns, 0.02), (Phase::Connect, 0.03), (Phase::Wait, 0.2)],
        failure: Some("too slow".to_owned()),
    };
    let step = Bar {
        name: "sign in".to_owned(),
        sign: Sign::Step,
        start: 0.0,
        phases: vec![(Phase::Step, 0.3)],
        failure: None,
    };
    Waterfall { title: "Run".to_owned(), heading: Heading::Drawn, bars: vec![step, request] }
}

fn timeline() -> Timeline {
    let day = 24 * HOUR;
    let rows = vec![Duty { name: "ana".to_owned(), spans: vec![(BEGIN, BEGIN + 2 * day)] }];
    let holes = vec![(BEGIN + 2 * day, BEGIN + 3 * day)];
    Timeline { frame: frame("platform", 7 * day), rows, holes, now: Some(BEGIN + day) }
}

fn sparkline() -> String {
    let points = [(BEGIN, 1.0), (BEGIN + HOUR / 2, 3.0), (BEGIN + HOUR, 2.0)];
    let span = (BEGIN, BEGIN + HOUR);
    let failures = [BEGIN + HOUR / 2];
    let (title, unit) = ("Duration", Unit::Seconds);
    Sparkline { title, unit, span, gap: HOUR, points: &points, failures: &failures }.svg()
}

/// A drawing with a line for each element, to be read.
fn lined(svg: &str) -> String {
    svg.replace("><", ">\n<")
}

#[test]
fn lines_have_gaps_thresholds_shades_and_marks() {
    insta::assert_snapshot!(lined(&lines().svg(NARROW)));
}

#[test]
fn layers_stand_upon_each_other() {
    insta::assert_snapshot!(lined(&stacked().svg(NARROW)));
}

#[test]
fn layers_are_told_apart_by_numbers_too() {
    let svg = stacked().svg(WIDE);
    let document = roxmltree::Document::parse(&svg).expect("well-formed");
    let texts: Vec<&str> = document
        .descendants()
        .filter(|it| it.has_tag_name(("http://www.w3.org/2000/svg", "text")))
        .filter_map(|it| it.text())
        .collect();
    for text in ["1 open", "2 sign in", "1", "2"] {
        assert!(texts.contains(&text), "{text} in {texts:?}");
    }
}

#[test]
fn states_of_slots_differ_in_shape() {
    insta::assert_snapshot!(lined(&slots().svg(NARROW)));
}

#[test]
fn a_distribution_names_its_percentiles() {
    let values = (1..=100).map(|at| f64::from(at) / 1000.0).collect();
    insta::assert_snapshot!(lined(&distribution(values).svg(NARROW)));
}

#[test]
fn requests_are_cut_into_phases() {
    insta::assert_snapshot!(lined(&waterfall().svg(NARROW)));
}

#[test]
fn holes_of_a_rota_are_hatched() {
    insta::assert_snapshot!(lined(&timeline().svg(NARROW)));
}

#[test]
fn a_sparkline_is_small() {
    insta::assert_snapshot!(lined(&sparkline()));
}

#[test]
fn times_stand_where_clocks_and_calendars_are_round() {
    let shown = |from: &str, long: Millis, zone: Tz, most: usize| {
        let from = chrono::DateTime::parse_from_rfc3339(from).expect("a time").timestamp_millis();
        let ticks = times((from, from + long), &zone, most);
        ticks.into_iter().map(|tick| tick.label).collect::<Vec<_>>().join(" ")
    };
    let sunday = "2026-11-22T21:13:20Z";
    let berlin = Tz::Europe__Berlin;
    assert_eq!(shown(sunday, 60_000, Tz::UTC, 5), "21:13:30 21:13:45 21:14:00 21:14:15");
    assert_eq!(shown(sunday, 30 * 60_000, Tz::UTC, 6), "21:15 21:20 21:25 21:30 21:35 21:40");
    assert_eq!(shown(sunday, HOUR, Tz::UTC, 5), "21:15 21:30 21:45 22:00");
    assert_eq!(shown(sunday, 6 * HOUR, berlin, 6), "23:00 Nov 23 01:00 02:00 03:00 04:00");
    assert_eq!(
        shown(sunday, 24 * HOUR, berlin, 9),
        "Nov 23 03:00 06:00 09:00 12:00 15:00 18:00 21:00"
    );
    assert_eq!(shown(sunday, 24 * HOUR, Tz::Asia__Kolkata, 4), "06:00 12:00 18:00 Nov 24");
    assert_eq!(shown(sunday, 5 * 24 * HOUR, Tz::UTC, 7), "Nov 23 Nov 24 Nov 25 Nov 26 Nov 27");
    assert_eq!(shown(sunday, 28 * 24 * HOUR, Tz::UTC, 5), "Nov 23 Nov 30 Dec 7 Dec 14");
    assert_eq!(shown(sunday, 120 * 24 * HOUR, Tz::UTC, 5), "Dec 2027 Feb Mar");
    // Clocks are set back: two o'clock comes twice. And forward: it never comes.
    let back = shown("2026-10-24T23:30:00Z", 3 * HOUR, berlin, 4);
    assert_eq!(back, "02:00 02:00 03:00");
    let forward = shown("2026-03-28T23:30:00Z", 3 * HOUR, berlin, 4);
    assert_eq!(forward, "01:00 03:00 04:00");
    assert_eq!(times((Millis::MIN, Millis::MAX), &Tz::UTC, 5), []);
}

#[test]
fn values_on_an_axis_are_round() {
    let shown = |least, most, unit| scale((least, most), unit, 5).labels.join(" ");
    assert_eq!(shown(3.0, 97.0, Unit::Number), "0 20 40 60 80 100");
    assert_eq!(shown(0.0, 2_900.0, Unit::Number), "0 1k 2k 3k");
    assert_eq!(shown(0.0, 2_100.0, Unit::Number), "0 500 1k 1.5k 2k 2.5k");
    assert_eq!(shown(990.0, 1010.0, Unit::Number), "990 995 1000 1005 1010");
    assert_eq!(shown(-3.0, 4.0, Unit::Number), "-4 -2 0 2 4");
    assert_eq!(shown(0.0, 0.42, Unit::Seconds), "0 100 ms 200 ms 300 ms 400 ms 500 ms");
    assert_eq!(shown(0.1, 1.4, Unit::Seconds), "0 0.5 s 1 s 1.5 s");
    assert_eq!(shown(0.0, 100.0, Unit::Seconds), "0 30 s 60 s 90 s 120 s");
    assert_eq!(shown(0.0, 3_600.0, Unit::Seconds), "0 15 min 30 min 45 min 60 min");
    assert_eq!(shown(0.97, 1.0, Unit::Ratio), "97 % 98 % 99 % 100 %");
    assert_eq!(shown(0.0, 3_000_000.0, Unit::Bytes), "0 1 MiB 2 MiB 3 MiB");
    assert_eq!(shown(0.0, 0.0, Unit::Seconds), "0 0.2 s 0.4 s 0.6 s 0.8 s 1 s");
}

#[test]
fn values_are_said_as_people_say_them() {
    let seconds =
        [0.0, 0.000_42, 0.0123, 0.9999, 1.236, 59.99, 125.0, 3_599.9, 11_520.0, 187_200.0];
    let said = seconds.map(|value| Unit::Seconds.say(value)).join(", ");
    assert_eq!(
        said,
        "0 s, 420 µs, 12.3 ms, 1 s, 1.24 s, 1 min, 2 min 5 s, 1 h, 3 h 12 min, 2 d 4 h"
    );
    assert_eq!(Unit::Ratio.say(0.999_48), "99.95 %");
    assert_eq!(Unit::Bytes.say(1_500_000.0), "1.431 MiB");
    assert_eq!(Unit::Number.say(1234.56), "1235");
    assert_eq!(Unit::Number.say(f64::NAN), "no value");
    assert_eq!(Unit::Number.say(f64::NEG_INFINITY), "−∞");
}

#[test]
fn no_point_is_lost_that_somebody_looks_for() {
    let mut points: Vec<(Millis, f64)> = (0..100_000).map(|at| (BEGIN + at * 36, 0.1)).collect();
    points[61_803].1 = 7.5;
    let line = Line { name: "eu".to_owned(), points };
    let chart = Lines { lines: vec![line], threshold: None, ..lines() };
    let svg = chart.svg(WIDE);
    assert!(svg.contains("7.5 s"), "the one slow run is told");
    assert!(svg.len() < 60_000, "{} bytes", svg.len());
}

#[test]
fn of_several_slots_in_a_mark_the_worst_is_shown() {
    let slot = |at: Millis| Slot {
        at: BEGIN + at * 1000,
        state: if at == 4_321 { SlotState::Failed } else { SlotState::Passed },
        words: String::new(),
    };
    let chart = Slots {
        frame: frame("Slots", 8 * HOUR),
        every: 1000,
        slots: (0..8 * 3600).map(slot).collect(),
    };
    let svg = chart.svg(WIDE);
    let document = roxmltree::Document::parse(&svg).expect("well-formed");
    let failed = |node: &roxmltree::Node<'_, '_>| {
        node.attribute("data-say").is_some_and(|say| say.contains("1 failed"))
            && node.parent().and_then(|it| it.attribute("class")) == Some("chart-failed")
    };
    assert_eq!(document.descendants().filter(failed).count(), 1);
    assert!(svg.len() < 120_000, "{} bytes", svg.len());
}

#[test]
fn pictures_are_of_the_size_that_was_asked_for() {
    let svg = timeline().svg(WIDE);
    let light = png(&svg, Theme::Light, 1200).expect("a picture");
    let dark = png(&svg, Theme::Dark, 1200).expect("a picture");
    // The header of a PNG: its width is in the bytes from the sixteenth.
    assert_eq!(light[..4], *b"\x89PNG");
    assert_eq!(light[16..20], 1200_u32.to_be_bytes());
    assert!(light != dark, "themes differ");
    let tall = svg.replace("viewBox=\"0 0 720 ", "viewBox=\"0 0 720 99");
    assert!(matches!(png(&tall, Theme::Light, 2400), Err(PictureError::Size { .. })));
    assert!(matches!(png("<svg", Theme::Light, 100), Err(PictureError::Drawing(_))));
    assert!(png(&svg, Theme::Light, 0).is_err());
}

#[test]
fn names_in_pictures_are_drawn_with_the_font_that_is_built_in() {
    let svg = |name: &str| {
        let rows = vec![Duty { name: name.to_owned(), spans: vec![] }];
        png(&Timeline { rows, ..timeline() }.svg(NARROW), Theme::Light, 304).expect("a picture")
    };
    assert!(svg("Łukasz Ωμέγα Жук") != svg(""), "letters are drawn");
}

#[test]
fn every_class_of_a_drawing_is_in_the_stylesheets() {
    let all = [lines().svg(WIDE), stacked().svg(WIDE), slots().svg(WIDE), waterfall().svg(WIDE)];
    let all = all.into_iter().chain([timeline().svg(WIDE), fluid(|width| lines().svg(width))]);
    let (page, picture) = (page_stylesheet(), stylesheet(Theme::Dark));
    for svg in all {
        for class in svg.split("class=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(page.contains(&format!(".{class}")), "{class} in a page");
            let is_colour = page.contains(&format!(".{class}{{fill:"))
                || page.contains(&format!(".{class}{{stroke:"));
            assert!(!is_colour || picture.contains(&format!(".{class}{{")), "{class} in a picture");
        }
    }
}

/// What every drawing promises.
fn holds(svg: &str) -> Result<(), TestCaseError> {
    let document = roxmltree::Document::parse(svg);
    prop_assert!(document.is_ok(), "{document:?} in {svg}");
    let Ok(document) = document else { return Ok(()) };
    let root = document.root_element();
    let size: Vec<f64> = root
        .attribute("viewBox")
        .unwrap_or_default()
        .split(' ')
        .filter_map(|part| part.parse().ok())
        .collect();
    prop_assert!(size.len() == 4 && size[2] > 0.0 && size[3] > 0.0, "{size:?}");
    prop_assert!(
        root.children().any(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "title")))
    );
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        for forbidden in ["style", "id", "href", "onclick"] {
            prop_assert!(node.attribute(forbidden).is_none(), "{forbidden}");
        }
        for name in ["x", "y", "width", "height"] {
            let Some(value) = node.attribute(name).filter(|_| node != root) else { continue };
            let value: f64 = value.parse().unwrap_or(f64::NAN);
            let most = if ["x", "width"].contains(&name) { size[2] } else { size[3] };
            prop_assert!((-1.0..=most + 1.0).contains(&value), "{name}={value} of {most}");
        }
        if let Some(path) = node.attribute("d") {
            within_view(path, &size)?;
        }
    }
    Ok(())
}

/// Absolute points of `path` lie in the view box; all numbers are numbers.
fn within_view(path: &str, size: &[f64]) -> Result<(), TestCaseError> {
    prop_assert!(!path.contains("NaN") && !path.contains("inf"), "{path}");
    for part in path.split_inclusive(['M', 'L']).skip(1) {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(part.len());
        let mut numbers = part[..end].split(' ').map(|number| number.parse().unwrap_or(f64::NAN));
        let (x, y) = (numbers.next().unwrap_or(f64::NAN), numbers.next().unwrap_or(f64::NAN));
        prop_assert!((-1.0..=size[2] + 1.0).contains(&x), "x={x} in {path}");
        prop_assert!((-1.0..=size[3] + 1.0).contains(&y), "y={y} in {path}");
    }
    Ok(())
}

fn time() -> impl Strategy<Value = Millis> {
    prop_oneof![8 => BEGIN - HOUR..BEGIN + 30 * HOUR, 1 => any::<i64>()]
}

fn points() -> impl Strategy<Value = Vec<(Millis, f64)>> {
    proptest::collection::vec((time(), prop_oneof![4 => -1e6..1e6, 1 => any::<f64>()]), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn series_of_any_kind_are_drawn(
        all in proptest::collection::vec(("\\PC{0,30}", points()), 0..12),
        span in (time(), time()),
        width in any::<u16>(),
        gap in any::<i64>(),
        value in any::<f64>(),
    ) {
        let named: Vec<Line> =
            all.into_iter().map(|(name, points)| Line { name, points }).collect();
        let frame = Frame { span, ..frame("\u{0}<&\">]]>", HOUR) };
        let threshold = Some(Threshold { value, name: "limit".to_owned() });
        let shades = vec![Shade { span, name: String::new() }];
        let drawn = Lines {
            frame: frame.clone(), lines: named.clone(), gap, threshold, shades, ..lines()
        };
        holds(&drawn.svg(width))?;
        holds(&Stacked { frame, layers: named.clone(), every: gap, ..stacked() }.svg(width))?;
        let values: Vec<f64> = named.iter().flat_map(|it| &it.points).map(|it| it.1).collect();
        holds(&distribution(values).svg(width))?;
        for Line { name, points } in &named {
            let failures: Vec<Millis> = points.iter().map(|it| it.0).collect();
            let (title, unit) = (name.as_str(), Unit::Bytes);
            holds(&Sparkline { title, unit, span, gap, points, failures: &failures }.svg())?;
        }
    }

    #[test]
    fn slots_requests_and_duties_of_any_kind_are_drawn(
        all in points(),
        names in proptest::collection::vec("\\PC{0,60}", 1..4),
        span in (time(), time()),
        width in any::<u16>(),
        every in any::<i64>(),
    ) {
        let frame = Frame { span, ..frame("any", HOUR) };
        let marked = all.iter().map(|(at, value)| Slot {
            at: *at,
            state: if *value > 0.0 { SlotState::Passed } else { SlotState::Failed },
            words: names[0].clone(),
        });
        holds(&Slots { frame: frame.clone(), every, slots: marked.collect() }.svg(width))?;
        let bar = |(start, took): (f64, f64)| Bar {
            name: names[0].clone(),
            sign: Sign::Request,
            start,
            phases: vec![(Phase::Tls, took), (Phase::Wait, start)],
            failure: None,
        };
        let bars = all.iter().map(|it| it.1).zip(all.iter().rev().map(|it| it.1)).map(bar);
        holds(&Waterfall { bars: bars.collect(), ..waterfall() }.svg(width))?;
        let spans: Vec<_> = all.iter().map(|it| (it.0, it.0.saturating_add(every))).collect();
        let rows = names.iter().map(|name| Duty { name: name.clone(), spans: spans.clone() });
        let (rows, now) = (rows.collect(), Some(span.0));
        holds(&Timeline { frame, rows, holes: spans, now }.svg(width))?;
    }
}
