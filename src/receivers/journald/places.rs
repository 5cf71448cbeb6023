//! Where journal files are.

use std::collections::HashSet;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};

use super::super::filelog::finder::{Finder, Scope};
use super::position::parse_id;

/// Which directories or files are read.
pub enum Places {
    /// Directories of files, and of one directory a machine.
    Directories {
        roots: Vec<PathBuf>,
        namespace: Namespace,
        /// Only this machine's, where it has a directory.
        machine: Option<String>,
    },
    /// Files by name or pattern.
    Files(Box<Finder>),
}

/// Whose journals of a machine are read. Each namespace has a journald of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// Not those of namespaces.
    Default,
    /// `*`
    All,
    Only(String),
    /// `+name`
    WithDefault(String),
}

impl Namespace {
    pub fn parse(text: &str) -> Self {
        match text.strip_prefix('+') {
            _ if text.is_empty() => Self::Default,
            _ if text == "*" => Self::All,
            Some(name) => Self::WithDefault(name.to_owned()),
            None => Self::Only(text.to_owned()),
        }
    }

    fn includes(&self, namespace: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Default => namespace.is_none(),
            Self::Only(name) => namespace == Some(name),
            Self::WithDefault(name) => namespace.is_none_or(|namespace| namespace == name),
        }
    }
}

/// A journal file in a directory: where, and its inode there.
pub type Found = (PathBuf, u64);

impl Places {
    /// All journal files there are now. Calls `enter` for every directory, before it is listed.
    pub fn find(&mut self, enter: &mut dyn FnMut(&Path)) -> Vec<Found> {
        match self {
            Self::Files(finder) => {
                let inode = |path: &Path| {
                    use std::os::unix::fs::MetadataExt;
                    std::fs::metadata(path).map_or(0, |metadata| metadata.ino())
                };
                finder.find(&Scope::All, enter).into_iter().map(|path| (path.clone(), inode(&path))).collect()
            }
            Self::Directories { roots, namespace, machine } => {
                let mut found = Vec::new();
                for root in roots {
                    let mut machines = Vec::new();
                    list(root, enter, &mut found, &mut machines);
                    let own = machine.as_deref().filter(|own| machines.iter().any(|name| is_of(name, own)));
                    for name in &machines {
                        let part = name.split_once('.').map(|(_, namespace)| namespace);
                        if namespace.includes(part) && own.is_none_or(|own| is_of(name, own)) {
                            list(&root.join(name), enter, &mut found, &mut Vec::new());
                        }
                    }
                }
                let mut known = HashSet::new();
                found.retain(|(path, _)| known.insert(path.clone()));
                found
            }
        }
    }

    /// The places, for messages.
    pub fn describe(&self) -> String {
        match self {
            Self::Files(_) => "the files that are configured".to_owned(),
            Self::Directories { roots, .. } => {
                let roots: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
                roots.join(" or ")
            }
        }
    }
}

/// Whether a directory `<machine id>` or `<machine id>.<namespace>` is that of the machine.
fn is_of(name: &str, machine: &str) -> bool {
    name.strip_prefix(machine).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn list(directory: &Path, enter: &mut dyn FnMut(&Path), files: &mut Vec<Found>, machines: &mut Vec<String>) {
    enter(directory);
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.ends_with(".journal") || name.ends_with(".journal~") {
            files.push((entry.path(), entry.ino()));
        } else if parse_id(name.split('.').next().unwrap_or_default()).is_some() {
            machines.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_machine_and_the_namespaces_asked_for_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let (own, other) = ("0123456789abcdef0123456789abcdef", "ffffffffffffffffffffffffffffffff");
        let names = [
            format!("{own}/system.journal"),
            format!("{own}.web/system.journal"),
            format!("{own}/user-1@1.journal~"),
            format!("{own}/system.journal.tmp"),
            format!("{other}/system.journal"),
            "remote/x.journal".to_owned(),
            "top.journal".to_owned(),
        ];
        for name in &names {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let find = |namespace: &str, machine: Option<&str>| {
            let mut places = Places::Directories {
                roots: vec![dir.path().to_owned()],
                namespace: Namespace::parse(namespace),
                machine: machine.map(str::to_owned),
            };
            let mut found: Vec<usize> = places
                .find(&mut |_| ())
                .into_iter()
                .map(|(path, _)| names.iter().position(|name| path.ends_with(name)).unwrap())
                .collect();
            found.sort_unstable();
            found
        };
        assert_eq!(find("", Some(own)), [0, 2, 6]);
        assert_eq!(find("", None), [0, 2, 4, 6]);
        assert_eq!(find("", Some("eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee")), [0, 2, 4, 6], "not on this machine");
        assert_eq!(find("web", Some(own)), [1, 6]);
        assert_eq!(find("+web", Some(own)), [0, 1, 2, 6]);
        assert_eq!(find("*", None), [0, 1, 2, 4, 6]);
    }
}
