//! Certificates made on the spot, and a TLS front for a plain backend.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use kmagent::config::types::Secret;
use kmagent::net::tls::ServerTls;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConnection, StreamOwned};

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

/// A certificate with its key, both PEM.
pub struct Identity {
    pub cert: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for these host names or addresses.
    pub fn identity(&self, names: &[&str]) -> Identity {
        let params =
            CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { cert, key: key.serialize_pem() }
    }
}

impl Identity {
    /// Server settings with this identity.
    pub fn server(&self) -> ServerTls {
        ServerTls {
            cert_pem: Some(Secret::new(&*self.cert)),
            key_pem: Some(Secret::new(&*self.key)),
            ..ServerTls::default()
        }
    }
}

/// Takes TLS connections on a port of its own and passes their content on to `backend`.
pub fn tls_front(settings: &ServerTls, backend: SocketAddr) -> SocketAddr {
    let config = settings.build(&[b"http/1.1"]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            std::thread::spawn(move || {
                let plain = TcpStream::connect(backend).unwrap();
                pump(StreamOwned::new(connection, client), plain);
            });
        }
    });
    address
}

/// Passes bytes both ways until one side ends.
fn pump(mut secure: StreamOwned<ServerConnection, TcpStream>, mut plain: TcpStream) {
    let turn = Some(Duration::from_millis(2));
    secure.sock.set_read_timeout(turn).unwrap();
    plain.set_read_timeout(turn).unwrap();
    let mut buffer = [0; 16384];
    loop {
        match secure.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) => plain.write_all(&buffer[..n]).unwrap(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
        match plain.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) if secure.write_all(&buffer[..n]).is_err() => return,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
    }
}
