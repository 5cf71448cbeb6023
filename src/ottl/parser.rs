//! From tokens to the syntax tree: recursive descent, one method per level of precedence.

use super::ast::{Argument, Call, CompareOp, Kind, MathOp, Node, Segment, Statement};
use super::error::Fault;
use super::lexer::{Keyword, Placed, Token, lex};
use super::limits;
use crate::otlp::Str;

/// Parses `editor(…) where …`.
pub fn statement(text: &str) -> Result<Statement, Fault> {
    let mut parser = Parser::new(text)?;
    let at = parser.at();
    let Token::Name(name) = parser.peek().clone() else {
        return Err(parser.unexpected("a function such as set(…)"));
    };
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(Fault::new(
            at,
            format!(
                "\"{name}\" is a converter and does nothing as a statement: use it as an argument of set(…)"
            ),
        ));
    }
    parser.advance();
    let editor = parser.call(name, at)?;
    if parser.is_symbol("[") {
        return Err(Fault::new(parser.at(), "an editor has no result to index"));
    }
    let condition = if parser.accept_keyword(Keyword::Where) { Some(parser.condition()?) } else { None };
    parser.end("\"where\" or the end of the statement")?;
    Ok(Statement { editor, condition })
}

/// Parses a condition alone.
pub fn condition(text: &str) -> Result<Node, Fault> {
    let mut parser = Parser::new(text)?;
    let node = parser.condition()?;
    parser.end("\"and\", \"or\" or the end of the condition")?;
    Ok(node)
}

struct Parser {
    tokens: Vec<Placed>,
    place: usize,
    depth: usize,
    /// Arithmetic operators so far: each makes the tree one level deeper.
    operators: usize,
}

impl Parser {
    fn new(text: &str) -> Result<Self, Fault> {
        Ok(Self { tokens: lex(text)?, place: 0, depth: 0, operators: 0 })
    }

    fn condition(&mut self) -> Result<Node, Fault> {
        let node = self.or()?;
        require_condition(&node)?;
        Ok(node)
    }

    fn value(&mut self) -> Result<Node, Fault> {
        let node = self.comparison()?;
        require_value(&node)?;
        Ok(node)
    }

    fn or(&mut self) -> Result<Node, Fault> {
        self.chain(Keyword::Or, Self::and, Kind::Or)
    }

    fn and(&mut self) -> Result<Node, Fault> {
        self.chain(Keyword::And, Self::not, Kind::And)
    }

    /// `next keyword next keyword …`
    fn chain(
        &mut self,
        keyword: Keyword,
        next: fn(&mut Self) -> Result<Node, Fault>,
        wrap: fn(Vec<Node>) -> Kind,
    ) -> Result<Node, Fault> {
        let first = next(self)?;
        if !self.is_keyword(keyword) {
            return Ok(first);
        }
        let at = first.at;
        require_condition(&first)?;
        let mut nodes = vec![first];
        while self.accept_keyword(keyword) {
            let node = next(self)?;
            require_condition(&node)?;
            nodes.push(node);
        }
        Ok(Node { at, kind: wrap(nodes) })
    }

    fn not(&mut self) -> Result<Node, Fault> {
        let at = self.at();
        if !self.accept_keyword(Keyword::Not) {
            return self.comparison();
        }
        let node = self.comparison()?;
        require_condition(&node)?;
        Ok(Node { at, kind: Kind::Not(Box::new(node)) })
    }

    fn comparison(&mut self) -> Result<Node, Fault> {
        let left = self.sum()?;
        let Some(op) = self.compare_op() else { return Ok(left) };
        require_value(&left)?;
        self.advance();
        let right = self.sum()?;
        require_value(&right)?;
        if self.compare_op().is_some() {
            return Err(Fault::new(self.at(), "comparisons cannot be chained: join them with \"and\""));
        }
        Ok(Node { at: left.at, kind: Kind::Compare(op, Box::new(left), Box::new(right)) })
    }

    fn compare_op(&self) -> Option<CompareOp> {
        let Token::Symbol(symbol) = self.peek() else { return None };
        Some(match *symbol {
            "==" => CompareOp::Eq,
            "!=" => CompareOp::Ne,
            "<" => CompareOp::Lt,
            "<=" => CompareOp::Le,
            ">" => CompareOp::Gt,
            ">=" => CompareOp::Ge,
            _ => return None,
        })
    }

    fn sum(&mut self) -> Result<Node, Fault> {
        self.math(Self::product, |symbol| match symbol {
            "+" => Some(MathOp::Add),
            "-" => Some(MathOp::Sub),
            _ => None,
        })
    }

    fn product(&mut self) -> Result<Node, Fault> {
        self.math(Self::primary, |symbol| match symbol {
            "*" => Some(MathOp::Mul),
            "/" => Some(MathOp::Div),
            _ => None,
        })
    }

    fn math(
        &mut self,
        next: fn(&mut Self) -> Result<Node, Fault>,
        op: fn(&str) -> Option<MathOp>,
    ) -> Result<Node, Fault> {
        let mut left = next(self)?;
        while let Token::Symbol(symbol) = self.peek()
            && let Some(op) = op(symbol)
        {
            self.operators += 1;
            if self.operators > limits::OPERATORS {
                return Err(Fault::new(self.at(), format!("more than {} operators", limits::OPERATORS)));
            }
            require_operand(&left)?;
            self.advance();
            let right = next(self)?;
            require_operand(&right)?;
            left = Node { at: left.at, kind: Kind::Math(op, Box::new(left), Box::new(right)) };
        }
        Ok(left)
    }

    fn primary(&mut self) -> Result<Node, Fault> {
        let at = self.at();
        self.depth += 1;
        if self.depth > limits::NESTING {
            return Err(Fault::new(at, format!("nested deeper than {} levels", limits::NESTING)));
        }
        let node = self.primary_kind(at)?;
        self.depth -= 1;
        Ok(node)
    }

    fn primary_kind(&mut self, at: usize) -> Result<Node, Fault> {
        let kind = match self.peek().clone() {
            Token::Text(text) => Kind::Text(text),
            Token::Int(number) => Kind::Int(number),
            Token::Float(number) => Kind::Float(number),
            Token::Bytes(bytes) => Kind::Bytes(bytes),
            Token::Keyword(Keyword::Nil) => Kind::Nil,
            Token::Keyword(Keyword::True) => Kind::Bool(true),
            Token::Keyword(Keyword::False) => Kind::Bool(false),
            Token::Symbol("(") => {
                self.advance();
                let inner = self.or()?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Symbol("[") => {
                self.advance();
                return Ok(Node { at, kind: Kind::List(self.items("]", Self::value)?) });
            }
            Token::Symbol("{") => {
                self.advance();
                return Ok(Node { at, kind: Kind::Map(self.items("}", Self::entry)?) });
            }
            Token::Name(name) => {
                self.advance();
                return self.named(name, at);
            }
            _ => return Err(self.unexpected("a value")),
        };
        self.advance();
        Ok(Node { at, kind })
    }

    /// A path, an enum, or the call of a converter, after its name.
    fn named(&mut self, name: Str, at: usize) -> Result<Node, Fault> {
        let capital = name.starts_with(|c: char| c.is_ascii_uppercase());
        if self.is_symbol("(") {
            if !capital {
                return Err(Fault::new(
                    at,
                    format!(
                        "\"{name}\" is written like an editor and gives no value: converters begin with a capital"
                    ),
                ));
            }
            let mut call = self.call(name, at)?;
            call.keys = self.keys()?;
            return Ok(Node { at, kind: Kind::Call(call) });
        }
        if capital {
            return Ok(Node { at, kind: Kind::Capital(name) });
        }
        let mut segments = vec![Segment { at, name, keys: self.keys()? }];
        while self.accept(".") {
            let at = self.at();
            let Token::Name(name) = self.peek().clone() else {
                return Err(self.unexpected("a field name"));
            };
            self.advance();
            segments.push(Segment { at, name, keys: self.keys()? });
        }
        Ok(Node { at, kind: Kind::Path(segments) })
    }

    fn keys(&mut self) -> Result<Vec<Node>, Fault> {
        let mut keys = Vec::new();
        while self.accept("[") {
            if keys.len() >= limits::NESTING {
                return Err(Fault::new(self.at(), format!("more than {} indexes", limits::NESTING)));
            }
            keys.push(self.value()?);
            self.expect("]")?;
        }
        Ok(keys)
    }

    /// The arguments of a call, after its name.
    fn call(&mut self, name: Str, at: usize) -> Result<Call, Fault> {
        self.expect("(")?;
        let args = self.items(")", Self::argument)?;
        if let Some(late) = args
            .iter()
            .skip_while(|argument| argument.name.is_none())
            .find(|argument| argument.name.is_none())
        {
            return Err(Fault::new(late.at, "an argument without a name stands after one with a name"));
        }
        Ok(Call { at, name, args, keys: Vec::new() })
    }

    fn argument(&mut self) -> Result<Argument, Fault> {
        let at = self.at();
        let name = match (self.peek(), &self.tokens[(self.place + 1).min(self.tokens.len() - 1)].token) {
            (Token::Name(name), Token::Symbol("=")) => Some(name.clone()),
            _ => None,
        };
        if name.is_some() {
            self.place += 2;
        }
        Ok(Argument { at, name, value: self.value()? })
    }

    fn entry(&mut self) -> Result<(Str, Node), Fault> {
        let Token::Text(key) = self.peek().clone() else {
            return Err(self.unexpected("a key in double quotes"));
        };
        self.advance();
        self.expect(":")?;
        Ok((key, self.value()?))
    }

    /// `item, item … close`, after the opening bracket.
    fn items<T>(&mut self, close: &str, item: fn(&mut Self) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
        let mut items = Vec::new();
        if self.accept(close) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.accept(close) {
                return Ok(items);
            }
            if !self.accept(",") {
                return Err(self.unexpected(&format!("\",\" or \"{close}\"")));
            }
        }
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.place].token
    }

    fn at(&self) -> usize {
        self.tokens[self.place].at
    }

    fn advance(&mut self) {
        // The last token is the end and is never passed.
        self.place = (self.place + 1).min(self.tokens.len() - 1);
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek(), Token::Symbol(found) if *found == symbol)
    }

    fn is_keyword(&self, keyword: Keyword) -> bool {
        *self.peek() == Token::Keyword(keyword)
    }

    fn accept(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        if found {
            self.advance();
        }
        found
    }

    fn accept_keyword(&mut self, keyword: Keyword) -> bool {
        let found = self.is_keyword(keyword);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), Fault> {
        if self.accept(symbol) { Ok(()) } else { Err(self.unexpected(&format!("\"{symbol}\""))) }
    }

    fn end(&self, expected: &str) -> Result<(), Fault> {
        if *self.peek() == Token::End { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    fn unexpected(&self, expected: &str) -> Fault {
        Fault::new(self.at(), format!("expected {expected}, found {}", self.peek().describe()))
    }
}

fn require_condition(node: &Node) -> Result<(), Fault> {
    if node.is_condition() {
        return Ok(());
    }
    let hint = match node.kind {
        Kind::Path(_) => ", found a path: compare it, for example with \"== true\" or \"!= nil\"",
        _ => ", found a value: compare it with something",
    };
    Err(Fault::new(node.at, format!("expected a condition{hint}")))
}

fn require_value(node: &Node) -> Result<(), Fault> {
    if node.is_value() {
        return Ok(());
    }
    Err(Fault::new(node.at, "expected a value, found a condition: conditions belong behind \"where\""))
}

fn require_operand(node: &Node) -> Result<(), Fault> {
    match node.kind {
        Kind::Int(_) | Kind::Float(_) | Kind::Path(_) | Kind::Call(_) | Kind::Math(..) => Ok(()),
        _ => Err(Fault::new(
            node.at,
            "only numbers, times, durations, paths and converters can be calculated with",
        )),
    }
}
