//! A notification as an SMS: the most important first, in two parts at most.
//!
//! Telephones make links of everything that looks like one, so no address out of a notice stays
//! whole; the only link is the incident's.

use super::clean::{cut_by, line};
use super::drill::drill;
use super::{gsm, wording};
use crate::domain::notice::Notice;
use crate::notify::Outbound;

/// No SMS has more characters than this.
pub const SMS_LIMIT: usize = 320;

/// Two parts of a long message in the GSM alphabet.
pub(super) const GSM_ROOM: usize = 2 * 153;
/// Two parts of a long message in UCS-2.
const UCS2_ROOM: usize = 2 * 67;

const NAME_LIMIT: usize = 60;
const STEP_LIMIT: usize = 40;
const REGION_LIMIT: usize = 32;
const NOTE_LIMIT: usize = 100;
const ELSEWHERE_LIMIT: usize = 120;
/// Less of an error than this says nothing.
const LEAST_ERROR: usize = 12;
/// This much of an error matters more than the link.
const ENOUGH_ERROR: usize = 60;

/// Writes a notification for a telephone.
///
/// The name of the check and of the step are the author's: if the GSM alphabet cannot write them,
/// the message is UCS-2. The error comes from outside and cannot bring that about.
pub fn sms(message: &Outbound<'_>) -> String {
    written(message, None, None)
}

/// The same where people can answer: an alarm says how.
pub fn answerable_sms(message: &Outbound<'_>) -> String {
    written(message, answer(message).as_deref(), None)
}

/// The same with that it is the `last` for a while, where it is.
pub(super) fn last_sms(message: &Outbound<'_>, last: Option<&str>, answerable: bool) -> String {
    written(message, answer(message).filter(|_| answerable).as_deref(), last)
}

fn answer(message: &Outbound<'_>) -> Option<String> {
    let is_alarm = message.notification.notice.kind.is_alarm();
    is_alarm.then(|| format!(" Reply ACK {}.", message.notification.incident))
}

fn written(message: &Outbound<'_>, answer: Option<&str>, last: Option<&str>) -> String {
    if let Some(text) = drill(message.notification) {
        return text;
    }
    let notice = &message.notification.notice;
    let name = cut_by(&without_links(&wording::name(notice)), NAME_LIMIT, |_| 1);
    let step = wording::step(notice);
    let step = step.filter(|_| wording::is_wrong(notice));
    let step = step.map(|step| cut_by(&without_links(&step), STEP_LIMIT, |_| 1));
    let error = wording::error(notice).map(|error| without_links(&error));
    let link = message.link.map(line);
    let pieces = |alphabet: Alphabet| Pieces {
        head: alphabet.write(&head(message, &name)),
        step: step.as_deref().map(|step| alphabet.write(&format!(", step {step}"))),
        error: error.as_deref().map(|error| alphabet.write(&error_piece(notice, error))),
        tail: alphabet.write(&tail(message)),
        answer: answer.map(str::to_owned),
        last: last.map(str::to_owned),
        note: wording::note(notice)
            .map(|note| cut_by(&without_links(&note), NOTE_LIMIT, |_| 1))
            .map(|note| alphabet.write(&format!(" ({note})"))),
        elsewhere: wording::elsewhere(notice)
            .map(|states| cut_by(&states, ELSEWHERE_LIMIT, |_| 1))
            .map(|states| alphabet.write(&format!(" Elsewhere: {states}."))),
        link: link.as_deref().map(|link| alphabet.write(&format!(" {link}"))),
        error_comes: if wording::is_wrong(notice) { Place::First } else { Place::Last },
        alphabet,
    };
    let written = gsm::exact(&name).is_some() && step.as_deref().is_none_or(is_gsm);
    pieces(if written { Alphabet::Gsm } else { Alphabet::Ucs2 }).fitted()
}

fn is_gsm(text: &str) -> bool {
    gsm::exact(text).is_some()
}

fn head(message: &Outbound<'_>, name: &str) -> String {
    let notification = message.notification;
    let repeat = wording::repeat_mark(notification);
    let region = cut_by(notification.notice.region.as_str(), REGION_LIMIT, |_| 1);
    let place = if wording::has_place(&notification.notice) {
        format!(" in {region}")
    } else {
        String::new()
    };
    format!(
        "#{} {}{repeat}: {name}{place}",
        notification.incident,
        wording::title(notification).to_uppercase(),
    )
}

fn tail(message: &Outbound<'_>) -> String {
    let notice = &message.notification.notice;
    let count = wording::in_a_row(notice).map_or(String::new(), |count| format!(", {count}"));
    format!(". {}{count}.", wording::when(message.notification))
}

/// What is failing comes before since when; what failed comes after until when.
fn error_piece(notice: &Notice, error: &str) -> String {
    if wording::is_wrong(notice) {
        format!(": {error}")
    } else {
        format!(" {}: {error}", wording::last_error(notice))
    }
}

#[derive(Clone, Copy)]
enum Alphabet {
    Gsm,
    Ucs2,
}

impl Alphabet {
    fn write(self, text: &str) -> String {
        match self {
            Self::Gsm => gsm::forced(text),
            Self::Ucs2 => text.to_owned(),
        }
    }

    fn room(self) -> usize {
        match self {
            Self::Gsm => GSM_ROOM,
            Self::Ucs2 => UCS2_ROOM,
        }
    }

    fn cost(self, c: char) -> usize {
        match self {
            // `…` is written as three full stops.
            Self::Gsm => gsm::cost(c).unwrap_or(3),
            Self::Ucs2 => c.len_utf16(),
        }
    }

    fn size(self, text: &str) -> usize {
        text.chars().map(|c| self.cost(c)).sum()
    }

    fn cut(self, text: &str, room: usize) -> String {
        self.write(&cut_by(text, room, |c| self.cost(c)))
    }
}

/// The pieces of a message.
struct Pieces {
    head: String,
    step: Option<String>,
    error: Option<String>,
    tail: String,
    /// How it is answered.
    answer: Option<String>,
    /// That no other follows for a while.
    last: Option<String>,
    /// What else there is to say.
    note: Option<String>,
    /// How the other regions are doing.
    elsewhere: Option<String>,
    link: Option<String>,
    error_comes: Place,
    alphabet: Alphabet,
}

/// Where the error stands: before or after the sentence that says when.
#[derive(Clone, Copy)]
enum Place {
    First,
    Last,
}

impl Pieces {
    /// Joins what fits; what matters least is left out or cut first.
    fn fitted(self) -> String {
        let alphabet = self.alphabet;
        let mut room = alphabet.room().saturating_sub(alphabet.size(&self.head));
        let enough = alphabet.size(self.error.as_deref().unwrap_or_default()).min(ENOUGH_ERROR);
        let mut granted = |piece: Option<String>, reserve: usize| {
            let size = alphabet.size(piece.as_deref()?);
            if size + reserve > room {
                return None;
            }
            room -= size;
            piece
        };
        let tail = granted(Some(self.tail), 0);
        let answer = granted(self.answer, 0);
        let last = granted(self.last, 0);
        let step = granted(self.step, 0);
        let note = granted(self.note, enough);
        let link = granted(self.link, enough);
        let elsewhere = granted(self.elsewhere, enough);
        let error = self.error.filter(|_| room >= LEAST_ERROR);
        let error = error.map(|error| alphabet.cut(&error, room));
        let rest = match self.error_comes {
            Place::First => [step, error, tail, answer, last, note, elsewhere, link],
            Place::Last => [step, tail, answer, last, note, elsewhere, error, link],
        };
        let rest: String = rest.into_iter().flatten().collect();
        alphabet.cut(&(self.head + &rest), alphabet.room())
    }
}

/// Breaks everything that a telephone would make a link of: addresses go, and the full stops in
/// names of hosts are put in brackets.
pub(super) fn without_links(text: &str) -> String {
    text.split(' ').map(without_link).collect::<Vec<_>>().join(" ")
}

fn without_link(word: &str) -> String {
    // Full stops of other scripts work in addresses, too (RFC 5895, section 2).
    let word = word.replace(['。', '．', '｡'], ".");
    let lower = word.to_lowercase();
    let path = lower.split_once('/').is_some_and(|(host, _)| has_inner_stop(host));
    if lower.contains("://") || lower.contains("www.") || path {
        return "(link)".into();
    }
    let chars: Vec<char> = word.chars().collect();
    let mut broken = String::with_capacity(word.len());
    for (at, c) in chars.iter().enumerate() {
        if *c == '.' && is_inner_stop(&chars, at) {
            broken.push_str("(.)");
        } else {
            broken.push(*c);
        }
    }
    broken
}

fn has_inner_stop(word: &str) -> bool {
    let chars: Vec<char> = word.chars().collect();
    chars.iter().enumerate().any(|(at, c)| *c == '.' && is_inner_stop(&chars, at))
}

/// Whether the full stop at `at` joins two parts of a name; in a number it does not.
fn is_inner_stop(chars: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| chars.get(before));
    let after = chars.get(at + 1);
    before.is_some_and(|c| c.is_alphanumeric() || *c == '-')
        && after.is_some_and(|c| c.is_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_looks_like_a_link() {
        let check = |text: &str, expected: &str| assert_eq!(without_links(text), expected);
        check("GET https://evil.example/x?y failed", "GET (link) failed");
        check("see WWW.evil.com or evil.com/pay.", "see (link) or (link)");
        check("no address for app.example.com: 1.5 s", "no address for app(.)example(.)com: 1.5 s");
        check("mail x@evil.co.uk", "mail x@evil(.)co(.)uk");
        check("expected 200, received 503. See and/or.", "expected 200, received 503. See and/or.");
    }
}
