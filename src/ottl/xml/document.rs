//! A document as a tree of elements and texts in one list.

use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesStart, Event};

use crate::ottl::{EvalError, limits};

/// The place of a node in its document.
pub type NodeId = usize;

/// A parsed document or fragment. Node 0 is the document itself.
#[derive(Debug)]
pub struct Document {
    nodes: Vec<Node>,
}

#[derive(Debug)]
pub struct Node {
    pub kind: Kind,
    pub children: Vec<NodeId>,
}

#[derive(Debug)]
pub enum Kind {
    Document,
    Element {
        name: String,
        attributes: Vec<(String, String)>,
    },
    Text(String),
    /// Comments and processing instructions, kept as they are.
    Other(String),
}

/// Deepest nesting of elements.
const DEPTH: usize = limits::DEPTH;

fn invalid(error: impl std::fmt::Display) -> EvalError {
    EvalError::text(format!("invalid XML: {error}"))
}

impl Document {
    pub fn parse(text: &str) -> Result<Self, EvalError> {
        let mut reader = Reader::from_str(text);
        let mut document = Self { nodes: vec![Node { kind: Kind::Document, children: Vec::new() }] };
        let mut open = vec![0];
        loop {
            let parent = open.last().copied().unwrap_or_default();
            match reader.read_event().map_err(invalid)? {
                Event::Start(tag) => {
                    if open.len() > DEPTH {
                        return Err(invalid(format!("nested deeper than {DEPTH} levels")));
                    }
                    open.push(document.add(parent, element(&tag)?)?);
                }
                Event::Empty(tag) => {
                    document.add(parent, element(&tag)?)?;
                }
                Event::End(_) => {
                    open.pop();
                }
                Event::Text(text) => document.add_text(parent, &text)?,
                Event::CData(text) => document.add_text(parent, &text)?,
                Event::GeneralRef(entity) => {
                    let letter = entity.resolve_char_ref().map_err(invalid)?;
                    let name: &str = &entity;
                    match (letter, resolve_predefined_entity(name)) {
                        (Some(letter), _) => document.add_text(parent, letter.encode_utf8(&mut [0; 4]))?,
                        (None, Some(text)) => document.add_text(parent, text)?,
                        (None, None) => return Err(invalid(format!("unknown entity &{name};"))),
                    }
                }
                Event::Comment(text) => {
                    let text = format!("<!--{}-->", &*text);
                    document.add(parent, Kind::Other(text))?;
                }
                Event::Decl(text) => {
                    let text = format!("<?{}?>", &*text);
                    document.add(parent, Kind::Other(text))?;
                }
                Event::PI(text) => {
                    let text = format!("<?{}?>", &*text);
                    document.add(parent, Kind::Other(text))?;
                }
                // Document types can define entities without end: they are not read.
                Event::DocType(_) => {}
                Event::Eof if open.len() > 1 => return Err(invalid("an element has no end")),
                Event::Eof => return Ok(document),
            }
        }
    }

    pub fn kind(&self, node: NodeId) -> &Kind {
        &self.nodes[node].kind
    }

    pub fn kind_mut(&mut self, node: NodeId) -> &mut Kind {
        &mut self.nodes[node].kind
    }

    pub fn children(&self, node: NodeId) -> &[NodeId] {
        &self.nodes[node].children
    }

    pub fn children_mut(&mut self, node: NodeId) -> &mut Vec<NodeId> {
        &mut self.nodes[node].children
    }

    /// Adds a last child.
    pub fn add(&mut self, parent: NodeId, kind: Kind) -> Result<NodeId, EvalError> {
        limits::check_values(self.nodes.len())?;
        self.nodes.push(Node { kind, children: Vec::new() });
        let node = self.nodes.len() - 1;
        self.nodes[parent].children.push(node);
        Ok(node)
    }

    /// Neighbouring texts are one.
    fn add_text(&mut self, parent: NodeId, text: &str) -> Result<(), EvalError> {
        let last = self.nodes[parent].children.last().copied();
        if let Some(Kind::Text(known)) = last.map(|node| &mut self.nodes[node].kind) {
            known.push_str(text);
            return Ok(());
        }
        self.add(parent, Kind::Text(text.to_owned())).map(|_| ())
    }

    /// All elements below `node`, in document order.
    pub fn elements_below(&self, node: NodeId) -> Vec<NodeId> {
        let mut found = Vec::new();
        let mut ahead: Vec<NodeId> = self.children(node).iter().rev().copied().collect();
        while let Some(node) = ahead.pop() {
            if matches!(self.kind(node), Kind::Element { .. }) {
                found.push(node);
                ahead.extend(self.children(node).iter().rev());
            }
        }
        found
    }

    /// The texts directly inside `node`, joined.
    pub fn text(&self, node: NodeId) -> String {
        let texts = self.children(node).iter().filter_map(|child| match self.kind(*child) {
            Kind::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// Appends copies of the top-level nodes of another document to `parent`.
    pub fn append_copy(&mut self, parent: NodeId, other: &Self, node: NodeId) -> Result<(), EvalError> {
        for child in other.children(node) {
            let kind = match other.kind(*child) {
                Kind::Document => continue,
                Kind::Text(text) => Kind::Text(text.clone()),
                Kind::Other(text) => Kind::Other(text.clone()),
                Kind::Element { name, attributes } => {
                    Kind::Element { name: name.clone(), attributes: attributes.clone() }
                }
            };
            let copy = self.add(parent, kind)?;
            self.append_copy(copy, other, *child)?;
        }
        Ok(())
    }

    /// Appends the text of a node to `out`.
    pub fn write(&self, node: NodeId, out: &mut String) {
        match self.kind(node) {
            Kind::Text(text) => out.push_str(&escape(text.as_str())),
            Kind::Other(text) => out.push_str(text),
            Kind::Document => self.write_children(node, out),
            Kind::Element { name, attributes } => {
                out.extend(["<", name.as_str()]);
                for (key, value) in attributes {
                    out.extend([" ", key.as_str(), "=\"", &escape(value.as_str()), "\""]);
                }
                if self.children(node).is_empty() {
                    out.extend(["></", name.as_str(), ">"]);
                    return;
                }
                out.push('>');
                self.write_children(node, out);
                out.extend(["</", name.as_str(), ">"]);
            }
        }
    }

    fn write_children(&self, node: NodeId, out: &mut String) {
        for child in self.children(node) {
            self.write(*child, out);
        }
    }
}

fn element(tag: &BytesStart<'_>) -> Result<Kind, EvalError> {
    let mut attributes = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(invalid)?;
        let value = quick_xml::escape::unescape(&attribute.value).map_err(invalid)?.into_owned();
        attributes.push((attribute.key.as_ref().to_owned(), value));
    }
    Ok(Kind::Element { name: tag.name().as_ref().to_owned(), attributes })
}
