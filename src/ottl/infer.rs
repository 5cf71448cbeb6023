//! Which context a group of statements without one is meant for.

use super::ast::{Kind, Node};
use super::context::ContextKind;
use super::enums::ENUMS;
use super::error::CompileError;
use super::functions;
use super::parser;
use crate::pipeline::Signal;

/// Why no context could be found.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error("cannot tell what the statements run on: begin their paths with {0}, or set \"context\"")]
    NoPrefix(String),
    #[error(
        "no context of this signal has everything that the statements use ({0}): set \"context\", or split them"
    )]
    NoContext(String),
}

/// What the statements ask of their context.
#[derive(Default)]
struct Needs {
    prefixes: Vec<ContextKind>,
    functions: Vec<String>,
    enums: Vec<String>,
}

/// The most general context of `signal` that sees every path prefix and has every function and enum.
pub fn infer(
    signal: Signal,
    statements: &[String],
    conditions: &[String],
) -> Result<ContextKind, InferError> {
    let mut needs = Needs::default();
    for text in statements {
        let parsed = parser::statement(text).map_err(|fault| CompileError::new(text, fault))?;
        needs.functions.push(parsed.editor.name.to_string());
        parsed.editor.walk(&mut |node| needs.note(node));
        if let Some(condition) = &parsed.condition {
            condition.walk(&mut |node| needs.note(node));
        }
    }
    for text in conditions {
        let parsed = parser::condition(text).map_err(|fault| CompileError::new(text, fault))?;
        parsed.walk(&mut |node| needs.note(node));
    }
    let contexts = ContextKind::of_signal(signal);
    if needs.prefixes.is_empty() {
        let prefixes: Vec<String> =
            contexts.iter().map(|context| format!("\"{}.\"", context.name())).collect();
        return Err(InferError::NoPrefix(prefixes.join(", ")));
    }
    contexts.iter().copied().find(|context| needs.are_met_by(*context)).ok_or_else(|| {
        let mut names: Vec<&str> = needs.prefixes.iter().map(|prefix| prefix.name()).collect();
        names.extend(needs.functions.iter().chain(&needs.enums).map(String::as_str));
        names.sort_unstable();
        names.dedup();
        InferError::NoContext(names.join(", "))
    })
}

impl Needs {
    fn note(&mut self, node: &Node) {
        match &node.kind {
            Kind::Path(segments) if segments.len() > 1 => {
                self.prefixes.extend(ContextKind::of_prefix(&segments[0].name));
            }
            Kind::Call(call) => self.functions.push(call.name.to_string()),
            Kind::Capital(name) => self.enums.push(name.to_string()),
            _ => {}
        }
    }

    /// Unknown functions and enums are left to the compiler, which says what is meant.
    fn are_met_by(&self, context: ContextKind) -> bool {
        self.prefixes.iter().all(|prefix| context.visible().contains(prefix))
            && self.functions.iter().all(|name| functions::find(name).is_none_or(|f| f.available_in(context)))
            && self.enums.iter().all(|name| {
                ENUMS.iter().find(|known| known.name == name).is_none_or(|e| e.contexts.contains(&context))
            })
    }
}
