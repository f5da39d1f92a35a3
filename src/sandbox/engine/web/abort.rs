//! `AbortController`, events and `DOMException`: small classes in JavaScript, evaluated when they
//! are first used.

use boa_engine::{Context, JsError, JsObject, JsResult, JsString, JsValue};

use super::super::{native, timers};

/// What the segment with events and signals exports, by name.
pub(super) fn export(name: &'static str, context: &mut Context) -> JsResult<JsValue> {
    let text = include_str!("../prelude/abort.js");
    let exports = native::segment("tripline:abort", text, tools, context)?;
    exports.get(JsString::from(name), context)
}

/// What the segment with `DOMException` exports.
pub(super) fn dom_exception_class(context: &mut Context) -> JsResult<JsValue> {
    let text = include_str!("../prelude/exception.js");
    let exports = native::segment("tripline:exception", text, tools, context)?;
    exports.get(JsString::from("DOMException"), context)
}

fn tools(context: &mut Context) -> JsResult<JsObject> {
    let tools = JsObject::with_object_proto(context.intrinsics());
    native::define(&tools, "onAbort", native::symbol("onAbort", context));
    let timeout = native::make(&("setIdleTimeout", 2, timers::set_idle_timeout), context);
    native::define(&tools, "setIdleTimeout", timeout);
    Ok(tools)
}

/// A `DOMException`, for `return Err(..)`.
pub(super) fn dom_exception(name: &str, message: &str, context: &mut Context) -> JsResult<JsError> {
    let class = dom_exception_class(context)?;
    let arguments = [JsString::from(message).into(), JsString::from(name).into()];
    match class.as_constructor() {
        Some(class) => Ok(JsError::from_opaque(class.construct(&arguments, None, context)?.into())),
        None => Ok(JsError::from_opaque(JsString::from(message).into())),
    }
}
