//! The functions of the language: one table of what they are called, what they take and what runs.
//! Arguments are checked, errors are worded and the documentation is generated from it.

mod aggregate;
mod args;
mod editors;
mod encode;
mod exponential;
mod format;
mod hash;
mod ids;
mod lists;
mod maps;
mod metrics;
mod network;
mod numbers;
mod parse;
mod replace;
mod span_name;
mod strings;
mod time;
mod types;
mod xml;

pub use args::{Arg, Args, LastPattern};

use super::EvalError;
use super::context::{ContextKind, Item, View};
use super::value::Value;

/// Changes an item.
pub type EditorFn = fn(&Args, &mut Item<'_>) -> Result<(), EvalError>;
/// Gives a value.
pub type ConverterFn = for<'a> fn(&'a Args, &View<'a>) -> Result<Value<'a>, EvalError>;
/// Refuses arguments when a statement is compiled, or prepares them; the number is the argument at
/// fault.
pub type CheckFn = fn(&mut Args) -> Result<(), (usize, String)>;

/// A function of the language.
#[derive(Clone, Copy)]
pub struct Function {
    pub name: &'static str,
    pub params: &'static [Param],
    pub run: Run,
    /// The contexts that have it; empty = all.
    pub contexts: &'static [ContextKind],
    pub check: Option<CheckFn>,
    /// One sentence for the documentation.
    pub doc: &'static str,
}

#[derive(Clone, Copy)]
pub enum Run {
    Editor(EditorFn),
    Converter(ConverterFn),
}

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    pub name: &'static str,
    pub kind: ParamKind,
    pub optional: bool,
}

/// What a parameter accepts, and what its argument is compiled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// A path that can be set.
    Target,
    /// A path to a map that is changed in place.
    MapTarget,
    /// Anything.
    Any,
    /// A string.
    Text,
    /// Anything that has a text form.
    TextLike,
    Int,
    Float,
    Bool,
    /// A list; a literal one may mix values of all types.
    Values,
    /// A list of strings.
    Texts,
    Map,
    Time,
    Duration,
    /// A string that is a regular expression.
    Regex,
    /// A string that is a glob.
    Glob,
    /// A strptime layout.
    Layout,
    /// A literal string, one of these.
    Choice(&'static [&'static str]),
    /// A literal string.
    LiteralText,
    /// The bare name of a converter with one parameter.
    Function,
}

impl ParamKind {
    /// How messages and the documentation call it.
    pub fn describe(self) -> String {
        match self {
            Self::Target => "path".to_owned(),
            Self::MapTarget => "map path".to_owned(),
            Self::Any => "any".to_owned(),
            Self::Text => "string".to_owned(),
            Self::TextLike => "string-like".to_owned(),
            Self::Int => "int".to_owned(),
            Self::Float => "float".to_owned(),
            Self::Bool => "bool".to_owned(),
            Self::Values => "list".to_owned(),
            Self::Texts => "list of strings".to_owned(),
            Self::Map => "map".to_owned(),
            Self::Time => "time".to_owned(),
            Self::Duration => "duration".to_owned(),
            Self::Regex => "regex".to_owned(),
            Self::Glob => "glob".to_owned(),
            Self::Layout => "time layout".to_owned(),
            Self::Choice(choices) => {
                choices.iter().map(|choice| format!("\"{choice}\"")).collect::<Vec<_>>().join(" | ")
            }
            Self::LiteralText => "literal string".to_owned(),
            Self::Function => "function name".to_owned(),
        }
    }
}

impl Function {
    const fn converter(
        name: &'static str,
        params: &'static [Param],
        run: ConverterFn,
        doc: &'static str,
    ) -> Self {
        Self { name, params, run: Run::Converter(run), contexts: &[], check: None, doc }
    }

    const fn editor(name: &'static str, params: &'static [Param], run: EditorFn, doc: &'static str) -> Self {
        Self { name, params, run: Run::Editor(run), contexts: &[], check: None, doc }
    }

    const fn check(mut self, check: CheckFn) -> Self {
        self.check = Some(check);
        self
    }

    const fn only(mut self, contexts: &'static [ContextKind]) -> Self {
        self.contexts = contexts;
        self
    }

    pub fn is_editor(&self) -> bool {
        matches!(self.run, Run::Editor(_))
    }

    pub fn available_in(&self, context: ContextKind) -> bool {
        self.contexts.is_empty() || self.contexts.contains(&context)
    }

    /// Name and parameters as the documentation shows them.
    pub fn signature(&self) -> String {
        let params: Vec<String> = self
            .params
            .iter()
            .map(|param| format!("{}{}", param.name, if param.optional { "?" } else { "" }))
            .collect();
        format!("{}({})", self.name, params.join(", "))
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.signature())
    }
}

const fn p(name: &'static str, kind: ParamKind) -> Param {
    Param { name, kind, optional: false }
}

const fn opt(name: &'static str, kind: ParamKind) -> Param {
    Param { name, kind, optional: true }
}

static TABLES: &[&[Function]] = &[
    editors::FUNCTIONS,
    encode::FUNCTIONS,
    exponential::FUNCTIONS,
    format::FUNCTIONS,
    hash::FUNCTIONS,
    ids::FUNCTIONS,
    lists::FUNCTIONS,
    maps::FUNCTIONS,
    metrics::FUNCTIONS,
    network::FUNCTIONS,
    numbers::FUNCTIONS,
    parse::FUNCTIONS,
    replace::FUNCTIONS,
    span_name::FUNCTIONS,
    strings::FUNCTIONS,
    time::FUNCTIONS,
    types::FUNCTIONS,
    xml::FUNCTIONS,
];

/// All functions.
pub fn all() -> impl Iterator<Item = &'static Function> {
    TABLES.iter().copied().flatten()
}

/// The function of that name.
pub fn find(name: &str) -> Option<&'static Function> {
    all().find(|function| function.name == name)
}
