//! Which checks the overview lists, as its URL says.

use std::collections::BTreeSet;
use std::sync::Arc;

use maud::{Markup, html};
use url::form_urlencoded::Serializer;

use super::{PER_PAGE, Row};
use crate::domain::check::Check;
use crate::domain::id::Region;
use crate::http::dto::CheckStatus;
use crate::http::pages::{controls, marks};
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;

/// The page itself, with all checks.
pub(super) const PATH: &str = "/";

/// So many labels can be chosen from; text finds the others.
const LABELS: usize = 200;

const STATES: [CheckStatus; 4] =
    [CheckStatus::Down, CheckStatus::Unknown, CheckStatus::Up, CheckStatus::NeverRun];

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    /// Words that stand in id, name or labels, in small letters.
    text: String,
    /// A label as `name=value`.
    label: String,
    region: Option<Region>,
    /// Only those in this state.
    pub(super) status: Option<CheckStatus>,
    /// Counted from 1.
    page: usize,
}

impl Filter {
    /// Reads a query. An empty parameter is none: forms send all of their fields.
    pub(super) fn read(query: Option<&str>) -> Result<Self, Problem> {
        let parameters = Parameters::parse(query, &["q", "label", "region", "state", "page"])?;
        let status = parameters.read_unless_empty("state", |text| {
            let found = STATES.into_iter().find(|status| marks::slug(*status) == text);
            found.ok_or_else(|| "a state is `down`, `unknown`, `up` or `never_run`".to_owned())
        })?;
        let region = parameters.read_unless_empty("region", |text| {
            Region::new(text).map_err(|error| error.to_string())
        })?;
        let page = parameters.read_unless_empty("page", |text| {
            let page = text.parse().ok().filter(|page| *page > 0);
            page.ok_or_else(|| "a page is a number from 1 on".to_owned())
        })?;
        let text = |name| parameters.text(name).unwrap_or_default();
        Ok(Self {
            text: text("q").trim().to_lowercase(),
            label: text("label").to_owned(),
            region,
            status,
            page: page.unwrap_or(1),
        })
    }

    /// Whether `row` is asked for where its state is to be `status`.
    pub(super) fn admits(&self, row: &Row<'_>, status: Option<CheckStatus>) -> bool {
        let labels = || row.check.labels.iter().map(written);
        status.is_none_or(|status| row.status == status)
            && self.region.as_ref().is_none_or(|region| row.check.regions.contains(region))
            && (self.label.is_empty() || labels().any(|label| label == self.label))
            && self.text.split_whitespace().all(|word| {
                let has = |text: &str| text.to_lowercase().contains(word);
                has(row.check.id.as_str()) || has(&row.check.name) || labels().any(|it| has(&it))
            })
    }

    /// The part of `rows` that the page shows.
    pub(super) fn page_of<'a, 'r>(&self, rows: &'a [&'r Row<'r>]) -> &'a [&'r Row<'r>] {
        let first = (self.page - 1).saturating_mul(PER_PAGE).min(rows.len());
        &rows[first..rows.len().min(first + PER_PAGE)]
    }

    /// The form that shows it and changes it.
    pub(super) fn form(&self, checks: &[Arc<Check>]) -> Markup {
        let labels: BTreeSet<String> =
            checks.iter().flat_map(|check| check.labels.iter().map(written)).collect();
        let regions: BTreeSet<&Region> = checks.iter().flat_map(|check| &check.regions).collect();
        let same = |text: String| (text.clone(), text);
        let labels: Vec<_> = labels.into_iter().take(LABELS).map(same).collect();
        let regions: Vec<_> = regions.iter().map(|region| same(region.to_string())).collect();
        let states =
            STATES.map(|it| (marks::slug(it).to_owned(), marks::of_status(it).1.to_owned()));
        let region = self.region.as_ref().map_or("", Region::as_str);
        let fields = html! {
            (controls::search("Search", "q", "name, id or label", &self.text))
            @if !labels.is_empty() {
                (controls::choice("Label", "label", "any", &labels, &self.label))
            }
            (controls::choice("Region", "region", "any", &regions, region))
            (controls::choice("State", "state", "any", &states, self.status.map_or("", marks::slug)))
        };
        controls::filter(PATH, !self.is_empty(), &fields)
    }

    /// Ways to the pages before and after, of `all` checks.
    pub(super) fn pager(&self, all: usize) -> Markup {
        let to = |page| Self { page, ..self.clone() }.url();
        let earlier = (self.page > 1).then(|| to(self.page - 1));
        let later = (self.page.saturating_mul(PER_PAGE) < all).then(|| to(self.page + 1));
        controls::pager("Pages of checks", earlier.as_deref(), later.as_deref())
    }

    /// The same page with checks in this state.
    pub(super) fn with_status(&self, status: Option<CheckStatus>) -> String {
        Self { status, page: 1, ..self.clone() }.url()
    }

    fn is_empty(&self) -> bool {
        self.text.is_empty()
            && self.label.is_empty()
            && self.region.is_none()
            && self.status.is_none()
    }

    fn url(&self) -> String {
        let page = if self.page > 1 { self.page.to_string() } else { String::new() };
        let parameters = [
            ("q", self.text.as_str()),
            ("label", &self.label),
            ("region", self.region.as_ref().map_or("", Region::as_str)),
            ("state", self.status.map_or("", marks::slug)),
            ("page", &page),
        ];
        let mut query = Serializer::new(String::new());
        query.extend_pairs(parameters.into_iter().filter(|(_, value)| !value.is_empty()));
        match query.finish() {
            query if query.is_empty() => PATH.to_owned(),
            query => format!("{PATH}?{query}"),
        }
    }
}

/// A label as people write it.
fn written((name, value): (&String, &String)) -> String {
    format!("{name}={value}")
}
