//! The one test binary: a file a subject.

mod accounting;
mod agent;
mod agents;
mod architecture;
mod blindness;
mod commands;
mod configuration;
mod daemon;
mod dashboard;
mod deliveries;
mod django;
mod editor;
mod escalation;
mod faults;
mod hostile;
mod junit;
mod moving;
mod net;
mod notify;
mod oidc;
mod promql;
mod sandbox;
mod statsd_daemon;
mod store;
mod support;
