//! Which series a metric is of: its name and tags as labels.
//!
//! Pure. Names and tags are kept as they were sent, dots and all, since names in PromQL may be any
//! text in quotes; only spaces become `_`, as with statsd's own daemon. Tags may also stand in the
//! name as Graphite writes them (`name;key=value`).

use std::borrow::Cow;

use super::parse::{Kind, Metric, Refusal};
use crate::query::{Labels, METRIC_NAME, OWN};

/// The most tags of one metric.
const MOST_TAGS: usize = 64;
/// The longest name of a tag, and the longest value, in bytes.
const LONGEST_TAG: usize = 500;
/// The value of a tag that has none: a label without a value would be no label.
const BARE: &str = "true";

/// The name and the labels of the series that `metric` is of; `fixed` are the labels that all
/// series have, whatever is sent.
pub(super) fn identity(
    metric: &Metric<'_>,
    fixed: &[(String, String)],
) -> Result<Identity, Refusal> {
    let mut parts = metric.name.split(';');
    let name = parts.next().unwrap_or_default().trim_ascii();
    if name.is_empty() {
        return Err(Refusal::Name);
    }
    if name.starts_with(OWN) {
        return Err(Refusal::Reserved);
    }
    let mut tags = Vec::new();
    for tag in parts {
        push(tag.split_once('=').unwrap_or((tag, BARE)), metric.kind, &mut tags)?;
    }
    for tag in metric.tags.split(',') {
        push(tag.split_once(':').unwrap_or((tag, BARE)), metric.kind, &mut tags)?;
    }
    if tags.len() > MOST_TAGS {
        return Err(Refusal::Tags);
    }
    tags.extend(fixed.iter().map(|(key, value)| (Cow::from(key.as_str()), value.as_str())));
    let tags = tags.into_iter().map(|(key, value)| (key.into_owned(), value.to_owned())).collect();
    Ok(Identity { name: spaceless(name).into_owned(), tags })
}

/// A name with its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    name: String,
    /// Where a name comes twice, the last holds.
    tags: Vec<(String, String)>,
}

impl Identity {
    /// The labels of the series that is called so with `suffix`, and has `more` besides.
    pub(super) fn labels(&self, suffix: &str, more: &[(&str, &str)]) -> Labels {
        let name = format!("{}{suffix}", self.name);
        let tags = self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        tags.chain(more.iter().copied()).chain([(METRIC_NAME, name.as_str())]).collect()
    }
}

fn push<'m>(
    (key, value): (&'m str, &'m str),
    kind: Kind,
    tags: &mut Vec<(Cow<'m, str>, &'m str)>,
) -> Result<(), Refusal> {
    let (key, value) = (key.trim_ascii(), value.trim_ascii());
    // Two commas, or one at the end; many a client writes these.
    if key.is_empty() && (value.is_empty() || value == BARE) {
        return Ok(());
    }
    let is_control = |text: &str| text.bytes().any(|byte| byte < b' ' || byte == 0x7f);
    let is_ours = key.starts_with("__") || kind == Kind::Timer && key == "le";
    let is_long = key.len() > LONGEST_TAG || value.len() > LONGEST_TAG;
    if key.is_empty() || is_ours || is_long || is_control(key) || is_control(value) {
        return Err(Refusal::Tags);
    }
    tags.push((spaceless(key), value));
    Ok(())
}

/// `text` with `_` for each run of spaces.
fn spaceless(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_whitespace) {
        return text.into();
    }
    text.split_whitespace().collect::<Vec<_>>().join("_").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statsd::parse::{Item, read};

    fn labels(line: &str) -> Result<String, Refusal> {
        let fixed = [("instance".to_owned(), "a".to_owned())];
        let mut found = Err(Refusal::Value);
        read(line.as_bytes(), |item| {
            let Ok(Item::Metric(metric)) = item else { panic!("{line}: {item:?}") };
            found = identity(&metric, &fixed).map(|it| it.labels("", &[]).to_string());
        });
        found
    }

    #[test]
    fn names_and_tags_stay_as_they_were_sent() {
        for (line, expected) in [
            ("shop.logins:1|c", r#"{__name__="shop.logins", instance="a"}"#),
            ("my  login\ttime:1|c", r#"{__name__="my_login_time", instance="a"}"#),
            (
                "a:1|c|#env:prod,urgent,,url:http://x,",
                r#"{__name__="a", env="prod", instance="a", urgent="true", url="http://x"}"#,
            ),
            ("a;region=eu;b:1|c", r#"{__name__="a", b="true", instance="a", region="eu"}"#),
            // Nobody who sends takes the place of another who receives.
            ("a:1|c|#instance:b,x:1,x:2", r#"{__name__="a", instance="a", x="2"}"#),
            ("größe:1|g|#straße:süd", r#"{__name__="größe", instance="a", straße="süd"}"#),
        ] {
            assert_eq!(labels(line).as_deref(), Ok(expected), "{line}");
        }
        for line in ["a:1|c|#__name__:b", "a:1|c|#:x", "a:1|ms|#le:1", "a:1|c|#b:\u{1}"] {
            assert_eq!(labels(line), Err(Refusal::Tags), "{line}");
        }
        assert!(labels("a:1|c|#le:1").is_ok());
        assert_eq!(labels(";a=b:1|c"), Err(Refusal::Name));
        for line in ["tripline_statsd_lines_total:1|c", " tripline_check_up;check=a:1|g"] {
            assert_eq!(labels(line), Err(Refusal::Reserved), "{line}");
        }
        assert!(labels("tripline.runs:1|c").is_ok() && labels("my_tripline_x:1|c").is_ok());
    }
}
