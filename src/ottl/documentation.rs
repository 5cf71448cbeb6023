//! The lists of functions and paths in `docs/ottl.md`, made from the tables they are compiled with.

use std::fmt::Write;

use super::context::{Access, ContextKind};
use super::functions::{self, Function};

/// Everything of the page that the tables know.
pub fn reference() -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_functions(&mut out).and_then(|()| write_paths(&mut out));
    out
}

fn write_functions(out: &mut String) -> std::fmt::Result {
    for (title, editors) in [("Editors", true), ("Converters", false)] {
        let mut list: Vec<&Function> = functions::all().filter(|f| f.is_editor() == editors).collect();
        list.sort_by_key(|function| function.name);
        writeln!(out, "## {title}\n\n| function | arguments | contexts | |\n| --- | --- | --- | --- |")?;
        for function in list {
            let arguments: Vec<String> = function
                .params
                .iter()
                .map(|param| format!("`{}`: {}", param.name, param.kind.describe().replace('|', "\\|")))
                .collect();
            let contexts: Vec<&str> = function.contexts.iter().map(|context| context.name()).collect();
            let contexts = if contexts.is_empty() { "all".to_owned() } else { contexts.join(", ") };
            let (signature, arguments) = (function.signature(), arguments.join("<br>"));
            writeln!(
                out,
                "| `{signature}` | {arguments} | {contexts} | {} |",
                function.doc.replace('|', "\\|")
            )?;
        }
        out.push('\n');
    }
    Ok(())
}

fn write_paths(out: &mut String) -> std::fmt::Result {
    writeln!(out, "## Paths\n")?;
    for context in ContextKind::ALL {
        writeln!(out, "### {}\n\n| path | type | |\n| --- | --- | --- |", context.name())?;
        for path in context.paths() {
            let access = match path.access {
                Access::Read => "read only",
                Access::ReadWrite => "",
                Access::Inside => "keys and indexes lead inside",
            };
            writeln!(out, "| `{}.{}` | {} | {access} |", context.name(), path.name, path.kind)?;
        }
        out.push('\n');
    }
    Ok(())
}
