//! The TLS settings of a server, read again when its certificate files change.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::ServerConfig;

use super::tls::{ServerTls, TlsError};

/// How often `client_ca_file_reload` looks at the file.
const CLIENT_CA_INTERVAL: Duration = Duration::from_secs(10);

/// The settings for the next connection.
pub struct Reloading {
    tls: ServerTls,
    alpn: &'static [u8],
    state: Mutex<State>,
}

struct State {
    config: Arc<ServerConfig>,
    looked: Instant,
    /// When each file was written last.
    written: Vec<Option<SystemTime>>,
}

impl Reloading {
    /// Reads the files for the first time.
    pub fn new(tls: ServerTls, alpn: &'static [u8]) -> Result<Self, TlsError> {
        let written = written(&tls);
        let config = tls.build(&[alpn])?;
        let state = Mutex::new(State { config, looked: Instant::now(), written });
        Ok(Self { tls, alpn, state })
    }

    /// The settings now; files that cannot be used leave those that were.
    pub fn current(&self) -> Arc<ServerConfig> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.interval().is_some_and(|interval| state.looked.elapsed() >= interval) {
            state.looked = Instant::now();
            let written = written(&self.tls);
            if written != state.written {
                state.written = written;
                match self.tls.build(&[self.alpn]) {
                    Ok(config) => state.config = config,
                    Err(error) => log::warn!("the changed certificates are not used: {error}"),
                }
            }
        }
        state.config.clone()
    }

    fn interval(&self) -> Option<Duration> {
        let given = Some(self.tls.reload_interval).filter(|interval| !interval.is_zero());
        given.or(self.tls.client_ca_file_reload.then_some(CLIENT_CA_INTERVAL))
    }
}

fn written(tls: &ServerTls) -> Vec<Option<SystemTime>> {
    let files: [&Option<PathBuf>; 4] = [&tls.ca_file, &tls.cert_file, &tls.key_file, &tls.client_ca_file];
    files
        .into_iter()
        .flatten()
        .map(|file| std::fs::metadata(file).and_then(|file| file.modified()).ok())
        .collect()
}
