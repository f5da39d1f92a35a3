//! The modules that a script may import: those of its project, and "tripline".

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use boa_engine::module::{ModuleLoader, ModuleRequest, Referrer};
use boa_engine::{
    Context, JsError, JsNativeError, JsObject, JsResult, JsString, JsValue, Module, Source,
    js_string,
};

use super::errors;
use super::host::{Host, Position};
use super::web::json;
use super::{api, scan};

/// The name of the built-in module.
const BUILT_IN: &str = "tripline";

/// The modules of one run, parsed as they are asked for.
#[derive(Default)]
pub(super) struct Modules {
    parsed: RefCell<HashMap<String, Module>>,
}

impl Modules {
    /// The module of this path, parsed. Each is parsed once.
    pub(super) fn load(&self, path: &str, context: &mut Context) -> JsResult<Module> {
        if let Some(module) = self.parsed.borrow().get(path) {
            return Ok(module.clone());
        }
        let module = if path == BUILT_IN {
            api::module(context)
        } else if is_json(path) {
            let text = source(path, context).unwrap_or_default();
            let value = json::parse(&text, context).map_err(|error| {
                let position = (path.to_owned(), error.line, error.column);
                let message = format!("{path} is {error}");
                refusal(JsNativeError::syntax(), &message, Some(position), context)
            })?;
            Module::from_value_as_default(value, context)
        } else {
            let text = source(path, context).unwrap_or_default();
            if let Some((line, column)) = scan::place_of_using(&text) {
                let message = "`using` is not known here: dispose of it in a `finally`";
                let position = Some((path.to_owned(), line, column));
                return Err(refusal(JsNativeError::syntax(), message, position, context));
            }
            let text = scan::with_async_default(&text).unwrap_or(text);
            let source = Source::from_bytes(text.as_bytes()).with_path(Path::new(path));
            Module::parse(source, None, context)
                .map_err(|error| errors::in_file(error, path, context))?
        };
        self.parsed.borrow_mut().insert(path.to_owned(), module.clone());
        Ok(module)
    }

    fn import(
        &self,
        referrer: &Referrer,
        request: &ModuleRequest,
        context: &mut Context,
    ) -> JsResult<Module> {
        let specifier = request.specifier().to_std_string_lossy();
        if specifier == BUILT_IN {
            return self.load(BUILT_IN, context);
        }
        let importer = referrer.path().map(|path| path.to_string_lossy().into_owned());
        let importer = importer.unwrap_or_default();
        let resolved = resolve(&importer, &specifier, |path| has_source(path, context))
            .and_then(|path| fits(request, &specifier, &path).map(|()| path));
        match resolved {
            Ok(path) => self.load(&path, context),
            Err(why) => {
                let position = importing_place(&importer, &specifier, context);
                let by = position
                    .as_ref()
                    .map(|(file, line, _)| format!("{why} (imported by {file}:{line})"));
                Err(refusal(JsNativeError::typ(), &by.unwrap_or(why), position, context))
            }
        }
    }
}

/// Whether the project has such a module.
pub(super) fn has_source(path: &str, context: &Context) -> bool {
    Host::of(context).sources.borrow().iter().any(|(name, _)| name == path)
}

fn is_json(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "json")
}

/// The text of a module of the project.
pub(super) fn source(path: &str, context: &Context) -> Option<String> {
    let host = Host::of(context);
    let sources = host.sources.borrow();
    sources.iter().find(|(name, _)| name == path).map(|(_, text)| text.clone())
}

/// The path that a specifier means, or why there is none.
fn resolve(
    importer: &str,
    specifier: &str,
    exists: impl Fn(&str) -> bool,
) -> Result<String, String> {
    if !specifier.starts_with("./") && !specifier.starts_with("../") {
        return Err(format!(
            "cannot import \"{specifier}\": only \"tripline\" and files of the project \
             (\"./lib/session.js\") can be imported"
        ));
    }
    let mut parts: Vec<&str> = importer.split('/').collect();
    parts.pop();
    for part in specifier.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return Err(format!(
                        "cannot import \"{specifier}\": it lies outside the project folder"
                    ));
                }
            }
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    if exists(&path) {
        return Ok(path);
    }
    let with_extension = format!("{path}.js");
    let hint = if exists(&with_extension) {
        format!("; did you mean \"{specifier}.js\"?")
    } else {
        String::new()
    };
    Err(format!("cannot import \"{specifier}\": there is no file {path}{hint}"))
}

/// Whether the attributes of an import suit the file, or why not. JSON may be imported without any.
fn fits(request: &ModuleRequest, specifier: &str, path: &str) -> Result<(), String> {
    for attribute in request.attributes() {
        let key = attribute.key().to_std_string_lossy();
        let value = attribute.value().to_std_string_lossy();
        if (key.as_str(), value.as_str()) != ("type", "json") {
            return Err(format!(
                "cannot import \"{specifier}\" with {{ {key}: \"{value}\" }}: only \
                 {{ type: \"json\" }} is known"
            ));
        }
        if !is_json(path) {
            return Err(format!("cannot import \"{specifier}\" as JSON: its name ends otherwise"));
        }
    }
    Ok(())
}

/// Where in the importing module the specifier stands.
fn importing_place(importer: &str, specifier: &str, context: &Context) -> Option<Position> {
    let text = source(importer, context)?;
    let (line, column) = scan::place_of_literal(&text, specifier)?;
    Some((importer.to_owned(), line, column))
}

/// An error of loading, with the place where the cause stands.
fn refusal(
    error: JsNativeError,
    message: &str,
    position: Option<Position>,
    context: &mut Context,
) -> JsError {
    let object: JsObject = error.with_message(message.to_owned()).into_opaque(context);
    let value = JsValue::from(object);
    errors::mark_as_script_error(&value, position, context);
    JsError::from_opaque(value)
}

impl ModuleLoader for Modules {
    fn load_imported_module(
        self: Rc<Self>,
        referrer: Referrer,
        request: ModuleRequest,
        context: &RefCell<&mut Context>,
    ) -> impl Future<Output = JsResult<Module>> {
        std::future::ready(self.import(&referrer, &request, &mut context.borrow_mut()))
    }

    fn init_import_meta(
        self: Rc<Self>,
        import_meta: &JsObject,
        module: &Module,
        context: &mut Context,
    ) {
        let path = module.path().map(|path| path.to_string_lossy().into_owned());
        let url = JsString::from(format!("project:///{}", path.unwrap_or_default()));
        // The object is new and ordinary; a property can always be added.
        let _ = import_meta.create_data_property(js_string!("url"), url, context);
    }
}
