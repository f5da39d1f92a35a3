//! What the tests share: real applications to watch, fakes of providers that speak their
//! protocols, the real binary, and ways to wait without sleeping.

pub(crate) mod agent;
pub(crate) mod certify;
pub(crate) mod disk;
pub(crate) mod dump;
pub(crate) mod forward;
pub(crate) mod hook;
pub(crate) mod hosts;
pub(crate) mod http;
pub(crate) mod memory;
pub(crate) mod port;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod provider;
pub(crate) mod providers;
pub(crate) mod proxy;
pub(crate) mod random;
pub(crate) mod relay;
pub(crate) mod series;
pub(crate) mod severed;
pub(crate) mod site;
pub(crate) mod skip;
pub(crate) mod slack;
pub(crate) mod smtp;
pub(crate) mod strace;
pub(crate) mod stream;
pub(crate) mod targets;
pub(crate) mod told;
pub(crate) mod tripline;
pub(crate) mod twilio;
pub(crate) mod wait;
pub(crate) mod wall;
