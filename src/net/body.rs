//! Reads a body to its end, decompressed, and no further than a limit.

use async_compression::tokio::bufread::{BrotliDecoder, DeflateDecoder, GzipDecoder, ZlibDecoder};
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use hyper::body::{Body as _, Incoming};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::budget::Claim;
use super::exchange::Error;
use super::link::Link;
use super::seen::Seen;

/// More codings than any server applies; each costs a pass over the body.
const MOST_CODINGS: usize = 4;

/// How much is decompressed between two looks at the other tasks, in bytes.
const CHUNK: usize = 64 << 10;

/// Reads the body as it comes over the wire.
pub(super) async fn read(
    link: &mut Link,
    mut body: Incoming,
    limit: usize,
    claim: &mut Claim,
    seen: &mut Seen,
) -> Result<Bytes, Error> {
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(Error::TooLarge(limit));
    }
    let mut first = Bytes::new();
    let mut whole: Vec<u8> = Vec::new();
    while let Some(frame) = link.frame(&mut body).await {
        let Ok(data) = frame?.into_data() else { continue };
        seen.received += data.len() as u64;
        if seen.received > limit as u64 {
            return Err(Error::TooLarge(limit));
        }
        let length = usize::try_from(seen.received).unwrap_or(usize::MAX);
        claim.grow(length, seen).await;
        if first.is_empty() && whole.is_empty() {
            // Most bodies come in one piece, which is passed on as it is.
            first = data;
            continue;
        }
        if whole.is_empty() {
            whole.reserve(usize::try_from(announced).unwrap_or(0).max(first.len() + data.len()));
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() { first } else { whole.into() })
}

/// Undoes the codings named in `content-encoding`, the last one first. Like browsers, it leaves a
/// body alone whose coding it does not know.
pub(super) async fn decode(
    headers: &HeaderMap,
    mut body: Bytes,
    limit: usize,
    claim: &mut Claim,
    seen: &mut Seen,
) -> Result<Bytes, Error> {
    if body.is_empty() || !headers.contains_key(CONTENT_ENCODING) {
        return Ok(body);
    }
    let codings: Vec<String> = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|coding| coding.trim().to_ascii_lowercase())
        .filter(|coding| !coding.is_empty() && coding != "identity")
        .collect();
    let known = |coding: &String| matches!(coding.as_str(), "gzip" | "x-gzip" | "br" | "deflate");
    if codings.len() > MOST_CODINGS || !codings.iter().all(known) {
        return Ok(body);
    }
    for coding in codings.iter().rev() {
        body = undo(coding, &body, limit, claim, seen).await?;
    }
    Ok(body)
}

async fn undo(
    coding: &str,
    body: &[u8],
    limit: usize,
    claim: &mut Claim,
    seen: &mut Seen,
) -> Result<Bytes, Error> {
    let mut room = Room { besides: body.len(), limit, claim, seen };
    let drained = match coding {
        "br" => drain(BrotliDecoder::new(body), &mut room).await,
        "deflate" if has_zlib_header(body) => drain(ZlibDecoder::new(body), &mut room).await,
        "deflate" => drain(DeflateDecoder::new(body), &mut room).await,
        _ => {
            let mut decoder = GzipDecoder::new(body);
            decoder.multiple_members(true);
            drain(decoder, &mut room).await
        }
    };
    match drained {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(Error::TooLarge(limit)),
        Err(error) => Err(Error::Coding { coding: coding.to_owned(), reason: error.to_string() }),
    }
}

/// `deflate` means zlib (RFC 9110, section 8.4.1.2), but some servers send it bare.
fn has_zlib_header(body: &[u8]) -> bool {
    match body {
        [first, second, ..] => {
            first & 0x0f == 8 && u16::from_be_bytes([*first, *second]).is_multiple_of(31)
        }
        _ => false,
    }
}

/// Where a body goes that is being decompressed.
struct Room<'c> {
    /// Bytes of the compressed body, which is still there.
    besides: usize,
    /// The most bytes of the decompressed one.
    limit: usize,
    claim: &'c mut Claim,
    seen: &'c mut Seen,
}

/// Reads to the end; `None` when there is more than the limit.
async fn drain(
    mut decoder: impl AsyncRead + Unpin,
    room: &mut Room<'_>,
) -> std::io::Result<Option<Bytes>> {
    let limit = room.limit;
    let mut out = Vec::new();
    loop {
        let start = out.len();
        let end = (start + CHUNK).min(limit + 1);
        room.claim.grow(room.besides + end, room.seen).await;
        out.resize(end, 0);
        let count = decoder.read(&mut out[start..end]).await?;
        out.truncate(start + count);
        if count == 0 {
            return Ok(Some(out.into()));
        }
        if out.len() > limit {
            return Ok(None);
        }
        // A decoder over memory never waits: other tasks get their turn here.
        tokio::task::coop::consume_budget().await;
    }
}

#[cfg(test)]
mod tests {
    use async_compression::tokio::write::{
        BrotliEncoder, DeflateEncoder, GzipEncoder, ZlibEncoder,
    };
    use tokio::io::AsyncWriteExt as _;

    use std::sync::Arc;

    use super::super::budget::Budget;
    use super::*;

    macro_rules! compressed {
        ($encoder:ident, $bytes:expr) => {{
            let mut encoder = $encoder::new(Vec::new());
            encoder.write_all($bytes).await.expect("memory takes it");
            encoder.shutdown().await.expect("memory takes it");
            encoder.into_inner()
        }};
    }

    async fn decoded(coding: &str, body: Vec<u8>, limit: usize) -> Result<Bytes, Error> {
        let headers =
            HeaderMap::from_iter([(CONTENT_ENCODING, coding.parse().expect("a header value"))]);
        let share = Arc::new(Budget::default()).share();
        decode(&headers, body.into(), limit, &mut share.claim(), &mut Seen::default()).await
    }

    #[tokio::test]
    async fn all_codings_are_undone() {
        let text = b"Welcome ".repeat(1000);
        let cases = [
            ("gzip", compressed!(GzipEncoder, &text)),
            ("X-GZIP", compressed!(GzipEncoder, &text)),
            ("br", compressed!(BrotliEncoder, &text)),
            ("deflate", compressed!(ZlibEncoder, &text)),
            ("deflate", compressed!(DeflateEncoder, &text)),
            ("gzip, identity", compressed!(GzipEncoder, &text)),
            ("br, gzip", compressed!(GzipEncoder, &compressed!(BrotliEncoder, &text))),
        ];
        for (coding, body) in cases {
            let body = decoded(coding, body, 10_000).await;
            assert_eq!(body.expect("it is valid"), text, "{coding}");
        }
        assert_eq!(decoded("zstd", text.clone(), 10).await.expect("left alone"), text);
    }

    #[tokio::test]
    async fn bombs_and_rubbish_are_refused() {
        let bomb = compressed!(GzipEncoder, &vec![0; 1 << 20]);
        assert!(matches!(decoded("gzip", bomb, 10_000).await, Err(Error::TooLarge(10_000))));
        for coding in ["gzip", "br", "deflate"] {
            let rubbish = decoded(coding, b"this is no archive".to_vec(), 10_000).await;
            assert!(matches!(rubbish, Err(Error::Coding { .. })), "{coding}: {rubbish:?}");
        }
        let mut cut = compressed!(GzipEncoder, b"Welcome");
        cut.truncate(cut.len() - 4);
        assert!(decoded("gzip", cut, 100).await.is_err());
    }
}
