//! `kmagent components`: what this build knows, as YAML in the collector's form.

use std::fmt::Write as _;

use crate::component::{ComponentType, ConnectorType};
use crate::{connectors, exporters, extensions, processors, receivers};

pub fn run() -> i32 {
    print!("{}", yaml());
    0
}

fn yaml() -> String {
    let mut out = format!(
        "buildinfo:\n  command: kmagent\n  description: {}\n  version: {}\n",
        env!("CARGO_PKG_DESCRIPTION").replace(": ", ", "),
        env!("CARGO_PKG_VERSION")
    );
    section(&mut out, "receivers", receivers::TYPES);
    section(&mut out, "processors", processors::TYPES);
    section(&mut out, "exporters", exporters::TYPES);
    connector_section(&mut out, connectors::TYPES);
    section(&mut out, "extensions", extensions::TYPES);
    out.push_str("providers:\n  - scheme: env\n  - scheme: file\n  - scheme: yaml\n");
    out
}

fn section<C: ?Sized>(out: &mut String, name: &str, types: &[&ComponentType<C>]) {
    head(out, name, types.is_empty());
    for component in types {
        names(out, component.name, component.aliases);
        let signals: Vec<&str> = component.signals.iter().map(|signal| signal.name()).collect();
        if !signals.is_empty() {
            line(out, format_args!("    signals: [{}]", signals.join(", ")));
        }
    }
}

fn connector_section(out: &mut String, types: &[&ConnectorType]) {
    head(out, "connectors", types.is_empty());
    for connector in types {
        names(out, connector.name, connector.aliases);
        let pairs: Vec<String> =
            connector.signals.iter().map(|(from, to)| format!("{from}-to-{to}")).collect();
        line(out, format_args!("    signals: [{}]", pairs.join(", ")));
    }
}

fn head(out: &mut String, name: &str, empty: bool) {
    line(out, format_args!("{name}:{}", if empty { " []" } else { "" }));
}

fn names(out: &mut String, name: &str, aliases: &[&str]) {
    line(out, format_args!("  - name: {name}"));
    if !aliases.is_empty() {
        line(out, format_args!("    aliases: [{}]", aliases.join(", ")));
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    _ = writeln!(out, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_yaml_and_names_every_type_once_sorted() {
        let list: serde_yaml::Value = serde_yaml::from_str(&yaml()).unwrap();
        for kind in ["receivers", "processors", "exporters", "connectors", "extensions"] {
            let names: Vec<&str> = list[kind]
                .as_sequence()
                .unwrap()
                .iter()
                .map(|component| component["name"].as_str().unwrap())
                .collect();
            assert!(names.is_sorted(), "{kind}: {names:?}");
            assert!(!names.is_empty(), "{kind}");
        }
    }
}
