//! Pages for what went wrong: the same sentence as in the API's problem, and a way on.

use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use maud::html;

use super::{HTML, layout, wording};
use crate::http::problem::Problem;

/// Answers browsers with a page where the answer is a problem; calls to the API keep the problem.
pub(in crate::http) async fn as_page(request: Request, next: Next) -> Response {
    let is_wanted = !request.uri().path().starts_with("/api/") && reads_pages(request.headers());
    let back = way_back(request.method(), request.uri().path());
    let mut response = next.run(request).await;
    let problem = response.extensions_mut().remove::<Problem>();
    let Some(problem) = problem.filter(|_| is_wanted) else { return response };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HTML);
    (parts, page(&problem, back.as_deref())).into_response()
}

/// Whether whoever asks reads HTML: browsers say so, other programs do not.
fn reads_pages(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

/// Where a form was that was refused: it was sent to a place below the page.
fn way_back(method: &Method, path: &str) -> Option<String> {
    let (page, _) = path.rsplit_once('/').filter(|_| method == Method::POST)?;
    // Silences are asked for where the incidents are.
    let page = page.split("/silences").next().unwrap_or(page);
    page.starts_with('/').then(|| page.to_owned())
}

fn page(problem: &Problem, back: Option<&str>) -> String {
    let (title, way_on) = match problem.status() {
        StatusCode::NOT_FOUND => {
            ("Not found", "It may have been renamed, taken out of the project, or forgotten.")
        }
        StatusCode::BAD_REQUEST => {
            ("This address is not understood", "Something in it is not as this page expects it.")
        }
        StatusCode::FORBIDDEN => ("Not allowed", "Nothing was changed."),
        StatusCode::CONFLICT => ("This is not possible any more", "Nothing was changed."),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::INTERNAL_SERVER_ERROR => {
            ("Tripline cannot answer now", "Checks may still be running; /healthz says more.")
        }
        other => (other.canonical_reason().unwrap_or("Something went wrong"), "Nothing was done."),
    };
    layout::bare(
        title,
        &html! {
            h1 { (title) }
            p.lead { (wording::sentence(problem.detail())) }
            p { (way_on) }
            p {
                @if let Some(back) = back { a.button href=(back) { "Go back" } " " }
                a.button href="/" { "Go to the overview" }
            }
        },
    )
    .into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_sent_is_never_markup() {
        let page = page(&Problem::missing("there is nothing at /<script>alert(1)</script>"), None);
        assert!(page.contains("There is nothing at /&lt;script&gt;alert(1)&lt;/script&gt;."));
        assert!(!page.contains("<script>"), "{page}");
    }
}
