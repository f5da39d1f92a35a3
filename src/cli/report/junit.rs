//! The report as JUnit XML, for CI systems.

use quick_junit::{
    NonSuccessKind, Property, Report as Document, SerializeError, TestCase, TestCaseStatus,
    TestSuite,
};

use super::{Tested, console, failure};
use crate::cli::look::{Look, clean};
use crate::domain::run::Outcome;

/// Lines are not cut; this only shapes what has columns.
const WIDTH: usize = 100;

/// The runs as JUnit XML: a suite a file, a test case a check. A failed run is a failure, an unknown
/// one an error.
///
/// # Errors
///
/// [`SerializeError`] when the XML cannot be written.
pub fn to_junit(tested: &[Tested<'_>]) -> Result<String, SerializeError> {
    let mut document = Document::new("tripline");
    if let Some(first) = tested.iter().map(|tested| tested.report.started_at).min() {
        document.set_timestamp(first);
    }
    document.set_time(tested.iter().map(|tested| tested.report.duration).sum());
    let mut files: Vec<&str> = tested.iter().map(Tested::file).collect();
    files.sort_unstable();
    files.dedup();
    document.add_test_suites(files.into_iter().map(|file| suite(file, tested)));
    document.to_string()
}

fn suite(file: &str, tested: &[Tested<'_>]) -> TestSuite {
    let own = || tested.iter().filter(|tested| tested.file() == file);
    let mut suite = TestSuite::new(file);
    suite.set_time(own().map(|tested| tested.report.duration).sum());
    if let Some(first) = own().map(|tested| tested.report.started_at).min() {
        suite.set_timestamp(first);
    }
    suite.add_test_cases(own().map(case));
    suite
}

fn case(tested: &Tested<'_>) -> TestCase {
    let (check, report, look) = (tested.check, tested.report, Look::plain(WIDTH));
    let name = format!("{} [{}]", clean(&check.name), report.slot.region);
    let mut case = TestCase::new(name, status(tested, &look));
    case.set_classname(check.id.as_str());
    case.set_time(report.duration);
    case.set_timestamp(report.started_at);
    for (key, value) in [
        ("check", check.id.to_string()),
        ("region", report.slot.region.to_string()),
        ("run", report.slot.run_id().to_string()),
        ("outcome", report.outcome().as_str().to_owned()),
    ] {
        case.add_property(Property::new(key, value));
    }
    let console = console(report, &look);
    if !console.is_empty() {
        case.set_system_out(console[1..].join("\n"));
    }
    case
}

fn status(tested: &Tested<'_>, look: &Look) -> TestCaseStatus {
    let Some(failure) = &tested.report.failure else { return TestCaseStatus::success() };
    let kind = match failure.kind.outcome() {
        Outcome::Unknown => NonSuccessKind::Error,
        Outcome::Failed | Outcome::Passed => NonSuccessKind::Failure,
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(clean(&failure.headline()));
    status.set_type(failure.kind.as_str());
    status.set_description(failure::lines(failure, look).join("\n").trim_start_matches('\n'));
    status
}
