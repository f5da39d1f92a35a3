//! Reading HTML: selectors and the text that a visitor sees.

use scraper::{ElementRef, Html, Node, Selector};

/// Elements whose text no visitor sees.
const UNSEEN: [&str; 5] = ["script", "style", "template", "noscript", "head"];
/// Elements that stand apart from what is around them.
const BLOCKS: [&str; 31] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "br",
    "dd",
    "div",
    "dl",
    "dt",
    "fieldset",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "nav",
    "ol",
    "option",
    "p",
    "section",
    "td",
    "th",
    "tr",
    "ul",
];

/// All elements that match, or why the selector is not valid.
pub(super) fn select<'a>(html: &'a Html, css: &str) -> Result<Vec<ElementRef<'a>>, String> {
    let selector = parsed(css)?;
    Ok(html.select(&selector).collect())
}

/// A selector, or why it is not valid.
pub(super) fn parsed(css: &str) -> Result<Selector, String> {
    Selector::parse(css).map_err(|error| format!("{css:?} is no valid CSS selector: {error}"))
}

/// The first element that matches a selector of our own.
pub(super) fn first<'a>(html: &'a Html, css: &str) -> Option<ElementRef<'a>> {
    select(html, css).ok()?.into_iter().next()
}

/// The text of an element, white space collapsed.
pub(super) fn text(element: ElementRef<'_>) -> String {
    let mut raw = String::new();
    let own = element.value().name();
    // An explicit walk: pages of a hostile depth must not end in a deep recursion.
    let mut next = element.first_child();
    while let Some(node) = next {
        let mut down = None;
        match node.value() {
            Node::Text(text) => raw.push_str(text),
            Node::Element(inner) if UNSEEN.contains(&inner.name()) && own != "head" => {}
            Node::Element(inner) => {
                if BLOCKS.contains(&inner.name()) {
                    raw.push(' ');
                }
                down = node.first_child();
            }
            _ => {}
        }
        next = down;
        let mut at = node;
        while next.is_none() && at != *element {
            if let Node::Element(left) = at.value()
                && BLOCKS.contains(&left.name())
            {
                raw.push(' ');
            }
            next = at.next_sibling();
            match at.parent() {
                Some(parent) => at = parent,
                None => break,
            }
        }
    }
    collapsed(&raw)
}

/// White space as a reader sees it.
pub(super) fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The nearest element, from this one upward, with this name.
pub(super) fn closest<'a>(element: ElementRef<'a>, name: &str) -> Option<ElementRef<'a>> {
    if element.value().name() == name {
        return Some(element);
    }
    let mut around = element.ancestors().filter_map(ElementRef::wrap);
    around.find(|around| around.value().name() == name)
}
