//! Script text with its lines numbered and its words coloured.
//!
//! The words are told apart by their form alone; scripts are parsed in a child and nowhere else. What
//! is not understood is shown as it is.

mod words;

use maud::{Markup, html};

use self::words::Kind;

/// Longer scripts are cut here, in bytes.
const LONGEST: usize = 128 << 10;

/// The text, each line of which can be linked to: `#L18`.
pub(super) fn listing(text: &str) -> Markup {
    let end = text.floor_char_boundary(LONGEST);
    html! {
        pre.listing tabindex="0" {
            code {
                @for (number, line) in (1..).zip(lines(&text[..end])) {
                    span.line id={ "L" (number) } {
                        @for (kind, word) in line {
                            @match kind.class() {
                                Some(class) => span class=(class) { (word) },
                                None => (word),
                            }
                        }
                        "\n"
                    }
                }
            }
        }
        @if end < text.len() { p.quiet { "The rest is not shown: it is longer than " (LONGEST / 1024) " KiB." } }
    }
}

/// The words, line by line.
fn lines(text: &str) -> Vec<Vec<(Kind, &str)>> {
    let mut lines = vec![Vec::new()];
    for (kind, word) in words::of(text) {
        for (place, part) in word.split('\n').enumerate() {
            if place > 0 {
                lines.push(Vec::new());
            }
            let part = part.strip_suffix('\r').unwrap_or(part);
            if let (false, Some(line)) = (part.is_empty(), lines.last_mut()) {
                line.push((kind, part));
            }
        }
    }
    if lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_nothing_becomes_markup() {
        let shown = listing("// <b>\nlet a = `x\n<i>`;\n").into_string();
        assert!(
            shown
                .contains("<span class=\"line\" id=\"L1\"><span class=\"c\">// &lt;b&gt;</span>\n")
        );
        assert!(shown.contains("id=\"L3\"><span class=\"s\">&lt;i&gt;`</span>;\n"), "{shown}");
        assert!(!shown.contains("id=\"L4\""));
    }
}
