//! TLS settings of clients and servers, as the collector's `configtls` has them, for `rustls`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};
use serde::Deserialize;

use super::connector::Tls;
use crate::config::Issues;
use crate::config::types::{Secret, duration};

/// Why TLS settings cannot be used. The messages are fragments that name the key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {key} {path}: {error}")]
    Read { key: &'static str, path: PathBuf, error: std::io::Error },
    #[error("{key} holds no {what} in PEM format")]
    NoPem { key: &'static str, what: &'static str },
    #[error("{key} holds a certificate that cannot be used: {error}")]
    BadCa { key: &'static str, error: rustls::Error },
    #[error("certificate and key cannot be used: {0}")]
    BadIdentity(rustls::Error),
    #[error("client_ca_file cannot be used: {0}")]
    BadClientCa(rustls::server::VerifierBuilderError),
    #[error("\"{0}\" is no cipher suite of this build: choose from {1}")]
    UnknownCipher(String, String),
    #[error("\"{0}\" is no curve of this build: choose from X25519, P256, P384")]
    UnknownCurve(String),
    #[error("no TLS version is left between min_version and max_version")]
    NoVersion,
    #[error("server_name_override \"{0}\" is no host name or address")]
    BadServerName(String),
    #[error("{0}")]
    Rustls(#[from] rustls::Error),
}

/// The `tls` section of a component that connects to a server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientTls {
    /// No TLS at all where the protocol leaves the choice (gRPC); the scheme decides for HTTP.
    pub insecure: bool,
    /// Accepts any certificate: anyone in between can read and change what is sent.
    pub insecure_skip_verify: bool,
    /// Name to ask for and check instead of the host that is connected to.
    pub server_name_override: String,
    pub ca_file: Option<PathBuf>,
    pub ca_pem: Option<Secret>,
    pub cert_file: Option<PathBuf>,
    pub cert_pem: Option<Secret>,
    pub key_file: Option<PathBuf>,
    pub key_pem: Option<Secret>,
    /// Trust the system's authorities beside the given one.
    pub include_system_ca_certs_pool: bool,
    pub min_version: Option<Version>,
    pub max_version: Option<Version>,
    /// For TLS 1.2 alone, by their IANA names.
    pub cipher_suites: Vec<String>,
    pub curve_preferences: Vec<String>,
    /// How often certificate files are read again; 0 = never.
    #[serde(deserialize_with = "duration")]
    pub reload_interval: Duration,
}

/// The `tls` section of a component that listens.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerTls {
    pub ca_file: Option<PathBuf>,
    pub ca_pem: Option<Secret>,
    pub cert_file: Option<PathBuf>,
    pub cert_pem: Option<Secret>,
    pub key_file: Option<PathBuf>,
    pub key_pem: Option<Secret>,
    pub include_system_ca_certs_pool: bool,
    pub min_version: Option<Version>,
    pub max_version: Option<Version>,
    pub cipher_suites: Vec<String>,
    pub curve_preferences: Vec<String>,
    #[serde(deserialize_with = "duration")]
    pub reload_interval: Duration,
    /// Clients must show a certificate of this authority.
    pub client_ca_file: Option<PathBuf>,
    pub client_ca_file_reload: bool,
}

/// A version of TLS. 1.0 and 1.1 are understood as lower bounds and never spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Version {
    #[serde(rename = "1.0")]
    V1_0,
    #[serde(rename = "1.1")]
    V1_1,
    #[serde(rename = "1.2")]
    V1_2,
    #[serde(rename = "1.3")]
    V1_3,
}

impl ClientTls {
    /// Checks what the types cannot; `path` is where the section is.
    pub fn validate(&self, path: &str, issues: &mut Issues<'_>) {
        exclusive(path, issues, "ca", self.ca_file.is_some(), self.ca_pem.is_some());
        self.identity().validate(path, issues);
        self.limits().validate(path, issues);
        if !self.server_name_override.is_empty() && self.server_name().is_err() {
            issues.error(&format!("{path}::server_name_override"), "must be a host name or an address");
        }
    }

    /// Whether a gRPC connection goes without TLS.
    pub fn is_plaintext(&self) -> bool {
        self.insecure && self.ca_file.is_none() && self.ca_pem.is_none()
    }

    /// Reads the files and makes the settings of a client. `alpn` are protocols to offer.
    pub fn build(&self, alpn: &[&[u8]]) -> Result<Tls, TlsError> {
        let provider = Arc::new(self.limits().provider()?);
        let versions = self.limits().versions()?;
        let builder =
            ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(&versions)?;
        let builder = if self.insecure_skip_verify {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
        } else {
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(self.roots()?), provider)
                .build()
                .map_err(|error| rustls::Error::General(error.to_string()))?;
            builder.with_webpki_verifier(verifier)
        };
        let mut config = match self.identity().read()? {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(TlsError::BadIdentity)?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Ok(Tls { config: Arc::new(config), server_name: self.server_name()? })
    }

    fn server_name(&self) -> Result<Option<ServerName<'static>>, TlsError> {
        let name = &self.server_name_override;
        if name.is_empty() {
            return Ok(None);
        }
        let parsed = ServerName::try_from(name.clone());
        parsed.map(Some).map_err(|_| TlsError::BadServerName(name.clone()))
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let own = pem_of("ca_file", self.ca_file.as_deref(), self.ca_pem.as_ref())?;
        let Some(own) = own else { return Ok(system_roots()) };
        let mut store =
            if self.include_system_ca_certs_pool { system_roots() } else { RootCertStore::empty() };
        for certificate in certificates("ca_file", &own)? {
            store.add(certificate).map_err(|error| TlsError::BadCa { key: "ca_file", error })?;
        }
        Ok(store)
    }

    fn identity(&self) -> Identity<'_> {
        Identity {
            cert_file: self.cert_file.as_deref(),
            cert_pem: self.cert_pem.as_ref(),
            key_file: self.key_file.as_deref(),
            key_pem: self.key_pem.as_ref(),
        }
    }

    fn limits(&self) -> Limits<'_> {
        Limits {
            min: self.min_version,
            max: self.max_version,
            ciphers: &self.cipher_suites,
            curves: &self.curve_preferences,
        }
    }

    /// The files this section names: what [`reload_interval`](Self::reload_interval) watches.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        [&self.ca_file, &self.cert_file, &self.key_file].into_iter().filter_map(|file| file.as_deref())
    }
}

impl ServerTls {
    pub fn validate(&self, path: &str, issues: &mut Issues<'_>) {
        self.identity().validate(path, issues);
        self.limits().validate(path, issues);
        if self.cert_file.is_none() && self.cert_pem.is_none() {
            issues.error(path, "a server needs a certificate: set \"cert_file\" and \"key_file\"");
        }
    }

    /// Reads the files and makes the settings of a server. `alpn` are protocols to accept.
    pub fn build(&self, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(self.limits().provider()?);
        let versions = self.limits().versions()?;
        let builder =
            ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&versions)?;
        let builder = match &self.client_ca_file {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates("client_ca_file", &read_file("client_ca_file", path)?)? {
                    roots
                        .add(certificate)
                        .map_err(|error| TlsError::BadCa { key: "client_ca_file", error })?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().map_err(TlsError::BadClientCa)?)
            }
        };
        let (chain, key) =
            self.identity().read()?.ok_or(TlsError::NoPem { key: "cert_file", what: "certificate" })?;
        let mut config = builder.with_single_cert(chain, key).map_err(TlsError::BadIdentity)?;
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(config))
    }

    fn identity(&self) -> Identity<'_> {
        Identity {
            cert_file: self.cert_file.as_deref(),
            cert_pem: self.cert_pem.as_ref(),
            key_file: self.key_file.as_deref(),
            key_pem: self.key_pem.as_ref(),
        }
    }

    fn limits(&self) -> Limits<'_> {
        Limits {
            min: self.min_version,
            max: self.max_version,
            ciphers: &self.cipher_suites,
            curves: &self.curve_preferences,
        }
    }
}

/// Certificate and key of one side, each from a file or from the configuration.
struct Identity<'a> {
    cert_file: Option<&'a Path>,
    cert_pem: Option<&'a Secret>,
    key_file: Option<&'a Path>,
    key_pem: Option<&'a Secret>,
}

impl Identity<'_> {
    fn validate(&self, path: &str, issues: &mut Issues<'_>) {
        exclusive(path, issues, "cert", self.cert_file.is_some(), self.cert_pem.is_some());
        exclusive(path, issues, "key", self.key_file.is_some(), self.key_pem.is_some());
        let cert = self.cert_file.is_some() || self.cert_pem.is_some();
        let key = self.key_file.is_some() || self.key_pem.is_some();
        if cert != key {
            issues.error(path, "certificate and key go together: set both or none");
        }
    }

    #[allow(clippy::type_complexity)]
    fn read(&self) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>, TlsError> {
        let Some(cert) = pem_of("cert_file", self.cert_file, self.cert_pem)? else { return Ok(None) };
        let key = pem_of("key_file", self.key_file, self.key_pem)?;
        let key = key.ok_or(TlsError::NoPem { key: "key_file", what: "private key" })?;
        let chain = certificates("cert_file", &cert)?;
        let key = PrivateKeyDer::from_pem_slice(&key)
            .map_err(|_| TlsError::NoPem { key: "key_file", what: "private key" })?;
        Ok(Some((chain, key)))
    }
}

/// Versions, cipher suites and curves.
struct Limits<'a> {
    min: Option<Version>,
    max: Option<Version>,
    ciphers: &'a [String],
    curves: &'a [String],
}

impl Limits<'_> {
    fn validate(&self, path: &str, issues: &mut Issues<'_>) {
        for error in [self.provider().err(), self.versions().err()].into_iter().flatten() {
            issues.error(path, error.to_string());
        }
        if self.min.is_some_and(|min| min < Version::V1_2) {
            issues.warn(&format!("{path}::min_version"), "TLS below 1.2 is never spoken: 1.2 it is");
        }
    }

    fn versions(&self) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
        let min = self.min.unwrap_or(Version::V1_2);
        let max = self.max.unwrap_or(Version::V1_3);
        let all = [(Version::V1_2, &rustls::version::TLS12), (Version::V1_3, &rustls::version::TLS13)];
        let left: Vec<_> =
            all.into_iter().filter(|(version, _)| (min..=max).contains(version)).map(|(_, v)| v).collect();
        if left.is_empty() { Err(TlsError::NoVersion) } else { Ok(left) }
    }

    fn provider(&self) -> Result<CryptoProvider, TlsError> {
        let mut provider = ring::default_provider();
        if !self.ciphers.is_empty() {
            let name = |suite: &rustls::SupportedCipherSuite| format!("{:?}", suite.suite());
            let (tls13, tls12): (Vec<_>, Vec<_>) =
                provider.cipher_suites.into_iter().partition(|suite| suite.tls13().is_some());
            if let Some(unknown) = self.ciphers.iter().find(|want| !tls12.iter().any(|s| name(s) == **want)) {
                let known: Vec<_> = tls12.iter().map(name).collect();
                return Err(TlsError::UnknownCipher(unknown.clone(), known.join(", ")));
            }
            provider.cipher_suites = tls13;
            provider.cipher_suites.extend(tls12.into_iter().filter(|s| self.ciphers.contains(&name(s))));
        }
        if !self.curves.is_empty() {
            let mut groups = Vec::new();
            for curve in self.curves {
                groups.push(match curve.as_str() {
                    "X25519" => ring::kx_group::X25519,
                    "P256" => ring::kx_group::SECP256R1,
                    "P384" => ring::kx_group::SECP384R1,
                    _ => return Err(TlsError::UnknownCurve(curve.clone())),
                });
            }
            provider.kx_groups = groups;
        }
        Ok(provider)
    }
}

fn exclusive(path: &str, issues: &mut Issues<'_>, what: &str, file: bool, pem: bool) {
    if file && pem {
        issues.error(path, format!("\"{what}_file\" and \"{what}_pem\" exclude each other: remove one"));
    }
}

fn pem_of(key: &'static str, file: Option<&Path>, pem: Option<&Secret>) -> Result<Option<Vec<u8>>, TlsError> {
    match (file, pem) {
        (Some(path), _) => read_file(key, path).map(Some),
        (None, Some(pem)) => Ok(Some(pem.reveal().as_bytes().to_vec())),
        (None, None) => Ok(None),
    }
}

fn read_file(key: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::Read { key, path: path.to_owned(), error })
}

fn certificates(key: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let none = TlsError::NoPem { key, what: "certificate" };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(none),
    }
}

/// Where distributions keep their authorities.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The authorities of the system (`SSL_CERT_FILE`, the known bundle files), else the ones of Mozilla
/// that are built in, so that an image without any still reaches public backends.
pub fn system_roots() -> RootCertStore {
    let chosen = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let files = chosen.into_iter().chain(BUNDLES.map(PathBuf::from));
    for file in files {
        let Ok(pem) = std::fs::read(&file) else { continue };
        let mut store = RootCertStore::empty();
        let (added, _) =
            store.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok));
        if added > 0 {
            return store;
        }
    }
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

/// `insecure_skip_verify`: any certificate will do, with any signature.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // A certificate that webpki cannot even parse (version 1) is one of "any".
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
