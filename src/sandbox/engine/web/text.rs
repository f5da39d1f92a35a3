//! `TextEncoder`, `TextDecoder`, `atob` and `btoa`.

use boa_engine::object::builtins::JsUint8Array;
use boa_engine::{Context, JsArgs, JsData, JsNativeError, JsObject, JsResult, JsString, JsValue};
use boa_gc::{Finalize, Trace};
use encoding_rs::Encoding;

use super::super::errors::type_error;
use super::super::native::{self, Class};
use super::abort;
use super::body::{byte_array, bytes_of, js};

#[derive(Debug, Trace, Finalize, JsData)]
struct Encoder;

#[derive(Debug, Trace, Finalize, JsData)]
struct Decoder {
    #[unsafe_ignore_trace]
    encoding: &'static Encoding,
    fatal: bool,
    ignore_bom: bool,
}

/// `TextEncoder`.
pub(super) static ENCODER: Class = Class {
    name: "TextEncoder",
    construct: |new, _, context| native::construct(new, &ENCODER, Encoder, context),
    length: 0,
    methods: &[("encode", 0, encode), ("encodeInto", 2, encode_into)],
    accessors: &[("encoding", |_, _, _| Ok(js("utf-8")), None)],
    statics: &[],
    iteration: None,
};

/// `TextDecoder`.
pub(super) static DECODER: Class = Class {
    name: "TextDecoder",
    construct: construct_decoder,
    length: 0,
    methods: &[("decode", 0, decode)],
    accessors: &[
        (
            "encoding",
            |this, _, _| with(this, |it| js(&it.encoding.name().to_ascii_lowercase())),
            None,
        ),
        ("fatal", |this, _, _| with(this, |it| it.fatal.into()), None),
        ("ignoreBOM", |this, _, _| with(this, |it| it.ignore_bom.into()), None),
    ],
    statics: &[],
    iteration: None,
};

fn with(this: &JsValue, read: impl FnOnce(&Decoder) -> JsValue) -> JsResult<JsValue> {
    native::data(this, "TextDecoder", |decoder: &mut Decoder| read(decoder))
}

fn encode(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let text = match args.first() {
        Some(text) if !text.is_undefined() => native::text(text, context)?,
        _ => String::new(),
    };
    byte_array(text.as_bytes(), context)
}

/// `encodeInto(text, array)`: as many whole characters as there is room for.
fn encode_into(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let text = native::text(args.get_or_undefined(0), context)?;
    let array = args.get_or_undefined(1).as_object().map(JsUint8Array::from_object);
    let Some(Ok(array)) = array else { return type_error("encodeInto writes into a Uint8Array") };
    let room = array.byte_length(context)?;
    let kept = &text[..text.floor_char_boundary(room.min(text.len()))];
    for (at, byte) in kept.bytes().enumerate() {
        array.set(at, byte, true, context)?;
    }
    let result = JsObject::with_object_proto(context.intrinsics());
    let counts = [("read", kept.encode_utf16().count()), ("written", kept.len())];
    for (name, count) in counts {
        result.create_data_property(JsString::from(name), JsValue::new(count), context)?;
    }
    Ok(result.into())
}

fn construct_decoder(new: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let label = match args.first() {
        Some(label) if !label.is_undefined() => native::text(label, context)?,
        _ => "utf-8".to_owned(),
    };
    let Some(encoding) = Encoding::for_label(label.as_bytes()) else {
        let message = format!("{label:?} is no known encoding");
        return Err(JsNativeError::range().with_message(message).into());
    };
    let options = args.get_or_undefined(1);
    let fatal = native::option(options, "fatal", context)?.to_boolean();
    let ignore_bom = native::option(options, "ignoreBOM", context)?.to_boolean();
    native::construct(new, &DECODER, Decoder { encoding, fatal, ignore_bom }, context)
}

fn decode(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let bytes = bytes_of(args.get_or_undefined(0), context)?.unwrap_or_default();
    let (text, is_wrong) = native::data(this, "TextDecoder", |decoder: &mut Decoder| {
        let (text, is_wrong) = if decoder.ignore_bom {
            decoder.encoding.decode_without_bom_handling(&bytes)
        } else {
            decoder.encoding.decode_with_bom_removal(&bytes)
        };
        (text.into_owned(), is_wrong && decoder.fatal)
    })?;
    if is_wrong {
        let message = "the bytes are not valid in this encoding";
        return Err(JsNativeError::typ().with_message(message).into());
    }
    Ok(JsString::from(text).into())
}

/// `btoa(text)`
pub(super) fn btoa(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let text = args.get_or_undefined(0).to_string(context)?;
    let bytes: Result<Vec<u8>, _> = text.iter().map(u8::try_from).collect();
    let Ok(bytes) = bytes else {
        let message = "btoa takes characters up to U+00FF; encode others with TextEncoder first";
        return Err(abort::dom_exception("InvalidCharacterError", message, context)?);
    };
    Ok(JsString::from(data_encoding::BASE64.encode(&bytes)).into())
}

/// `atob(text)`
pub(super) fn atob(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let text = native::text(args.get_or_undefined(0), context)?;
    let mut text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    if text.len().is_multiple_of(4) {
        let padding = text.len() - text.trim_end_matches('=').len();
        text.truncate(text.len() - padding.min(2));
    }
    let mut lenient = data_encoding::BASE64_NOPAD.specification();
    lenient.check_trailing_bits = false;
    let decoded = lenient.encoding().ok().and_then(|e| e.decode(text.as_bytes()).ok());
    let Some(bytes) = decoded else {
        let message = "the text is not valid base64";
        return Err(abort::dom_exception("InvalidCharacterError", message, context)?);
    };
    let units: Vec<u16> = bytes.into_iter().map(u16::from).collect();
    Ok(JsString::from(&units[..]).into())
}
