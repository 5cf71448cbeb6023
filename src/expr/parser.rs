//! Tokens to a syntax tree: precedence climbing, bounded in depth and size.

use super::ast::{Access, Binary, Expr, Kind, Pointer, Step, Unary};
use super::builtins;
use super::error::{Mistake, Span, SyntaxError};
use super::lexer::{Token, is_name_start, tokens};

/// Nesting that no sensible expression reaches; what keeps hostile text from exhausting the stack.
const MAX_DEPTH: usize = 100;
/// Deepest tree: a row of operators makes it a level deeper each.
const MAX_HEIGHT: usize = 120;
/// Longest text that is looked at.
const MAX_LEN: usize = 64 << 10;

pub(super) fn parse(source: &str) -> Result<Expr, SyntaxError> {
    parse_tokens(source).map_err(|mistake| mistake.in_source(source))
}

fn parse_tokens(source: &str) -> Result<Expr, Mistake> {
    if source.len() > MAX_LEN {
        return Err(Mistake::new(Span::default(), format!("the expression is longer than {MAX_LEN} bytes")));
    }
    let mut parser = Parser { tokens: tokens(source)?, at: 0, depth: 0, in_predicate: 0 };
    let expr = parser.sequence()?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => parser.unexpected("an operator or the end of the expression"),
    }
}

struct Parser {
    tokens: Vec<(Token, Span)>,
    at: usize,
    depth: usize,
    in_predicate: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn span(&self) -> Span {
        self.tokens[self.at].1
    }

    fn next(&mut self) -> (Token, Span) {
        let token = self.tokens[self.at].clone();
        // The last token is the end, which is never passed.
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn is(&self, op: &str) -> bool {
        matches!(self.peek(), Token::Op(found) if *found == op)
    }

    fn accept(&mut self, op: &str) -> bool {
        let found = self.is(op);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, op: &str) -> Result<Span, Mistake> {
        if self.is(op) { Ok(self.next().1) } else { self.unexpected(&format!("\"{op}\"")) }
    }

    fn unexpected<T>(&self, wanted: &str) -> Result<T, Mistake> {
        Err(Mistake::new(self.span(), format!("unexpected {}: expected {wanted}", self.peek().describe())))
    }

    fn previous_span(&self) -> Span {
        self.tokens[self.at.saturating_sub(1)].1
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Mistake>) -> Result<T, Mistake> {
        if self.depth >= MAX_DEPTH {
            let message = format!("the expression is nested deeper than {MAX_DEPTH} levels");
            return Err(Mistake::new(self.span(), message));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn sequence(&mut self) -> Result<Expr, Mistake> {
        let first = self.expression(0)?;
        if !self.is(";") {
            return Ok(first);
        }
        let start = first.span;
        let mut parts = vec![first];
        while self.accept(";") {
            if *self.peek() == Token::End {
                break;
            }
            parts.push(self.expression(0)?);
        }
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        self.node(start, Kind::Sequence(parts))
    }

    fn node(&self, start: Span, kind: Kind) -> Result<Expr, Mistake> {
        let node = Expr::new(kind, start.to(self.previous_span()));
        if node.height > MAX_HEIGHT {
            let message = format!("the expression is more than {MAX_HEIGHT} levels deep: take it apart");
            return Err(Mistake::new(node.span, message));
        }
        Ok(node)
    }

    fn expression(&mut self, least: u8) -> Result<Expr, Mistake> {
        self.nested(|parser| parser.operators(least))
    }

    fn operators(&mut self, least: u8) -> Result<Expr, Mistake> {
        if least == 0 && self.is("let") {
            return self.declaration();
        }
        if least == 0 && self.is("if") {
            return self.if_else();
        }
        let mut left = self.operand()?;
        let start = left.span;
        let mut coalesced = false;
        // The operator of the row of "and" or "or" that `left` is, unless that is in parentheses.
        let mut row = None;
        loop {
            if least == 0 && self.accept("|") {
                left = self.pipe(left)?;
                continue;
            }
            let Some((op, negated)) = self.peek_operator() else { break };
            if op.precedence() < least {
                break;
            }
            if coalesced && op != Binary::Coalesce {
                let message =
                    format!("\"{}\" and \"??\" cannot be mixed: put one in parentheses", op.symbol());
                return Err(Mistake::new(self.span(), message));
            }
            coalesced = op == Binary::Coalesce;
            if negated {
                self.next();
            }
            self.next();
            left = if op.is_ordering() {
                self.comparison(left, op)?
            } else {
                let right_least = op.precedence() + u8::from(op != Binary::Power);
                let right = self.expression(right_least)?;
                let kind = match left.kind {
                    Kind::Logic(_, mut parts) if row == Some(op) => {
                        parts.push(right);
                        Kind::Logic(op, parts)
                    }
                    _ if op.is_logic() => Kind::Logic(op, vec![left, right]),
                    _ => Kind::Binary(op, Box::new(left), Box::new(right)),
                };
                self.node(start, kind)?
            };
            row = Some(op).filter(|op| op.is_logic());
            if negated {
                left = self.node(start, Kind::Unary(Unary::Not, Box::new(left)))?;
            }
        }
        if least == 0 {
            left = self.ternary(left)?;
        }
        Ok(left)
    }

    /// The binary operator here, and whether `not` stands before it.
    fn peek_operator(&self) -> Option<(Binary, bool)> {
        let at = |n: usize| match self.tokens.get(n) {
            Some((Token::Op(op), _)) => Binary::from_symbol(op),
            _ => None,
        };
        if self.is("not") {
            return at(self.at + 1).filter(|op| op.is_negatable()).map(|op| (op, true));
        }
        at(self.at).map(|op| (op, false))
    }

    /// `a < b < c` means `a < b and b < c`.
    fn comparison(&mut self, left: Expr, mut op: Binary) -> Result<Expr, Mistake> {
        let start = left.span;
        let mut links = Vec::new();
        loop {
            links.push((op, self.expression(op.precedence() + 1)?));
            match self.peek_operator() {
                Some((next, false)) if next.is_ordering() => {
                    self.next();
                    op = next;
                }
                _ => break,
            }
        }
        let kind = match links.pop() {
            Some((op, right)) if links.is_empty() => Kind::Binary(op, Box::new(left), Box::new(right)),
            last => {
                links.extend(last);
                Kind::Comparisons(Box::new(left), links)
            }
        };
        self.node(start, kind)
    }

    fn ternary(&mut self, mut node: Expr) -> Result<Expr, Mistake> {
        let start = node.span;
        while self.is("?") {
            self.next();
            let yes = if self.is(":") { None } else { Some(Box::new(self.expression(0)?)) };
            self.expect(":")?;
            let no = self.expression(0)?;
            node = self.node(start, Kind::Conditional(Box::new(node), yes, Box::new(no)))?;
        }
        Ok(node)
    }

    fn declaration(&mut self) -> Result<Expr, Mistake> {
        let start = self.expect("let")?;
        let name = self.name("a variable name")?;
        self.expect("=")?;
        let value = self.expression(0)?;
        self.expect(";")?;
        let body = self.nested(Self::sequence)?;
        self.node(start, Kind::Let(name, Box::new(value), Box::new(body)))
    }

    fn if_else(&mut self) -> Result<Expr, Mistake> {
        let start = self.expect("if")?;
        let condition = self.expression(0)?;
        let yes = self.block()?;
        self.expect("else")?;
        let no = if self.is("if") { self.nested(Self::if_else)? } else { self.block()? };
        self.node(start, Kind::Conditional(Box::new(condition), Some(Box::new(yes)), Box::new(no)))
    }

    fn block(&mut self) -> Result<Expr, Mistake> {
        self.expect("{")?;
        let body = self.nested(Self::sequence)?;
        self.expect("}")?;
        Ok(body)
    }

    fn name(&mut self, wanted: &str) -> Result<String, Mistake> {
        match self.peek() {
            Token::Name(name) => {
                let name = name.clone();
                self.next();
                Ok(name)
            }
            _ => self.unexpected(wanted),
        }
    }

    fn pipe(&mut self, left: Expr) -> Result<Expr, Mistake> {
        let start = left.span;
        let name = self.name("a function name after \"|\"")?;
        let call = self.call(start, name, vec![left])?;
        self.steps(call)
    }

    /// A unary operator or a primary with what follows it.
    fn operand(&mut self) -> Result<Expr, Mistake> {
        let op = match self.peek() {
            Token::Op("not" | "!") => Unary::Not,
            Token::Op("-") => Unary::Minus,
            Token::Op("+") => Unary::Plus,
            _ => return self.primary(),
        };
        let (_, start) = self.next();
        let operand = self.expression(op.precedence())?;
        // "not x in y" denies the membership, not x.
        if op == Unary::Not
            && let Some((word, false)) = self.peek_operator()
            && word.is_negatable()
        {
            self.next();
            let right = self.expression(word.precedence() + 1)?;
            let span = operand.span;
            let test = self.node(span, Kind::Binary(word, Box::new(operand), Box::new(right)))?;
            return self.node(start, Kind::Unary(op, Box::new(test)));
        }
        self.node(start, Kind::Unary(op, Box::new(operand)))
    }

    fn primary(&mut self) -> Result<Expr, Mistake> {
        let (token, start) = self.next();
        let kind = match token {
            Token::Int(value) => return self.node(start, Kind::Int(value)),
            Token::Float(value) => return self.node(start, Kind::Float(value)),
            Token::Text(text) => Kind::Text(text),
            Token::Bytes(bytes) => Kind::Bytes(bytes),
            Token::Name(name) => match name.as_str() {
                "nil" => return self.node(start, Kind::Nil),
                "true" => return self.node(start, Kind::Bool(true)),
                "false" => return self.node(start, Kind::Bool(false)),
                _ if self.is("(") => {
                    let call = self.call(start, name, Vec::new())?;
                    return self.steps(call);
                }
                _ => Kind::Name(name),
            },
            Token::Op("::") => {
                let name = self.name("a function name after \"::\"")?;
                let call = self.call(start, name, Vec::new())?;
                return self.steps(call);
            }
            Token::Op("(") => {
                let inner = self.nested(Self::sequence)?;
                self.expect(")")?;
                return self.steps(inner);
            }
            Token::Op("[") => Kind::List(self.items("]")?),
            Token::Op("{") => self.map()?,
            Token::Op("#") if self.in_predicate > 0 => self.pointer(start)?,
            Token::Op(".") if self.in_predicate > 0 => {
                // ".x" is "#.x": the dot is read again as a step.
                self.at -= 1;
                let item = Expr::new(Kind::Pointer(Pointer::Item), start);
                return self.steps(item);
            }
            Token::Op("#" | ".") => {
                let message =
                    "\"#\" and \".name\" stand for the element inside a predicate: filter(list, # > 1)";
                return Err(Mistake::new(start, message));
            }
            other => {
                let message = format!("unexpected {}: expected a value", other.describe());
                return Err(Mistake::new(start, message));
            }
        };
        let node = self.node(start, kind)?;
        self.steps(node)
    }

    fn pointer(&mut self, hash: Span) -> Result<Kind, Mistake> {
        let adjacent = self.span().start == hash.end;
        let pointer = match self.peek() {
            Token::Name(name) if adjacent => match name.as_str() {
                "index" => Pointer::Index,
                "acc" => Pointer::Accumulator,
                other => {
                    let message = format!("unknown pointer \"#{other}\": there are #, #index and #acc");
                    return Err(Mistake::new(self.span(), message));
                }
            },
            _ => return Ok(Kind::Pointer(Pointer::Item)),
        };
        self.next();
        Ok(Kind::Pointer(pointer))
    }

    /// Comma-separated expressions up to `close`, which is taken; a comma may come last.
    fn items(&mut self, close: &str) -> Result<Vec<Expr>, Mistake> {
        let mut items = Vec::new();
        while !self.accept(close) {
            if !items.is_empty() {
                if !self.is(",") {
                    return self.unexpected(&format!("\",\" or \"{close}\""));
                }
                self.next();
                if self.accept(close) {
                    break;
                }
            }
            items.push(self.expression(0)?);
        }
        Ok(items)
    }

    fn map(&mut self) -> Result<Kind, Mistake> {
        let mut pairs = Vec::new();
        while !self.accept("}") {
            if !pairs.is_empty() {
                self.expect(",")?;
                if self.accept("}") {
                    break;
                }
            }
            let (token, span) = self.next();
            let key = match token {
                Token::Text(text) | Token::Name(text) => Expr::new(Kind::Text(text), span),
                Token::Int(value) => Expr::new(Kind::Text(value.to_string()), span),
                Token::Float(value) => Expr::new(Kind::Text(value.to_string()), span),
                Token::Op("(") => {
                    let key = self.nested(Self::sequence)?;
                    self.expect(")")?;
                    key
                }
                other => {
                    let message = format!(
                        "unexpected {}: a map key is a name, a string, a number or (an expression)",
                        other.describe()
                    );
                    return Err(Mistake::new(span, message));
                }
            };
            self.expect(":")?;
            pairs.push((key, self.expression(0)?));
        }
        Ok(Kind::Map(pairs))
    }

    /// The arguments of a call; `args` holds what a pipe gave.
    fn call(&mut self, start: Span, name: String, mut args: Vec<Expr>) -> Result<Expr, Mistake> {
        let open = self.expect("(")?;
        let predicate_at = builtins::predicate_argument(&name);
        let piped = args.len();
        while !self.accept(")") {
            if args.len() > piped {
                if !self.is(",") {
                    return match self.peek() {
                        Token::End => Err(Mistake::new(open, "the parenthesis is never closed: write \")\"")),
                        _ => self.unexpected("\",\" or \")\""),
                    };
                }
                self.next();
                if self.accept(")") {
                    break;
                }
            }
            let arg = if predicate_at == Some(args.len()) { self.predicate()? } else { self.expression(0)? };
            args.push(arg);
        }
        self.node(start, Kind::Call(name, args))
    }

    fn predicate(&mut self) -> Result<Expr, Mistake> {
        self.in_predicate += 1;
        let body = if self.accept("{") {
            let body = self.nested(Self::sequence)?;
            self.expect("}")?;
            body
        } else {
            self.expression(0)?
        };
        self.in_predicate -= 1;
        Ok(body)
    }

    /// `.name`, `?.name`, `[…]` and method calls after a value.
    fn steps(&mut self, base: Expr) -> Result<Expr, Mistake> {
        let start = base.span;
        let mut steps = Vec::new();
        loop {
            let start = self.span();
            let optional = self.is("?.");
            let access = if self.accept("[") || optional && self.accept_optional_bracket() {
                self.bracket()?
            } else if self.accept(".") || self.accept("?.") {
                self.member()?
            } else {
                break;
            };
            steps.push(Step { optional, access, span: start.to(self.previous_span()) });
        }
        if steps.is_empty() {
            return Ok(base);
        }
        self.node(start, Kind::Access(Box::new(base), steps))
    }

    /// `?.[`
    fn accept_optional_bracket(&mut self) -> bool {
        let found = matches!(self.tokens.get(self.at + 1), Some((Token::Op("["), _)));
        if found {
            self.next();
            self.next();
        }
        found
    }

    fn member(&mut self) -> Result<Access, Mistake> {
        let name = match self.peek() {
            Token::Name(name) => name.clone(),
            // Words that are operators are names here.
            Token::Op(word) if word.starts_with(is_name_start) => (*word).to_owned(),
            _ => return self.unexpected("a name after the dot (use [\"…\"] for other keys)"),
        };
        self.next();
        if self.accept("(") {
            return Ok(Access::Method(name, self.items(")")?));
        }
        Ok(Access::Field(name))
    }

    fn bracket(&mut self) -> Result<Access, Mistake> {
        let from = if self.is(":") { None } else { Some(self.expression(0)?) };
        let access = match (self.accept(":"), from) {
            (false, Some(index)) => Access::Index(index),
            (_, from) => {
                let to = if self.is("]") { None } else { Some(self.expression(0)?) };
                Access::Slice(from, to)
            }
        };
        self.expect("]")?;
        Ok(access)
    }
}
