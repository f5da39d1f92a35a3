//! What requests carried and what came back, as far as it is kept.

use maud::{Markup, html};

use super::requests::named;
use crate::domain::exchange::{Exchange, Message};
use crate::domain::run::Report;
use crate::http::pages::wording;

/// The requests of which it is kept, in the order in which they started; nothing where there are none.
pub(super) fn section(report: &Report) -> Markup {
    let kept = || {
        let requests = report.trace.requests.iter();
        requests.filter_map(|it| Some((it, it.exchange.as_deref()?)))
    };
    html! {
        @if kept().next().is_some() {
            section aria-labelledby="exchanges-title" {
                h2 #exchanges-title { "What they carried" }
                @for (request, exchange) in kept() {
                    details.exchange {
                        summary { code { (named(request)) } }
                        (shown(exchange))
                    }
                }
                p.quiet {
                    "Secrets, cookies and what is called a password, token or the like are " code { "***" }
                    ". Long bodies are cut."
                }
            }
        }
    }
}

fn shown(exchange: &Exchange) -> Markup {
    html! {
        div.both {
            div { h3 { "Sent" } (message(&exchange.sent)) }
            div {
                h3 { "Received" }
                @match &exchange.received {
                    Some(received) => (message(received)),
                    None => p.quiet { "No answer came." },
                }
            }
        }
    }
}

fn message(message: &Message) -> Markup {
    html! {
        dl.head {
            @for (name, value) in &message.headers { div { dt { (name) } dd { (value) } } }
        }
        @match &message.body {
            Some(body) => pre.body tabindex="0" { (body) },
            None if message.length == 0 => p.quiet { "No body." },
            None => p.quiet {
                (wording::bytes(message.length)) ", not shown: "
                (message.header("content-type").unwrap_or("of no type"))
            },
        }
    }
}
