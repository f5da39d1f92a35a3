//! How much a metric rises or falls against what is usual.
//!
//! | now and usual | then |
//! |---|---|
//! | no value now, and usual so little that no fall is said anything of, and rises are not looked for | clear, whatever it is |
//! | no value now | missing |
//! | nothing to compare with | not enough history yet: no alert, and visible |
//! | both below the minimum | clear: nothing is said of so little |
//! | beyond usual by more than the threshold | breached |
//! | breached, and not back within `hysteresis` of the threshold | still breached |
//! | else | clear |
//!
//! A total or a count over a window in which points are wanting is low because nobody listened, and
//! not because little happened. So a window has a value only if it is **whole**:
//! - at each of 20 times in it, somebody brought a point within the quarter before;
//! - at none of them a hub was **lost** that brought some within the last hour, whatever others bring: it
//!   listened within an hour, did not then, and had not said that it ends.
//!
//! So a hub that joins, that others take over from, or that ends in good order leaves a window whole: what
//! it took goes elsewhere. A mean is not low for want of points, and needs none of that.
//!
//! Two expressions are evaluated, [`Change::now`] and [`Change::usual`], because the message says
//! both values; [`Change::expression`] is what they amount to for a reader, without the hysteresis.

use std::time::Duration;

use super::span;

/// A metric that is compared with what it used to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// A selector of series.
    pub metric: String,
    /// What its points are.
    pub reading: Reading,
    /// The labels by which it is looked at separately; none for all series together.
    pub by: Vec<String>,
    /// How much of the present is looked at.
    pub window: Duration,
    /// What it is compared with.
    pub baseline: Baseline,
    /// Breached when it is above that by so much.
    pub rises_by: Option<Threshold>,
    /// Breached when it is below that by so much.
    pub falls_by: Option<Threshold>,
    /// Nothing is said while both values are below this; 0 for none.
    pub minimum: f64,
    /// A breach ends when the change is back within this part of the threshold; more than 0, at most 1.
    pub hysteresis: f64,
}

/// What the points of a metric are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// A total that only grows: looked at is how much a minute.
    Counter,
    /// How many since the last point: looked at is how many a minute.
    Counts,
    /// A level: looked at is its mean.
    Gauge,
}

/// What a metric is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Baseline {
    /// The window before.
    PreviousWindow,
    /// The same window, a day before.
    Yesterday,
    /// The same window, a week before.
    LastWeek,
    /// The median of this hour of the day, one, two, three and four weeks before.
    FourWeeks,
}

impl Baseline {
    /// All, with the words used in files.
    pub const ALL: [(&'static str, Self); 4] = [
        ("previous window", Self::PreviousWindow),
        ("same time yesterday", Self::Yesterday),
        ("same time last week", Self::LastWeek),
        ("median of the last four weeks at this hour", Self::FourWeeks),
    ];

    /// What its value is called in a message.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::PreviousWindow => "before that",
            Self::Yesterday => "same time yesterday",
            Self::LastWeek => "same time last week",
            Self::FourWeeks => "usual at this hour",
        }
    }
}

/// How much is too much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// A share of what is usual: 0.5 is half of it.
    Share(f64),
    /// An amount, in the unit of the value.
    Amount(f64),
}

impl Threshold {
    fn of(self, usual: f64) -> f64 {
        match self {
            Self::Share(share) => usual.abs() * share,
            Self::Amount(amount) => amount,
        }
    }
}

/// Which way it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Up.
    Rising,
    /// Down.
    Falling,
}

impl Direction {
    /// The word used in messages, in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rising => "rising",
            Self::Falling => "falling",
        }
    }
}

/// What two values mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Judgement {
    /// There is no value now.
    Missing,
    /// There is nothing to compare with.
    NoHistory,
    /// All is as usual, or too little to say.
    Clear,
    /// It is not.
    Beyond(Direction),
}

/// How many of the four weeks must be known.
const LEAST_WEEKS: u32 = 2;
/// At so many times a window is looked at for points that are wanting.
const PARTS: u32 = 20;
/// The least time between points that may be too long.
const LEAST_REACH: Duration = Duration::from_secs(30);
/// So long a hub is waited for that listened and does not any more, and did not say that it ends.
const EXPECTED: Duration = Duration::from_hours(1);
/// The series that shows which hubs listen.
pub const LISTENING: &str = "tripline_statsd_listening";
/// The label that says which hub brought a series.
pub const HUB: &str = "hub";
const WEEK: Duration = Duration::from_hours(7 * 24);
const HOUR: Duration = Duration::from_hours(1);

impl Change {
    /// The value in a window that ended `ago`, if the window is whole.
    fn value(&self, window: Duration, ago: Option<Duration>) -> String {
        let (metric, range) = (&self.metric, span(window));
        let offset = ago.map(|ago| format!(" offset {}", span(ago))).unwrap_or_default();
        let by = self.grouping();
        let minutes = window.as_secs_f64() / 60.0;
        let value = match self.reading {
            Reading::Counter => format!("sum{by}(rate({metric}[{range}]{offset})) * 60"),
            Reading::Counts => {
                format!("sum{by}(sum_over_time({metric}[{range}]{offset})) / {minutes}")
            }
            Reading::Gauge => {
                return format!("avg{by}(avg_over_time({metric}[{range}]{offset}))");
            }
        };
        let (reach, step, hour) = (span(reach(window)), span(window / PARTS), span(EXPECTED));
        let found = format!("group{by}(present_over_time({metric}[{reach}]))");
        let (groups, hubs) = (self.by.join(", "), self.hubs());
        let lost = format!(
            "last_over_time({LISTENING}[{hour}]) == 1 \
             unless on ({HUB}) last_over_time({LISTENING}[{reach}])"
        );
        format!(
            "{value}\n  and count_over_time(({found})[{range}:{step}]{offset}) >= {PARTS}\n  \
             unless on ({groups}) (\n    \
             group by ({hubs}) (present_over_time({metric}[{hour}]{offset}))\n    \
             and on ({HUB}) count_over_time(({lost})[{range}:{step}]{offset})\n  )"
        )
    }

    /// The distance of the times at which its window is looked at for points that are wanting.
    pub fn own_step(&self) -> Duration {
        (self.window / PARTS).max(Duration::from_millis(1))
    }

    /// The labels by which it is looked at, and the hub.
    fn hubs(&self) -> String {
        let own = self.by.iter().map(String::as_str).filter(|it| *it != HUB);
        own.chain([HUB]).collect::<Vec<_>>().join(", ")
    }

    /// ` by (region) `, or nothing.
    fn grouping(&self) -> String {
        if self.by.is_empty() { String::new() } else { format!(" by ({}) ", self.by.join(", ")) }
    }

    /// The expression of the present value.
    pub fn now(&self) -> String {
        self.value(self.window, None)
    }

    /// The expression of the value that is usual.
    pub fn usual(&self) -> String {
        match self.baseline {
            Baseline::PreviousWindow => self.value(self.window, Some(self.window)),
            Baseline::Yesterday => self.value(self.window, Some(Duration::from_hours(24))),
            Baseline::LastWeek => self.value(self.window, Some(WEEK)),
            Baseline::FourWeeks => self.median(),
        }
    }

    /// The median of the hours around this time in four weeks, where at least two are known.
    fn median(&self) -> String {
        let by = self.grouping();
        let week = |number: u32| {
            // The hour around that time, and not the one that ended then.
            let hour = self.value(HOUR, Some((WEEK * number).saturating_sub(HOUR / 2)));
            format!("label_replace({hour}, \"__week__\", \"{number}\", \"\", \"\")")
        };
        let weeks = (1..=4).map(week).collect::<Vec<_>>().join("\n  or ");
        format!("quantile{by}(0.5,\n  {weeks}\n)\nand count{by}(\n  {weeks}\n) >= {LEAST_WEEKS}")
    }

    /// What it amounts to, for a reader and for other systems.
    pub fn expression(&self) -> String {
        let (now, usual) = (format!("({})", self.now()), format!("({})", self.usual()));
        // One of both reaches the minimum where the greater one does: of a fall, what is usual; of a
        // rise, what is now. So neither has to be written twice.
        let enough = |value: &str| match self.minimum {
            minimum if minimum > 0.0 => format!("({value} >= {minimum})"),
            _ => value.to_owned(),
        };
        let falls = self
            .falls_by
            .map(|it| format!("{now} < {}", self.beyond(&enough(&usual), Direction::Falling, it)));
        let rises = self
            .rises_by
            .map(|it| format!("{} > {}", enough(&now), self.beyond(&usual, Direction::Rising, it)));
        falls.into_iter().chain(rises).collect::<Vec<_>>().join("\nor\n")
    }

    /// What is so much beyond `usual`, as an expression.
    fn beyond(&self, usual: &str, direction: Direction, threshold: Threshold) -> String {
        let (sign, factor) = match direction {
            Direction::Rising => ("+", 1.0),
            Direction::Falling => ("-", -1.0),
        };
        // Only a level is ever below zero, and not where what is usual has to reach a minimum.
        let reaches_minimum = direction == Direction::Falling && self.minimum > 0.0;
        match threshold {
            Threshold::Amount(amount) => format!("{usual} {sign} {amount}"),
            Threshold::Share(share) if self.reading == Reading::Gauge && !reaches_minimum => {
                format!("{usual} {sign} {share} * abs({usual})")
            }
            Threshold::Share(share) => format!("{usual} * {}", rounded(1.0 + factor * share)),
        }
    }

    /// What it looks at, in words.
    pub fn in_words(&self) -> String {
        let amount = |threshold: Threshold| match threshold {
            Threshold::Share(share) => format!("{}%", rounded(share * 100.0)),
            Threshold::Amount(amount) => format!("{amount}{}", self.unit()),
        };
        let falls = self.falls_by.map(|it| format!("falls by more than {}", amount(it)));
        let rises = self.rises_by.map(|it| format!("rises by more than {}", amount(it)));
        let moves = falls.into_iter().chain(rises).collect::<Vec<_>>().join(" or ");
        let by = match self.by.as_slice() {
            [] => String::new(),
            labels => format!(", by {}", labels.join(", ")),
        };
        let known = Baseline::ALL.iter().find(|(_, baseline)| *baseline == self.baseline);
        let baseline = known.map_or("", |(words, _)| words);
        let least = match self.minimum {
            minimum if minimum > 0.0 => format!(", from {minimum}{} on", self.unit()),
            _ => String::new(),
        };
        let (metric, window) = (&self.metric, span(self.window));
        format!("{metric} over {window}{by} {moves} against the {baseline}{least}")
    }

    /// What `now` and `usual` mean where the same was found `before`.
    pub fn judge(
        &self,
        now: Option<f64>,
        usual: Option<f64>,
        before: Option<Direction>,
    ) -> Judgement {
        let usual = usual.filter(|it| !it.is_nan());
        let Some(now) = now.filter(|it| !it.is_nan()) else {
            let is_little = usual.is_some_and(|usual| self.is_little(usual));
            let is_nothing = is_little && self.rises_by.is_none() && before.is_none();
            return if is_nothing { Judgement::Clear } else { Judgement::Missing };
        };
        let Some(usual) = usual else { return Judgement::NoHistory };
        if self.is_little(now.max(usual)) {
            return Judgement::Clear;
        }
        let beyond = |direction: Direction, threshold: Option<Threshold>| {
            let part = if before == Some(direction) { self.hysteresis } else { 1.0 };
            let bound = threshold?.of(usual) * part;
            let change = match direction {
                Direction::Rising => now - usual,
                Direction::Falling => usual - now,
            };
            (change > bound).then_some(Judgement::Beyond(direction))
        };
        beyond(Direction::Falling, self.falls_by)
            .or_else(|| beyond(Direction::Rising, self.rises_by))
            .unwrap_or(Judgement::Clear)
    }

    /// Whether nothing is said of `value`. Without a minimum, there is nothing too little, below zero neither.
    pub fn is_little(&self, value: f64) -> bool {
        self.minimum > 0.0 && value < self.minimum
    }

    /// What stands after a value: a rate is per minute.
    pub fn unit(&self) -> &'static str {
        match self.reading {
            Reading::Counter | Reading::Counts => "/min",
            Reading::Gauge => "",
        }
    }
}

/// Up to which time without a point a window is whole.
fn reach(window: Duration) -> Duration {
    (window / 4).max(LEAST_REACH.min(window))
}

/// Without the noise of binary fractions: 0.7, not 0.7000000000000001.
fn rounded(factor: f64) -> f64 {
    (factor * 1e9).round() / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(rises: Option<Threshold>, falls: Option<Threshold>) -> Change {
        Change {
            metric: "logins".into(),
            reading: Reading::Counter,
            by: Vec::new(),
            window: Duration::from_mins(5),
            baseline: Baseline::LastWeek,
            rises_by: rises,
            falls_by: falls,
            minimum: 10.0,
            hysteresis: 0.5,
        }
    }

    #[test]
    fn what_two_values_mean() {
        let half = change(Some(Threshold::Share(1.0)), Some(Threshold::Share(0.5)));
        let judge = |now, usual| half.judge(now, usual, None);
        let (falling, rising) = (Direction::Falling, Direction::Rising);
        assert_eq!(judge(None, Some(100.0)), Judgement::Missing);
        assert_eq!(judge(Some(f64::NAN), Some(100.0)), Judgement::Missing);
        assert_eq!(judge(Some(100.0), None), Judgement::NoHistory);
        assert_eq!(judge(Some(50.0), Some(100.0)), Judgement::Clear);
        assert_eq!(judge(Some(49.0), Some(100.0)), Judgement::Beyond(falling));
        assert_eq!(judge(Some(200.0), Some(100.0)), Judgement::Clear);
        assert_eq!(judge(Some(201.0), Some(100.0)), Judgement::Beyond(rising));
        // Of so little nothing is said; from nothing to much is.
        assert_eq!(judge(Some(0.0), Some(9.9)), Judgement::Clear);
        assert_eq!(judge(Some(11.0), Some(0.0)), Judgement::Beyond(rising));
        // Whatever it is now, it cannot have fallen from so little; it may have risen, though.
        assert_eq!(judge(None, Some(9.9)), Judgement::Missing);
        let fall = change(None, Some(Threshold::Share(0.5)));
        assert_eq!(fall.judge(None, Some(9.9), None), Judgement::Clear);
        assert_eq!(fall.judge(None, Some(10.0), None), Judgement::Missing);
        assert_eq!(fall.judge(None, Some(9.9), Some(falling)), Judgement::Missing);
        let amount = change(None, Some(Threshold::Amount(30.0)));
        assert_eq!(amount.judge(Some(69.0), Some(100.0), None), Judgement::Beyond(falling));
        assert_eq!(amount.judge(Some(500.0), Some(100.0), None), Judgement::Clear);
        // Without a minimum, a level below zero is no less looked at.
        let level = Change { minimum: 0.0, ..half };
        assert_eq!(level.judge(Some(-200.0), Some(-20.0), None), Judgement::Beyond(falling));
        assert_eq!(level.judge(None, Some(-20.0), None), Judgement::Missing);
    }

    #[test]
    fn a_breach_ends_only_well_within_the_threshold() {
        let half = change(None, Some(Threshold::Share(0.5)));
        let judge = |now, before| half.judge(Some(now), Some(100.0), before);
        let falling = Some(Direction::Falling);
        assert_eq!(judge(60.0, None), Judgement::Clear);
        assert_eq!(judge(60.0, falling), Judgement::Beyond(Direction::Falling));
        assert_eq!(judge(75.0, falling), Judgement::Clear);
    }

    #[test]
    fn it_says_in_words_what_it_looks_at() {
        let mut logins = change(None, Some(Threshold::Share(0.3)));
        let words =
            "logins over 5m falls by more than 30% against the same time last week, from 10/min on";
        assert_eq!(logins.in_words(), words);
        logins.reading = Reading::Gauge;
        logins.rises_by = Some(Threshold::Amount(2.5));
        logins.baseline = Baseline::FourWeeks;
        logins.by = vec!["region".into(), "host".into()];
        logins.minimum = 0.0;
        let words = "logins over 5m, by region, host falls by more than 30% or rises by more than 2.5 \
                     against the median of the last four weeks at this hour";
        assert_eq!(logins.in_words(), words);
    }

    #[test]
    fn it_prints_the_expression_it_stands_for() {
        let mut logins = change(Some(Threshold::Amount(40.0)), Some(Threshold::Share(0.3)));
        insta::assert_snapshot!(logins.expression());
        logins.by = vec!["region".into()];
        logins.baseline = Baseline::FourWeeks;
        insta::assert_snapshot!(logins.usual());
        let gauge = Change { reading: Reading::Gauge, ..logins.clone() };
        assert_eq!(gauge.now(), "avg by (region) (avg_over_time(logins[5m]))");
        let counts = Change { reading: Reading::Counts, ..logins };
        insta::assert_snapshot!(counts.now());
    }
}
