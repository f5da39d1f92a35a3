//! A visit to the shop over real sockets, with nothing wrong and with each fault.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const LOOPBACK: &str = "127.0.0.1:0";

fn a_site() -> DemoSite {
    DemoSite::start(LOOPBACK.parse().expect("an address")).expect("a free port")
}

struct Answer(String);

impl Answer {
    fn status(&self) -> &str {
        self.0.get(9..12).unwrap_or_default()
    }

    fn between(&self, before: &str, after: &str) -> &str {
        let rest = self.0.split_once(before).map_or("", |(_, rest)| rest);
        rest.split_once(after).map_or("", |(found, _)| found)
    }

    fn cookie(&self) -> String {
        format!("session={}", self.between("set-cookie: session=", ";"))
    }

    fn token(&self) -> &str {
        self.between("name=\"csrf_token\" value=\"", "\"")
    }
}

async fn ask(site: &DemoSite, request: &str, cookie: &str, body: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(site.address()).await?;
    let head = format!(
        "{request} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncookie: a=b; {cookie}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        site.address(),
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(Answer(answer))
}

async fn get(site: &DemoSite, path: &str, cookie: &str) -> Answer {
    ask(site, &format!("GET {path}"), cookie, "").await.expect("an answer")
}

async fn post(site: &DemoSite, path: &str, cookie: &str, body: &str) -> Answer {
    ask(site, &format!("POST {path}"), cookie, body).await.expect("an answer")
}

async fn sign_in(site: &DemoSite) -> Answer {
    let form = get(site, "/login", "").await;
    let body = format!("csrf_token={}&email={EMAIL}&password={PASSWORD}", form.token());
    post(site, "/login", &form.cookie(), &body).await
}

#[tokio::test]
async fn a_visitor_signs_in_looks_around_and_leaves() {
    let site = a_site();
    assert_eq!(get(&site, "/", "").await.status(), "303");
    let signed_in = sign_in(&site).await;
    assert_eq!((signed_in.status(), signed_in.between("location: ", "\r")), ("303", "/home"));
    let cookie = signed_in.cookie();
    let home = get(&site, "/home", &cookie).await;
    assert!(home.0.contains("<h1>Welcome, Ana</h1>"), "{}", home.0);
    let profile = get(&site, "/api/profile", &cookie).await;
    assert!(profile.0.contains("\"email\":\"ana@example.com\""), "{}", profile.0);
    let out = post(&site, "/logout", &cookie, &format!("csrf_token={}", home.token())).await;
    assert_eq!((out.status(), out.cookie().as_str()), ("303", "session="));
    assert_eq!(get(&site, "/api/profile", &cookie).await.status(), "401");
    site.stop().await;
}

#[tokio::test]
async fn nobody_gets_in_otherwise() {
    let site = a_site();
    let form = get(&site, "/login", "").await;
    let (cookie, token) = (form.cookie(), form.token());
    let right = format!("email={EMAIL}&password={PASSWORD}");
    let post = |cookie: String, body: String| {
        let site = &site;
        async move { post(site, "/login", &cookie, &body).await.status().to_owned() }
    };
    assert_eq!(post(cookie.clone(), right.clone()).await, "422");
    assert_eq!(post(cookie.clone(), format!("csrf_token=x&{right}")).await, "403");
    assert_eq!(post(String::new(), format!("csrf_token={token}&{right}")).await, "403");
    let wrong = format!("csrf_token={token}&email={EMAIL}&password=no");
    assert_eq!(post(cookie.clone(), wrong).await, "401");
    assert_eq!(get(&site, "/home", &cookie).await.status(), "303");
    assert_eq!(get(&site, "/nowhere", "").await.status(), "404");
    let public: SocketAddr = "0.0.0.0:0".parse().expect("an address");
    assert!(DemoSite::start(public).is_err());
}

#[tokio::test]
async fn down_means_refused_until_it_is_up_again() {
    let site = a_site();
    let mut open = TcpStream::connect(site.address()).await.expect("it is up");
    open.write_all(b"GET /login HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut head = [0; 12];
    open.read_exact(&mut head).await.expect("an answer");
    for _ in 0..3 {
        site.set(Fault::Down).await.expect("always possible");
        site.set(Fault::Down).await.expect("always possible");
        let error = TcpStream::connect(site.address()).await.expect_err("refused");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        // Nobody else gets the place meanwhile.
        assert!(TcpListener::bind(site.address()).await.is_err());
        assert!(DemoSite::start(site.address()).is_err());
        site.set(Fault::None).await.expect("the place was kept");
        assert_eq!(sign_in(&site).await.status(), "303");
    }
    // The old connection ended at the first time.
    let mut rest = Vec::new();
    let ended = open.read_to_end(&mut rest).await;
    assert!(
        ended.is_ok() || ended.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
    );
    let address = site.address();
    site.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn each_fault_shows() {
    let site = a_site();
    site.set(Fault::WrongPage).await.expect("always possible");
    let signed_in = sign_in(&site).await;
    let home = get(&site, "/home", &signed_in.cookie()).await;
    assert_eq!(home.status(), "200");
    assert!(!home.0.contains("Welcome"));
    site.set(Fault::ServerError).await.expect("always possible");
    assert_eq!(get(&site, "/login", "").await.status(), "503");
    assert_eq!(get(&site, "/api/profile", "").await.status(), "503");
    site.set(Fault::None).await.expect("always possible");
    assert_eq!(get(&site, "/login", "").await.status(), "200");
}

#[tokio::test(start_paused = true)]
async fn slow_is_slow() {
    let shop = Arc::new(Shop {
        fault: ArcSwap::from_pointee(Fault::Slow(Duration::from_secs(30))),
        sessions: Sessions::default(),
    });
    let request = Request::builder().uri("/login").body(axum::body::Body::empty());
    let answer = tower::ServiceExt::oneshot(router(shop), request.expect("a request"));
    let started = tokio::time::Instant::now();
    assert_eq!(answer.await.expect("never fails").status(), StatusCode::OK);
    assert_eq!(started.elapsed(), Duration::from_secs(30));
}
