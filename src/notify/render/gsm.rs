//! The alphabet of SMS: GSM 7-bit (3GPP TS 23.038, section 6.2.1), and how to write other
//! characters with it.
//!
//! One character outside of it makes the whole message UCS-2, with 67 instead of 153 characters in
//! each part.

/// The basic alphabet, without line feed, carriage return and escape.
const BASIC: &str = "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡\
                     ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// The extension; each of these takes the room of two.
const EXTENSION: &str = "^{}\\[~]|€";

/// Characters that look like one of the basic alphabet.
const ALIKE: [(char, &str); 31] = [
    ('A', "ÀÁÂÃĀĂĄǍ"),
    ('C', "ĆĈĊČ"),
    ('D', "ĎĐÐ"),
    ('E', "ÈÊËĒĔĖĘĚ"),
    ('G', "ĜĞĠĢ"),
    ('I', "ÌÍÎÏĨĪĬĮİ"),
    ('L', "ĹĻĽĿŁ"),
    ('N', "ŃŅŇŊ"),
    ('O', "ÒÓÔÕŌŎŐ"),
    ('R', "ŔŖŘ"),
    ('S', "ŚŜŞŠȘ"),
    ('T', "ŢŤŦȚ"),
    ('U', "ÙÚÛŨŪŬŮŰŲ"),
    ('Y', "ÝŶŸ"),
    ('Z', "ŹŻŽ"),
    ('a', "áâãāăąǎ"),
    ('c', "çćĉċč"),
    ('d', "ďđð"),
    ('e', "êëēĕėęě"),
    ('g', "ĝğġģ"),
    ('i', "íîïĩīĭįı"),
    ('l', "ĺļľŀł"),
    ('n', "ńņňŋ"),
    ('o', "óôõōŏő"),
    ('r', "ŕŗř"),
    ('s', "śŝşšșſ"),
    ('t', "ţťŧț"),
    ('u', "úûũūŭůűų"),
    ('y', "ýÿŷ"),
    ('z', "źżž"),
    (' ', "\u{a0}\u{2002}\u{2003}\u{2009}\u{202f}"),
];

/// Characters that need another or several of the basic alphabet.
const SPELT: [(char, &str); 24] = [
    ('…', "..."),
    ('‘', "'"),
    ('’', "'"),
    ('‚', "'"),
    ('`', "'"),
    ('´', "'"),
    ('“', "\""),
    ('”', "\""),
    ('„', "\""),
    ('«', "\""),
    ('»', "\""),
    ('–', "-"),
    ('—', "-"),
    ('−', "-"),
    ('‐', "-"),
    ('•', "-"),
    ('·', "-"),
    ('→', "->"),
    ('×', "x"),
    ('≤', "<="),
    ('≥', ">="),
    ('≠', "!="),
    ('œ', "oe"),
    ('Œ', "OE"),
];

/// What a character costs in the alphabet; `None` when it is not in it.
pub(super) fn cost(c: char) -> Option<usize> {
    if BASIC.contains(c) {
        Some(1)
    } else if EXTENSION.contains(c) {
        Some(2)
    } else {
        None
    }
}

/// How a character is written in the alphabet; `None` when it cannot be.
fn spelt(c: char) -> Option<String> {
    if cost(c).is_some() {
        return Some(c.to_string());
    }
    let alike = ALIKE.iter().find(|(_, others)| others.contains(c)).map(|(base, _)| *base);
    let words = SPELT.iter().find(|(other, _)| *other == c).map(|(_, words)| *words);
    alike.map(String::from).or(words.map(String::from))
}

/// The text in the alphabet; `None` when a character has no way to be written.
pub(super) fn exact(text: &str) -> Option<String> {
    text.chars().map(spelt).collect()
}

/// The text in the alphabet, with `?` for what has no way to be written.
pub(in crate::notify) fn forced(text: &str) -> String {
    text.chars().map(|c| spelt(c).unwrap_or_else(|| "?".into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn europe_can_be_written() {
        let exact = |text| exact(text);
        assert_eq!(exact("Zażółć gęślą jaźń").as_deref(), Some("Zazolc gesla jazn"));
        assert_eq!(exact("Größe – “naïve” façade…").as_deref(), {
            Some("Größe - \"naive\" facade...")
        });
        assert_eq!(exact("ログイン"), None);
        assert_eq!(forced("ログ ok"), "?? ok");
    }

    #[test]
    fn the_alphabet_has_its_size() {
        assert_eq!(BASIC.chars().count(), 128 - 3);
        assert_eq!((cost('€'), cost('a'), cost('ё')), (Some(2), Some(1), None));
    }

    #[test]
    fn what_is_spelt_is_in_the_alphabet() {
        let all = ALIKE.iter().flat_map(|(_, others)| others.chars());
        let all = all.chain(SPELT.iter().map(|(c, _)| *c));
        for c in all {
            let text = spelt(c).expect("in a table");
            assert!(text.chars().all(|c| cost(c).is_some()), "{c} is written {text}");
        }
    }
}
