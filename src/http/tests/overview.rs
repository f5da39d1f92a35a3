//! Pages for people: what stands on them, and what no text can do to them.

mod checks;

use super::*;

/// Asks as a browser does.
pub(super) async fn browse(face: &Face, path: &str) -> (Answer, String) {
    let mut asked = request(Method::GET, path, "localhost:7070", Body::empty());
    let accepted = "text/html,application/xhtml+xml,*/*;q=0.8".parse().expect("a value");
    asked.headers_mut().insert(header::ACCEPT, accepted);
    let answer = face.answer(asked).await;
    let text = answer.body.as_str().unwrap_or_default().to_owned();
    (answer, text)
}

pub(super) async fn page(face: &Face, path: &str) -> String {
    let (answer, text) = browse(face, path).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {text}");
    assert_eq!(answer.headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
    text
}

/// The names of the checks that a page lists, in order.
fn listed(page: &str) -> Vec<&str> {
    let rows = page.split("<th scope=\"row\"><a href=\"").skip(1);
    rows.filter_map(|row| row.split_once('>')?.1.split_once('<').map(|it| it.0)).collect()
}

#[tokio::test]
async fn the_overview_says_what_is_wrong_and_how_every_check_does() {
    let face = Face::new();
    let page = page(&face, "/").await;
    assert!(page.contains("<title>1 open incident · Tripline</title>"), "{page}");
    assert_eq!(page.matches("<h1").count(), 1);
    assert_eq!(listed(&page), ["Sign in to the shop", "front"], "the gravest first");
    assert!(page.contains("expected 200, received 503"));
    assert!(page.contains("messages for slack:#p2"), "{page}");
    assert!(page.contains("from eu-west-1 "), "{page}");
    assert!(page.contains("title=\"down for 1 s, 1 failure in a row\">eu-west-1"), "{page}");
    assert!(page.contains("<span class=\"mark chip up\">us-east-1"));
}

#[tokio::test]
async fn a_filter_is_in_the_url() {
    let face = Face::new();
    for (query, names) in [
        ("q=SIGN", &["Sign in to the shop"][..]),
        ("q=shop%20login", &["Sign in to the shop"]),
        ("q=team%3Dshop", &["Sign in to the shop"]),
        ("label=team%3Dshop&q=&state=", &["Sign in to the shop"]),
        ("state=never_run", &["front"]),
        ("state=up", &[]),
        ("region=us-east-1", &["Sign in to the shop"]),
        ("region=eu-west-1", &["Sign in to the shop", "front"]),
        ("page=2", &[]),
    ] {
        let page = page(&face, &format!("/?{query}")).await;
        assert_eq!(listed(&page), names, "{query}");
    }
    let page = page(&face, "/?state=up&q=x").await;
    assert!(page.contains("No check is like this."), "{page}");
    assert!(page.contains("href=\"/?q=x\""), "another state keeps the words: {page}");
}

#[tokio::test]
async fn of_many_checks_each_stands_on_one_page() {
    let many = (0..250).map(|number| Arc::new(Check::example(&format!("shop/{number:03}"))));
    let face = Face::watching(many.collect(), a_world().1);
    let (mut path, mut seen) = ("/".to_owned(), Vec::new());
    loop {
        let page = page(&face, &path).await;
        assert!(page.len() < 200_000, "{path} has {} bytes", page.len());
        seen.extend(listed(&page).into_iter().map(str::to_owned));
        let Some((_, rest)) = page.split_once("<a rel=\"next\" href=\"") else { break };
        path = rest.split_once('"').expect("an end").0.to_owned();
    }
    assert!(seen.is_sorted() && seen.len() == 250, "{}", seen.len());
}

#[tokio::test]
async fn a_card_says_every_region_that_is_down() {
    let (checks, mut store) = a_world();
    store.down_everywhere();
    let face = Face::watching(checks, store);
    for path in ["/", "/incidents"] {
        let page = page(&face, path).await;
        assert!(page.contains("from eu-west-1, us-east-1 "), "{path}: {page}");
    }
}

#[tokio::test]
async fn many_checks_in_many_regions_with_their_durations_are_a_small_page() {
    use crate::query::Series;
    use crate::store::metrics::Metrics;
    let regions: Vec<Region> = (0..12)
        .map(|number| Region::new(&format!("eu-central-{number}")).expect("a good name"))
        .collect();
    let check = |number| Check {
        regions: regions.clone(),
        name: format!("Sign in to the shop of customer number {number}"),
        ..Check::example(&format!("customers/shop-{number:03}/sign-in"))
    };
    let checks: Vec<Arc<Check>> = (0..100).map(|number| Arc::new(check(number))).collect();
    let mut store = a_world().1;
    for check in &checks {
        store.passes(check);
    }
    let face = Face::watching(checks.clone(), store);
    let end = now().timestamp_millis();
    let series = |check: &Check, region: &Region| {
        let name = "tripline_check_duration_seconds";
        let labels =
            [("__name__", name), ("check", check.id.as_str()), ("region", region.as_str())];
        let times = (-59..=0).map(|minute| end + minute * 60_000).collect();
        let values = (0..60).map(|minute| 0.1 + f64::from(minute * 37 % 11)).collect();
        Series::new(labels.into_iter().collect(), times, values).expect("in order")
    };
    let all = checks.iter().flat_map(|check| regions.iter().map(|it| series(check, it)));
    face.store.append(&all.collect::<Vec<_>>(), now()).await.expect("stored");
    let page = page(&face, "/").await;
    assert_eq!(page.matches("class=\"spark\"").count(), 100);
    assert_eq!(page.matches(">12 up</span>").count(), 100, "{page}");
    assert!(page.len() < 200_000, "{} bytes", page.len());
}

#[tokio::test]
async fn where_there_is_nothing_the_page_says_what_to_do() {
    let face = Face::watching(Vec::new(), a_world().1);
    let page = page(&face, "/").await;
    assert!(page.contains("tripline init"), "{page}");
}

#[tokio::test]
async fn no_text_becomes_markup() {
    let hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    let mut check = Check::example("front");
    check.name = hostile.into();
    check.labels = [("team".to_owned(), hostile.to_owned())].into();
    let face = Face::watching(vec![Arc::new(check)], a_world().1);
    let query: String = url::form_urlencoded::byte_serialize(hostile.as_bytes()).collect();
    let of_check = "/checks/front".to_owned();
    for path in ["/".to_owned(), format!("/?q={query}"), format!("/?label={query}"), of_check] {
        let page = page(&face, &path).await;
        assert!(page.contains("&lt;script&gt;"), "{path}: {page}");
        for markup in ["<script>", "<img", "\"'>"] {
            assert!(!page.contains(markup), "{path}: {page}");
        }
    }
}

#[tokio::test]
async fn a_browser_may_take_nothing_but_our_own() {
    let face = Face::new();
    let (answer, text) = browse(&face, "/").await;
    let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    for inline in [" style=", "<style", " onclick=", "javascript:"] {
        assert!(!text.contains(inline), "{inline} in {text}");
    }
    let api = face.get("/api/v1").await;
    assert_eq!(
        api.headers[header::CONTENT_SECURITY_POLICY],
        "default-src 'none'; frame-ancestors 'none'"
    );
}

#[tokio::test]
async fn assets_are_kept_until_they_change() {
    let face = Face::new();
    let page = page(&face, "/").await;
    let urls: Vec<&str> = page.split(['"']).filter(|it| it.starts_with("/assets/")).collect();
    assert!(urls.len() > 1, "{page}");
    for url in urls {
        let answer = face.get(url).await;
        assert_eq!(answer.status, StatusCode::OK, "{url}");
        let kept = &answer.headers[header::CACHE_CONTROL];
        assert_eq!(kept, "public, max-age=31536000, immutable", "{url}");
        let (path, _) = url.split_once('?').expect("a version");
        let other = face.get(&format!("{path}?v=0")).await;
        assert_eq!(other.headers[header::CACHE_CONTROL], "no-cache");
        let mut again = request(Method::GET, url, "localhost", Body::empty());
        again.headers_mut().insert(header::IF_NONE_MATCH, answer.headers[header::ETAG].clone());
        assert_eq!(face.answer(again).await.status, StatusCode::NOT_MODIFIED);
    }
    face.refused("/assets/nothing.css", StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn what_goes_wrong_with_a_page_is_a_page() {
    let face = Face::new();
    for (path, status, words) in [
        ("/nowhere", StatusCode::NOT_FOUND, "There is nothing at /nowhere"),
        ("/?state=good", StatusCode::BAD_REQUEST, "a state is `down`"),
        ("/?sate=down", StatusCode::BAD_REQUEST, "did you mean `state`?"),
        ("/?page=0", StatusCode::BAD_REQUEST, "a page is a number from 1 on"),
    ] {
        let (answer, text) = browse(&face, path).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert!(text.contains(words) && text.contains("href=\"/\""), "{path}: {text}");
        assert_problem(&face.get(path).await, status);
    }
    let (answer, _) = browse(&face, "/api/v1/nowhere").await;
    assert_problem(&answer, StatusCode::NOT_FOUND);
    face.store.fail();
    let (answer, text) = browse(&face, "/").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(text.contains("the log of the daemon says why"), "{text}");
}

#[tokio::test]
async fn a_page_says_when_tripline_itself_does_not_work() {
    let face = Face::new();
    assert!(page(&face, "/").await.contains("watching"));
    face.pulse.expect(Some(now() - TimeDelta::seconds(90)));
    let late = page(&face, "/").await;
    assert!(late.contains("not working") && late.contains("the scheduler is 90 s behind"));
}
