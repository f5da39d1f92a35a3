//! What the tests share: fakes of Slack and Twilio that speak their HTTP.

pub(crate) mod provider;
pub(crate) mod slack;
pub(crate) mod twilio;
