//! What a module says about itself: its `options`, and the secrets that it mentions.
//!
//! The module's top level runs, but nothing it asks of the outside is done.

use boa_engine::property::PropertyKey;
use boa_engine::{JsObject, JsValue, Module, js_string};

use super::errors::{self, Failure};
use super::events::shorten;
use super::host::{Mode, Stop};
use super::inspect::inspect;
use super::spans::{self, Parts, Place};
use super::{Engine, Port, native};
use crate::sandbox::protocol::{
    Description, FromChild, OptionEntry, OptionKind, OptionValue, ScriptError, ScriptErrorKind,
    Source,
};

/// How deep `options` may nest.
const MAX_DEPTH: usize = 16;
/// How many values `options` may hold.
const MAX_VALUES: usize = 1_000;
/// The longest text that `options` may hold.
const MAX_TEXT: usize = 4_000;

impl Engine {
    /// Evaluates the entry module for its `options` and sends what it found.
    pub(super) fn describe(mut self, port: Box<dyn Port>, source: Source) -> std::io::Result<()> {
        self.host.begin(port, Mode::Describing, None);
        let described = match self.description(source) {
            Err(Failure::Stopped(Stop::Gone(error))) => return Err(error),
            Err(failure) => Err(errors::script_error(&failure, &self.host, &mut self.context)),
            Ok(described) => described,
        };
        let told = self.host.tell_dropped();
        let told = told.and_then(|()| self.host.send(&FromChild::Described(described)));
        self.parted(told)
    }

    fn description(&mut self, source: Source) -> Result<Result<Description, ScriptError>, Failure> {
        let mentions = |(path, text): &(String, String)| spans::secrets(path, text);
        let secrets = source.modules.iter().flat_map(mentions).collect();
        let entry = source.entry.clone();
        let module = self.load(source)?;
        let options = self.export(&module, "options")?;
        let has_default_function = self.export(&module, "default")?.is_callable();
        let text = super::modules::source(&entry, &self.context).unwrap_or_default();
        let place = spans::options(&text);
        let mut reader = Reader { left: MAX_VALUES };
        if options.is_undefined() {
            return Ok(Ok(Description { options: None, has_default_function, secrets }));
        }
        Ok(match reader.value(&options, place.as_ref(), 0) {
            Ok(options) => {
                Ok(Description { options: Some(options), has_default_function, secrets })
            }
            Err(why) => Err(wrong_options(why, &entry, &text, place.as_ref())),
        })
    }

    fn export(&mut self, module: &Module, name: &'static str) -> Result<JsValue, Failure> {
        let key = boa_engine::JsString::from(name);
        let namespace = module.namespace(&mut self.context);
        let has = namespace.has_property(key.clone(), &mut self.context);
        let value = match has {
            Ok(true) => namespace.get(key, &mut self.context),
            Ok(false) => Ok(JsValue::undefined()),
            Err(error) => Err(error),
        };
        value.map_err(|error| Failure::of(error, &self.host, &mut self.context))
    }
}

fn wrong_options(why: String, entry: &str, text: &str, place: Option<&Place>) -> ScriptError {
    let position = place.map(|place| {
        let (line, column) = super::scan::line_and_column(text, place.range.start);
        (entry.to_owned(), line, column)
    });
    let kind = ScriptErrorKind::Script;
    ScriptError { kind, message: why, expected: None, received: None, position, step: None }
}

/// Reads `options`; getters and proxies are not asked.
struct Reader {
    left: usize,
}

impl Reader {
    fn value(
        &mut self,
        value: &JsValue,
        place: Option<&Place>,
        depth: usize,
    ) -> Result<OptionValue, String> {
        if depth > MAX_DEPTH {
            return Err(format!("options nest deeper than {MAX_DEPTH} levels"));
        }
        if self.left == 0 {
            return Err(format!("options hold more than {MAX_VALUES} values"));
        }
        self.left -= 1;
        let span = place.and_then(|place| spans::span(&place.range));
        Ok(OptionValue { kind: self.kind(value, place, depth)?, span })
    }

    fn kind(
        &mut self,
        value: &JsValue,
        place: Option<&Place>,
        depth: usize,
    ) -> Result<OptionKind, String> {
        if value.is_null() {
            return Ok(OptionKind::Null);
        }
        if let Some(is) = value.as_boolean() {
            return Ok(OptionKind::Boolean(is));
        }
        if let Some(number) = value.as_number() {
            return Ok(OptionKind::Number(number));
        }
        if let Some(text) = value.as_string() {
            if text.len() > MAX_TEXT {
                return Err(format!("options hold a text longer than {MAX_TEXT} characters"));
            }
            return Ok(OptionKind::Text(text.to_std_string_lossy()));
        }
        match value.as_object() {
            Some(object) if object.is_array() => self.list(&object, place, depth),
            Some(object) if object.is_ordinary() => self.table(&object, place, depth),
            _ => Ok(OptionKind::Other(shorten(&inspect(value), 200))),
        }
    }

    fn list(
        &mut self,
        array: &JsObject,
        place: Option<&Place>,
        depth: usize,
    ) -> Result<OptionKind, String> {
        let places = match place.map(|place| &place.parts) {
            Some(Parts::List(places)) => places.as_slice(),
            _ => &[],
        };
        let length = native::data_property(array, js_string!("length"));
        let length = length.and_then(|length| length.as_number()).map_or(0, native::to_u32);
        if length as usize > MAX_VALUES {
            return Err(format!("options hold more than {MAX_VALUES} values"));
        }
        let mut items = Vec::new();
        for at in 0..length {
            let item = native::data_property(array, at).unwrap_or_default();
            items.push(self.value(&item, places.get(at as usize), depth + 1)?);
        }
        Ok(OptionKind::List(items))
    }

    fn table(
        &mut self,
        object: &JsObject,
        place: Option<&Place>,
        depth: usize,
    ) -> Result<OptionKind, String> {
        let places = match place.map(|place| &place.parts) {
            Some(Parts::Table(places)) => places.as_slice(),
            _ => &[],
        };
        let mut keys: Vec<PropertyKey> = Vec::new();
        let indices: Vec<u32> = object.borrow().properties().index_property_keys().collect();
        keys.extend(indices.into_iter().map(PropertyKey::from));
        keys.extend(object.borrow().shape().keys());
        let mut entries = Vec::new();
        for key in keys {
            let name = match &key {
                PropertyKey::String(name) => name.to_std_string_lossy(),
                PropertyKey::Index(index) => index.get().to_string(),
                PropertyKey::Symbol(_) => continue,
            };
            let Some(value) = native::data_property(object, key) else {
                return Err(format!("options.{name} is a getter; write the value itself"));
            };
            // Of a key written twice the last counts.
            let found = places.iter().rev().find(|(key, ..)| *key == name);
            let value = self.value(&value, found.map(|(.., place)| place), depth + 1)?;
            let span = found.and_then(|(_, range, _)| spans::span(range));
            entries.push(OptionEntry { key: name, span, value });
        }
        Ok(OptionKind::Table(entries))
    }
}
