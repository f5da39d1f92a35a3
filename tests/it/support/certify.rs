//! Certificates for hubs of the tests, by an authority of their own.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// Writes to `folder` the certificate of an authority, `ca.pem`, and one by it for these names and
/// addresses, `cert.pem`, with its key, `key.pem`; the authority's certificate.
pub(crate) fn certify(folder: &Path, names: &[&str]) -> String {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name.push(rcgen::DnType::CommonName, "the tests' own authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).expect("it can be signed").pem();
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().expect("a key");
    let params =
        CertificateParams::new(names.iter().copied().map(str::to_owned).collect::<Vec<_>>());
    let params = params.expect("good names");
    let certificate = params.signed_by(&own, &issuer).expect("it can be signed").pem();
    fs::write(folder.join("ca.pem"), &authority).expect("written");
    fs::write(folder.join("cert.pem"), certificate).expect("written");
    fs::write(folder.join("key.pem"), own.serialize_pem()).expect("written");
    authority
}
