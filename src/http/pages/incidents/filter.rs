//! Which incidents a page lists, as its URL says.

use maud::{Markup, html};
use url::form_urlencoded::Serializer;

use super::{Found, PATH, PER_PAGE};
use crate::domain::id::IncidentId;
use crate::domain::subject::Subject;
use crate::http::Api;
use crate::http::pages::controls;
use crate::http::pages::posted::Done;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::store::looking::{IncidentSearch, Side};
use crate::store::{self, IncidentRecord};

/// What incidents can be about, as people say it.
const ABOUT: [(&str, &str); 7] = [
    ("check", "a check that fails"),
    ("coverage", "a check without results"),
    ("region", "a region without answers"),
    ("shortfall", "a region with too few results"),
    ("rule", "a rule that is breached"),
    ("unseen", "a rule without data"),
    ("path", "messages that do not arrive"),
];

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    text: String,
    about: Option<&'static str>,
    state: Option<Side>,
    /// The last one of the page before.
    after: Option<(Side, i64)>,
    done: Option<Done>,
}

impl Filter {
    /// Reads a query. An empty parameter is none: forms send all of their fields.
    pub(super) fn read(query: Option<&str>) -> Result<Self, Problem> {
        let parameters = Parameters::parse(query, &["q", "about", "state", "after", "done"])?;
        let state = parameters.read_unless_empty("state", |text| {
            side(text).ok_or_else(|| "a state is `open` or `resolved`".to_owned())
        })?;
        let about = parameters.read_unless_empty("about", |text| {
            let found = ABOUT.into_iter().find(|(kind, _)| *kind == text);
            found
                .map(|(kind, _)| kind)
                .ok_or_else(|| format!("an incident is about one of {}", Subject::KINDS.join(", ")))
        })?;
        let after = parameters.read_unless_empty("after", |text| {
            let parts = text
                .split_once('-')
                .and_then(|(state, number)| Some((side(state)?, number.parse().ok()?)));
            parts.ok_or_else(|| "it is written like `open-42`".to_owned())
        })?;
        let text = parameters.text("q").unwrap_or_default().trim().to_owned();
        Ok(Self { text, about, state, after, done: Done::read(&parameters)? })
    }

    /// Those of a page, and whether there are more.
    pub(super) async fn find(&self, api: &Api) -> Result<Found, store::Error> {
        let named = self.named(api);
        let search = |side, before: Option<i64>, limit: usize| IncidentSearch {
            side,
            kind: self.about,
            text: self.text.to_lowercase(),
            named: named.clone(),
            before: before.map(IncidentId),
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
        };
        let after = |side| self.after.filter(|(last, _)| *last == side).map(|(_, number)| number);
        let mut open = Vec::new();
        if self.shows_open() {
            let search = search(Side::Open, after(Side::Open), PER_PAGE + 1);
            open = api.looking.find_incidents(&search).await?;
        }
        let mut resolved = Vec::new();
        if self.shows_resolved() && open.len() <= PER_PAGE {
            let left = PER_PAGE + 1 - open.len();
            let search = search(Side::Resolved, after(Side::Resolved), left);
            resolved = api.looking.find_incidents(&search).await?;
        }
        let has_more = open.len() + resolved.len() > PER_PAGE;
        if has_more && resolved.pop().is_none() {
            open.pop();
        }
        Ok(Found { open, resolved, has_more })
    }

    /// Checks that people call by what is looked for.
    fn named(&self, api: &Api) -> Vec<Subject> {
        let text = self.text.to_lowercase();
        if text.is_empty() {
            return Vec::new();
        }
        let checks = api.checks.load();
        let called = checks.iter().filter(|check| check.name.to_lowercase().contains(&text));
        called.flat_map(|check| Subject::of_check(&check.id)).take(PER_PAGE * 2).collect()
    }

    /// Whether the open ones stand on the page.
    pub(super) fn shows_open(&self) -> bool {
        self.state != Some(Side::Resolved) && self.after.is_none_or(|(side, _)| side == Side::Open)
    }

    /// Whether those that are over do, where there is room.
    pub(super) fn shows_resolved(&self) -> bool {
        self.state != Some(Side::Open)
    }

    /// Whether everything is asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.about.is_none() && self.state.is_none() && self.after.is_none()
    }

    /// The first where nothing restricts what is listed, else the second.
    pub(super) fn without(&self, all: &'static str, some: &'static str) -> &'static str {
        if self.text.is_empty() && self.about.is_none() && self.after.is_none() {
            all
        } else {
            some
        }
    }

    /// What came of a form that led here.
    pub(super) fn word_of_what_was_done(&self) -> Markup {
        html! { @if let Some(done) = self.done { p.done role="status" { (done.sentence()) } } }
    }

    /// The form that shows it and changes it.
    pub(super) fn form(&self) -> Markup {
        let owned = |(value, text): (&str, &str)| (value.to_owned(), text.to_owned());
        let states = [("open", "open"), ("resolved", "resolved")].map(owned);
        let state = self.state.map_or("", slug);
        let fields = html! {
            (controls::search("Search", "q", "name, id or error", &self.text))
            (controls::choice("About", "about", "anything", &ABOUT.map(owned), self.about.unwrap_or_default()))
            (controls::choice("State", "state", "any", &states, state))
        };
        controls::filter(PATH, !self.is_empty(), &fields)
    }

    /// The ways to the first page and to the next one.
    pub(super) fn further(&self, found: &Found) -> Markup {
        let last = |records: &[IncidentRecord], side| records.last().map(|it| (side, it.id.0));
        let last = last(&found.resolved, Side::Resolved).or_else(|| last(&found.open, Side::Open));
        let next = last.filter(|_| found.has_more);
        html! {
            @if self.after.is_some() || next.is_some() {
                nav.pager aria-label="Pages of incidents" {
                    @if self.after.is_some() { a href=(self.url(None)) { "← Latest" } }
                    @if next.is_some() { a rel="next" href=(self.url(next)) { "Earlier →" } }
                }
            }
        }
    }

    fn url(&self, after: Option<(Side, i64)>) -> String {
        let after = after.map(|(side, number)| format!("{}-{number}", slug(side)));
        let parameters = [
            ("q", self.text.as_str()),
            ("about", self.about.unwrap_or_default()),
            ("state", self.state.map_or("", slug)),
            ("after", after.as_deref().unwrap_or_default()),
        ];
        let mut query = Serializer::new(String::new());
        query.extend_pairs(parameters.into_iter().filter(|(_, value)| !value.is_empty()));
        match query.finish() {
            query if query.is_empty() => PATH.to_owned(),
            query => format!("{PATH}?{query}"),
        }
    }
}

fn slug(side: Side) -> &'static str {
    match side {
        Side::Open => "open",
        Side::Resolved => "resolved",
    }
}

fn side(text: &str) -> Option<Side> {
    [Side::Open, Side::Resolved].into_iter().find(|side| slug(*side) == text)
}
