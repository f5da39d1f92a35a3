use proptest::prelude::*;

use super::*;

/// The lines that `encoder` writes, entries apart.
fn written(encoder: &Encoder, metric: &Metric<'_>) -> Vec<String> {
    let mut lines = Lines::default();
    encoder.encode(metric, &mut lines);
    lines.entries().map(str::to_owned).collect()
}

fn check(style: Style, name: &[&str], labels: &[(&str, &str)], value: Value, expected: &[&str]) {
    let metric = Metric { name, labels, tags: &[], value };
    assert_eq!(written(&Encoder::new("t", style), &metric), expected, "{metric:?}");
}

/// Whether `line` is one metric by the grammar of statsd, and of `DogStatsD` where it has tags.
pub(in crate::statsd) fn is_metric(line: &str) -> bool {
    let name = r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*";
    let tag = r"[^|:#,\s]+:[^|:#,\s]+";
    let grammar = format!(r"\A{name}:-?[0-9]+(\.[0-9]+)?\|(c|ms|g)(\|#{tag}(,{tag})*)?\z");
    regex::Regex::new(&grammar).expect("a pattern").is_match(line)
}

#[test]
fn values_are_written_as_statsd_reads_them() {
    use Value::{Count, Gauge, Time};
    let cases: [(Value, &str); 15] = [
        (Count(1), "1|c"),
        (Count(u64::MAX), "18446744073709551615|c"),
        (Time(Duration::ZERO), "0|ms"),
        (Time(Duration::from_millis(1200)), "1200|ms"),
        (Time(Duration::from_micros(123_400)), "123.4|ms"),
        (Time(Duration::from_micros(1_050)), "1.05|ms"),
        (Time(Duration::from_micros(7)), "0.007|ms"),
        (Time(Duration::from_nanos(999)), "0|ms"),
        (Time(Duration::MAX), "18446744073709551615999.999|ms"),
        (Gauge(42.5), "42.5|g"),
        (Gauge(0.0), "0|g"),
        (Gauge(-0.0), "0|g"),
        (Gauge(1e21), "1000000000000000000000|g"),
        (Gauge(0.1), "0.1|g"),
        (Gauge(2.5e-7), "0.00000025|g"),
    ];
    for (value, expected) in cases {
        check(Style::Plain, &["n"], &[], value, &[&format!("t.n:{expected}")]);
        check(Style::Dogstatsd, &["n"], &[], value, &[&format!("t.n:{expected}")]);
    }
}

#[test]
fn a_negative_gauge_is_set_from_zero_in_the_same_entry() {
    check(Style::Plain, &["n"], &[("c", "x")], Value::Gauge(-5.5), &["t.n.x:0|g\nt.n.x:-5.5|g"]);
    // To DogStatsD a sign is just a sign.
    check(Style::Dogstatsd, &["n"], &[("c", "x")], Value::Gauge(-5.5), &["t.n:-5.5|g|#c:x"]);
}

#[test]
fn what_is_not_finite_is_not_written() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        check(Style::Plain, &["n"], &[], Value::Gauge(value), &[]);
        check(Style::Dogstatsd, &["n"], &[], Value::Gauge(value), &[]);
    }
}

#[test]
fn names_keep_to_their_parts() {
    let one = Value::Count(1);
    let cases: [(&[&str], &str, &str, &str); 9] = [
        (&["runs"], "shop/login", "t.runs.shop_login:1|c", "t.runs:1|c|#l:shop/login"),
        (&["runs"], "v1.2", "t.runs.v1_2:1|c", "t.runs:1|c|#l:v1.2"),
        (&["runs"], "", "t.runs._:1|c", "t.runs:1|c|#l:_"),
        (&["s", "cart.items"], "x", "t.s.cart.items.x:1|c", "t.s.cart.items:1|c|#l:x"),
        (&["s", "..cart..items."], "x", "t.s.cart.items.x:1|c", "t.s.cart.items:1|c|#l:x"),
        (&["s"], "Öl laden", "t.s._l_laden:1|c", "t.s:1|c|#l:Öl_laden"),
        // Attempts to write a metric or a tag of one's own.
        (&["s"], "x:1|c\nevil:9|g", "t.s.x_1_c_evil_9_g:1|c", "t.s:1|c|#l:x_1_c_evil_9_g"),
        (&["s"], "x,region:us#|@0.1", "t.s.x_region_us___0_1:1|c", "t.s:1|c|#l:x_region_us___0.1"),
        (&["a:1|c\nb"], "\r\u{2028}\0", "t.a_1_c_b.___:1|c", "t.a_1_c_b:1|c|#l:___"),
    ];
    for (name, label, plain, dogstatsd) in cases {
        check(Style::Plain, name, &[("l", label)], one, &[plain]);
        check(Style::Dogstatsd, name, &[("l", label)], one, &[dogstatsd]);
    }
}

#[test]
fn prefixes_are_names_too() {
    let metric = Metric { name: &["n"], labels: &[], tags: &[], value: Value::Count(1) };
    for (prefix, line) in
        [("", "n:1|c"), ("a.b", "a.b.n:1|c"), (".a.", "a.n:1|c"), ("a\nb:", "a_b_.n:1|c")]
    {
        assert_eq!(written(&Encoder::new(prefix, Style::Plain), &metric), [line]);
    }
}

#[test]
fn tags_of_others_cannot_pass_for_labels() {
    let pairs = [("plan", "free"), ("Region", "us"), ("a,b", "c:d"), ("", "")];
    let tags = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let labels = [("region", "eu")];
    let metric = Metric { name: &["n"], labels: &labels, tags: &tags, value: Value::Count(1) };
    let dogstatsd = Encoder::new("t", Style::Dogstatsd);
    assert_eq!(written(&dogstatsd, &metric), ["t.n:1|c|#region:eu,plan:free,a_b:c_d,_:_"]);
    assert_eq!(written(&Encoder::new("t", Style::Plain), &metric), ["t.n.eu:1|c"]);
}

#[test]
fn long_names_are_cut() {
    let long = "ä".repeat(1000);
    let tags = [(long.clone(), long.clone())];
    let metric = Metric { name: &[&long], labels: &[], tags: &tags, value: Value::Count(1) };
    let line = written(&Encoder::new("", Style::Dogstatsd), &metric).concat();
    let (name, tag) = line.split_once(":1|c|#").expect("a tag");
    assert_eq!((name.len(), tag.chars().count()), (LONGEST_PART, LONGEST_TAG));
}

proptest! {
    #[test]
    fn every_line_is_one_metric(
        prefix in "\\PC{0,8}|[a-z.:|\n]{0,8}",
        name in any::<String>(),
        pairs in prop::collection::vec(any::<(String, String)>(), 0..4),
        hostile in "[a.:|#,@\n\r\t /-]{0,24}",
        value in prop_oneof![
            any::<u64>().prop_map(Value::Count),
            any::<Duration>().prop_map(Value::Time),
            any::<f64>().prop_map(Value::Gauge),
        ],
    ) {
        let labels: Vec<(&str, &str)> =
            pairs.iter().map(|(_, value)| ("label", value.as_str())).collect();
        let metric = Metric { name: &["n", &name, &hostile], labels: &labels, tags: &pairs, value };
        for style in [Style::Plain, Style::Dogstatsd] {
            for entry in written(&Encoder::new(&prefix, style), &metric) {
                prop_assert!(entry.split('\n').all(is_metric), "{entry:?}");
            }
        }
    }
}
