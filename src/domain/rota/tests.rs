use chrono::{NaiveDateTime, TimeDelta};
use proptest::prelude::*;

use super::*;
use crate::domain::policy::{Policy, Roster, Target, Tier};

fn utc(text: &str) -> Timestamp {
    text.parse().expect("an RFC 3339 time")
}

fn local(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").expect("a local time")
}

fn people(names: &[&str]) -> Vec<PersonId> {
    names.iter().map(|name| PersonId::new(name).expect("a good name")).collect()
}

fn layer(names: &[&str], zone: &str, starts: &str, turn: Turn) -> Layer {
    Layer::new(people(names), zone.parse().expect("a zone"), local(starts), turn)
}

fn rota(layers: Vec<Layer>) -> Rota {
    Rota { name: "primary".into(), team: "ops".into(), layers, overrides: Vec::new() }
}

fn told(rota: &Rota, from: &str, until: &str) -> Vec<String> {
    let tell = |shift: Shift| {
        let who = shift.duty.map_or("nobody".to_owned(), |it| format!("{}, {}", it.person, it.by));
        format!("{} {who}", shift.from.format("%m-%dT%H:%MZ"))
    };
    rota.shifts(utc(from), utc(until)).into_iter().map(tell).collect()
}

#[test]
fn turns_are_taken_in_order_and_nobody_is_on_duty_before_the_first() {
    let weekly = layer(&["ana", "bo"], "UTC", "2026-11-02 09:00", Turn::Weeks(1));
    assert_eq!(
        told(&rota(vec![weekly]), "2026-11-01T00:00:00Z", "2026-11-20T00:00:00Z"),
        [
            "11-01T00:00Z nobody",
            "11-02T09:00Z ana, layer 1",
            "11-09T09:00Z bo, layer 1",
            "11-16T09:00Z ana, layer 1"
        ]
    );
}

#[test]
fn a_hand_over_stays_at_its_time_on_the_wall() {
    let starts = "2026-03-23 09:00";
    let daily = layer(&["ana", "bo"], "Europe/Berlin", starts, Turn::Days(1));
    assert_eq!(
        told(&rota(vec![daily.clone()]), "2026-03-28T09:00:00Z", "2026-03-31T00:00:00Z")[..3],
        ["03-28T09:00Z bo, layer 1", "03-29T07:00Z ana, layer 1", "03-30T07:00Z bo, layer 1"]
    );
    assert_eq!(
        told(&rota(vec![daily]), "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z"),
        ["10-24T12:00Z bo, layer 1", "10-25T08:00Z ana, layer 1", "10-26T08:00Z bo, layer 1"]
    );
}

#[test]
fn a_hand_over_of_its_own_shortens_the_first_turn_only() {
    let handover: Handover = "Mon 17:00".parse().expect("good");
    let of = |turn| layer(&["ana", "bo"], "UTC", "2026-11-25 08:00", turn).handing_over(handover);
    assert_eq!(
        told(&rota(vec![of(Turn::Weeks(1))]), "2026-11-26T00:00:00Z", "2026-12-08T00:00:00Z"),
        ["11-26T00:00Z ana, layer 1", "11-30T17:00Z bo, layer 1", "12-07T17:00Z ana, layer 1"]
    );
    assert_eq!(
        told(&rota(vec![of(Turn::Weeks(2))]), "2026-11-26T00:00:00Z", "2026-12-22T00:00:00Z"),
        ["11-26T00:00Z ana, layer 1", "12-07T17:00Z bo, layer 1", "12-21T17:00Z ana, layer 1"]
    );
}

#[test]
fn a_later_layer_goes_before_an_earlier_one_in_its_hours() {
    let all = layer(&["ana"], "Europe/Berlin", "2026-11-02 00:00", Turn::Weeks(1));
    let day = layer(&["bo"], "Europe/Berlin", "2026-11-02 00:00", Turn::Weeks(1))
        .only(vec!["Mon-Fri 09:00-17:00".parse().expect("good")]);
    assert_eq!(
        told(&rota(vec![all, day]), "2026-11-20T12:00:00Z", "2026-11-23T20:00:00Z"),
        [
            "11-20T12:00Z bo, layer 2",
            "11-20T16:00Z ana, layer 1",
            "11-23T08:00Z bo, layer 2",
            "11-23T16:00Z ana, layer 1"
        ]
    );
    let night = layer(&["cy"], "UTC", "2026-11-02 00:00", Turn::Weeks(1))
        .only(vec!["Sat 22:00-06:00".parse().expect("good")]);
    assert_eq!(
        told(&rota(vec![night]), "2026-11-21T00:00:00Z", "2026-11-23T00:00:00Z"),
        ["11-21T00:00Z nobody", "11-21T22:00Z cy, layer 1", "11-22T06:00Z nobody"]
    );
}

#[test]
fn an_override_goes_before_all_layers_or_in_place_of_one_person() {
    let daily = layer(&["ana", "bo"], "UTC", "2026-11-21 00:00", Turn::Days(1));
    let mut rota = rota(vec![daily]);
    let from_to = |person: &str, replaces: &[&str]| Override {
        person: people(&[person])[0].clone(),
        from: utc("2026-11-21T12:00:00Z"),
        until: utc("2026-11-23T12:00:00Z"),
        replaces: people(replaces).pop(),
    };
    rota.overrides = vec![from_to("cy", &["bo"])];
    let span = ("2026-11-21T00:00:00Z", "2026-11-24T00:00:00Z");
    assert_eq!(
        told(&rota, span.0, span.1),
        ["11-21T00:00Z ana, layer 1", "11-22T00:00Z cy, override", "11-23T00:00Z ana, layer 1"]
    );
    rota.overrides.push(from_to("dee", &[]));
    assert_eq!(rota.on_duty(utc("2026-11-21T13:00:00Z")), people(&["dee"]).pop());
    assert_eq!(rota.on_duty(utc("2026-11-22T13:00:00Z")), people(&["cy"]).pop());
    assert_eq!(rota.next_change(utc("2026-11-21T00:00:00Z")), Some(utc("2026-11-21T12:00:00Z")));
    let names: Vec<&str> = rota.people().into_iter().map(PersonId::as_str).collect();
    assert_eq!(names, ["ana", "bo", "cy", "dee"]);
}

#[test]
fn a_rota_of_nobody_or_of_one_person_never_changes() {
    let start = utc("2026-11-21T00:00:00Z");
    let nobody = rota(vec![layer(&[], "UTC", "2026-11-02 09:00", Turn::Days(1))]);
    assert_eq!((nobody.on_duty(start), nobody.next_change(start)), (None, None));
    let one = rota(vec![layer(&["ana"], "UTC", "2026-11-02 09:00", Turn::Days(1))]);
    assert_eq!(one.next_change(start), None);
    assert_eq!(one.shifts(start, start), []);
}

#[test]
fn hours_are_read_as_people_write_them() {
    let wrong = |text: &str| text.parse::<Hours>().expect_err("a mistake").to_string();
    assert!(wrong("Mon 9-17").contains("`9` is no time"), "{}", wrong("Mon 9-17"));
    assert!(wrong("Mon-Fry 09:00-17:00").contains("`Fry` is no day"));
    assert!(wrong("a b c").contains("is not like `Mon-Fri 09:00-17:00`"));
    assert!(wrong("25:00-26:00").contains("`25:00` is no time"));
    let all_day: Hours = "saturday".parse().expect("good");
    assert!(all_day.contains(Zone::UTC, utc("2026-11-21T23:59:00Z")));
    assert!(!all_day.contains(Zone::UTC, utc("2026-11-22T00:00:00Z")));
    assert_eq!("Fri-Mon".parse::<Hours>(), "Sat,Sun,Mon,Fri 00:00-24:00".parse::<Hours>());
}

#[test]
fn a_message_to_a_rota_goes_to_nobody_only_where_nobody_is() {
    let daily = layer(&["ana", "bo"], "UTC", "2026-11-22 00:00", Turn::Days(1));
    let phones = |names: &[&str], phoneless: &[&str]| Roster {
        people: people(names)
            .into_iter()
            .map(|it| (it, Some("+49".to_owned())))
            .chain(people(phoneless).into_iter().map(|it| (it, None)))
            .collect(),
        teams: [("ops".to_owned(), people(&["bo", "cy"]))].into(),
        rotas: [("primary".to_owned(), rota(vec![daily.clone()]))].into(),
        ..Roster::default()
    };
    let called = |roster: &Roster, rota: &str, at: &str| {
        let Call { people, reason } = call(roster, rota, utc(at));
        let names: Vec<&str> = people.iter().map(PersonId::as_str).collect();
        format!("{}: {reason}", names.join(" "))
    };
    let all = phones(&["ana", "bo", "cy", "dee"], &[]);
    let (hole, day) = ("2026-11-21T12:00:00Z", "2026-11-22T12:00:00Z");
    assert_eq!(called(&all, "primary", day), "ana: ana is on duty (rota primary, layer 1)");
    assert_eq!(
        called(&all, "primary", hole),
        "bo cy: nobody is on duty (rota primary), so all of ops are told"
    );
    let without_ana = phones(&["bo", "dee"], &["ana", "cy"]);
    assert!(called(&without_ana, "primary", day).starts_with("bo: ana is on duty"));
    let others = phones(&["dee"], &["ana", "bo", "cy"]);
    assert!(called(&others, "primary", hole).starts_with("dee: nobody is on duty"));
    assert!(called(&all, "gone", day).starts_with("ana bo cy dee: there is no rota gone"));
    assert!(called(&phones(&[], &["ana"]), "primary", hole).starts_with("ana: nobody"));
    assert!(called(&Roster::default(), "primary", hole).ends_with("there is nobody else"));
}

fn any_layer() -> impl Strategy<Value = Layer> {
    let turn = prop_oneof![
        (1u32..50).prop_map(Turn::Hours),
        (1u32..10).prop_map(Turn::Days),
        (1u32..5).prop_map(Turn::Weeks)
    ];
    let hours = prop_oneof![
        Just(Vec::new()),
        Just(vec!["Mon-Fri 09:00-17:00"]),
        Just(vec!["22:00-06:00"]),
        Just(vec!["Sat,Sun", "Mon-Fri 01:30-02:30"])
    ];
    let zones = 0..chrono_tz::TZ_VARIANTS.len();
    (turn, hours, zones, 0i64..900, 0i64..1440, 0usize..4).prop_map(
        |(turn, hours, zone, day, minute, count)| {
            let zone = chrono_tz::TZ_VARIANTS[zone].name().parse().expect("a zone");
            let starts =
                local("2025-01-01 00:00") + TimeDelta::days(day) + TimeDelta::minutes(minute);
            let people = people(&["ana", "bo", "cy"][..count.min(3)]);
            let hours = hours.into_iter().map(|it| it.parse().expect("good")).collect();
            Layer::new(people, zone, starts, turn).only(hours)
        },
    )
}

proptest! {
    /// Shifts cover a period without a gap and without an overlap, and say of each moment in it what
    /// the rota says of that moment.
    #[test]
    fn shifts_are_the_whole_truth(
        layers in prop::collection::vec(any_layer(), 0..3),
        day in 0i64..900,
        probes in prop::collection::vec(0i64..20 * 86_400, 20),
    ) {
        let rota = rota(layers);
        let from = utc("2025-01-01T00:00:00Z") + TimeDelta::days(day);
        let until = from + TimeDelta::days(20);
        let shifts = rota.shifts(from, until);
        prop_assert_eq!(shifts.first().map(|it| it.from), Some(from));
        prop_assert_eq!(shifts.last().map(|it| it.until), Some(until));
        for pair in shifts.windows(2) {
            prop_assert_eq!(pair[0].until, pair[1].from);
            prop_assert_ne!(&pair[0].duty, &pair[1].duty);
            prop_assert_eq!(rota.next_change(pair[0].from), Some(pair[1].from));
        }
        for probe in probes {
            let at = from + TimeDelta::seconds(probe);
            let shift = shifts.iter().find(|it| it.from <= at && at < it.until);
            prop_assert_eq!(&shift.expect("covered").duty, &rota.duty(at));
        }
    }

    /// Whatever the zone, turns of days end at their local time on each day that has it, and on the
    /// others right after the jump over it.
    #[test]
    fn hand_overs_are_local(zone in 0..chrono_tz::TZ_VARIANTS.len(), hour in 0u32..24, day in 0i64..700) {
        let zone: Zone = chrono_tz::TZ_VARIANTS[zone].name().parse().expect("a zone");
        let time = NaiveTime::from_hms_opt(hour, 30, 0).expect("a time");
        let starts = local("2025-01-01 00:00").date().and_time(time);
        let rota = rota(vec![Layer::new(people(&["ana", "bo"]), zone, starts, Turn::Days(1))]);
        let after = utc("2025-01-03T00:00:00Z") + TimeDelta::days(day);
        let next = rota.next_change(after).expect("a hand-over");
        prop_assert!(next > after && next - after <= TimeDelta::hours(27));
        let wall = zone.wall_clock(next);
        let is_at_jump = zone.offset_at(next) != zone.offset_at(next - TimeDelta::seconds(1));
        prop_assert!(wall.time() == time || is_at_jump, "{wall} in {zone}");
    }
}

#[test]
fn holes_missing_numbers_and_one_person_in_every_tier_are_found() {
    let ana = people(&["ana"]).pop().expect("one");
    let weekly = |names: &[&str]| layer(names, "UTC", "2026-11-23 00:00", Turn::Weeks(1));
    let second = Rota { name: "secondary".into(), ..rota(vec![weekly(&["bo", "cy"])]) };
    let roster = Roster {
        people: people(&["ana", "bo", "cy"])
            .into_iter()
            .map(|it| (it, Some("+49".into())))
            .collect(),
        teams: [("ops".to_owned(), people(&["ana", "bo", "dee"]))].into(),
        rotas: [rota(vec![weekly(&["ana", "bo", "cy"])]), second]
            .map(|it| (it.name.clone(), it))
            .into(),
        ..Roster::default()
    };
    let tier = |name: &str| Tier::after(1, vec![Target::Sms(name.into())]);
    let policies = [
        Policy::of("two", vec![tier("primary"), tier("secondary")]),
        Policy::of("team", vec![tier("primary"), tier("ops")]),
        Policy::of("ana", vec![tier("ana"), tier("ana")]),
        Policy::of("once", vec![tier("ana")]),
    ];
    let day = |day: i64| utc("2026-11-22T00:00:00Z") + TimeDelta::days(day);
    let hole = |rota: &str| Finding::Hole {
        rota: rota.into(),
        team: "ops".into(),
        spans: vec![(day(0), day(1))],
    };
    let same = |policy: &str, person: &str, from, until| Finding::SamePerson {
        policy: policy.into(),
        person: people(&[person]).pop().expect("one"),
        spans: vec![(from, until)],
    };
    assert_eq!(
        findings(&roster, &policies, (day(0), day(40))),
        [
            hole("primary"),
            hole("secondary"),
            Finding::NoPhone {
                person: people(&["dee"]).pop().expect("one"),
                named_by: vec!["team ops".into()]
            },
            same("two", "bo", day(29), day(36)),
            same("two", "cy", day(36), day(40)),
            same("ana", ana.as_str(), day(0), day(40)),
        ]
    );
}
