//! Text to tokens.

use super::error::{Mistake, Span};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// Operators, brackets and the words that are operators.
    Op(&'static str),
    End,
}

impl Token {
    /// As a user would name it in a message.
    pub fn describe(&self) -> String {
        match self {
            Self::Name(name) => format!("\"{name}\""),
            Self::Int(value) => format!("\"{value}\""),
            Self::Float(value) => format!("\"{value}\""),
            Self::Text(_) | Self::Bytes(_) => "a string".into(),
            Self::Op(op) => format!("\"{op}\""),
            Self::End => "the end of the expression".into(),
        }
    }
}

/// Longest first: the first that fits is taken.
const SYMBOLS: &[&str] = &[
    "?.", "??", "..", "**", "==", "!=", "<=", ">=", "&&", "||", "::", "(", ")", "[", "]", "{", "}", ",", ";",
    ":", ".", "?", "+", "-", "*", "/", "%", "^", "<", ">", "!", "|", "#", "=",
];

const WORDS: &[&str] =
    &["not", "in", "or", "and", "matches", "contains", "startsWith", "endsWith", "let", "if", "else"];

pub(super) fn is_name_start(c: char) -> bool {
    c == '_' || c == '$' || c.is_alphabetic()
}

fn is_name_part(c: char) -> bool {
    is_name_start(c) || c.is_numeric()
}

/// All tokens with their places; the last one is [`Token::End`].
pub(super) fn tokens(source: &str) -> Result<Vec<(Token, Span)>, Mistake> {
    let mut lexer = Lexer { source, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank()?;
        let start = lexer.at;
        let token = lexer.token()?;
        let end = token == Token::End;
        tokens.push((token, Span::new(start, lexer.at)));
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn error<T>(&self, start: usize, message: impl Into<String>) -> Result<T, Mistake> {
        Err(Mistake::new(Span::new(start, self.at), message))
    }

    fn skip_blank(&mut self) -> Result<(), Mistake> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if self.rest().starts_with("//") {
                self.at += self.rest().find('\n').unwrap_or(self.rest().len());
            } else if self.rest().starts_with("/*") {
                let Some(end) = self.rest().find("*/") else {
                    return Err(Mistake::new(
                        Span::new(self.at, self.at + 2),
                        "the comment has no end: write \"*/\"",
                    ));
                };
                self.at += end + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<Token, Mistake> {
        let Some(c) = self.peek() else { return Ok(Token::End) };
        let second = self.rest().chars().nth(1);
        match c {
            '"' | '\'' => self.quoted(c).map(Token::Text),
            '`' => self.raw(),
            'b' | 'B' if matches!(second, Some('"' | '\'')) => {
                self.at += 1;
                self.quoted_bytes(second.unwrap_or('"')).map(Token::Bytes)
            }
            '0'..='9' => self.number(),
            '.' if second.is_some_and(|c| c.is_ascii_digit()) => self.number(),
            _ if is_name_start(c) => {
                let rest = self.rest();
                let word = &rest[..rest.find(|c| !is_name_part(c)).unwrap_or(rest.len())];
                let token = match WORDS.iter().find(|known| **known == word) {
                    Some(op) => Token::Op(op),
                    None => Token::Name(word.to_owned()),
                };
                self.at += word.len();
                Ok(token)
            }
            _ => match SYMBOLS.iter().find(|symbol| self.rest().starts_with(**symbol)) {
                Some(symbol) => {
                    self.at += symbol.len();
                    Ok(Token::Op(symbol))
                }
                None => {
                    let start = self.at;
                    self.at += c.len_utf8();
                    self.error(start, format!("the character {c:?} has no meaning here"))
                }
            },
        }
    }

    fn raw(&mut self) -> Result<Token, Mistake> {
        let Some(len) = self.rest()[1..].find('`') else {
            return Err(Mistake::new(
                Span::new(self.at, self.at + 1),
                "the string has no end: write the closing `",
            ));
        };
        let text = self.rest()[1..=len].replace("\r\n", "\n");
        self.at += len + 2;
        Ok(Token::Text(text))
    }

    fn number(&mut self) -> Result<Token, Mistake> {
        let start = self.at;
        let bytes = self.source.as_bytes();
        let radix = match (bytes[start], bytes.get(start + 1).map(u8::to_ascii_lowercase)) {
            (b'0', Some(b'x')) => 16,
            (b'0', Some(b'o')) => 8,
            (b'0', Some(b'b')) => 2,
            _ => 10,
        };
        let mut float = false;
        if radix == 10 {
            self.digits();
            // Two dots are a range: 1..5.
            if self.peek() == Some('.') && !self.rest().starts_with("..") {
                float = true;
                self.at += 1;
                self.digits();
            }
            if matches!(self.peek(), Some('e' | 'E')) {
                float = true;
                self.at += 1;
                if matches!(self.peek(), Some('+' | '-')) {
                    self.at += 1;
                }
                self.digits();
            }
        }
        let rest = self.rest();
        self.at += rest.find(|c| !is_name_part(c)).unwrap_or(rest.len());
        let text: String = self.source[start..self.at].chars().filter(|c| *c != '_').collect();
        if float {
            return match text.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(Token::Float(value)),
                _ => self.error(start, format!("\"{text}\" is not a number")),
            };
        }
        let digits = if radix == 10 { &text[..] } else { &text[2..] };
        i64::from_str_radix(digits, radix).map(Token::Int).or_else(|_| {
            self.error(start, format!("\"{text}\" is not an integer from 0 to 9223372036854775807"))
        })
    }

    fn digits(&mut self) {
        let rest = self.rest();
        self.at += rest.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(rest.len());
    }

    fn quoted(&mut self, quote: char) -> Result<String, Mistake> {
        let start = self.at;
        let mut text = String::new();
        self.unescape(quote, start, true, |c| {
            let mut buffer = [0; 4];
            text.push_str(c.encode_utf8(&mut buffer));
        })?;
        Ok(text)
    }

    fn quoted_bytes(&mut self, quote: char) -> Result<Vec<u8>, Mistake> {
        let start = self.at - 1;
        let mut bytes = Vec::new();
        // Escapes stand for bytes, other characters for their UTF-8.
        self.unescape(quote, start, false, |c| {
            let mut buffer = [0; 4];
            match u32::from(c) {
                byte @ 0x80..=0xff => bytes.push(byte as u8),
                _ => bytes.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes()),
            }
        })?;
        Ok(bytes)
    }

    fn unescape(
        &mut self,
        quote: char,
        start: usize,
        unicode: bool,
        mut push: impl FnMut(char),
    ) -> Result<(), Mistake> {
        self.at += 1;
        loop {
            let Some(c) = self.peek() else {
                return self.error(start, format!("the string has no end: write the closing {quote}"));
            };
            let here = self.at;
            self.at += c.len_utf8();
            match c {
                _ if c == quote => return Ok(()),
                '\n' => {
                    self.at = here;
                    return self.error(start, format!("the string has no end: write the closing {quote}"));
                }
                '\\' => push(self.escape(here, unicode)?),
                _ if !unicode && !c.is_ascii() => {
                    return self.error(here, "a bytes literal takes ASCII and \\x escapes only");
                }
                _ => push(c),
            }
        }
    }

    fn escape(&mut self, start: usize, unicode: bool) -> Result<char, Mistake> {
        let c = self.peek();
        self.at += c.map_or(0, char::len_utf8);
        let code = match c {
            Some('a') => 7,
            Some('b') => 8,
            Some('f') => 12,
            Some('n') => 10,
            Some('r') => 13,
            Some('t') => 9,
            Some('v') => 11,
            Some(c @ ('\\' | '\'' | '"' | '`' | '?')) => u32::from(c),
            Some('x' | 'X') => self.hex(start, 2)?,
            Some('u') if unicode && self.peek() == Some('{') => self.braced(start)?,
            Some('u') if unicode => self.hex(start, 4)?,
            Some('U') if unicode => self.hex(start, 8)?,
            Some(first @ '0'..='3') => {
                let octal = self.rest().get(..2).and_then(|more| u32::from_str_radix(more, 8).ok());
                let Some(low) = octal else {
                    return self.error(start, "an octal escape has three digits: \\101");
                };
                self.at += 2;
                (u32::from(first) - u32::from('0')) * 64 + low
            }
            Some(other) => {
                return self.error(
                    start,
                    format!(
                        "\\{other} is not an escape: write \\\\{other} for a backslash (or use `backticks`)"
                    ),
                );
            }
            None => return self.error(start, "the string ends after a backslash"),
        };
        match char::from_u32(code) {
            Some(c) => Ok(c),
            None => self.error(start, "the escape is not a Unicode character"),
        }
    }

    fn hex(&mut self, start: usize, digits: usize) -> Result<u32, Mistake> {
        let text = self.rest().get(..digits).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
        match text.and_then(|text| u32::from_str_radix(text, 16).ok()) {
            Some(code) => {
                self.at += digits;
                Ok(code)
            }
            None => self.error(start, format!("the escape needs {digits} hexadecimal digits")),
        }
    }

    fn braced(&mut self, start: usize) -> Result<u32, Mistake> {
        let inner = self.rest().find('}').map(|end| self.rest()[1..end].to_owned());
        let code = inner.as_deref().filter(|text| text.len() <= 6).and_then(|text| {
            text.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(text, 16).ok())?
        });
        match (code, inner) {
            (Some(code), Some(inner)) => {
                self.at += inner.len() + 2;
                Ok(code)
            }
            _ => self.error(start, "write 1 to 6 hexadecimal digits in \\u{…}"),
        }
    }
}
