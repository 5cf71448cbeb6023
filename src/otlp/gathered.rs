//! Export requests that grow while their items come in. What waits for more to join it takes a third
//! of the memory when it is encoded already, and the items are written while they are still in the
//! processor's cache. Each resource and each of its scopes is written once.

use prost::bytes::Bytes;
use prost::encoding::message;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use super::encode::{
    GROUP_RESOURCE, GROUP_SCOPES, REQUEST_GROUPS, SCHEMA_URL, SCOPED_SCOPE, field_len, put_head, put_item,
    put_schema_url,
};
use super::groups::{Group, Scoped};
use super::identity::IdentityMap;

/// Keys and lengths around a resource or a scope take no more bytes.
const HEADS: usize = 16;
/// Items of this size leave in the memory that they were written to.
const LARGE: usize = 64 << 10;

/// Resources with their items, encoded.
#[derive(Debug, Default)]
pub struct Gathered {
    groups: Vec<Growing>,
    by_resource: IdentityMap<usize>,
    bytes: usize,
    /// A resource or scope that is looked for.
    wanted: Vec<u8>,
}

/// A request of its own, and the number of its items. One after the other they are one request.
pub type Part = (Bytes, usize);

#[derive(Debug)]
struct Growing {
    /// The field with the resource; nothing when there is none.
    resource: Box<[u8]>,
    schema_url: String,
    scopes: Vec<GrowingScope>,
    /// It is in this request; otherwise it was in the one before.
    in_use: bool,
}

#[derive(Debug)]
struct GrowingScope {
    /// The field with the scope; nothing when there is none.
    scope: Box<[u8]>,
    schema_url: String,
    /// Items, behind room for what comes before them in a request.
    items: Vec<u8>,
    room: usize,
    count: usize,
    /// Bytes of `items` in the requests before, which left with them: the most lately.
    expected: usize,
    in_use: bool,
}

impl Gathered {
    /// Appends resources with their items. Those of a resource and scope that are there already join
    /// them, in order.
    pub fn add<G: Group>(&mut self, groups: &[G]) {
        for group in groups {
            self.wanted.clear();
            if let Some(resource) = group.resource() {
                message::encode(GROUP_RESOURCE, resource, &mut self.wanted);
            }
            let place = self.place(group.schema_url());
            let growing = &mut self.groups[place];
            for scoped in group.scopes() {
                self.wanted.clear();
                if let Some(scope) = scoped.scope() {
                    message::encode(SCOPED_SCOPE, scope, &mut self.wanted);
                }
                let (scope, new) = growing.scope(&self.wanted, scoped.schema_url());
                self.bytes += new + scope.add(scoped);
            }
        }
    }

    /// Encoded bytes so far, roughly.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The request in parts. What was in it is ready for the next request, where the same resources
    /// are expected.
    pub fn take_request(&mut self) -> Vec<Part> {
        let before = self.groups.len();
        self.groups.retain(|group| group.in_use);
        if self.groups.len() < before {
            self.by_resource.clear();
            for (place, group) in self.groups.iter().enumerate() {
                self.by_resource.insert(identity(&group.resource, &group.schema_url), place);
            }
        }
        self.groups.iter_mut().for_each(|group| group.scopes.retain(|scope| scope.in_use));
        let (large, small): (Vec<_>, Vec<_>) = self.groups.iter_mut().partition(|group| group.is_large());
        let mut parts: Vec<Part> = large.into_iter().map(Growing::take_alone).collect();
        if !small.is_empty() {
            let bytes = small.iter().map(|group| group.len() + HEADS).sum();
            let (mut request, mut count) = (Vec::with_capacity(bytes), 0);
            small.into_iter().for_each(|group| count += group.take(&mut request));
            parts.push((request.into(), count));
        }
        self.bytes = 0;
        parts
    }

    /// Where the resource that is looked for is.
    fn place(&mut self, schema_url: &str) -> usize {
        let next = self.groups.len();
        let mut place = *self.by_resource.entry(identity(&self.wanted, schema_url)).or_insert(next);
        let same = |group: &Growing| *group.resource == *self.wanted && group.schema_url == schema_url;
        if !self.groups.get(place).is_some_and(same) {
            place = next;
            self.groups.push(Growing {
                resource: self.wanted.as_slice().into(),
                schema_url: schema_url.to_owned(),
                scopes: Vec::new(),
                in_use: false,
            });
        }
        if !std::mem::replace(&mut self.groups[place].in_use, true) {
            self.bytes += self.wanted.len() + schema_url.len();
        }
        place
    }
}

fn identity(resource: &[u8], schema_url: &str) -> u128 {
    xxh3_128_with_seed(resource, xxh3_64(schema_url.as_bytes()))
}

impl Growing {
    /// The scope, and the bytes that it adds when it is new.
    fn scope(&mut self, scope: &[u8], schema_url: &str) -> (&mut GrowingScope, usize) {
        let same = |known: &GrowingScope| *known.scope == *scope && known.schema_url == schema_url;
        let known = self.scopes.iter().position(same);
        let place = known.unwrap_or_else(|| {
            self.scopes.push(GrowingScope {
                scope: scope.into(),
                schema_url: schema_url.to_owned(),
                items: Vec::new(),
                room: 2 * HEADS + self.resource.len() + scope.len(),
                count: 0,
                expected: 0,
                in_use: false,
            });
            self.scopes.len() - 1
        });
        let found = &mut self.scopes[place];
        let known = std::mem::replace(&mut found.in_use, true);
        (found, if known { 0 } else { scope.len() + schema_url.len() })
    }

    /// Most of it is the items of one scope.
    fn is_large(&self) -> bool {
        matches!(&self.scopes[..], [scope] if scope.items().len() >= LARGE)
    }

    /// Encoded bytes of its field.
    fn len(&self) -> usize {
        let scopes = self.scopes.iter().map(|scope| field_len(GROUP_SCOPES, scope.len())).sum::<usize>();
        self.resource.len() + scopes + url_len(&self.schema_url)
    }

    /// Appends it to the request, and empties it. Returns the number of its items.
    fn take(&mut self, request: &mut Vec<u8>) -> usize {
        put_head(REQUEST_GROUPS, self.len(), request);
        request.extend_from_slice(&self.resource);
        let mut count = 0;
        for scope in &mut self.scopes {
            put_head(GROUP_SCOPES, scope.len(), request);
            request.extend_from_slice(&scope.scope);
            request.extend_from_slice(scope.items());
            put_schema_url(&scope.schema_url, request);
            count += scope.leave();
            scope.empty();
        }
        put_schema_url(&self.schema_url, request);
        self.in_use = false;
        count
    }

    /// The request with nothing else, in the memory of the items of its only scope.
    fn take_alone(&mut self) -> Part {
        let len = self.len();
        let scope = &mut self.scopes[0];
        let mut head = Vec::with_capacity(scope.room);
        put_head(REQUEST_GROUPS, len, &mut head);
        head.extend_from_slice(&self.resource);
        put_head(GROUP_SCOPES, scope.len(), &mut head);
        head.extend_from_slice(&scope.scope);
        let count = scope.leave();
        let mut request = std::mem::take(&mut scope.items);
        scope.expected = request.len().max(scope.expected - scope.expected / 8);
        let start = scope.room - head.len();
        request[start..scope.room].copy_from_slice(&head);
        put_schema_url(&scope.schema_url, &mut request);
        put_schema_url(&self.schema_url, &mut request);
        self.in_use = false;
        (Bytes::from(request).slice(start..), count)
    }
}

impl GrowingScope {
    /// Appends items. Returns their bytes.
    fn add<S: Scoped>(&mut self, scoped: &S) -> usize {
        if self.items.is_empty() {
            // What is not written to costs nothing, while to move what is there does.
            self.items.reserve(self.room + self.expected + self.expected / 4);
            self.items.resize(self.room, 0);
        }
        let before = self.items.len();
        scoped.items().iter().for_each(|item| put_item(item, &mut self.items));
        self.count += scoped.count();
        self.items.len() - before
    }

    /// Keeps the memory for the next items, unless it was made for many more.
    fn empty(&mut self) {
        self.expected = 0;
        self.items.clear();
        self.items.shrink_to(2 * LARGE);
    }

    fn items(&self) -> &[u8] {
        &self.items[self.room.min(self.items.len())..]
    }

    fn len(&self) -> usize {
        self.scope.len() + self.items().len() + url_len(&self.schema_url)
    }

    /// It is in the next request no more, unless it is used again. Returns the number of its items.
    fn leave(&mut self) -> usize {
        self.in_use = false;
        std::mem::take(&mut self.count)
    }
}

fn url_len(url: &str) -> usize {
    if url.is_empty() { 0 } else { field_len(SCHEMA_URL, url.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
    use crate::otlp::{InstrumentationScope, KeyValue, Resource};
    use crate::pipeline::{Data, Signal};

    fn logs(resource: &str, scope: &str, url: &str, bodies: &[&str]) -> ResourceLogs {
        let attributes = vec![KeyValue::new("service.name", resource)];
        let scope = InstrumentationScope { name: scope.to_owned(), ..Default::default() };
        let record =
            |body: &&str| LogRecord { body: Some((*body).into()), time_unix_nano: 7, ..LogRecord::default() };
        ResourceLogs {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_logs: vec![ScopeLogs {
                scope: Some(scope),
                log_records: bodies.iter().map(record).collect(),
                schema_url: url.to_owned(),
            }],
            schema_url: url.to_owned(),
        }
    }

    /// The parts, one after the other, and the number of their items.
    fn request(gathered: &mut Gathered) -> (Vec<u8>, usize) {
        let parts = gathered.take_request();
        let count = parts.iter().map(|(_, items)| items).sum();
        (parts.iter().flat_map(|(part, _)| part.to_vec()).collect(), count)
    }

    #[test]
    fn items_join_their_resource_and_scope_in_order_and_the_bytes_are_those_of_the_whole() {
        let mut gathered = Gathered::default();
        gathered.add(&[logs("a", "s", "", &["1", "2"]), logs("b", "s", "", &["3"])]);
        gathered.add(&[logs("a", "s", "", &["4"]), logs("a", "t", "u", &["5"]), ResourceLogs::default()]);
        gathered.add(&[logs("a", "t", "u", &["6"]), ResourceLogs::default()]);
        let rough = gathered.bytes();
        let (found, count) = request(&mut gathered);
        let joined = vec![
            logs("a", "s", "", &["1", "2", "4"]),
            logs("b", "s", "", &["3"]),
            logs("a", "t", "u", &["5", "6"]),
            ResourceLogs::default(),
        ];
        let whole = Data::Logs(joined);
        let mut wanted = Vec::new();
        whole.encode(&mut wanted);
        assert_eq!(found, wanted);
        assert_eq!(count, 6);
        assert!(rough <= found.len() && rough + 64 > found.len(), "{rough} of {}", found.len());
        assert_eq!(Data::decode(Signal::Logs, &found).unwrap(), whole);
    }

    #[test]
    fn several_scopes_of_a_resource_stay_apart() {
        let mut group = logs("a", "s", "", &["1"]);
        group.scope_logs.extend(logs("a", "t", "x", &["2"]).scope_logs);
        let mut gathered = Gathered::default();
        gathered.add(std::slice::from_ref(&group));
        gathered.add(&[logs("a", "t", "", &["3"])]);
        group.scope_logs.extend(logs("a", "t", "", &["3"]).scope_logs);
        let decoded = Data::decode(Signal::Logs, &request(&mut gathered).0).unwrap();
        assert_eq!(decoded, Data::Logs(vec![group]));
    }

    #[test]
    fn the_next_request_holds_nothing_of_the_one_before() {
        let mut gathered = Gathered::default();
        let mut requests = [
            vec![logs("a", "s", "", &["1"]), logs("b", "s", "", &["2"]), logs("c", "s", "", &["3"])],
            vec![logs("c", "t", "", &["4"]), logs("a", "s", "", &["5"])],
            Vec::new(),
            vec![logs("b", "s", "u", &["6"]), logs("c", "s", "", &["7"])],
        ];
        for wanted in &mut requests {
            gathered.add(wanted);
            let rough = gathered.bytes();
            let (found, count) = request(&mut gathered);
            assert!(rough <= found.len() && rough + 64 > found.len(), "{rough} of {}", found.len());
            let Data::Logs(mut found) = Data::decode(Signal::Logs, &found).unwrap() else {
                panic!("no logs")
            };
            let by_name = |one: &ResourceLogs| format!("{:?}", one.resource);
            found.sort_by_key(by_name);
            wanted.sort_by_key(by_name);
            assert_eq!(&found, wanted);
            assert_eq!(count, wanted.len());
        }
    }

    #[test]
    fn what_is_large_leaves_in_its_own_memory_and_what_is_small_together() {
        let long = "x".repeat(LARGE / 2);
        let mut gathered = Gathered::default();
        for url in ["", "https://example.org/schema"] {
            let mut several = logs("several", "s", url, &[&long, &long]);
            several.scope_logs.extend(logs("several", "t", url, &["3"]).scope_logs);
            let (one, two) = (logs("one", "s", url, &[&long]), logs("two", "", url, &["4", "5"]));
            gathered.add(&[one.clone(), two.clone(), several.clone()]);
            let second = logs("one", "s", url, &["6", &long]);
            gathered.add(std::slice::from_ref(&second));
            let mut joined = one;
            joined.scope_logs[0].log_records.extend(second.scope_logs[0].log_records.clone());
            let memory = gathered.groups[0].scopes[0].items.as_ptr_range();
            let parts = gathered.take_request();
            let counts: Vec<usize> = parts.iter().map(|(_, items)| *items).collect();
            assert_eq!(counts, [3, 5]);
            assert!(!url.is_empty() || memory.contains(&parts[0].0.as_ptr()));
            for (part, wanted) in parts.iter().zip([vec![joined], vec![two, several]]) {
                let mut bytes = Vec::new();
                Data::Logs(wanted).encode(&mut bytes);
                assert!(part.0 == bytes);
            }
        }
    }

    #[test]
    fn who_was_large_once_keeps_no_memory_for_it() {
        let mut gathered = Gathered::default();
        for bytes in [16 * LARGE, 1, 1] {
            gathered.add(&[logs("a", "s", "", &[&"x".repeat(bytes)])]);
            gathered.take_request();
        }
        assert!(gathered.groups[0].scopes[0].items.capacity() <= 2 * LARGE);
    }
}
