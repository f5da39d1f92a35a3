//! A small shop with a sign-in, as its customers' browsers see it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Form, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{any, get};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// Requests as method, path and headers.
type Heard = Arc<Mutex<Vec<(String, String, HeaderMap)>>>;

pub(super) struct Shop {
    pub(super) address: SocketAddr,
    heard: Heard,
    _task: AbortOnDropHandle<()>,
}

impl Shop {
    pub(super) async fn open() -> Self {
        let heard = Heard::default();
        let router = Router::new()
            .route("/login", get(sign_in_page).post(sign_in))
            .route("/dashboard", get(dashboard))
            .route("/account", get(account))
            .route("/to", any(redirect))
            .route("/again", get(|| async { Redirect::to("/again") }))
            .route("/suffix", get(too_broad_cookie))
            .fallback(any(|| async { StatusCode::NOT_FOUND }))
            .layer(axum::middleware::map_request_with_state(Arc::clone(&heard), listen));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("it serves until it is dropped");
        });
        Self { address, heard, _task: AbortOnDropHandle::new(task) }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn heard(&self) -> Vec<(String, String, HeaderMap)> {
        self.heard.lock().expect("nobody panicked").clone()
    }
}

async fn listen(State(heard): State<Heard>, request: Request) -> Request {
    let path = request.uri().path().to_owned();
    let line = (request.method().to_string(), path, request.headers().clone());
    heard.lock().expect("nobody panicked").push(line);
    request
}

async fn sign_in_page() -> impl IntoResponse {
    let page = r#"<form id="login" method="post"><input name="csrf" type="hidden" value="c5rf">
        <input name="email"><input name="password" type="password"><input name="code"></form>"#;
    ([(header::SET_COOKIE, "csrf=c5rf; Path=/login; HttpOnly")], Html(page))
}

async fn sign_in(headers: HeaderMap, Form(form): Form<HashMap<String, String>>) -> Response {
    let field = |name: &str| form.get(name).map(String::as_str);
    let cookie = cookies(&headers);
    let code_is_good = field("code").is_some_and(|code| code.len() == 6);
    if field("csrf") == Some("c5rf")
        && cookie == "csrf=c5rf"
        && field("password") == Some(super::PASSWORD)
        && code_is_good
    {
        let session = (header::SET_COOKIE, "session=s3ss10n; Path=/; HttpOnly; SameSite=Lax");
        return ([session], Redirect::to("/dashboard")).into_response();
    }
    let password = field("password").unwrap_or_default();
    (StatusCode::FORBIDDEN, format!("wrong password: {password}")).into_response()
}

async fn dashboard(headers: HeaderMap) -> Response {
    match cookies(&headers).as_str() {
        "session=s3ss10n" => Html("<h1>Welcome, Ana</h1>").into_response(),
        other => (StatusCode::UNAUTHORIZED, other.to_owned()).into_response(),
    }
}

async fn account() -> impl IntoResponse {
    axum::Json(serde_json::json!({ "email": "ana@shop.example", "roles": ["admin"] }))
}

/// Redirects with the status and to the place that the query says.
async fn redirect(Query(query): Query<HashMap<String, String>>) -> Response {
    let status = query["status"].parse::<u16>().expect("a number");
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(header::LOCATION, query["place"].clone())]).into_response()
}

async fn too_broad_cookie() -> impl IntoResponse {
    let headers = [
        (header::SET_COOKIE, "broad=1; Domain=co.uk; Path=/"),
        (header::SET_COOKIE, "own=1; Path=/"),
    ];
    (axum::response::AppendHeaders(headers), Redirect::to("/dashboard"))
}

fn cookies(headers: &HeaderMap) -> String {
    let cookie = headers.get(header::COOKIE).and_then(|cookie| cookie.to_str().ok());
    cookie.unwrap_or_default().to_owned()
}
