use super::message::{Message, encode};
use super::*;
use crate::receivers::ebpf::kernel::records::Role;

const SECOND: u64 = 1_000_000_000;

fn key(direction: Direction) -> FlowKey {
    let local = ("10.0.0.1".parse().unwrap(), 40_000);
    let remote = ("10.0.0.53".parse().unwrap(), 53);
    FlowKey::new(local, remote, 17, Role::Client).with_direction(direction)
}

fn send(lookups: &mut Lookups, time: u64, id: u16, response: Option<u8>) -> Vec<(String, Event)> {
    let message = Message {
        id,
        is_response: response.is_some(),
        rcode: response.unwrap_or(0),
        name: "api.shop.example.com".to_owned(),
        kind: 1,
    };
    let payload = encode(&message);
    let direction = if response.is_some() { Direction::Ingress } else { Direction::Egress };
    let mut told = Vec::new();
    lookups.take(&DnsEvent { time, key: key(direction), payload: &payload }, |subject, event| {
        assert_eq!(subject.key.local_port(), 0);
        told.push((subject.name.to_string(), event));
    });
    told
}

fn expire(lookups: &mut Lookups, now: u64) -> Vec<Event> {
    let mut told = Vec::new();
    lookups.expire(now, |_, event| told.push(event));
    told
}

#[test]
fn an_answer_finds_its_query() {
    let mut lookups = Lookups::new(Duration::from_secs(5), 2);
    assert_eq!(send(&mut lookups, 0, 7, None), [("example.com".to_owned(), Event::Asked)]);
    let answer = send(&mut lookups, 2_500_000, 7, Some(3));
    assert_eq!(answer, [("example.com".to_owned(), Event::Answered("NXDOMAIN", Some(2500)))]);
    // The same answer again belongs to nobody.
    assert_eq!(send(&mut lookups, 3_000_000, 7, Some(3))[0].1, Event::Answered("NXDOMAIN", None));
    assert_eq!(lookups.unmatched, 1);
    assert_eq!(expire(&mut lookups, 60 * SECOND), []);
}

#[test]
fn a_query_without_an_answer_times_out_once() {
    let mut lookups = Lookups::new(Duration::from_secs(5), 2);
    send(&mut lookups, 0, 7, None);
    // Sent again: one lookup, which waits since the first.
    send(&mut lookups, SECOND, 7, None);
    assert_eq!(expire(&mut lookups, 4 * SECOND), []);
    assert_eq!(expire(&mut lookups, 5 * SECOND), [Event::TimedOut]);
    assert_eq!(expire(&mut lookups, 50 * SECOND), []);
}

#[test]
fn an_id_that_is_used_again_is_another_lookup() {
    let mut lookups = Lookups::new(Duration::from_secs(5), 2);
    send(&mut lookups, 0, 7, None);
    send(&mut lookups, 1000, 7, Some(0));
    send(&mut lookups, 3 * SECOND, 7, None);
    assert_eq!(expire(&mut lookups, 6 * SECOND), []);
    assert_eq!(expire(&mut lookups, 8 * SECOND), [Event::TimedOut]);
}

#[test]
fn waiting_queries_are_bounded_and_the_oldest_go_first() {
    let mut lookups = Lookups::new(Duration::from_secs(5), 2);
    for n in 0..=MOST_WAITING {
        send(&mut lookups, n as u64, n as u16, None);
    }
    assert_eq!(lookups.evicted, 1);
    assert_eq!(send(&mut lookups, SECOND, 0, Some(0))[0].1, Event::Answered("NOERROR", None));
}

#[test]
fn nonsense_is_counted() {
    let mut lookups = Lookups::new(Duration::from_secs(5), 2);
    lookups.take(&DnsEvent { time: 0, key: key(Direction::Egress), payload: b"GET /" }, |_, _| panic!());
    assert_eq!(lookups.malformed, 1);
}
