//! A client for the tests.

use std::time::Duration;

/// A client that reaches loopback directly, whatever proxy the machine uses.
pub(crate) fn client() -> reqwest::Client {
    // An error means that another test of this process installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()
        .expect("a client without special settings can be built")
}
