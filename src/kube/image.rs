//! Image references: `registry:5000/team/app:1.2@sha256:…`.

/// An image reference taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image<'a> {
    /// Registry and repository.
    pub name: &'a str,
    /// `latest` when the reference has neither tag nor digest.
    pub tag: Option<&'a str>,
    pub digest: Option<&'a str>,
}

impl<'a> Image<'a> {
    pub fn parse(reference: &'a str) -> Self {
        let (rest, digest) = match reference.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (reference, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let path = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[path..].rfind(':') {
            Some(colon) => (&rest[..path + colon], Some(&rest[path + colon + 1..])),
            None => (rest, None),
        };
        let tag = tag.filter(|tag| !tag.is_empty()).or_else(|| digest.is_none().then_some("latest"));
        Self { name, tag, digest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_a_registry_is_no_tag() {
        for (reference, name, tag, digest) in [
            ("busybox", "busybox", Some("latest"), None),
            ("registry.local:5000/busybox", "registry.local:5000/busybox", Some("latest"), None),
            ("registry.local:5000/team/app:1.2", "registry.local:5000/team/app", Some("1.2"), None),
            ("app@sha256:ab", "app", None, Some("sha256:ab")),
            ("r:1/app:v2@sha256:ab", "r:1/app", Some("v2"), Some("sha256:ab")),
        ] {
            assert_eq!(Image::parse(reference), Image { name, tag, digest }, "{reference}");
        }
    }
}
