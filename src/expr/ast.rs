//! The syntax tree, and how it prints. Printing is canonical: what it prints parses to the same tree.

use std::fmt::{self, Display, Formatter, Write};

use super::builtins;
use super::error::Span;

#[derive(Clone, Debug)]
pub(super) struct Expr {
    pub kind: Kind,
    pub span: Span,
    /// Levels of the tree below and with this one: whoever walks it recurses that deep.
    pub height: usize,
}

impl Expr {
    pub fn new(kind: Kind, span: Span) -> Self {
        let height = 1 + kind.children().map(|child| child.height).max().unwrap_or(0);
        Self { kind, span, height }
    }
}

/// Places in the source are no part of what an expression is.
impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Name(String),
    /// `#`, `#index`, `#acc`.
    Pointer(Pointer),
    List(Vec<Expr>),
    /// Keys are texts or parenthesised expressions.
    Map(Vec<(Expr, Expr)>),
    Unary(Unary, Box<Expr>),
    Binary(Binary, Box<Expr>, Box<Expr>),
    /// `a and b and c`, `a or b or c`: two or more in one row.
    Logic(Binary, Vec<Expr>),
    /// Two or more orderings in a row: `1 < x <= 5`, each operand evaluated once.
    Comparisons(Box<Expr>, Vec<(Binary, Expr)>),
    /// `c ? a : b`; without the middle `c ?: b`.
    Conditional(Box<Expr>, Option<Box<Expr>>, Box<Expr>),
    /// A value and what follows it: `.name`, `?.name`, `[i]`, `[a:b]`, `.method()`.
    Access(Box<Expr>, Vec<Step>),
    Call(String, Vec<Expr>),
    Let(String, Box<Expr>, Box<Expr>),
    /// `a; b`: the value of the last.
    Sequence(Vec<Expr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pointer {
    Item,
    Index,
    Accumulator,
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    /// `?.`: the whole access is nil when this step meets nil.
    pub optional: bool,
    pub access: Access,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Access {
    Field(String),
    Index(Expr),
    Slice(Option<Expr>, Option<Expr>),
    Method(String, Vec<Expr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unary {
    Not,
    Minus,
    Plus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    Matches,
    Contains,
    StartsWith,
    EndsWith,
    Range,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Coalesce,
}

impl Unary {
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Not => "not",
            Self::Minus => "-",
            Self::Plus => "+",
        }
    }

    /// `not` binds weaker than arithmetic, the signs stronger than `*`.
    pub const fn precedence(self) -> u8 {
        match self {
            Self::Not => 50,
            Self::Minus | Self::Plus => 90,
        }
    }
}

impl Binary {
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Or => "or",
            Self::And => "and",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::In => "in",
            Self::Matches => "matches",
            Self::Contains => "contains",
            Self::StartsWith => "startsWith",
            Self::EndsWith => "endsWith",
            Self::Range => "..",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Power => "**",
            Self::Coalesce => "??",
        }
    }

    pub fn from_symbol(symbol: &str) -> Option<Self> {
        Some(match symbol {
            "or" | "||" => Self::Or,
            "and" | "&&" => Self::And,
            "==" => Self::Equal,
            "!=" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterEqual,
            "in" => Self::In,
            "matches" => Self::Matches,
            "contains" => Self::Contains,
            "startsWith" => Self::StartsWith,
            "endsWith" => Self::EndsWith,
            ".." => Self::Range,
            "+" => Self::Add,
            "-" => Self::Subtract,
            "*" => Self::Multiply,
            "/" => Self::Divide,
            "%" => Self::Modulo,
            "**" | "^" => Self::Power,
            "??" => Self::Coalesce,
            _ => return None,
        })
    }

    pub const fn precedence(self) -> u8 {
        match self {
            Self::Or => 10,
            Self::And => 15,
            Self::Equal
            | Self::NotEqual
            | Self::Less
            | Self::LessEqual
            | Self::Greater
            | Self::GreaterEqual
            | Self::In
            | Self::Matches
            | Self::Contains
            | Self::StartsWith
            | Self::EndsWith => 20,
            Self::Range => 25,
            Self::Add | Self::Subtract => 30,
            Self::Multiply | Self::Divide | Self::Modulo => 60,
            Self::Power => 100,
            Self::Coalesce => 200,
        }
    }

    pub const fn is_logic(self) -> bool {
        matches!(self, Self::And | Self::Or)
    }

    pub const fn is_ordering(self) -> bool {
        matches!(self, Self::Less | Self::LessEqual | Self::Greater | Self::GreaterEqual)
    }

    /// The operators that are words and can be negated: `not in`, `not matches` ….
    pub const fn is_negatable(self) -> bool {
        matches!(self, Self::In | Self::Matches | Self::Contains | Self::StartsWith | Self::EndsWith)
    }
}

impl Kind {
    fn children(&self) -> Box<dyn Iterator<Item = &Expr> + '_> {
        match self {
            Self::Nil
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Float(_)
            | Self::Text(_)
            | Self::Bytes(_)
            | Self::Name(_)
            | Self::Pointer(_) => Box::new(std::iter::empty()),
            Self::List(items) | Self::Call(_, items) | Self::Sequence(items) | Self::Logic(_, items) => {
                Box::new(items.iter())
            }
            Self::Map(pairs) => Box::new(pairs.iter().flat_map(|(key, value)| [key, value])),
            Self::Unary(_, operand) => Box::new(std::iter::once(&**operand)),
            Self::Binary(_, left, right) | Self::Let(_, left, right) => {
                Box::new([&**left, &**right].into_iter())
            }
            Self::Comparisons(first, links) => {
                Box::new(std::iter::once(&**first).chain(links.iter().map(|(_, right)| right)))
            }
            Self::Conditional(condition, yes, no) => {
                Box::new([&**condition, &**no].into_iter().chain(yes.as_deref()))
            }
            Self::Access(base, steps) => {
                Box::new(std::iter::once(&**base).chain(steps.iter().flat_map(Step::children)))
            }
        }
    }

    /// Whether it prints as one piece that needs no parentheses anywhere.
    fn is_atom(&self) -> bool {
        match self {
            Self::Nil
            | Self::Bool(_)
            | Self::Text(_)
            | Self::Bytes(_)
            | Self::Name(_)
            | Self::Pointer(_)
            | Self::List(_)
            | Self::Map(_)
            | Self::Access(..)
            | Self::Call(..) => true,
            Self::Int(value) => *value >= 0,
            Self::Float(value) => value.is_sign_positive(),
            _ => false,
        }
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Nil => f.write_str("nil"),
            Kind::Bool(value) => write!(f, "{value}"),
            Kind::Int(value) => write!(f, "{value}"),
            // Debug keeps a point or an exponent, so that it stays a float.
            Kind::Float(value) => write!(f, "{value:?}"),
            Kind::Text(text) => quote(f, text),
            Kind::Bytes(bytes) => {
                f.write_str("b\"")?;
                bytes.iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
                f.write_char('"')
            }
            Kind::Name(name) => f.write_str(name),
            Kind::Pointer(Pointer::Item) => f.write_char('#'),
            Kind::Pointer(Pointer::Index) => f.write_str("#index"),
            Kind::Pointer(Pointer::Accumulator) => f.write_str("#acc"),
            Kind::List(items) => {
                f.write_char('[')?;
                commas(f, items)?;
                f.write_char(']')
            }
            Kind::Map(pairs) => {
                f.write_char('{')?;
                for (n, (key, value)) in pairs.iter().enumerate() {
                    if n > 0 {
                        f.write_str(", ")?;
                    }
                    match &key.kind {
                        Kind::Text(text) => quote(f, text)?,
                        _ => write!(f, "({key})")?,
                    }
                    write!(f, ": {value}")?;
                }
                f.write_char('}')
            }
            Kind::Unary(op, operand) => {
                f.write_str(op.symbol())?;
                if *op == Unary::Not {
                    f.write_char(' ')?;
                }
                Part(operand).fmt(f)
            }
            Kind::Binary(op, left, right) => {
                write!(f, "{} {} {}", Part(left), op.symbol(), Part(right))
            }
            Kind::Logic(op, parts) => {
                for (n, part) in parts.iter().enumerate() {
                    if n > 0 {
                        write!(f, " {} ", op.symbol())?;
                    }
                    Part(part).fmt(f)?;
                }
                Ok(())
            }
            Kind::Comparisons(first, links) => {
                Part(first).fmt(f)?;
                links.iter().try_for_each(|(op, right)| write!(f, " {} {}", op.symbol(), Part(right)))
            }
            Kind::Conditional(condition, Some(yes), no) => {
                write!(f, "{} ? {} : {}", Part(condition), Part(yes), Part(no))
            }
            Kind::Conditional(condition, None, no) => write!(f, "{} ?: {}", Part(condition), Part(no)),
            Kind::Access(base, steps) => {
                match &base.kind {
                    // A number before a dot would read as a float, an access before a step as one access.
                    Kind::Access(..) | Kind::Int(_) | Kind::Float(_) => write!(f, "({base})")?,
                    Kind::Nil | Kind::Bool(_) => write!(f, "({base})")?,
                    _ => Part(base).fmt(f)?,
                }
                steps.iter().try_for_each(|step| step.fmt(f))
            }
            Kind::Call(name, args) => {
                write!(f, "{name}(")?;
                let predicate = builtins::predicate_argument(name);
                for (n, arg) in args.iter().enumerate() {
                    if n > 0 {
                        f.write_str(", ")?;
                    }
                    if predicate == Some(n) { write!(f, "{{{arg}}}")? } else { Nested(arg).fmt(f)? }
                }
                f.write_char(')')
            }
            Kind::Let(name, value, body) => write!(f, "let {name} = {}; {body}", Part(value)),
            Kind::Sequence(parts) => {
                for (n, part) in parts.iter().enumerate() {
                    if n > 0 {
                        f.write_str("; ")?;
                    }
                    Part(part).fmt(f)?;
                }
                Ok(())
            }
        }
    }
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        self.optional == other.optional && self.access == other.access
    }
}

impl Step {
    fn children(&self) -> Box<dyn Iterator<Item = &Expr> + '_> {
        match &self.access {
            Access::Field(_) => Box::new(std::iter::empty()),
            Access::Index(index) => Box::new(std::iter::once(index)),
            Access::Slice(from, to) => Box::new(from.iter().chain(to)),
            Access::Method(_, args) => Box::new(args.iter()),
        }
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let dot = if self.optional { "?." } else { "." };
        let bracket = if self.optional { "?.[" } else { "[" };
        match &self.access {
            Access::Field(name) => write!(f, "{dot}{name}"),
            Access::Method(name, args) => {
                write!(f, "{dot}{name}(")?;
                commas(f, args)?;
                f.write_char(')')
            }
            Access::Index(index) => write!(f, "{bracket}{}]", Nested(index)),
            Access::Slice(from, to) => {
                f.write_str(bracket)?;
                if let Some(from) = from {
                    Nested(from).fmt(f)?;
                }
                f.write_char(':')?;
                if let Some(to) = to {
                    Nested(to).fmt(f)?;
                }
                f.write_char(']')
            }
        }
    }
}

/// An operand: in parentheses unless it is in one piece.
struct Part<'a>(&'a Expr);

impl Display for Part<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.kind.is_atom() { self.0.fmt(f) } else { write!(f, "({})", self.0) }
    }
}

/// An expression between brackets or commas, where only `a; b` needs parentheses.
struct Nested<'a>(&'a Expr);

impl Display for Nested<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.kind {
            Kind::Sequence(_) | Kind::Let(..) | Kind::Conditional(..) => write!(f, "({})", self.0),
            _ => self.0.fmt(f),
        }
    }
}

fn commas(f: &mut Formatter<'_>, items: &[Expr]) -> fmt::Result {
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            f.write_str(", ")?;
        }
        Nested(item).fmt(f)?;
    }
    Ok(())
}

fn quote(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c.is_control() => write!(f, "\\U{:08x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}
