//! Labels on their way from a page or a discovery to a sample.

use std::borrow::Cow;

/// The label that holds the name of the metric.
pub const NAME: &str = "__name__";

/// A name with its value, borrowed from the line it was read from where nothing changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label<'a> {
    pub name: Cow<'a, str>,
    pub value: Cow<'a, str>,
}

impl<'a> Label<'a> {
    pub fn new(name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// A set of labels, in any order; no name occurs twice.
pub trait Labels<'a> {
    /// The value, empty when there is no such label.
    fn value(&self, name: &str) -> &str;
    /// Sets a label; an empty value removes it.
    fn set(&mut self, name: Cow<'a, str>, value: Cow<'a, str>);
}

impl<'a> Labels<'a> for Vec<Label<'a>> {
    fn value(&self, name: &str) -> &str {
        self.iter().find(|label| label.name == name).map_or("", |label| &label.value)
    }

    fn set(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) {
        let place = self.iter().position(|label| label.name == name);
        match place {
            Some(place) if value.is_empty() => {
                self.swap_remove(place);
            }
            Some(place) => self[place].value = value,
            None if value.is_empty() => {}
            None => self.push(Label { name, value }),
        }
    }
}
