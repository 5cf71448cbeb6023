//! A statement as it was written.

use crate::otlp::Str;

/// A part of a statement and the byte offset where it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub at: usize,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Str),
    Bytes(Vec<u8>),
    /// A bare name that begins with a capital: an enum, or a function given as an argument.
    Capital(Str),
    Path(Vec<Segment>),
    Call(Call),
    List(Vec<Node>),
    Map(Vec<(Str, Node)>),
    Math(MathOp, Box<Node>, Box<Node>),
    Compare(CompareOp, Box<Node>, Box<Node>),
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
}

/// One part of a path between dots.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    pub at: usize,
    pub name: Str,
    pub keys: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub at: usize,
    pub name: Str,
    pub args: Vec<Argument>,
    /// Indexes after the closing parenthesis.
    pub keys: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    pub at: usize,
    pub name: Option<Str>,
    pub value: Node,
}

/// An editor with its condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub editor: Call,
    pub condition: Option<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MathOp {
    Add,
    Sub,
    Mul,
    Div,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Node {
    /// Whether it is true or false by its form; only these may stand where a condition is needed.
    pub fn is_condition(&self) -> bool {
        match &self.kind {
            Kind::Compare(..) | Kind::Not(_) | Kind::And(_) | Kind::Or(_) | Kind::Bool(_) => true,
            Kind::Call(call) => call.keys.is_empty(),
            _ => false,
        }
    }

    /// Whether it may stand where a value is needed.
    pub fn is_value(&self) -> bool {
        !matches!(self.kind, Kind::Compare(..) | Kind::Not(_) | Kind::And(_) | Kind::Or(_))
    }

    /// Calls `visit` for this node and all below it.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Node)) {
        visit(self);
        match &self.kind {
            Kind::Path(segments) => segments.iter().flat_map(|s| &s.keys).for_each(|key| key.walk(visit)),
            Kind::Call(call) => call.walk(visit),
            Kind::List(nodes) | Kind::And(nodes) | Kind::Or(nodes) => {
                for node in nodes {
                    node.walk(visit);
                }
            }
            Kind::Map(entries) => entries.iter().for_each(|(_, node)| node.walk(visit)),
            Kind::Math(_, left, right) | Kind::Compare(_, left, right) => {
                left.walk(visit);
                right.walk(visit);
            }
            Kind::Not(node) => node.walk(visit),
            _ => {}
        }
    }
}

impl Call {
    /// Calls `visit` for every node of its arguments and indexes.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Node)) {
        self.args.iter().for_each(|argument| argument.value.walk(visit));
        self.keys.iter().for_each(|key| key.walk(visit));
    }
}
