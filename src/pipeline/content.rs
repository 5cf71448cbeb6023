//! The telemetry of a batch, which is decoded when somebody looks at it.

use std::sync::OnceLock;

use prost::bytes::Bytes;

use super::{Data, Signal, split};
use crate::otlp::scan;

/// Telemetry as it came over the wire, decoded, or both.
#[derive(Clone, Debug)]
pub struct Content {
    encoded: Option<Encoded>,
    /// Always there when `encoded` is not.
    data: OnceLock<Data>,
    /// What encoding `data` gives, once it was asked for: measuring walks every attribute.
    length: OnceLock<usize>,
    /// What that was before the last change, or what the source said.
    rough_length: Option<usize>,
}

/// Export requests that were looked over: decoding them succeeds.
#[derive(Clone, Debug)]
struct Encoded {
    signal: Signal,
    /// The encoding of several requests after each other is that of one with all their resources.
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    request: Bytes,
    items: usize,
}

impl From<Data> for Content {
    fn from(data: Data) -> Self {
        Self { encoded: None, data: data.into(), length: OnceLock::new(), rough_length: None }
    }
}

impl From<Encoded> for Content {
    fn from(encoded: Encoded) -> Self {
        let (data, length) = (OnceLock::new(), OnceLock::new());
        Self { encoded: Some(encoded), data, length, rough_length: None }
    }
}

impl Content {
    /// An export request from outside; an error when it cannot be decoded.
    pub fn received(signal: Signal, request: Bytes) -> Result<Self, prost::DecodeError> {
        match scan::items(signal, &request) {
            Some(items) => Ok(Encoded { signal, parts: vec![Part { request, items }] }.into()),
            None => Data::decode(signal, &request).map(Self::from),
        }
    }

    /// Export requests that were written here, with the numbers of their items.
    pub fn written(signal: Signal, requests: Vec<(Bytes, usize)>) -> Self {
        let parts = requests.into_iter().map(|(request, items)| Part { request, items }).collect();
        Encoded { signal, parts }.into()
    }

    pub fn is_encoded(&self) -> bool {
        self.encoded.is_some()
    }

    pub fn signal(&self) -> Signal {
        self.encoded.as_ref().map_or_else(|| self.data().signal(), |encoded| encoded.signal)
    }

    /// Log records, data points or spans.
    pub fn items(&self) -> usize {
        self.encoded.as_ref().map_or_else(|| self.data().items(), Encoded::items)
    }

    /// Size of the encoded export request in bytes.
    pub fn encoded_len(&self) -> usize {
        match &self.encoded {
            Some(encoded) => encoded.len(),
            None => *self.length.get_or_init(|| self.data().encoded_len()),
        }
    }

    /// The same before the last change, or as the source said, if it is not known better.
    pub fn rough_len(&self) -> usize {
        let known = self.encoded.is_some() || self.length.get().is_some();
        self.rough_length.filter(|_| !known).unwrap_or_else(|| self.encoded_len())
    }

    pub(super) fn set_rough_len(&mut self, bytes: usize) {
        self.rough_length = Some(bytes);
    }

    /// The encoded export request in pieces, when it was not decoded.
    pub fn encoded(&self) -> Option<impl Iterator<Item = &[u8]>> {
        self.encoded.as_ref().map(|encoded| encoded.parts.iter().map(|part| &*part.request))
    }

    /// Appends the encoded export request to `buf`.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        match &self.encoded {
            Some(encoded) => encoded.parts.iter().for_each(|part| buf.extend_from_slice(&part.request)),
            None => self.data().encode(buf),
        }
    }

    /// The same without what it was decoded to, which takes two to three times the memory of the
    /// encoded request: for those who hold it and look no more. `None` when that is so already.
    pub(super) fn packed(&self) -> Option<Self> {
        let data = self.data.get()?;
        let encoded = self.encoded.clone().unwrap_or_else(|| Encoded {
            signal: data.signal(),
            parts: vec![Part::of(data, self.encoded_len())],
        });
        Some(encoded.into())
    }

    pub fn data(&self) -> &Data {
        self.data.get_or_init(|| self.decoded())
    }

    pub fn data_mut(&mut self) -> &mut Data {
        self.data();
        if let Some(encoded) = self.encoded.take() {
            self.rough_length = Some(encoded.len());
        }
        if let Some(length) = self.length.take() {
            self.rough_length = Some(length);
        }
        self.data.get_mut().expect("it was decoded above")
    }

    pub fn into_data(mut self) -> Data {
        self.data.take().unwrap_or_else(|| self.decoded())
    }

    fn decoded(&self) -> Data {
        let encoded = self.encoded.as_ref().expect("it is encoded where it is not decoded");
        let mut parts = encoded.parts.iter().map(|part| part.decode(encoded.signal));
        let mut data = parts.next().unwrap_or_else(|| Data::empty(encoded.signal));
        parts.for_each(|part| split::merge(&mut data, part));
        data
    }

    /// Appends `other` without looking at either; hands it back when one of them was looked at.
    pub(super) fn append_encoded(&mut self, other: Self) -> Result<(), Self> {
        match (&mut self.encoded, other.encoded) {
            (Some(into), Some(from)) => {
                into.parts.extend(from.parts);
                self.data = OnceLock::new();
                Ok(())
            }
            (_, encoded) => Err(Self { encoded, ..other }),
        }
    }

    /// Takes everything after the first `items` items out.
    pub(super) fn split_off(&mut self, items: usize) -> Self {
        if let Some(encoded) = &mut self.encoded
            && let Some(rest) = encoded.split_off(items)
        {
            self.data = OnceLock::new();
            return rest.into();
        }
        split::split_off(self.data_mut(), items).into()
    }
}

impl Encoded {
    fn items(&self) -> usize {
        self.parts.iter().map(|part| part.items).sum()
    }

    fn len(&self) -> usize {
        self.parts.iter().map(|part| part.request.len()).sum()
    }

    /// Cuts between two parts, or through a small one. `None` when a part would be cut again and again.
    fn split_off(&mut self, items: usize) -> Option<Self> {
        let mut left = items;
        let through = self.parts.iter().position(|part| {
            let beyond = part.items > left;
            left -= if beyond { 0 } else { part.items };
            beyond
        });
        let place = through.unwrap_or(self.parts.len());
        if left > 0 && self.parts.get(place).is_some_and(|part| part.items - left > items) {
            return None;
        }
        let mut rest = self.parts.split_off(place);
        if left > 0
            && let Some(cut) = rest.first_mut()
        {
            let mut data = cut.decode(self.signal);
            let rest = split::split_off(&mut data, left);
            *cut = Part::of(&rest, rest.encoded_len());
            self.parts.push(Part::of(&data, data.encoded_len()));
        }
        Some(Self { signal: self.signal, parts: rest })
    }
}

impl Part {
    /// Encodes data that makes a request of that length.
    fn of(data: &Data, length: usize) -> Self {
        // The encoder keeps room for lengths, which may turn out shorter.
        let mut request = Vec::with_capacity(length + 64);
        data.encode(&mut request);
        Self { request: request.into(), items: data.items() }
    }

    fn decode(&self, signal: Signal) -> Data {
        Data::decode(signal, &self.request).unwrap_or_else(|error| {
            // A flaw of the scan, which a property test and a fuzz target look for.
            log::error!("{} {signal} items that were looked over cannot be decoded: {error}", self.items);
            Data::empty(signal)
        })
    }
}

#[cfg(test)]
mod tests;
