//! How different colours look, to those who see all of them and to those who do not.

use super::*;

type Three = [f64; 3];

/// What is seen of linear red, green and blue without one kind of cones (Machado, Oliveira and Fernandes
/// 2009, severity 1), and with all.
const SIGHTS: [(&str, [Three; 3]); 4] = [
    ("all cones", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    (
        "protanopia",
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
    ),
    (
        "deuteranopia",
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
    ),
    (
        "tritanopia",
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ),
];

fn times(matrix: &[Three; 3], it: Three) -> Three {
    matrix.map(|row| row[0] * it[0] + row[1] * it[1] + row[2] * it[2])
}

/// A colour as it is seen, in CIELAB (D65).
fn seen(colour: &str, sight: &[Three; 3]) -> Three {
    const XYZ: [Three; 3] = [
        [0.412_456_4, 0.357_576_1, 0.180_437_5],
        [0.212_672_9, 0.715_152_2, 0.072_175_0],
        [0.019_333_9, 0.119_192_0, 0.950_304_1],
    ];
    let linear = [1, 3, 5].map(|at| tests::linear(colour, at));
    let linear = times(sight, linear).map(|part| part.clamp(0.0, 1.0));
    let [x, y, z] = times(&XYZ, linear);
    let bent = |part: f64| {
        if part > 216.0 / 24_389.0 { part.cbrt() } else { (24_389.0 / 27.0 * part + 16.0) / 116.0 }
    };
    let [x, y, z] = [x / 0.950_47, y, z / 1.088_83].map(bent);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// How far two hues are apart, and what lies between them, in degrees.
fn hues((one, other): (f64, f64), is_grey: bool) -> (f64, f64) {
    if is_grey {
        return (0.0, one + other);
    }
    let apart = (other - one + 540.0).rem_euclid(360.0) - 180.0;
    let sum = one + other;
    let between = if (one - other).abs() <= 180.0 {
        sum / 2.0
    } else if sum < 360.0 {
        f64::midpoint(sum, 360.0)
    } else {
        (sum - 360.0) / 2.0
    };
    (apart, between)
}

/// CIEDE2000 (Sharma, Wu and Dalal 2005).
fn difference([l1, a1, b1]: Three, [l2, a2, b2]: Three) -> f64 {
    let far = |chroma: f64| (chroma.powi(7) / (chroma.powi(7) + 25_f64.powi(7))).sqrt();
    let bend = 0.5 * (1.0 - far(f64::midpoint(a1.hypot(b1), a2.hypot(b2))));
    let [a1, a2] = [a1, a2].map(|a| a * (1.0 + bend));
    let (c1, c2) = (a1.hypot(b1), a2.hypot(b2));
    let hue = |b: f64, a: f64| b.atan2(a).to_degrees().rem_euclid(360.0);
    let (apart, between) = hues((hue(b1, a1), hue(b2, a2)), c1 * c2 == 0.0);
    let (light, chroma) = (f64::midpoint(l1, l2), f64::midpoint(c1, c2));
    let wave = |times: f64, shift: f64| (times * between + shift).to_radians().cos();
    let t = 1.0 - 0.17 * wave(1.0, -30.0) + 0.24 * wave(2.0, 0.0) + 0.32 * wave(3.0, 6.0)
        - 0.2 * wave(4.0, -63.0);
    let off = (light - 50.0).powi(2);
    let lightness = (l2 - l1) / (1.0 + 0.015 * off / (20.0 + off).sqrt());
    let colour = (c2 - c1) / (1.0 + 0.045 * chroma);
    let step = 2.0 * (c1 * c2).sqrt() * (apart.to_radians() / 2.0).sin();
    let turn = step / (1.0 + 0.015 * chroma * t);
    let angle = 60.0 * (-((between - 275.0) / 25.0).powi(2)).exp();
    let both = -2.0 * far(chroma) * angle.to_radians().sin();
    (lightness.powi(2) + colour.powi(2) + turn.powi(2) + both * colour * turn).sqrt()
}

#[test]
fn differences_are_those_of_the_published_examples() {
    for (one, other, wanted) in [
        ([50.0, 2.6772, -79.7751], [50.0, 0.0, -82.7485], 2.0425),
        ([50.0, 0.0, 0.0], [50.0, -1.0, 2.0], 2.3669),
        ([50.0, 2.5, 0.0], [73.0, 25.0, -18.0], 27.1492),
        ([22.7233, 20.0904, -46.6940], [23.0331, 14.9730, -42.5619], 2.0373),
        ([90.8027, -2.0831, 1.4410], [91.1528, -1.6435, 0.0447], 1.4441),
    ] {
        let found = difference(one, other);
        assert!((found - wanted).abs() < 1e-4, "{one:?} {other:?}: {found}");
    }
}

#[test]
fn series_can_be_told_apart_by_whoever_lacks_cones() {
    let themes = [SERIES.map(|it| it.0), SERIES.map(|it| it.1)];
    for (name, sight) in &SIGHTS {
        for colours in themes {
            let all = colours.map(|colour| seen(colour, sight));
            for (at, one) in all.iter().enumerate() {
                for (before, other) in all[..at].iter().enumerate() {
                    let found = difference(*one, *other);
                    let pair = (colours[before], colours[at]);
                    assert!(found >= 10.0, "{pair:?} with {name}: {found:.1}");
                }
            }
        }
    }
}
