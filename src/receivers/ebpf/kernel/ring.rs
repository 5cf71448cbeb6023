//! The ring in which DNS messages come.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use libbpf_rs::{MapHandle, RingBuffer, RingBufferBuilder};

/// The ring, and what was taken out of it.
pub struct DnsRing {
    ring: RingBuffer<'static>,
    messages: Rc<RefCell<Vec<Box<[u8]>>>>,
}

/// Messages that are kept between two readings; a ring of the kernel holds fewer.
const MOST_MESSAGES: usize = 4096;

impl DnsRing {
    pub fn new(map: &MapHandle) -> Option<Self> {
        let messages = Rc::new(RefCell::new(Vec::new()));
        let sink = messages.clone();
        let mut builder = RingBufferBuilder::new();
        let take = move |bytes: &[u8]| {
            let mut messages = sink.borrow_mut();
            if messages.len() < MOST_MESSAGES {
                messages.push(bytes.into());
            }
            0
        };
        builder.add(map, take).ok()?;
        Some(Self { ring: builder.build().ok()?, messages })
    }

    /// Hands over every message that has come.
    pub fn take(&self, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let result = self.ring.consume().map_err(io::Error::other);
        for message in self.messages.borrow_mut().drain(..) {
            each(&message);
        }
        result
    }
}
