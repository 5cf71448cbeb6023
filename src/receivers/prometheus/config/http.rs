//! The keys of Prometheus' HTTP client, which a scrape and some discoveries have in common.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::config::types::Secret;
use crate::config::{Issues, Node};
use crate::net::tls::{ClientTls, Version};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BasicAuth {
    pub username: String,
    pub username_file: Option<PathBuf>,
    pub password: Option<Secret>,
    pub password_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Authorization {
    #[serde(rename = "type")]
    pub kind: String,
    pub credentials: Option<Secret>,
    pub credentials_file: Option<PathBuf>,
}

/// `tls_config`; versions are written `TLS12`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    pub ca: Option<Secret>,
    pub ca_file: Option<PathBuf>,
    pub cert: Option<Secret>,
    pub cert_file: Option<PathBuf>,
    pub key: Option<Secret>,
    pub key_file: Option<PathBuf>,
    pub server_name: String,
    pub insecure_skip_verify: bool,
    pub min_version: Option<TlsVersion>,
    pub max_version: Option<TlsVersion>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub enum TlsVersion {
    #[serde(rename = "TLS10")]
    Tls10,
    #[serde(rename = "TLS11")]
    Tls11,
    #[serde(rename = "TLS12")]
    Tls12,
    #[serde(rename = "TLS13")]
    Tls13,
}

impl From<TlsVersion> for Version {
    fn from(version: TlsVersion) -> Self {
        match version {
            TlsVersion::Tls10 => Self::V1_0,
            TlsVersion::Tls11 => Self::V1_1,
            TlsVersion::Tls12 => Self::V1_2,
            TlsVersion::Tls13 => Self::V1_3,
        }
    }
}

/// Values of one header, from three sources.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeaderValues {
    pub values: Vec<String>,
    pub secrets: Vec<Secret>,
    pub files: Vec<PathBuf>,
}

/// How requests are made, all keys together.
#[derive(Clone, Debug, Default)]
pub struct HttpConfig {
    pub basic_auth: Option<BasicAuth>,
    pub authorization: Option<Authorization>,
    pub oauth2: Option<Node>,
    pub bearer_token: Option<Secret>,
    pub bearer_token_file: Option<PathBuf>,
    pub tls_config: TlsConfig,
    pub follow_redirects: Option<bool>,
    pub proxy_url: String,
    pub no_proxy: String,
    pub proxy_from_environment: bool,
    pub http_headers: BTreeMap<String, HeaderValues>,
}

/// Declares a config with the HTTP client's keys beside its own.
macro_rules! with_http_keys {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
            pub basic_auth: Option<$crate::receivers::prometheus::config::http::BasicAuth>,
            pub authorization: Option<$crate::receivers::prometheus::config::http::Authorization>,
            pub oauth2: Option<$crate::config::Node>,
            pub bearer_token: Option<$crate::config::types::Secret>,
            pub bearer_token_file: Option<std::path::PathBuf>,
            pub tls_config: $crate::receivers::prometheus::config::http::TlsConfig,
            pub follow_redirects: Option<bool>,
            /// Accepted: HTTP/1.1 is spoken.
            pub enable_http2: Option<bool>,
            pub proxy_url: String,
            pub no_proxy: String,
            pub proxy_from_environment: bool,
            pub http_headers: std::collections::BTreeMap<
                String,
                $crate::receivers::prometheus::config::http::HeaderValues,
            >,
        }

        impl $name {
            /// The HTTP client's part of it.
            pub fn http(&self) -> $crate::receivers::prometheus::config::http::HttpConfig {
                $crate::receivers::prometheus::config::http::HttpConfig {
                    basic_auth: self.basic_auth.clone(),
                    authorization: self.authorization.clone(),
                    oauth2: self.oauth2.clone(),
                    bearer_token: self.bearer_token.clone(),
                    bearer_token_file: self.bearer_token_file.clone(),
                    tls_config: self.tls_config.clone(),
                    follow_redirects: self.follow_redirects,
                    proxy_url: self.proxy_url.clone(),
                    no_proxy: self.no_proxy.clone(),
                    proxy_from_environment: self.proxy_from_environment,
                    http_headers: self.http_headers.clone(),
                }
            }
        }
    };
}
pub(crate) use with_http_keys;

/// Changed certificates are noticed this fast.
const RELOAD: Duration = Duration::from_secs(30);

impl HttpConfig {
    /// The TLS settings in the agent's own terms.
    pub fn tls(&self) -> ClientTls {
        let tls = &self.tls_config;
        ClientTls {
            insecure_skip_verify: tls.insecure_skip_verify,
            server_name_override: tls.server_name.clone(),
            ca_file: tls.ca_file.clone(),
            ca_pem: tls.ca.clone(),
            cert_file: tls.cert_file.clone(),
            cert_pem: tls.cert.clone(),
            key_file: tls.key_file.clone(),
            key_pem: tls.key.clone(),
            min_version: tls.min_version.map(Into::into),
            max_version: tls.max_version.map(Into::into),
            reload_interval: RELOAD,
            ..ClientTls::default()
        }
    }

    /// Checks what the types cannot.
    pub fn validate(&self, issues: &mut Issues<'_>) {
        let ways = [
            ("basic_auth", self.basic_auth.is_some()),
            ("authorization", self.authorization.is_some()),
            ("bearer_token", self.bearer_token.is_some()),
            ("bearer_token_file", self.bearer_token_file.is_some()),
        ];
        let chosen: Vec<_> = ways.into_iter().filter(|(_, chosen)| *chosen).map(|(key, _)| key).collect();
        if let [_, second, ..] = chosen[..] {
            issues.error(second, format!("at most one of {} may be set", chosen.join(" and ")));
        }
        if self.oauth2.is_some() {
            issues.error("oauth2", "OAuth 2.0 is not part of this agent: use \"authorization\" with a file");
        }
        if let Some(auth) = &self.authorization {
            if auth.kind.trim().eq_ignore_ascii_case("basic") {
                issues.error("authorization::type", "use \"basic_auth\" for basic authentication");
            }
            if auth.credentials.is_some() && auth.credentials_file.is_some() {
                issues.error("authorization", "at most one of credentials and credentials_file may be set");
            }
        }
        if let Some(auth) = &self.basic_auth {
            if auth.password.is_some() && auth.password_file.is_some() {
                issues.error("basic_auth", "at most one of password and password_file may be set");
            }
            if !auth.username.is_empty() && auth.username_file.is_some() {
                issues.error("basic_auth", "at most one of username and username_file may be set");
            }
        }
        if self.proxy_from_environment && !self.proxy_url.is_empty() {
            issues.error("proxy_url", "must not be set beside proxy_from_environment");
        }
        if !self.no_proxy.is_empty() && self.proxy_url.is_empty() {
            issues.error("no_proxy", "has no meaning without proxy_url");
        }
        for (name, values) in &self.http_headers {
            if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
                issues.error(
                    &format!("http_headers::{name}"),
                    format!("\"{name}\" is set by the agent or by another key"),
                );
            }
            if ureq::http::HeaderName::from_bytes(name.as_bytes()).is_err() {
                issues.error(&format!("http_headers::{name}"), "is no header name");
            }
            if values.values.iter().any(|value| ureq::http::HeaderValue::from_str(value).is_err()) {
                issues.error(&format!("http_headers::{name}"), "has a value that cannot be sent");
            }
        }
        self.tls().validate("tls_config", issues);
        self.check_files(issues);
    }

    /// Files must be there at start: a wrong path should not show at the first scrape.
    fn check_files(&self, issues: &mut Issues<'_>) {
        let authorization = self.authorization.as_ref();
        let files = [
            ("bearer_token_file", "authorization credentials file", self.bearer_token_file.as_ref()),
            (
                "authorization::credentials_file",
                "authorization credentials file",
                authorization.and_then(|auth| auth.credentials_file.as_ref()),
            ),
            ("tls_config::cert_file", "client cert file", self.tls_config.cert_file.as_ref()),
            ("tls_config::key_file", "client key file", self.tls_config.key_file.as_ref()),
        ];
        for (key, what, file) in files {
            let Some(file) = file else { continue };
            if let Err(error) = std::fs::metadata(file) {
                issues.error(key, format!("error checking {what} \"{}\": {error}", file.display()));
            }
        }
    }
}

/// Headers that a user may not set by `http_headers`.
const RESERVED: [&str; 14] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "user-agent",
    "www-authenticate",
    "x-prometheus-scrape-timeout-seconds",
];
