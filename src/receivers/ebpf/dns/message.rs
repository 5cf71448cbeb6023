//! DNS messages, as far as they are read: header and first question (RFC 1035).

use std::fmt::Write;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub id: u16,
    pub is_response: bool,
    /// 0 = NOERROR, 3 = NXDOMAIN, …
    pub rcode: u8,
    /// The name that is asked for, in lower case, without the dot at its end; empty for the root.
    pub name: String,
    /// 1 = A, 28 = AAAA, …
    pub kind: u16,
}

/// What makes a message unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("too short")]
    Short,
    #[error("it asks nothing")]
    NoQuestion,
    #[error("a label or name is too long")]
    Long,
    #[error("the name of the question refers elsewhere")]
    Pointer,
}

const LONGEST_NAME: usize = 255;

/// Reads a message, which may have been cut off after its question.
pub fn parse(bytes: &[u8]) -> Result<Message, Malformed> {
    let header = bytes.get(..12).ok_or(Malformed::Short)?;
    let word = |place: usize| u16::from_be_bytes([header[place], header[place + 1]]);
    if word(4) == 0 {
        return Err(Malformed::NoQuestion);
    }
    let (name, rest) = name(&bytes[12..])?;
    let kind = rest.get(..2).ok_or(Malformed::Short)?;
    Ok(Message {
        id: word(0),
        is_response: header[2] & 0x80 != 0,
        rcode: header[3] & 0x0f,
        name,
        kind: u16::from_be_bytes([kind[0], kind[1]]),
    })
}

/// The name, and what follows it.
fn name(mut bytes: &[u8]) -> Result<(String, &[u8]), Malformed> {
    let mut name = String::new();
    let mut length = 0;
    loop {
        let (&size, rest) = bytes.split_first().ok_or(Malformed::Short)?;
        length += 1 + usize::from(size & 0x3f);
        if length > LONGEST_NAME {
            return Err(Malformed::Long);
        }
        match size {
            0 => return Ok((name, rest)),
            1..=63 => {
                let label = rest.get(..size.into()).ok_or(Malformed::Short)?;
                if !name.is_empty() {
                    name.push('.');
                }
                append(&mut name, label);
                bytes = &rest[size.into()..];
            }
            0xc0.. => return Err(Malformed::Pointer),
            _ => return Err(Malformed::Long),
        }
    }
}

/// As names are written in zone files: other characters as `\ddd`.
fn append(name: &mut String, label: &[u8]) {
    for byte in label {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*') {
            name.push(byte.to_ascii_lowercase().into());
        } else {
            let _ = write!(name, "\\{byte:03}");
        }
    }
}

/// The last `depth` labels of a name; the whole of it when it has no more.
pub fn last_labels(name: &str, depth: usize) -> &str {
    if depth == 0 {
        return "";
    }
    match name.rmatch_indices('.').nth(depth - 1) {
        Some((place, _)) => &name[place + 1..],
        None => name,
    }
}

/// The name of a response code.
pub fn rcode_name(rcode: u8) -> &'static str {
    match rcode {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        _ => "OTHER",
    }
}

#[cfg(test)]
pub(in crate::receivers::ebpf) fn encode(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(message.id.to_be_bytes());
    bytes.extend([if message.is_response { 0x81 } else { 1 }, message.rcode]);
    bytes.extend([0, 1, 0, 0, 0, 0, 0, 0]);
    for label in message.name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(label.len() as u8);
        bytes.extend(label.bytes());
    }
    bytes.push(0);
    bytes.extend(message.kind.to_be_bytes());
    bytes.extend([0, 1]);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_messages_are_refused() {
        let query = |question: &[u8]| {
            let mut bytes = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            bytes.extend(question);
            parse(&bytes)
        };
        assert_eq!(parse(&[0; 11]), Err(Malformed::Short));
        assert_eq!(parse(&[0; 12]), Err(Malformed::NoQuestion));
        assert_eq!(query(&[]), Err(Malformed::Short));
        assert_eq!(query(&[63, b'a']), Err(Malformed::Short));
        assert_eq!(query(&[0xc0, 12, 0, 1]), Err(Malformed::Pointer));
        assert_eq!(query(&[64]), Err(Malformed::Long));
        assert_eq!(query(&[&[1, b'a'][..]; 200].concat()), Err(Malformed::Long));
        assert_eq!(query(&[0, 0]), Err(Malformed::Short));
        assert_eq!(query(&[3, b'a', b'.', 0xff, 0, 0, 1]).unwrap().name, "a\\046\\255");
    }

    #[test]
    fn names_are_cut_from_the_front() {
        assert_eq!(last_labels("a.b.c.d", 2), "c.d");
        assert_eq!(last_labels("a.b", 2), "a.b");
        assert_eq!(last_labels("a.b", 9), "a.b");
        assert_eq!(last_labels("a.b", 0), "");
        assert_eq!(last_labels("", 3), "");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(message) = parse(&bytes) {
                prop_assert!(message.name.len() <= 4 * LONGEST_NAME);
            }
        }

        #[test]
        fn what_was_written_is_read(
            id: u16, is_response: bool, rcode in 0_u8..16, kind: u16,
            labels in prop::collection::vec("[a-z0-9_-]{1,63}", 0..4),
        ) {
            let message = Message { id, is_response, rcode, name: labels.join("."), kind };
            let bytes = encode(&message);
            prop_assert_eq!(parse(&bytes), Ok(message.clone()));
            for cut in 0..bytes.len() - 2 {
                prop_assert!(parse(&bytes[..cut]).is_err());
            }
        }
    }
}
