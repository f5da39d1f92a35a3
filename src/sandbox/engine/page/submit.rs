//! `page.form(css?)` and what it gives: fields to look at and to fill in, and `submit`.

use boa_engine::builtins::promise::Promise;
use boa_engine::{Context, JsArgs, JsData, JsObject, JsResult, JsString, JsValue};
use boa_gc::{Finalize, Trace};
use url::Url;

use super::super::errors::type_error;
use super::super::inspect;
use super::super::native::{self, Class};
use super::super::web::crypto;
use super::encode::{self, Entry};
use super::form::{self, Button, Control, Form, Kind};
use super::{Page, go, selector, with};

/// A form for scripts: `fields` holds what will be sent, and may be changed.
#[derive(Debug, Trace, Finalize, JsData)]
struct FormObject {
    page: JsValue,
    fields: JsObject,
    #[unsafe_ignore_trace]
    form: Form,
}

/// `Form`.
static FORM: Class = Class {
    name: "Form",
    construct: native::no_constructor,
    length: 0,
    methods: &[("submit", 0, submit)],
    accessors: &[
        (
            "fields",
            |this, _, _| native::data(this, "Form", |it: &mut FormObject| it.fields.clone().into()),
            None,
        ),
        (
            "method",
            |this, _, _| {
                native::data(this, "Form", |it: &mut FormObject| super::js(&it.form.method))
            },
            None,
        ),
        ("action", action, None),
    ],
    statics: &[],
    iteration: None,
};

fn action(this: &JsValue, _: &[JsValue], _: &mut Context) -> JsResult<JsValue> {
    let (page, action) = native::data(this, "Form", |it: &mut FormObject| {
        (it.page.clone(), it.form.action.clone())
    })?;
    with(&page, |page| super::js(&target(page, action.as_deref()).unwrap_or_default()))
}

/// The address that a form is sent to.
fn target(page: &Page, action: Option<&str>) -> Option<String> {
    match action {
        Some(action) => page.resolve(action.trim()).map(String::from),
        None => Some(page.url.clone()),
    }
}

/// `page.form(css?)`
pub(super) fn form(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let css = match args.get_or_undefined(0) {
        value if value.is_undefined() => None,
        _ => Some(selector(args, 0, "page.form()", context)?),
    };
    let read = with(this, |page| {
        let found = form::find(page.html(), css.as_deref());
        let found = found.map_err(|why| format!("{why} {}", page.described()))?;
        Ok::<_, String>(form::read(page.html(), found))
    })?;
    match read {
        Ok(form) => object(this, form, context),
        Err(why) => type_error(why),
    }
}

/// The script's view of a form.
fn object(page: &JsValue, form: Form, context: &mut Context) -> JsResult<JsValue> {
    let fields = JsObject::with_object_proto(context.intrinsics());
    let mut names: Vec<&str> = form.controls.iter().map(|control| &*control.name).collect();
    names.dedup();
    for name in names {
        let values = values_of(&form.controls, name);
        let value = match values.as_slice() {
            [] => JsValue::null(),
            [one] => super::js(one),
            _ => native::texts(values, context),
        };
        fields.create_data_property(JsString::from(name), value, context)?;
    }
    let page = page.clone();
    Ok(native::instance(&FORM, FormObject { page, fields, form }, context).into())
}

fn values_of(controls: &[Control], name: &str) -> Vec<String> {
    let of_name = controls.iter().filter(|control| control.name == name);
    of_name.flat_map(|control| control.values.clone()).collect()
}

/// `form.submit(values?, { button }?)`
fn submit(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let (page, fields, form) = native::data(this, "Form", |it: &mut FormObject| {
        (it.page.clone(), it.fields.clone(), it.form.clone())
    })?;
    let mut given = native::entries(&fields, context)?;
    if let Some(values) = args.get_or_undefined(0).as_object() {
        for (name, value) in native::entries(&values, context)? {
            given.retain(|(other, _)| *other != name);
            given.push((name, value));
        }
    }
    let wanted = native::option(args.get_or_undefined(1), "button", context)?;
    let button = match chosen_button(&form, &wanted, context)? {
        Ok(button) => button.cloned(),
        Err(why) => return type_error(why),
    };
    match filled_in(&form, button.as_ref(), &given, context)? {
        Ok(entries) => send(&page, &form, button.as_ref(), &entries, context),
        Err(why) => type_error(why),
    }
}

/// Sends a form by one of its buttons, as it stands on the page.
pub(super) fn press(
    page: &JsValue,
    form: &Form,
    button: &Button,
    context: &mut Context,
) -> JsResult<JsValue> {
    match filled_in(form, Some(button), &[], context)? {
        Ok(entries) => send(page, form, Some(button), &entries, context),
        Err(why) => type_error(why),
    }
}

/// The button that is pressed: the one asked for, or the first, as the Enter key does.
fn chosen_button<'a>(
    form: &'a Form,
    wanted: &JsValue,
    context: &mut Context,
) -> JsResult<Result<Option<&'a Button>, String>> {
    if wanted.is_undefined() {
        return Ok(Ok(form.buttons.first()));
    }
    if wanted.is_null() || wanted.as_boolean() == Some(false) {
        return Ok(Ok(None));
    }
    let wanted = native::text(wanted, context)?;
    let is_it = |button: &&Button| {
        [&button.name, &button.label, &button.value].contains(&&wanted)
            || wanted.strip_prefix('#').is_some_and(|id| id == button.id)
    };
    Ok(form.buttons.iter().find(is_it).map(Some).ok_or_else(|| {
        let buttons = form.buttons.iter().map(|button| format!("{:?}", button.label));
        let buttons = buttons.collect::<Vec<_>>().join(", ");
        format!("the form has no button {wanted:?}; it has these: {buttons}")
    }))
}

/// What is sent: the page's own values, and those given instead, and where it stands among them
/// what the button says.
fn filled_in(
    form: &Form,
    button: Option<&Button>,
    given: &[(String, JsValue)],
    context: &mut Context,
) -> JsResult<Result<Vec<Entry>, String>> {
    let unknown = given.iter().find(|(name, _)| !form.controls.iter().any(|c| c.name == *name));
    if let Some((name, _)) = unknown {
        let mut names: Vec<String> = Vec::new();
        for control in &form.controls {
            let name = format!("{:?}", control.name);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let names = names.join(", ");
        return Ok(Err(format!("the form has no field {name:?}; it has these: {names}")));
    }
    let mut entries = Vec::new();
    let mut press = button.map(|button| {
        let entry = |(name, value)| Entry { name, value, is_file: false };
        (button.at, button.pairs().into_iter().map(entry))
    });
    let mut taken: Vec<&str> = Vec::new();
    for (at, control) in form.controls.iter().enumerate() {
        if let Some((_, pairs)) = press.take_if(|(before, _)| *before == at) {
            entries.extend(pairs);
        }
        let is_file = control.kind == Kind::File;
        let value = given.iter().find(|(name, _)| *name == control.name).map(|(_, value)| value);
        let values = match value {
            None => control.values.clone(),
            Some(value) => {
                let first = !taken.contains(&control.name.as_str());
                taken.push(&control.name);
                match given_values(form, control, value, first, context)? {
                    Ok(values) => values,
                    Err(why) => return Ok(Err(why)),
                }
            }
        };
        let name = &control.name;
        entries.extend(values.into_iter().map(|value| Entry {
            name: name.clone(),
            value,
            is_file: false,
        }));
        if is_file {
            entries.push(Entry { name: name.clone(), value: String::new(), is_file });
        }
    }
    entries.extend(press.into_iter().flat_map(|(_, pairs)| pairs));
    Ok(Ok(entries))
}

/// What one control sends when the script gave a value for its name. Several texts of one name
/// take their values in turn; the first of them takes the rest.
fn given_values(
    form: &Form,
    control: &Control,
    value: &JsValue,
    first: bool,
    context: &mut Context,
) -> JsResult<Result<Vec<String>, String>> {
    let name = &control.name;
    let mut texts = Vec::new();
    if value.as_object().is_some_and(|object| object.is_array()) {
        for item in native::items(value, context)? {
            match text_for(name, &item, context)? {
                Ok(text) => texts.push(text),
                Err(why) => return Ok(Err(why)),
            }
        }
    } else if !value.is_null() && value.as_boolean().is_none() {
        match text_for(name, value, context)? {
            Ok(text) => texts.push(text),
            Err(why) => return Ok(Err(why)),
        }
    }
    Ok(match &control.kind {
        Kind::File if value.is_null() => Ok(Vec::new()),
        Kind::File => {
            Err(format!("the field {name:?} takes a file; send a FormData with fetch instead"))
        }
        Kind::Checkbox(own) | Kind::Radio(own) => {
            let is_on = value.as_boolean().unwrap_or_else(|| texts.contains(own));
            let wrong = texts.iter().find(|text| !is_offered(form, name, text));
            match wrong {
                Some(wrong) => Err(no_choice(name, wrong, &offered(form, name))),
                None if is_on => Ok(vec![own.clone()]),
                None => Ok(Vec::new()),
            }
        }
        Kind::Select(options) => texts
            .iter()
            .map(|text| {
                let by_value = options.iter().find(|(value, _)| value == text);
                let found = by_value.or_else(|| options.iter().find(|(_, label)| label == text));
                found.map(|(value, _)| value.clone()).ok_or_else(|| {
                    let options: Vec<&str> = options.iter().map(|(value, _)| &**value).collect();
                    no_choice(name, text, &options)
                })
            })
            .collect(),
        Kind::Text if first => Ok(match value.as_boolean() {
            Some(value) => vec![value.to_string()],
            None => texts,
        }),
        Kind::Text => Ok(Vec::new()),
    })
}

/// The text of one value for a field. What is no text, nor written like one, is a mistake: a name
/// that is spelled wrongly gives undefined, and a promise that nobody awaited is an object.
fn text_for(
    name: &str,
    value: &JsValue,
    context: &mut Context,
) -> JsResult<Result<String, String>> {
    let hint = match value.as_object() {
        Some(object) if object.is::<Promise>() => "is an await missing?",
        Some(_) => "give it a text",
        None if value.is_undefined() => "is a name misspelled? null leaves the field out",
        None if value.is_null() || value.is_symbol() => "give it a text",
        None => return native::text(value, context).map(Ok),
    };
    Ok(Err(format!("the field {name:?} was given {}: {hint}", inspect::inspect(value))))
}

/// The values of check boxes and radio buttons of a name.
fn offered<'a>(form: &'a Form, name: &str) -> Vec<&'a str> {
    let of_name = form.controls.iter().filter(|control| control.name == name);
    of_name
        .filter_map(|control| match &control.kind {
            Kind::Checkbox(value) | Kind::Radio(value) => Some(value.as_str()),
            _ => None,
        })
        .collect()
}

fn is_offered(form: &Form, name: &str, text: &str) -> bool {
    // A field of the same name that takes any text, such as Rails' hidden twin of a check box.
    let of_name = |control: &&Control| control.name == name && control.kind == Kind::Text;
    offered(form, name).contains(&text) || form.controls.iter().any(|control| of_name(&control))
}

fn no_choice(name: &str, text: &str, choices: &[&str]) -> String {
    let choices = choices.iter().take(30).map(|choice| format!("{choice:?}"));
    let choices = choices.collect::<Vec<_>>().join(", ");
    format!("the field {name:?} does not offer {text:?}; it offers {choices}")
}

fn send(
    page: &JsValue,
    form: &Form,
    button: Option<&Button>,
    entries: &[Entry],
    context: &mut Context,
) -> JsResult<JsValue> {
    let own_method = button.and_then(|button| button.method.as_ref()).unwrap_or(&form.method);
    let encoding = button.and_then(|button| button.encoding.as_ref()).unwrap_or(&form.encoding);
    let action = button.and_then(|button| button.action.as_deref()).or(form.action.as_deref());
    let (from, to) = with(page, |page| (page.url.clone(), target(page, action)))?;
    let Some(mut to) = to.and_then(|to| Url::parse(&to).ok()) else {
        return type_error(format!("the form is sent to {action:?}, which is no address"));
    };
    match own_method.as_str() {
        "post" => {
            let body = encode::body(entries, encoding, crypto::random()?);
            go(&from, &to, "POST", Some(body), context)
        }
        "dialog" => type_error("the form closes a dialog and is not sent anywhere"),
        _ => {
            to.set_query(Some(&encode::query(entries)));
            go(&from, &to, "GET", None, context)
        }
    }
}
