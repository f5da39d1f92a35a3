//! The pages on which people sign in, and out.
//!
//! What is done there is [`crate::http::access`]'s; here is how it looks.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::{HTML, layout};
use crate::config::settings::User;
use crate::domain::user::Role;
use crate::http::access::{FORM_WORD, signing};

/// The form to sign in by. `said` is what was wrong before.
pub(in crate::http) fn form(
    status: StatusCode,
    (name, next): (&str, &str),
    said: Option<&str>,
) -> Response {
    let content = html! {
        @if let Some(said) = said { p.wrong #wrong role="alert" { (said) } }
        form.way-in method="post" action=(signing::PATH) {
            input type="hidden" name="next" value=(next);
            label for="name" { "Name" }
            input #name name="name" value=(name) required autocomplete="username"
                autocapitalize="none" spellcheck="false" autofocus[name.is_empty()];
            label for="password" { "Password" }
            input #password name="password" type="password" required
                autocomplete="current-password" autofocus[!name.is_empty()];
            button type="submit" { "Sign in" }
        }
    };
    page(status, "Sign in", &content)
}

/// That nobody needs to sign in.
pub(in crate::http) fn unasked() -> Response {
    let content = html! {
        p.lead { "Nobody signs in here: the project has no users, and whoever reaches this page may use it." }
        p { a.button href="/" { "Go to the overview" } }
    };
    page(StatusCode::OK, "Sign in", &content)
}

/// Who has signed in, and the way out.
pub(in crate::http) fn signed_in(user: &User, form_word: &str) -> Response {
    let may = match user.role {
        Role::Viewer => "see, and not act",
        Role::Operator => "see and act",
    };
    let content = html! {
        p.lead { "You are " strong { (user.name) } ", and may " (may) "." }
        p { a.button href="/" { "Go to the overview" } }
        (way_out(form_word))
    };
    page(StatusCode::OK, "Signed in", &content)
}

/// The form to sign out by.
pub(super) fn way_out(form_word: &str) -> Markup {
    html! {
        form.way-out method="post" action=(signing::SIGN_OUT) {
            input type="hidden" name=(FORM_WORD) value=(form_word);
            button type="submit" { "Sign out" }
        }
    }
}

fn page(status: StatusCode, title: &str, content: &Markup) -> Response {
    let page = layout::bare(title, &html! { h1 { (title) } (content) });
    (status, [(header::CONTENT_TYPE, HTML)], page.into_string()).into_response()
}
