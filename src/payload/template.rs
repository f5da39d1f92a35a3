//! A form that an event is given: JSON whose texts have places to be filled in.
//!
//! The JSON is read first and its texts are filled after that, each by itself, so whatever stands in
//! an event, the result is JSON of the same shape: `"title": "{{ name }}"`. A text that is one place
//! and nothing else becomes the value itself, be it a number, a list or null. The notation of the
//! places is Jinja's (minijinja); there are no files, includes or macros, and a template that goes on
//! for ever is stopped.

use std::fmt;
use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::{Map, Value};

use super::Payload;

/// So many instructions may a text take.
const FUEL: u64 = 100_000;
/// The longest result, in bytes.
const LONGEST: usize = 256 << 10;
/// The name of a text that is one place ends so.
const WHOLE: &str = "#value";

/// A form for events.
#[derive(Clone)]
pub struct Template {
    text: Arc<str>,
    shape: Arc<Value>,
    texts: Arc<Environment<'static>>,
}

/// Why a text is no template, or an event cannot be given its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// What is wrong, and where.
    pub message: String,
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.text).finish()
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Template {
    /// Reads a template, and tries it on events of every type.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] names the line where the text is no JSON, or the field and the event that it
    /// cannot be filled in for.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let shape: Value = serde_json::from_str(text).map_err(|error| TemplateError {
            message: format!("it is not valid JSON: {error} of the template"),
        })?;
        let mut texts = Environment::new();
        texts.set_undefined_behavior(UndefinedBehavior::Strict);
        texts.set_fuel(Some(FUEL));
        texts.set_auto_escape_callback(|name| {
            if name.ends_with(WHOLE) { AutoEscape::Json } else { AutoEscape::None }
        });
        read(&shape, "", &mut texts)?;
        let template = Self { text: text.into(), shape: Arc::new(shape), texts: Arc::new(texts) };
        for sample in Payload::samples() {
            template.fill(&sample).map_err(|error| TemplateError {
                message: format!("{error}, for an event `{}`", sample.event),
            })?;
        }
        Ok(template)
    }

    /// The JSON of an event in this form.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] says which field cannot be filled in, and why.
    pub fn fill(&self, payload: &Payload) -> Result<String, TemplateError> {
        let fields = minijinja::Value::from(Serde(fields(payload)));
        let mut room = LONGEST;
        let filled = self.filled(&self.shape, "", &fields, &mut room)?;
        Ok(filled.to_string())
    }

    fn filled(
        &self,
        shape: &Value,
        path: &str,
        fields: &minijinja::Value,
        room: &mut usize,
    ) -> Result<Value, TemplateError> {
        Ok(match shape {
            Value::String(text) if has_places(text) => {
                let name = name(path, text);
                let template = self.texts.get_template(&name).map_err(|it| at(path, &it))?;
                let said = template.render(fields).map_err(|it| at(path, &it))?;
                let long = || TemplateError { message: "the result is too long".to_owned() };
                *room = room.checked_sub(said.len()).ok_or_else(long)?;
                if name.ends_with(WHOLE) {
                    serde_json::from_str(&said).map_err(|error| TemplateError {
                        message: format!("at `{path}`: this is no value: {error}"),
                    })?
                } else {
                    Value::String(said)
                }
            }
            Value::Array(items) => {
                let mut list = Vec::with_capacity(items.len());
                for (number, item) in items.iter().enumerate() {
                    list.push(self.filled(item, &format!("{path}/{number}"), fields, room)?);
                }
                Value::Array(list)
            }
            Value::Object(entries) => {
                let mut object = Map::new();
                for (key, item) in entries {
                    let item = self.filled(item, &below(path, key), fields, room)?;
                    object.insert(key.clone(), item);
                }
                Value::Object(object)
            }
            other => other.clone(),
        })
    }
}

/// What the places can name: all of an event, without the level of `data`.
fn fields(payload: &Payload) -> Value {
    let mut fields = serde_json::to_value(&payload.data).unwrap_or_default();
    if let Value::Object(fields) = &mut fields {
        fields.insert("type".to_owned(), payload.event.into());
        fields.insert("timestamp".to_owned(), payload.timestamp.to_rfc3339().into());
    }
    fields
}

/// Reads all texts below `shape`.
fn read(shape: &Value, path: &str, texts: &mut Environment<'static>) -> Result<(), TemplateError> {
    match shape {
        Value::String(text) if has_places(text) => texts
            .add_template_owned(name(path, text), text.clone())
            .map_err(|error| at(path, &error)),
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.try_for_each(|(number, item)| read(item, &format!("{path}/{number}"), texts))
        }
        Value::Object(entries) => {
            let mut entries = entries.iter();
            entries.try_for_each(|(key, item)| read(item, &below(path, key), texts))
        }
        _ => Ok(()),
    }
}

/// The path of an entry (RFC 6901), so that no two texts have one.
fn below(path: &str, key: &str) -> String {
    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn has_places(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|opening| text.contains(opening))
}

/// What the text at `path` is called; it says whether it is one place and nothing else.
fn name(path: &str, text: &str) -> String {
    let inner = text.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    let is_whole = inner.is_some_and(|it| !it.contains("{{") && !it.contains("}}"));
    if is_whole { format!("{path}{WHOLE}") } else { path.to_owned() }
}

fn at(path: &str, error: &minijinja::Error) -> TemplateError {
    let path = if path.is_empty() { "/" } else { path };
    let detail = error
        .detail()
        .map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()));
    TemplateError { message: format!("at `{path}`: {detail}") }
}
