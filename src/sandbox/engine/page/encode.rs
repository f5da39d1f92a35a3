//! How a browser writes a form down: in the address, urlencoded, multipart or as plain text.

use std::fmt::Write;

use url::form_urlencoded;

use super::super::web::body::Body;

/// One entry of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its name.
    pub(super) name: String,
    /// Its value.
    pub(super) value: String,
    /// Whether it is a file that was not chosen.
    pub(super) is_file: bool,
}

/// Line ends as they are sent.
fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n")
}

/// As the query of an address.
pub(super) fn query(entries: &[Entry]) -> String {
    let pairs = entries.iter().map(|entry| (lines(&entry.name), lines(&entry.value)));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// As a body of the given media type.
pub(super) fn body(entries: &[Entry], encoding: &str, random: [u8; 16]) -> Body {
    match encoding {
        "multipart/form-data" => multipart(entries, &data_encoding::HEXLOWER.encode(&random)),
        "text/plain" => {
            let line = |entry: &Entry| format!("{}={}\r\n", entry.name, lines(&entry.value));
            let text: String = entries.iter().map(line).collect();
            Body { bytes: text.into_bytes(), kind: Some("text/plain".to_owned()) }
        }
        _ => {
            let kind = "application/x-www-form-urlencoded".to_owned();
            Body { bytes: query(entries).into_bytes(), kind: Some(kind) }
        }
    }
}

fn multipart(entries: &[Entry], random: &str) -> Body {
    let boundary = format!("----tripline{random}");
    let escaped = |name: &str| lines(name).replace("\r\n", "%0D%0A").replace('"', "%22");
    let mut text = String::new();
    for entry in entries {
        let name = escaped(&entry.name);
        let _ = write!(text, "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"");
        if entry.is_file {
            text.push_str("; filename=\"\"\r\nContent-Type: application/octet-stream");
        }
        let _ = write!(text, "\r\n\r\n{}\r\n", lines(&entry.value));
    }
    let _ = write!(text, "--{boundary}--\r\n");
    let kind = format!("multipart/form-data; boundary={boundary}");
    Body { bytes: text.into_bytes(), kind: Some(kind) }
}
