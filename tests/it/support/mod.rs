//! What the tests share: real applications to watch, the real binary, and ways to wait without
//! sleeping.

mod http;
pub(crate) mod port;
pub(crate) mod process;
pub(crate) mod providers;
pub(crate) mod proxy;
pub(crate) mod site;
pub(crate) mod targets;
pub(crate) mod tripline;
pub(crate) mod wait;
//! What the tests share: fakes of Slack and Twilio that speak their HTTP.

pub(crate) mod provider;
pub(crate) mod slack;
pub(crate) mod twilio;
