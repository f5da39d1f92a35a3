//! What people change a page with: fields of a filter, links to other views of it, further pages.

use maud::{Markup, Render, html};

/// A choice among `options` (their words in the URL, and what people read); none of them is "any".
pub(super) fn choice(
    label: &str,
    name: &str,
    any: &str,
    options: &[(String, String)],
    chosen: &str,
) -> Markup {
    html! {
        label.field {
            span { (label) }
            select name=(name) {
                option value="" { (any) }
                @for (value, text) in options {
                    option value=(value) selected[value == chosen] { (text) }
                }
            }
        }
    }
}

/// A field for text.
pub(super) fn search(label: &str, name: &str, hint: &str, value: &str) -> Markup {
    html! {
        label.field.wide {
            span { (label) }
            input type="search" name=(name) value=(value) placeholder=(hint) autocomplete="off"
                maxlength="200";
        }
    }
}

/// A form that filters the page at `path`; `is_filtered` offers a way back to all.
pub(super) fn filter(path: &str, is_filtered: bool, fields: &Markup) -> Markup {
    html! {
        form.filter role="search" action=(path) method="get" {
            (fields)
            button type="submit" { "Filter" }
            @if is_filtered { a.quiet href=(path) { "Show all" } }
        }
    }
}

/// Ways to the page before and after this one.
pub(super) fn pager(what: &str, earlier: Option<&str>, later: Option<&str>) -> Markup {
    html! {
        @if earlier.is_some() || later.is_some() {
            nav.pager aria-label=(what) {
                @if let Some(href) = earlier { a rel="prev" href=(href) { "← Previous" } }
                @if let Some(href) = later { a rel="next" href=(href) { "Next →" } }
            }
        }
    }
}

/// A form that opens first, so that what it does is read before it is done.
pub(super) fn folded(id: &str, word: impl Render, form: &Markup) -> Markup {
    html! { details.asked id=(id) { summary { (word) } (form) } }
}

/// What stands where there is nothing to list: what that means, and what to do next.
pub(super) fn nothing(what: &str, next: &Markup) -> Markup {
    html! { div.nothing { p { strong { (what) } } p { (next) } } }
}

/// For how long; `usual` is chosen, or whatever is usual where that is nothing.
pub(super) fn lasting(usual: &str) -> Markup {
    let lengths = [
        ("30m", "30 minutes"),
        ("1h", "1 hour"),
        ("2h", "2 hours"),
        ("4h", "4 hours"),
        ("8h", "8 hours"),
        ("24h", "a day"),
        ("7d", "7 days"),
    ];
    html! {
        label.field {
            span { "For" }
            select name="for" {
                @if usual.is_empty() { option value="" { "as the policy says" } }
                @for (value, text) in lengths {
                    option value=(value) selected[value == usual] { (text) }
                }
            }
        }
    }
}
