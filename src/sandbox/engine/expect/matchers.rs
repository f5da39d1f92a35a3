//! The matchers: each says whether a value is as expected, and what was expected, in words.

use boa_engine::builtins::error::Error;
use boa_engine::builtins::regexp::RegExp;
use boa_engine::object::builtins::JsRegExp;
use boa_engine::property::PropertyKey;
use boa_engine::{Context, JsArgs, JsObject, JsResult, JsString, JsValue, js_string};

use super::super::errors::{self, type_error};
use super::super::inspect::{self, inspect};
use super::super::native;
use super::equality::{How, matches};

/// What a matcher found.
pub(super) struct Verdict {
    /// Whether the value is as expected.
    pub(super) pass: bool,
    /// What was expected, as the script would write it or in words.
    pub(super) expected: String,
    /// What was received, when that is not just the value.
    pub(super) received: Option<String>,
}

/// A matcher. The first argument is the value received.
pub(super) type Matcher = fn(&JsValue, &[JsValue], &mut Context) -> JsResult<Verdict>;

fn verdict(pass: bool, expected: impl Into<String>) -> JsResult<Verdict> {
    Ok(Verdict { pass, expected: expected.into(), received: None })
}

pub(super) fn to_be(got: &JsValue, args: &[JsValue], _: &mut Context) -> JsResult<Verdict> {
    let expected = args.get_or_undefined(0);
    let same = JsValue::same_value(got, expected);
    let mut text = inspect(expected);
    if !same && text == inspect(got) {
        text.push_str(" (the very same object; use toEqual to compare contents)");
    }
    verdict(same, text)
}

fn compared(got: &JsValue, args: &[JsValue], how: How, context: &mut Context) -> JsResult<Verdict> {
    let expected = args.get_or_undefined(0);
    verdict(matches(got, expected, how, context)?, inspect(expected))
}

pub(super) fn to_equal(
    got: &JsValue,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<Verdict> {
    compared(got, args, How::Equal, context)
}

pub(super) fn to_strict_equal(
    got: &JsValue,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<Verdict> {
    compared(got, args, How::Strict, context)
}

pub(super) fn to_match_object(
    got: &JsValue,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<Verdict> {
    compared(got, args, How::Subset, context)
}

pub(super) fn to_contain(
    got: &JsValue,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<Verdict> {
    let wanted = args.get_or_undefined(0);
    let expected = format!("to contain {}", inspect(wanted));
    if let Some(text) = got.as_string() {
        let Some(part) = wanted.as_string() else {
            return type_error(format!("a string contains strings, not {}", inspect(wanted)));
        };
        return verdict(text.index_of(part.as_str(), 0).is_some(), expected);
    }
    let items = iterable(got, "toContain", context)?;
    verdict(items.iter().any(|item| JsValue::same_value_zero(item, wanted)), expected)
}

pub(super) fn to_contain_equal(
    got: &JsValue,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<Verdict> {
    let wanted = args.get_or_undefined(0);
    let mut found = false;
    for item in iterable(got, "toContainEqual", context)? {
        found = found || matches(&item, wanted, How::Equal, context)?;
    }
    verdict(found, format!("to contain {}", inspect(wanted)))
}

fn iterable(got: &JsValue, name: &str, context: &mut Context) -> JsResult<Vec<JsValue>> {
    if got.is_object() {
        return native::items(got, context);
    }
    type_error(format!("{name} needs a string or a list, and got {}", inspect(got)))
}

pub(super) fn to_match(
    got: &JsValue,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<Verdict> {
    let Some(text) = got.as_string() else {
        return type_error(format!("toMatch needs a string, and got {}", inspect(got)));
    };
    let pattern = args.get_or_undefined(0);
    let pass = is_match(&text, pattern, context)?;
    verdict(pass, format!("to match {}", inspect(pattern)))
}

/// Whether a text matches a regular expression or contains a string.
fn is_match(text: &JsString, pattern: &JsValue, context: &mut Context) -> JsResult<bool> {
    if let Some(part) = pattern.as_string() {
        return Ok(text.index_of(part.as_str(), 0).is_some());
    }
    match pattern.as_object().filter(|object| object.is::<RegExp>()) {
        Some(regex) => {
            // A fresh copy: with the flags g and y a test begins where the last one ended.
            let source = regex.get(js_string!("source"), context)?;
            let flags = regex.get(js_string!("flags"), context)?;
            JsRegExp::new(source, flags, context)?.test(text.clone(), context)
        }
        None => type_error(format!("{} is no pattern", inspect(pattern))),
    }
}

pub(super) fn to_be_truthy(got: &JsValue, _: &[JsValue], _: &mut Context) -> JsResult<Verdict> {
    verdict(got.to_boolean(), "a truthy value")
}

pub(super) fn to_be_falsy(got: &JsValue, _: &[JsValue], _: &mut Context) -> JsResult<Verdict> {
    verdict(!got.to_boolean(), "a falsy value")
}

pub(super) fn to_be_null(got: &JsValue, _: &[JsValue], _: &mut Context) -> JsResult<Verdict> {
    verdict(got.is_null(), "null")
}

pub(super) fn to_be_undefined(got: &JsValue, _: &[JsValue], _: &mut Context) -> JsResult<Verdict> {
    verdict(got.is_undefined(), "undefined")
}

pub(super) fn to_be_defined(got: &JsValue, _: &[JsValue], _: &mut Context) -> JsResult<Verdict> {
    verdict(!got.is_undefined(), "a defined value")
}

pub(super) fn to_be_nan(got: &JsValue, _: &[JsValue], _: &mut Context) -> JsResult<Verdict> {
    verdict(got.as_number().is_some_and(f64::is_nan), "NaN")
}

fn ordered(
    got: &JsValue,
    args: &[JsValue],
    words: &str,
    holds: fn(&JsValue, &JsValue, &mut Context) -> JsResult<bool>,
    context: &mut Context,
) -> JsResult<Verdict> {
    let limit = args.get_or_undefined(0);
    for value in [got, limit] {
        if !value.is_number() && !value.is_bigint() {
            return type_error(format!("numbers are compared, not {}", inspect(value)));
        }
    }
    verdict(holds(got, limit, context)?, format!("{words} {}", inspect(limit)))
}

pub(super) fn to_be_less(
    got: &JsValue,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<Verdict> {
    ordered(got, args, "less than", JsValue::lt, context)
}

pub(super) fn to_be_at_most(
    got: &JsValue,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<Verdict> {
    ordered(got, args, "at most", JsValue::le, context)
}

pub(super) fn to_be_greater(
    got: &JsValue,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<Verdict> {
    ordered(got, args, "greater than", JsValue::gt, context)
}

pub(super) fn to_be_at_least(
    got: &JsValue,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<Verdict> {
    ordered(got, args, "at least", JsValue::ge, context)
}

pub(super) fn to_be_close_to(
    got: &JsValue,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<Verdict> {
    let (Some(number), Some(near)) = (got.as_number(), args.get_or_undefined(0).as_number()) else {
        return type_error("toBeCloseTo compares numbers");
    };
    let digits = match args.get(1) {
        Some(digits) if !digits.is_undefined() => digits.to_number(context)?,
        _ => 2.0,
    };
    let tolerance = 10f64.powf(-digits) / 2.0;
    #[expect(clippy::float_cmp, reason = "infinities are close to themselves only")]
    let pass = number == near || (number - near).abs() < tolerance;
    verdict(pass, format!("{near}, give or take {tolerance}"))
}

pub(super) fn to_have_length(
    got: &JsValue,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<Verdict> {
    let length = match (got.as_string(), got.as_object()) {
        (Some(text), _) => JsValue::from(text.len()),
        (_, Some(object)) => object.get(js_string!("length"), context)?,
        _ => JsValue::undefined(),
    };
    if !length.is_number() {
        return type_error(format!("{} has no length", inspect(got)));
    }
    let wanted = args.get_or_undefined(0);
    Ok(Verdict {
        pass: JsValue::same_value_zero(&length, wanted),
        expected: format!("length {}", inspect(wanted)),
        received: Some(format!("length {}: {}", inspect(&length), inspect(got))),
    })
}

pub(super) fn to_have_property(
    got: &JsValue,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<Verdict> {
    let path = args.get_or_undefined(0);
    let keys: Vec<PropertyKey> = match path.as_string() {
        Some(path) => {
            let path = path.to_std_string_lossy().replace('[', ".").replace(']', "");
            path.split('.').map(|part| PropertyKey::from(JsString::from(part))).collect()
        }
        None => native::items(path, context)?
            .iter()
            .map(|key| key.to_property_key(context))
            .collect::<JsResult<_>>()?,
    };
    let mut at = got.clone();
    let mut has = true;
    for key in keys {
        let object = at.as_object();
        has = match &object {
            Some(object) => object.has_property(key.clone(), context)?,
            None => false,
        };
        match object {
            Some(object) if has => at = object.get(key, context)?,
            _ => break,
        }
    }
    let path = inspect(path);
    match args.get(1) {
        Some(wanted) if has => Ok(Verdict {
            pass: matches(&at, wanted, How::Equal, context)?,
            expected: format!("property {path} to be {}", inspect(wanted)),
            received: Some(inspect(&at)),
        }),
        Some(wanted) => verdict(false, format!("property {path} to be {}", inspect(wanted))),
        None => verdict(has, format!("property {path}")),
    }
}

pub(super) fn to_be_instance_of(
    got: &JsValue,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<Verdict> {
    let class = args.get_or_undefined(0);
    let pass = got.instance_of(class, context)?;
    let name =
        class.as_object().and_then(|class| native::data_property(&class, js_string!("name")));
    let name = name.and_then(|name| name.as_string()).map(|name| name.to_std_string_lossy());
    verdict(pass, format!("an instance of {}", name.unwrap_or_else(|| inspect(class))))
}

/// `toThrow` on a function: what it throws is looked at.
pub(super) fn to_throw(
    got: &JsValue,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<Verdict> {
    let Some(function) = got.as_function() else {
        return type_error(format!("toThrow needs a function to call, and got {}", inspect(got)));
    };
    match function.call(&JsValue::undefined(), &[], context) {
        Ok(value) => {
            let is_promise = value.is_promise();
            let hint =
                if is_promise { "; use await expect(promise).rejects.toThrow()" } else { "" };
            Ok(Verdict {
                pass: false,
                expected: wanted_error(args),
                received: Some(format!("it returned {}{hint}", inspect(&value))),
            })
        }
        Err(error) => {
            let thrown = error.into_opaque(context)?;
            has_thrown(&thrown, args, context)
        }
    }
}

/// `rejects.toThrow`: the reason itself is looked at.
pub(super) fn has_thrown(
    thrown: &JsValue,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<Verdict> {
    let wanted = args.get_or_undefined(0);
    let error = thrown.as_object().filter(|object| object.is::<Error>());
    let message = error.as_ref().and_then(|error| {
        native::inherited_data_property(error, js_string!("message"))?.as_string()
    });
    let message = message.or_else(|| thrown.as_string()).unwrap_or_default();
    let pass = if wanted.is_undefined() {
        true
    } else if wanted.is_callable() {
        thrown.instance_of(wanted, context)?
    } else if let Some(other) = wanted.as_object().filter(|object| object.is::<Error>()) {
        let text = |object: &JsObject| native::data_property(object, js_string!("message"));
        text(&other).and_then(|text| text.as_string()) == Some(message)
    } else {
        is_match(&message, wanted, context)?
    };
    let received = Some(format!("it threw {}", errors::message(thrown)));
    Ok(Verdict { pass, expected: wanted_error(args), received })
}

fn wanted_error(args: &[JsValue]) -> String {
    match args.first() {
        Some(wanted) if !wanted.is_undefined() => format!("to throw {}", inspect::inspect(wanted)),
        _ => "to throw".to_owned(),
    }
}
