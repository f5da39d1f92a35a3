//! Keeps heads and the beginnings of bodies while a run goes on, and gives them out, redacted, where it did
//! not pass.
//!
//! They are kept as they went until then, within the memory of one run, so that a run that passes costs no
//! more than a copy. Where there is no room for all, the first requests go.

use std::collections::VecDeque;

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::redact;
use crate::domain::exchange::{Bodies, Exchange, LONGEST_BODY, LONGEST_HEAD, Message, ROOM_OF_RUN};

/// What a run's requests carried, so far.
pub(super) struct Exchanges {
    bodies: Bodies,
    kept: VecDeque<Kept>,
    size: usize,
}

struct Kept {
    /// The number of the request.
    request: usize,
    sent: Raw,
    received: Option<Raw>,
}

impl Kept {
    fn size(&self) -> usize {
        self.sent.size() + self.received.as_ref().map_or(0, Raw::size)
    }
}

/// A head and the beginning of a body, as they went.
struct Raw {
    headers: Vec<(String, String)>,
    /// The media type.
    kind: String,
    body: Vec<u8>,
    length: usize,
}

impl Exchanges {
    /// None so far.
    pub(super) fn new(bodies: Bodies) -> Self {
        Self { bodies, kept: VecDeque::new(), size: 0 }
    }

    /// Keeps what a request sends.
    pub(super) fn sent(&mut self, request: usize, headers: &HeaderMap, body: &[u8]) {
        if self.bodies == Bodies::Kept {
            let kept = Kept { request, sent: Raw::of(headers, body), received: None };
            self.size += kept.size();
            self.kept.push_back(kept);
            self.make_room();
        }
    }

    /// Keeps what came back.
    pub(super) fn received(&mut self, request: usize, headers: &HeaderMap, body: &[u8]) {
        let kept = self.kept.iter_mut().rev().find(|kept| kept.request == request);
        if let Some(kept) = kept {
            let raw = Raw::of(headers, body);
            self.size += raw.size();
            kept.received = Some(raw);
            self.make_room();
        }
    }

    fn make_room(&mut self) {
        while self.size > ROOM_OF_RUN
            && let Some(gone) = self.kept.pop_front()
        {
            self.size -= gone.size();
        }
    }

    /// What is kept of each request, redacted; `mask` takes secrets out of a text.
    pub(super) fn redacted(
        &mut self,
        mask: impl Fn(&str) -> String,
    ) -> impl Iterator<Item = (usize, Exchange)> {
        let kept = std::mem::take(&mut self.kept);
        kept.into_iter().map(move |kept| {
            let sent = kept.sent.redacted(&mask);
            (kept.request, Exchange { sent, received: kept.received.map(|it| it.redacted(&mask)) })
        })
    }
}

impl Raw {
    fn of(headers: &HeaderMap, body: &[u8]) -> Self {
        let kind = headers.get(CONTENT_TYPE).map(|it| String::from_utf8_lossy(it.as_bytes()));
        let mut room = LONGEST_HEAD;
        let mut kept = Vec::new();
        for (name, value) in headers {
            let mut value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            let Some(left) = room.checked_sub(name.as_str().len()) else { break };
            cut(&mut value, left);
            room = left.saturating_sub(value.len());
            kept.push((name.as_str().to_owned(), value));
        }
        Self {
            headers: kept,
            kind: kind.unwrap_or_default().into_owned(),
            body: body[..body.len().min(LONGEST_BODY)].to_vec(),
            length: body.len(),
        }
    }

    fn size(&self) -> usize {
        let head: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        head + self.body.len()
    }

    fn redacted(self, mask: impl Fn(&str) -> String) -> Message {
        let is_cut = self.length > self.body.len();
        let body = text(&self.kind, &self.body).map(|body| {
            // The mark shows the mask that what stands before it may be the half of a secret.
            let body = if is_cut { format!("{body}…") } else { body.to_owned() };
            // First the mask, which knows whole values; then what names say.
            redact::body(&self.kind, &mask(&body))
        });
        let header = |(name, value): (String, String)| {
            let value = redact::header(&name, &mask(&value)).into_owned();
            (name, value)
        };
        Message {
            headers: self.headers.into_iter().map(header).collect(),
            body,
            length: u64::try_from(self.length).unwrap_or(u64::MAX),
        }
    }
}

/// The body as text, if it is any; a character that was cut in two is left out.
fn text<'b>(kind: &str, body: &'b [u8]) -> Option<&'b str> {
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_text = essence.is_empty()
        || essence.starts_with("text/")
        || ["json", "xml", "javascript", "urlencoded", "form-data", "graphql", "yaml"]
            .iter()
            .any(|word| essence.ends_with(word));
    if body.is_empty() || !is_text {
        return None;
    }
    match std::str::from_utf8(body) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&body[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    }
    .filter(|text| !text.contains('\0'))
}

fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(kind: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert("cookie", HeaderValue::from_static("sid=s3cret-cookie"));
        headers
    }

    fn stars(text: &str) -> String {
        text.replace("hunter2", "***")
    }

    #[test]
    fn what_went_wrong_is_kept_without_what_is_secret() {
        let mut exchanges = Exchanges::new(Bodies::Kept);
        let form = "application/x-www-form-urlencoded";
        exchanges.sent(3, &headers(form), b"user=hunter2&password=other");
        let json = headers("application/json");
        exchanges.received(3, &json, "{\"error\":\"ü\",\"token\":\"abc\"}".as_bytes());
        exchanges.received(7, &json, b"of a request that is not kept");
        let all: Vec<(usize, Exchange)> = exchanges.redacted(stars).collect();
        let [(3, Exchange { sent, received: Some(received) })] = &all[..] else {
            panic!("{all:?}")
        };
        assert_eq!(sent.body.as_deref(), Some("user=***&password=***"));
        assert_eq!(sent.header("cookie"), Some("sid=***"));
        assert_eq!((sent.length, sent.header("content-type")), (27, Some(form)));
        assert_eq!(received.body.as_deref(), Some("{\"error\":\"ü\",\"token\":\"***\"}"));
    }

    #[test]
    fn bodies_are_cut_and_what_is_no_text_is_told_by_its_size() {
        let mut exchanges = Exchanges::new(Bodies::Kept);
        let long = "é".repeat(LONGEST_BODY);
        exchanges.sent(0, &headers("text/plain"), &long.as_bytes()[1..]);
        exchanges.received(0, &headers("image/png"), &[0x89, b'P', b'N', b'G']);
        exchanges.sent(1, &headers("text/plain; charset=utf-8"), long.as_bytes());
        exchanges.received(1, &headers("text/html"), &[]);
        let all: Vec<Exchange> = exchanges.redacted(stars).map(|(_, it)| it).collect();
        assert_eq!(all[0].sent.body, None, "no UTF-8");
        let received = all[0].received.as_ref().expect("there is an answer");
        assert_eq!((received.body.as_deref(), received.length), (None, 4));
        let body = all[1].sent.body.as_deref().expect("text");
        assert_eq!(body, format!("{}…", "é".repeat(LONGEST_BODY / 2)));
        assert_eq!(all[1].sent.length, 2 * LONGEST_BODY as u64);
        assert_eq!(all[1].received.as_ref().and_then(|it| it.body.as_deref()), None);
    }

    #[test]
    fn the_last_requests_are_kept_within_bounds_and_none_where_that_is_wanted() {
        let mut exchanges = Exchanges::new(Bodies::Kept);
        let body = vec![b'x'; 3 * LONGEST_BODY];
        let mut long = headers("text/plain");
        let value = "v".repeat(3 * LONGEST_HEAD);
        long.insert("x-long", HeaderValue::from_str(&value).expect("a value"));
        for request in 0..40 {
            exchanges.sent(request, &long, &body);
            exchanges.received(request, &long, &body);
        }
        assert!(exchanges.size <= ROOM_OF_RUN);
        let kept: Vec<(usize, Exchange)> = exchanges.redacted(stars).collect();
        assert_eq!(kept.last().map(|(request, _)| *request), Some(39));
        assert!(kept.len() >= 3 && kept.len() < 10, "{}", kept.len());
        let all: usize = kept.iter().map(|(_, exchange)| exchange.size()).sum();
        assert!(all < ROOM_OF_RUN + 1024, "{all}");

        let mut none = Exchanges::new(Bodies::Omitted);
        none.sent(0, &long, &body);
        none.received(0, &long, &body);
        assert_eq!(none.redacted(stars).count(), 0);
    }
}
