//! `crypto`: random values, digests and HMAC.

use boa_engine::builtins::typed_array::TypedArray;
use boa_engine::object::builtins::{JsArrayBuffer, JsTypedArray};
use boa_engine::{Context, JsArgs, JsData, JsNativeError, JsObject, JsResult, JsString, JsValue};
use boa_gc::{Finalize, Trace};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac};

use super::super::errors::type_error;
use super::super::native::{self, Class};
use super::abort;
use super::body::{array_buffer, bytes_of, js};

/// The most bytes of one `getRandomValues`, as in browsers.
const MAX_RANDOM: usize = 65_536;

/// A key for HMAC.
#[derive(Debug, Trace, Finalize, JsData)]
struct Key {
    #[unsafe_ignore_trace]
    hmac: hmac::Key,
    hash: &'static str,
    may_sign: bool,
    may_verify: bool,
}

/// `CryptoKey`.
static KEY: Class = Class {
    name: "CryptoKey",
    construct: native::no_constructor,
    length: 0,
    methods: &[],
    accessors: &[
        ("type", |_, _, _| Ok(js("secret")), None),
        ("extractable", |_, _, _| Ok(false.into()), None),
        ("algorithm", algorithm_of, None),
    ],
    statics: &[],
    iteration: None,
};

fn algorithm_of(this: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let hash = native::data(this, "CryptoKey", |key: &mut Key| key.hash)?;
    let object = JsObject::with_object_proto(context.intrinsics());
    object.create_data_property(JsString::from("name"), js("HMAC"), context)?;
    object.create_data_property(JsString::from("hash"), js(hash), context)?;
    Ok(object.into())
}

/// The `crypto` object.
pub(super) fn object(context: &mut Context) -> JsResult<JsValue> {
    let subtle = JsObject::with_object_proto(context.intrinsics());
    let functions: [native::Function; 4] = [
        ("digest", 2, |_, args, context| promised(digest(args, context), context)),
        ("importKey", 5, |_, args, context| promised(import_key(args, context), context)),
        ("sign", 3, |_, args, context| promised(sign(args, context), context)),
        ("verify", 4, |_, args, context| promised(verify(args, context), context)),
    ];
    for function in &functions {
        native::define(&subtle, function.0, native::make(function, context));
    }
    let crypto = JsObject::with_object_proto(context.intrinsics());
    let functions: [native::Function; 2] =
        [("randomUUID", 0, random_uuid), ("getRandomValues", 1, random_values)];
    for function in &functions {
        native::define(&crypto, function.0, native::make(function, context));
    }
    native::define(&crypto, "subtle", subtle);
    Ok(crypto.into())
}

fn promised(result: JsResult<JsValue>, context: &mut Context) -> JsResult<JsValue> {
    native::promised(result, context)
}

/// Random bytes.
pub(in crate::sandbox::engine) fn random<const N: usize>() -> JsResult<[u8; N]> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    Ok(bytes)
}

fn fill(bytes: &mut [u8]) -> JsResult<()> {
    SystemRandom::new()
        .fill(bytes)
        .map_err(|_| JsNativeError::error().with_message("the system gave no random bytes").into())
}

fn random_uuid(_: &JsValue, _: &[JsValue], _: &mut Context) -> JsResult<JsValue> {
    let uuid = uuid::Builder::from_random_bytes(random()?).into_uuid();
    Ok(JsString::from(uuid.to_string()).into())
}

fn random_values(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let value = args.get_or_undefined(0);
    let Some(object) = value.as_object().filter(|object| object.is::<TypedArray>()) else {
        return type_error("getRandomValues fills a typed array of integers");
    };
    let array = JsTypedArray::from_object(object)?;
    let (from, length) = (array.byte_offset(context)?, array.byte_length(context)?);
    if length > MAX_RANDOM {
        let message = format!("getRandomValues fills at most {MAX_RANDOM} bytes");
        return Err(abort::dom_exception("QuotaExceededError", &message, context)?);
    }
    let buffer = array.buffer(context)?.as_object().map(JsArrayBuffer::from_object);
    if let Some(Ok(buffer)) = buffer
        && let Some(mut data) = buffer.data_mut()
        && let Some(part) = data.get_mut(from..from + length)
    {
        fill(part)?;
    }
    Ok(value.clone())
}

/// The name of an algorithm: a text, or the `name` of an object.
fn algorithm(value: &JsValue, context: &mut Context) -> JsResult<String> {
    let name = match value.as_object() {
        Some(object) => object.get(JsString::from("name"), context)?,
        None => value.clone(),
    };
    Ok(native::text(&name, context)?.to_ascii_uppercase())
}

fn unsupported<T>(what: &str, context: &mut Context) -> JsResult<T> {
    Err(abort::dom_exception("NotSupportedError", what, context)?)
}

fn data(value: &JsValue, context: &mut Context) -> JsResult<Vec<u8>> {
    match bytes_of(value, context)? {
        Some(bytes) => Ok(bytes),
        None => type_error("the data must be an ArrayBuffer or a typed array; use TextEncoder"),
    }
}

fn digest(args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = algorithm(args.get_or_undefined(0), context)?;
    let algorithm = match name.as_str() {
        "SHA-1" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        "SHA-256" => &digest::SHA256,
        "SHA-384" => &digest::SHA384,
        "SHA-512" => &digest::SHA512,
        _ => return unsupported(&format!("there is no digest {name}"), context),
    };
    let bytes = data(args.get_or_undefined(1), context)?;
    let digest = digest::digest(algorithm, &bytes);
    Ok(array_buffer(digest.as_ref(), context)?.into())
}

fn import_key(args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let format = native::text(args.get_or_undefined(0), context)?;
    let name = algorithm(args.get_or_undefined(2), context)?;
    if format != "raw" || name != "HMAC" {
        let what = format!("only raw HMAC keys can be imported, not {format} {name}");
        return unsupported(&what, context);
    }
    let hash = native::option(args.get_or_undefined(2), "hash", context)?;
    let hash = algorithm(&hash, context)?;
    let (hash, algorithm) = match hash.as_str() {
        "SHA-1" => ("SHA-1", hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        "SHA-256" => ("SHA-256", hmac::HMAC_SHA256),
        "SHA-384" => ("SHA-384", hmac::HMAC_SHA384),
        "SHA-512" => ("SHA-512", hmac::HMAC_SHA512),
        _ => return unsupported(&format!("there is no HMAC with {hash}"), context),
    };
    let bytes = data(args.get_or_undefined(1), context)?;
    let mut usages = Vec::new();
    for usage in native::items(args.get_or_undefined(4), context)? {
        usages.push(native::text(&usage, context)?);
    }
    let may = |what: &str| usages.iter().any(|usage| usage == what);
    let (may_sign, may_verify) = (may("sign"), may("verify"));
    let key = Key { hmac: hmac::Key::new(algorithm, &bytes), hash, may_sign, may_verify };
    Ok(native::instance(&KEY, key, context).into())
}

fn not_imported_for(usage: &str, context: &mut Context) -> JsResult<JsValue> {
    let message = format!("the key was not imported for {usage:?}");
    Err(abort::dom_exception("InvalidAccessError", &message, context)?)
}

fn sign(args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let bytes = data(args.get_or_undefined(2), context)?;
    let tag = native::data(args.get_or_undefined(1), "CryptoKey", |key: &mut Key| {
        key.may_sign.then(|| hmac::sign(&key.hmac, &bytes))
    })?;
    let Some(tag) = tag else { return not_imported_for("sign", context) };
    Ok(array_buffer(tag.as_ref(), context)?.into())
}

fn verify(args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let tag = data(args.get_or_undefined(2), context)?;
    let bytes = data(args.get_or_undefined(3), context)?;
    let is_right = native::data(args.get_or_undefined(1), "CryptoKey", |key: &mut Key| {
        key.may_verify.then(|| hmac::verify(&key.hmac, &bytes, &tag).is_ok())
    })?;
    let Some(is_right) = is_right else { return not_imported_for("verify", context) };
    Ok(is_right.into())
}
