use proptest::prelude::*;

use super::*;
use crate::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};

fn logs(numbers: impl IntoIterator<Item = u64>) -> Data {
    let record = |number| LogRecord { time_unix_nano: number, ..LogRecord::default() };
    let scope = ScopeLogs { log_records: numbers.into_iter().map(record).collect(), ..ScopeLogs::default() };
    Data::Logs(vec![ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() }])
}

fn received(data: &Data) -> Content {
    let content = Content::received(Signal::Logs, Part::of(data, data.encoded_len()).request).unwrap();
    assert!(content.encoded.is_some() && content.data.get().is_none());
    content
}

fn numbers(content: Content) -> Vec<u64> {
    let Data::Logs(all) = content.into_data() else { unreachable!() };
    let scopes = all.into_iter().flat_map(|resource| resource.scope_logs);
    scopes.flat_map(|scope| scope.log_records).map(|record| record.time_unix_nano).collect()
}

fn is_untouched(content: &Content) -> bool {
    content.encoded.is_some() && content.data.get().is_none()
}

#[test]
fn what_nobody_looks_at_is_not_decoded() {
    let mut content = received(&logs(1..4));
    content.append_encoded(received(&logs(4..9))).unwrap();
    assert_eq!((content.items(), content.signal()), (8, Signal::Logs));
    let mut wire = Vec::new();
    content.encode(&mut wire);
    assert_eq!(wire.len(), content.encoded_len());
    assert!(is_untouched(&content));
    assert_eq!(Data::decode(Signal::Logs, &wire).unwrap(), *content.data());
    assert_eq!(numbers(content), (1..9).collect::<Vec<_>>());
}

#[test]
fn what_is_packed_holds_the_encoded_request_alone() {
    let packed = Content::from(logs(1..4)).packed().expect("it was decoded");
    assert!(is_untouched(&packed) && packed.packed().is_none());
    assert_eq!(packed.encoded_len(), logs(1..4).encoded_len());
    assert_eq!((packed.items(), numbers(packed)), (3, vec![1, 2, 3]));
    let looked_at = received(&logs(1..4));
    looked_at.data();
    assert!(is_untouched(&looked_at.packed().expect("it was looked at")));
}

#[test]
fn what_is_changed_is_sent_changed() {
    let mut content = received(&logs(1..4));
    content.data();
    *content.data_mut() = logs([7, 8]);
    let before = content.encoded_len();
    *content.data_mut() = logs([7]);
    assert_eq!(content.items(), 1);
    let mut wire = Vec::new();
    content.encode(&mut wire);
    assert!(wire.len() == content.encoded_len() && wire.len() < before);
    assert_eq!(Data::decode(Signal::Logs, &wire).unwrap(), logs([7]));
    assert!(content.append_encoded(received(&logs([8]))).is_err(), "it was looked at");
}

#[test]
fn malformed_requests_are_refused_and_unusual_ones_decoded() {
    assert!(Content::received(Signal::Logs, Bytes::from_static(&[0x0a, 0x05, 0x00])).is_err());
    // A group, which the scan leaves to the decoder.
    let content = Content::received(Signal::Logs, Bytes::from_static(&[0x7b, 0x7c])).unwrap();
    assert_eq!((content.items(), content.encoded.is_none()), (0, true));
}

#[test]
fn a_request_is_not_cut_again_and_again_as_bytes() {
    let mut content = received(&logs(0..100));
    let rest = content.split_off(10);
    assert!(rest.encoded.is_none());
    assert_eq!((numbers(content), numbers(rest)), ((0..10).collect(), (10..100).collect()));
}

proptest! {
    #[test]
    fn cutting_keeps_every_item_in_order(sizes in prop::collection::vec(1_u64..20, 1..10), at in 0_usize..100) {
        let mut next = 0;
        let mut parts = sizes.iter().map(|size| {
            next += size;
            received(&logs(next - size..next))
        });
        let mut content = parts.next().unwrap();
        parts.for_each(|part| content.append_encoded(part).unwrap());
        let rest = content.split_off(at);
        prop_assert_eq!(content.items(), at.min(next as usize));
        let mut all = numbers(content);
        all.extend(numbers(rest));
        prop_assert_eq!(all, (0..next).collect::<Vec<_>>());
    }
}
