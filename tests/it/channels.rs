//! Webhooks, e-mail and PagerDuty: what each makes of every answer, and all of them by the real binary.

mod email;
mod pagerduty;
mod told;
mod webhook;

use std::time::Duration;

use tripline::clock::{Clock as _, System};
use tripline::domain::Timestamp;
use tripline::domain::failed_request::FailedRequest;
use tripline::domain::id::{CheckId, IncidentId, NotificationId, Region};
use tripline::domain::notice::{Notice, NoticeKind};
use tripline::domain::notification::{Attempt, Notification};
use tripline::domain::policy::Recipient;
use tripline::domain::subject::Subject;
use tripline::notify::{Outbound, Transport};

const LINK: &str = "https://tripline.example.com/incidents/42";

/// What an attempt may take here in place of eight seconds.
const SOON: Duration = Duration::from_secs(3);

fn with_ring() {
    // An error means that another test of this process installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn notification(recipient: Recipient, kind: NoticeKind) -> Notification {
    let at: Timestamp = "2026-11-21T02:14:10Z".parse().expect("a time");
    Notification {
        id: NotificationId(7),
        incident: IncidentId(42),
        recipient,
        notice: Notice {
            check_name: "Sign in".into(),
            step: Some("sign in".into()),
            request: Some(FailedRequest {
                method: "POST".into(),
                url: "https://evil.example/pay.html\r\nBcc: x@evil.example".into(),
                status: Some(503),
                error: None,
                took: Duration::from_millis(412),
            }),
            error: "expected 200, got <b>503</b>\r\nBcc: x@evil.example https://evil.example/pay"
                .into(),
            failures_in_a_row: 1,
            runbook: Some("https://wiki.example.com/login?a=1&b=2".into()),
            ..Notice::new(
                kind,
                Subject::Check(CheckId::new("login").expect("a good name")),
                Region::new("eu").expect("a good name"),
                at,
            )
        },
        first_word: true,
        owed_at: at,
        failures: 0,
        possible_repeat: false,
    }
}

const FAILING: NoticeKind = NoticeKind::Failing { tier: 1 };

async fn send(
    transport: &dyn Transport,
    notification: &Notification,
    email: Option<&str>,
) -> Attempt {
    let message = Outbound {
        notification,
        phone: None,
        email,
        at: System.now(),
        link: Some(LINK),
        thread: None,
    };
    transport.send(message).await
}

/// `retry`, `ambiguous`, `given_up` or `accepted`, and the receipt or reason.
fn words(attempt: &Attempt) -> (&'static str, String) {
    (attempt.as_str(), attempt.detail().to_owned())
}
