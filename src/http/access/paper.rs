//! The pages on the way in: signing in, and being refused.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::signing::{PATH, SIGN_OUT};
use crate::config::settings::User;
use crate::domain::user::Role;

/// The address of the page on which to sign in and come back to `place`.
pub(super) fn sign_in_before(place: &str) -> String {
    if place == "/" {
        return PATH.to_owned();
    }
    let query: String =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("next", place).finish();
    format!("{PATH}?{query}")
}

/// A page.
pub(super) fn page(status: StatusCode, title: &str, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Tripline" }
            }
            body {
                main class="way-in" {
                    h1 { (title) }
                    (body)
                }
            }
        }
    };
    (status, Html(page.into_string())).into_response()
}

/// The form to sign in by. `said` is what was wrong before.
pub(super) fn form(name: &str, next: &str, said: Option<&str>) -> Markup {
    html! {
        @if let Some(said) = said {
            p class="wrong" role="alert" id="wrong" { (said) }
        }
        form method="post" action=(PATH) {
            input type="hidden" name="next" value=(next);
            p {
                label for="name" { "Name" }
                input id="name" name="name" value=(name) required autocomplete="username"
                    autocapitalize="none" spellcheck="false" autofocus[name.is_empty()];
            }
            p {
                label for="password" { "Password" }
                input id="password" name="password" type="password" required
                    autocomplete="current-password" autofocus[!name.is_empty()];
            }
            p { button type="submit" { "Sign in" } }
        }
    }
}

/// That nobody needs to sign in.
pub(super) fn unasked() -> Markup {
    html! {
        p { "Nobody signs in here: the project has no users, and whoever reaches this page may use it." }
        p { a href="/" { "Go on" } }
    }
}

/// That somebody may not.
pub(super) fn refused(said: &str) -> Markup {
    html! {
        p { (said) "." }
        p { a href="/" { "Back to the overview" } }
    }
}

/// Who has signed in, and the form to sign out by.
pub(super) fn signed_in(user: &User, form_word: &str) -> Markup {
    let may = match user.role {
        Role::Viewer => "see, and not act",
        Role::Operator => "see and act",
    };
    html! {
        p { "You are " strong { (user.name) } ", and may " (may) "." }
        p { a href="/" { "Go on" } }
        form method="post" action=(SIGN_OUT) {
            input type="hidden" name=(super::gate::FORM_WORD) value=(form_word);
            button type="submit" { "Sign out" }
        }
    }
}
