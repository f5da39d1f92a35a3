//! E-mail by SMTP: one connection for a message, encrypted unless the project says otherwise.
//!
//! | what the server says | attempt |
//! |---|---|
//! | it cannot be reached, or is silent before it has the message | retry |
//! | 4xx at any time | retry |
//! | 5xx to the password | broken |
//! | 5xx to sender, recipient or message | given up |
//! | nothing, or nonsense, after the message | ambiguous |
//!
//! All messages about one incident are one thread: the first has an id that follows from the incident,
//! the others refer to it. A message that is sent again has the id that it had. Source: RFC 5321,
//! RFC 5322 (3.6.4), RFC 8314.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::transport::smtp::response::Response;
use lettre::{Address, Message};

use super::exchange::{DEADLINE, SetupError, said};
use super::render::{self, Mail};
use super::{Digest, Outbound, Transport};
use crate::domain::Timestamp;
use crate::domain::id::stable_hash;
use crate::domain::notification::{Attempt, Notification};

/// Whether the way to the server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// After `STARTTLS`; a server that does not offer it gets nothing.
    StartTls,
    /// From the first byte.
    Tls,
    /// Not at all.
    None,
}

/// What a server is reached with.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// Its name or address.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// Whether the way is encrypted.
    pub encryption: Encryption,
    /// A name and its password, where it wants them.
    pub login: Option<(&'a str, &'a str)>,
    /// Whom messages come from: an address, or a name and an address in angle brackets.
    pub from: &'a str,
    /// A certificate to trust besides the machine's, in PEM.
    pub authority: Option<&'a str>,
}

/// Sends e-mail.
pub struct Smtp {
    host: String,
    port: u16,
    encryption: Encryption,
    /// `None` where nothing is encrypted.
    tls: Option<TlsParameters>,
    login: Option<Credentials>,
    from: Mailbox,
    deadline: Duration,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// Finding the server and agreeing on a connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// Saying goodbye, after which nothing depends on it.
const FAREWELL: Duration = Duration::from_millis(200);
/// How passwords are shown to the server; all of them need an encrypted way.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

impl Smtp {
    /// Prepares to send.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when the sender is no address or TLS cannot be made ready.
    pub fn new(access: &Access<'_>) -> Result<Self, SetupError> {
        let tls = match access.encryption {
            Encryption::None => None,
            Encryption::StartTls | Encryption::Tls => Some(parameters(access)?),
        };
        Ok(Self {
            host: access.host.to_owned(),
            port: access.port,
            encryption: access.encryption,
            tls,
            login: access
                .login
                .map(|(name, password)| Credentials::new(name.to_owned(), password.to_owned())),
            from: access
                .from
                .parse()
                .map_err(|_| SetupError::Credential("the sender of e-mail"))?,
            deadline: DEADLINE,
        })
    }

    /// Allows an attempt this long instead of eight seconds.
    #[must_use]
    pub fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Sends `text` once to `address`.
    pub async fn rehearse(&self, address: &str, text: &str, at: Timestamp) -> Attempt {
        let id = format!("message-{}", at.timestamp_millis());
        self.post(address, &render::mail_of(text), &Place { id, thread: None }, at).await
    }

    async fn post(&self, address: &str, mail: &Mail, place: &Place, at: Timestamp) -> Attempt {
        let Ok(to) = address.parse::<Address>() else {
            return Attempt::GiveUp { reason: "the e-mail address is none".to_owned() };
        };
        let message = match self.message(&to, mail, place, at) {
            Ok(message) => message,
            Err(error) => {
                let reason = format!("the e-mail cannot be written: {}", said(&error.to_string()));
                return Attempt::GiveUp { reason };
            }
        };
        let left = AtomicBool::new(false);
        let sent = self.converse(&to, &message, &left);
        let attempt = match tokio::time::timeout(self.deadline, sent).await {
            Ok(Ok((response, mut connection))) => {
                // It is taken, whatever becomes of the farewell.
                let _ = tokio::time::timeout(FAREWELL, connection.quit()).await;
                let words = response.first_line().unwrap_or_default();
                return Attempt::Accepted {
                    receipt: said(&format!("{} {words}", response.code())),
                };
            }
            Ok(Err(failed)) => failed.judged(&self.host, left.load(Ordering::Relaxed)),
            Err(_) if left.load(Ordering::Relaxed) => Attempt::Ambiguous {
                reason: "the mail server did not say whether it took it".into(),
            },
            Err(_) => Attempt::Retry {
                reason: format!("the mail server {} took too long", self.host),
                after: None,
            },
        };
        without_address(attempt, address)
    }

    /// Writes the message; everything of it is in the alphabet that all servers take.
    fn message(
        &self,
        to: &Address,
        mail: &Mail,
        place: &Place,
        at: Timestamp,
    ) -> Result<Vec<u8>, lettre::error::Error> {
        let domain = self.from.email.domain();
        let name = |id: &str| format!("<{id}@{domain}>");
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(mail.subject.as_str())
            .date(SystemTime::from(at))
            .message_id(Some(name(&place.id)))
            .header(AutoSubmitted);
        if let Some(thread) = &place.thread {
            message = message.in_reply_to(name(thread)).references(name(thread));
        }
        let body = MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone());
        Ok(message.multipart(body)?.formatted())
    }

    /// Says all that SMTP has to be said; `left` tells whether the message may have arrived.
    async fn converse(
        &self,
        to: &Address,
        message: &[u8],
        left: &AtomicBool,
    ) -> Result<(Response, AsyncSmtpConnection), Failed> {
        let greeted = |error| Failed { at: Stage::Greeting, error };
        let hello = ClientId::default();
        let first = self.tls.clone().filter(|_| self.encryption == Encryption::Tls);
        let server = (self.host.as_str(), self.port);
        let connecting = AsyncSmtpConnection::connect_tokio1(
            server,
            Some(CONNECT_DEADLINE),
            &hello,
            first,
            None,
        );
        let mut connection = connecting.await.map_err(greeted)?;
        if let Some(tls) = self.tls.clone().filter(|_| self.encryption == Encryption::StartTls) {
            connection.starttls(tls, &hello).await.map_err(greeted)?;
        }
        let said = |at: Stage| move |error| Failed { at, error };
        if let Some(login) = &self.login {
            connection.auth(&MECHANISMS, login).await.map_err(said(Stage::Login))?;
        }
        let mut options = Vec::new();
        if !to.to_string().is_ascii() || !self.from.email.to_string().is_ascii() {
            let knows = connection.server_info().supports_feature(Extension::SmtpUtfEight);
            options.extend(knows.then_some(MailParameter::SmtpUtfEight));
        }
        let from = MailFrom::new(Some(self.from.email.clone()), options);
        connection.command(from).await.map_err(said(Stage::Sender))?;
        let rcpt = Rcpt::new(to.clone(), Vec::new());
        connection.command(rcpt).await.map_err(said(Stage::Recipient))?;
        connection.command(Data).await.map_err(said(Stage::Message))?;
        left.store(true, Ordering::Relaxed);
        let response = connection.message(message).await.map_err(said(Stage::Message))?;
        Ok((response, connection))
    }
}

/// Where a message stands among those about the same incident.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    id: String,
    /// The first message about it.
    thread: Option<String>,
}

impl Place {
    fn of(message: &Outbound<'_>) -> Self {
        let Notification { id, incident, first_word, notice, .. } = message.notification;
        // Others may send from the same domain, and number their incidents as we do.
        let subject = notice.subject.to_string();
        let hash = stable_hash(&[message.link.unwrap_or_default(), &subject]);
        let thread = format!("incident-{incident}.{hash:016x}");
        if *first_word {
            return Self { id: thread, thread: None };
        }
        Self { id: format!("notification-{id}.{hash:016x}"), thread: Some(thread) }
    }
}

#[async_trait]
impl Transport for Smtp {
    async fn send(&self, message: Outbound<'_>) -> Attempt {
        let Some(address) = message.email else {
            let person = message.notification.recipient.address();
            return Attempt::GiveUp { reason: format!("{person} has no e-mail address") };
        };
        let mail = render::mail(&message);
        self.post(address, &mail, &Place::of(&message), message.at).await
    }

    async fn send_digest(&self, digest: &Digest<'_>) -> Attempt {
        let Some(address) = digest.email else {
            let person = digest.head.recipient.address();
            return Attempt::GiveUp { reason: format!("{person} has no e-mail address") };
        };
        let Notification { id, notice, .. } = digest.head;
        let hash = stable_hash(&[digest.link.unwrap_or_default(), &notice.subject.to_string()]);
        let place = Place { id: format!("digest-{id}.{hash:016x}"), thread: None };
        self.post(address, &render::mail_digest(digest), &place, digest.at).await
    }
}

fn parameters(access: &Access<'_>) -> Result<TlsParameters, SetupError> {
    let failed = |error: Error| SetupError::Tls(with_causes(&error));
    let mut builder = TlsParameters::builder(access.host.to_owned());
    if let Some(authority) = access.authority {
        let read = lettre::transport::smtp::client::Certificate::from_pem(authority.as_bytes());
        builder = builder.add_root_certificate(read.map_err(failed)?);
    }
    builder.build_rustls().map_err(failed)
}

/// Says that no person wrote it, so that no program answers (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// How far a conversation came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Greeting,
    Login,
    Sender,
    Recipient,
    Message,
}

/// A conversation that did not end well.
struct Failed {
    at: Stage,
    error: Error,
}

impl Failed {
    fn judged(self, host: &str, left: bool) -> Attempt {
        let Self { at, error } = self;
        let words = said(&with_causes(&error));
        let has_answered = error.is_permanent() || error.is_transient();
        if left && !has_answered {
            return Attempt::Ambiguous { reason: format!("no answer: {words}") };
        }
        let what = match at {
            Stage::Greeting => format!("the mail server {host} cannot be used"),
            Stage::Login => "credentials refused by the mail server".to_owned(),
            Stage::Sender => "the mail server refused the sender".to_owned(),
            Stage::Recipient => "the mail server refused the recipient".to_owned(),
            Stage::Message => "the mail server refused the message".to_owned(),
        };
        let reason = format!("{what}: {words}");
        if at == Stage::Login && error.is_permanent() {
            return Attempt::Broken { reason };
        }
        // What a server lacks, such as encryption, it lacks in a minute, too.
        if at != Stage::Greeting && error.is_permanent() || error.is_client() {
            Attempt::GiveUp { reason }
        } else {
            Attempt::Retry { reason, after: None }
        }
    }
}

/// The server may name the address, which belongs in no log.
fn without_address(attempt: Attempt, address: &str) -> Attempt {
    let masked = |reason: String| reason.replace(address, "the address");
    match attempt {
        Attempt::Retry { reason, after } => Attempt::Retry { reason: masked(reason), after },
        Attempt::Ambiguous { reason } => Attempt::Ambiguous { reason: masked(reason) },
        Attempt::GiveUp { reason } => Attempt::GiveUp { reason: masked(reason) },
        Attempt::Broken { reason } => Attempt::Broken { reason: masked(reason) },
        accepted @ Attempt::Accepted { .. } => accepted,
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let text = source.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        cause = source.source();
    }
    words
}
