//! Which encoding a page is in: its byte order mark, its header, its `<meta>`, else UTF-8.

use encoding_rs::{Encoding, UTF_8};

/// How far into a page `<meta charset>` is looked for, in bytes, as browsers do.
const SNIFFED: usize = 1024;

/// The text of a page.
pub(super) fn decoded(body: &[u8], headers: &[(String, String)]) -> String {
    let kind = headers.iter().find(|(name, _)| name == "content-type");
    let from_header = kind.and_then(|(_, kind)| label(kind));
    let encoding = from_header.or_else(|| sniffed(body)).unwrap_or(UTF_8);
    encoding.decode(body).0.into_owned()
}

/// The encoding after `charset=`.
fn label(text: &str) -> Option<&'static Encoding> {
    let lower = text.to_ascii_lowercase();
    let after = &lower[lower.find("charset")? + "charset".len()..];
    let after = after.trim_start().strip_prefix('=')?.trim_start();
    let end = |c: char| matches!(c, ';' | '"' | '\'' | '>' | '/') || c.is_whitespace();
    let after = after.trim_start_matches(['"', '\'']);
    Encoding::for_label(after.split(end).next()?.as_bytes())
}

fn sniffed(body: &[u8]) -> Option<&'static Encoding> {
    let head = &body[..body.len().min(SNIFFED)];
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let metas = head.match_indices("<meta").map(|(at, _)| &head[at..]);
    metas.map(|meta| meta.split('>').next().unwrap_or_default()).find_map(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_then_meta_then_utf_8() {
        let header = |kind: &str| vec![("content-type".to_owned(), kind.to_owned())];
        assert_eq!(decoded(b"\xe4", &header("text/html; charset=\"ISO-8859-1\"")), "ä");
        assert!(decoded(b"<meta charset='latin1'>\xe4", &header("text/html")).ends_with('ä'));
        assert_eq!(decoded("ä".as_bytes(), &[]), "ä");
        assert_eq!(decoded(b"\xef\xbb\xbfa", &[]), "a");
    }
}
