//! The answers are those of promtool 2.42, but for labels, which hold no metric name here.

use super::*;

fn rendered(template: &str, value: f64) -> String {
    let labels: LabelSet =
        [("job", "j"), ("instance", "web-1.example.com:9100")].into_iter().collect();
    let external_labels = BTreeMap::from([("zone".to_owned(), "eu".to_owned())]);
    let filling = Filling {
        labels: &labels,
        value,
        external_labels: &external_labels,
        external_url: "https://t.example",
    };
    Template::parse(template).expect("a template").render(filling)
}

fn check(template: &str, value: f64, expected: &str) {
    assert_eq!(rendered(template, value), expected, "{template} of {value}");
}

#[test]
fn values_are_shown_as_prometheus_shows_them() {
    let every = "{{ $value }}|{{ printf \"%.2f|%d|%s|%v|%5.1f|%e|%g|%q\" $value $value $value $value \
                 $value $value $value \"x\" }}|{{ $value | humanize }}|{{ $value | humanize1024 }}|\
                 {{ $value | humanizeDuration }}|{{ $value | humanizePercentage }}|\
                 {{ $value | humanizeTimestamp }}";
    for (value, expected) in [
        (
            1e6,
            "1e+06|1000000.00|%!d(float64=1e+06)|%!s(float64=1e+06)|1e+06|1000000.0|1.000000e+06|\
             1e+06|\"x\"|1M|976.6ki|11d 13h 46m 40s|1e+08%|1970-01-12 13:46:40 +0000 UTC",
        ),
        (
            123_456_789.0,
            "1.23456789e+08|123456789.00|%!d(float64=1.23456789e+08)|%!s(float64=1.23456789e+08)|\
             1.23456789e+08|123456789.0|1.234568e+08|1.23456789e+08|\"x\"|123.5M|117.7Mi|\
             1428d 21h 33m 9s|1.235e+10%|1973-11-29 21:33:09 +0000 UTC",
        ),
        (
            0.000_012_34,
            "1.234e-05|0.00|%!d(float64=1.234e-05)|%!s(float64=1.234e-05)|1.234e-05|  0.0|\
             1.234000e-05|1.234e-05|\"x\"|12.34u|1.234e-05|12.34us|0.001234%|\
             1970-01-01 00:00:00 +0000 UTC",
        ),
        (
            0.5,
            "0.5|0.50|%!d(float64=0.5)|%!s(float64=0.5)|0.5|  0.5|5.000000e-01|0.5|\"x\"|500m|0.5|\
             500ms|50%|1970-01-01 00:00:00.5 +0000 UTC",
        ),
    ] {
        check(every, value, expected);
    }
    check("{{ $value }} {{ humanize $value }}", 100_000.0, "100000 100k");
    check("{{ $value }}", f64::INFINITY, "+Inf");
    check("{{ $value | humanize }}", f64::NAN, "NaN");
}

#[test]
fn numbers_are_shown_as_hexadecimal_ones() {
    for (value, expected) in [
        (255.0, "0x1.fep+07"),
        (0.1, "0x1.999999999999ap-04"),
        (-1.5, "-0x1.8p+00"),
        (1e-310, "0x1.2688b70e62bp-1030"),
        (0.0, "0x0p+00"),
        (5e-324, "0x1p-1074"),
        (1e300, "0x1.7e43c8800759cp+996"),
        (1.0, "0x1p+00"),
    ] {
        check("{{ printf \"%x\" $value }}", value, expected);
    }
    let whole = "{{ printf \"%x|%x|%+x|%8x|%08x|%x\" 255 -255 255 255 255 \"abc\" }}";
    check(whole, 0.0, "ff|-ff|+ff|      ff|000000ff|616263");
}

#[test]
fn what_nothing_fills_is_fixed() {
    let fixed = |text| Template::parse(text).expect("a template").fixed().map(str::to_owned);
    assert_eq!(fixed("page"), Some("page".into()));
    assert_eq!(fixed("{{ $labels.job }}"), None);
    assert_eq!(fixed("{{ if true }}page{{ end }}"), None);
}

#[test]
fn texts_and_conditions_are_those_of_go() {
    check("{{ \"ab cd-ef\" | title }}|{{ $labels.no }}|{{ .Labels.job }}", 1.0, "Ab Cd-Ef||j");
    check(
        "{{ print \"a\" 1 2 }}|{{ len \"abc\" }}|{{ and 1 0 }}|{{ not true }}",
        1.0,
        "a1 2|3|0|false",
    );
    check("{{ reReplaceAll \"(.)b\" \"$1$1\" \"ab\" }}|{{ index $labels \"job\" }}", 1.0, "aa|j");
    check("{{ match \"a+\" \"xaa\" }}|{{ eq $labels.job \"i\" \"j\" }}", 1.0, "true|true");
    check("{{ stripPort $labels.instance }} {{ $labels.instance | stripDomain }}", 1.0, {
        "web-1.example.com web-1:9100"
    });
    let sized = "{{ if gt $value 5.0 }}big{{ else if eq $value 5.0 }}even{{ else }}small{{ end }}";
    for (value, expected) in [(6.0, "big"), (5.0, "even"), (4.0, "small")] {
        check(sized, value, expected);
    }
    check("a {{- /* said */ -}} b {{- \" c\" }} }} {{ `{{` }}", 1.0, "ab c }} {{");
    check("{{ $externalLabels.zone }} {{ $externalURL }} {{ $labels }}", 1.0, {
        "eu https://t.example map[instance:web-1.example.com:9100 job:j]"
    });
    check(
        "{{ ($value | humanize) | toUpper }}{{ printf \"%05.1f|%-4s|%s\" $value \"a\" }}",
        1.5,
        "1.5001.5|a   |%!s(MISSING)",
    );
    check("{{ gt $value 5 }}", 1.0, {
        "<error expanding template: incompatible types for comparison>"
    });
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let refused = |text: &str| {
        let error = Template::parse(text).expect_err("no template");
        format!("{}: {}", error.at, error.message)
    };
    for (text, message) in [
        ("a {{ $value", "2: `{{` without `}}`"),
        ("{{ range query \"up\" }}{{ end }}", "0: `range` is not supported in templates"),
        (
            "{{ first 1 }}",
            "0: `first` works on the answer of `query`, which is not supported in \
                           templates",
        ),
        ("{{ humanise $value }}", "0: there is no function `humanise` in templates"),
        ("{{ tableLink \"x\" }}", "0: the function `tableLink` is not supported in templates"),
        ("{{ $labls.x }}", "3: `$labls.x` is not known in templates"),
        ("{{ if true }}x", "0: `if` without `end`"),
        ("x{{ end }}", "1: `end` without `if`"),
        ("{{ }}", "0: there is nothing to show"),
        ("{{ (1 }}", "0: `(` without `)`"),
        ("{{ 1 2 }}", "0: one value is expected, or a function with its arguments"),
    ] {
        assert_eq!(refused(text), message, "{text}");
    }
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(500), ")".repeat(500));
    assert!(refused(&deep).contains("nested too deeply"));
}
