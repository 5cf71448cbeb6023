use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded, unbounded};

use super::*;
use crate::component::{Context, ExportError, Exporter, NoHost};
use crate::config::{Decoder, Node, from_yaml};
use crate::otlp::AnyValue;
use crate::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use crate::pipeline::{Ack, Batch, Data, Lane, Outcome, Rejected, Signal, Stop, StopSource};
use crate::telemetry::{ComponentState, StatusBoard, Telemetry};

type Attempt = dyn Fn(&Batch, &Stop) -> Result<(), ExportError> + Send + Sync;

/// An exporter that does what a test says.
struct Scripted(Box<Attempt>);

impl Exporter for Scripted {
    fn export(&self, batch: &Batch, stop: &Stop) -> Result<(), ExportError> {
        (self.0)(batch, stop)
    }
    fn sends_encoded(&self) -> bool {
        true
    }
}

/// Time passes only in waits, which return at once; chance is always in the middle.
#[derive(Default)]
struct TestClock {
    state: Mutex<(Option<Instant>, Vec<Duration>)>,
}

impl TestClock {
    fn waits(&self) -> Vec<f64> {
        self.state.lock().unwrap().1.iter().map(Duration::as_secs_f64).collect()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        *self.state.lock().unwrap().0.get_or_insert_with(Instant::now)
    }
    fn wait(&self, duration: Duration, _: &[&Stop]) -> bool {
        let now = self.now();
        let mut state = self.state.lock().unwrap();
        state.0 = Some(now + duration);
        state.1.push(duration);
        false
    }
    fn random(&self) -> f64 {
        0.5
    }
}

struct Bench {
    running: RunningExporter,
    telemetry: Telemetry,
    board: StatusBoard,
    abort: StopSource,
    clock: Arc<TestClock>,
}

fn bench_on(yaml: &str, real_time: bool, attempt: Box<Attempt>) -> Bench {
    #[derive(serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Config {
        retry_on_failure: RetryOnFailure,
        sending_queue: Option<SendingQueue>,
    }
    impl Default for Config {
        fn default() -> Self {
            Self { retry_on_failure: RetryOnFailure::default(), sending_queue: Some(SendingQueue::default()) }
        }
    }
    let config: Config = from_yaml(yaml).unwrap();
    let settings = Sending { retry_on_failure: config.retry_on_failure, sending_queue: config.sending_queue };
    let (abort, board, telemetry) = (StopSource::new(), StatusBoard::default(), Telemetry::new());
    let context = Context {
        id: "test".parse().unwrap(),
        pipeline: None,
        telemetry: telemetry.clone(),
        status: board.handle("exporter:test"),
        abort: abort.stop(),
        host: Arc::new(NoHost),
    };
    let clock = Arc::new(TestClock::default());
    let time: Arc<dyn Clock> = if real_time { Arc::new(SystemClock) } else { clock.clone() };
    let running = start_with(&settings, Arc::new(Scripted(attempt)), &context, Signal::Logs, time).unwrap();
    Bench { running, telemetry, board, abort, clock }
}

/// Time passes by itself only for the queue; see [`TestClock`].
fn bench(
    yaml: &str,
    attempt: impl Fn(&Batch, &Stop) -> Result<(), ExportError> + Send + Sync + 'static,
) -> Bench {
    bench_on(yaml, false, Box::new(attempt))
}

impl Bench {
    fn send(&self, batch: Batch) {
        self.running.consumer().consume(batch).unwrap();
    }

    fn total(&self, name: &str) -> u64 {
        self.telemetry.total(&format!("otelcol_exporter_{name}"))
    }

    fn finish(&self) -> usize {
        self.running.wait(Instant::now() + Duration::from_secs(10)).items
    }
}

fn data(numbers: impl IntoIterator<Item = u64>) -> Data {
    let record = |number| LogRecord { time_unix_nano: number, ..LogRecord::default() };
    let log_records = numbers.into_iter().map(record).collect();
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    Data::Logs(vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }])
}

fn numbers(batch: &Batch) -> Vec<u64> {
    let Data::Logs(all) = batch.data() else { unreachable!() };
    let records = all.iter().flat_map(|r| &r.scope_logs).flat_map(|s| &s.log_records);
    records.map(|record| record.time_unix_nano).collect()
}

fn batch(numbers: impl IntoIterator<Item = u64>) -> (Batch, Receiver<Outcome>) {
    let (sender, outcomes) = unbounded();
    let ack = Ack::new(move |outcome| {
        let _ = sender.send(outcome);
    });
    (Batch::new(data(numbers), ack), outcomes)
}

fn outcome(outcomes: &Receiver<Outcome>) -> Outcome {
    outcomes.recv_timeout(Duration::from_secs(10)).expect("the source hears of its batch")
}

fn retry(after: Option<u64>) -> Result<(), ExportError> {
    Err(ExportError::Retry { message: "down".into(), after: after.map(Duration::from_secs) })
}

/// Numbers the calls: 0, 1, 2 …
fn counter() -> impl Fn() -> usize + Send + Sync {
    let calls = AtomicUsize::new(0);
    move || calls.fetch_add(1, Ordering::SeqCst)
}

#[test]
fn what_waits_for_an_exporter_of_encoded_requests_is_held_encoded() {
    let (seen, attempts) = unbounded();
    let bench = bench("{}", move |batch, _| {
        let encoded: Option<Vec<u8>> = batch.encoded().map(|pieces| pieces.flatten().copied().collect());
        seen.send((encoded, numbers(batch))).unwrap();
        Ok(())
    });
    let (batch, outcomes) = batch(0..5);
    let mut request = Vec::new();
    batch.encode(&mut request);
    bench.send(batch.clone());
    assert_eq!(attempts.recv().unwrap(), (Some(request), vec![0, 1, 2, 3, 4]));
    assert!(batch.encoded().is_none(), "the other holder sees it as it was");
    drop(batch);
    assert_eq!(outcome(&outcomes), Outcome::Delivered);
}

#[test]
fn waits_grow_and_a_backend_that_asks_for_more_gets_more() {
    let call = counter();
    let bench = bench("{}", move |_, _| match call() {
        0 | 2 => retry(None),
        1 => retry(Some(20)),
        _ => Ok(()),
    });
    let (one, outcomes) = batch([1]);
    bench.send(one);
    assert_eq!(outcome(&outcomes), Outcome::Delivered);
    assert_eq!(bench.clock.waits(), [5.0, 20.0, 11.25]);
    assert_eq!((bench.total("sent_log_records"), bench.total("send_failed_log_records")), (1, 0));
}

#[test]
fn after_max_elapsed_time_a_batch_is_refused_so_that_its_source_may_send_it_again() {
    let bench = bench("retry_on_failure: {max_elapsed_time: 60s}", |_, _| retry(None));
    let (one, outcomes) = batch([1, 2]);
    bench.send(one);
    assert_eq!(outcome(&outcomes), Outcome::Refused);
    // The next wait, 25.3 s, would end after 60 s.
    assert_eq!(bench.clock.waits(), [5.0, 7.5, 11.25, 16.875]);
    assert_eq!(bench.total("send_failed_log_records"), 2);
}

#[test]
fn what_will_never_work_is_tried_once_and_dropped() {
    let tried = Arc::new(AtomicUsize::new(0));
    let calls = tried.clone();
    let bench = bench("{}", move |_, _| {
        calls.fetch_add(1, Ordering::SeqCst);
        Err(ExportError::Permanent { message: "bad key".into() })
    });
    let (one, outcomes) = batch([1]);
    bench.send(one);
    assert_eq!(outcome(&outcomes), Outcome::Dropped);
    assert_eq!(tried.load(Ordering::SeqCst), 1);
    assert_eq!(bench.total("send_failed_log_records"), 1);
    let entry = bench.board.components()["exporter:test"].clone();
    assert_eq!((entry.state, entry.detail.as_str()), (ComponentState::Degraded, "bad key"));
}

#[test]
fn without_retry_there_is_one_attempt() {
    let bench = bench("retry_on_failure: {enabled: false}", |_, _| retry(None));
    let (one, outcomes) = batch([1]);
    bench.send(one);
    assert_eq!(outcome(&outcomes), Outcome::Refused);
    assert!(bench.clock.waits().is_empty());
}

#[test]
fn a_batch_too_large_is_halved_down_to_the_one_item_that_does_not_fit() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let bench = bench("{}", move |batch, _| {
        let numbers = numbers(batch);
        if numbers.len() > 3 || numbers.contains(&7) {
            return Err(ExportError::TooLarge { message: "413".into() });
        }
        log.lock().unwrap().extend(numbers);
        Ok(())
    });
    let (one, outcomes) = batch(0..20);
    bench.send(one);
    assert_eq!(outcome(&outcomes), Outcome::Dropped);
    let want: Vec<u64> = (0..20).filter(|number| *number != 7).collect();
    assert_eq!(*seen.lock().unwrap(), want);
    assert_eq!((bench.total("sent_log_records"), bench.total("send_failed_log_records")), (19, 1));
    assert_eq!(bench.finish(), 0);
    assert!(outcomes.is_empty(), "settled twice");
}

#[test]
fn lanes_keep_their_order_with_ten_consumers_and_do_not_wait_for_each_other() {
    let delivered = Arc::new(Mutex::new(Vec::new()));
    let (log, busy, most) = (delivered.clone(), AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let peak = most.clone();
    let bench = bench("{}", move |batch, _| {
        peak.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let number = numbers(batch)[0];
        // The earlier batches of a lane take the longest.
        std::thread::sleep(Duration::from_micros(2000 - (number % 50) * 40));
        log.lock().unwrap().push((batch.lane, number));
        busy.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    });
    for number in 0..50 {
        for lane in 0..4 {
            bench.send(batch([number]).0.in_lane(Some(Lane(lane))));
        }
    }
    assert_eq!(bench.finish(), 0);
    let delivered = delivered.lock().unwrap();
    for lane in 0..4 {
        let order: Vec<u64> =
            delivered.iter().filter(|(l, _)| *l == Some(Lane(lane))).map(|(_, number)| *number).collect();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }
    assert_eq!(most.load(Ordering::SeqCst), 4, "as many at a time as there are lanes");
}

#[test]
fn num_consumers_bounds_what_is_under_way() {
    let (busy, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let peak = most.clone();
    let bench = bench("sending_queue: {num_consumers: 3}", move |_, _| {
        peak.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(2));
        busy.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    });
    (0..30).for_each(|number| bench.send(batch([number]).0));
    assert_eq!(bench.finish(), 0);
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[test]
fn batches_that_come_one_after_another_need_one_thread() {
    let threads = Arc::new(Mutex::new(HashSet::new()));
    let log = threads.clone();
    let bench = bench("{}", move |_, _| {
        let thread = std::thread::current();
        log.lock().unwrap().insert((thread.id(), thread.name().map(str::to_owned)));
        Ok(())
    });
    for number in 0..20 {
        let (one, outcomes) = batch([number]);
        bench.send(one);
        outcome(&outcomes);
        // The consumer is back at the queue when the batch no longer counts.
        while bench.total("queue_size") > 0 {
            std::thread::yield_now();
        }
    }
    let threads = threads.lock().unwrap();
    assert!(threads.len() <= 2, "{threads:?}");
    assert!(threads.iter().all(|(_, name)| name.as_deref() == Some("test (logs)")));
}

/// An exporter that waits in every attempt until the test lets it go on.
fn gated(yaml: &str) -> (Bench, crossbeam_channel::Sender<()>) {
    let (gate, pass) = bounded(0);
    let bench = bench_on(
        yaml,
        true,
        Box::new(move |_, _| {
            let _ = pass.recv();
            Ok(())
        }),
    );
    (bench, gate)
}

#[test]
fn core_a_full_queue_makes_the_source_wait_and_loses_nothing() {
    let (bench, gate) = gated("sending_queue: {queue_size: 10, sizer: items, num_consumers: 1}");
    let consumer = bench.running.consumer();
    bench.send(batch(0..6).0);
    let full = consumer.try_consume(batch(6..12).0);
    assert!(matches!(full, Err(Rejected::Full(_))), "{full:?}");
    assert_eq!(bench.total("enqueue_failed_log_records"), 6);
    assert_eq!((bench.total("queue_size"), bench.total("queue_capacity")), (6, 10));
    let Err(Rejected::Full(back)) = full else { unreachable!() };
    let waiting = std::thread::spawn(move || consumer.consume(back));
    gate.send(()).unwrap();
    waiting.join().unwrap().unwrap();
    gate.send(()).unwrap();
    assert_eq!(bench.finish(), 0);
    assert_eq!(bench.total("sent_log_records"), 12);
}

#[test]
fn memory_stays_bounded_whatever_the_sizer() {
    let (bench, _gate) = gated("sending_queue: {num_consumers: 1}");
    let large = || {
        let body = Some(AnyValue::from("x".repeat(6 << 20)));
        let log_records = vec![LogRecord { body, ..LogRecord::default() }];
        let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
        Batch::new(Data::Logs(vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }]), Ack::none())
    };
    let taken = (0..10).take_while(|_| bench.running.consumer().try_consume(large()).is_ok()).count();
    assert_eq!(taken, 3, "three of 6 MiB fit into 20 MiB");
}

#[test]
fn a_batch_larger_than_the_queue_passes_when_it_is_alone() {
    let bench = bench("sending_queue: {queue_size: 5, sizer: items}", |_, _| Ok(()));
    let (one, outcomes) = batch(0..50);
    bench.send(one);
    assert_eq!(outcome(&outcomes), Outcome::Delivered);
}

#[test]
fn abort_ends_every_wait_at_once_and_says_what_is_left() {
    let bench = bench_on(
        "sending_queue: {queue_size: 2, num_consumers: 1}\nretry_on_failure: {initial_interval: 100s, max_interval: 100s}",
        true,
        Box::new(|_, _| retry(Some(100))),
    );
    let ((first, first_outcome), (second, second_outcome)) = (batch([1]), batch([2, 3]));
    bench.send(first);
    bench.send(second);
    let consumer = bench.running.consumer();
    let blocked = std::thread::spawn(move || consumer.consume(batch([4]).0));
    while bench.board.components()["exporter:test"].state != ComponentState::Degraded {
        std::thread::yield_now();
    }
    let start = Instant::now();
    bench.abort.raise();
    assert_eq!([outcome(&first_outcome), outcome(&second_outcome)], [Outcome::Refused; 2]);
    assert_eq!(bench.running.wait(Instant::now() + Duration::from_mins(1)).items, 3);
    assert!(matches!(blocked.join().unwrap(), Err(Rejected::Stopped(_))));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(bench.total("send_failed_log_records"), 3);
}

#[test]
fn at_its_deadline_an_exporter_leaves_even_an_attempt_that_hangs() {
    let (bench, _gate) = gated("sending_queue: {num_consumers: 1}");
    bench.send(batch([1]).0);
    bench.send(batch([2, 3]).0);
    let start = Instant::now();
    assert_eq!(bench.running.wait(Instant::now() + Duration::from_millis(100)).items, 3);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[test]
fn closing_tries_at_once_what_waits_for_its_next_attempt() {
    let call = counter();
    let (tried, first_attempt) = bounded(1);
    let bench = bench_on(
        "retry_on_failure: {initial_interval: 100s, max_interval: 100s}",
        true,
        Box::new(move |_, _| {
            if call() == 0 {
                tried.send(()).unwrap();
                return retry(None);
            }
            Ok(())
        }),
    );
    let (one, outcomes) = batch([1]);
    bench.send(one);
    first_attempt.recv().unwrap();
    assert_eq!(bench.finish(), 0);
    assert_eq!(outcome(&outcomes), Outcome::Delivered);
    let late = bench.running.consumer().consume(batch([2]).0);
    assert!(matches!(late, Err(Rejected::Stopped(_))));
}

#[test]
fn a_panic_in_the_exporter_costs_one_batch() {
    let call = counter();
    let bench = bench("sending_queue: {num_consumers: 1}", move |_, _| {
        if call() == 0 {
            std::panic::resume_unwind(Box::new("deliberate"));
        }
        Ok(())
    });
    let ((first, first_outcome), (second, second_outcome)) = (batch([1]), batch([2]));
    bench.send(first);
    bench.send(second);
    assert_eq!(outcome(&first_outcome), Outcome::Dropped);
    assert_eq!(outcome(&second_outcome), Outcome::Delivered);
    assert_eq!(bench.finish(), 0);
    assert!(bench.board.components()["exporter:test"].state == ComponentState::Running);
    assert_eq!((bench.total("in_flight_requests"), bench.total("queue_size")), (0, 0));
}

#[test]
fn every_source_hears_exactly_once_whatever_happens() {
    let call = counter();
    let bench = bench("sending_queue: {queue_size: 20}", move |batch, _| match call() % 5 {
        0 => retry(None),
        1 => Err(ExportError::Permanent { message: "no".into() }),
        2 if batch.items() > 1 => Err(ExportError::TooLarge { message: "413".into() }),
        _ => Ok(()),
    });
    let sources: Vec<_> = (0..300_u64)
        .map(|number| {
            let (one, outcomes) = batch(0..number % 7);
            bench.send(one.in_lane((number % 3 == 0).then_some(Lane(number % 6))));
            outcomes
        })
        .collect();
    assert_eq!(bench.finish(), 0);
    for outcomes in sources {
        assert_eq!(outcomes.iter().count(), 1);
    }
    let items: u64 = (0..300).map(|number| number % 7).sum();
    assert_eq!(bench.total("sent_log_records") + bench.total("send_failed_log_records"), items);
}

#[test]
fn small_batches_are_merged_and_large_ones_split() {
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let log = sizes.clone();
    let yaml = "sending_queue: {num_consumers: 1, batch: {min_size: 10, max_size: 10, flush_timeout: 1h}}";
    let bench = bench(yaml, move |batch, _| {
        log.lock().unwrap().push(numbers(batch));
        Ok(())
    });
    let sources: Vec<_> = [0..4, 4..8, 8..33, 33..36]
        .into_iter()
        .map(|range| {
            let (one, outcomes) = batch(range);
            bench.send(one.in_lane(Some(Lane(1))));
            outcomes
        })
        .collect();
    for outcomes in &sources[..3] {
        assert_eq!(outcome(outcomes), Outcome::Delivered);
    }
    assert!(sources[3].is_empty(), "waits for company");
    assert_eq!(bench.finish(), 0);
    assert_eq!(outcome(&sources[3]), Outcome::Delivered);
    let sizes = sizes.lock().unwrap();
    assert_eq!(sizes.concat(), (0..36).collect::<Vec<_>>());
    assert!(sizes.iter().all(|part| part.len() <= 10), "{sizes:?}");
}

#[test]
fn a_small_batch_waits_no_longer_than_the_flush_timeout() {
    let bench = bench("sending_queue: {batch: {flush_timeout: 20ms}}", |_, _| Ok(()));
    let start = Instant::now();
    let (one, outcomes) = batch([1]);
    bench.send(one);
    assert_eq!(outcome(&outcomes), Outcome::Delivered);
    assert!(start.elapsed() >= Duration::from_millis(20));
}

#[test]
fn a_pipeline_can_wait_for_the_result() {
    let done = Arc::new(AtomicUsize::new(0));
    let count = done.clone();
    let bench = bench("sending_queue: {wait_for_result: true}", move |_, _| {
        std::thread::sleep(Duration::from_millis(20));
        count.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    bench.send(batch([1]).0);
    assert_eq!(done.load(Ordering::SeqCst), 1);
}

#[test]
fn without_a_queue_the_pipeline_exports_with_retries() {
    let call = counter();
    let bench =
        bench("sending_queue: {enabled: false}", move |_, _| if call() == 0 { retry(None) } else { Ok(()) });
    let (one, outcomes) = batch([1]);
    bench.send(one);
    assert_eq!(outcomes.try_recv(), Ok(Outcome::Delivered));
    assert_eq!(bench.finish(), 0);
    assert!(matches!(bench.running.consumer().consume(batch([2]).0), Err(Rejected::Stopped(_))));
}

#[test]
fn an_outage_shows_on_the_status_board_until_it_is_over() {
    let call = counter();
    let (ask, asked) = bounded(0);
    let (answer, answered) = bounded(0);
    let bench = bench("{}", move |_, _| {
        if call() == 0 {
            return retry(None);
        }
        ask.send(()).unwrap();
        answered.recv().unwrap();
        Ok(())
    });
    let (one, outcomes) = batch([1]);
    bench.send(one);
    asked.recv().unwrap();
    let entry = bench.board.components()["exporter:test"].clone();
    assert_eq!((entry.state, entry.detail.as_str()), (ComponentState::Degraded, "down"));
    answer.send(()).unwrap();
    outcome(&outcomes);
    assert_eq!(bench.board.components()["exporter:test"].state, ComponentState::Running);
}

#[test]
fn settings_that_cannot_work_are_refused_with_their_place() {
    let issues = |retry: &str, queue: &str| {
        let sending = Sending {
            retry_on_failure: from_yaml(retry).unwrap(),
            sending_queue: Some(from_yaml(queue).unwrap()),
        };
        let node: Node = from_yaml("{}").unwrap();
        let mut decoder = Decoder::new(&node);
        sending.validate(&mut decoder.issues());
        decoder.into_found().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(issues("{}", "{}").is_empty());
    for (retry, queue, want) in [
        ("{randomization_factor: 1.5}", "{}", "retry_on_failure::randomization_factor"),
        ("{multiplier: -1}", "{}", "retry_on_failure::multiplier"),
        ("{max_elapsed_time: 1s}", "{}", "retry_on_failure::max_elapsed_time"),
        ("{}", "{num_consumers: 0}", "sending_queue::num_consumers"),
        ("{}", "{queue_size: 0}", "sending_queue::queue_size"),
        ("{}", "{wait_for_result: true, storage: file_storage}", "sending_queue::wait_for_result"),
        ("{}", "{batch: {flush_timeout: 0}}", "sending_queue::batch::flush_timeout"),
        ("{}", "{batch: {max_size: 5}}", "sending_queue::batch::max_size"),
        ("{}", "{batch: {sizer: requests}}", "sending_queue::batch::sizer"),
        ("{}", "{sizer: items, batch: {}}", "sending_queue::batch::min_size"),
    ] {
        let found = issues(retry, queue);
        assert!(found.iter().any(|issue| issue.contains(want)), "{retry} {queue}: {found:?}");
    }
    assert!(issues("{enabled: false, multiplier: -1}", "{enabled: false, queue_size: 0}").is_empty());
    assert!(issues("{max_elapsed_time: 0}", "{batch: {enabled: false, max_size: 1}}").is_empty());
}
