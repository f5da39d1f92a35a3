//! Reads numbers in paths, and the parameters of a query, strictly: an unknown, repeated or wrong one is
//! refused by name, since a filter that is silently ignored answers a question that nobody asked.

use std::str::FromStr;
use std::time::Duration;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;

use super::problem::{Problem, shortened};
use crate::config::duration;
use crate::domain::Timestamp;
use crate::domain::id::{CheckId, IncidentId, Region};
use crate::domain::run::Outcome;

/// The most items that one answer lists.
pub(super) const LARGEST_LIMIT: u32 = 500;

/// How many items an answer lists when the caller does not say.
pub(super) const USUAL_LIMIT: u32 = 100;

/// The number of `what`, as it stands in a path.
pub(super) fn number(what: &str, id: Result<Path<String>, PathRejection>) -> Result<i64, Problem> {
    let id = id.map(|Path(id)| id).unwrap_or_default();
    id.parse().map_err(|_| {
        let quoted = shortened(&id);
        Problem::parameter("id", format!("the id of {what} is a number, not `{quoted}`"))
    })
}

/// The parameters of one query.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Splits `query`; `known` are the parameters that the route has.
    pub(super) fn parse(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut found: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&name.as_ref()) {
                return Err(unknown(&name, known));
            }
            if found.iter().any(|(earlier, _)| *earlier == name) {
                let detail = format!("the parameter `{name}` stands there twice");
                return Err(Problem::parameter(&name, detail));
            }
            found.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(found))
    }

    pub(super) fn check(&self) -> Result<Option<CheckId>, Problem> {
        self.read("check", |text| CheckId::new(text).map_err(|error| error.to_string()))
    }

    pub(super) fn after(&self) -> Result<Option<CheckId>, Problem> {
        self.read("after", |text| CheckId::new(text).map_err(|error| error.to_string()))
    }

    pub(super) fn region(&self) -> Result<Option<Region>, Problem> {
        self.read("region", |text| Region::new(text).map_err(|error| error.to_string()))
    }

    pub(super) fn outcome(&self) -> Result<Option<Outcome>, Problem> {
        self.read("outcome", |text| {
            let outcomes = [Outcome::Passed, Outcome::Failed, Outcome::Unknown];
            let found = outcomes.into_iter().find(|outcome| outcome.as_str() == text);
            found.ok_or_else(|| "an outcome is `passed`, `failed` or `unknown`".to_owned())
        })
    }

    pub(super) fn before(&self) -> Result<Option<Timestamp>, Problem> {
        self.read("before", |text| {
            let time = chrono::DateTime::parse_from_rfc3339(text);
            time.map(|time| time.to_utc()).map_err(|_| {
                "a moment is written like `2026-11-21T04:12:31Z` (in a URL, `+` is `%2B`)"
                    .to_owned()
            })
        })
    }

    pub(super) fn before_incident(&self) -> Result<Option<IncidentId>, Problem> {
        self.read("before", |text| {
            let number = text.parse().map(IncidentId);
            number.map_err(|_| "an incident has a number, such as `214`".to_owned())
        })
    }

    pub(super) fn since(&self) -> Result<Option<Duration>, Problem> {
        self.read("since", |text| duration::parse(text).map_err(|error| error.to_string()))
    }

    pub(super) fn limit(&self) -> Result<u32, Problem> {
        let limit = self.read("limit", |text| {
            let limit = u32::from_str(text).ok().filter(|n| (1..=LARGEST_LIMIT).contains(n));
            limit.ok_or_else(|| format!("a limit is a number from 1 to {LARGEST_LIMIT}"))
        })?;
        Ok(limit.unwrap_or(USUAL_LIMIT))
    }

    /// Which page is asked for: what comes after which check, and at most how many; `None` where neither
    /// is said.
    pub(super) fn page(&self) -> Result<Option<(Option<CheckId>, u32)>, Problem> {
        let is_asked = self.0.iter().any(|(name, _)| matches!(name.as_str(), "after" | "limit"));
        Ok(if is_asked { Some((self.after()?, self.limit()?)) } else { None })
    }

    pub(super) fn open_only(&self) -> Result<bool, Problem> {
        let flag = self.read("open_only", |text| {
            bool::from_str(text).map_err(|_| "it is `true` or `false`".to_owned())
        })?;
        Ok(flag.unwrap_or(false))
    }

    /// A text; none where it is empty, as forms send it.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(own, value)| own == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// What `parse` makes of a parameter; none where it is empty.
    pub(super) fn read_unless_empty<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Problem> {
        if self.text(name).is_none() { Ok(None) } else { self.read(name, parse) }
    }

    fn read<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Problem> {
        let found = self.0.iter().find(|(own, _)| own == name);
        let Some((_, text)) = found else { return Ok(None) };
        parse(text).map(Some).map_err(|reason| {
            let quoted = shortened(text);
            Problem::parameter(
                name,
                format!("the parameter `{name}` is wrong (`{quoted}`): {reason}"),
            )
        })
    }
}

fn unknown(name: &str, known: &[&str]) -> Problem {
    let name = shortened(name);
    let near = known.iter().max_by(|a, b| {
        let likeness = |other: &str| strsim::jaro_winkler(&name, other);
        likeness(a).total_cmp(&likeness(b))
    });
    let hint = match near.filter(|near| strsim::jaro_winkler(&name, near) > 0.75) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "this route has none".to_owned(),
        None => format!("there are {}", known.join(", ")),
    };
    Problem::parameter(&name, format!("there is no parameter `{name}`; {hint}"))
}
