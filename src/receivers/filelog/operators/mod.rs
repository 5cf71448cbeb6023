//! Log operators: small steps that parse and change entries between the file and the pipeline.
//!
//! An operator is one folder or file here and one line in [`TYPES`]. Its config struct is declared
//! with [`operator_config!`], its `decode` checks everything and returns a factory; the [`Chain`]
//! does what all operators have in common: `id`, `output`, `if`, `on_error`.

mod add;
mod assign_keys;
mod chain;
mod container;
mod csv_parser;
mod expression;
pub mod field;
mod filter;
mod flatten;
mod json_array_parser;
mod json_parser;
mod key_value_parser;
mod moves;
mod noop;
mod output;
mod parsing;
mod plan;
mod recombine;
mod regex_parser;
mod regex_replace;
mod relocate;
mod remove;
mod retain;
mod router;
mod sanitize_utf8;
mod scope_name_parser;
mod severity_parser;
mod syslog_parser;
mod time_parser;
mod trace_parser;
mod unquote;
mod uri_parser;

use std::time::Instant;

use crate::config::{Issues, Node};

use super::entry::{Entry, FileId, Origin};

pub use chain::{Chain, Sink};
pub use expression::{Template, templates};
pub use field::{Field, FieldError};
pub use plan::{OnError, Plan};

/// Every operator type of this build, sorted by name.
pub static TYPES: &[&OperatorType] = &[
    &add::TYPE,
    &assign_keys::TYPE,
    &container::TYPE,
    &relocate::COPY,
    &csv_parser::TYPE,
    &output::DROP,
    &output::FILE,
    &filter::TYPE,
    &flatten::TYPE,
    &json_array_parser::TYPE,
    &json_parser::TYPE,
    &key_value_parser::TYPE,
    &relocate::MOVE,
    &noop::TYPE,
    &recombine::TYPE,
    &regex_parser::TYPE,
    &regex_replace::TYPE,
    &remove::TYPE,
    &retain::TYPE,
    &router::TYPE,
    &sanitize_utf8::TYPE,
    &scope_name_parser::TYPE,
    &severity_parser::TYPE,
    &output::STDOUT,
    &syslog_parser::TYPE,
    &time_parser::TYPE,
    &trace_parser::TYPE,
    &unquote::TYPE,
    &uri_parser::TYPE,
];

/// An operator type: its name and how its section becomes something that makes operators.
pub struct OperatorType {
    pub name: &'static str,
    /// Decodes the section and checks it completely; problems go to `issues` with `path`.
    pub decode: fn(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded>,
}

/// The section of one operator.
pub struct Section<'a> {
    pub node: &'a Node,
    /// Where it is in the receiver's section: `operators::3`.
    pub path: &'a str,
    pub site: Site,
}

/// What an operator may want to know about the receiver it works for.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// It is the first operator and sees lines as they are in the file.
    pub first: bool,
    /// The receiver trims the end of records (`preserve_trailing_whitespaces` is off).
    pub trim_end: bool,
    /// The receiver decodes UTF-8, the default.
    pub utf8: bool,
}

/// A checked operator config.
pub struct Decoded {
    pub factory: Factory,
    /// Further ways out, for routers: the ids of each one. [`Verdict::Route`] is an index into it.
    pub routes: Vec<Vec<String>>,
    /// It wants the bytes of a line that is not UTF-8, and its trailing blanks: it cares for both.
    pub takes_raw: bool,
    /// All it does is to move what is at the first field to the second.
    pub moves: Option<(Field, Field)>,
}

impl Decoded {
    /// An operator with one way out.
    pub fn new(factory: impl Fn() -> Box<dyn Operator> + Send + Sync + 'static) -> Self {
        Self { factory: Box::new(factory), routes: Vec::new(), takes_raw: false, moves: None }
    }
}

/// Makes an operator from its checked config. Called at every start of the receiver.
pub type Factory = Box<dyn Fn() -> Box<dyn Operator> + Send + Sync>;

/// One step. Everything is called in the receiver's thread.
pub trait Operator: Send {
    /// Changes the entry in place. An operator that keeps it takes it (`std::mem::take`) and says
    /// [`Verdict::Taken`]; one that hands on other entries before this one gives them to `out`.
    /// After an error the entry goes on, or not, as `on_error` says, as far as it was changed.
    fn process(&mut self, entry: &mut Entry, out: &mut Emitter<'_>) -> Result<Verdict, Problem>;

    /// When [`Operator::tick`] wants to be called, for operators that hold entries back.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// The deadline has passed.
    fn tick(&mut self, out: &mut Emitter<'_>) {
        let _ = out;
    }

    /// Hand on all that is held back.
    fn flush(&mut self, out: &mut Emitter<'_>) {
        let _ = out;
    }

    /// Names the origins of all entries that are held back: their offsets must not be committed.
    fn held(&self, visit: &mut dyn FnMut(Origin)) {
        let _ = visit;
    }

    /// The file will be read again from an earlier offset: drop what is held of it. Origins in
    /// other files of what is dropped go to `others`, they are read again too.
    fn rewind(&mut self, file: FileId, others: &mut dyn FnMut(Origin)) {
        let _ = (file, others);
    }

    /// The file is finished and nothing of it is held: free what is kept for it.
    fn forget(&mut self, file: FileId) {
        let _ = file;
    }
}

/// What becomes of an entry after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on to the operator's output.
    Pass,
    /// It goes on to the outputs of that route.
    Route(usize),
    /// The operator keeps it for now.
    Taken,
    /// It is dropped on purpose, which is counted.
    Drop,
}

/// Why an operator could not do its work on an entry: a lowercase fragment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{0}")]
pub struct Problem(pub std::borrow::Cow<'static, str>);

impl From<&'static str> for Problem {
    fn from(text: &'static str) -> Self {
        Self(text.into())
    }
}
impl From<String> for Problem {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}
impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        Self(error.to_string().into())
    }
}

/// Takes the entries an operator hands on besides the one it was given, and knows the time.
pub struct Emitter<'a> {
    emitted: &'a mut Vec<Entry>,
    pub now: Instant,
}

impl<'a> Emitter<'a> {
    pub fn new(emitted: &'a mut Vec<Entry>, now: Instant) -> Self {
        Self { emitted, now }
    }

    /// Hands on `entry`, before the one that is being processed.
    pub fn emit(&mut self, entry: Entry) {
        self.emitted.push(entry);
    }
}

/// Declares the config struct of an operator: its own keys with their defaults, beside those that
/// all operators have and [`Plan`] decodes.
macro_rules! operator_config {
    ($(#[$doc:meta])* $vis:vis struct $name:ident {
        $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        $vis struct $name {
            $($(#[$field_doc])* $field: $type,)*
            #[serde(rename = "type")]
            _type: serde::de::IgnoredAny,
            #[serde(rename = "id")]
            _id: serde::de::IgnoredAny,
            #[serde(rename = "output")]
            _output: serde::de::IgnoredAny,
            #[serde(rename = "on_error")]
            _on_error: serde::de::IgnoredAny,
            #[serde(rename = "if")]
            _if: serde::de::IgnoredAny,
        }
        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($field: $default,)*
                    _type: serde::de::IgnoredAny,
                    _id: serde::de::IgnoredAny,
                    _output: serde::de::IgnoredAny,
                    _on_error: serde::de::IgnoredAny,
                    _if: serde::de::IgnoredAny,
                }
            }
        }
    };
}
pub(crate) use operator_config;

#[cfg(test)]
mod tests;
