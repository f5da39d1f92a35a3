//! `crypto`: random values, digests and HMAC.

use boa_engine::builtins::typed_array::{TypedArray, TypedArrayKind};
use boa_engine::object::builtins::{JsArrayBuffer, JsTypedArray};
use boa_engine::{
    Context, JsArgs, JsData, JsNativeError, JsObject, JsResult, JsString, JsValue, js_string,
};
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
    let functions: [native::Function; 5] = [
        ("generateKey", 3, |_, args, context| promised(generate_key(args, context), context)),
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
    if let Some(TypedArrayKind::Float32 | TypedArrayKind::Float64) = array.kind() {
        let message = "getRandomValues fills a typed array of integers";
        return Err(abort::dom_exception("TypeMismatchError", message, context)?);
    }
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
    if name != "HMAC" {
        return unsupported(&format!("only HMAC keys can be imported, not {name}"), context);
    }
    let given = args.get_or_undefined(1);
    let bytes = match format.as_str() {
        "raw" => data(given, context)?,
        "jwk" => octets(given, context)?,
        _ => return unsupported(&format!("keys are raw or jwk, not {format}"), context),
    };
    key(args.get_or_undefined(2), &bytes, args.get_or_undefined(4), context)
}

/// The bytes of a JSON Web Key for HMAC (RFC 7518, section 6.4).
fn octets(key: &JsValue, context: &mut Context) -> JsResult<Vec<u8>> {
    let kind = native::option(key, "kty", context)?;
    let text = native::option(key, "k", context)?;
    let decoded = match (kind.as_string(), text.as_string()) {
        (Some(kind), Some(text)) if kind == js_string!("oct") => {
            let text = text.to_std_string_lossy();
            data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok()
        }
        _ => None,
    };
    if let Some(bytes) = decoded {
        return Ok(bytes);
    }
    let message = "a jwk for HMAC has the kty \"oct\" and its bytes as base64url in k";
    Err(abort::dom_exception("DataError", message, context)?)
}

/// `generateKey({ name: "HMAC", hash, length? }, extractable, usages)`
fn generate_key(args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let given = args.get_or_undefined(0);
    let name = algorithm(given, context)?;
    if name != "HMAC" {
        return unsupported(&format!("only HMAC keys can be generated, not {name}"), context);
    }
    let hash = native::option(given, "hash", context)?;
    let block = match algorithm(&hash, context)?.as_str() {
        "SHA-384" | "SHA-512" => 128,
        _ => 64,
    };
    // In bits; as long as a block of the digest unless it is said.
    let length = native::option(given, "length", context)?;
    let length = if length.is_undefined() {
        block
    } else {
        native::to_u32(length.to_number(context)?).div_ceil(8) as usize
    };
    if length == 0 || length > MAX_RANDOM {
        let message = "a key has at least one bit, and not very many";
        return Err(abort::dom_exception("OperationError", message, context)?);
    }
    let mut bytes = vec![0; length];
    fill(&mut bytes)?;
    key(given, &bytes, args.get_or_undefined(2), context)
}

fn key(
    given: &JsValue,
    bytes: &[u8],
    usages: &JsValue,
    context: &mut Context,
) -> JsResult<JsValue> {
    let hash = native::option(given, "hash", context)?;
    let hash = algorithm(&hash, context)?;
    let (hash, algorithm) = match hash.as_str() {
        "SHA-1" => ("SHA-1", hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        "SHA-256" => ("SHA-256", hmac::HMAC_SHA256),
        "SHA-384" => ("SHA-384", hmac::HMAC_SHA384),
        "SHA-512" => ("SHA-512", hmac::HMAC_SHA512),
        _ => return unsupported(&format!("there is no HMAC with {hash}"), context),
    };
    let mut wanted = Vec::new();
    for usage in native::items(usages, context)? {
        wanted.push(native::text(&usage, context)?);
    }
    let may = |what: &str| wanted.iter().any(|usage| usage == what);
    let (may_sign, may_verify) = (may("sign"), may("verify"));
    let key = Key { hmac: hmac::Key::new(algorithm, bytes), hash, may_sign, may_verify };
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
