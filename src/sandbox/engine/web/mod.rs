//! The parts of the Web platform that scripts use, as far as a monitoring script needs them.

pub(super) mod json;

use boa_engine::{Context, JsObject, JsResult, JsValue};

use super::host::Host;
use super::native::{Function, Lazy};
use crate::sandbox::protocol::Answer;

/// Global functions.
pub(super) const GLOBALS: &[Function] = &[];
/// Globals made when they are first used.
pub(super) const LAZY: &[Lazy] = &[];

/// What `inspect` shows of objects whose data is in Rust.
pub(super) fn shown(_: &JsObject) -> Vec<(&'static str, JsValue)> {
    Vec::new()
}

/// Settles what waits for an answer.
pub(super) fn answered(_: u32, _: Answer, _: &Host, _: &mut Context) -> JsResult<()> {
    Ok(())
}
