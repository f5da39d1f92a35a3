//! When two values are equal, for `toEqual` and its kin.

use boa_engine::builtins::array_buffer::ArrayBuffer;
use boa_engine::builtins::date::Date;
use boa_engine::builtins::error::Error;
use boa_engine::builtins::regexp::RegExp;
use boa_engine::builtins::typed_array::TypedArray;
use boa_engine::object::builtins::{JsArrayBuffer, JsMap, JsSet};
use boa_engine::property::PropertyKey;
use boa_engine::{Context, JsNativeError, JsObject, JsResult, JsValue, js_string};

use super::super::{errors, inspect, web};

/// How deep values may nest.
const MAX_DEPTH: usize = 1000;

/// How strictly to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Properties that are undefined count as missing; classes do not matter.
    Equal,
    /// They count, and so do classes and holes in arrays.
    Strict,
    /// The received value may have more properties.
    Subset,
}

/// Whether `received` is what was expected.
pub(super) fn matches(
    received: &JsValue,
    expected: &JsValue,
    how: How,
    context: &mut Context,
) -> JsResult<bool> {
    Comparison { how, around: Vec::new(), context }.values(received, expected)
}

struct Comparison<'a> {
    how: How,
    /// The pairs being compared; a pair met again inside itself is taken as equal.
    around: Vec<(JsObject, JsObject)>,
    context: &'a mut Context,
}

impl Comparison<'_> {
    fn values(&mut self, a: &JsValue, b: &JsValue) -> JsResult<bool> {
        let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else {
            return Ok(JsValue::same_value(a, b));
        };
        if a == b || self.around.iter().any(|(x, y)| *x == a && *y == b) {
            return Ok(true);
        }
        if self.around.len() >= MAX_DEPTH {
            let message = format!("values nested deeper than {MAX_DEPTH} levels are not compared");
            return Err(JsNativeError::range().with_message(message).into());
        }
        self.around.push((a.clone(), b.clone()));
        let equal = self.objects(&a, &b);
        self.around.pop();
        equal
    }

    fn objects(&mut self, a: &JsObject, b: &JsObject) -> JsResult<bool> {
        if a.is_callable() || b.is_callable() || a.is_array() != b.is_array() {
            return Ok(false);
        }
        if self.how == How::Strict && a.prototype() != b.prototype() {
            return Ok(false);
        }
        if let Some(equal) = by_content(a, b) {
            return Ok(equal);
        }
        if let (Ok(a), Ok(b)) = (JsMap::from_object(a.clone()), JsMap::from_object(b.clone())) {
            return self.maps(&a, &b);
        }
        if let (Ok(a), Ok(b)) = (JsSet::from_object(a.clone()), JsSet::from_object(b.clone())) {
            return self.sets(&a, &b);
        }
        if a.is_array() {
            let length =
                |array: &JsObject, context: &mut Context| array.get(js_string!("length"), context);
            if length(a, self.context)? != length(b, self.context)? {
                return Ok(false);
            }
        }
        self.properties(a, b)
    }

    fn properties(&mut self, a: &JsObject, b: &JsObject) -> JsResult<bool> {
        let of_b = self.keys(b)?;
        for key in &of_b {
            let has = a.has_property(key.clone(), self.context)?;
            if !has && self.how != How::Equal {
                return Ok(false);
            }
            let (x, y) = (a.get(key.clone(), self.context)?, b.get(key.clone(), self.context)?);
            if !self.values(&x, &y)? {
                return Ok(false);
            }
        }
        if self.how == How::Subset {
            return Ok(true);
        }
        for key in self.keys(a)? {
            let is_new = !of_b.contains(&key);
            if is_new && (self.how == How::Strict || !a.get(key, self.context)?.is_undefined()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The enumerable own keys.
    fn keys(&mut self, object: &JsObject) -> JsResult<Vec<PropertyKey>> {
        let mut keys = object.own_property_keys(self.context)?;
        keys.retain(|key| {
            let property = object.borrow().properties().get(key);
            property.is_none_or(|property| property.enumerable() != Some(false))
        });
        if object.is_array() {
            let length = PropertyKey::from(js_string!("length"));
            keys.retain(|key| *key != length);
        }
        Ok(keys)
    }

    fn maps(&mut self, a: &JsMap, b: &JsMap) -> JsResult<bool> {
        self.pair_up(&entries(a)?, entries(b)?, |this, (key, value), (other, other_value)| {
            Ok(this.values(key, other)? && this.values(value, other_value)?)
        })
    }

    fn sets(&mut self, a: &JsSet, b: &JsSet) -> JsResult<bool> {
        self.pair_up(&items(a)?, items(b)?, Self::values)
    }

    /// Whether each of `a` has one of `b` to itself that equals it, and none of `b` is left.
    fn pair_up<T>(
        &mut self,
        a: &[T],
        mut b: Vec<T>,
        are_equal: impl Fn(&mut Self, &T, &T) -> JsResult<bool>,
    ) -> JsResult<bool> {
        if a.len() != b.len() {
            return Ok(false);
        }
        for one in a {
            let mut found = None;
            for (at, other) in b.iter().enumerate() {
                if are_equal(self, one, other)? {
                    found = Some(at);
                    break;
                }
            }
            let Some(at) = found else { return Ok(false) };
            b.swap_remove(at);
        }
        Ok(true)
    }
}

fn entries(map: &JsMap) -> JsResult<Vec<(JsValue, JsValue)>> {
    let mut entries = Vec::new();
    map.for_each_native(|key, value| {
        entries.push((key, value));
        Ok(())
    })?;
    Ok(entries)
}

fn items(set: &JsSet) -> JsResult<Vec<JsValue>> {
    let mut items = Vec::new();
    set.for_each_native(|item| {
        items.push(item);
        Ok(())
    })?;
    Ok(items)
}

/// Objects whose content is no properties: `None` when neither is one of them.
fn by_content(a: &JsObject, b: &JsObject) -> Option<bool> {
    fn both<T: boa_engine::object::NativeObject>(a: &JsObject, b: &JsObject) -> Option<bool> {
        match (a.is::<T>(), b.is::<T>()) {
            (false, false) => None,
            (x, y) => Some(x && y),
        }
    }
    if let Some(both) = both::<Error>(a, b) {
        return Some(both && errors::headline(a) == errors::headline(b));
    }
    let printed = both::<Date>(a, b).or_else(|| both::<RegExp>(a, b));
    let printed = printed.or_else(|| both::<TypedArray>(a, b));
    let boxed = both::<f64>(a, b).or_else(|| both::<bool>(a, b));
    let boxed = boxed.or_else(|| both::<boa_engine::JsString>(a, b));
    if let Some(both) = printed.or(boxed) {
        // The engine prints these in full, and the print tells them apart.
        let print = |object: &JsObject| JsValue::from(object.clone()).display().to_string();
        return Some(both && print(a) == print(b));
    }
    if let Some(both) = both::<ArrayBuffer>(a, b) {
        let bytes = |object: &JsObject| JsArrayBuffer::from_object(object.clone()).ok()?.to_vec();
        return Some(both && bytes(a) == bytes(b));
    }
    match (web::shown_pairs(a), web::shown_pairs(b)) {
        (None, None) => {}
        (x, y) => return Some(x == y && inspect::class_name(a) == inspect::class_name(b)),
    }
    match (web::href(a), web::href(b)) {
        (None, None) => None,
        (x, y) => Some(x == y),
    }
}
