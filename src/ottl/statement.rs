//! Statements and conditions, compiled and ready to run.

use super::compile::Compiler;
use super::context::{ContextKind, Item, View};
use super::error::{CompileError, EvalError};
use super::expr::Condition;
use super::functions::{Args, EditorFn};
use super::parser;

/// `editor(…) where …`
#[derive(Debug)]
pub struct Statement {
    text: String,
    editor: EditorFn,
    args: Args,
    condition: Option<Condition>,
}

impl Statement {
    pub fn compile(text: &str, context: ContextKind) -> Result<Self, CompileError> {
        let compile = || {
            let parsed = parser::statement(text)?;
            let compiler = Compiler { context };
            let (editor, args) = compiler.editor(&parsed.editor)?;
            let condition = parsed.condition.map(|node| compiler.condition(&node)).transpose()?;
            Ok(Self { text: text.to_owned(), editor, args, condition })
        };
        compile().map_err(|fault| CompileError::new(text, fault))
    }

    /// The statement as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Runs the editor, if the condition holds. A statement whose condition does not hold
    /// allocates nothing.
    pub fn run(&self, item: &mut Item<'_>) -> Result<(), EvalError> {
        match &self.condition {
            Some(condition) if !condition.test(&item.view())? => Ok(()),
            _ => (self.editor)(&self.args, item),
        }
    }
}

/// A condition that stands alone.
#[derive(Debug)]
pub struct Predicate {
    text: String,
    condition: Condition,
}

impl Predicate {
    pub fn compile(text: &str, context: ContextKind) -> Result<Self, CompileError> {
        let compile = || Compiler { context }.condition(&parser::condition(text)?);
        let condition = compile().map_err(|fault| CompileError::new(text, fault))?;
        Ok(Self { text: text.to_owned(), condition })
    }

    /// The condition as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn test(&self, view: &View<'_>) -> Result<bool, EvalError> {
        self.condition.test(view)
    }
}
