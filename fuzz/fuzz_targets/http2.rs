//! A gRPC server's connection: whatever frames or bytes come, nothing panics, and the connection ends
//! when the client has ended it.
#![no_main]

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::Duration;

use kmagent::net::event_loop::{Loops, Socket, Task};
use kmagent::net::grpc::message::Opened;
use kmagent::net::grpc::server::{Answer, Limits, Service, serve};
use kmagent::net::listener::{Accepting, Connections};
use libfuzzer_sys::fuzz_target;

struct Echo;

impl Service for Echo {
    fn knows(&self, path: &str) -> bool {
        path.starts_with('/')
    }
    fn answer<'a>(&'a self, _: &'a str, message: Opened, _: IpAddr) -> Answer<'a> {
        Box::pin(async move { Ok(message.into_body().to_vec()) })
    }
}

static PORT: LazyLock<u16> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let loops = Loops::start("server", 1).expect("a thread");
    let accepting = Accepting {
        listener,
        tls: None,
        connections: Connections::new(1000, kmagent::telemetry::Counter::default()),
        serve: |socket: Socket, peer: IpAddr, task: Rc<Task>| {
            let limits = Limits { message: 1 << 16, ..Limits::default() };
            serve(socket, peer, task, Rc::new(Echo), Rc::new(limits))
        },
    };
    accepting.start(&loops.spawner()).expect("it listens");
    std::mem::forget(loops);
    port
});

fuzz_target!(|bytes: &[u8]| {
    let Some((mode, bytes)) = bytes.split_first() else { return };
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    match mode % 4 {
        0 => sent.extend_from_slice(bytes),
        1 => sent = bytes.to_vec(),
        _ => frames(bytes, &mut sent),
    }
    let mut stream = TcpStream::connect(("127.0.0.1", *PORT)).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(8))).expect("a socket");
    // The server may have said goodbye already.
    let _ = stream.write_all(&sent).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert!(error.kind() != ErrorKind::WouldBlock, "the connection stays open");
    }
    assert!(answer.len() < 1 << 20);
});

/// Makes frames of right length: kind, flags, stream and length take a byte each.
fn frames(mut bytes: &[u8], into: &mut Vec<u8>) {
    while let Some(([kind, flags, stream, length], rest)) = bytes.split_first_chunk() {
        let (payload, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        into.extend_from_slice(&[0, 0, payload.len() as u8, kind % 11, *flags, 0, 0, 0, stream % 16]);
        into.extend_from_slice(payload);
        bytes = rest;
    }
}
