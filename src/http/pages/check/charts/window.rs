//! How far back the charts of a check look.

use chrono::TimeDelta;
use maud::{Markup, html};

use crate::domain::Timestamp;
use crate::domain::check::Check;

/// A length of time that can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http::pages::check) enum Window {
    Quarter,
    Hour,
    SixHours,
    Day,
    Week,
}

const ALL: [Window; 5] =
    [Window::Quarter, Window::Hour, Window::SixHours, Window::Day, Window::Week];

/// Where nothing else is asked for, a region has about so many marks at most.
const MARKS: u32 = 360;

impl Window {
    /// Reads it from a URL.
    pub(in crate::http::pages::check) fn read(text: &str) -> Result<Self, String> {
        let found = ALL.into_iter().find(|window| window.slug() == text);
        found.ok_or_else(|| "a window is `15m`, `1h`, `6h`, `24h` or `7d`".to_owned())
    }

    /// The longest one whose slots can be seen one by one.
    pub(in crate::http::pages::check) fn usual(check: &Check, now: Timestamp) -> Self {
        let every = check.schedule.interval(now);
        let fits = |window: &Self| {
            window.length().to_std().is_ok_and(|length| length <= every.saturating_mul(MARKS))
        };
        ALL.into_iter().rev().find(fits).unwrap_or(Self::Quarter)
    }

    /// How long it is.
    pub(super) fn length(self) -> TimeDelta {
        match self {
            Self::Quarter => TimeDelta::minutes(15),
            Self::Hour => TimeDelta::hours(1),
            Self::SixHours => TimeDelta::hours(6),
            Self::Day => TimeDelta::hours(24),
            Self::Week => TimeDelta::days(7),
        }
    }

    /// The word in a URL.
    pub(in crate::http::pages::check) fn slug(self) -> &'static str {
        match self {
            Self::Quarter => "15m",
            Self::Hour => "1h",
            Self::SixHours => "6h",
            Self::Day => "24h",
            Self::Week => "7d",
        }
    }

    /// After "the last".
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Quarter => "15 minutes",
            Self::Hour => "hour",
            Self::SixHours => "6 hours",
            Self::Day => "24 hours",
            Self::Week => "7 days",
        }
    }

    /// Links to the same page with each window.
    pub(super) fn choice(self, url: impl Fn(Self) -> String) -> Markup {
        html! {
            ul.numbers {
                @for window in ALL {
                    li {
                        a href=(url(window)) aria-current=[(window == self).then_some("true")] {
                            (window.slug())
                        }
                    }
                }
            }
        }
    }
}
