//! TLS of the hub itself: a certificate and its key from two files, read again when told.
//!
//! Connections that are open keep the certificate they began with; a file that cannot be used
//! leaves the one before in force.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Why a certificate cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file holds no certificates.
    #[error(
        "no certificate can be read from {path}: {reason}; it must hold the chain in PEM, the hub's own first"
    )]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The file holds no key.
    #[error("no key can be read from {path}: {reason}; it must hold a private key in PEM")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The two do not belong together, or cannot be used for TLS.
    #[error("the certificate and the key of [hub] tls cannot be used together: {0}")]
    Pair(String),
}

/// A certificate and its key that were read and can be used.
#[derive(Debug)]
pub struct Certificate(Arc<ServerConfig>);

/// A certificate and its key, in force.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    config: ArcSwap<ServerConfig>,
}

impl Tls {
    /// Reads a chain of certificates and the key of its first.
    ///
    /// # Errors
    ///
    /// [`Error`] names the file.
    pub fn load(certificate: PathBuf, key: PathBuf) -> Result<Self, Error> {
        let config = ArcSwap::new(read(&certificate, &key)?);
        Ok(Self { certificate, key, config })
    }

    /// Reads the files again; what was in force stays so until [`Self::replace`].
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub fn read_again(&self) -> Result<Certificate, Error> {
        read(&self.certificate, &self.key).map(Certificate)
    }

    /// Puts what was read again in force.
    pub fn replace(&self, certificate: Certificate) {
        self.config.store(certificate.0);
    }

    /// Agrees with a caller on a connection.
    pub(super) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(self.config.load_full()).accept(stream).await
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

fn read(certificate: &PathBuf, key: &PathBuf) -> Result<Arc<ServerConfig>, Error> {
    let broken = |reason: String| Error::Certificate { path: certificate.clone(), reason };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain: Vec<_> = chain.map_err(|error| broken(error.to_string()))?;
    if chain.is_empty() {
        return Err(broken("it holds none".into()));
    }
    let own = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| Error::Key { path: key.clone(), reason: error.to_string() })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, own));
    let mut config = config.map_err(|error| Error::Pair(error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn a_certificate_that_cannot_be_used_leaves_the_one_before_in_force() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(path(name), text).expect("written");
        let (key, other) =
            (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
        let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        write("cert.pem", &params.self_signed(&key).expect("it can be signed").pem());
        write("key.pem", &key.serialize_pem());
        let tls = Tls::load(path("cert.pem"), path("key.pem")).expect("a pair");
        let before = tls.config.load_full();

        write("key.pem", &other.serialize_pem());
        assert!(matches!(tls.read_again(), Err(Error::Pair(_))));
        write("key.pem", "no key");
        assert!(matches!(tls.read_again(), Err(Error::Key { .. })));
        write("cert.pem", "no certificate");
        assert!(matches!(tls.read_again(), Err(Error::Certificate { .. })));
        assert!(Arc::ptr_eq(&before, &tls.config.load_full()));
        let missing = Tls::load(path("none.pem"), path("key.pem")).map(|_| ());
        assert!(missing.expect_err("no file").to_string().contains("none.pem"));
    }
}
