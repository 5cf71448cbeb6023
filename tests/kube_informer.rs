//! The store equals the cluster, whatever happens on the way there: the sixteen cases that an
//! informer must survive, by number, and all of them mixed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kmagent::config::types::Secret;
use kmagent::kube::list_watch::Settings;
use kmagent::kube::objects::{Entity, EntityNeeds, Pod, PodNeeds};
use kmagent::kube::{Client, Credentials, Handler, Informer, Pace, Query, Resource, SyncState, Timeouts};
use kmagent::net::tls::ClientTls;
use kmagent::pipeline::Stop;
use serde_json::json;

use crate::support::kube::{FakeKube, FastPace, Fault, PODS, Verb, eventually, pod};

const GONE: &str = r#"{"type":"ERROR","object":{"kind":"Status","status":"Failure","message":"too old","reason":"Expired","code":410}}"#;

struct Followed {
    informer: Informer<Pod>,
    pace: Arc<FastPace>,
}

fn pods() -> Query {
    Query::all(Resource::new("", "v1", "pods"))
}

fn settings() -> Settings {
    Settings { page: 5, ..Settings::default() }
}

fn timeouts() -> Timeouts {
    Timeouts { idle: Duration::from_millis(300), ..Timeouts::default() }
}

fn follow_with(client: &Arc<Client>, query: Query) -> Followed {
    let pace = FastPace::new();
    let informer =
        Informer::start(client, query, &PodNeeds::default(), settings(), timeouts(), pace.clone()).unwrap();
    Followed { informer, pace }
}

fn follow(server: &FakeKube) -> Followed {
    follow_with(&server.client(), pods())
}

impl Followed {
    fn synced(self) -> Self {
        eventually("the first list is complete", || self.informer.store().sync() == SyncState::Done);
        self
    }

    /// What is in the store: IP by namespace and name.
    fn content(&self) -> BTreeMap<(String, String), String> {
        let all = self.informer.store().all();
        all.iter()
            .map(|pod| ((pod.namespace.to_string(), pod.name.to_string()), pod.ip.to_string()))
            .collect()
    }

    fn equals(&self, server: &FakeKube) -> bool {
        let wanted: BTreeMap<_, _> = server
            .objects(PODS)
            .into_iter()
            .map(|(key, object)| (key, object["status"]["podIP"].as_str().unwrap().to_owned()))
            .collect();
        self.content() == wanted
    }

    fn catches_up(&self, server: &FakeKube) {
        eventually("the store equals the server", || self.equals(server));
    }
}

fn server_with(pods: usize) -> FakeKube {
    let server = FakeKube::start();
    for n in 0..pods {
        server.put(PODS, pod("shop", &format!("pod-{n:03}"), &format!("10.0.0.{n}")));
    }
    server
}

fn watching(server: &FakeKube, times: usize) {
    eventually("a watch is under way", || server.count(Verb::Watch) >= times);
}

#[test]
fn informer_01_list_in_pages() {
    let server = server_with(12);
    let followed = follow(&server).synced();
    assert!(followed.equals(&server));
    let lists: Vec<_> = server.seen().into_iter().filter(|seen| seen.verb == Verb::List).collect();
    assert_eq!(lists.len(), 3);
    assert_eq!(lists[0].query["limit"], "5");
    assert!(
        lists[1..].iter().all(|list| {
            list.query.contains_key("continue") && !list.query.contains_key("resourceVersion")
        })
    );
}

#[test]
fn informer_01_a_cache_that_knows_no_pages_is_read_as_it_comes() {
    let server = server_with(12);
    server.cache_ignores_limit();
    let followed = follow(&server).synced();
    assert!(followed.equals(&server));
    assert_eq!(server.count(Verb::List), 1);
}

#[test]
fn informer_01_expired_continue_lists_all_at_once() {
    let server = server_with(12);
    let expired = include_str!("fixtures/kube/errors/410-continue-expired.json");
    server.fault(Verb::List, Fault::Slow);
    server.fault(Verb::List, Fault::Status(410, expired.to_owned(), None));
    let followed = follow(&server).synced();
    assert!(followed.equals(&server));
    let lists: Vec<_> = server.seen().into_iter().filter(|seen| seen.verb == Verb::List).collect();
    assert_eq!(lists.len(), 3);
    assert!(!lists[2].query.contains_key("continue") && !lists[2].query.contains_key("limit"));
}

#[test]
fn informer_02_gone_as_status_and_as_event() {
    for fault in [
        Fault::Status(410, r#"{"kind":"Status","message":"too old","code":410}"#.to_owned(), None),
        Fault::Line(GONE.to_owned()),
    ] {
        let server = server_with(3);
        server.fault(Verb::Watch, fault);
        let followed = follow(&server).synced();
        watching(&server, 2);
        server.put(PODS, pod("shop", "late", "10.0.0.99"));
        followed.catches_up(&server);
        let lists: Vec<_> = server.seen().into_iter().filter(|seen| seen.verb == Verb::List).collect();
        assert_eq!(lists.len(), 2);
        assert_eq!(lists[1].query["resourceVersion"], "", "the second list must be consistent");
        assert_eq!(followed.pace.pauses().len(), 1, "a relist comes after a pause");
    }
}

#[test]
fn informer_03_bookmarks_move_the_version() {
    let server = server_with(1);
    let followed = follow(&server).synced();
    watching(&server, 1);
    let version = server.bookmark(PODS);
    server.put("/api/v1/services", json!({"metadata": {"name": "other", "namespace": "shop"}}));
    let seen_bookmark = || {
        server.end_watches();
        server.seen().iter().any(|seen| seen.verb == Verb::Watch && seen.query["resourceVersion"] == version)
    };
    eventually("the next watch begins at the bookmark", seen_bookmark);
    assert_eq!((followed.informer.store().len(), server.count(Verb::List)), (1, 1));
}

#[test]
fn informer_04_versions_are_opaque() {
    let server = server_with(2);
    let followed = follow(&server).synced();
    watching(&server, 1);
    server.put(PODS, pod("shop", "pod-001", "10.9.9.9"));
    followed.catches_up(&server);
    let seen = server.seen();
    assert_eq!(seen[0].query["resourceVersion"], "0");
    // The fake server's versions are no numbers; it fails on any that it did not hand out.
    assert_eq!(seen[1].query["resourceVersion"], "v102x");
    assert_eq!(seen[1].query["allowWatchBookmarks"], "true");
}

#[test]
fn informer_05_a_watch_that_ends_is_resumed_without_a_list() {
    let server = server_with(2);
    let followed = follow(&server).synced();
    for round in 0..5 {
        watching(&server, round + 1);
        server.put(PODS, pod("shop", &format!("new-{round}"), "10.1.1.1"));
        followed.catches_up(&server);
        server.end_watches();
    }
    assert_eq!(server.count(Verb::List), 1);
    assert!(followed.pace.pauses().is_empty(), "the end of a watch is no failure");
}

#[test]
fn informer_06_failures_are_answered_by_growing_jittered_pauses() {
    let server = server_with(2);
    for _ in 0..3 {
        server.fault(Verb::List, Fault::Status(503, "starting".to_owned(), None));
        server.fault(Verb::List, Fault::Hangup);
    }
    let followed = follow(&server).synced();
    assert!(followed.equals(&server));
    let pauses: Vec<_> = followed.pace.pauses().iter().map(Duration::as_millis).collect();
    assert_eq!(pauses, [1200, 2400, 4800, 9600, 19200, 38400]);
    assert_eq!(server.count(Verb::List), 7);
}

/// Remembers what it was told.
#[derive(Default)]
struct Journal(Mutex<Vec<String>>);

impl Handler<Pod> for Journal {
    fn applied(&self, old: Option<&Arc<Pod>>, new: &Arc<Pod>) {
        let verb = if old.is_some() { "changed" } else { "added" };
        self.0.lock().unwrap().push(format!("{verb} {} {}", new.name, new.ip));
    }
    fn deleted(&self, old: &Arc<Pod>) {
        self.0.lock().unwrap().push(format!("deleted {}", old.name));
    }
}

#[test]
fn informer_07_what_a_relist_misses_was_deleted() {
    let server = server_with(3);
    let followed = follow(&server).synced();
    let journal = Arc::new(Journal::default());
    followed.informer.store().subscribe(journal.clone());
    watching(&server, 1);
    server.delete_unseen(PODS, "shop", "pod-001");
    server.hang_up();
    followed.catches_up(&server);
    eventually("the deletion is told", || {
        let journal = journal.0.lock().unwrap();
        journal[3..] == ["deleted pod-001"]
    });
}

#[test]
fn informer_08_events_that_repeat_or_come_for_unknown_objects_are_applied() {
    let server = server_with(1);
    let followed = follow(&server).synced();
    let journal = Arc::new(Journal::default());
    followed.informer.store().subscribe(journal.clone());
    watching(&server, 1);
    server.event(PODS, "ADDED", pod("shop", "pod-000", "10.0.0.0"));
    server.event(PODS, "ADDED", pod("shop", "pod-000", "10.7.7.7"));
    server.event(PODS, "MODIFIED", pod("shop", "stranger", "10.8.8.8"));
    server.event(PODS, "DELETED", pod("shop", "never-seen", "10.8.8.9"));
    server.event(PODS, "DELETED", pod("shop", "stranger", "10.8.8.8"));
    let wanted =
        ["added pod-000 10.0.0.0", "changed pod-000 10.7.7.7", "added stranger 10.8.8.8", "deleted stranger"];
    eventually("all events are applied", || *journal.0.lock().unwrap() == wanted);
    assert_eq!(server.count(Verb::List), 1);
}

#[test]
fn informer_09_retry_after_is_honoured() {
    let server = server_with(8);
    let busy = include_str!("fixtures/kube/errors/429-too-many-requests.txt");
    server.fault(Verb::List, Fault::Status(429, busy.to_owned(), Some(7)));
    server.fault(Verb::Watch, Fault::Status(429, busy.to_owned(), Some(9)));
    let followed = follow(&server).synced();
    watching(&server, 2);
    assert_eq!(followed.pace.pauses(), [Duration::from_secs(7), Duration::from_secs(9)]);
    assert!(followed.equals(&server));
}

#[test]
fn informer_10_a_renewed_token_is_used_at_once() {
    let server = server_with(2);
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "good").unwrap();
    let client = server.client_with(server.trusted(), Credentials::token_file(&token));
    let followed = follow_with(&client, pods()).synced();
    watching(&server, 1);
    server.put(PODS, pod("shop", "early", "10.0.0.98"));
    followed.catches_up(&server);
    server.set_token("better");
    std::fs::write(&token, "better").unwrap();
    server.end_watches();
    watching(&server, 2);
    server.put(PODS, pod("shop", "late", "10.0.0.99"));
    followed.catches_up(&server);
    assert!(followed.pace.pauses().is_empty() && server.count(Verb::List) == 1);
}

#[test]
fn informer_10_an_expired_token_is_no_busy_loop() {
    let server = server_with(2);
    let client = server.client_with(server.trusted(), Credentials::Token(Secret::new("expired")));
    let followed = follow_with(&client, pods());
    eventually("three tries", || followed.pace.pauses().len() >= 3);
    let SyncState::Failing(why) = followed.informer.store().sync() else { panic!("it cannot have synced") };
    assert!(why.contains("401") && why.contains("not accepted"), "{why}");
    assert!(server.seen().len() <= followed.pace.pauses().len() + 1);
}

#[test]
fn informer_11_a_renewed_authority_is_trusted() {
    let server = server_with(2);
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.crt");
    std::fs::write(&ca, server.ca_pem()).unwrap();
    let tls = ClientTls { ca_file: Some(ca.clone()), ..ClientTls::default() };
    let credentials = Credentials::Token(Secret::new("good"));
    let followed = follow_with(&server.client_with(tls, credentials), pods()).synced();
    watching(&server, 1);
    let renewed = server.renew_certificate();
    eventually("the new certificate is refused", || !followed.pace.pauses().is_empty());
    std::fs::write(folder.path().join("next"), renewed).unwrap();
    std::fs::rename(folder.path().join("next"), &ca).unwrap();
    server.put(PODS, pod("shop", "late", "10.0.0.99"));
    followed.catches_up(&server);
    assert_eq!(server.count(Verb::List), 1);
}

#[test]
fn informer_12_a_stream_cut_inside_an_event_loses_nothing() {
    let server = server_with(2);
    server.fault(Verb::Watch, Fault::CutAfter(40));
    let followed = follow(&server).synced();
    watching(&server, 1);
    server.put(PODS, pod("shop", "late", "10.0.0.99"));
    followed.catches_up(&server);
    assert_eq!((server.count(Verb::List), server.count(Verb::Watch)), (1, 2));
}

#[test]
fn informer_12_a_silent_connection_is_renewed() {
    let server = server_with(2);
    server.fault(Verb::Watch, Fault::Stall);
    let followed = follow(&server).synced();
    watching(&server, 2);
    server.put(PODS, pod("shop", "late", "10.0.0.99"));
    followed.catches_up(&server);
    assert_eq!(server.count(Verb::List), 1);
}

#[test]
fn informer_12_a_list_cut_in_the_middle_is_made_again() {
    let server = server_with(4);
    server.fault(Verb::List, Fault::CutAfter(700));
    let followed = follow(&server).synced();
    assert!(followed.equals(&server));
    assert_eq!(server.count(Verb::List), 2);
}

#[test]
fn informer_13_an_object_of_megabytes_is_no_problem() {
    let server = server_with(1);
    let followed = follow(&server).synced();
    watching(&server, 1);
    let mut large = pod("shop", "large", "10.0.0.77");
    large["metadata"]["annotations"] = json!({"blob": "x".repeat(3 << 20)});
    server.put(PODS, large);
    followed.catches_up(&server);
    assert_eq!(server.count(Verb::List), 1);
}

#[test]
fn informer_14_a_resource_that_is_no_longer_served_empties_the_store() {
    let server = server_with(2);
    let followed = follow(&server).synced();
    watching(&server, 1);
    server.put(PODS, pod("shop", "early", "10.0.0.98"));
    followed.catches_up(&server);
    let missing = "404 page not found".to_owned();
    server.fault(Verb::Watch, Fault::Status(404, missing.clone(), None));
    server.fault(Verb::List, Fault::Status(404, missing, None));
    let journal = Arc::new(Journal::default());
    followed.informer.store().subscribe(journal.clone());
    server.end_watches();
    eventually("the deletions are told", || journal.0.lock().unwrap().len() >= 6);
    followed.catches_up(&server);
    assert!(followed.pace.pauses()[0] >= Duration::from_secs(30), "asking often would not help");
}

#[test]
fn informer_15_a_missing_right_is_named_and_does_not_spin() {
    let server = server_with(2);
    let forbidden = include_str!("fixtures/kube/errors/403-pods-all-namespaces.json");
    for _ in 0..3 {
        server.fault(Verb::List, Fault::Status(403, forbidden.to_owned(), None));
    }
    let followed = follow(&server);
    let state = followed.informer.store().wait_for_sync(Duration::from_secs(10), &Stop::never());
    let SyncState::Refused(why) = state else { panic!("it must fail first: {state:?}") };
    for part in [
        "not allowed to list pods in all namespaces",
        r#"apiGroups: [""]"#,
        r#"resources: ["pods"]"#,
        "ClusterRole",
    ] {
        assert!(why.contains(part), "{why}");
    }
    followed.catches_up(&server);
    let followed = followed.synced();
    let pauses = followed.pace.pauses();
    assert!(pauses.len() == 3 && pauses.iter().all(|pause| *pause >= Duration::from_secs(30)), "{pauses:?}");
}

/// Pauses as [`FastPace`] does, by a clock that goes right.
struct RightClock(Arc<FastPace>);

impl Pace for RightClock {
    fn now(&self) -> Instant {
        Instant::now()
    }
    fn pause(&self, duration: Duration, stop: &Stop) -> bool {
        self.0.pause(duration, stop)
    }
    fn random(&self) -> f64 {
        self.0.random()
    }
}

#[test]
fn a_watch_that_ends_at_once_without_an_event_is_a_failure() {
    let server = server_with(1);
    for _ in 0..4 {
        server.fault(Verb::Watch, Fault::End);
    }
    let pace = FastPace::new();
    let clock = Arc::new(RightClock(pace.clone()));
    let needs = PodNeeds::default();
    let _informer =
        Informer::<Pod>::start(&server.client(), pods(), &needs, settings(), timeouts(), clock).unwrap();
    watching(&server, 5);
    let pauses: Vec<_> = pace.pauses().iter().map(Duration::as_millis).collect();
    assert_eq!(pauses, [1200, 2400, 4800, 9600]);
    assert_eq!(server.count(Verb::List), 1);
}

/// Threads of this process whose name is exactly `name`.
fn threads(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks
        .filter(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(|c| c.trim() == name))
        .count()
}

#[test]
fn informer_16_stopped_in_the_middle_of_anything_it_ends_within_a_second() {
    for verb in [Verb::List, Verb::Watch] {
        let server = FakeKube::start();
        server.fault(verb, Fault::Stall);
        let plural = if verb == Verb::List { "stoplists" } else { "stopwatchs" };
        let query = Query::all(Resource::new("", "v1", plural));
        let long = Timeouts { idle: Duration::from_mins(1), ..Timeouts::default() };
        let informer = Informer::<Entity>::start(
            &server.client(),
            query,
            &EntityNeeds::default(),
            settings(),
            long,
            FastPace::new(),
        )
        .unwrap();
        let name = format!("kube/{plural}");
        eventually("the request is under way", || server.count(verb) == 1);
        assert_eq!(threads(&name), 1);
        let began = Instant::now();
        drop(informer);
        eventually("the thread is gone", || threads(&name) == 0);
        assert!(began.elapsed() < Duration::from_secs(1), "it took {:?}", began.elapsed());
    }
}

#[test]
fn one_watch_serves_all_who_want_the_same_and_a_wider_need_lists_again() {
    let server = server_with(2);
    let client = server.client();
    let mut needs = PodNeeds::default();
    let first = Informer::<Pod>::shared(&client, &pods(), &needs).unwrap();
    first.store().wait_for_sync(Duration::from_secs(10), &Stop::never());
    let second = Informer::<Pod>::shared(&server.client(), &pods(), &needs).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    watching(&server, 1);
    assert_eq!(server.count(Verb::List), 1);
    needs.labels.add("app");
    let third = Informer::<Pod>::shared(&client, &pods(), &needs).unwrap();
    assert!(Arc::ptr_eq(&first, &third));
    eventually("the labels are there", || {
        third.store().get("shop", "pod-001").is_some_and(|pod| !pod.labels.is_empty())
    });
    let elsewhere = pods().in_namespace(Some("shop".to_owned()));
    let fourth = Informer::<Pod>::shared(&client, &elsewhere, &needs).unwrap();
    assert!(!Arc::ptr_eq(&first, &fourth));
}

#[test]
fn recorded_watch_of_a_real_server_is_followed() {
    let server = FakeKube::start();
    let lines = include_str!("fixtures/kube/watch/pods-node-a-initial-events.jsonl");
    let mut wanted = BTreeMap::new();
    for line in lines.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let object = event["object"].clone();
        let text = |at: &str| object.pointer(at).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        let key = (text("/metadata/namespace"), text("/metadata/name"));
        match event["type"].as_str().unwrap() {
            "ADDED" | "MODIFIED" => {
                wanted.insert(key, text("/status/podIP"));
                server.put(PODS, object);
            }
            "DELETED" => {
                wanted.remove(&key);
                server.delete(PODS, &key.0, &key.1);
            }
            _ => {
                server.bookmark(PODS);
            }
        }
    }
    let followed = follow_with(&server.client(), pods().fields("spec.nodeName=node-a")).synced();
    assert_eq!(followed.content(), wanted);
    assert!(wanted.len() > 10);
}

/// A small generator of chance with a seed, so that a failure can be repeated.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn chaos_ends_with_the_servers_state_and_without_a_storm() {
    for seed in 1..=4 {
        let mut chance = Chance(seed);
        let server = server_with(20);
        let followed = follow(&server).synced();
        let mut faults = 0;
        for step in 0..300 {
            let name = format!("pod-{:03}", chance.below(40));
            match chance.below(12) {
                0..=5 => server.put(PODS, pod("shop", &name, &format!("10.{seed}.0.{}", step % 250))),
                6..=8 => server.delete(PODS, "shop", &name),
                9 => server.end_watches(),
                10 => {
                    faults += 1;
                    server.hang_up();
                }
                _ => {
                    faults += 1;
                    let verb = if chance.below(2) == 0 { Verb::List } else { Verb::Watch };
                    let fault = match chance.below(7) {
                        0 => Fault::Status(503, String::new(), None),
                        1 => Fault::Status(429, "busy".to_owned(), Some(1)),
                        2 => Fault::CutAfter(100 + chance.below(2000) as usize),
                        3 => Fault::Hangup,
                        4 if verb == Verb::Watch => Fault::Line(GONE.to_owned()),
                        5 if verb == Verb::Watch => Fault::Line("{\"type\":\"ADDED\",\"obj".to_owned()),
                        6 => {
                            server.compact();
                            Fault::Slow
                        }
                        _ => Fault::Status(500, String::new(), None),
                    };
                    server.fault(verb, fault);
                }
            }
            if step % 10 == 0 {
                std::thread::sleep(Duration::from_millis(chance.below(8)));
            }
        }
        // Faults that nothing has met yet would only delay the end.
        server.end_watches();
        followed.catches_up(&server);
        let (lists, watches) = (server.count(Verb::List), server.count(Verb::Watch));
        // A list of forty pods has up to eight pages.
        assert!(lists <= 8 * (faults + 2), "seed {seed}: {lists} lists after {faults} faults");
        assert!(watches <= faults + 50, "seed {seed}: {watches} watches after {faults} faults");
    }
}

#[test]
fn every_fault_by_itself_costs_no_object_few_requests_and_no_thread() {
    const PATH: &str = "/api/v1/faultypods";
    let faults = [
        (Verb::List, Fault::Status(429, "busy".to_owned(), Some(1))),
        (Verb::List, Fault::Status(500, String::new(), None)),
        (Verb::List, Fault::Status(401, String::new(), None)),
        (Verb::List, Fault::CutAfter(700)),
        (Verb::List, Fault::Stall),
        (Verb::List, Fault::Hangup),
        (Verb::List, Fault::Slow),
        (Verb::Watch, Fault::Status(429, "busy".to_owned(), Some(1))),
        (Verb::Watch, Fault::Status(410, String::new(), None)),
        (Verb::Watch, Fault::Status(504, String::new(), None)),
        (Verb::Watch, Fault::CutAfter(300)),
        (Verb::Watch, Fault::Stall),
        (Verb::Watch, Fault::Hangup),
        (Verb::Watch, Fault::End),
        (Verb::Watch, Fault::Line(GONE.to_owned())),
        (Verb::Watch, Fault::Line("{\"type\":\"ADDED\",\"obj".to_owned())),
        (Verb::Watch, Fault::Slow),
    ];
    for (verb, fault) in faults {
        let server = FakeKube::start();
        for n in 0..12 {
            server.put(PATH, pod("shop", &format!("pod-{n}"), &format!("10.0.0.{n}")));
        }
        server.fault(verb, fault.clone());
        let followed = follow_with(&server.client(), Query::all(Resource::new("", "v1", "faultypods")));
        eventually("a watch is under way", || server.count(Verb::Watch) >= 1);
        server.put(PATH, pod("shop", "pod-new", "10.0.1.1"));
        server.delete(PATH, "shop", "pod-3");
        let wanted: BTreeMap<_, _> = server
            .objects(PATH)
            .into_iter()
            .map(|(key, object)| (key, object["status"]["podIP"].as_str().unwrap().to_owned()))
            .collect();
        eventually(&format!("the store equals the server after {verb:?} {fault:?}"), || {
            followed.content() == wanted
        });
        // Twelve pods are three pages; a list is made twice, or three times where a page was cut.
        let (lists, watches) = (server.count(Verb::List), server.count(Verb::Watch));
        assert!(lists <= 9 && watches <= 5, "{verb:?} {fault:?}: {lists} lists, {watches} watches");
        drop(followed);
        eventually("the thread is gone", || threads("kube/faultypods") == 0);
    }
}
