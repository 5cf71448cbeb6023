//! The request line and the headers.

use super::MOST_HEADERS;

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub method: String,
    /// Without the query.
    pub path: String,
    /// HTTP/1.1, else HTTP/1.0.
    pub is_1_1: bool,
    headers: Vec<(String, Vec<u8>)>,
}

/// How the body's length is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Length(usize),
    Chunked,
}

/// Why a head is no head: the status to answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHead(pub u16, pub &'static str);

impl Head {
    /// Reads the head at the start of `bytes`: with its length, or `None` when it is not complete.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, BadHead> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(BadHead(431, "too many headers")),
            Err(httparse::Error::Version) => return Err(BadHead(505, "HTTP/1.1 is spoken here")),
            Err(_) => return Err(BadHead(400, "malformed request")),
        };
        let target = request.path.unwrap_or_default();
        // A proxy's form has scheme and host in front.
        let target = match target.split_once("://") {
            Some((_, rest)) if !target.starts_with('/') => rest.find('/').map_or("/", |at| &rest[at..]),
            _ => target,
        };
        let head = Self {
            method: request.method.unwrap_or_default().to_owned(),
            path: target.split(['?', '#']).next().unwrap_or_default().to_owned(),
            is_1_1: request.version == Some(1),
            headers: request
                .headers
                .iter()
                .map(|header| (header.name.to_ascii_lowercase(), header.value.to_vec()))
                .collect(),
        };
        if head.is_1_1 && head.all("host").count() != 1 {
            return Err(BadHead(400, "a request has one Host header"));
        }
        Ok(Some((head, length)))
    }

    /// The first header of that (lower-case) name, when it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next().and_then(|value| std::str::from_utf8(value).ok()).map(str::trim)
    }

    fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.headers.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_slice())
    }

    /// Where the body ends. A request that says it twice may be two requests to somebody else.
    pub fn framing(&self) -> Result<Framing, BadHead> {
        let mut lengths = self.all("content-length");
        let mut codings = self.all("transfer-encoding");
        match (lengths.next(), codings.next()) {
            (None, None) => Ok(Framing::Length(0)),
            (None, Some(coding)) => {
                if codings.next().is_none()
                    && self.is_1_1
                    && coding.trim_ascii().eq_ignore_ascii_case(b"chunked")
                {
                    Ok(Framing::Chunked)
                } else {
                    Err(BadHead(501, "unknown Transfer-Encoding"))
                }
            }
            (Some(length), None) => {
                let digits = length.trim_ascii();
                let number = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
                match number {
                    Some(number)
                        if digits.iter().all(u8::is_ascii_digit) && lengths.all(|other| other == length) =>
                    {
                        Ok(Framing::Length(number))
                    }
                    _ => Err(BadHead(400, "bad Content-Length")),
                }
            }
            (Some(_), Some(_)) => {
                Err(BadHead(400, "Content-Length and Transfer-Encoding exclude each other"))
            }
        }
    }

    /// Whether the connection stays open after this request.
    pub fn keeps_alive(&self) -> bool {
        let says = |what: &str| {
            let mut options = self.all("connection").filter_map(|value| std::str::from_utf8(value).ok());
            options.any(|value| value.split(',').any(|option| option.trim().eq_ignore_ascii_case(what)))
        };
        if self.is_1_1 { !says("close") } else { says("keep-alive") }
    }

    pub fn expects_continue(&self) -> bool {
        self.is_1_1 && self.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
    }
}
