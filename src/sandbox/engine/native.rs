//! The bridge between Rust functions and the realm: functions, classes, and reading properties
//! without running code of the script.

use std::cell::RefCell;
use std::collections::HashMap;

use boa_engine::builtins::proxy::Proxy;
use boa_engine::object::builtins::{JsArray, JsFunction, JsPromise};
use boa_engine::object::{FunctionObjectBuilder, NativeObject};
use boa_engine::property::{PropertyDescriptor, PropertyKey};
use boa_engine::symbol::JsSymbol;
use boa_engine::{
    Context, JsNativeError, JsObject, JsResult, JsString, JsValue, NativeFunction, Source,
    js_string,
};

use super::host::{Host, Seen};
use super::{console, date, places, sort, timers, web};

/// A function of the host.
pub(super) type Call = fn(&JsValue, &[JsValue], &mut Context) -> JsResult<JsValue>;

/// Name, number of parameters, and what it does.
pub(super) type Function = (&'static str, usize, Call);

/// Name, getter, setter.
pub(super) type Accessor = (&'static str, Call, Option<Call>);

/// A class whose instances hold Rust data.
#[derive(Debug)]
pub(super) struct Class {
    /// Its name.
    pub(super) name: &'static str,
    /// What `new` does; the first argument is `new.target`, undefined for a plain call.
    pub(super) construct: Call,
    /// The number of parameters of the constructor.
    pub(super) length: usize,
    /// Methods of instances.
    pub(super) methods: &'static [Function],
    /// Accessors of instances.
    pub(super) accessors: &'static [Accessor],
    /// Functions of the class itself.
    pub(super) statics: &'static [Function],
    /// The methods of [`iteration`], where instances are lists of pairs.
    pub(super) iteration: Option<[Function; 4]>,
}

/// What the host keeps of the realm.
#[derive(Default)]
pub(super) struct Realm {
    classes: RefCell<HashMap<&'static str, (JsObject, JsObject)>>,
    segments: RefCell<HashMap<&'static str, JsObject>>,
    symbols: RefCell<HashMap<&'static str, JsSymbol>>,
    /// The values of the globals that were used.
    globals: RefCell<HashMap<&'static str, JsValue>>,
    stack_getter: RefCell<Option<JsFunction>>,
}

/// A global that is made when it is first used.
pub(super) type Lazy = (&'static str, fn(&mut Context) -> JsResult<JsValue>);

/// Puts the script API up in a new realm.
pub(super) fn install(context: &mut Context) {
    let error = context.intrinsics().constructors().error().prototype();
    let stack = error.borrow().properties().get(&js_string!("stack").into());
    let getter = stack.as_ref().and_then(|stack| stack.get().and_then(JsValue::as_function));
    *Host::of(context).realm.stack_getter.borrow_mut() = getter;
    let setter = stack.and_then(|stack| stack.set().cloned());
    let getter = make(&("get stack", 0, places::full_stack), context);
    let whole = PropertyDescriptor::builder().get(getter).maybe_set(setter);
    error.insert_property(js_string!("stack"), whole.enumerable(false).configurable(true).build());

    let global = context.global_object();
    for functions in [timers::GLOBALS, web::GLOBALS] {
        for function in functions {
            define(&global, function.0, make(function, context));
        }
    }
    define(&global, "console", console::object(context));
    for lazy in web::LAZY {
        install_lazy(&global, lazy, context);
    }
    sort::install(context);
    web::json::install(context);
    date::install(context);
}

/// The function that reads the stack of an error.
pub(super) fn stack_getter(context: &Context) -> JsFunction {
    let getter = Host::of(context).realm.stack_getter.borrow().clone();
    getter.unwrap_or_else(|| make(&("stack", 0, |_, _, _| Ok(JsValue::undefined())), context))
}

/// A function object.
pub(super) fn make(&(name, length, call): &Function, context: &Context) -> JsFunction {
    FunctionObjectBuilder::new(context.realm(), NativeFunction::from_fn_ptr(call))
        .name(JsString::from(name))
        .length(length)
        .build()
}

/// Adds a property as built-in objects have them: writable, configurable, not enumerable.
pub(super) fn define(object: &JsObject, key: impl Into<NativeKey>, value: impl Into<JsValue>) {
    let property = PropertyDescriptor::builder()
        .value(value.into())
        .writable(true)
        .enumerable(false)
        .configurable(true)
        .build();
    object.insert_property(key.into().0, property);
}

/// A property key made from a Rust text or an engine key.
pub(super) struct NativeKey(PropertyKey);

impl From<&str> for NativeKey {
    fn from(name: &str) -> Self {
        Self(JsString::from(name).into())
    }
}

impl From<JsSymbol> for NativeKey {
    fn from(symbol: JsSymbol) -> Self {
        Self(symbol.into())
    }
}

/// The property stays an accessor: the engine caches at each place of a script how a global is
/// read, and does not notice a getter that puts a value in its own place, so that the second
/// `new URL(..)` of a loop would call the class like a getter.
fn install_lazy(global: &JsObject, &(name, value): &Lazy, context: &Context) {
    let getter = NativeFunction::from_copy_closure(move |_, _, context| {
        let host = Host::of(context);
        if let Some(made) = host.realm.globals.borrow().get(name) {
            return Ok(made.clone());
        }
        let made = value(context)?;
        host.realm.globals.borrow_mut().insert(name, made.clone());
        Ok(made)
    });
    let setter = NativeFunction::from_copy_closure(move |_, args, context| {
        let given = args.first().cloned().unwrap_or_default();
        Host::of(context).realm.globals.borrow_mut().insert(name, given);
        Ok(JsValue::undefined())
    });
    let property = PropertyDescriptor::builder()
        .get(getter.to_js_function(context.realm()))
        .set(setter.to_js_function(context.realm()))
        .enumerable(false)
        .configurable(true)
        .build();
    global.insert_property(JsString::from(name), property);
}

/// Constructor and prototype of a class, made once.
fn built(class: &'static Class, context: &mut Context) -> (JsObject, JsObject) {
    let host = Host::of(context);
    if let Some(found) = host.realm.classes.borrow().get(class.name) {
        return found.clone();
    }
    let prototype = JsObject::with_object_proto(context.intrinsics());
    let construct = NativeFunction::from_fn_ptr(class.construct);
    let constructor: JsObject = FunctionObjectBuilder::new(context.realm(), construct)
        .name(JsString::from(class.name))
        .length(class.length)
        .constructor(true)
        .build()
        .into();
    let fixed = PropertyDescriptor::builder().value(prototype.clone());
    constructor.insert_property(
        js_string!("prototype"),
        fixed.writable(false).enumerable(false).configurable(false).build(),
    );
    define(&prototype, "constructor", constructor.clone());
    let tag = PropertyDescriptor::builder().value(js_string!(class.name));
    prototype.insert_property(
        JsSymbol::to_string_tag(),
        tag.writable(false).enumerable(false).configurable(true).build(),
    );
    for function in class.methods.iter().chain(class.iteration.iter().flatten()) {
        let method = make(function, context);
        if function.0 == ENTRIES {
            define(&prototype, JsSymbol::iterator(), method.clone());
        }
        define(&prototype, function.0, method);
    }
    for &(name, getter, setter) in class.accessors {
        let getter = make(&(name, 0, getter), context);
        let setter = setter.map(|setter| JsValue::from(make(&(name, 1, setter), context)));
        let property = PropertyDescriptor::builder().get(getter).maybe_set(setter);
        let property = property.enumerable(true).configurable(true).build();
        prototype.insert_property(JsString::from(name), property);
    }
    for function in class.statics {
        define(&constructor, function.0, make(function, context));
    }
    let pair = (constructor, prototype);
    host.realm.classes.borrow_mut().insert(class.name, pair.clone());
    pair
}

/// The constructor of a class.
pub(super) fn constructor(class: &'static Class, context: &mut Context) -> JsObject {
    built(class, context).0
}

/// A new instance of a class.
pub(super) fn instance<T: NativeObject>(
    class: &'static Class,
    data: T,
    context: &mut Context,
) -> JsObject {
    let (_, prototype) = built(class, context);
    JsObject::from_proto_and_data(prototype, data)
}

/// What a constructor returns: an instance whose prototype is that of `new.target`.
pub(super) fn construct<T: NativeObject>(
    new_target: &JsValue,
    class: &'static Class,
    data: T,
    context: &mut Context,
) -> JsResult<JsValue> {
    let Some(target) = new_target.as_object() else {
        let message = format!("class {} needs new", class.name);
        return Err(JsNativeError::typ().with_message(message).into());
    };
    let prototype = target.get(js_string!("prototype"), context)?.as_object();
    let prototype = prototype.unwrap_or_else(|| built(class, context).1);
    Ok(JsObject::from_proto_and_data(prototype, data).into())
}

/// A constructor for classes that scripts only receive.
pub(super) fn no_constructor(_: &JsValue, _: &[JsValue], _: &mut Context) -> JsResult<JsValue> {
    Err(JsNativeError::typ().with_message("this class is not for new").into())
}

/// A symbol by which the host and its own JavaScript know each other's methods.
pub(super) fn symbol(name: &'static str, context: &Context) -> JsSymbol {
    let host = Host::of(context);
    let mut symbols = host.realm.symbols.borrow_mut();
    let made = symbols.entry(name).or_insert_with(|| {
        JsSymbol::new(Some(JsString::from(name))).unwrap_or_else(JsSymbol::to_string_tag)
    });
    made.clone()
}

/// What a segment of our own JavaScript exports: it is a function expression that is called with
/// an object of host functions, and it is evaluated once.
pub(super) fn segment(
    name: &'static str,
    text: &'static str,
    tools: fn(&mut Context) -> JsResult<JsObject>,
    context: &mut Context,
) -> JsResult<JsObject> {
    let host = Host::of(context);
    if let Some(found) = host.realm.segments.borrow().get(name) {
        return Ok(found.clone());
    }
    let source = Source::from_bytes(text).with_path(std::path::Path::new(name));
    let function = context.eval(source)?;
    let tools = tools(context)?;
    let function = function.as_function();
    let exports = match function {
        Some(function) => function.call(&JsValue::undefined(), &[tools.into()], context)?,
        None => JsValue::undefined(),
    };
    let exports = exports.as_object().unwrap_or_else(JsObject::with_null_proto);
    host.realm.segments.borrow_mut().insert(name, exports.clone());
    Ok(exports)
}

/// The value of an own data property; no getter and no proxy is asked.
pub(super) fn data_property(object: &JsObject, key: impl Into<PropertyKey>) -> Option<JsValue> {
    let object = object.try_borrow().ok()?;
    object.properties().get(&key.into())?.value().cloned()
}

/// The value of a data property of the object or its prototypes.
pub(super) fn inherited_data_property(object: &JsObject, key: JsString) -> Option<JsValue> {
    let key = PropertyKey::from(key);
    let mut next = Some(object.clone());
    for _ in 0..50 {
        let object = next?;
        if object.is::<Proxy>() {
            return None;
        }
        let found = object.try_borrow().ok()?.properties().get(&key);
        match found {
            Some(property) => return property.value().cloned(),
            None => next = object.prototype(),
        }
    }
    None
}

/// A number as an unsigned integer, cut to its range.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, which is what is meant"
)]
pub(super) fn to_u32(number: f64) -> u32 {
    number as u32
}

/// The text of a value, as `String(value)` gives it.
pub(super) fn text(value: &JsValue, context: &mut Context) -> JsResult<String> {
    Ok(value.to_string(context)?.to_std_string_lossy())
}

/// An own or inherited property of an options object, undefined when there is no object.
pub(super) fn option(
    options: &JsValue,
    name: &'static str,
    context: &mut Context,
) -> JsResult<JsValue> {
    match options.as_object() {
        Some(object) => object.get(JsString::from(name), context),
        None => Ok(JsValue::undefined()),
    }
}

/// A list of texts as an array.
pub(super) fn texts(list: Vec<String>, context: &mut Context) -> JsValue {
    let values: Vec<JsValue> = list.into_iter().map(|text| JsString::from(text).into()).collect();
    JsArray::from_iter(values, context).into()
}

/// The entries of a plain object, as texts.
pub(super) fn entries(
    object: &JsObject,
    context: &mut Context,
) -> JsResult<Vec<(String, JsValue)>> {
    let mut entries = Vec::new();
    for key in object.own_property_keys(context)? {
        let name = match &key {
            PropertyKey::String(name) => name.to_std_string_lossy(),
            PropertyKey::Index(index) => index.get().to_string(),
            PropertyKey::Symbol(_) => continue,
        };
        let value = object.get(key, context)?;
        entries.push((name, value));
    }
    Ok(entries)
}

/// The data of an instance, for a method called on it.
pub(super) fn data<T: NativeObject, R>(
    this: &JsValue,
    class: &'static str,
    use_it: impl FnOnce(&mut T) -> R,
) -> JsResult<R> {
    let object = this.as_object();
    let mut data = object.as_ref().and_then(JsObject::downcast_mut::<T>);
    let Some(data) = data.as_deref_mut() else {
        let message = format!("this is called on something that is no {class}");
        return Err(JsNativeError::typ().with_message(message).into());
    };
    Ok(use_it(data))
}

/// A promise of a result; what cannot be caught goes on as it is.
pub(super) fn promised(result: JsResult<JsValue>, context: &mut Context) -> JsResult<JsValue> {
    match result {
        Ok(value) => Ok(JsPromise::resolve(value, context)?.into()),
        Err(error) if error.as_engine().is_some() => Err(error),
        Err(error) => {
            let value = error.into_opaque(context)?;
            let host = Host::of(context);
            let position = places::call_site(context);
            host.note(&value, Seen { position, step: host.step.get(), ..Seen::default() });
            Ok(JsPromise::reject(boa_engine::JsError::from_opaque(value), context)?.into())
        }
    }
}

/// The items of an iterable.
pub(super) fn items(value: &JsValue, context: &mut Context) -> JsResult<Vec<JsValue>> {
    let array = context.intrinsics().constructors().array().constructor();
    let from = array.get(js_string!("from"), context)?;
    let list = match from.as_function() {
        Some(from) => from.call(&array.into(), std::slice::from_ref(value), context)?,
        None => JsValue::undefined(),
    };
    let Some(list) = list.as_object() else { return Ok(Vec::new()) };
    let length = to_u32(list.get(js_string!("length"), context)?.to_number(context)?);
    (0..length).map(|at| list.get(at, context)).collect()
}

/// Name and value pairs from an iterable of pairs or a plain object.
pub(super) fn pairs(value: &JsValue, context: &mut Context) -> JsResult<Vec<(String, String)>> {
    let Some(object) = value.as_object() else { return Ok(Vec::new()) };
    let iterator = object.get(JsSymbol::iterator(), context)?;
    if iterator.is_null_or_undefined() {
        let mut pairs = Vec::new();
        for (name, value) in entries(&object, context)? {
            let value = text(&value, context)?;
            pairs.push((name, value));
        }
        return Ok(pairs);
    }
    let mut pairs = Vec::new();
    for item in items(value, context)? {
        let pair = items(&item, context)?;
        let [name, value] = pair.as_slice() else {
            let message = "each entry must be a pair of name and value";
            return Err(JsNativeError::typ().with_message(message).into());
        };
        pairs.push((text(name, context)?, text(value, context)?));
    }
    Ok(pairs)
}

/// Data of instances that are lists of names and values.
pub(super) trait Pairs: NativeObject {
    /// The name of the class.
    const CLASS: &'static str;

    /// The pairs in the order in which scripts see them.
    fn pairs(&self) -> Vec<(String, String)>;
}

/// The method that `Symbol.iterator` stands for.
const ENTRIES: &str = "entries";

/// The methods by which scripts go through pairs.
pub(super) const fn iteration<T: Pairs>() -> [Function; 4] {
    [
        (ENTRIES, 0, |this, _, context| {
            let pairs = pairs_of::<T>(this)?.into_iter();
            let items: Vec<_> =
                pairs.map(|(name, value)| texts(vec![name, value], context)).collect();
            iterator(items, context)
        }),
        ("keys", 0, |this, _, context| {
            let names = pairs_of::<T>(this)?.into_iter().map(|(name, _)| JsString::from(name));
            iterator(names.map(JsValue::from), context)
        }),
        ("values", 0, |this, _, context| {
            let values = pairs_of::<T>(this)?.into_iter().map(|(_, value)| JsString::from(value));
            iterator(values.map(JsValue::from), context)
        }),
        ("forEach", 1, for_each::<T>),
    ]
}

fn pairs_of<T: Pairs>(this: &JsValue) -> JsResult<Vec<(String, String)>> {
    data(this, T::CLASS, |list: &mut T| list.pairs())
}

fn iterator(items: impl IntoIterator<Item = JsValue>, context: &mut Context) -> JsResult<JsValue> {
    JsArray::from_iter(items, context).values(context)
}

/// What `forEach` does: value and name, in this order.
fn for_each<T: Pairs>(
    this: &JsValue,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<JsValue> {
    let Some(function) = args.first().and_then(JsValue::as_function) else {
        return Err(JsNativeError::typ().with_message("forEach needs a function").into());
    };
    for (name, value) in pairs_of::<T>(this)? {
        let arguments = [JsString::from(value).into(), JsString::from(name).into(), this.clone()];
        function.call(&args.get(1).cloned().unwrap_or_default(), &arguments, context)?;
    }
    Ok(JsValue::undefined())
}
