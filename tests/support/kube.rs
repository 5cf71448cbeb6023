//! A fake API server and kubelet: HTTP over TLS on a real socket, lists in pages, watches from any
//! version, and on demand every way in which a real one fails.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use kmagent::config::types::Secret;
use kmagent::kube::{Access, Client, Credentials, Pace};
use kmagent::net::tls::ClientTls;
use kmagent::pipeline::Stop;
use rustls::ServerConfig;
use serde_json::{Value, json};

use super::certs::Authority;

/// A running server; stops when dropped.
pub struct FakeKube {
    pub address: SocketAddr,
    world: Arc<World>,
}

struct World {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    tls: Arc<ServerConfig>,
    ca_pem: String,
    /// The only token that is accepted.
    token: String,
    version: u64,
    /// Versions up to this one are forgotten.
    compacted: u64,
    /// Whether lists of version "0" ignore `limit`, as those from a real server's cache do.
    cache_ignores_limit: bool,
    /// By collection path without namespace, then namespace and name.
    objects: BTreeMap<String, BTreeMap<(String, String), Value>>,
    log: Vec<Event>,
    faults: VecDeque<(Verb, Fault)>,
    /// Answers at fixed paths: a kubelet's, or single objects.
    pages: BTreeMap<String, (u16, Vec<u8>)>,
    seen: Vec<Seen>,
    sockets: Vec<TcpStream>,
    /// Watches that began before this one are to end.
    cut: u64,
    /// Whether versions are spelled as plain numbers.
    plain: bool,
    closed: bool,
}

#[derive(Clone)]
struct Event {
    version: u64,
    path: String,
    kind: &'static str,
    object: Value,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub verb: Verb,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub accept: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    List,
    Watch,
    Get,
    Create,
    Replace,
    Patch,
}

/// What goes wrong with one request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// An answer that is no success; `Retry-After` in seconds.
    Status(u16, String, Option<u64>),
    /// The body ends after so many bytes, the connection with it.
    CutAfter(usize),
    /// The head is sent, and then nothing.
    Stall,
    /// The connection is closed without an answer.
    Hangup,
    /// A watch that ends at once, as after its time.
    End,
    /// One event in the stream, then its end.
    Line(String),
    /// The body trickles: a few bytes at a time.
    Slow,
}

/// One request as it is read.
struct Request {
    seen: Seen,
    token: String,
    body: Vec<u8>,
}

impl FakeKube {
    pub fn start() -> Self {
        Self::start_at("127.0.0.1:0").unwrap()
    }

    /// Starts at an address that the test chooses.
    pub fn start_at(address: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let (tls, ca_pem) = certificate(address);
        let world = Arc::new(World {
            state: Mutex::new(State {
                tls,
                ca_pem,
                token: "good".to_owned(),
                version: 100,
                compacted: 0,
                cache_ignores_limit: false,
                objects: BTreeMap::new(),
                log: Vec::new(),
                faults: VecDeque::new(),
                pages: BTreeMap::new(),
                seen: Vec::new(),
                sockets: Vec::new(),
                cut: 0,
                plain: false,
                closed: false,
            }),
            changed: Condvar::new(),
        });
        let accepting = world.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let mut state = accepting.lock();
                if state.closed {
                    return;
                }
                state.sockets.push(socket.try_clone().unwrap());
                let (world, tls) = (accepting.clone(), state.tls.clone());
                drop(state);
                std::thread::spawn(move || {
                    let line = socket.try_clone().unwrap();
                    let _ = serve(&world, tls, socket);
                    let _ = line.shutdown(Shutdown::Both);
                });
            }
        });
        Ok(Self { address, world })
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn ca_pem(&self) -> String {
        self.world.lock().ca_pem.clone()
    }

    /// A client that trusts this server and is let in.
    pub fn client(&self) -> Arc<Client> {
        let token = Secret::new(self.world.lock().token.clone());
        self.client_with(self.trusted(), Credentials::Token(token))
    }

    pub fn client_with(&self, tls: ClientTls, credentials: Credentials) -> Arc<Client> {
        Client::new(Access { server: self.url(), tls, credentials })
    }

    /// Settings that trust this server.
    pub fn trusted(&self) -> ClientTls {
        ClientTls { ca_pem: Some(Secret::new(self.ca_pem())), ..ClientTls::default() }
    }

    /// Writes a kubeconfig for this server; its path.
    pub fn kubeconfig(&self, dir: &Path) -> String {
        let ca = dir.join("ca.pem");
        std::fs::write(&ca, self.ca_pem()).unwrap();
        let path = dir.join("kubeconfig");
        let text = format!(
            "current-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
             clusters: [{{name: c, cluster: {{server: '{}', certificate-authority: '{}'}}}}]\n\
             users: [{{name: u, user: {{token: {}}}}}]\n",
            self.url(),
            ca.display(),
            self.world.lock().token
        );
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    pub fn set_token(&self, token: &str) {
        token.clone_into(&mut self.world.lock().token);
    }

    /// From now on another authority signs; open connections end. Returns its certificate.
    pub fn renew_certificate(&self) -> String {
        let (tls, ca_pem) = certificate(self.address);
        let mut state = self.world.lock();
        state.tls = tls;
        state.ca_pem.clone_from(&ca_pem);
        state.hang_up();
        ca_pem
    }

    /// Spells versions as real servers do.
    pub fn plain_versions(&self) {
        self.world.lock().plain = true;
    }

    pub fn cache_ignores_limit(&self) {
        self.world.lock().cache_ignores_limit = true;
    }

    /// Creates or changes an object; its namespace and name are in its metadata.
    pub fn put(&self, path: &str, mut object: Value) {
        let mut state = self.world.lock();
        state.version += 1;
        let version = state.version;
        object["metadata"]["resourceVersion"] = json!(state.spell(version));
        let objects = state.objects.entry(path.to_owned()).or_default();
        let known = objects.insert(key(&object), object.clone()).is_some();
        let kind = if known { "MODIFIED" } else { "ADDED" };
        state.log.push(Event { version, path: path.to_owned(), kind, object });
        drop(state);
        self.world.changed.notify_all();
    }

    pub fn delete(&self, path: &str, namespace: &str, name: &str) {
        let mut state = self.world.lock();
        state.version += 1;
        let version = state.version;
        let key = (namespace.to_owned(), name.to_owned());
        let Some(mut object) = state.objects.get_mut(path).and_then(|objects| objects.remove(&key)) else {
            return;
        };
        object["metadata"]["resourceVersion"] = json!(state.spell(version));
        state.log.push(Event { version, path: path.to_owned(), kind: "DELETED", object });
        drop(state);
        self.world.changed.notify_all();
    }

    /// Removes an object as if nobody had been watching: no event tells of it.
    pub fn delete_unseen(&self, path: &str, namespace: &str, name: &str) {
        let mut state = self.world.lock();
        state.version += 1;
        state.compacted = state.version;
        let key = (namespace.to_owned(), name.to_owned());
        state.objects.get_mut(path).and_then(|objects| objects.remove(&key)).expect("the object is there");
    }

    /// Puts all items of a recorded list.
    pub fn load(&self, path: &str, list: &str) {
        let list: Value = serde_json::from_str(list).unwrap();
        for item in list["items"].as_array().unwrap() {
            self.put(path, item.clone());
        }
    }

    /// The objects there are now, by namespace and name.
    pub fn objects(&self, path: &str) -> BTreeMap<(String, String), Value> {
        self.world.lock().objects.get(path).cloned().unwrap_or_default()
    }

    /// Answers GETs of exactly `path`.
    pub fn page(&self, path: &str, status: u16, body: impl Into<Vec<u8>>) {
        self.world.lock().pages.insert(path.to_owned(), (status, body.into()));
    }

    /// What the next request of that kind meets; several are met in order.
    pub fn fault(&self, verb: Verb, fault: Fault) {
        self.world.lock().faults.push_back((verb, fault));
    }

    /// Forgets the history: older versions are gone.
    pub fn compact(&self) {
        let mut state = self.world.lock();
        state.compacted = state.version;
        state.log.clear();
    }

    /// Sends a bookmark to every watch; returns its version.
    pub fn bookmark(&self, path: &str) -> String {
        let mut state = self.world.lock();
        state.version += 1;
        let version = state.version;
        let object = json!({"kind": "Pod", "apiVersion": "v1", "spec": {"containers": null},
            "metadata": {"resourceVersion": state.spell(version)}});
        state.log.push(Event { version, path: path.to_owned(), kind: "BOOKMARK", object });
        let spelled = state.spell(version);
        drop(state);
        self.world.changed.notify_all();
        spelled
    }

    /// Puts a raw event into the history, as it would come in a watch.
    pub fn event(&self, path: &str, kind: &'static str, mut object: Value) {
        let mut state = self.world.lock();
        state.version += 1;
        let version = state.version;
        object["metadata"]["resourceVersion"] = json!(state.spell(version));
        state.log.push(Event { version, path: path.to_owned(), kind, object });
        drop(state);
        self.world.changed.notify_all();
    }

    /// Ends every watch in an orderly way, as when its time is over.
    pub fn end_watches(&self) {
        let mut state = self.world.lock();
        state.cut += 1;
        drop(state);
        self.world.changed.notify_all();
    }

    /// Breaks every connection.
    pub fn hang_up(&self) {
        self.world.lock().hang_up();
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.world.lock().seen.clone()
    }

    pub fn count(&self, verb: Verb) -> usize {
        self.seen().iter().filter(|seen| seen.verb == verb).count()
    }
}

impl Drop for FakeKube {
    fn drop(&mut self) {
        let mut state = self.world.lock();
        state.closed = true;
        state.hang_up();
        drop(state);
        self.world.changed.notify_all();
        // Wakes the accepting thread so that it sees the end.
        let _ = TcpStream::connect(self.address);
    }
}

impl World {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn hang_up(&mut self) {
        for socket in self.sockets.drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Versions are opaque: spelled so that nobody can do sums with them.
    fn spell(&self, version: u64) -> String {
        if self.plain { version.to_string() } else { format!("v{version}x") }
    }

    fn take_fault(&mut self, verb: Verb) -> Option<Fault> {
        let place = self.faults.iter().position(|(wanted, _)| *wanted == verb)?;
        self.faults.remove(place).map(|(_, fault)| fault)
    }
}

fn unspell(version: &str) -> Option<u64> {
    version.trim_start_matches('v').trim_end_matches('x').parse().ok()
}

fn key(object: &Value) -> (String, String) {
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

fn certificate(address: SocketAddr) -> (Arc<ServerConfig>, String) {
    let authority = Authority::new();
    let settings =
        authority.identity(&[&address.ip().to_string(), "localhost", "kubernetes.default.svc"]).server();
    (settings.build(&[]).unwrap(), authority.pem)
}

type Tls = rustls::StreamOwned<rustls::ServerConnection, TcpStream>;

fn serve(world: &World, tls: Arc<ServerConfig>, socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let connection = rustls::ServerConnection::new(tls).map_err(io::Error::other)?;
    let mut stream = BufReader::new(Tls::new(connection, socket));
    while let Some(request) = read_request(&mut stream)? {
        answer(world, stream.get_mut(), &request)?;
    }
    Ok(())
}

fn read_request(stream: &mut BufReader<Tls>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let method = line.split(' ').next().unwrap_or_default().to_owned();
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query: BTreeMap<String, String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), decode(value)))
        .collect();
    let (mut token, mut accept, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut header = String::new();
        stream.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => value.trim().trim_start_matches("Bearer ").clone_into(&mut token),
            "accept" => value.trim().clone_into(&mut accept),
            "content-length" => length = value.trim().parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let last = path.rsplit('/').next().unwrap_or_default();
    let collection = last.ends_with('s') && !path.starts_with("/stats") && path != "/pods";
    let verb = if method == "POST" {
        Verb::Create
    } else if method == "PUT" {
        Verb::Replace
    } else if method == "PATCH" {
        Verb::Patch
    } else if query.contains_key("watch") {
        Verb::Watch
    } else if collection {
        Verb::List
    } else {
        Verb::Get
    };
    Ok(Some(Request { seen: Seen { verb, path: path.to_owned(), query, accept }, token, body }))
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex: Vec<u8> = rest.by_ref().take(2).collect();
            bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn answer(world: &World, stream: &mut Tls, request: &Request) -> io::Result<()> {
    let seen = &request.seen;
    let mut state = world.lock();
    state.seen.push(seen.clone());
    let fault = state.take_fault(seen.verb);
    let allowed = request.token == state.token;
    let page = state.pages.get(&seen.path).cloned();
    drop(state);
    match &fault {
        Some(Fault::Status(code, body, retry_after)) => {
            let extra = retry_after.map(|s| format!("Retry-After: {s}\r\n")).unwrap_or_default();
            return respond(stream, *code, &extra, body.as_bytes());
        }
        Some(Fault::Hangup) => return Err(io::ErrorKind::ConnectionAborted.into()),
        Some(Fault::Stall) => {
            write!(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            stream.flush()?;
            // Until the other side gives up or this one is closed.
            let _ = stream.read(&mut [0]);
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        _ => {}
    }
    if !allowed {
        return respond(stream, 401, "", include_bytes!("../fixtures/kube/errors/401-apiserver.json"));
    }
    if let Some((status, body)) = page {
        return respond(stream, status, "", &body);
    }
    match seen.verb {
        Verb::List => {
            let (status, body) = list(&world.lock(), seen);
            match fault {
                Some(Fault::CutAfter(bytes)) => {
                    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())?;
                    stream.write_all(&body[..bytes.min(body.len())])?;
                    stream.flush()?;
                    Err(io::ErrorKind::ConnectionAborted.into())
                }
                Some(Fault::Slow) => {
                    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())?;
                    for piece in body.chunks(7) {
                        stream.write_all(piece)?;
                        stream.flush()?;
                    }
                    Ok(())
                }
                _ => respond(stream, status, "", &body),
            }
        }
        Verb::Watch => watch(world, stream, seen, fault),
        Verb::Create | Verb::Replace | Verb::Patch => {
            let (status, body) = write(world, seen, &request.body);
            respond(stream, status, "", &body)
        }
        Verb::Get => {
            let state = world.lock();
            let object = state.objects.iter().find_map(|(collection, objects)| {
                objects.iter().find_map(|((namespace, name), object)| {
                    (seen.path == object_path(collection, namespace, name)).then(|| object.to_string())
                })
            });
            drop(state);
            match object {
                Some(object) => respond(stream, 200, "", object.as_bytes()),
                None => respond(stream, 404, "", br#"{"kind":"Status","message":"not found","code":404}"#),
            }
        }
    }
}

/// Creates, replaces or changes an object. A version that is not the present one is a conflict.
fn write(world: &World, seen: &Seen, body: &[u8]) -> (u16, Vec<u8>) {
    let conflict = |message: &str| {
        let status = json!({"kind": "Status", "message": message, "reason": "Conflict", "code": 409});
        (409, status.to_string().into_bytes())
    };
    let mut object: Value = serde_json::from_slice(body).unwrap();
    let parent = if seen.verb == Verb::Create { &*seen.path } else { seen.path.rsplit_once('/').unwrap().0 };
    let (path, namespace) = collection(parent);
    let mut state = world.lock();
    if seen.verb == Verb::Patch {
        // What it does not say stays, its identity above all.
        object["metadata"]["namespace"] = namespace.into();
        object["metadata"]["name"] = seen.path.rsplit('/').next().into();
    }
    let known = state.objects.get(&path).and_then(|objects| objects.get(&key(&object))).cloned();
    let kind = match (seen.verb, &known) {
        (Verb::Create, Some(_)) => return conflict("it already exists"),
        (Verb::Create, None) => "ADDED",
        (_, None) => return (404, br#"{"kind":"Status","message":"not found","code":404}"#.to_vec()),
        (_, Some(known)) => {
            let sent = &object["metadata"]["resourceVersion"];
            if !sent.is_null() && *sent != known["metadata"]["resourceVersion"] {
                return conflict("the object has been modified");
            }
            if seen.verb == Verb::Patch {
                let mut patched = known.clone();
                merge(&mut patched, &object);
                object = patched;
            }
            "MODIFIED"
        }
    };
    state.version += 1;
    let version = state.version;
    object["metadata"]["resourceVersion"] = json!(state.spell(version));
    state.objects.entry(path.clone()).or_default().insert(key(&object), object.clone());
    state.log.push(Event { version, path, kind, object: object.clone() });
    drop(state);
    world.changed.notify_all();
    (if kind == "ADDED" { 201 } else { 200 }, object.to_string().into_bytes())
}

/// JSON merge patch.
fn merge(object: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else { return *object = patch.clone() };
    if !object.is_object() {
        *object = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut object[key], value);
        }
    }
}

fn object_path(collection: &str, namespace: &str, name: &str) -> String {
    if namespace.is_empty() {
        return format!("{collection}/{name}");
    }
    let (root, plural) = collection.rsplit_once('/').unwrap();
    format!("{root}/namespaces/{namespace}/{plural}/{name}")
}

fn respond(stream: &mut Tls, status: u16, headers: &str, body: &[u8]) -> io::Result<()> {
    write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{headers}\r\n", body.len())?;
    stream.write_all(body)?;
    stream.flush()
}

/// Splits `/api/v1/namespaces/shop/pods` into the collection of all namespaces and the namespace.
fn collection(path: &str) -> (String, Option<String>) {
    if let Some((root, rest)) = path.split_once("/namespaces/")
        && let Some((namespace, plural)) = rest.split_once('/')
    {
        return (format!("{root}/{plural}"), Some(namespace.to_owned()));
    }
    (path.to_owned(), None)
}

fn selected(seen: &Seen, namespace: Option<&str>, object: &Value) -> bool {
    let meta = &object["metadata"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let field = |name: &str| match name {
        "spec.nodeName" => text(&object["spec"]["nodeName"]),
        "metadata.name" => text(&meta["name"]),
        "metadata.namespace" => text(&meta["namespace"]),
        other => panic!("the fake server does not know the field {other}"),
    };
    let matches = |selector: Option<&String>, value: &dyn Fn(&str) -> String| {
        selector.into_iter().flat_map(|all| all.split(',')).all(|one| match one.split_once("!=") {
            Some((name, wanted)) => value(name) != wanted,
            None => one.split_once('=').is_none_or(|(name, wanted)| value(name) == wanted),
        })
    };
    namespace.is_none_or(|namespace| meta["namespace"] == namespace)
        && matches(seen.query.get("fieldSelector"), &field)
        && matches(seen.query.get("labelSelector"), &|name| text(&meta["labels"][name]))
}

fn list(state: &State, seen: &Seen) -> (u16, Vec<u8>) {
    let (path, namespace) = collection(&seen.path);
    let limit = seen.query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
    let from_cache = seen.query.get("resourceVersion").is_some_and(|version| version == "0");
    let limit = if state.cache_ignores_limit && from_cache { usize::MAX } else { limit };
    let (version, skip) = match seen.query.get("continue").and_then(|token| token.split_once('/')) {
        Some((version, skip)) => (unspell(version).unwrap(), skip.parse().unwrap()),
        None => (state.version, 0_usize),
    };
    if version < state.compacted {
        return (410, include_bytes!("../fixtures/kube/errors/410-continue-expired.json").to_vec());
    }
    let all: Vec<&Value> = state
        .objects
        .get(&path)
        .into_iter()
        .flat_map(BTreeMap::values)
        .filter(|object| selected(seen, namespace.as_deref(), object))
        .collect();
    let items: Vec<&Value> = all.iter().skip(skip).take(limit).copied().collect();
    let mut meta = json!({"resourceVersion": state.spell(version)});
    if skip.saturating_add(limit) < all.len() {
        meta["continue"] = json!(format!("{}/{}", state.spell(version), skip + limit));
    }
    (
        200,
        json!({"kind": "List", "apiVersion": "v1", "metadata": meta, "items": items})
            .to_string()
            .into_bytes(),
    )
}

fn watch(world: &World, stream: &mut Tls, seen: &Seen, fault: Option<Fault>) -> io::Result<()> {
    let (path, namespace) = collection(&seen.path);
    write!(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    stream.flush()?;
    let mut at = unspell(&seen.query["resourceVersion"]).expect("a version that was handed out");
    let began = world.lock().cut;
    let mut budget = match &fault {
        Some(Fault::CutAfter(bytes)) => Some(*bytes),
        _ => None,
    };
    match fault {
        Some(Fault::End) => return chunk(stream, b""),
        Some(Fault::Line(line)) => {
            chunk(stream, format!("{line}\n").as_bytes())?;
            return chunk(stream, b"");
        }
        _ => {}
    }
    let mut state = world.lock();
    loop {
        if state.closed {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if at < state.compacted {
            drop(state);
            let line = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 1 (1453)","reason":"Expired","code":410}}"#;
            chunk(stream, format!("{line}\n").as_bytes())?;
            return chunk(stream, b"");
        }
        let due: Vec<Event> = state
            .log
            .iter()
            .filter(|event| event.version > at && event.path == path)
            .filter(|event| event.kind == "BOOKMARK" || selected(seen, namespace.as_deref(), &event.object))
            .cloned()
            .collect();
        let cut = state.cut > began;
        if due.is_empty() && !cut {
            state = world.changed.wait_timeout(state, Duration::from_millis(20)).unwrap().0;
            continue;
        }
        drop(state);
        for event in due {
            at = event.version;
            let line = format!("{}\n", json!({"type": event.kind, "object": event.object}));
            if let Some(left) = &mut budget {
                if *left < line.len() {
                    chunk(stream, &line.as_bytes()[..*left])?;
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                *left -= line.len();
            }
            chunk(stream, line.as_bytes())?;
        }
        if cut {
            return chunk(stream, b"");
        }
        state = world.lock();
    }
}

fn chunk(stream: &mut Tls, bytes: &[u8]) -> io::Result<()> {
    write!(stream, "{:x}\r\n", bytes.len())?;
    stream.write_all(bytes)?;
    write!(stream, "\r\n")?;
    stream.flush()
}

// ---------------------------------------------------------------- for the tests

pub const PODS: &str = "/api/v1/pods";

/// A small pod.
pub fn pod(namespace: &str, name: &str, ip: &str) -> Value {
    json!({
        "metadata": {
            "namespace": namespace, "name": name, "uid": format!("uid-{namespace}-{name}"),
            "creationTimestamp": "2026-11-22T13:52:06Z",
            "labels": {"app": name},
        },
        "spec": {"nodeName": "node-a", "containers": [{"name": "main", "image": "registry.local/busybox:1"}]},
        "status": {"podIP": ip, "phase": "Running"},
    })
}

/// A clock that runs two hundred times as fast and remembers what it was asked to wait for.
pub struct FastPace {
    began: Instant,
    pub pauses: Mutex<Vec<Duration>>,
}

const HASTE: u32 = 200;

impl FastPace {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), pauses: Mutex::default() })
    }

    pub fn pauses(&self) -> Vec<Duration> {
        self.pauses.lock().unwrap().clone()
    }
}

impl Pace for FastPace {
    fn now(&self) -> Instant {
        self.began + self.began.elapsed() * HASTE
    }
    fn pause(&self, duration: Duration, stop: &Stop) -> bool {
        self.pauses.lock().unwrap().push(duration);
        stop.wait(duration / HASTE)
    }
    fn random(&self) -> f64 {
        0.5
    }
}

/// Waits until something holds; it must within ten seconds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "not within ten seconds: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
