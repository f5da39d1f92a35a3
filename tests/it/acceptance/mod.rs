//! Alerting from the first failure to the acknowledged page, in plain declarations: what happens when,
//! and who is told what when. Every message must be wanted, and wanted once.
//!
//! The daemon is the real binary, over a store of its own, with the fakes of Slack and Twilio. Its clock
//! stands still and is moved by the harness to whatever comes next, so that a day takes a second. Results
//! come from agents of regions that the harness plays, over the same link as those of real ones.

mod absent;
mod acknowledging;
mod beats;
mod channels;
mod conditions;
mod duty;
mod editing;
mod flapping;
mod killed;
mod ledger;
mod maintenance;
mod people;
mod pictures;
mod results;
mod rules;
mod running;
mod scenario;
mod setup;
mod shown;
mod sight;
mod silencing;
mod storms;
mod told;
mod underway;
mod undisturbed;
mod world;
