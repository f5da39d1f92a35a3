//! `URLSearchParams`.

use boa_engine::{Context, JsArgs, JsData, JsObject, JsResult, JsValue};
use boa_gc::{Finalize, Trace};
use url::form_urlencoded;

use super::super::native::{self, Class, Pairs};
use super::body::js;
use super::url::set_query;

/// Names and values, and the URL that they belong to.
#[derive(Debug, Clone, Default, Trace, Finalize, JsData)]
pub(super) struct Params {
    #[unsafe_ignore_trace]
    pub(super) list: Vec<(String, String)>,
    pub(super) owner: Option<JsObject>,
}

impl Params {
    /// As `application/x-www-form-urlencoded`.
    pub(super) fn encoded(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.list).finish()
    }
}

impl Pairs for Params {
    const CLASS: &'static str = "URLSearchParams";

    fn pairs(&self) -> Vec<(String, String)> {
        self.list.clone()
    }
}

/// `URLSearchParams`.
pub(super) static PARAMS: Class = Class {
    name: "URLSearchParams",
    construct,
    length: 0,
    methods: &[
        ("append", 2, append),
        ("delete", 1, delete),
        ("get", 1, get),
        ("getAll", 1, get_all),
        ("has", 1, has),
        ("set", 2, set),
        ("sort", 0, sort),
        ("toString", 0, |this, _, _| read(this, |params| js(&params.encoded()))),
    ],
    accessors: &[("size", |this, _, _| read(this, |params| params.list.len().into()), None)],
    statics: &[],
    iteration: Some(native::iteration::<Params>()),
};

fn read<R>(this: &JsValue, read: impl FnOnce(&Params) -> R) -> JsResult<R> {
    native::data(this, "URLSearchParams", |params: &mut Params| read(params))
}

fn list(this: &JsValue) -> JsResult<Vec<(String, String)>> {
    read(this, |params| params.list.clone())
}

/// Changes the list, and the URL with it.
fn change(this: &JsValue, change: impl FnOnce(&mut Vec<(String, String)>)) -> JsResult<JsValue> {
    let owner = native::data(this, "URLSearchParams", |params: &mut Params| {
        change(&mut params.list);
        params.owner.clone().map(|owner| (owner, params.encoded()))
    })?;
    if let Some((owner, query)) = owner {
        set_query(&owner, &query);
    }
    Ok(JsValue::undefined())
}

fn construct(new: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let init = args.get_or_undefined(0);
    let list = if init.is_undefined() {
        Vec::new()
    } else if init.is_object() {
        native::pairs(init, context)?
    } else {
        let text = native::text(init, context)?;
        let query = text.strip_prefix('?').unwrap_or(&text);
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    };
    native::construct(new, &PARAMS, Params { list, owner: None }, context)
}

/// The first argument, and the second when it is given.
fn name_and_value(args: &[JsValue], context: &mut Context) -> JsResult<(String, Option<String>)> {
    let name = native::text(args.get_or_undefined(0), context)?;
    let value = match args.get(1) {
        Some(value) if !value.is_undefined() => Some(native::text(value, context)?),
        _ => None,
    };
    Ok((name, value))
}

fn append(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = native::text(args.get_or_undefined(0), context)?;
    let value = native::text(args.get_or_undefined(1), context)?;
    change(this, |list| list.push((name, value)))
}

fn set(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = native::text(args.get_or_undefined(0), context)?;
    let value = native::text(args.get_or_undefined(1), context)?;
    change(this, |list| {
        let first = list.iter().position(|(other, _)| *other == name);
        match first {
            Some(first) => {
                list[first].1 = value;
                let mut at = 0;
                list.retain(|(other, _)| {
                    at += 1;
                    at - 1 <= first || *other != name
                });
            }
            None => list.push((name, value)),
        }
    })
}

fn delete(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let (name, value) = name_and_value(args, context)?;
    change(this, |list| {
        list.retain(|(n, v)| *n != name || value.as_ref().is_some_and(|value| value != v));
    })
}

fn get(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = native::text(args.get_or_undefined(0), context)?;
    let found = list(this)?.into_iter().find(|(other, _)| *other == name);
    Ok(found.map_or_else(JsValue::null, |(_, value)| js(&value)))
}

fn get_all(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = native::text(args.get_or_undefined(0), context)?;
    let found = list(this)?.into_iter().filter(|(other, _)| *other == name);
    Ok(native::texts(found.map(|(_, value)| value).collect(), context))
}

fn has(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let (name, value) = name_and_value(args, context)?;
    let is_it =
        |(n, v): &(String, String)| *n == name && value.as_ref().is_none_or(|value| value == v);
    Ok(list(this)?.iter().any(is_it).into())
}

fn sort(this: &JsValue, _: &[JsValue], _: &mut Context) -> JsResult<JsValue> {
    change(this, |list| {
        list.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    })
}
