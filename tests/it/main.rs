//! The one test binary: a file a subject.

mod architecture;
mod dashboard;
mod django;
mod escalation;
mod hostile;
mod oidc;
mod statsd_daemon;
mod support;
