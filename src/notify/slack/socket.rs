//! Socket Mode: clicks over a connection that this side opens, for hubs that nobody can reach.
//!
//! Each connection is asked for by an app token, which is what makes what comes over it Slack's. An
//! envelope that is not acknowledged is sent again, over this connection or another of the same app,
//! so whoever acts on one must be able to act twice.
//! Source: <https://docs.slack.dev/apis/events-api/using-socket-mode>.
//!
//! Must not: act on anything, or show the address of a connection, which is a secret.

use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use slack_morphism::{ClientResult, SlackApiToken, SlackClient};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use url::Url;

use super::connector::Connector;
use super::fate::fate;
use crate::clock::Stopwatch;
use crate::domain::notification::Attempt;
use crate::net::{outward, tls};
use crate::notify::exchange::{self, SetupError, said};

/// How long a connection may take to stand.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);
/// Slack is asked whether it is there after so long without a word.
const SILENCE: Duration = Duration::from_secs(45);
/// How long it may take a word to leave.
const SENT_WITHIN: Duration = Duration::from_secs(5);
/// More in one message is not read.
const LONGEST: usize = 1 << 20;

/// Why there is no connection, or none any more, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Lost(String);

/// Opens connections for one app.
pub struct Socket {
    client: reqwest::Client,
    api_url: String,
    token: SlackApiToken,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket").field("api_url", &self.api_url).finish_non_exhaustive()
    }
}

/// What Slack says over a connection.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// That somebody did something; it is to be acknowledged by this name.
    Interaction {
        /// The envelope's name.
        envelope: String,
        /// What they did.
        payload: Value,
    },
    /// Something that needs no more than to be acknowledged.
    Other {
        /// The envelope's name.
        envelope: String,
    },
    /// That the connection ends, and another is to be opened.
    Goodbye,
}

/// Bytes that go both ways.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// A connection that stands.
pub struct Connection {
    wire: WebSocketStream<Box<dyn Wire>>,
    /// Since the last word of Slack's.
    heard: Stopwatch,
    /// Whether Slack was asked since then whether it is there.
    asked: bool,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Deserialize)]
struct Opened {
    url: String,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "envelope_id")]
    id: Option<String>,
    #[serde(default)]
    payload: Value,
}

impl Socket {
    /// Prepares to connect.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when the address is not one or the HTTP client cannot be made.
    pub fn new(api_url: &str, app_token: &str) -> Result<Self, SetupError> {
        let base = exchange::address(api_url, "the address of Slack's API")?;
        if app_token.is_empty() || !app_token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SetupError::Credential("the Slack app token"));
        }
        Ok(Self {
            client: exchange::client(&base)?,
            api_url: api_url.trim_end_matches('/').to_owned(),
            token: SlackApiToken::new(app_token.into()),
        })
    }

    /// Opens a connection and waits until Slack greets.
    ///
    /// # Errors
    ///
    /// [`Lost`]
    pub async fn connect(&self) -> Result<Connection, Lost> {
        let url = self.place().await?;
        let late = || Lost("Slack took too long to connect".to_owned());
        let mut connection = timeout(CONNECTED_WITHIN, dial(&url)).await.map_err(|_| late())??;
        let greeted =
            timeout(CONNECTED_WITHIN, connection.envelope()).await.map_err(|_| late())??;
        if greeted.kind != "hello" {
            return Err(Lost(format!("Slack did not greet, but said {}", said(&greeted.kind))));
        }
        Ok(connection)
    }

    /// Asks where to connect to.
    async fn place(&self) -> Result<Url, Lost> {
        let client = SlackClient::new(Connector {
            client: self.client.clone(),
            api_url: self.api_url.clone(),
            started: Stopwatch::start(),
            deadline: exchange::DEADLINE,
        });
        let session = client.open_session(&self.token);
        let opened: ClientResult<Opened> =
            session.http_session_api.http_post("apps.connections.open", &Nothing {}, None).await;
        let opened =
            opened.map_err(|error| Lost(Attempt::from(fate(&error)).detail().to_owned()))?;
        let url = Url::parse(&opened.url).map_err(|_| Lost("Slack named no address".to_owned()))?;
        // Only where the API itself is asked in the clear.
        let in_clear = url.scheme() == "ws" && self.api_url.starts_with("http://");
        if url.scheme() != "wss" && !in_clear {
            return Err(Lost("Slack named an address that is not secured".to_owned()));
        }
        Ok(url)
    }
}

async fn dial(url: &Url) -> Result<Connection, Lost> {
    let unreachable = |error: &dyn std::fmt::Display| {
        Lost(format!("Slack cannot be reached: {}", said(&error.to_string())))
    };
    let host = url.host_str().ok_or_else(|| Lost("Slack named no host".to_owned()))?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let stream = outward::connect(url).await.map_err(|error| unreachable(&error))?;
    let wire: Box<dyn Wire> = if url.scheme() == "ws" {
        Box::new(stream)
    } else {
        let config = tls::platform().map_err(|error| unreachable(&error))?;
        let mut config = rustls::ClientConfig::clone(&config);
        // A WebSocket begins as HTTP/1.1.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from(bare.to_owned()).map_err(|error| unreachable(&error))?;
        let secured = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        Box::new(secured.map_err(|error| unreachable(&error))?)
    };
    let limits =
        WebSocketConfig::default().max_message_size(Some(LONGEST)).max_frame_size(Some(LONGEST));
    let agreed =
        tokio_tungstenite::client_async_with_config(url.as_str(), wire, Some(limits)).await;
    let (wire, _) = agreed.map_err(|_| Lost("Slack did not open the connection".to_owned()))?;
    Ok(Connection { wire, heard: Stopwatch::start(), asked: false })
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    /// Waits for what Slack says next. May be abandoned at any time.
    ///
    /// # Errors
    ///
    /// [`Lost`] when the connection is over, or nothing came for long.
    pub async fn next(&mut self) -> Result<Said, Lost> {
        loop {
            let Envelope { kind, id, payload } = self.envelope().await?;
            match (kind.as_str(), id) {
                ("disconnect", _) => return Ok(Said::Goodbye),
                ("interactive", Some(envelope)) => {
                    return Ok(Said::Interaction { envelope, payload });
                }
                (_, Some(envelope)) => return Ok(Said::Other { envelope }),
                // Such as another greeting.
                (_, None) => {}
            }
        }
    }

    /// Tells Slack that an envelope was taken, with an answer where there is one.
    ///
    /// # Errors
    ///
    /// [`Lost`]
    pub async fn acknowledge(&mut self, envelope: &str, answer: Option<Value>) -> Result<(), Lost> {
        let mut word = json!({"envelope_id": envelope});
        if let Some(answer) = answer {
            word["payload"] = answer;
        }
        self.send(Message::text(word.to_string())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Lost> {
        let over = || Lost("the connection to Slack is over".to_owned());
        let sent = timeout(SENT_WITHIN, self.wire.send(message)).await.map_err(|_| over())?;
        sent.map_err(|_| over())
    }

    async fn envelope(&mut self) -> Result<Envelope, Lost> {
        loop {
            // Counted from the last word, since waiting may be abandoned and begun again.
            let patience = if self.asked { SILENCE * 2 } else { SILENCE };
            let left = patience.saturating_sub(self.heard.elapsed());
            let message = match timeout(left, self.wire.next()).await {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(error))) => {
                    let error = said(&error.to_string());
                    return Err(Lost(format!("the connection to Slack broke: {error}")));
                }
                Ok(None) => return Err(Lost("Slack closed the connection".to_owned())),
                Err(_) if self.asked => {
                    return Err(Lost("Slack says nothing any more".to_owned()));
                }
                Err(_) => {
                    self.asked = true;
                    self.send(Message::Ping(Bytes::new())).await?;
                    continue;
                }
            };
            (self.heard, self.asked) = (Stopwatch::start(), false);
            match message {
                Message::Text(text) => {
                    return serde_json::from_str(text.as_str())
                        .map_err(|_| Lost("Slack said what is not understood".to_owned()));
                }
                Message::Close(_) => return Err(Lost("Slack closed the connection".to_owned())),
                // Pings are answered by the library.
                _ => {}
            }
        }
    }
}
