//! Who comes in by which way, and as whom.

use axum::http::HeaderValue;
use chrono::TimeDelta;

use super::super::ways;
use super::*;
use crate::domain::user::Role;
use crate::http::access::{form_word_of, horizons};
use crate::link::token::Token;
use crate::password::Hash;

const PASSWORD: &str = "correct horse";

/// Ana, who acts and has a password; Vic, who sees; and a program that acts.
fn users() -> (Vec<User>, Token) {
    let token = Token::generate().expect("random numbers");
    let hash = Hash::of(PASSWORD).expect("made");
    let user =
        |name: &str, role, password, token| User { name: name.into(), role, password, token };
    let users = vec![
        user("ana", Role::Operator, Some(hash.clone()), None),
        user("vic", Role::Viewer, Some(hash), None),
        user("deploy", Role::Operator, None, Some(token.digest())),
    ];
    (users, token)
}

fn form(path: &str, pairs: &[(&str, &str)]) -> Request<Body> {
    let body: String =
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let mut request = request(Method::POST, path, "localhost", Body::from(body));
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert(header::CONTENT_TYPE, kind);
    request
}

fn with(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().insert(name, value.parse().expect("a header"));
    request
}

fn get(path: &str) -> Request<Body> {
    request(Method::GET, path, "localhost", Body::empty())
}

fn acknowledge(by: &str) -> Request<Body> {
    let body = json!({"by": by, "via": "cli"}).to_string();
    let path = "/api/v1/incidents/7/acknowledge";
    let asked = request(Method::POST, path, "localhost", Body::from(body));
    with(asked, "content-type", "application/json")
}

impl Face {
    async fn tries(&self, name: &str, password: &str) -> Answer {
        let pairs = [("name", name), ("password", password), ("next", "/api/v1/checks?limit=1")];
        self.answer(form("/sign-in", &pairs)).await
    }

    /// The cookie of somebody who signs in.
    async fn signs_in(&self, name: &str) -> String {
        let answer = self.tries(name, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        assert_eq!(answer.headers[header::LOCATION], "/api/v1/checks?limit=1");
        let line = answer.headers[header::SET_COOKIE].to_str().expect("text");
        line.split(';').next().expect("a pair").to_owned()
    }

    /// With what it is answered to whoever shows this.
    async fn status(&self, request: Request<Body>, name: &'static str, value: &str) -> StatusCode {
        self.answer(with(request, name, value)).await.status
    }
}

/// The table of all that is open, to whom: a route that is not in it fails here, and so does one that needs
/// something else than it says.
#[test]
fn every_way_in_has_its_need() {
    let mut table: Vec<String> = ways()
        .iter()
        .map(|it| format!("{:7} {} {}", it.need.to_string(), it.method, it.path))
        .collect();
    table.sort();
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn the_description_says_what_is_public() {
    let ways: Vec<Way> = doors().iter().flat_map(Door::ways).collect();
    let is_public = |way: &&Way| way.need == Need::Public;
    let mut public: Vec<&str> = ways.iter().filter(is_public).map(|way| way.path).collect();
    let mut described = openapi::PUBLIC;
    public.sort_unstable();
    described.sort_unstable();
    assert_eq!(public, described);
}

#[tokio::test]
async fn without_users_everybody_on_this_machine_sees_and_acts() {
    let face = Face::new();
    assert_eq!(face.answer(get("/api/v1/checks")).await.status, StatusCode::OK);
    let done = face.answer(acknowledge("eva")).await;
    assert_eq!(done.body["acknowledged"]["by"], "eva");
    let page = face.answer(get("/sign-in")).await;
    assert!(
        page.body.as_str().is_some_and(|it| it.contains("Nobody signs in here")),
        "{}",
        page.body
    );
}

#[tokio::test]
async fn where_there_are_users_nobody_else_comes_in() {
    let face = Face::asking(users().0);
    let refused = face.answer(get("/api/v1/checks")).await;
    assert_problem(&refused, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers[header::WWW_AUTHENTICATE], "Bearer realm=\"tripline\"");
    let person = face.answer(with(get("/api/v1/checks?limit=1"), "accept", "text/html,*/*")).await;
    assert_eq!(person.status, StatusCode::SEE_OTHER);
    assert_eq!(person.headers[header::LOCATION], "/sign-in?next=%2Fapi%2Fv1%2Fchecks%3Flimit%3D1");
    let wrong = format!("Bearer {}", Token::generate().expect("random").expose());
    for shown in [wrong.as_str(), "Bearer x", "Basic x", "Digest x", "", "Bearer"] {
        let status = face.status(get("/api/v1/checks"), "authorization", shown).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{shown}");
    }
    assert_eq!(
        face.answer(get("/healthz")).await.status,
        StatusCode::OK,
        "a supervisor has no name"
    );
}

#[tokio::test]
async fn whoever_signed_in_acts_under_their_own_name() {
    let face = Face::asking(users().0);
    let cookie = face.signs_in("Ana").await;
    assert_eq!(face.status(get("/api/v1/checks"), "cookie", &cookie).await, StatusCode::OK);
    let done = face.answer(with(acknowledge("eva"), "cookie", &cookie)).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    assert_eq!(done.body["acknowledged"]["by"], "ana");
    assert_eq!(done.body["acknowledged"]["via"], "web", "whatever is said");

    let seen = face.signs_in("vic").await;
    let refused = face.answer(with(acknowledge("ana"), "cookie", &seen)).await;
    assert_problem(&refused, StatusCode::FORBIDDEN);
    let said = refused.body["detail"].as_str().expect("a sentence");
    assert!(said.starts_with("vic is a viewer, who sees and does not act"), "{said}");
}

#[tokio::test]
async fn a_program_shows_its_token() {
    let (users, token) = users();
    let face = Face::asking(users);
    let token = token.expose();
    let shown = format!("Bearer {token}");
    let done = face.answer(with(acknowledge("eva"), "authorization", &shown)).await;
    assert_eq!(done.body["acknowledged"]["by"], "deploy");
    assert_eq!(done.body["acknowledged"]["via"], "cli", "a program may be a terminal");
    let basic = |name: &str| {
        let pair = data_encoding::BASE64.encode(format!("{name}:{token}").as_bytes());
        format!("Basic {pair}")
    };
    let asked = || get("/api/v1/checks");
    assert_eq!(face.status(asked(), "authorization", &basic("deploy")).await, StatusCode::OK);
    let other = face.status(asked(), "authorization", &basic("ana")).await;
    assert_eq!(other, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_form_needs_the_word_of_its_session() {
    let face = Face::asking(users().0);
    let (ana, other) = (face.signs_in("ana").await, face.signs_in("ana").await);
    let word = |cookie: &str| {
        let token = cookie.split_once('=').expect("a pair").1;
        form_word_of(&Token::parse(token).expect("a token"))
    };
    let path = "/api/v1/incidents/7/acknowledge";
    let forged = StatusCode::FORBIDDEN;
    assert_eq!(face.status(form(path, &[]), "cookie", &ana).await, forged);
    let of_other = form(path, &[("form_word", &word(&other))]);
    assert_eq!(face.status(of_other, "cookie", &ana).await, forged);
    let own = form(path, &[("form_word", &word(&ana))]);
    // It passes the gate, and is not what the route takes.
    let answered = face.status(own, "cookie", &ana).await;
    assert_eq!(answered, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let plain = with(acknowledge("ana"), "content-type", "text/plain");
    assert_eq!(face.status(plain, "cookie", &ana).await, forged);
    let foreign = with(acknowledge("ana"), "origin", "https://evil.example");
    assert_eq!(face.status(foreign, "cookie", &ana).await, forged);
    let foreign = with(form("/sign-in", &[("name", "ana")]), "sec-fetch-site", "cross-site");
    assert_eq!(face.answer(foreign).await.status, forged);
}

#[tokio::test]
async fn a_session_ends() {
    let (users, _) = users();
    let face = Face::asking(users.clone());
    let sees = async |cookie: &str| face.status(get("/api/v1/checks"), "cookie", cookie).await;
    let (good, over) = (StatusCode::OK, StatusCode::UNAUTHORIZED);

    let cookie = face.signs_in("ana").await;
    let page = face.answer(with(get("/sign-in"), "cookie", &cookie)).await;
    let page = page.body.as_str().expect("a page").to_owned();
    assert!(page.contains("You are <strong>ana</strong>, and may see and act."), "{page}");
    let out = face.answer(with(form("/sign-out", &[]), "cookie", &cookie)).await;
    assert_eq!(out.status, StatusCode::SEE_OTHER);
    assert!(out.headers[header::SET_COOKIE].to_str().is_ok_and(|it| it.contains("Max-Age=0")));
    assert_eq!(sees(&cookie).await, over, "by signing out");

    let cookie = face.signs_in("ana").await;
    for _ in 0..5 {
        face.clock.advance(Duration::from_hours(60));
        assert_eq!(sees(&cookie).await, good, "it is used");
    }
    face.clock.advance(Duration::from_hours(60));
    assert_eq!(sees(&cookie).await, over, "after two weeks");

    let cookie = face.signs_in("ana").await;
    face.clock.advance(Duration::from_hours(73));
    assert_eq!(sees(&cookie).await, over, "when nobody uses it");

    let change = |edit: fn(&mut User)| {
        let mut changed = users.clone();
        edit(&mut changed[0]);
        changed
    };
    for changed in [
        change(|ana| ana.role = Role::Viewer),
        change(|ana| ana.password = Some(Hash::of("another horse").expect("made"))),
        users[1..].to_vec(),
    ] {
        face.access.replace(users.clone());
        let cookie = face.signs_in("ana").await;
        assert_eq!(sees(&cookie).await, good);
        face.access.replace(changed);
        assert_eq!(sees(&cookie).await, over, "the user is another");
        face.access.replace(users.clone());
        assert_eq!(sees(&cookie).await, over, "and stays so");
    }
}

#[tokio::test]
async fn passwords_cannot_be_guessed() {
    let face = Face::asking(users().0);
    let wrong = face.tries("ana", "hunter2").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    let nobody = face.tries("bob", "hunter2").await;
    let said =
        |answer: &Answer, name: &str| answer.body.as_str().expect("a page").replace(name, "NAME");
    assert_eq!(said(&wrong, "ana"), said(&nobody, "bob"), "the same is said of a name nobody has");
    assert_eq!(face.tries("deploy", "").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        face.tries("deploy", "x").await.status,
        StatusCode::UNAUTHORIZED,
        "it has no password"
    );
    for _ in 0..4 {
        assert_eq!(face.tries("ana", "hunter2").await.status, StatusCode::UNAUTHORIZED);
    }
    let right = face.tries("ana", PASSWORD).await;
    assert_eq!(right.status, StatusCode::TOO_MANY_REQUESTS, "even the right one");
    assert_eq!(right.headers[header::RETRY_AFTER], "60");
    face.signs_in("vic").await;
    face.clock.advance(Duration::from_secs(61));
    for _ in 0..9 {
        face.signs_in("ana").await;
    }
    let shown = face.answer(get("/metrics")).await.body;
    let shown = shown.as_str().expect("text");
    assert!(shown.contains("tripline_sign_ins_total{result=\"wrong\"} 7.0"), "{shown}");
    assert!(shown.contains("tripline_sign_ins_total{result=\"too_many\"} 1.0"), "{shown}");
    assert!(shown.contains("tripline_sign_ins_total{result=\"accepted\"} 10.0"), "{shown}");
}

#[tokio::test]
async fn a_store_that_fails_lets_nobody_in() {
    let (users, token) = users();
    let face = Face::asking(users);
    let cookie = face.signs_in("ana").await;
    face.store.fail();
    let answer = face.answer(with(get("/api/v1/openapi.json"), "cookie", &cookie)).await;
    assert_problem(&answer, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(face.tries("ana", PASSWORD).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    let shown = format!("Bearer {}", token.expose());
    let program = face.status(get("/api/v1/openapi.json"), "authorization", &shown).await;
    assert_eq!(program, StatusCode::OK, "who has a token is known from the project");
}

#[test]
fn what_is_open_while_there_are_no_users_depends_on_who_reaches_it() {
    let hub = |open_to_network| {
        let listen = crate::config::settings::Hub::LISTEN;
        crate::config::settings::Hub {
            listen,
            open_to_network,
            open_to_acts: false,
            url: "http://x".into(),
            agents_listen: None,
            tls: None,
        }
    };
    let of = |bound: &str, hub| Unasked::new(bound.parse().expect("an address"), &hub);
    assert_eq!(of("127.0.0.1:1", hub(false)), Unasked::All(Acting::Everybody));
    assert_eq!(of("0.0.0.0:1", hub(false)), Unasked::Nothing);
    assert_eq!(of("0.0.0.0:1", hub(true)), Unasked::All(Acting::ThisMachine));
}

#[test]
fn what_is_kept_of_signing_in_is_forgotten_when_it_counts_no_more() {
    let now = now();
    let horizons = horizons(now);
    assert_eq!(now - horizons.begun, TimeDelta::days(14));
    assert_eq!(now - horizons.seen, TimeDelta::days(3));
    assert_eq!(now - horizons.tried, TimeDelta::hours(1));
}
