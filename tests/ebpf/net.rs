//! Two network namespaces and a cable between them.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// `a` is 10.213.n.1 and fd00:213:n::1, `b` the other end.
pub struct Cable {
    pub a: Space,
    pub b: Space,
    pub net: u32,
}

/// A network namespace that is there as long as this.
pub struct Space(String);

static NEXT: AtomicU32 = AtomicU32::new(1);

impl Cable {
    pub fn new() -> Self {
        let net = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = std::process::id();
        let (a, b) = (Space::new(format!("kma{id}n{net}")), Space::new(format!("kmb{id}n{net}")));
        run(&format!("ip -n {} link add va type veth peer name vb netns {}", a.0, b.0));
        for (space, device, host) in [(&a, "va", 1), (&b, "vb", 2)] {
            let name = &space.0;
            run(&format!("ip -n {name} addr add 10.213.{net}.{host}/24 dev {device}"));
            run(&format!("ip -n {name} addr add fd00:213:{net}::{host}/64 dev {device} nodad"));
            run(&format!("ip -n {name} link set {device} up"));
            run(&format!("ip -n {name} link set lo up"));
        }
        Self { a, b, net }
    }

    pub fn address(&self, host: u32) -> String {
        format!("10.213.{}.{host}", self.net)
    }

    /// A namespace that reaches `b` through `a`, which forwards: 10.214.n.2, and `a` is 10.214.n.1 to it.
    pub fn behind_a(&self) -> Space {
        let (n, id) = (self.net, std::process::id());
        let space = Space::new(format!("kmc{id}n{n}"));
        let (a, name) = (&self.a.0, &space.0);
        run(&format!("ip -n {a} link add vc type veth peer name vd netns {name}"));
        for (space, device, host) in [(a, "vc", 1), (name, "vd", 2)] {
            run(&format!("ip -n {space} addr add 10.214.{n}.{host}/24 dev {device}"));
            run(&format!("ip -n {space} link set {device} up"));
        }
        run(&format!("ip -n {name} route add default via 10.214.{n}.1"));
        run(&format!("ip -n {} route add 10.214.{n}.0/24 via 10.213.{n}.1", self.b.0));
        self.a.command("echo 1 > /proc/sys/net/ipv4/ip_forward");
        space
    }

    pub fn address_behind(&self, host: u32) -> String {
        format!("10.214.{}.{host}", self.net)
    }

    pub fn address_v6(&self, host: u32) -> String {
        format!("fd00:213:{}::{host}", self.net)
    }
}

impl Space {
    fn new(name: String) -> Self {
        run(&format!("ip netns add {name}"));
        Self(name)
    }

    /// Runs in a thread of this namespace: sockets made there belong to it.
    pub fn spawn<T: Send + 'static>(&self, body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let name = self.0.clone();
        thread::spawn(move || {
            enter(&name);
            body()
        })
    }

    pub fn run<T: Send + 'static>(&self, body: impl FnOnce() -> T + Send + 'static) -> T {
        self.spawn(body).join().unwrap()
    }

    /// Runs a command in the namespace; whether it went well.
    pub fn try_command(&self, command: &str) -> bool {
        let output =
            Command::new("ip").args(["netns", "exec", &self.0, "sh", "-c", command]).output().unwrap();
        output.status.success()
    }

    pub fn output(&self, command: &str) -> String {
        let output =
            Command::new("ip").args(["netns", "exec", &self.0, "sh", "-c", command]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub fn name(&self) -> &str {
        &self.0
    }

    pub fn command(&self, command: &str) {
        assert!(self.try_command(command), "{command}");
    }

    /// Bytes and packets that an interface has sent.
    pub fn sent(&self, device: &'static str) -> (f64, f64) {
        self.run(move || {
            let table = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
            let line = table.lines().find_map(|line| line.trim().strip_prefix(device)?.strip_prefix(':'));
            let fields: Vec<f64> =
                line.unwrap().split_whitespace().map(|field| field.parse().unwrap()).collect();
            (fields[8], fields[9])
        })
    }
}

/// Moves this thread into the namespace of that name.
pub fn enter(name: &str) {
    use std::os::fd::AsFd;

    let namespace = fs::File::open(format!("/run/netns/{name}")).unwrap();
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

fn run(command: &str) {
    let mut words = command.split(' ');
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}
