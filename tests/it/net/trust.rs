//! TLS: good certificates, and each way in which one can be bad.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;
use tripline::net::guard::Policy;
use tripline::net::{Client, Dialer, tls};

use super::{call, client, complaint, loopback_names};

/// An authority that the client under test trusts.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    /// The same for programs that are given a file.
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        // Authorities are told apart by name: one of the same name would have a wrong signature.
        let name = data_encoding::HEXLOWER.encode(&key.public_key_raw()[..8]);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("it can be signed");
        let (pem, certificate) = (certificate.pem(), certificate.der().clone());
        Self { issuer: Issuer::new(params, key), certificate, pem }
    }

    /// What trusts this authority and nobody else.
    pub(super) fn trust(&self) -> Arc<rustls::ClientConfig> {
        tls::trusting([self.certificate.clone()]).expect("a certificate")
    }

    fn client(&self) -> Client {
        let names = loopback_names(&["shop.example", "other.example"]);
        client(Dialer::new(Policy::default()).with_names(names).with_trust(self.trust()))
    }
}

pub(super) fn for_shop() -> CertificateParams {
    CertificateParams::new(["shop.example".to_owned()]).expect("a name")
}

pub(crate) fn for_localhost() -> CertificateParams {
    let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    params.not_after = date_time_ymd(2090, 1, 31);
    params
}

/// A server that answers over TLS, with the protocols it offers in the handshake.
pub(crate) struct SecureServer {
    pub(crate) port: u16,
    _task: AbortOnDropHandle<()>,
}

impl SecureServer {
    async fn start(certificate: CertificateDer<'static>, key: &KeyPair, protocol: &str) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("they belong together");
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    tokio::spawn(serve_http2(stream));
                } else {
                    // What is not read before the end would cut off the answer.
                    let _ = stream.read(&mut [0; 4096]).await;
                    let said = b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nWelcome";
                    let _ = stream.write_all(said).await;
                    let _ = stream.shutdown().await;
                }
            }
        });
        Self { port, _task: AbortOnDropHandle::new(task) }
    }

    fn url(&self, host: &str) -> String {
        format!("https://{host}:{}/", self.port)
    }
}

async fn serve_http2(stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>) {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let answer = hyper::service::service_fn(|_| async {
        let body = http_body_util::Full::new(bytes::Bytes::from_static(b"Welcome over two"));
        Ok::<_, std::convert::Infallible>(http::Response::new(body))
    });
    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let _ = server.serve_connection(TokioIo::new(stream), answer).await;
}

/// Starts a server whose certificate is made from `params` by `authority`.
pub(crate) async fn serve(
    authority: &Authority,
    params: CertificateParams,
    protocol: &str,
) -> SecureServer {
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, &authority.issuer).expect("it can be signed");
    SecureServer::start(certificate.der().clone(), &key, protocol).await
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_under_tls() {
    let authority = Authority::new();
    let one = serve(&authority, for_shop(), "http/1.1").await;
    let (ended, seen) = call(&authority.client(), "GET", &one.url("shop.example")).await;
    assert_eq!(ended.expect("an answer").body, "Welcome");
    assert!(seen.timings.tls.is_some());

    let two = serve(&authority, for_shop(), "h2").await;
    let client = authority.client();
    let url = two.url("shop.example");
    let (first, second) = tokio::join!(call(&client, "GET", &url), call(&client, "POST", &url));
    assert_eq!(first.0.expect("an answer").body, "Welcome over two");
    assert_eq!(second.0.expect("an answer").reason, "");
    let (third, seen) = call(&client, "GET", &url).await;
    assert_eq!(third.expect("an answer").status, 200);
    assert!(seen.timings.tls.is_none(), "the connection is kept");
}

#[tokio::test]
async fn until_when_a_certificate_is_valid_is_seen_at_every_exchange() {
    let authority = Authority::new();
    for (protocol, tls_again) in [("http/1.1", true), ("h2", false)] {
        let mut params = for_shop();
        params.not_after = date_time_ymd(2090, 1, 31);
        let server = serve(&authority, params, protocol).await;
        let client = authority.client();
        for exchange in 0..2 {
            let (ended, seen) = call(&client, "GET", &server.url("shop.example")).await;
            assert_eq!(ended.expect("an answer").status, 200);
            assert_eq!(seen.timings.tls.is_some(), exchange == 0 || tls_again, "{protocol}");
            let until = seen.certificate_until.expect("a certificate").to_rfc3339();
            assert_eq!(until, "2090-01-31T00:00:00+00:00", "{protocol}, exchange {exchange}");
        }
    }
    let plain = super::plain_client();
    let site = crate::support::site::Site::start().await;
    let (ended, seen) = call(&plain, "GET", &site.url()).await;
    assert_eq!((ended.expect("an answer").status.as_u16(), seen.certificate_until), (200, None));
}

#[tokio::test]
async fn a_bad_certificate_is_named() {
    let authority = Authority::new();
    let client = authority.client();
    let good = serve(&authority, for_shop(), "http/1.1").await;
    let wrong_host = complaint(&client, &good.url("other.example")).await;
    assert_eq!(
        wrong_host,
        "certificate is not valid for name other.example (it is for shop.example)"
    );

    let mut params = for_shop();
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 2, 3));
    let expired = serve(&authority, params, "http/1.1").await;
    let said = complaint(&client, &expired.url("shop.example")).await;
    assert_eq!(said, "certificate expired on 2021-02-03");

    let mut params = for_shop();
    (params.not_before, params.not_after) = (date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1));
    let early = serve(&authority, params, "http/1.1").await;
    let said = complaint(&client, &early.url("shop.example")).await;
    assert_eq!(said, "certificate is not valid before 2090-01-01");

    let stranger = serve(&Authority::new(), for_shop(), "http/1.1").await;
    let said = complaint(&client, &stranger.url("shop.example")).await;
    assert_eq!(said, "certificate is not issued by an authority that this machine trusts");

    let key = KeyPair::generate().expect("a key");
    let own = for_shop().self_signed(&key).expect("it can be signed");
    let own = SecureServer::start(own.der().clone(), &key, "http/1.1").await;
    let said = complaint(&client, &own.url("shop.example")).await;
    assert_eq!(said, "certificate is not issued by an authority that this machine trusts");
}

#[tokio::test]
async fn a_server_without_tls_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let deaf = format!("https://{}/", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut hello = [0; 64];
            let _ = stream.read(&mut hello).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let said = complaint(&Authority::new().client(), &deaf).await;
    assert_eq!(said, "127.0.0.1 does not speak TLS on this port");
}
