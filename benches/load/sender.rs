//! Reports as agents of other regions send them, without the agents.
//!
//! A sender is an agent's shipping and no more: what came due is gathered for a moment, sent in one
//! batch, and the next batch follows when that was answered. Slots are those of the schedules, so
//! that the hub finds every one that it expects.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::SecondsFormat;
use tripline::clock::{Clock, Stopwatch, System};
use tripline::domain::Timestamp;
use tripline::domain::id::{CheckId, Region};
use tripline::domain::run::{Failure, FailureKind, Report, Request, Step, Timings, Trace};
use tripline::domain::schedule::{Interval, Schedule};
use tripline::domain::slot::Slot;
use tripline::link::protocol::{MOST_REPORTS, PROTOCOL, PROTOCOL_HEADER, ReportMessage};

use crate::regions;
use crate::statistics::Sample;

/// How long reports wait for company, as those of an agent do.
const GATHER: Duration = Duration::from_millis(50);
/// From its slot until the report of a run is there.
const RUN: Duration = Duration::from_millis(60);
/// One of so many results is a failure.
const FAILING: u64 = 100;
/// One of so many checks is a script with steps.
const SCRIPTS: usize = 4;

const CHECK: &str = "the-check";
const REGION: &str = "the-region";
const AT: &str = "2026-11-21T03:00:00.123Z";

/// What all senders count.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    accepted: AtomicU64,
    failing: AtomicU64,
    refused: AtomicU64,
    errors: AtomicU64,
    answers: Mutex<Vec<f64>>,
    /// Whether reports are sent as fast as they are taken and not when they come due.
    hurried: AtomicBool,
}

/// What was counted over some time.
#[derive(Debug)]
pub(crate) struct Counted {
    /// Results that were answered to be committed.
    pub(crate) accepted: u64,
    /// How many of them said that the check fails.
    pub(crate) failing: u64,
    /// Results that were refused, and batches that were not taken at the first try.
    pub(crate) trouble: u64,
    /// How long answers took, in milliseconds.
    pub(crate) answers: Sample,
}

impl Counts {
    /// From now on, what is sent is bounded by the hub alone.
    pub(crate) fn hurry(&self) {
        self.hurried.store(true, Ordering::Relaxed);
    }

    /// What was counted since this was asked last.
    pub(crate) fn take(&self) -> Counted {
        let number = |of: &AtomicU64| of.swap(0, Ordering::Relaxed);
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        Counted {
            accepted: number(&self.accepted),
            failing: number(&self.failing),
            trouble: number(&self.refused) + number(&self.errors),
            answers: std::mem::take(&mut *answers).into_iter().collect(),
        }
    }
}

/// Sends the reports of one region.
#[derive(Debug)]
pub(crate) struct Sender {
    region: &'static str,
    url: String,
    token: String,
    every: Duration,
    /// The first slot and the number of each check, in the order of the slots.
    slots: Vec<(Timestamp, usize)>,
    /// The next one, counted through all rounds.
    next: usize,
    templates: [Template; 3],
    client: reqwest::Client,
    counts: Arc<Counts>,
}

impl Sender {
    /// Sends for `checks` checks every `every` to the hub at `hub`, from the slots after now on.
    pub(crate) fn new(
        region: &'static str,
        (hub, token): (&str, &str),
        (checks, every): (usize, Duration),
        counts: &Arc<Counts>,
    ) -> Result<Self> {
        let (now, there) = (System.now(), Region::new(region)?);
        let schedule = Schedule::Every(Interval::new(every)?);
        let first = |number: usize| -> Result<(Timestamp, usize)> {
            let check = CheckId::new(&regions::check(number))?;
            let slot = schedule.next_after(now, &check, &there);
            Ok((slot.context("an interval has no last slot")?, number))
        };
        let mut slots = (0..checks).map(first).collect::<Result<Vec<_>>>()?;
        slots.sort_unstable();
        let (url, token) = (format!("{hub}/agent/v1/reports"), token.to_owned());
        let templates =
            [Template::of(&request())?, Template::of(&sign_in())?, Template::of(&failed())?];
        let client = crate::client::client()?;
        let counts = Arc::clone(counts);
        Ok(Self { region, url, token, every, slots, next: 0, templates, client, counts })
    }

    /// Sends for as long as it is polled.
    pub(crate) async fn run(mut self) -> Result<()> {
        loop {
            let (body, reports, failing) = self.batch();
            if reports == 0 {
                tokio::time::sleep(GATHER).await;
                continue;
            }
            let watch = Stopwatch::start();
            while let Err(error) = self.send(body.clone(), reports).await {
                if self.counts.errors.fetch_add(1, Ordering::Relaxed) == 0 {
                    eprintln!("{}: {error:#}", self.region);
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            let took = watch.elapsed().as_secs_f64() * 1e3;
            self.counts.failing.fetch_add(failing, Ordering::Relaxed);
            self.counts.answers.lock().unwrap_or_else(PoisonError::into_inner).push(took);
            if !self.counts.hurried.load(Ordering::Relaxed) {
                tokio::time::sleep(GATHER).await;
            }
        }
    }

    async fn send(&self, body: bytes::Bytes, reports: u64) -> Result<()> {
        let request = self.client.post(&self.url).bearer_auth(&self.token).body(body);
        let answer = request.header(PROTOCOL_HEADER, PROTOCOL).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{status}: {text}");
        let verdict: serde_json::Value = serde_json::from_str(&text)?;
        let refused = verdict["refused"].as_array().map_or(0, Vec::len);
        let refused = u64::try_from(refused)?;
        self.counts.accepted.fetch_add(reports - refused, Ordering::Relaxed);
        self.counts.refused.fetch_add(refused, Ordering::Relaxed);
        Ok(())
    }

    /// The next batch: its body, how many reports it has, and how many of them are failures.
    fn batch(&mut self) -> (bytes::Bytes, u64, u64) {
        let due = System.now() - RUN;
        let hurried = self.counts.hurried.load(Ordering::Relaxed);
        let mut body = format!("{{\"name\":\"{}\",\"reports\":[", self.region);
        let (mut reports, mut failing) = (0, 0);
        while reports < MOST_REPORTS {
            let (round, index) = (self.next / self.slots.len(), self.next % self.slots.len());
            let (first, check) = self.slots[index];
            let slot = first + self.every * u32::try_from(round).unwrap_or(u32::MAX);
            if slot > due && !hurried {
                break;
            }
            let fails = fails(check, round, self.region);
            let template = match (fails, check % SCRIPTS) {
                (true, _) => 2,
                (false, 0) => 1,
                (false, _) => 0,
            };
            if reports > 0 {
                body.push(',');
            }
            self.templates[template].write(&mut body, &regions::check(check), self.region, slot);
            self.next += 1;
            reports += 1;
            failing += u64::from(fails);
        }
        body.push_str("]}");
        (body.into(), u64::try_from(reports).unwrap_or_default(), failing)
    }
}

/// Whether this run is one of the failing: as if at random, and each time the same.
fn fails(check: usize, round: usize, region: &str) -> bool {
    let region: usize = region.bytes().map(usize::from).sum();
    let mixed = [check, round, region].into_iter().fold(0_u64, |mixed, part| {
        let part = u64::try_from(part).unwrap_or_default();
        (mixed ^ part).wrapping_add(0x9e37_79b9).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29)
    });
    mixed % FAILING == 0
}

/// The JSON of a report, cut where check, region and time go.
#[derive(Debug)]
struct Template(Vec<(String, &'static str)>);

impl Template {
    fn of(report: &Report) -> Result<Self> {
        let mut rest = serde_json::to_string(&ReportMessage::from(report))?;
        let mut parts = Vec::new();
        loop {
            let places = [CHECK, REGION, AT].into_iter();
            let found = places.filter_map(|it| Some((rest.find(it)?, it))).min();
            let Some((at, place)) = found else { break };
            let after = rest.split_off(at + place.len());
            rest.truncate(at);
            parts.push((std::mem::replace(&mut rest, after), place));
        }
        parts.push((rest, ""));
        ensure!(parts.len() > 4, "the report has no places to fill in");
        Ok(Self(parts))
    }

    fn write(&self, body: &mut String, check: &str, region: &str, slot: Timestamp) {
        for (text, place) in &self.0 {
            body.push_str(text);
            match *place {
                CHECK => body.push_str(check),
                REGION => body.push_str(region),
                AT => body.push_str(&slot.to_rfc3339_opts(SecondsFormat::Millis, true)),
                _ => {}
            }
        }
    }
}

fn report(trace: Trace, failure: Option<Failure>) -> Report {
    let at: Timestamp = AT.parse().unwrap_or_default();
    let name = |text| CheckId::new(text).expect("the name is good");
    let region = |text| Region::new(text).expect("the name is good");
    let slot = Slot { check: name(CHECK), region: region(REGION), at };
    Report {
        slot,
        started_at: at,
        duration: Duration::from_micros(51_417),
        failure,
        trace,
        clock_ahead: chrono::TimeDelta::zero(),
    }
}

fn exchange(step: Option<u32>, start: u64, path: &str, status: u16) -> Request {
    let micros = Duration::from_micros;
    Request {
        step,
        start: micros(start),
        method: "GET".into(),
        url: format!("https://www.example.com/{path}"),
        status: Some(status),
        remote: Some("192.0.2.17:443".into()),
        sent: 0,
        received: 18_231,
        certificate_until: None,
        exchange: None,
        timings: Timings {
            dns: Some(micros(1_021)),
            connect: Some(micros(9_312)),
            tls: Some(micros(14_877)),
            wait: Some(micros(23_104)),
            download: Some(micros(2_961)),
        },
        error: None,
    }
}

/// What a check that is one request reports.
pub(crate) fn request() -> Report {
    let requests = vec![exchange(None, 112, "", 200)];
    report(Trace { requests, ..Trace::default() }, None)
}

/// What a scripted login reports.
pub(crate) fn sign_in() -> Report {
    let step = |name: &str, start: u64| Step {
        name: name.into(),
        parent: None,
        start: Duration::from_micros(start),
        duration: Some(Duration::from_micros(25_113)),
        error: None,
    };
    let steps = vec![step("open the sign-in page", 0), step("sign in", 25_211)];
    let requests = vec![
        exchange(Some(0), 112, "login", 200),
        exchange(Some(1), 25_302, "session", 303),
        exchange(Some(1), 38_944, "home", 200),
    ];
    report(Trace { steps, requests, ..Trace::default() }, None)
}

fn failed() -> Report {
    let requests = vec![exchange(None, 112, "", 503)];
    let failure = Failure::new(FailureKind::Expectation, "expected status 200, received 503");
    report(Trace { requests, ..Trace::default() }, Some(failure))
}
