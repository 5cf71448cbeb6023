//! The attributes that all records of a file get: `log.file.*`.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::otlp::Attributes;

use super::Config;

/// Which attributes are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Labels {
    name: bool,
    path: bool,
    name_resolved: bool,
    path_resolved: bool,
    owner: bool,
    group: bool,
    permissions: bool,
}

impl Labels {
    pub fn new(config: &Config) -> Self {
        Self {
            name: config.include_file_name,
            path: config.include_file_path,
            name_resolved: config.include_file_name_resolved,
            path_resolved: config.include_file_path_resolved,
            owner: config.include_file_owner_name,
            group: config.include_file_owner_group_name,
            permissions: config.include_file_permissions,
        }
    }

    /// Adds the attributes of the file found at `path`, which is really at `place`.
    pub fn add(self, path: &Path, place: &Path, metadata: &std::fs::Metadata, to: &mut impl Attributes) {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let base = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut add = |wanted: bool, key: &'static str, value: &dyn Fn() -> String| {
            if wanted {
                to.set(key, value());
            }
        };
        add(self.name, "log.file.name", &|| base(path));
        add(self.path, "log.file.path", &|| text(path));
        add(self.name_resolved, "log.file.name_resolved", &|| base(place));
        add(self.path_resolved, "log.file.path_resolved", &|| text(place));
        add(self.owner, "log.file.owner.name", &|| name_of("/etc/passwd", metadata.uid()));
        add(self.group, "log.file.owner.group.name", &|| name_of("/etc/group", metadata.gid()));
        add(self.permissions, "log.file.permissions", &|| format!("{:03o}", metadata.mode() & 0o777));
    }
}

/// The name of a user or group id, from a file in the format of `passwd`; the number if it has none.
fn name_of(table: &str, id: u32) -> String {
    let id = id.to_string();
    let lines = std::fs::read_to_string(table).unwrap_or_default();
    let name = lines.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    });
    name.unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_attributes_of_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("real.log"), dir.path().join("link.log"));
        std::fs::write(&file, "x").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let all = Labels {
            name: true,
            path: true,
            name_resolved: true,
            path_resolved: true,
            owner: true,
            group: true,
            permissions: true,
        };
        let mut attributes = Vec::new();
        let metadata = std::fs::metadata(&link).unwrap();
        all.add(&link, &link.canonicalize().unwrap(), &metadata, &mut attributes);
        assert_eq!(attributes.get_str("log.file.name"), Some("link.log"));
        assert_eq!(attributes.get_str("log.file.path"), link.to_str());
        assert_eq!(attributes.get_str("log.file.name_resolved"), Some("real.log"));
        assert_eq!(attributes.get_str("log.file.permissions").unwrap().len(), 3);
        assert!(
            attributes.contains("log.file.owner.name") && attributes.contains("log.file.owner.group.name")
        );
        assert_eq!(name_of("/etc/passwd", 0), "root");
        assert_eq!(name_of("/nowhere", 77), "77");
    }
}
