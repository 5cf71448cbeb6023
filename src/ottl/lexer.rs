//! From the text of a statement to tokens.

use super::error::Fault;
use super::limits;
use crate::otlp::Str;

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A function, path segment, parameter or enum name.
    Name(Str),
    Text(Str),
    Int(i64),
    Float(f64),
    Bytes(Vec<u8>),
    Keyword(Keyword),
    /// An operator or punctuation, as written.
    Symbol(&'static str),
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyword {
    Not,
    And,
    Or,
    Where,
    True,
    False,
    Nil,
}

/// A token and the byte offset where it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    pub at: usize,
    pub token: Token,
}

impl Token {
    /// How an error message names it.
    pub fn describe(&self) -> String {
        match self {
            Self::Name(name) => format!("\"{name}\""),
            Self::Text(text) => format!("the text {text:?}"),
            Self::Int(number) => format!("the number {number}"),
            Self::Float(number) => format!("the number {number}"),
            Self::Bytes(_) => "a byte literal".to_owned(),
            Self::Keyword(keyword) => format!("\"{}\"", format!("{keyword:?}").to_lowercase()),
            Self::Symbol(symbol) => format!("\"{symbol}\""),
            Self::End => "the end".to_owned(),
        }
    }

    /// Whether a value ends here, so that a sign that follows is an operator.
    fn ends_value(&self) -> bool {
        match self {
            Self::Symbol(symbol) => matches!(*symbol, ")" | "]" | "}"),
            Self::Keyword(keyword) => matches!(keyword, Keyword::True | Keyword::False | Keyword::Nil),
            Self::End => false,
            _ => true,
        }
    }
}

/// Longer symbols first.
const SYMBOLS: [&str; 20] =
    ["==", "!=", "<=", ">=", "<", ">", "=", "+", "-", "*", "/", "(", ")", "[", "]", "{", "}", ":", ",", "."];

/// All tokens of `text`, the last one is [`Token::End`].
pub fn lex(text: &str) -> Result<Vec<Placed>, Fault> {
    if text.len() > limits::STATEMENT {
        return Err(Fault::new(0, format!("longer than {} bytes", limits::STATEMENT)));
    }
    let mut tokens: Vec<Placed> = Vec::new();
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        if next.is_whitespace() {
            at += next.len_utf8();
            continue;
        }
        let after_value = tokens.last().is_some_and(|last| last.token.ends_value());
        let (token, len) = lex_one(text, at, after_value)?;
        tokens.push(Placed { at, token });
        at += len;
    }
    tokens.push(Placed { at: text.len(), token: Token::End });
    Ok(tokens)
}

fn lex_one(text: &str, at: usize, after_value: bool) -> Result<(Token, usize), Fault> {
    let rest = &text[at..];
    let first = rest.as_bytes()[0];
    if rest.starts_with("0x") {
        return bytes(rest, at);
    }
    if let Some(len) = number_len(rest, after_value) {
        return number(&rest[..len], at).map(|token| (token, len));
    }
    if first == b'"' {
        return quoted(rest, at);
    }
    if first.is_ascii_alphabetic() {
        let len = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        return Ok((word(&rest[..len]), len));
    }
    if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
        return Ok((Token::Symbol(symbol), symbol.len()));
    }
    let hint = match rest.chars().next() {
        Some('\'') => ": texts stand in double quotes",
        Some('&' | '|') => ": write \"and\", \"or\"",
        Some('!') => ": write \"not\", or \"!=\"",
        _ => "",
    };
    let found = rest.chars().next().unwrap_or_default();
    Err(Fault::new(at, format!("unexpected character {found:?}{hint}")))
}

fn word(word: &str) -> Token {
    Token::Keyword(match word {
        "not" => Keyword::Not,
        "and" => Keyword::And,
        "or" => Keyword::Or,
        "where" => Keyword::Where,
        "true" => Keyword::True,
        "false" => Keyword::False,
        "nil" => Keyword::Nil,
        _ => return Token::Name(word.into()),
    })
}

fn bytes(rest: &str, at: usize) -> Result<(Token, usize), Fault> {
    let digits = &rest[2..];
    let len = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
    let decoded = super::text::unhex(&digits[..len])
        .filter(|bytes| !bytes.is_empty())
        .ok_or_else(|| Fault::new(at, "a byte literal needs an even number of hex digits: 0x0a1b"))?;
    Ok((Token::Bytes(decoded), len + 2))
}

/// The length of the number at the start of `rest`, if there is one. A sign belongs to it unless a
/// value stands before it.
fn number_len(rest: &str, after_value: bool) -> Option<usize> {
    let bytes = rest.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let sign = usize::from(!after_value && matches!(bytes[0], b'+' | b'-'));
    let whole = digits(sign);
    let mut end = sign + whole;
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if whole + fraction == 0 {
            return None;
        }
        end += 1 + fraction;
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let from = (end + 1 + sign).min(bytes.len());
            if digits(from) > 0 {
                end = from + digits(from);
            }
        }
    }
    (end > sign).then_some(end)
}

fn number(literal: &str, at: usize) -> Result<Token, Fault> {
    if literal.contains('.') {
        let number: f64 = literal.parse().map_err(|_| Fault::new(at, "not a number"))?;
        return Ok(Token::Float(number));
    }
    let number = literal.parse().map_err(|_| Fault::new(at, "the number does not fit in 64 bits"))?;
    Ok(Token::Int(number))
}

/// A text in double quotes with the escapes of Go.
fn quoted(rest: &str, at: usize) -> Result<(Token, usize), Fault> {
    let bytes = rest.as_bytes();
    let mut decoded = Vec::new();
    let mut i = 1;
    loop {
        match bytes.get(i) {
            None => return Err(Fault::new(at, "the text has no closing quote")),
            Some(b'"') => break,
            Some(b'\\') => {
                i += escape(rest, i, &mut decoded).map_err(|message| Fault::new(at + i, message))?;
            }
            Some(&byte) => {
                decoded.push(byte);
                i += 1;
            }
        }
    }
    let text = String::from_utf8(decoded).map_err(|_| Fault::new(at, "the text is not valid UTF-8"))?;
    Ok((Token::Text(text.into()), i + 1))
}

/// Decodes the escape at `rest[at..]` and returns its length.
fn escape(rest: &str, at: usize, decoded: &mut Vec<u8>) -> Result<usize, String> {
    let bytes = rest.as_bytes();
    let code = |len: usize, radix: u32| {
        let from = at + if radix == 8 { 1 } else { 2 };
        rest.get(from..from + len)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, radix).ok())
    };
    let bad = || {
        let shown: String = rest[at..].chars().take(2).collect();
        format!("unknown escape {shown}: write \\\\ for a backslash")
    };
    let simple = match bytes.get(at + 1).ok_or_else(bad)? {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'\\' => b'\\',
        b'"' => b'"',
        b'x' => {
            decoded.push(code(2, 16).ok_or_else(bad)? as u8);
            return Ok(4);
        }
        b'0'..=b'7' => {
            decoded.push(code(3, 8).and_then(|code| u8::try_from(code).ok()).ok_or_else(bad)?);
            return Ok(4);
        }
        kind @ (b'u' | b'U') => {
            let len = if *kind == b'u' { 4 } else { 8 };
            let letter = code(len, 16).and_then(char::from_u32).ok_or_else(bad)?;
            decoded.extend(letter.encode_utf8(&mut [0; 4]).bytes());
            return Ok(2 + len);
        }
        _ => return Err(bad()),
    };
    decoded.push(simple);
    Ok(2)
}
