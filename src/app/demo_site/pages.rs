//! The pages of the shop. Nothing that a visitor sends is shown back.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, Html, IntoResponse, Redirect, Response};
use axum::{Form, Json};
use serde::Deserialize;

use super::sessions::Session;
use super::{EMAIL, Fault, PASSWORD, Shop};

const COOKIE: &str = "session";

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{margin:0;min-height:100vh;display:grid;place-items:center;background:light-dark(#f2f4f8,#14171c);\
color:light-dark(#1c2330,#e6e9ef);font:16px/1.5 system-ui,sans-serif}\
main{width:min(22rem,90vw);padding:2rem;border-radius:12px;background:light-dark(#fff,#1e232b);\
box-shadow:0 8px 30px rgb(0 0 0/.12)}\
h1{margin:0 0 1rem;font-size:1.5rem}label{display:block;margin:.75rem 0;font-size:.9rem}\
input{display:block;box-sizing:border-box;width:100%;margin-top:.25rem;padding:.6rem;font:inherit;\
border:1px solid #8a94a6;border-radius:6px;background:transparent;color:inherit}\
button{width:100%;margin-top:1rem;padding:.7rem;border:0;border-radius:6px;background:#2557d6;\
color:#fff;font:inherit;cursor:pointer}.error{color:light-dark(#b3261e,#ff8a80)}";

/// What the sign-in form sends.
#[derive(Debug, Deserialize)]
pub(super) struct SignIn {
    csrf_token: String,
    email: String,
    password: String,
}

/// What the sign-out form sends.
#[derive(Debug, Deserialize)]
pub(super) struct SignOut {
    csrf_token: String,
}

fn page(title: &str, body: &str) -> Html<String> {
    Html(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} - Corner Shop</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    ))
}

fn form(session: &Session, error: Option<&str>) -> Html<String> {
    let error = error.map(|error| format!("<p class=\"error\" role=\"alert\">{error}</p>\n"));
    let body = format!(
        "<h1>Sign in</h1>\n{}<form id=\"login\" method=\"post\" action=\"/login\">\n\
         <input type=\"hidden\" name=\"csrf_token\" value=\"{}\">\n\
         <label>E-mail <input type=\"email\" name=\"email\" autocomplete=\"username\" required></label>\n\
         <label>Password <input type=\"password\" name=\"password\" \
         autocomplete=\"current-password\" required></label>\n\
         <button type=\"submit\">Sign in</button>\n</form>",
        error.unwrap_or_default(),
        session.form_token
    );
    page("Sign in", &body)
}

/// The page of a shop that is out of order.
pub(super) fn out_of_order() -> Html<String> {
    page("Out of order", "<h1>Out of order</h1>\n<p>Please come back later.</p>")
}

pub(super) async fn front() -> Redirect {
    Redirect::to("/login")
}

pub(super) async fn not_found() -> impl IntoResponse {
    let body = "<h1>Not found</h1>\n<p><a href=\"/login\">To the sign-in</a></p>";
    (StatusCode::NOT_FOUND, page("Not found", body))
}

/// Shows the form, in the visitor's session or a new one.
pub(super) async fn sign_in_form(State(shop): State<Arc<Shop>>, headers: HeaderMap) -> Response {
    match session_id(&headers).and_then(|id| shop.sessions.find(id)) {
        Some(session) => form(&session, None).into_response(),
        None => in_new_session(&shop, StatusCode::OK, None),
    }
}

/// Signs in: the form must come from the session that it was made for, and the session that is
/// signed in is a new one.
pub(super) async fn sign_in(
    State(shop): State<Arc<Shop>>,
    headers: HeaderMap,
    sent: Result<Form<SignIn>, FormRejection>,
) -> Response {
    let Ok(Form(sent)) = sent else {
        let error = Some("Please fill in all fields.");
        return in_new_session(&shop, StatusCode::UNPROCESSABLE_ENTITY, error);
    };
    let id = session_id(&headers).unwrap_or_default();
    let session = shop.sessions.find(id).filter(|session| session.form_token == sent.csrf_token);
    let Some(session) = session else {
        let error = Some("This form is too old. Please try again.");
        return in_new_session(&shop, StatusCode::FORBIDDEN, error);
    };
    if sent.email != EMAIL || sent.password != PASSWORD {
        let error = Some("Wrong e-mail or password.");
        return (StatusCode::UNAUTHORIZED, form(&session, error)).into_response();
    }
    shop.sessions.close(id);
    let (id, _) = shop.sessions.open(true);
    (with_cookie(&id), Redirect::to("/home")).into_response()
}

pub(super) async fn home(State(shop): State<Arc<Shop>>, headers: HeaderMap) -> Response {
    let Some(session) = signed_in(&shop, &headers) else {
        return Redirect::to("/login").into_response();
    };
    if **shop.fault.load() == Fault::WrongPage {
        return page("Hello", "<h1>We are moving</h1>\n<p>Nothing to see here.</p>")
            .into_response();
    }
    let body = format!(
        "<h1>Welcome, Ana</h1>\n<p>You have <strong id=\"orders\">3</strong> open orders.</p>\n\
         <form id=\"logout\" method=\"post\" action=\"/logout\">\n\
         <input type=\"hidden\" name=\"csrf_token\" value=\"{}\">\n\
         <button type=\"submit\">Sign out</button>\n</form>",
        session.form_token
    );
    page("Home", &body).into_response()
}

pub(super) async fn profile(State(shop): State<Arc<Shop>>, headers: HeaderMap) -> Response {
    if signed_in(&shop, &headers).is_none() {
        let body = serde_json::json!({ "error": "sign in first" });
        return (StatusCode::UNAUTHORIZED, Json(body)).into_response();
    }
    let body = serde_json::json!({ "name": "Ana", "email": EMAIL, "open_orders": 3 });
    Json(body).into_response()
}

pub(super) async fn sign_out(
    State(shop): State<Arc<Shop>>,
    headers: HeaderMap,
    sent: Result<Form<SignOut>, FormRejection>,
) -> Response {
    let session = signed_in(&shop, &headers);
    let token = sent.map(|Form(sent)| sent.csrf_token).unwrap_or_default();
    if session.is_none_or(|session| session.form_token != token) {
        let error = Some("This form is too old. Please try again.");
        return in_new_session(&shop, StatusCode::FORBIDDEN, error);
    }
    shop.sessions.close(session_id(&headers).unwrap_or_default());
    let cookie = format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    (AppendHeaders([(header::SET_COOKIE, cookie)]), Redirect::to("/login")).into_response()
}

fn in_new_session(shop: &Shop, status: StatusCode, error: Option<&str>) -> Response {
    let (id, session) = shop.sessions.open(false);
    (status, with_cookie(&id), form(&session, error)).into_response()
}

fn with_cookie(id: &str) -> AppendHeaders<[(header::HeaderName, String); 1]> {
    let cookie = format!("{COOKIE}={id}; Path=/; HttpOnly; SameSite=Lax");
    AppendHeaders([(header::SET_COOKIE, cookie)])
}

fn signed_in(shop: &Shop, headers: &HeaderMap) -> Option<Session> {
    let session = shop.sessions.find(session_id(headers)?)?;
    session.signed_in.then_some(session)
}

/// The value of our cookie.
fn session_id(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).into_iter();
    let pairs = cookies.filter_map(|cookies| cookies.to_str().ok()).flat_map(|c| c.split(';'));
    let mut named = pairs.filter_map(|pair| pair.trim().split_once('='));
    named.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}
