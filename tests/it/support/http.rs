//! A client for the tests.

use std::time::Duration;

/// How long a connection is used again after its last use: well within the 15 seconds after which a
/// hub closes it, since a request that crosses with that has no answer.
const IDLE: Duration = Duration::from_secs(5);

/// A client that reaches loopback directly, whatever proxy the machine uses.
pub(crate) fn client() -> reqwest::Client {
    // An error means that another test of this process installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .pool_idle_timeout(IDLE)
        .timeout(Duration::from_secs(10))
        .build()
        .expect("a client without special settings can be built")
}

/// A client that knows this certificate authority and no other.
pub(crate) fn client_of(authority: &str) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority = reqwest::Certificate::from_pem(authority.as_bytes()).expect("PEM");
    reqwest::Client::builder()
        .no_proxy()
        .pool_idle_timeout(IDLE)
        .tls_certs_only([authority])
        .timeout(Duration::from_secs(40))
        .build()
        .expect("a client that knows one authority can be built")
}
