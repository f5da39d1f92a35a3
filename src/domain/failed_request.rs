//! The request on which a run failed, as people are told of it.
//!
//! Which one it is:
//!
//! | the failure | is of |
//! |---|---|
//! | is not the target's, or of the script itself | none |
//! | came in a step | the last request of the first step of that name that failed, steps in it included; none where it made none |
//! | came in no step | the last request of the run |
//!
//! Of several under way at once, one without an answer goes before those with one. What stands in a
//! query, behind a `#` or before an `@` is no part of it: a person may be told by a way that is read by
//! others.

use std::fmt;
use std::time::Duration;

use super::run::{Failure, Report, Request, Step, Timings, Trace};

/// One request, as far as it matters to whoever is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedRequest {
    /// The method.
    pub method: String,
    /// The URL up to its path, with secrets masked.
    pub url: String,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// Why there was none, in one line.
    pub error: Option<String>,
    /// How long it took, as far as it came.
    pub took: Duration,
}

/// The longest reason that is kept, in characters.
const LONGEST_ERROR: usize = 200;

impl FailedRequest {
    /// The one on which a run failed, if it failed on one.
    pub fn of(report: &Report) -> Option<Self> {
        let failure = report.failure.as_ref().filter(|it| it.kind.may_be_on_the_way())?;
        let request = culprit(failure, &report.trace)?;
        let reason = |error: &String| error.lines().next().unwrap_or_default().to_owned();
        Some(Self {
            method: request.method.clone(),
            url: place(&request.url),
            status: request.status,
            error: request.error.as_ref().map(reason).map(|it| shortened(&it)),
            took: request.timings.total(),
        })
    }

    /// What came of it: `503 in 412 ms`, or why there was no answer.
    pub fn outcome(&self) -> String {
        match (self.status, &self.error) {
            (Some(status), _) => format!("{status} in {}", Spoken(self.took)),
            (None, Some(error)) => error.clone(),
            (None, None) => "no answer".to_owned(),
        }
    }
}

/// `POST https://shop.example/login → 503 in 412 ms`
impl fmt::Display for FailedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} → {}", self.method, self.url, self.outcome())
    }
}

fn culprit<'a>(failure: &Failure, trace: &'a Trace) -> Option<&'a Request> {
    let Some(name) = &failure.step else { return last(trace.requests.iter()) };
    let is_it = |step: &Step| step.name == *name;
    let failed = |step: &Step| is_it(step) && (step.error.is_some() || step.duration.is_none());
    let steps = &trace.steps;
    let step = steps.iter().position(failed).or_else(|| steps.iter().rposition(is_it))?;
    last(trace.requests.iter().filter(|request| is_within(request.step, step, steps)))
}

/// The last of `requests`, those without an answer before those with one.
fn last<'a>(requests: impl Iterator<Item = &'a Request>) -> Option<&'a Request> {
    requests.enumerate().max_by_key(|(at, it)| (it.status.is_none(), *at)).map(|(_, it)| it)
}

/// Whether a step is `outer` or in it. A step is in one that began before it.
fn is_within(step: Option<u32>, outer: usize, steps: &[Step]) -> bool {
    let mut at = step.and_then(|step| usize::try_from(step).ok());
    while let Some(step) = at {
        if step == outer {
            return true;
        }
        let parent = steps.get(step).and_then(|it| it.parent);
        at = parent.and_then(|it| usize::try_from(it).ok()).filter(|parent| *parent < step);
    }
    false
}

/// A URL up to its path, without who asks.
fn place(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = bare.split_once("://") else { return bare.to_owned() };
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_ERROR) {
        Some(_) => text.chars().take(LONGEST_ERROR - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

impl Timings {
    /// All phases together.
    pub fn total(&self) -> Duration {
        let Self { dns, connect, tls, wait, download } = *self;
        let phases = [dns, connect, tls, wait, download].into_iter().flatten();
        phases.fold(Duration::ZERO, Duration::saturating_add)
    }
}

/// `412 ms`, `2.4 s`
struct Spoken(Duration);

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            0 => write!(f, "under 1 ms"),
            millis if millis < 1000 => write!(f, "{millis} ms"),
            _ => write!(f, "{:.1} s", self.0.as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::domain::Timestamp;
    use crate::domain::id::{CheckId, Region};
    use crate::domain::run::FailureKind;
    use crate::domain::slot::Slot;

    fn request(step: Option<u32>, url: &str, answer: Result<u16, &str>) -> Request {
        let wait = Some(Duration::from_millis(400));
        Request {
            step,
            start: Duration::ZERO,
            method: "POST".into(),
            url: url.into(),
            status: answer.ok(),
            remote: None,
            sent: 0,
            received: 0,
            timings: Timings { wait, dns: Some(Duration::from_millis(12)), ..Timings::default() },
            certificate_until: None,
            error: answer.err().map(str::to_owned),
            exchange: None,
        }
    }

    fn step(name: &str, parent: Option<u32>, error: Option<&str>) -> Step {
        let (start, duration) = (Duration::ZERO, Some(Duration::ZERO));
        Step { name: name.into(), parent, start, duration, error: error.map(str::to_owned) }
    }

    fn told(kind: FailureKind, failed: Option<&str>, trace: Trace) -> String {
        let report = Report {
            slot: Slot {
                check: CheckId::new("login").expect("good"),
                region: Region::new("eu").expect("good"),
                at: Timestamp::UNIX_EPOCH,
            },
            started_at: Timestamp::UNIX_EPOCH,
            duration: Duration::ZERO,
            failure: Some(Failure { step: failed.map(str::to_owned), ..Failure::new(kind, "no") }),
            trace,
            clock_ahead: TimeDelta::zero(),
        };
        FailedRequest::of(&report).map_or_else(|| "none".to_owned(), |it| it.to_string())
    }

    fn in_steps(requests: Vec<Request>) -> Trace {
        let steps = vec![
            step("open", None, None),
            step("sign in", None, Some("no")),
            step("send the form", Some(1), Some("no")),
            step("look", None, None),
        ];
        Trace { steps, requests, ..Trace::default() }
    }

    #[test]
    fn it_is_the_last_of_the_step_that_failed() {
        let requests = || {
            vec![
                request(Some(0), "https://shop.example/", Ok(200)),
                request(Some(1), "https://shop.example/login", Ok(200)),
                request(Some(2), "https://shop.example/session", Ok(503)),
                request(Some(3), "https://shop.example/cart", Ok(200)),
            ]
        };
        let of = |failed| told(FailureKind::Expectation, failed, in_steps(requests()));
        assert_eq!(of(Some("sign in")), "POST https://shop.example/session → 503 in 412 ms");
        assert_eq!(of(Some("open")), "POST https://shop.example/ → 200 in 412 ms");
        assert_eq!(of(None), "POST https://shop.example/cart → 200 in 412 ms");
        assert_eq!(of(Some("gone")), "none");
        let without = in_steps(requests().drain(..1).collect());
        assert_eq!(told(FailureKind::Expectation, Some("sign in"), without), "none");
    }

    #[test]
    fn one_without_an_answer_goes_first() {
        let requests = vec![
            request(None, "https://a.example/", Err("connection refused\nby 127.0.0.1")),
            request(None, "https://b.example/", Ok(200)),
        ];
        let trace = Trace { requests, ..Trace::default() };
        assert_eq!(
            told(FailureKind::Network, None, trace),
            "POST https://a.example/ → connection refused"
        );
    }

    #[test]
    fn what_is_nobody_elses_business_is_left_out() {
        let of = |url: &str| {
            let trace = Trace { requests: vec![request(None, url, Ok(503))], ..Trace::default() };
            told(FailureKind::Exception, None, trace)
        };
        let said = "POST https://shop.example:8443/a → 503 in 412 ms";
        assert_eq!(of("https://shop.example:8443/a?token=1&x#y"), said);
        assert_eq!(of("https://ana:pw@shop.example:8443/a"), said);
        assert_eq!(of("https://shop.example?a@b"), "POST https://shop.example → 503 in 412 ms");
        assert_eq!(of("https://shop.example/@ana"), {
            "POST https://shop.example/@ana → 503 in 412 ms"
        });
    }

    #[test]
    fn our_own_failures_are_no_requests() {
        let trace =
            || Trace { requests: vec![request(None, "http://a/", Ok(200))], ..Trace::default() };
        for kind in FailureKind::ALL {
            let told = told(kind, None, trace());
            assert_eq!(told != "none", kind.may_be_on_the_way(), "{kind:?}");
        }
    }

    #[test]
    fn parents_that_lead_nowhere_end() {
        let steps = vec![step("a", Some(1), None), step("b", Some(0), Some("no"))];
        let requests = vec![request(Some(0), "http://a/", Ok(500))];
        let trace = Trace { steps, requests, ..Trace::default() };
        assert_eq!(told(FailureKind::Exception, Some("b"), trace), "none");
    }
}
