//! Converters of XML text.

use super::{Arg, Args, Function, ParamKind, opt, p};
use crate::otlp::{AnyValue, Attributes, KeyValue};
use crate::ottl::EvalError;
use crate::ottl::context::View;
use crate::ottl::value::Value;
use crate::ottl::xml::{Document, Kind, NodeId, Selected, XPath};

const TARGET: super::Param = p("target", ParamKind::Text);
const XPATH: super::Param = p("xpath", ParamKind::LiteralText);
const OPTIONAL_XPATH: super::Param = opt("xpath", ParamKind::LiteralText);

pub const FUNCTIONS: &[Function] = &[
    Function::converter(
        "ConvertAttributesToElementsXML",
        &[TARGET, OPTIONAL_XPATH],
        convert_attributes,
        "Attributes of the selected elements (all) become elements inside of them.",
    )
    .check(compile_xpath),
    Function::converter(
        "ConvertTextToElementsXML",
        &[TARGET, OPTIONAL_XPATH, opt("elementName", ParamKind::Text)],
        convert_text,
        "Texts beside elements in the selected elements (all) become elements (`value`).",
    )
    .check(compile_xpath),
    Function::converter("GetXML", &[TARGET, XPATH], get, "The selected elements, attributes or texts.")
        .check(compile_xpath),
    Function::converter(
        "InsertXML",
        &[TARGET, XPATH, p("value", ParamKind::Text)],
        insert,
        "The document with more XML at the end of the selected elements.",
    )
    .check(compile_xpath),
    Function::converter(
        "ParseSimplifiedXML",
        &[TARGET],
        parse_simplified,
        "A map of the elements by name; those that repeat are lists, attributes are left out.",
    ),
    Function::converter(
        "ParseXML",
        &[TARGET],
        parse,
        "A map with `tag`, `attributes`, `content` and `children` of the root element.",
    ),
    Function::converter("RemoveXML", &[TARGET, XPATH], remove, "The document without what is selected.")
        .check(compile_xpath),
];

/// Replaces the text of argument 1 by the compiled path.
fn compile_xpath(args: &mut Args) -> Result<(), (usize, String)> {
    if let Some(AnyValue::String(path)) = args.literal(1) {
        args.0[1] = Arg::XPath(XPath::new(path).map_err(|message| (1, message))?);
    }
    Ok(())
}

fn document(args: &Args, view: &View<'_>) -> Result<Document, EvalError> {
    Document::parse(&args.text(0, view)?)
}

fn written<'a>(document: &Document) -> Value<'a> {
    let mut out = String::new();
    document.write(0, &mut out);
    Value::text(out)
}

/// The elements that the optional path selects; without one, all of them.
fn elements(args: &Args, document: &Document) -> Vec<NodeId> {
    let Some(path) = args.xpath(1) else { return document.elements_below(0) };
    let element = |selected| match selected {
        Selected::Element(node) => Some(node),
        _ => None,
    };
    path.select(document).into_iter().filter_map(element).collect()
}

fn selected(args: &Args, document: &Document) -> Vec<Selected> {
    args.xpath(1).map(|path| path.select(document)).unwrap_or_default()
}

fn get<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let document = document(args, view)?;
    let mut out = String::new();
    for selected in selected(args, &document) {
        match selected {
            Selected::Element(node) => document.write(node, &mut out),
            Selected::Text(_, text) => {
                if let Kind::Text(text) = document.kind(text) {
                    out.push_str(text);
                }
            }
            Selected::Attribute(node, name) => {
                if let Kind::Element { attributes, .. } = document.kind(node) {
                    out.extend(
                        attributes.iter().filter(|(key, _)| *key == name).map(|(_, value)| value.as_str()),
                    );
                }
            }
        }
        crate::ottl::limits::check_text(out.len())?;
    }
    Ok(Value::text(out))
}

fn insert<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let mut document = document(args, view)?;
    let fragment = Document::parse(&args.text(2, view)?)?;
    for node in elements(args, &document) {
        document.append_copy(node, &fragment, 0)?;
    }
    Ok(written(&document))
}

fn remove<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let mut document = document(args, view)?;
    let selected = selected(args, &document);
    let doomed: std::collections::HashSet<NodeId> = selected
        .iter()
        .filter_map(|selected| match selected {
            Selected::Element(node) | Selected::Text(_, node) => Some(*node),
            Selected::Attribute(..) => None,
        })
        .collect();
    let mut holders = document.elements_below(0);
    holders.push(0);
    for holder in holders {
        document.children_mut(holder).retain(|child| !doomed.contains(child));
    }
    for selected in selected {
        if let Selected::Attribute(node, name) = selected
            && let Kind::Element { attributes, .. } = document.kind_mut(node)
        {
            attributes.retain(|(key, _)| *key != name);
        }
    }
    Ok(written(&document))
}

fn convert_attributes<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let mut document = document(args, view)?;
    for node in elements(args, &document) {
        let Kind::Element { attributes, .. } = document.kind_mut(node) else { continue };
        for (name, value) in std::mem::take(attributes) {
            let element = document.add(node, Kind::Element { name, attributes: Vec::new() })?;
            document.add(element, Kind::Text(value))?;
        }
    }
    Ok(written(&document))
}

fn convert_text<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let name = args.text_or(2, "value", view)?.to_string();
    let mut document = document(args, view)?;
    for node in elements(args, &document) {
        let children = document.children(node).to_vec();
        if !children.iter().any(|child| matches!(document.kind(*child), Kind::Element { .. })) {
            continue;
        }
        for (place, child) in children.into_iter().enumerate() {
            let Kind::Text(text) = document.kind(child) else { continue };
            if text.trim().is_empty() {
                continue;
            }
            let element = Kind::Element { name: name.clone(), attributes: Vec::new() };
            let element = document.add(node, element)?;
            document.children_mut(element).push(child);
            let children = document.children_mut(node);
            children.pop();
            children[place] = element;
        }
    }
    Ok(written(&document))
}

fn parse<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let document = document(args, view)?;
    let root = document.children(0).iter().find(|node| matches!(document.kind(**node), Kind::Element { .. }));
    let root = root.ok_or(EvalError::fixed("invalid XML: there is no element"))?;
    Ok(Value::from(element_map(&document, *root)))
}

fn element_map(document: &Document, node: NodeId) -> Vec<KeyValue> {
    let Kind::Element { name, attributes } = document.kind(node) else { return Vec::new() };
    let mut map = vec![KeyValue::fixed("tag", name.as_str())];
    if !attributes.is_empty() {
        let attributes = attributes.iter().map(|(key, value)| KeyValue::new(key.as_str(), value.as_str()));
        map.push(KeyValue::fixed("attributes", attributes.collect::<Vec<_>>()));
    }
    let content = document.text(node);
    if !content.trim().is_empty() {
        map.push(KeyValue::fixed("content", content.trim()));
    }
    let children = document.children(node).iter();
    let children = children.filter(|child| matches!(document.kind(**child), Kind::Element { .. }));
    let children: Vec<AnyValue> = children.map(|child| element_map(document, *child).into()).collect();
    if !children.is_empty() {
        map.push(KeyValue::fixed("children", children));
    }
    map
}

fn parse_simplified<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    Ok(Value::from(simplified(&document(args, view)?, 0)))
}

fn simplified(document: &Document, node: NodeId) -> Vec<KeyValue> {
    let mut map: Vec<KeyValue> = Vec::new();
    let mut repeated: Vec<String> = Vec::new();
    for child in document.children(node) {
        let Kind::Element { name, .. } = document.kind(*child) else { continue };
        let inner = simplified(document, *child);
        let value = if inner.is_empty() {
            AnyValue::from(document.text(*child).trim())
        } else {
            AnyValue::Map(inner)
        };
        match map.get_mut(name) {
            None => map.push(KeyValue::new(name.as_str(), value)),
            Some(AnyValue::Array(items)) if repeated.contains(name) => items.push(value),
            Some(first) => {
                *first = AnyValue::Array(vec![std::mem::take(first), value]);
                repeated.push(name.clone());
            }
        }
    }
    map
}
