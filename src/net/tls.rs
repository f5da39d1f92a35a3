//! TLS for checks: one configuration for the process, the platform's roots, and errors in words.
//!
//! Sessions are never resumed: a resumed session does not show the server's certificate, so a
//! certificate that expired would go unseen for as long as the server honours old tickets.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::domain::Timestamp;

/// Why TLS could not be set up.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The machine's roots could not be loaded, or given ones are not certificates.
    #[error("load the certificates of this machine's certificate authorities: {0}")]
    Roots(String),
}

/// The configuration that trusts the authorities that this machine trusts, the same for the whole
/// process. They are loaded at the first call, which takes some milliseconds.
///
/// # Errors
///
/// [`Error::Roots`] when the machine has none.
pub fn platform() -> Result<Arc<ClientConfig>, Error> {
    static SHARED: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(shared) = SHARED.get() {
        return Ok(Arc::clone(shared));
    }
    let verifying = builder()?.with_platform_verifier();
    let verifying = verifying.map_err(|error| Error::Roots(error.to_string()))?;
    // A failure is not kept: what was missing, such as a descriptor, may be there the next time.
    Ok(Arc::clone(SHARED.get_or_init(|| finish(verifying.with_no_client_auth()))))
}

/// A configuration that trusts `roots` and nobody else.
///
/// # Errors
///
/// [`Error::Roots`] when one of them is no certificate.
pub fn trusting(
    roots: impl IntoIterator<Item = CertificateDer<'static>>,
) -> Result<Arc<ClientConfig>, Error> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root).map_err(|error| Error::Roots(error.to_string()))?;
    }
    Ok(finish(builder()?.with_root_certificates(store).with_no_client_auth()))
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, Error> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Roots(error.to_string()))
}

fn finish(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// What a failed handshake with `host` means, in words.
pub(super) fn explain(error: &std::io::Error, host: &str) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(problem)) => explain_certificate(problem, host),
        Some(rustls::Error::AlertReceived(alert)) => {
            format!("{host} ended the TLS handshake with the alert {alert:?}")
        }
        Some(rustls::Error::InvalidMessage(_)) => format!("{host} does not speak TLS on this port"),
        Some(other) => format!("the TLS handshake with {host} failed: {other}"),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            format!("{host} closed the connection during the TLS handshake")
        }
        None => format!("the TLS handshake with {host} failed: {error}"),
    }
}

fn explain_certificate(problem: &CertificateError, host: &str) -> String {
    match problem {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("certificate expired on {}", day(*not_after))
        }
        CertificateError::Expired => "certificate expired".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("certificate is not valid before {}", day(*not_before))
        }
        CertificateError::NotValidYet => "certificate is not valid yet".to_owned(),
        CertificateError::NotValidForNameContext { presented, .. } => {
            format!("certificate is not valid for name {host}{}", names(presented))
        }
        CertificateError::NotValidForName => {
            format!("certificate is not valid for name {host}")
        }
        CertificateError::UnknownIssuer => {
            "certificate is not issued by an authority that this machine trusts".to_owned()
        }
        CertificateError::BadSignature => {
            "certificate is not signed by the authority that it names".to_owned()
        }
        CertificateError::Revoked => "certificate was revoked by its issuer".to_owned(),
        other => format!("certificate is not valid: {other}"),
    }
}

/// The last moment at which `certificate` is valid; `None` when it cannot be read or is of times that
/// no clock shows.
pub(super) fn valid_until(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    // rustls hands out no field of a certificate, and says of a time at which none is valid any more
    // until when this one was. It looks at the times before it looks for an issuer.
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let end_of_time = UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX));
    let roots = RootCertStore::empty();
    let verified =
        verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], end_of_time, &[]);
    match verified {
        Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext {
            not_after,
            ..
        })) => Timestamp::from_timestamp(i64::try_from(not_after.as_secs()).ok()?, 0),
        _ => None,
    }
}

/// The day of `time`, as `2026-11-21`.
fn day(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    chrono::DateTime::from_timestamp(seconds, 0)
        .map_or_else(|| "an impossible day".to_owned(), |at| at.format("%Y-%m-%d").to_string())
}

/// The names of a certificate in brackets; at most five, since the server chose them.
fn names(presented: &[String]) -> String {
    const MOST: usize = 5;
    let mut text = String::new();
    for (index, name) in presented.iter().take(MOST).enumerate() {
        // rustls writes the kind of name around it: `DnsName("a.example")`.
        let bare = name.split('"').nth(1).unwrap_or(name);
        let lead = if index == 0 { " (it is for " } else { ", " };
        let _ = write!(text, "{lead}{}", bare.chars().take(100).collect::<String>());
    }
    if presented.len() > MOST {
        text.push_str(", ...");
    }
    if !text.is_empty() {
        text.push(')');
    }
    text
}
