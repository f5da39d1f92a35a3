//! `sort` and `toSorted` of arrays and typed arrays, in place of the engine's own.
//!
//! The engine hands the order of a script to the standard library's sort, which panics when the
//! order contradicts itself, as `() => Math.random() - 0.5` does, and its typed arrays panic over
//! numbers beyond 2^31. Here a comparison may answer whatever it likes.
//!
//! As ECMAScript has it (sections 23.1.3.30, 23.1.3.34, 23.2.3.29 and 23.2.3.33): the items are
//! read before the first comparison and written after the last, so a comparison that changes the
//! list changes nothing of the outcome.

mod merge;

use std::cmp::Ordering;

use boa_engine::object::builtins::{JsArray, JsFunction, JsTypedArray};
use boa_engine::{
    Context, JsArgs, JsNativeError, JsObject, JsResult, JsString, JsValue, js_string,
};

use super::errors::type_error;
use super::native::{self, Function};

const ARRAY: &[Function] = &[("sort", 1, sort), ("toSorted", 1, to_sorted)];
const TYPED_ARRAY: &[Function] = &[("sort", 1, sort_typed), ("toSorted", 1, to_sorted_typed)];

/// Puts the functions in the place of the engine's.
pub(super) fn install(context: &Context) {
    let constructors = context.intrinsics().constructors();
    let array = constructors.array().prototype();
    let typed_array = constructors.typed_array().prototype();
    for (prototype, functions) in [(array, ARRAY), (typed_array, TYPED_ARRAY)] {
        for function in functions {
            native::define(&prototype, function.0, native::make(function, context));
        }
    }
}

/// `Array.prototype.sort`
fn sort(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let comparison = comparison(args)?;
    let object = this.to_object(context)?;
    let length = length(&object, context)?;
    let mut items = Vec::new();
    for at in 0..length {
        if object.has_property(at, context)? {
            items.push(object.get(at, context)?);
        }
    }
    let sorted = in_order(items, comparison.as_ref(), context)?;
    let written = sorted.len() as u64;
    write(&object, sorted, context)?;
    // What is left are the holes, which go last.
    for at in written..length {
        object.delete_property_or_throw(at, context)?;
    }
    Ok(object.into())
}

/// `Array.prototype.toSorted`
fn to_sorted(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let comparison = comparison(args)?;
    let object = this.to_object(context)?;
    let length = length(&object, context)?;
    if length > u64::from(u32::MAX) {
        return Err(JsNativeError::range().with_message("invalid array length").into());
    }
    let items = read(&object, length, context)?;
    let sorted = in_order(items, comparison.as_ref(), context)?;
    Ok(JsArray::from_iter(sorted, context).into())
}

/// `%TypedArray%.prototype.sort`
fn sort_typed(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let comparison = comparison(args)?;
    let list = typed_array(this)?;
    // Throws where the memory of the list is gone, which its length does not.
    list.at(0, context)?;
    let sorted = numbers_in_order(&list, comparison.as_ref(), context)?;
    write(&list, sorted, context)?;
    Ok(this.clone())
}

/// `%TypedArray%.prototype.toSorted`
fn to_sorted_typed(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let comparison = comparison(args)?;
    let list = typed_array(this)?;
    // A new list of the same type and length.
    let copy = list.to_reversed(context)?;
    let sorted = numbers_in_order(&list, comparison.as_ref(), context)?;
    write(&copy, sorted, context)?;
    Ok(copy.into())
}

fn comparison(args: &[JsValue]) -> JsResult<Option<JsFunction>> {
    let given = args.get_or_undefined(0);
    match given.as_function() {
        None if !given.is_undefined() => {
            type_error("the comparison of a sort must be a function or undefined")
        }
        function => Ok(function),
    }
}

fn typed_array(this: &JsValue) -> JsResult<JsTypedArray> {
    match this.as_object().map(JsTypedArray::from_object) {
        Some(Ok(list)) => Ok(list),
        _ => type_error("this is called on something that is no typed array"),
    }
}

fn length(object: &JsObject, context: &mut Context) -> JsResult<u64> {
    object.get(js_string!("length"), context)?.to_length(context)
}

fn read(object: &JsObject, length: u64, context: &mut Context) -> JsResult<Vec<JsValue>> {
    (0..length).map(|at| object.get(at, context)).collect()
}

fn write(object: &JsObject, items: Vec<JsValue>, context: &mut Context) -> JsResult<()> {
    for (at, item) in items.into_iter().enumerate() {
        object.set(at, item, true, context)?;
    }
    Ok(())
}

/// The items in the order of the comparison, or of their texts; undefined ones are last.
fn in_order(
    mut items: Vec<JsValue>,
    comparison: Option<&JsFunction>,
    context: &mut Context,
) -> JsResult<Vec<JsValue>> {
    let length = items.len();
    items.retain(|item| !item.is_undefined());
    let mut sorted = match comparison {
        Some(comparison) => compared(items, comparison, context)?,
        None => by_text(items, context)?,
    };
    sorted.resize(length, JsValue::undefined());
    Ok(sorted)
}

fn compared(
    items: Vec<JsValue>,
    comparison: &JsFunction,
    context: &mut Context,
) -> JsResult<Vec<JsValue>> {
    merge::sort(items, |x, y| {
        let answer = comparison.call(&JsValue::undefined(), &[x.clone(), y.clone()], context)?;
        Ok(answer.to_number(context)? > 0.0)
    })
}

/// Each item is made a text once; a list of one is not looked at.
fn by_text(items: Vec<JsValue>, context: &mut Context) -> JsResult<Vec<JsValue>> {
    if items.len() < 2 {
        return Ok(items);
    }
    let texts = items.into_iter().map(|item| Ok((item.to_string(context)?, item)));
    let mut texts = texts.collect::<JsResult<Vec<(JsString, JsValue)>>>()?;
    texts.sort_by(|(x, _), (y, _)| x.cmp(y));
    Ok(texts.into_iter().map(|(_, item)| item).collect())
}

fn numbers_in_order(
    list: &JsTypedArray,
    comparison: Option<&JsFunction>,
    context: &mut Context,
) -> JsResult<Vec<JsValue>> {
    let length = list.length(context)? as u64;
    let mut items = read(list, length, context)?;
    if let Some(comparison) = comparison {
        return compared(items, comparison, context);
    }
    items.sort_by(by_number);
    Ok(items)
}

/// -0 before 0, and what is not a number last. A typed array holds numbers or big integers.
fn by_number(x: &JsValue, y: &JsValue) -> Ordering {
    if let (Some(x), Some(y)) = (x.as_bigint(), y.as_bigint()) {
        return x.cmp(&y);
    }
    let number = |value: &JsValue| value.as_number().unwrap_or(f64::NAN);
    let (x, y) = (number(x), number(y));
    x.is_nan().cmp(&y.is_nan()).then(x.total_cmp(&y))
}

#[cfg(test)]
mod tests;
