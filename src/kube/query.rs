//! Which objects are meant, and their address on the API server.

use std::fmt::Write;

/// A kind of object as the API server names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resource {
    /// API group, empty for the core group.
    pub group: String,
    pub version: String,
    /// Plural name in lower case: `pods`.
    pub plural: String,
}

impl Resource {
    pub fn new(group: &str, version: &str, plural: &str) -> Self {
        Self { group: group.to_owned(), version: version.to_owned(), plural: plural.to_owned() }
    }

    /// Path of the collection, of all namespaces or of one.
    pub fn path(&self, namespace: Option<&str>) -> String {
        let mut path = if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        };
        if let Some(namespace) = namespace {
            path.push_str("/namespaces/");
            encode_into(&mut path, namespace);
        }
        path.push('/');
        path.push_str(&self.plural);
        path
    }

    /// Path of one object.
    pub fn object_path(&self, namespace: Option<&str>, name: &str) -> String {
        let mut path = self.path(namespace);
        path.push('/');
        encode_into(&mut path, name);
        path
    }
}

/// A selection of the objects of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    pub resource: Resource,
    /// `None` for all namespaces and for resources that are in none.
    pub namespace: Option<String>,
    /// In the API's own syntax; empty for all.
    pub label_selector: String,
    pub field_selector: String,
    /// Only the metadata of the objects is wanted (`PartialObjectMetadata`).
    pub metadata_only: bool,
}

impl Query {
    pub fn all(resource: Resource) -> Self {
        Self {
            resource,
            namespace: None,
            label_selector: String::new(),
            field_selector: String::new(),
            metadata_only: false,
        }
    }

    pub fn in_namespace(mut self, namespace: Option<String>) -> Self {
        self.namespace = namespace;
        self
    }

    pub fn fields(mut self, selector: impl Into<String>) -> Self {
        self.field_selector = selector.into();
        self
    }

    pub fn labels(mut self, selector: impl Into<String>) -> Self {
        self.label_selector = selector.into();
        self
    }

    pub fn metadata_only(mut self) -> Self {
        self.metadata_only = true;
        self
    }

    /// Path and query string with `parameters` besides the selectors.
    pub fn url(&self, parameters: &[(&str, &str)]) -> String {
        let mut url = self.resource.path(self.namespace.as_deref());
        let selectors = [
            ("labelSelector", self.label_selector.as_str()),
            ("fieldSelector", self.field_selector.as_str()),
        ];
        let mut separator = '?';
        for (name, value) in parameters.iter().chain(selectors.iter().filter(|(_, value)| !value.is_empty()))
        {
            url.push(separator);
            separator = '&';
            url.push_str(name);
            url.push('=');
            encode_into(&mut url, value);
        }
        url
    }

    /// What to ask for in `Accept`: whole objects, or only their metadata.
    pub fn accept(&self, list: bool) -> &'static str {
        match (self.metadata_only, list) {
            (false, _) => "application/json",
            (true, true) => {
                "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
            }
            (true, false) => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
        }
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn encode_into(url: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_the_api() {
        let pods = Query::all(Resource::new("", "v1", "pods")).fields("spec.nodeName=node-a");
        assert_eq!(pods.url(&[("limit", "5")]), "/api/v1/pods?limit=5&fieldSelector=spec.nodeName%3Dnode-a");
        let sets =
            Query::all(Resource::new("apps", "v1", "replicasets")).in_namespace(Some("a/b".to_owned()));
        assert_eq!(sets.url(&[]), "/apis/apps/v1/namespaces/a%2Fb/replicasets");
        let node = Resource::new("", "v1", "nodes").object_path(None, "n?1");
        assert_eq!(node, "/api/v1/nodes/n%3F1");
    }
}
