//! Statements and conditions, compiled and ready to run.

use super::compile::Compiler;
use super::context::{ContextKind, Item, View};
use super::error::{CompileError, EvalError, Fault};
use super::expr::Condition;
use super::functions::{Args, EditorFn};
use super::parser;
use super::path::Path;

/// `editor(…) where …`
#[derive(Debug)]
pub struct Statement {
    text: String,
    editor: EditorFn,
    args: Args,
    /// What of its condition the resource decides.
    of_resource: Option<Condition>,
    condition: Option<Condition>,
}

impl Statement {
    pub fn compile(text: &str, context: ContextKind) -> Result<Self, CompileError> {
        let compile = || {
            let parsed = parser::statement(text)?;
            let compiler = Compiler { context };
            let (editor, args) = compiler.editor(&parsed.editor)?;
            let condition = parsed.condition.map(|node| compiler.condition(&node)).transpose()?;
            let (of_resource, condition) = condition.map_or((None, None), Condition::split);
            Ok(Self { text: text.to_owned(), editor, args, of_resource, condition })
        };
        compile().map_err(|fault| CompileError::new(text, fault))
    }

    /// The statement as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Runs the editor, if the condition holds, and tells whether it does. A statement whose condition
    /// does not hold allocates nothing.
    ///
    /// `known` is what the resource has decided, from the first item of a resource until the next
    /// resource or a change of this one.
    pub fn run(&self, item: &mut Item<'_>, known: &mut Option<bool>) -> Result<bool, EvalError> {
        if let Some(condition) = &self.of_resource {
            let answer = match *known {
                Some(answer) => answer,
                None => *known.insert(condition.test(&item.view())?),
            };
            if !answer {
                return Ok(false);
            }
        }
        match &self.condition {
            Some(condition) if !condition.test(&item.view())? => Ok(false),
            _ => (self.editor)(&self.args, item).map(|()| true),
        }
    }

    /// The editor may change the resource.
    pub fn changes_resource(&self) -> bool {
        self.args.targets().any(Path::is_in_resource)
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

/// What a choice does beside choosing, by name, when it does nothing.
const CHOOSE: &str = "route";

/// A condition that chooses items, and maybe an editor that changes what was chosen: a statement
/// such as `route() where …` or `delete_key(…) where …`.
#[derive(Debug)]
pub struct Choice {
    text: String,
    condition: Condition,
    edit: Option<(EditorFn, Args)>,
}

impl Choice {
    /// Compiles a statement whose editor is `route()` or one of `editors`.
    pub fn of_statement(text: &str, context: ContextKind, editors: &[&str]) -> Result<Self, CompileError> {
        let compile = || {
            let parsed = parser::statement(text)?;
            let compiler = Compiler { context };
            let name = parsed.editor.name.as_str();
            let edit = if editors.contains(&name) {
                Some(compiler.editor(&parsed.editor)?)
            } else if name == CHOOSE && parsed.editor.args.is_empty() {
                None
            } else {
                let known = editors.join(", ");
                let message = format!("\"{name}\" cannot be used here: use {CHOOSE}() or one of {known}");
                return Err(Fault::new(parsed.editor.at, message));
            };
            let condition = parsed.condition.map(|node| compiler.condition(&node)).transpose()?;
            let condition = condition.unwrap_or(Condition::Always(true));
            Ok(Self { text: text.to_owned(), condition, edit })
        };
        compile().map_err(|fault| CompileError::new(text, fault))
    }

    /// Compiles a bare condition.
    pub fn of_condition(text: &str, context: ContextKind) -> Result<Self, CompileError> {
        let Predicate { text, condition } = Predicate::compile(text, context)?;
        Ok(Self { text, condition, edit: None })
    }

    /// The statement or condition as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn test(&self, view: &View<'_>) -> Result<bool, EvalError> {
        self.condition.test(view)
    }

    pub fn edits(&self) -> bool {
        self.edit.is_some()
    }

    /// Changes an item that was chosen.
    pub fn edit(&self, item: &mut Item<'_>) -> Result<(), EvalError> {
        self.edit.as_ref().map_or(Ok(()), |(edit, args)| edit(args, item))
    }
}
