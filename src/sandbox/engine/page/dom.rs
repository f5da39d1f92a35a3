//! Reading HTML: selectors and the text that a visitor sees.

use scraper::error::SelectorErrorKind;
use scraper::node::Element;
use scraper::{ElementRef, Html, Node, Selector};
use selectors::parser::SelectorParseErrorKind;

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

/// All elements that match, or why the selector is not valid. What stands in a template is no part
/// of the page.
pub(super) fn select<'a>(html: &'a Html, css: &str) -> Result<Vec<ElementRef<'a>>, String> {
    let selector = parsed(css)?;
    let in_template = |element: &ElementRef<'_>| {
        element.ancestors().filter_map(ElementRef::wrap).any(|it| it.value().name() == "template")
    };
    Ok(html.select(&selector).filter(|element| !in_template(element)).collect())
}

/// A selector, or why it is not valid.
pub(super) fn parsed(css: &str) -> Result<Selector, String> {
    Selector::parse(css)
        .map_err(|error| format!("{css:?} is no valid CSS selector: {}", in_words(&error)))
}

/// What is wrong with a selector, for its author; the parser's own words are for its developers.
fn in_words(error: &SelectorErrorKind) -> &'static str {
    use SelectorErrorKind as E;
    use SelectorParseErrorKind as Inner;
    match error {
        E::EndOfLine => "it ends too early",
        E::TooManyNestedBlocks => "it is nested too deeply",
        E::InvalidAtRule | E::InvalidAtRuleBody => "an at-rule has no place in it",
        E::ExpectedColonOnPseudoElement | E::ExpectedIdentityOnPseudoElement => {
            "a name must follow its colons"
        }
        E::UnexpectedSelectorParseError(inner) => match inner {
            Inner::EmptySelector => "a part of it is empty, perhaps beside a comma",
            Inner::DanglingCombinator => "nothing follows its last combinator",
            Inner::UnsupportedPseudoClassOrElement => {
                "it has a pseudo-class that is not known here, where no browser is"
            }
            Inner::NoIdentForPseudo => "a name must follow its colons",
            Inner::ClassNeedsIdent => "a name must follow its dot",
            Inner::NoQualifiedNameInAttributeSelector => "[ must be followed by a name",
            Inner::BadValueInAttr => "the value of an attribute must be a name or quoted",
            Inner::UnexpectedTokenInAttributeSelector
            | Inner::InvalidQualNameInAttr
            | Inner::ExpectedBarInAttr => "what stands in [..] is not read",
            _ => "it has a sign or a name in the wrong place",
        },
        E::UnexpectedToken | E::QualRuleInvalid => "it has a sign or a name in the wrong place",
    }
}

/// The first element that matches a selector of our own.
pub(super) fn first<'a>(html: &'a Html, css: &str) -> Option<ElementRef<'a>> {
    select(html, css).ok()?.into_iter().next()
}

/// Whether an element says of itself that it is not shown. What a style sheet hides is not known.
fn is_hidden(element: &Element) -> bool {
    let style = element.attr("style").unwrap_or_default();
    let mut declarations = style.split(';').filter_map(|declaration| declaration.split_once(':'));
    let is_none = |(property, value): (&str, &str)| {
        let value = value.split('!').next().unwrap_or_default();
        property.trim().eq_ignore_ascii_case("display") && value.trim().eq_ignore_ascii_case("none")
    };
    element.attr("hidden").is_some() || declarations.any(is_none)
}

/// The text of an element as a visitor sees it, white space collapsed. What is hidden inside it is
/// left out; the element itself is asked for, so it is read even when it is hidden.
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
            Node::Element(inner) if is_hidden(inner) => {}
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
