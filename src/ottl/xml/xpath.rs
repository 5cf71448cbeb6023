//! The part of XPath that selects elements, attributes and texts: `/a/b`, `//b`, `*`, `@id`, `@*`,
//! `text()`, and the predicates `[2]`, `[@id]`, `[@id='x']`, `[b]` and `[b='x']`.

use super::{Document, Kind, NodeId};

/// A compiled path.
#[derive(Clone, Debug)]
pub struct XPath {
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
struct Step {
    /// Below at any depth (`//`), not only directly.
    anywhere: bool,
    test: Test,
    predicates: Vec<Predicate>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    /// `None` for `*`.
    Element(Option<String>),
    Attribute(Option<String>),
    Text,
}

#[derive(Clone, Debug)]
enum Predicate {
    /// Counted from 1 among the siblings that match.
    Place(usize),
    Attribute(String, Option<String>),
    Child(String, Option<String>),
}

/// What a path selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selected {
    Element(NodeId),
    /// An attribute of an element.
    Attribute(NodeId, String),
    /// A text in an element.
    Text(NodeId, NodeId),
}

impl XPath {
    pub fn new(path: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "bad XPath \"{path}\": known are /a, //a, *, @a, @*, text(), [1], [@a], [@a='x'], [b] and [b='x']"
            )
        };
        let mut steps = Vec::new();
        let mut rest = path.trim();
        while !rest.is_empty() {
            let anywhere = rest.starts_with("//");
            rest = rest.strip_prefix("//").or_else(|| rest.strip_prefix('/')).ok_or_else(wrong)?;
            let end = step_end(rest);
            steps.push(step(&rest[..end], anywhere).ok_or_else(wrong)?);
            rest = &rest[end..];
        }
        let inner = steps.len().saturating_sub(1);
        let selects_parts = |step: &Step| !matches!(step.test, Test::Element(_));
        if steps.is_empty() || steps[..inner].iter().any(selects_parts) {
            return Err(wrong());
        }
        Ok(Self { steps })
    }

    /// Everything that is selected, in document order.
    pub fn select(&self, document: &Document) -> Vec<Selected> {
        let mut nodes = vec![0];
        for step in &self.steps {
            if step.test == Test::Text || matches!(step.test, Test::Attribute(_)) {
                return step.select_parts(document, &nodes);
            }
            nodes = step.select_elements(document, &nodes);
        }
        nodes.into_iter().map(Selected::Element).collect()
    }
}

/// Where a step ends: at a slash outside of predicates.
fn step_end(text: &str) -> usize {
    let mut inside = 0;
    for (at, c) in text.char_indices() {
        match c {
            '[' => inside += 1,
            ']' => inside -= 1,
            '/' if inside == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

fn step(text: &str, anywhere: bool) -> Option<Step> {
    let (test, mut rest) = text.split_at(text.find('[').unwrap_or(text.len()));
    let test = match test {
        "text()" => Test::Text,
        "*" => Test::Element(None),
        "@*" => Test::Attribute(None),
        _ => match test.strip_prefix('@') {
            Some(name) => Test::Attribute(Some(name_of(name)?)),
            None => Test::Element(Some(name_of(test)?)),
        },
    };
    let mut predicates = Vec::new();
    while let Some(inner) = rest.strip_prefix('[') {
        let end = inner.find(']')?;
        predicates.push(predicate(inner[..end].trim())?);
        rest = &inner[end + 1..];
    }
    rest.is_empty().then_some(Step { anywhere, test, predicates })
}

fn predicate(text: &str) -> Option<Predicate> {
    if let Ok(place) = text.parse::<usize>() {
        return (place > 0).then_some(Predicate::Place(place));
    }
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name.trim(), Some(quoted(value.trim())?)),
        None => (text, None),
    };
    Some(match name.strip_prefix('@') {
        Some(name) => Predicate::Attribute(name_of(name)?, value),
        None => Predicate::Child(name_of(name)?, value),
    })
}

fn quoted(text: &str) -> Option<String> {
    let inside = ['\'', '"'].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote));
    inside.map(str::to_owned)
}

fn name_of(text: &str) -> Option<String> {
    let valid = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    (!text.is_empty() && text.chars().all(valid)).then(|| text.to_owned())
}

impl Step {
    fn select_elements(&self, document: &Document, parents: &[NodeId]) -> Vec<NodeId> {
        let mut found = Vec::new();
        for holder in self.holders(document, parents) {
            let matching =
                document.children(holder).iter().copied().filter(|child| self.fits(document, *child));
            let mut matching: Vec<NodeId> = matching.collect();
            for predicate in &self.predicates {
                matching = match predicate {
                    Predicate::Place(place) => matching.get(place - 1).copied().into_iter().collect(),
                    other => matching.into_iter().filter(|node| other.holds(document, *node)).collect(),
                };
            }
            found.extend(matching);
        }
        found
    }

    fn select_parts(&self, document: &Document, parents: &[NodeId]) -> Vec<Selected> {
        let mut found = Vec::new();
        for holder in self.holders(document, parents) {
            match (&self.test, document.kind(holder)) {
                (Test::Attribute(wanted), Kind::Element { attributes, .. }) => found.extend(
                    attributes
                        .iter()
                        .filter(|(name, _)| wanted.as_ref().is_none_or(|wanted| wanted == name))
                        .map(|(name, _)| Selected::Attribute(holder, name.clone())),
                ),
                (Test::Text, _) => found.extend(
                    document
                        .children(holder)
                        .iter()
                        .filter(|child| matches!(document.kind(**child), Kind::Text(_)))
                        .map(|child| Selected::Text(holder, *child)),
                ),
                _ => {}
            }
        }
        found
    }

    /// The nodes that may hold what the step selects.
    fn holders(&self, document: &Document, parents: &[NodeId]) -> Vec<NodeId> {
        if !self.anywhere {
            return parents.to_vec();
        }
        // Nested parents reach the same nodes: each counts once.
        let mut seen = std::collections::BTreeSet::new();
        for parent in parents {
            seen.insert(*parent);
            seen.extend(document.elements_below(*parent));
        }
        seen.into_iter().collect()
    }

    fn fits(&self, document: &Document, node: NodeId) -> bool {
        match (&self.test, document.kind(node)) {
            (Test::Element(wanted), Kind::Element { name, .. }) => {
                wanted.as_ref().is_none_or(|wanted| wanted == name)
            }
            _ => false,
        }
    }
}

impl Predicate {
    fn holds(&self, document: &Document, node: NodeId) -> bool {
        let equal =
            |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        match (self, document.kind(node)) {
            (Self::Attribute(name, value), Kind::Element { attributes, .. }) => {
                attributes.iter().any(|(key, found)| key == name && equal(value, found))
            }
            (Self::Child(wanted, value), _) => document.children(node).iter().any(|child| {
                matches!(document.kind(*child), Kind::Element { name, .. } if name == wanted)
                    && equal(value, &document.text(*child))
            }),
            _ => false,
        }
    }
}
