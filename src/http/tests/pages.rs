//! Lists that come by pages.

use super::*;

#[tokio::test]
async fn checks_come_by_pages_with_their_states() {
    let face = Face::new();
    let all = face.ok("/api/v1/checks").await;
    let first = face.ok("/api/v1/checks?limit=1").await;
    assert_eq!(first["next_after"], "front");
    assert_eq!(first["checks"], json!([all["checks"][0]]));
    let second = face.ok("/api/v1/checks?limit=1&after=front").await;
    assert_eq!(second, json!({"checks": [all["checks"][1]], "next_after": null}));
    let rest = face.ok("/api/v1/checks?after=shop/login").await;
    assert_eq!(rest, json!({"checks": [], "next_after": null}));
    face.refused("/api/v1/checks?limit=0", StatusCode::BAD_REQUEST).await;
}

#[tokio::test]
async fn of_many_checks_none_are_listed_beyond_a_page() {
    let many = (0..250).map(|number| Arc::new(Check::example(&format!("shop/{number:03}"))));
    let face = Face::watching(many.collect(), a_world().1);
    let (mut path, mut pages, mut ids) = ("/api/v1/checks".to_owned(), Vec::new(), Vec::new());
    loop {
        let page = face.ok(&path).await;
        let checks = page["checks"].as_array().expect("a list");
        pages.push(checks.len());
        ids.extend(checks.iter().map(|it| it["id"].as_str().expect("a text").to_owned()));
        let Some(next) = page["next_after"].as_str() else { break };
        path = format!("/api/v1/checks?after={next}");
    }
    assert_eq!(pages, [100, 100, 50]);
    assert!(ids.is_sorted() && ids.len() == 250);
}
