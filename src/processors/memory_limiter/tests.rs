use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::pipeline::{Data, StopSource};
use crate::processors::testing::{issues, logs, watched};
use crate::telemetry::Telemetry;

const LIMITS: Limits = Limits { hard: 100, soft: 80 };

fn limiter(measure: fn() -> Option<u64>, abort: Stop, telemetry: &Telemetry) -> MemoryLimiter {
    MemoryLimiter {
        checker: Arc::new(Checker::new(LIMITS, Duration::from_secs(60), measure)),
        abort,
        patience: Duration::from_secs(60),
        accepted: telemetry.counter("accepted", &[]),
        refused: telemetry.counter("refused", &[]),
    }
}

fn batch() -> Batch {
    Batch::new(Data::Logs(vec![logs(&[], &["a", "b"])]), crate::pipeline::Ack::none())
}

#[test]
fn a_batch_waits_above_the_soft_limit_and_passes_when_memory_is_free_again() {
    static USED: AtomicU64 = AtomicU64::new(81);
    let telemetry = Telemetry::new();
    let mut limiter = limiter(|| Some(USED.load(Ordering::SeqCst)), Stop::never(), &telemetry);
    let (sender, passed) = crossbeam_channel::bounded(1);
    let thread = std::thread::spawn(move || {
        limiter.process(batch(), &mut |batch: Batch| sender.send(batch.items()).unwrap());
    });
    assert!(passed.recv_timeout(Duration::from_millis(200)).is_err());
    USED.store(80, Ordering::SeqCst);
    assert_eq!(passed.recv_timeout(Duration::from_secs(30)), Ok(2));
    thread.join().unwrap();
    assert_eq!((telemetry.total("accepted"), telemetry.total("refused")), (2, 0));
}

#[test]
fn a_batch_that_waits_at_the_deadline_of_the_shutdown_is_refused_not_lost() {
    let (telemetry, stop) = (Telemetry::new(), StopSource::new());
    stop.raise();
    let (ack, outcomes) = watched();
    let mut waiting = batch();
    waiting.ack = ack;
    limiter(|| Some(1000), stop.stop(), &telemetry).process(waiting, &mut |_| panic!("must not pass"));
    assert_eq!(outcomes.try_recv(), Ok(Outcome::Refused));
    assert_eq!(telemetry.total("refused"), 2);
}

#[test]
fn later_processors_get_their_turn_even_when_memory_stays_high() {
    let telemetry = Telemetry::new();
    let mut limiter = limiter(|| Some(1000), Stop::never(), &telemetry);
    limiter.patience = Duration::ZERO;
    let mut passed = 0;
    limiter.process(batch(), &mut |batch: Batch| passed += batch.items());
    assert_eq!(passed, 2);
}

#[test]
fn memory_is_measured_once_per_interval_below_the_limit_and_often_above_it() {
    static MEASURED: AtomicU64 = AtomicU64::new(0);
    static USED: AtomicU64 = AtomicU64::new(0);
    let checker = Checker::new(LIMITS, Duration::from_secs(1), || {
        MEASURED.fetch_add(1, Ordering::SeqCst);
        Some(USED.load(Ordering::SeqCst))
    });
    let start = Instant::now();
    let at = |millis| checker.is_above(start + Duration::from_millis(millis));
    assert!(!at(0) && !at(500));
    USED.store(90, Ordering::SeqCst);
    assert!(!at(999) && at(1000) && at(1050));
    assert_eq!(MEASURED.load(Ordering::SeqCst), 2);
    USED.store(0, Ordering::SeqCst);
    assert!(!at(1100));
}

#[test]
fn limits_come_from_mebibytes_or_percentages() {
    let limits =
        |yaml: &str| crate::config::from_yaml::<MemoryLimiterConfig>(yaml).unwrap().limits().unwrap();
    let mib = |hard: u64, soft: u64| Limits { hard: hard << 20, soft: soft << 20 };
    assert_eq!(limits("{limit_mib: 500, spike_limit_mib: 100}"), mib(500, 400));
    assert_eq!(limits("{limit_mib: 500, limit_percentage: 1}"), mib(500, 400));
    let total = usage::total().unwrap();
    let half = limits("{limit_percentage: 50, spike_limit_percentage: 10}");
    assert!(half.hard == total / 2 && half.soft.abs_diff(total * 4 / 10) <= 1);
}

#[test]
fn processors_with_the_same_limits_share_a_checker() {
    let of = |hard| checker::shared(Limits { hard, soft: 1 }, Duration::from_secs(1));
    let first = of(7);
    assert!(Arc::ptr_eq(&first, &of(7)));
    assert!(!Arc::ptr_eq(&first, &of(8)));
}

#[test]
fn bad_limits_are_refused() {
    for (yaml, want) in [
        ("{limit_mib: 10}", "check_interval: must be greater than zero"),
        ("{check_interval: 1s}", "limit_mib or limit_percentage must be greater than zero"),
        ("{check_interval: 1s, limit_mib: 10, spike_limit_mib: 10}", "must be smaller than limit_mib"),
        ("{check_interval: 1s, limit_percentage: 101}", "must be at most 100"),
        ("{check_interval: 1s, limit_percentage: 10, spike_limit_percentage: 10}", "must be smaller"),
        ("{check_interval: 1s, limit_mib: 1, min_gc_interval_when_hard_limited: 11s}", "must be at least"),
    ] {
        let found = issues::<MemoryLimiterConfig>(yaml);
        assert!(found.contains(want), "{yaml}: {found}");
    }
    let stock = "{check_interval: 5s, limit_percentage: 80, spike_limit_percentage: 25}";
    assert_eq!(issues::<MemoryLimiterConfig>(stock), "");
}
