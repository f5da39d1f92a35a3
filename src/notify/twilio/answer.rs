//! What people answer by SMS, and what they are answered.
//!
//! Must not: do any of it. What is read here was signed by Twilio, but its words are somebody's.
//! Source: <https://www.twilio.com/docs/messaging/guides/webhook-request>.

use super::signature::Form;
use crate::domain::id::IncidentId;
use crate::notify::render;

/// Where Twilio brings answers, below the address by which it reaches the hub.
pub const PATH: &str = "/api/v1/twilio/inbound";

/// No answer of ours is longer: two parts of a message.
const LONGEST: usize = 306;

/// Words by which people unsubscribe; Twilio heeds them itself, and sends nothing to them any more.
/// Source: <https://help.twilio.com/articles/223134027>.
const GOODBYES: [&str; 9] =
    ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "START"];

/// A message of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Twilio's name for it.
    pub message: String,
    /// The number that it comes from (E.164).
    pub from: String,
    /// What it asks for.
    pub wish: Wish,
}

/// What somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To take care of an incident; of the only one where none is named.
    Acknowledge(Option<IncidentId>),
    /// To be told what can be said.
    Help,
    /// To be sent nothing any more, or again; that is Twilio's to answer.
    Goodbye,
    /// Something else.
    Unknown,
}

impl Answer {
    /// Reads a message; `None` where it is none.
    pub fn read(form: &Form) -> Option<Self> {
        let (message, from) = (form.field("MessageSid"), form.field("From"));
        let is_name = |text: &str| {
            (1..=64).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_alphanumeric())
        };
        let is_number = from.len() <= 32 && from.starts_with('+');
        (is_name(message) && is_number).then(|| Self {
            message: message.to_owned(),
            from: from.to_owned(),
            // What Twilio has answered itself needs no second answer.
            wish: match form.field("OptOutType") {
                "" => wish(form.field("Body")),
                _ => Wish::Goodbye,
            },
        })
    }
}

/// What a message asks for: `ACK 123`, `ack123`, `Ack #123.`, `ACK`, `HELP`.
fn wish(text: &str) -> Wish {
    let text: String = text.chars().take(200).collect();
    let text = text.trim().to_uppercase();
    let letters = text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
    let (word, rest) = text.split_at(letters);
    let number = rest.trim_matches(|c: char| c.is_whitespace() || "#:,.!-".contains(c));
    match word {
        "ACK" | "ACKNOWLEDGE" if number.is_empty() => Wish::Acknowledge(None),
        "ACK" | "ACKNOWLEDGE" if number.bytes().all(|it| it.is_ascii_digit()) => {
            let number = number.parse().ok().filter(|it| *it > 0);
            number.map_or(Wish::Unknown, |number| Wish::Acknowledge(Some(IncidentId(number))))
        }
        "HELP" | "INFO" if number.is_empty() => Wish::Help,
        "" if text == "?" => Wish::Help,
        word if GOODBYES.contains(&word) && number.is_empty() => Wish::Goodbye,
        _ => Wish::Unknown,
    }
}

/// What Twilio is answered: to send `text` to whoever wrote, or nothing.
/// Source: <https://www.twilio.com/docs/messaging/twiml>.
pub fn twiml(text: Option<&str>) -> String {
    const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    match text {
        None => format!("{HEAD}<Response/>"),
        Some(text) => {
            let text = render::cut(&render::gsm(&render::line(text)), LONGEST);
            // A text that was cut ends in a character that is not of the alphabet.
            let text = render::gsm(&text);
            format!("{HEAD}<Response><Message>{}</Message></Response>", escaped(&text))
        }
    }
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_write_as_they_like() {
        let one = Wish::Acknowledge(Some(IncidentId(123)));
        for text in ["ACK 123", "ack 123", "Ack123", " ack #123. ", "ACK: 123", "acknowledge 123"] {
            assert_eq!(wish(text), one, "{text}");
        }
        for text in ["ACK", "ack", "Ack.", "ack!"] {
            assert_eq!(wish(text), Wish::Acknowledge(None), "{text}");
        }
        for text in ["HELP", "help", "Help!", "?", "info"] {
            assert_eq!(wish(text), Wish::Help, "{text}");
        }
        for text in ["stop", "STOP.", "Unsubscribe"] {
            assert_eq!(wish(text), Wish::Goodbye, "{text}");
        }
        for text in [
            "",
            "hello",
            "ACK login",
            "ACK 12 13",
            "ACK 0",
            "ACK 99999999999999999999",
            "ACK 1-2",
            "unack 12",
            "help me",
            "123",
            "ＡＣＫ １",
        ] {
            assert_eq!(wish(text), Wish::Unknown, "{text}");
        }
    }

    #[test]
    fn what_is_answered_is_plain_and_escaped() {
        assert_eq!(twiml(None), "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>");
        let said = twiml(Some("a <b> & \u{201c}c\u{201d} \u{202e}d"));
        let (_, said) = said.split_once("<Message>").expect("a message");
        let (said, _) = said.split_once("</Message>").expect("its end");
        assert_eq!(said, "a &lt;b&gt; &amp; &quot;c&quot; d");
        let long = twiml(Some(&"x".repeat(1000)));
        assert!(long.len() < 450 && long.is_ascii(), "{long}");
    }
}
