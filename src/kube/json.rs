//! Takes a stream of JSON apart without holding more of it than one piece: the items of a list
//! while the list still arrives, the events of a watch.

use std::io::{self, Read};

use memchr::memchr2;
use serde::Deserialize;

use super::nullable;

/// What is read at once.
const CHUNK: usize = 32 * 1024;
/// A buffer that grew beyond this for one large piece shrinks again.
const KEEP: usize = 256 * 1024;

/// Cuts a stream into JSON values. Only the borders are looked for here; whether a piece is valid
/// is for its decoder to say.
pub struct Pieces<R> {
    reader: R,
    buffer: Vec<u8>,
    /// The bytes not handed out yet are `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Bytes that a single piece may have.
    limit: usize,
}

fn malformed(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

impl<R: Read> Pieces<R> {
    pub fn new(reader: R, limit: usize) -> Self {
        Self { reader, buffer: Vec::new(), start: 0, end: 0, limit }
    }

    /// The next value, or `None` at the end of the stream. A stream that ends inside a value is an
    /// error of kind `UnexpectedEof`.
    pub fn next_value(&mut self) -> io::Result<Option<&[u8]>> {
        match self.peek()? {
            None => Ok(None),
            Some(_) => self.value().map(Some),
        }
    }

    /// The next byte that is not white space, without taking it.
    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            while self.start < self.end {
                let byte = self.buffer[self.start];
                if !byte.is_ascii_whitespace() {
                    return Ok(Some(byte));
                }
                self.start += 1;
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    fn expect(&mut self, wanted: u8) -> io::Result<()> {
        match self.peek()? {
            Some(byte) if byte == wanted => {
                self.start += 1;
                Ok(())
            }
            Some(byte) => Err(malformed(format!(
                "malformed JSON: found \"{}\" in place of \"{}\"",
                byte.escape_ascii(),
                wanted.escape_ascii()
            ))),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Takes one whole value.
    fn value(&mut self) -> io::Result<&[u8]> {
        let first = self.peek()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let len = match first {
            b'"' => self.string_end(1)?,
            b'{' | b'[' => self.nested_end()?,
            b'}' | b']' | b',' | b':' => {
                return Err(malformed(format!("malformed JSON: unexpected \"{}\"", first.escape_ascii())));
            }
            _ => self.scalar_end()?,
        };
        let piece = self.start..self.start + len;
        self.start = piece.end;
        Ok(&self.buffer[piece])
    }

    /// Where the string ends whose opening quote is just before `at`; offsets are from `start`.
    fn string_end(&mut self, mut at: usize) -> io::Result<usize> {
        loop {
            match memchr2(b'"', b'\\', &self.buffer[self.start + at..self.end]) {
                Some(found) if self.buffer[self.start + at + found] == b'"' => return Ok(at + found + 1),
                Some(found) => {
                    at += found + 2;
                    while self.start + at > self.end {
                        self.need()?;
                    }
                }
                None => {
                    at = self.end - self.start;
                    self.need()?;
                }
            }
        }
    }

    fn nested_end(&mut self) -> io::Result<usize> {
        let mut depth = 0_usize;
        let mut at = 0;
        loop {
            while self.start + at < self.end {
                match self.buffer[self.start + at] {
                    b'"' => {
                        at = self.string_end(at + 1)?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth -= 1;
                        if depth == 0 {
                            return Ok(at + 1);
                        }
                    }
                    _ => {}
                }
                at += 1;
            }
            self.need()?;
        }
    }

    fn scalar_end(&mut self) -> io::Result<usize> {
        let mut at = 0;
        loop {
            while self.start + at < self.end {
                let byte = self.buffer[self.start + at];
                if byte.is_ascii_whitespace() || matches!(byte, b',' | b'}' | b']') {
                    return Ok(at);
                }
                at += 1;
            }
            if !self.fill()? {
                return Ok(at);
            }
        }
    }

    fn need(&mut self) -> io::Result<()> {
        if self.fill()? { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Reads more; false at the end of the stream.
    fn fill(&mut self) -> io::Result<bool> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            if self.buffer.len() > KEEP && self.end < CHUNK {
                self.buffer.truncate(KEEP);
                self.buffer.shrink_to_fit();
            }
        }
        if self.end > self.limit {
            return Err(malformed(format!("an object has more than {} bytes", self.limit)));
        }
        if self.buffer.len() - self.end < CHUNK / 2 {
            self.buffer.resize((self.buffer.len() * 2).max(CHUNK), 0);
        }
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(read) => {
                    self.end += read;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The metadata of a list.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ListMeta {
    #[serde(rename = "resourceVersion", deserialize_with = "nullable")]
    pub resource_version: String,
    /// Where the next page begins; empty on the last one.
    #[serde(rename = "continue", deserialize_with = "nullable")]
    pub next: String,
}

/// Reads a list, handing out its items as they arrive.
pub fn read_list<R: Read>(pieces: &mut Pieces<R>, mut on_item: impl FnMut(&[u8])) -> io::Result<ListMeta> {
    let mut meta = ListMeta::default();
    pieces.expect(b'{')?;
    let mut first = true;
    loop {
        match pieces.peek()? {
            Some(b'}') => {
                pieces.expect(b'}')?;
                return Ok(meta);
            }
            Some(b',') if !first => pieces.expect(b',')?,
            _ => {}
        }
        first = false;
        let name = pieces.value()?;
        let (is_items, is_meta) = (name == b"\"items\"", name == b"\"metadata\"");
        pieces.expect(b':')?;
        if is_items && pieces.peek()? == Some(b'[') {
            pieces.expect(b'[')?;
            while pieces.peek()? != Some(b']') {
                on_item(pieces.value()?);
                if pieces.peek()? == Some(b',') {
                    pieces.expect(b',')?;
                }
            }
            pieces.expect(b']')?;
        } else {
            let value = pieces.value()?;
            if is_meta {
                meta = serde_json::from_slice(value)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives its bytes a few at a time.
    struct Dribble<'a>(&'a [u8], usize);
    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(self.0.len()).min(buffer.len());
            buffer[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn list(text: &str, step: usize) -> io::Result<(ListMeta, Vec<String>)> {
        let mut items = Vec::new();
        let mut pieces = Pieces::new(Dribble(text.as_bytes(), step), 1 << 20);
        let meta = read_list(&mut pieces, |item| items.push(String::from_utf8_lossy(item).into_owned()))?;
        Ok((meta, items))
    }

    #[test]
    fn items_come_one_by_one_wherever_the_stream_is_cut() {
        let text = r#" {"kind":"PodList" , "items":[ {"a":"}]\\\" \\"}, {"b":[1,{"c":"["}]} ,null],
            "metadata":{"resourceVersion":"7","continue":"x\"y"}, "more": 12 }"#;
        for step in 1..text.len() {
            let (meta, items) = list(text, step).unwrap();
            assert_eq!(meta, ListMeta { resource_version: "7".into(), next: "x\"y".into() });
            assert_eq!(items, [r#"{"a":"}]\\\" \\"}"#, r#"{"b":[1,{"c":"["}]}"#, "null"]);
        }
    }

    #[test]
    fn a_list_without_items_is_empty() {
        assert!(list(r#"{"items":null,"metadata":{}}"#, 5).unwrap().1.is_empty());
        assert!(list(r#"{"items":[]}"#, 5).unwrap().1.is_empty());
    }

    #[test]
    fn a_cut_list_is_an_error_after_the_items_that_came() {
        let mut seen = 0;
        let mut pieces = Pieces::new(&br#"{"items":[{"a":1},{"b":"#[..], 1024);
        let error = read_list(&mut pieces, |_| seen += 1).unwrap_err();
        assert_eq!((error.kind(), seen), (io::ErrorKind::UnexpectedEof, 1));
    }

    #[test]
    fn a_piece_larger_than_the_limit_is_refused() {
        let text = format!(r#"{{"items":["{}"]}}"#, "x".repeat(200_000));
        let mut pieces = Pieces::new(text.as_bytes(), 100_000);
        assert!(read_list(&mut pieces, |_| {}).unwrap_err().to_string().contains("more than 100000 bytes"));
    }

    proptest! {
        #[test]
        fn no_input_makes_the_cutter_panic(bytes in proptest::collection::vec(
            prop_oneof![Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b'"'), Just(b'\\'), Just(b','),
                Just(b':'), Just(b'1'), Just(b' '), any::<u8>()], 0..200), step in 1_usize..9) {
            let mut pieces = Pieces::new(Dribble(&bytes, step), 64);
            let _ = read_list(&mut pieces, |_| {});
            let mut pieces = Pieces::new(Dribble(&bytes, step), 64);
            for _ in 0..300 {
                if !matches!(pieces.next_value(), Ok(Some(_))) { break; }
            }
        }

        #[test]
        fn a_value_is_cut_where_serde_says_it_ends(text in "[a-z\"\\\\{}\\[\\]]{0,30}", step in 1_usize..9) {
            let value = serde_json::json!({"k": [text.clone(), {"n": text}], "m": 1.5});
            let two = format!("{value}\n{value}");
            let mut pieces = Pieces::new(Dribble(two.as_bytes(), step), 1024);
            for _ in 0..2 {
                let piece = pieces.next_value().unwrap().unwrap();
                prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(piece).unwrap(), value.clone());
            }
            prop_assert!(pieces.next_value().unwrap().is_none());
        }
    }
}
