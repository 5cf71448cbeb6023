//! DNS messages as the programs hand them over, and what they come to: reading ends without a panic, and
//! what waits for an answer is bounded.

#![no_main]

use std::time::Duration;

use kmagent::receivers::ebpf::dns::Lookups;
use kmagent::receivers::ebpf::kernel::records::{Direction, DnsEvent, FlowKey, Role};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut lookups = Lookups::new(Duration::from_secs(1), 2);
    let mut now = 0;
    let mut told = 0;
    // Several messages, each behind its length.
    let mut rest = data;
    while let Some((&length, following)) = rest.split_first() {
        let (record, following) = following.split_at(following.len().min(usize::from(length) * 4));
        rest = following;
        if let Some(event) = DnsEvent::read(record) {
            now = now.max(event.time);
            lookups.take(&event, |subject, _| {
                assert!(subject.name.len() <= 4 * 255, "a name is bounded");
                told += 1;
            });
        }
        // The message alone, in the hands of a client that always asks from the same port.
        let key = FlowKey::new(
            ([10, 0, 0, 1].into(), 40_000),
            ([10, 0, 0, 2].into(), 53),
            17,
            Role::Client,
        );
        let direction = if record.get(2).is_some_and(|flags| flags & 0x80 != 0) {
            Direction::Ingress
        } else {
            Direction::Egress
        };
        let event = DnsEvent { time: now, key: key.with_direction(direction), payload: record };
        lookups.take(&event, |_, _| told += 1);
    }
    lookups.expire(u64::MAX, |_, _| told += 1);
    assert!(told <= 4 * data.len() + 4);
});
