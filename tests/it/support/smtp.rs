//! A mail server on loopback: speaks SMTP, with STARTTLS or TLS from the first byte, records what it is
//! handed and answers as told.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::BASE64;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// The one user that the server knows, and the password.
pub(crate) const USER: &str = "tripline";
pub(crate) const PASSWORD: &str = "fake-mail-password";

/// What becomes of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Taken.
    Take,
    /// The recipient is refused by this code.
    RefuseRecipient(u16),
    /// The message is refused by this code after it came.
    RefuseMessage(u16),
    /// It is read, and the connection is closed without a word.
    Cut,
    /// It is read, and nothing is said any more.
    Hang,
    /// The connection is closed before anything is said.
    HangUp,
}

/// A message that was handed over, taken or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mailed {
    pub(crate) from: String,
    pub(crate) to: String,
    /// As it came, lines ended by `\n`.
    pub(crate) raw: String,
    pub(crate) fate: Fate,
    /// Whether it came by TLS.
    pub(crate) encrypted: bool,
    /// Who said to have sent it, by password.
    pub(crate) user: Option<String>,
}

impl Mailed {
    /// A header, its folds joined.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let head = self.raw.split("\n\n").next().unwrap_or_default().replace("\n ", " ");
        let line = head.lines().find(|line| line.starts_with(&format!("{name}: ")))?;
        line.split_once(": ").map(|(_, value)| value.to_owned())
    }

    /// All of it with quoted-printable undone, as far as these messages need.
    pub(crate) fn text(&self) -> String {
        self.raw.replace("=\n", "").replace("=3D", "=")
    }
}

/// How a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Plain,
    StartTls,
    Tls,
}

/// The running server; ends when this is dropped.
pub(crate) struct FakeSmtp {
    pub(crate) port: u16,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    way: Way,
    acceptor: Option<TlsAcceptor>,
    fates: Mutex<VecDeque<Fate>>,
    otherwise: Mutex<Fate>,
    mailed: Mutex<Vec<Mailed>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for FakeSmtp {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl FakeSmtp {
    /// Listens without encryption.
    pub(crate) async fn plain() -> Self {
        Self::start(Way::Plain, None).await
    }

    /// Listens with the certificate and key in `folder`.
    pub(crate) async fn encrypted(way: Way, folder: &Path) -> Self {
        let read = |name: &str| fs::read(folder.join(name)).expect("it was written");
        let certificate = CertificateDer::from_pem_slice(&read("cert.pem")).expect("PEM");
        let key = PrivateKeyDer::from_pem_slice(&read("key.pem")).expect("PEM");
        let config = rustls::ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![certificate], key).expect("they fit");
        Self::start(way, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start(way: Way, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            way,
            acceptor,
            fates: Mutex::default(),
            otherwise: Mutex::new(Fate::Take),
            mailed: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { port, shared, accepting }
    }

    /// Gives these fates to the next messages, one each.
    pub(crate) fn fates(&self, fates: impl IntoIterator<Item = Fate>) {
        locked(&self.shared.fates).extend(fates);
    }

    /// Gives this fate to every message that has none of its own.
    pub(crate) fn all(&self, fate: Fate) {
        *locked(&self.shared.otherwise) = fate;
    }

    /// Every message so far, taken or not.
    pub(crate) fn mailed(&self) -> Vec<Mailed> {
        locked(&self.shared.mailed).clone()
    }

    /// Those that were taken for `to`.
    pub(crate) fn taken(&self, to: &str) -> Vec<Mailed> {
        let mailed = self.mailed().into_iter();
        mailed.filter(|it| it.to == to && it.fate == Fate::Take).collect()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&shared)));
    }
}

/// What a connection is about so far.
#[derive(Default)]
struct Talk {
    encrypted: bool,
    user: Option<String>,
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let fate = locked(&shared.fates).pop_front().unwrap_or(*locked(&shared.otherwise));
    if fate == Fate::HangUp {
        return;
    }
    let acceptor = shared.acceptor.as_ref();
    // An error means that the connection was cut, by us or by the client.
    let _ = match (shared.way, acceptor) {
        (Way::Tls, Some(acceptor)) => {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            if stream.write_all(b"220 fake ESMTP\r\n").await.is_err() {
                return;
            }
            talk(stream, Talk { encrypted: true, user: None }, fate, &shared).await.map(|_| ())
        }
        (_, acceptor) => plainly(stream, acceptor, fate, &shared).await,
    };
}

/// A connection that begins without encryption.
async fn plainly(
    mut stream: TcpStream,
    acceptor: Option<&TlsAcceptor>,
    fate: Fate,
    shared: &Shared,
) -> std::io::Result<()> {
    stream.write_all(b"220 fake ESMTP\r\n").await?;
    let Some(stream) = talk(stream, Talk::default(), fate, shared).await? else { return Ok(()) };
    let Some(acceptor) = acceptor else { return Ok(()) };
    let stream = acceptor.accept(stream).await?;
    talk(stream, Talk { encrypted: true, user: None }, fate, shared).await.map(|_| ())
}

/// Talks until the end; gives the connection back where it is to be encrypted.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    mut talk: Talk,
    fate: Fate,
    shared: &Shared,
) -> std::io::Result<Option<S>> {
    let mut stream = BufReader::new(stream);
    let (mut from, mut to) = (String::new(), String::new());
    loop {
        let Some(line) = line(&mut stream).await? else { return Ok(None) };
        let word = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        let answer = match word.as_str() {
            "EHLO" if shared.way == Way::StartTls && !talk.encrypted => {
                "250-fake\r\n250 STARTTLS\r\n".to_owned()
            }
            "EHLO" => "250-fake\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN\r\n".to_owned(),
            "STARTTLS" => {
                stream.write_all(b"220 go on\r\n").await?;
                return Ok(Some(stream.into_inner()));
            }
            "AUTH" => authenticated(&line, &mut talk),
            "MAIL" => {
                from = address(&line);
                "250 ok\r\n".to_owned()
            }
            "RCPT" => {
                to = address(&line);
                match fate {
                    Fate::RefuseRecipient(code) => format!("{code} not {to}\r\n"),
                    _ => "250 ok\r\n".to_owned(),
                }
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let Some(raw) = message(&mut stream).await? else { return Ok(None) };
                let Talk { encrypted, user } = &talk;
                let (encrypted, user) = (*encrypted, user.clone());
                let (from, to) = (from.clone(), to.clone());
                locked(&shared.mailed).push(Mailed { from, to, raw, fate, encrypted, user });
                match fate {
                    Fate::Cut => return Ok(None),
                    Fate::Hang => std::future::pending().await,
                    Fate::RefuseMessage(code) => format!("{code} not that\r\n"),
                    _ => "250 2.0.0 queued as 4711\r\n".to_owned(),
                }
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(None);
            }
            _ => "502 what?\r\n".to_owned(),
        };
        stream.write_all(answer.as_bytes()).await?;
    }
}

async fn line<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await?;
    Ok((read > 0).then(|| line.trim_end().to_owned()))
}

/// The message up to the line that is a full stop.
async fn message<S: AsyncRead + Unpin>(
    stream: &mut BufReader<S>,
) -> std::io::Result<Option<String>> {
    let mut raw = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        match line.trim_end_matches(['\r', '\n']) {
            "." => return Ok(Some(raw)),
            line => {
                raw.push_str(line.strip_prefix('.').unwrap_or(line));
                raw.push('\n');
            }
        }
    }
}

fn address(line: &str) -> String {
    let rest = line.split_once('<').map_or("", |(_, rest)| rest);
    rest.split('>').next().unwrap_or_default().to_owned()
}

fn authenticated(line: &str, talk: &mut Talk) -> String {
    let given = line.rsplit(' ').next().unwrap_or_default();
    let right = BASE64.encode(format!("\0{USER}\0{PASSWORD}").as_bytes());
    if given != right {
        return "535 5.7.8 no\r\n".to_owned();
    }
    talk.user = Some(USER.to_owned());
    "235 welcome\r\n".to_owned()
}
