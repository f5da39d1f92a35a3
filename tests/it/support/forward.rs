//! An HTTP proxy as companies have them: it wants a password, forwards plain requests and opens
//! tunnels. It knows hosts below `.example` but `nowhere.example`, and all are this machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

/// A running proxy; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct ForwardProxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl ForwardProxy {
    /// Starts a proxy that wants these credentials, written as `user:password`.
    pub(crate) async fn start(credentials: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        let wanted = data_encoding::BASE64.encode(credentials.as_bytes());
        let wanted = format!("Basic {wanted}");
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, wanted.clone(), Arc::clone(&noted)));
            }
        });
        Self { address, asked, task }
    }

    /// Where it listens, as `http://...` without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The first lines of the requests that it was sent with the right credentials.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut client: TcpStream,
    wanted: String,
    asked: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    while let Some(head) = read_head(&mut client).await? {
        let line = head.lines().next().unwrap_or_default().to_owned();
        let mut headers = head.lines().filter_map(|line| line.split_once(": "));
        if !headers.any(|(name, value)| {
            name.eq_ignore_ascii_case("proxy-authorization") && value == wanted
        }) {
            say(&mut client, "407 Proxy Authentication Required", "no").await?;
            continue;
        }
        asked.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let url = if method == "CONNECT" { format!("http://{target}") } else { target.to_owned() };
        let Some(mut server) = reach(&url).await else {
            say(&mut client, "502 Bad Gateway", "unknown host").await?;
            continue;
        };
        if method == "CONNECT" {
            client.write_all(b"HTTP/1.1 200 Connection established\r\nvia: x\r\n\r\n").await?;
            return tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop);
        }
        // Only what has no body is forwarded, and the answers have a length.
        let url = Url::parse(&url).expect("it was reached");
        server
            .write_all(head.replacen(target, &url[url::Position::BeforePath..], 1).as_bytes())
            .await?;
        let answer = read_head(&mut server).await?.unwrap_or_default();
        let length = answer.to_ascii_lowercase();
        let length = length.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let mut body = vec![0; length.and_then(|length| length.parse().ok()).unwrap_or(0)];
        server.read_exact(&mut body).await?;
        client.write_all(answer.as_bytes()).await?;
        client.write_all(&body).await?;
    }
    Ok(())
}

/// A connection to the server of a URL, whose name this proxy knows.
async fn reach(url: &str) -> Option<TcpStream> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str().filter(|it| it.ends_with(".example") && *it != "nowhere.example")?;
    let port = url.port_or_known_default().filter(|_| !host.is_empty())?;
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()
}

async fn read_head(stream: &mut TcpStream) -> std::io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}

async fn say(client: &mut TcpStream, status: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
    client.write_all(answer.as_bytes()).await
}
