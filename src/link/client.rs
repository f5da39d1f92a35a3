//! How an agent asks its hub: HTTPS only, except to loopback; one attempt per call.
//!
//! It retries nothing and decides nothing; an [`Error`] says what may help.

use std::fmt;
use std::time::Duration;

use arc_swap::ArcSwap;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Method, Proxy, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::{Host, Url};
use uuid::Uuid;

use super::protocol::{
    Assignments, Beat, ERRANDS_HEADER, ERRANDS_WAIT, ErrandReport, Goodbye, LONGEST_WAIT,
    OutputMessage, PROTOCOL, PROTOCOL_HEADER, Pulse, TakeErrands, TakenErrands, VERSION_HEADER,
    Verdict,
};
use super::publication::hash_of;
use super::token::Token;

/// Finding the hub and agreeing on a connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(8);
/// A call that says or asks little.
const SHORT_DEADLINE: Duration = Duration::from_secs(10);
/// A call that carries much.
const LONG_DEADLINE: Duration = Duration::from_mins(1);
/// What an answer to a question that is left open may take beyond that.
const GRACE: Duration = Duration::from_secs(15);

/// The longest answers that are read, in bytes.
const LONGEST_ASSIGNMENTS: usize = 64 << 20;
const LONGEST_MODULE: usize = 16 << 20;
const LONGEST_ANSWER: usize = 1 << 20;

/// Why a hub cannot be asked at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The address is none.
    #[error("`{0}` is not the address of a hub; write it like `https://hub.example`")]
    Address(String),
    /// The token and the secrets would be sent in the clear.
    #[error(
        "`{0}` would send the token and secrets in the clear; use `https`, which the hub speaks \
         with `[hub] tls`, or behind a reverse proxy (`http` is for this machine's loopback only)"
    )]
    Clear(String),
    /// A certificate is none.
    #[error("the file of the certificate authority holds no certificate in PEM: {0}")]
    Authority(String),
    /// The proxy's address is none.
    #[error("the proxy's address cannot be used: {0}")]
    Proxy(String),
    /// The HTTP client could not be made.
    #[error("failed to set up the HTTP client: {0}")]
    Client(String),
}

/// Why a call did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No answer came.
    #[error("the hub cannot be reached: {0}")]
    Unreachable(String),
    /// The hub says no.
    #[error("the hub refused ({status}): {detail}")]
    Refused {
        /// The status.
        status: u16,
        /// The hub's words.
        detail: String,
    },
    /// An answer came that is none of a hub's.
    #[error("what answers is no hub of Tripline, or is broken: {0}")]
    Odd(String),
}

impl Error {
    /// The status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Unreachable(_) | Self::Odd(_) => None,
        }
    }
}

/// How to reach the hub.
#[derive(Debug, Clone, Default)]
pub struct Route {
    /// An authority to trust besides the machine's, in PEM.
    pub authority: Option<Vec<u8>>,
    /// A proxy, in place of what the environment says.
    pub proxy: Option<String>,
}

/// What a hub answers to the question for assignments.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// Nothing has changed.
    Nothing,
    /// What to run is this from now on.
    Assignments(Box<Assignments>),
    /// Something is to be run at once, and waits to be taken.
    Errands,
}

/// Asks one hub.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: ArcSwap<Token>,
}

/// The address of a hub, if it can be asked safely.
///
/// # Errors
///
/// [`SetupError`] says why it cannot.
pub fn hub_address(text: &str) -> Result<Url, SetupError> {
    let wrong = || SetupError::Address(text.to_owned());
    let mut url = Url::parse(text).map_err(|_| wrong())?;
    let plain = url.username().is_empty() && url.password().is_none();
    if url.host().is_none() || !plain || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong());
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err(SetupError::Clear(text.to_owned())),
        _ => return Err(wrong()),
    }
    let path = format!("{}/agent/v1/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

impl Client {
    /// Makes ready to ask the hub at `base`, which [`hub_address`] made.
    ///
    /// # Errors
    ///
    /// [`SetupError`].
    pub fn new(base: Url, token: Token, route: &Route) -> Result<Self, SetupError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("tripline-agent/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_DEADLINE)
            .pool_idle_timeout(Duration::from_secs(12))
            .tcp_keepalive(Duration::from_secs(10))
            .redirect(Policy::none())
            .referer(false)
            .tcp_nodelay(true);
        if let Some(pem) = &route.authority {
            let bundle = Certificate::from_pem_bundle(pem);
            let certificates = bundle.map_err(|error| SetupError::Authority(causes(&error)))?;
            if certificates.is_empty() {
                return Err(SetupError::Authority("the file has none".into()));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        builder = match &route.proxy {
            Some(_) if base.scheme() == "http" => {
                let why = "a hub on loopback is reached without one";
                return Err(SetupError::Proxy(why.into()));
            }
            Some(proxy) => {
                let proxy = Proxy::all(proxy);
                builder.proxy(proxy.map_err(|error| SetupError::Proxy(causes(&error)))?)
            }
            // A proxy of the machine's cannot reach this machine's own loopback.
            None if is_loopback(&base) => builder.no_proxy(),
            None => builder,
        };
        let http = builder.build().map_err(|error| SetupError::Client(causes(&error)))?;
        Ok(Self { http, base, token: ArcSwap::from_pointee(token) })
    }

    /// Shows this token from now on.
    pub fn replace_token(&self, token: Token) {
        self.token.store(token.into());
    }

    /// The token that is shown.
    pub fn token(&self) -> Token {
        self.token.load().as_ref().clone()
    }

    /// Takes a name.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn hello(&self, beat: &Beat) -> Result<Pulse, Error> {
        self.tell("hello", beat).await
    }

    /// Keeps the name.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn heartbeat(&self, beat: &Beat) -> Result<Pulse, Error> {
        self.tell("heartbeat", beat).await
    }

    /// Gives the name back.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn goodbye(&self, goodbye: &Goodbye) -> Result<(), Error> {
        let request = self.request(Method::POST, "goodbye", SHORT_DEADLINE)?.json(goodbye);
        send(request).await.map(|_| ())
    }

    /// What to run, as soon as that is something else than `revision`, or something is to be run at
    /// once by the agent that `errands` names; nothing when neither was so for [`LONGEST_WAIT`].
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn assignments(
        &self,
        revision: Option<&str>,
        errands: Option<&str>,
    ) -> Result<Told, Error> {
        let mut path = format!("assignments?wait_ms={}", LONGEST_WAIT.as_millis());
        if let Some(revision) = revision {
            path = format!("{path}&revision={}", quoted(revision));
        }
        if let Some(name) = errands {
            path = format!("{path}&errands={}", quoted(name));
        }
        let answer = send(self.request(Method::GET, &path, LONGEST_WAIT + GRACE)?).await?;
        if answer.status() != StatusCode::NO_CONTENT {
            let assignments = read(answer, LONGEST_ASSIGNMENTS).await?;
            return Ok(Told::Assignments(Box::new(assignments)));
        }
        let waits = answer.headers().get(ERRANDS_HEADER).is_some_and(|it| it == ERRANDS_WAIT);
        Ok(if waits { Told::Errands } else { Told::Nothing })
    }

    /// Takes what is to be run at once.
    ///
    /// # Errors
    ///
    /// [`Error`]; what was given to this agent all the same is lost.
    pub async fn take_errands(&self, wanted: &TakeErrands) -> Result<TakenErrands, Error> {
        self.tell("errands", wanted).await
    }

    /// Says what came of something that was to be run at once.
    ///
    /// # Errors
    ///
    /// [`Error`]; saying it again is safe.
    pub async fn bring_errand(&self, errand: Uuid, report: &ErrandReport) -> Result<(), Error> {
        let path = format!("errands/{errand}");
        let request = self.request(Method::POST, &path, LONG_DEADLINE)?.json(report);
        send(request).await.map(|_| ())
    }

    /// Tells what a run does that was to be run at once. Whoever runs it goes on whatever comes of this.
    ///
    /// # Errors
    ///
    /// [`Error`]; what was told is lost, and telling it again is safe.
    pub async fn tell_output(&self, errand: Uuid, output: &OutputMessage) -> Result<(), Error> {
        let path = format!("errands/{errand}/output");
        let request = self.request(Method::POST, &path, SHORT_DEADLINE)?.json(output);
        send(request).await.map(|_| ())
    }

    /// The text of a module, verified to be the one that was asked for.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn module(&self, sha256: &str) -> Result<String, Error> {
        let request = self.request(Method::GET, &format!("modules/{sha256}"), LONG_DEADLINE)?;
        let bytes = bounded(send(request).await?, LONGEST_MODULE).await?;
        if hash_of(&bytes) != sha256 {
            return Err(Error::Odd("a module is not the one that was asked for".into()));
        }
        String::from_utf8(bytes).map_err(|_| Error::Odd("a module is no text".into()))
    }

    /// Hands reports over, as JSON; when it returns, all but the refused ones are safe.
    ///
    /// # Errors
    ///
    /// [`Error`]; handing them over again is safe.
    pub async fn reports(&self, name: &str, reports: &[String]) -> Result<Verdict, Error> {
        // They are JSON already.
        let name = serde_json::Value::from(name);
        let body = format!("{{\"name\":{name},\"reports\":[{}]}}", reports.join(","));
        let request = self.request(Method::POST, "reports", LONG_DEADLINE)?;
        let request = request.header("content-type", "application/json").body(body);
        read(send(request).await?, LONGEST_ANSWER).await
    }

    async fn tell<A: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<A, Error> {
        let request = self.request(Method::POST, path, SHORT_DEADLINE)?.json(body);
        read(send(request).await?, LONGEST_ANSWER).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        deadline: Duration,
    ) -> Result<RequestBuilder, Error> {
        let url = self.base.join(path).map_err(|error| Error::Odd(error.to_string()))?;
        let request = self.http.request(method, url).timeout(deadline);
        Ok(request
            .bearer_auth(self.token.load().expose())
            .header(PROTOCOL_HEADER, PROTOCOL)
            .header(VERSION_HEADER, env!("CARGO_PKG_VERSION")))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// A value as it stands in a query.
fn quoted(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// What went wrong, as the hub says it.
#[derive(serde::Deserialize)]
struct Problem {
    detail: String,
}

/// Sends a request; anything but a success is an error.
async fn send(request: RequestBuilder) -> Result<Response, Error> {
    let sent = request.send().await;
    let answer = sent.map_err(|error| Error::Unreachable(causes(&error.without_url())))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let body = bounded(answer, LONGEST_ANSWER).await.unwrap_or_default();
    let problem = serde_json::from_slice::<Problem>(&body);
    match problem {
        Ok(problem) => Err(Error::Refused { status: status.as_u16(), detail: problem.detail }),
        // A proxy on the way may take less at once than the hub; halves may pass.
        Err(_) if status == StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = "what answers for it takes less at once".to_owned();
            Err(Error::Refused { status: status.as_u16(), detail })
        }
        // A proxy on the way speaks for a hub that is away.
        Err(_) if status.is_server_error() => {
            Err(Error::Unreachable(format!("status {status} from what answers for it")))
        }
        Err(_) => Err(Error::Odd(format!("status {status}"))),
    }
}

async fn read<A: DeserializeOwned>(answer: Response, most: usize) -> Result<A, Error> {
    let body = bounded(answer, most).await?;
    serde_json::from_slice(&body).map_err(|error| Error::Odd(error.to_string()))
}

async fn bounded(mut answer: Response, most: usize) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    let lost = |error: reqwest::Error| Error::Unreachable(causes(&error.without_url()));
    while let Some(chunk) = answer.chunk().await.map_err(lost)? {
        if body.len() + chunk.len() > most {
            return Err(Error::Odd(format!("an answer of more than {most} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An error with what caused it, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |cause| cause.source()) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_is_asked_over_tls_or_on_loopback() {
        let address = |text| hub_address(text).map(|url| url.to_string());
        let good = |text| address(text).expect("an address");
        assert_eq!(good("https://hub.example"), "https://hub.example/agent/v1/");
        assert_eq!(good("https://hub.example/trip/"), "https://hub.example/trip/agent/v1/");
        assert_eq!(good("http://127.0.0.1:7676"), "http://127.0.0.1:7676/agent/v1/");
        assert_eq!(good("http://[::1]:1/"), "http://[::1]:1/agent/v1/");
        for text in ["http://hub.example", "http://10.0.0.1:7676", "http://0.0.0.0"] {
            assert_eq!(address(text), Err(SetupError::Clear(text.into())));
        }
        let route = Route { proxy: Some("http://proxy.example:3128".into()), authority: None };
        let token = Token::generate().expect("random numbers");
        let base = hub_address("http://127.0.0.1:1").expect("an address");
        let clear = Client::new(base, token, &route).map(|_| ());
        assert!(
            matches!(clear, Err(SetupError::Proxy(_))),
            "the token would go there in the clear"
        );
        for text in ["", "hub.example", "ftp://x", "https://a:b@c", "https://a/?b", "https://a/#b"]
        {
            assert_eq!(address(text), Err(SetupError::Address(text.into())));
        }
    }

    /// What is refused for its size is halved by whoever sent it, whoever refused it.
    #[tokio::test]
    async fn a_proxy_that_takes_less_at_once_is_told_from_one_that_is_odd() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        // An error means that another test of this process installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        for (line, expected) in [("413 Request Entity Too Large", Some(413)), ("404 No", None)] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
            let address = listener.local_addr().expect("it is bound");
            let proxy = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.expect("accepted");
                let _ = stream.read(&mut [0; 4096]).await;
                let page = "<html>no</html>";
                let answer = format!(
                    "HTTP/1.1 {line}\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\
                     Connection: close\r\n\r\n{page}",
                    page.len()
                );
                stream.write_all(answer.as_bytes()).await.expect("answered");
            });
            let base = hub_address(&format!("http://{address}")).expect("an address");
            let token = Token::generate().expect("random numbers");
            let client = Client::new(base, token, &Route::default()).expect("a client");
            let error = client.reports("eu", &["{}".to_owned()]).await.expect_err("refused");
            assert_eq!(error.status(), expected, "{error}");
            proxy.await.expect("ended");
        }
    }
}
