//! What is wrong in a configuration, with the place in its section.

/// Collects mistakes below one place.
pub struct Mistakes<'a> {
    path: String,
    found: &'a mut Vec<(String, String)>,
}

impl<'a> Mistakes<'a> {
    pub fn new(found: &'a mut Vec<(String, String)>) -> Self {
        Self { path: String::new(), found }
    }

    /// `path` is relative, parts joined with `::`; empty for the place itself.
    pub fn error(&mut self, path: &str, message: impl Into<String>) {
        let path = self.join(path);
        self.found.push((path, message.into()));
    }

    pub fn within(&mut self, path: &str) -> Mistakes<'_> {
        let path = self.join(path);
        Mistakes { path, found: self.found }
    }

    fn join(&self, path: &str) -> String {
        match (self.path.as_str(), path) {
            ("", path) => path.to_owned(),
            (base, "") => base.to_owned(),
            (base, path) => format!("{base}::{path}"),
        }
    }
}
