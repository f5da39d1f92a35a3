//! Which series there are, and what there is to say of them.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::Api;
use super::super::spans;
use super::super::vitals::{ALL, About};
use super::asked::{Asked, EARLIEST, LATEST};
use super::reply::{Fault, Named, Reply};
use crate::engine::measuring;
use crate::query::{Labels, Measure};
use crate::statsd;

/// The most series that are looked through for one answer.
const MOST_SERIES: usize = 200_000;

/// The version of Prometheus whose API and language are spoken here. Clients choose by it what
/// they may ask.
const SPOKEN: &str = "3.5.0";

/// Series
///
/// As in Prometheus; the parameters can be sent as a form by POST as well.
#[utoipa::path(get, path = "/api/v1/series", tag = "metrics", operation_id = "list_series", params(
    ("match[]" = Vec<String>, Query, description = "Selectors; a series satisfies one of them.",
        example = json!(["up"])),
    ("start" = Option<String>, Query, description = "Only with points from then on."),
    ("end" = Option<String>, Query, description = "Only with points until then."),
    ("limit" = Option<usize>, Query, description = "At most this many."),
), responses(
    (status = 200, description = "The labels of each.",
        body = Reply<Vec<BTreeMap<String, String>>>),
    (status = 400, description = "The question makes no sense.", body = Fault),
    (status = 500, description = "The store failed.", body = Fault),
))]
pub(in crate::http) async fn series(
    State(api): State<Api>,
    asked: Asked,
) -> Result<Reply<Vec<Named>>, Fault> {
    if asked.values("match[]").is_empty() {
        return Err(Fault::bad("no match[] parameter provided"));
    }
    let (found, truncated) = found(&api, &asked, asked.limit()?.unwrap_or(MOST_SERIES)).await?;
    Ok(Reply::of(found.into_iter().map(Named).collect()).truncated(truncated))
}

/// Names of labels
///
/// As in Prometheus; the parameters can be sent as a form by POST as well.
#[utoipa::path(get, path = "/api/v1/labels", tag = "metrics", operation_id = "list_labels", params(
    ("match[]" = Option<Vec<String>>, Query, description = "Only of series that satisfy one."),
    ("start" = Option<String>, Query, description = "Only of series with points from then on."),
    ("end" = Option<String>, Query, description = "Only of series with points until then."),
    ("limit" = Option<usize>, Query, description = "At most this many."),
), responses(
    (status = 200, description = "The names, sorted.", body = Reply<Vec<String>>),
    (status = 400, description = "The question makes no sense.", body = Fault),
    (status = 500, description = "The store failed.", body = Fault),
))]
pub(in crate::http) async fn labels(
    State(api): State<Api>,
    asked: Asked,
) -> Result<Reply<Vec<String>>, Fault> {
    let (found, truncated) = found(&api, &asked, MOST_SERIES).await?;
    let names = found.iter().flat_map(Labels::iter).map(|label| &*label.name);
    Ok(sorted(names.collect(), asked.limit()?, truncated))
}

/// Values of a label
///
/// As in Prometheus; `U__` names are unescaped.
#[utoipa::path(get, path = "/api/v1/label/{name}/values", tag = "metrics",
    operation_id = "list_label_values", params(
    ("name" = String, Path, description = "The name of the label.", example = "__name__"),
    ("match[]" = Option<Vec<String>>, Query, description = "Only of series that satisfy one."),
    ("start" = Option<String>, Query, description = "Only of series with points from then on."),
    ("end" = Option<String>, Query, description = "Only of series with points until then."),
    ("limit" = Option<usize>, Query, description = "At most this many."),
), responses(
    (status = 200, description = "The values, sorted.", body = Reply<Vec<String>>),
    (status = 400, description = "The question makes no sense.", body = Fault),
    (status = 500, description = "The store failed.", body = Fault),
))]
pub(in crate::http) async fn label_values(
    State(api): State<Api>,
    Path(name): Path<String>,
    asked: Asked,
) -> Result<Reply<Vec<String>>, Fault> {
    let name = unescaped(&name).unwrap_or(name);
    if name.is_empty() {
        return Err(Fault::bad("invalid label name: \"\""));
    }
    let (found, truncated) = found(&api, &asked, MOST_SERIES).await?;
    let values = found.iter().map(|labels| labels.value(&name)).filter(|value| !value.is_empty());
    Ok(sorted(values.collect(), asked.limit()?, truncated))
}

/// What is known of a metric.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(in crate::http) struct Described {
    /// `counter`, `gauge` or `histogram`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// What it measures.
    help: &'static str,
    /// In what, where that is said.
    unit: &'static str,
}

/// All metrics that Tripline itself makes, by their names: those of the hub, of runs and of what comes
/// by statsd.
fn described() -> BTreeMap<String, Described> {
    let others = measuring::ABOUT.iter().chain(&statsd::ABOUT);
    let others = others.map(|(name, measure, help)| {
        let unit = if name.ends_with("_seconds") { "seconds" } else { "" };
        ((*name).to_owned(), Described { kind: measure.as_str(), help, unit })
    });
    let spans = Described { kind: "histogram", help: spans::HELP, unit: "seconds" };
    let spans = [(spans::NAME.to_owned(), spans)];
    let own = ALL.iter().map(|about| (about.name(), Described::from(*about)));
    own.chain(spans).chain(others).collect()
}

impl From<Measure> for Described {
    fn from(measure: Measure) -> Self {
        Self { kind: measure.as_str(), help: "", unit: "" }
    }
}

impl From<&About> for Described {
    fn from(about: &About) -> Self {
        Self {
            kind: about.kind.measure().as_str(),
            help: about.help,
            unit: about.unit.unwrap_or_default(),
        }
    }
}

/// What metrics mean
///
/// As in Prometheus. What others send is a counter or a gauge, as was said of it when it came first, or as
/// its name looks; nobody says what it means.
#[utoipa::path(get, path = "/api/v1/metadata", tag = "metrics", operation_id = "list_metadata", params(
    ("metric" = Option<String>, Query, description = "Only of this one."),
    ("limit" = Option<usize>, Query, description = "At most this many metrics."),
), responses(
    (status = 200, description = "What is known of each metric.",
        body = Reply<BTreeMap<String, Vec<Described>>>),
    (status = 400, description = "The question makes no sense.", body = Fault),
    (status = 500, description = "The store failed.", body = Fault),
))]
pub(in crate::http) async fn metadata(
    State(api): State<Api>,
    asked: Asked,
) -> Result<Reply<BTreeMap<String, Vec<Described>>>, Fault> {
    let limit = asked.limit()?.unwrap_or(usize::MAX);
    let wanted = asked.value("metric");
    let measures = api.metrics.measures().await?;
    let others = measures.into_iter().map(|(name, measure)| (name, Described::from(measure)));
    let known = others.chain(described()).collect::<BTreeMap<_, _>>();
    let known = known.into_iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == name));
    Ok(Reply::of(known.take(limit).map(|(name, it)| (name, vec![it])).collect()))
}

/// What is running.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Build {
    /// The version of Prometheus whose API and language this is.
    version: &'static str,
    revision: &'static str,
    branch: &'static str,
    #[serde(rename = "buildUser")]
    user: &'static str,
    #[serde(rename = "buildDate")]
    date: &'static str,
    go_version: &'static str,
    /// What is really running.
    application: String,
}

/// What is running
///
/// As in Prometheus: `version` is the version of Prometheus whose API and language are spoken.
#[utoipa::path(get, path = "/api/v1/status/buildinfo", tag = "metrics",
    operation_id = "show_build", responses(
    (status = 200, description = "The versions.", body = Reply<Build>),
))]
pub(in crate::http) async fn buildinfo(State(api): State<Api>) -> Reply<Build> {
    Reply::of(Build {
        version: SPOKEN,
        revision: "",
        branch: "",
        user: "",
        date: "",
        go_version: "",
        application: format!("Tripline {}", api.version),
    })
}

/// The labels of the series that are meant, and whether there are more.
async fn found(api: &Api, asked: &Asked, limit: usize) -> Result<(Vec<Labels>, bool), Fault> {
    let matchers = asked.matchers()?;
    let after = asked.time("start")?.unwrap_or(EARLIEST).saturating_sub(1);
    let until = asked.time("end")?.unwrap_or(LATEST);
    let limit = limit.min(MOST_SERIES);
    let mut found = api.metrics.labels(&matchers, after, until, limit + 1).await?;
    let truncated = found.len() > limit;
    found.truncate(limit);
    Ok((found, truncated))
}

fn sorted(texts: BTreeSet<&str>, limit: Option<usize>, truncated: bool) -> Reply<Vec<String>> {
    let limit = limit.unwrap_or(usize::MAX);
    let truncated = truncated || texts.len() > limit;
    Reply::of(texts.into_iter().take(limit).map(str::to_owned).collect()).truncated(truncated)
}

/// A name that stands escaped in a path (`U__http_2e_status`), as Prometheus' `UnescapeName` reads
/// it; nothing where it is not escaped, or not rightly.
fn unescaped(name: &str) -> Option<String> {
    let mut rest = name.strip_prefix("U__")?;
    let mut text = String::new();
    while let Some((plain, after)) = rest.split_once('_') {
        text.push_str(plain);
        if let Some(after) = after.strip_prefix('_') {
            text.push('_');
            rest = after;
            continue;
        }
        let (digits, after) = after.split_once('_')?;
        text.push(u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)?);
        rest = after;
    }
    text.push_str(rest);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names_are_read() {
        let read = |name| unescaped(name);
        assert_eq!(read("U__http_2e_status__code").as_deref(), Some("http.status_code"));
        assert_eq!(read("U__").as_deref(), Some(""));
        for name in ["region", "U__a_zz_", "U__a_2e", "U__a_110000_"] {
            assert_eq!(read(name), None, "{name}");
        }
    }
}
